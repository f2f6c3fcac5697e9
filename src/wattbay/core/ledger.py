"""Accounts and postings, for money and for the energy of each delivery alike.

A posting moves an amount from one account (credit) to another (debit), so that every asset sums
to zero whatever happens. Postings are not stored: they follow from events, by `postings`.

Accounts of money: ``h01/p01`` (a pod under a party: whoever moves in inherits no debt),
``supplier:NAME``, ``pool``, ``network``, ``levy``, ``service``, ``tax``, ``market``, ``bank``,
``uncollected``. Accounts of a delivery's energy: ``h01`` (a pod), ``grid``, ``pool``,
``supplier:NAME``, ``activated``. What is left on a pod's energy account is its deviation.
"""

from __future__ import annotations

from msgspec import Struct, field

from wattbay.core import events as e
from wattbay.core.facts import Funding, Receipt
from wattbay.core.registry import Registry, facts_at
from wattbay.errors import ensure
from wattbay.ids import PartyId, PodId
from wattbay.periods import Instant

ENERGY = "Wh"


class Posting(Struct, frozen=True, gc=False):
    """An amount that moves from the account `credit` to the account `debit`."""

    asset: str
    """``Wh`` (of the delivery) or the currency."""
    delivery: Instant | None
    debit: str
    credit: str
    amount: int
    """Never negative. [Wh or nano-currency]"""
    kind: str


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
    facts = facts_at(registry, pod, delivery)
    return f"{pod}/{facts.party}" if facts is not None else pod


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
        return Posting(asset, delivery, payee, payer, amount, kind)
    return Posting(asset, delivery, payer, payee, -amount, kind)


def postings(registry: Registry, event: e.Event) -> list[Posting]:
    """Return what an event moves; the registry is the state before it."""
    match event:
        case e.EnergyMetered():
            return _metered(event)
        case e.Traded():
            return _traded(registry, event)
        case e.TradeCancelled():
            return [
                Posting(p.asset, p.delivery, p.credit, p.debit, p.amount, "trade_cancelled")
                for p in _traded(registry, event.traded)
            ]
        case e.ReceiptIssued():
            return _settled(registry, event.receipt, event.corrects)
        case e.EnergyActivated():
            return [
                _move(ENERGY, event.delivery, event.pod, "activated", event.energy_wh, "activated")
            ]
        case e.MoneyDeposited():
            name = account(event.pod, event.party)
            return [_move(_currency(registry), None, "bank", name, event.amount_nano, "deposit")]
        case e.MoneyWithdrawn():
            name = account(event.pod, event.party)
            return [_move(_currency(registry), None, name, "bank", event.amount_nano, "withdrawal")]
        case e.DebtWrittenOff():
            name = account(event.pod, event.party)
            amount = event.amount_nano
            return [_move(_currency(registry), None, "uncollected", name, amount, "write_off")]
        case e.StatementIssued():
            return _stated(registry, event)
        case _:
            return []


def _currency(registry: Registry) -> str:
    return registry.community.currency if registry.community is not None else ""


def _metered(event: e.EnergyMetered) -> list[Posting]:
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


def _traded(registry: Registry, event: e.Traded) -> list[Posting]:
    """Move money one way and energy the other; a gap between the prices has an owner."""
    delivery, quantity = event.delivery, event.quantity_wh
    buyer = account_at(registry, event.buyer, delivery)
    seller = account_at(registry, event.seller, delivery)
    currency = _currency(registry)
    value = quantity * event.sell_price
    moves = [
        Posting(ENERGY, delivery, event.buyer, event.seller, quantity, "trade"),
        _move(currency, delivery, buyer, seller, value, "trade"),
    ]
    gap = quantity * (event.buy_price - event.sell_price)
    if gap:
        fee = quantity * registry.products[event.product].network_fee
        if fee:
            moves.append(_move(currency, delivery, buyer, "network", fee, "network"))
        if gap - fee:
            moves.append(_move(currency, delivery, buyer, "market", gap - fee, "market"))
    return moves


def _settled(registry: Registry, receipt: Receipt, old: Receipt | None) -> list[Posting]:
    """Close a pod's deviation and charge its fees; a correction posts the differences."""
    pooled, residual, pool, supplied, network, levy, service = (
        _closing(receipt)
        if old is None
        else [now - then for now, then in zip(_closing(receipt), _closing(old), strict=True)]
    )
    delivery, pod = receipt.delivery, receipt.pod
    facts = facts_at(registry, pod, delivery)
    supplier = supplier_account(facts.supplier) if facts is not None else ""
    payer = f"{pod}/{receipt.party}"
    currency = _currency(registry)
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


def _stated(registry: Registry, event: e.StatementIssued) -> list[Posting]:
    """Charge what a statement adds to the receipts: standing charges and tax."""
    statement = event.statement
    name = account(statement.pod, statement.party)
    moves = []
    for line in statement.lines:
        if line.component == "standing":
            payee = f"supplier:{statement.supplier}"
        elif line.component == "tax":
            payee = "tax"
        else:
            continue
        if line.amount_nano:
            currency = _currency(registry)
            moves.append(_move(currency, None, name, payee, line.amount_nano, line.component))
    return moves


# --- changes ---------------------------------------------------------------------------------


def post(ledger: Ledger, moves: list[Posting]) -> None:
    """Change the balances."""
    for move in moves:
        if move.delivery is None or move.asset != ENERGY:
            balances = ledger.money
        else:
            balances = ledger.energy.setdefault(move.delivery, {})
        try:
            balances[move.debit] += move.amount
        except KeyError:
            balances[move.debit] = move.amount
        try:
            balances[move.credit] -= move.amount
        except KeyError:
            balances[move.credit] = -move.amount


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
        if balance and name not in OPEN_AT_THE_END and not name.startswith("supplier:"):
            ensure(False, f"energy account {name} of delivery {delivery} is closed; left {balance}")


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
