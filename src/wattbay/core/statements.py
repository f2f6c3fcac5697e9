"""Statements: receipts, standing charges and tax of a pod over a local month, rounded once.

Receipts accrue by component as they are issued. A receipt of a month whose statement is out
accrues as a correction and stands on the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct, field

from wattbay.core import events as e
from wattbay.core.facts import (
    MonthlyCharges,
    PodFacts,
    StandingCharge,
    Statement,
    StatementCharge,
    StatementLine,
)
from wattbay.core.ledger import account
from wattbay.core.monthly import Month, capacity_nano, note, tiers_nano
from wattbay.core.registry import Registry, facts_at, tax_ppm
from wattbay.ids import PartyId, PodId, TariffId
from wattbay.periods import Instant
from wattbay.units import PPM, round_half_even

MONTH_LETTERS = len("2013-06")
COMPONENTS = ("trades", "pool", "supplier", "network", "levy", "service")
"""What a receipt is made of, in the order in which a statement lists it."""


class Accrual(Struct):
    """What an account has come to within a month, before its statement. [nano-currency]"""

    components: list[int] = field(default_factory=lambda: [0] * len(COMPONENTS))
    corrections: int = 0
    taxable: dict[int, int] = field(default_factory=dict)
    """By rate of tax. [ppm]"""
    month: Month = field(default_factory=Month)
    responses: int = 0
    """How many deliveries of called response were settled."""
    response_nano: int = 0


class Statements(Struct):
    """What the next statements will say."""

    accruals: dict[str, dict[str, Accrual]] = field(default_factory=dict)
    """By month, then account."""
    corrections: dict[str, Accrual] = field(default_factory=dict)
    """By account: of months whose statement is out."""
    payments: dict[str, int] = field(default_factory=dict)
    """By account: what was paid in less what was paid out since the last statement."""
    balances: dict[str, int] = field(default_factory=dict)
    """By account: closing balance of the last statement; positive: owed by the party."""
    days: dict[str, dict[str, Instant]] = field(default_factory=dict)
    """By month: the starts of its listed local days."""
    closed: str = ""
    """The last month whose statements are out."""


def accrue(
    statements: Statements,
    registry: Registry,
    delivery: Instant,
    day: str,
    dated: Sequence[PodFacts],
    events: Sequence[e.ReceiptIssued],
) -> None:
    """Add the receipts of a delivery to the month of its local day.

    Parameters
    ----------
    dated
        What held of the pod of each event at the delivery.
    """
    month = month_of(day)
    late = month <= statements.closed
    book = statements.corrections if late else statements.accruals.setdefault(month, {})
    rates: dict[TariffId, tuple[int, MonthlyCharges | None]] = {}
    for facts, event in zip(dated, events, strict=True):
        receipt, old = event.receipt, event.corrects
        name = f"{receipt.pod}/{receipt.party}"
        accrual = book.get(name)
        if accrual is None:
            accrual = book[name] = Accrual()
        tariff = facts.tariff
        known = rates.get(tariff)
        if known is None:
            flat = registry.tariffs[tariff]
            known = rates[tariff] = tax_ppm(flat, delivery), flat.monthly
        rate, monthly = known
        taxable = receipt.taxable_nano - (0 if old is None else old.taxable_nano)
        accrual.taxable[rate] = accrual.taxable.get(rate, 0) + taxable
        if late:
            accrual.corrections += receipt.total_nano - (0 if old is None else old.total_nano)
            continue
        if monthly is not None:
            note(accrual.month, (tariff, facts.supplier), monthly, receipt, old)
        components = accrual.components
        components[0] += receipt.trades_nano
        components[1] += receipt.pool_nano
        components[2] += receipt.supplier_nano
        components[3] += receipt.network_nano
        components[4] += receipt.levy_nano
        components[5] += receipt.service_nano
        if old is not None:
            components[0] -= old.trades_nano
            components[1] -= old.pool_nano
            components[2] -= old.supplier_nano
            components[3] -= old.network_nano
            components[4] -= old.levy_nano
            components[5] -= old.service_nano


def respond(statements: Statements, day: str, event: e.ResponseSettled) -> None:
    """Add rebate or penalty to the month of its local day, or to the next statement."""
    month, name = month_of(day), f"{event.pod}/{event.party}"
    if month <= statements.closed:
        late = statements.corrections.setdefault(name, Accrual())
        late.corrections += event.amount_nano
        return
    accrual = statements.accruals.setdefault(month, {}).setdefault(name, Accrual())
    accrual.responses += 1
    accrual.response_nano += event.amount_nano


def month_of(day: str) -> str:
    """Return the month of a local date: ``2013-06`` of ``2013-06-10``."""
    return day[:MONTH_LETTERS]


def pay(statements: Statements, name: str, amount_nano: int) -> None:
    """Remember what was paid in (positive) or out."""
    statements.payments[name] = statements.payments.get(name, 0) + amount_nano


class Standing(NamedTuple):
    """The standing charges of an account in a month."""

    facts: PodFacts
    """What held of its pod last."""
    by_ppm: dict[int, int]
    """By rate of tax [ppm]. [nano-currency]"""
    by_supplier: dict[PartyId, int]
    """[nano-currency]"""
    last: Instant
    """Start of the last local day that the account had the pod."""


def close_month(statements: Statements, registry: Registry, month: str) -> list[e.Event]:
    """Write the statement of every account that had a pod in a month."""
    accruals = statements.accruals.get(month, {})
    return [
        e.StatementIssued(
            statement=_statement(
                statements, registry, month, standing, accruals.get(name, Accrual())
            )
        )
        for name, standing in sorted(_standing(statements, registry, month).items())
    ]


def _standing(statements: Statements, registry: Registry, month: str) -> dict[str, Standing]:
    """Return the standing charges of each account; a day's go to whoever supplied it then."""
    found: dict[str, Standing] = {}
    days = sorted(statements.days.get(month, {}).values())
    for pod in registry.pods:
        for start in days:
            facts = facts_at(registry, pod, start)
            if facts is None:
                continue
            tariff = registry.tariffs[facts.tariff]
            rate, price = tax_ppm(tariff, start), tariff.standing_nano_per_day
            name = account(pod, facts.party)
            known = found.get(name, Standing(facts, {}, {}, start))
            found[name] = known._replace(facts=facts, last=start)
            known.by_ppm[rate] = known.by_ppm.get(rate, 0) + price
            supplier = facts.supplier
            known.by_supplier[supplier] = known.by_supplier.get(supplier, 0) + price
    # Who was here for less than a day, or left: no standing charge, but what they owe.
    owing = {*statements.accruals.get(month, {}), *statements.corrections, *statements.payments}
    for name in sorted(owing - found.keys()):
        owner, _, party = name.partition("/")
        for facts in registry.pods[PodId(owner)]:
            if facts.party == party:
                found[name] = Standing(facts, {}, {}, facts.since)
    return found


