"""Accounts and postings, for money and for the energy of each delivery alike.

A posting moves an amount from one account (credit) to another (debit), so that every asset sums
to zero whatever happens. Postings are not stored: they follow from events, by `postings`.

Accounts of money: ``h01/p01`` (a pod under a party: whoever moves in inherits no debt),
``supplier:NAME``, ``pool``, ``network``, ``levy``, ``service``, ``tax``, ``market``, ``bank``,
``uncollected``. Accounts of a delivery's energy: ``h01`` (a pod), ``grid``, ``pool``,
``supplier:NAME``, ``activated``. What is left on a pod's energy account is its deviation.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, field

from wattbay.core import events as e
from wattbay.core.facts import Funding, Mechanism, PodFacts, Receipt
from wattbay.core.registry import Registry, facts_then
from wattbay.errors import ensure
from wattbay.ids import PartyId, PodId
from wattbay.periods import Instant

ENERGY = "Wh"


Posting = tuple[str, Instant | None, str, str, int, str]
"""An amount that moves: asset, delivery, debit, credit, amount, kind.

From the account `credit` to the account `debit`; the asset is ``Wh`` (of the delivery) or the
currency (and the delivery that it is paid for, or None); never negative. [Wh or nano-currency]
"""


class Ledger(Struct):
    """Balances and holds. A balance is what was debited less what was credited."""

    money: dict[str, int] = field(default_factory=dict)
    energy: dict[Instant, dict[str, int]] = field(default_factory=dict)
    """By delivery, until it is final."""
    held: dict[str, int] = field(default_factory=dict)
    """Money accounts with something at risk. [nano-currency]"""
    accounts: dict[PartyId, list[str]] = field(default_factory=dict)
    """Money accounts of each party."""


def account(pod: PodId, party: PartyId) -> str:
    """Return the money account of a pod under a party."""
    return f"{pod}/{party}"


def account_at(registry: Registry, pod: PodId, delivery: Instant) -> str:
    """Return the money account that a delivery of a pod falls on."""
    return f"{pod}/{facts_then(registry, pod, delivery).party}"


def supplier_account(party: PartyId) -> str:
    """Return the account of a residual supplier, for money and energy."""
    return f"supplier:{party}"


def available(registry: Registry, ledger: Ledger, party: PartyId) -> int:
    """Return what a party can still put at risk. [nano-currency]"""
    known = registry.parties[party]
    credit = known.credit_limit_nano if known.funding is Funding.CREDIT_LIMIT else 0
    money, held = ledger.money, ledger.held
    for name in ledger.accounts.get(party, ()):
        credit += money.get(name, 0) - held.get(name, 0)
    return credit


# --- postings --------------------------------------------------------------------------------


def _move(
    asset: str, delivery: Instant | None, payer: str, payee: str, amount: int, kind: str
) -> Posting:
    """Return the posting of an amount that may be negative: then it moves the other way."""
    if amount >= 0:
        return (asset, delivery, payee, payer, amount, kind)
    return (asset, delivery, payer, payee, -amount, kind)


def postings(registry: Registry, event: e.Event) -> list[Posting]:
    """Return what an event moves; the registry is the state before it."""
    match event:
        case e.EnergyMetered():
            return metered(event)
        case e.ReceiptIssued():
            receipt = event.receipt
            facts = facts_then(registry, receipt.pod, receipt.delivery)
            return settled(facts, currency_of(registry), receipt, event.corrects)
        case e.Traded():
            return traded(registry, event)
        case e.TradeCancelled():
            return [
                (asset, delivery, credit, debit, amount, "trade_cancelled")
                for asset, delivery, debit, credit, amount, _ in traded(registry, event.traded)
            ]
        case e.EnergyActivated():
            return [
                _move(ENERGY, event.delivery, event.pod, "activated", event.energy_wh, "activated")
            ]
        case e.MoneyDeposited():
            name = account(event.pod, event.party)
            return [_move(currency_of(registry), None, "bank", name, event.amount_nano, "deposit")]
        case e.MoneyWithdrawn():
            name, amount = account(event.pod, event.party), event.amount_nano
            return [_move(currency_of(registry), None, name, "bank", amount, "withdrawal")]
        case e.DebtWrittenOff():
            name = account(event.pod, event.party)
            amount = event.amount_nano
            return [_move(currency_of(registry), None, "uncollected", name, amount, "write_off")]
        case e.StatementIssued():
            return _stated(registry, event)
        case e.ResponseSettled():
            return responded(registry, event)
        case _:
            return []


MOVING = frozenset(
    {
        e.EnergyMetered,
        e.ReceiptIssued,
        e.Traded,
        e.TradeCancelled,
        e.EnergyActivated,
        e.MoneyDeposited,
        e.MoneyWithdrawn,
        e.DebtWrittenOff,
        e.StatementIssued,
        e.ResponseSettled,
    }
)
"""The events that move anything."""


def currency_of(registry: Registry) -> str:
    """Return the one currency of the community."""
    return registry.community.currency if registry.community is not None else ""


def metered(event: e.EnergyMetered) -> list[Posting]:
    """Move metered energy between pod and grid; a correction moves the difference."""
    pod, delivery = event.pod, event.delivery
    drawn = event.import_wh - event.before_import_wh
    injected = event.export_wh - event.before_export_wh
    moves = []
    if drawn:
        moves.append(_move(ENERGY, delivery, pod, "grid", drawn, "import"))
    if injected:
        moves.append(_move(ENERGY, delivery, "grid", pod, injected, "export"))
    return moves


def traded(registry: Registry, event: e.Traded) -> list[Posting]:
    """Move money one way and energy the other; a gap between the prices has an owner."""
    delivery, quantity = event.delivery, event.quantity_wh
    buyer = account_at(registry, event.buyer, delivery)
    seller = account_at(registry, event.seller, delivery)
    currency = currency_of(registry)
    value = quantity * event.sell_price
    moves: list[Posting] = [
        (ENERGY, delivery, event.buyer, event.seller, quantity, "trade"),
        _move(currency, delivery, buyer, seller, value, "trade"),
    ]
    gap = quantity * (event.buy_price - event.sell_price)
    if gap:
        product = registry.products[event.product]
        # In continuous trading nobody pays or gets more than the network fee apart.
        is_fee = product.mechanism is Mechanism.CONTINUOUS
        fee = gap if is_fee else quantity * product.network_fee
        if fee:
            moves.append(_move(currency, delivery, buyer, "network", fee, "network"))
        if gap - fee:
            moves.append(_move(currency, delivery, buyer, "market", gap - fee, "market"))
    return moves


def settled(facts: PodFacts, currency: str, receipt: Receipt, old: Receipt | None) -> list[Posting]:
    """Close a pod's deviation and charge its fees; a correction posts the differences.

    Parameters
    ----------
    facts
        What held of the pod at the delivery.
    """
    pooled, residual, pool, supplied, network, levy, service = (
        _closing(receipt) if old is None else _difference(receipt, old)
    )
    delivery, pod = receipt.delivery, receipt.pod
    supplier = f"supplier:{facts.supplier}"
    payer = f"{pod}/{receipt.party}"
    moves = []
    if pooled:
        moves.append(_move(ENERGY, delivery, pod, "pool", pooled, "pool"))
    if residual:
        moves.append(_move(ENERGY, delivery, pod, supplier, residual, "residual"))
    if pool:
        moves.append(_move(currency, delivery, payer, "pool", pool, "pool"))
    if supplied:
        moves.append(_move(currency, delivery, payer, supplier, supplied, "supplier"))
    if network:
        moves.append(_move(currency, delivery, payer, "network", network, "network"))
    if levy:
        moves.append(_move(currency, delivery, payer, "levy", levy, "levy"))
    if service:
        moves.append(_move(currency, delivery, payer, "service", service, "service"))
    return moves


def _closing(receipt: Receipt) -> tuple[int, int, int, int, int, int, int]:
    """Return what a receipt moves from the pod: two energies, then money."""
    return (
        receipt.pooled_wh,
        receipt.residual_wh,
        receipt.pool_nano,
        receipt.supplier_nano,
        receipt.network_nano,
        receipt.levy_nano,
        receipt.service_nano,
    )


def _difference(receipt: Receipt, old: Receipt) -> list[int]:
    """Return what a receipt moves more than the one that it corrects."""
    return [now - then for now, then in zip(_closing(receipt), _closing(old), strict=True)]


def responded(registry: Registry, event: e.ResponseSettled) -> list[Posting]:
    """Move rebate or penalty of a called pod."""
    if not event.amount_nano:
        return []
    payee = "network" if event.supplier is None else supplier_account(event.supplier)
    name, currency = account(event.pod, event.party), currency_of(registry)
    return [_move(currency, event.delivery, name, payee, event.amount_nano, "response")]


def _stated(registry: Registry, event: e.StatementIssued) -> list[Posting]:
    """Charge what a statement adds to the receipts: standing and monthly charges, and tax."""
    statement = event.statement
    name = account(statement.pod, statement.party)
    currency = currency_of(registry)
    moves = [
        _move(currency, None, name, supplier_account(one.supplier), one.amount_nano, "standing")
        for one in statement.standing
        if one.amount_nano
    ]
    for charge in statement.charges:
        payee = "network" if charge.supplier is None else supplier_account(charge.supplier)
        if charge.amount_nano:
            moves.append(_move(currency, None, name, payee, charge.amount_nano, charge.component))
    moves += [
        _move(currency, None, name, "tax", line.amount_nano, "tax")
        for line in statement.lines
        if line.component == "tax" and line.amount_nano
    ]
    return moves


# --- changes ---------------------------------------------------------------------------------


def post(ledger: Ledger, moves: list[Posting]) -> None:
    """Change the balances."""
    money, energy = ledger.money, ledger.energy
    for asset, delivery, debit, credit, amount, _ in moves:
        if delivery is None or asset != ENERGY:
            balances = money
        else:
            balances = energy.get(delivery) or energy.setdefault(delivery, {})
        balances[debit] = balances.get(debit, 0) + amount
        balances[credit] = balances.get(credit, 0) - amount


def take_up(ledger: Ledger, event: e.EnergyMetered) -> None:
    """Post metered energy: the balances that `metered` leads to, with each account touched once."""
    energy = ledger.energy.get(event.delivery)
    if energy is None:
        energy = ledger.energy[event.delivery] = {}
    before_wh = event.before_export_wh - event.before_import_wh
    net_wh = event.export_wh - event.import_wh - before_wh
    pod = event.pod
    energy[pod] = energy.get(pod, 0) + net_wh
    energy["grid"] = energy.get("grid", 0) - net_wh


def charge(
    ledger: Ledger, delivery: Instant, dated: Sequence[PodFacts], events: Sequence[e.ReceiptIssued]
) -> None:
    """Post the receipts of a delivery: the balances that `settled` leads to, in one go.

    Receipts are most of what is posted. Each account is touched once for all of them, which halves
    the price of a replay.

    Parameters
    ----------
    dated
        What held of the pod of each event at the delivery.
    """
    energy = ledger.energy.setdefault(delivery, {})
    money = ledger.money
    pool_wh = pool_nano = network_nano = levy_nano = service_nano = 0
    suppliers: dict[PartyId, list[int]] = {}
    for facts, event in zip(dated, events, strict=True):
        receipt, old = event.receipt, event.corrects
        pod = receipt.pod
        payer = f"{pod}/{receipt.party}"
        pooled, residual = receipt.pooled_wh, receipt.residual_wh
        pool, supplied = receipt.pool_nano, receipt.supplier_nano
        network, levy, service = receipt.network_nano, receipt.levy_nano, receipt.service_nano
        if old is not None:
            pooled, residual, pool, supplied, network, levy, service = _difference(receipt, old)
        energy[pod] = energy.get(pod, 0) - pooled - residual
        money[payer] = money.get(payer, 0) - pool - supplied - network - levy - service
        sums = suppliers.get(facts.supplier)
        if sums is None:
            suppliers[facts.supplier] = [residual, supplied]
        else:
            sums[0] += residual
            sums[1] += supplied
        pool_wh += pooled
        pool_nano += pool
        network_nano += network
        levy_nano += levy
        service_nano += service
    for supplier, (residual, supplied) in suppliers.items():
        _add(energy, supplier_account(supplier), residual)
        _add(money, supplier_account(supplier), supplied)
    _add(energy, "pool", pool_wh)
    _add(money, "pool", pool_nano)
    _add(money, "network", network_nano)
    _add(money, "levy", levy_nano)
    _add(money, "service", service_nano)


def _add(balances: dict[str, int], name: str, amount: int) -> None:
    """Add to a balance; an account that nothing was ever moved to does not come to be."""
    if amount:
        balances[name] = balances.get(name, 0) + amount


def close_energy(ledger: Ledger, delivery: Instant) -> None:
    """Let go of a delivery's energy accounts, which by now must be closed.

    Raises
    ------
    InvariantBroken
        If a pod is left with a deviation, the pool with energy, or the accounts do not sum to zero.
    """
    balances = ledger.energy.pop(delivery, {})
    ensure(sum(balances.values()) == 0, f"energy of delivery {delivery} sums to zero")
    for name, balance in balances.items():
        if balance:
            may_end_open = name in OPEN_AT_THE_END or name.startswith("supplier:")
            ensure(may_end_open, f"energy of {name} at {delivery} ends at zero")


OPEN_AT_THE_END = frozenset({"grid", "activated"})
"""Energy accounts that end with what went over the network or was instructed."""


def open_account(ledger: Ledger, pod: PodId, party: PartyId) -> None:
    """Let a party have a money account for a pod."""
    names = ledger.accounts.setdefault(party, [])
    name = account(pod, party)
    if name not in names:
        names.append(name)


def hold(ledger: Ledger, name: str, amount_nano: int) -> None:
    """Hold (positive) or release (negative) money of an account."""
    if amount_nano:
        left = ledger.held.get(name, 0) + amount_nano
        if left:
            ledger.held[name] = left
        else:
            del ledger.held[name]