def _statement(
    statements: Statements,
    registry: Registry,
    month: str,
    standing: Standing,
    accrual: Accrual,
) -> Statement:
    """Write one statement."""
    facts, charges, by_supplier, _ = standing
    name = account(facts.pod, facts.party)
    late = statements.corrections.get(name, Accrual())
    taxable = dict(accrual.taxable)
    for more in (late.taxable, charges):
        for rate, amount in more.items():
            taxable[rate] = taxable.get(rate, 0) + amount
    extra = _charges(registry, standing, accrual)
    lines = dict.fromkeys((charge.component for charge in extra), 0)
    for charge in extra:
        lines[charge.component] += charge.amount_nano
    if extra:
        rate = tax_ppm(registry.tariffs[facts.tariff], standing.last)
        taxable[rate] = taxable.get(rate, 0) + sum(lines.values())
    if accrual.responses:
        lines["response"] = accrual.response_nano  # Bears no tax.
    tax = sum(round_half_even(taxable[rate] * rate, PPM) for rate in sorted(taxable))
    amounts = [
        ("opening", statements.balances.get(name, 0)),
        *zip(COMPONENTS, accrual.components, strict=True),
        ("corrections", late.corrections),
        ("standing", sum(charges.values())),
        *lines.items(),
        ("tax", tax),
        ("payments", -statements.payments.get(name, 0)),
    ]
    closing = sum(amount for _, amount in amounts)
    community = registry.community
    minor = 10 ** (9 - community.minor_digits) if community is not None else 1
    payable = round_half_even(closing, minor)
    return Statement(
        pod=facts.pod,
        party=facts.party,
        standing=tuple(
            StandingCharge(supplier=supplier, amount_nano=amount)
            for supplier, amount in sorted(by_supplier.items())
        ),
        month=month,
        lines=tuple(
            StatementLine(component=component, amount_nano=amount)
            for component, amount in [*amounts, ("closing", closing)]
        ),
        payable_minor=payable,
        carried_nano=closing - payable * minor,
        charges=tuple(extra),
    )


def _charges(registry: Registry, standing: Standing, accrual: Accrual) -> list[StatementCharge]:
    """Return what a month's tiers, capacity and minimum come to.

    Tiers count by tariff and supplier. Capacity and minimum are those of the tariff that the pod
    had last; a minimum is due where the pod was there for a local day, and is not cut for fewer.
    """
    month = accrual.month
    found = [
        StatementCharge(
            component="tiers",
            supplier=contract.supplier,
            amount_nano=tiers_nano(contract.tiers, contract.bought_wh),
        )
        for contract in month.contracts.values()
    ]
    monthly = registry.tariffs[standing.facts.tariff].monthly
    if monthly is not None and monthly.capacity_nano_per_w:
        amount = capacity_nano(month, monthly.capacity_nano_per_w, registry.isp_us)
        found.append(StatementCharge(component="capacity", supplier=None, amount_nano=amount))
    if monthly is not None and monthly.minimum_nano and standing.by_supplier:
        trades_and_pool = 2
        due = sum(accrual.components[trades_and_pool:]) + sum(standing.by_ppm.values())
        due += sum(charge.amount_nano for charge in found)
        found.append(
            StatementCharge(
                component="minimum",
                supplier=standing.facts.supplier,
                amount_nano=max(0, monthly.minimum_nano - due),
            )
        )
    return found


def issued(statements: Statements, statement: Statement) -> None:
    """Start the next statement of an account from the closing balance of this one."""
    name = account(statement.pod, statement.party)
    month = statement.month
    statements.balances[name] = statement.lines[-1].amount_nano
    statements.payments.pop(name, None)
    statements.corrections.pop(name, None)
    book = statements.accruals.get(month)
    if book is not None:
        book.pop(name, None)
        if not book:
            del statements.accruals[month]
    statements.days.pop(month, None)
    statements.closed = max(statements.closed, month)
