"""What is on the bill: a month as it was issued, or any span added up from its receipts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import polars as pl
from msgspec import Struct, field

from wattbay.cli.show.figures import Purse, Scale, counted, kwh, percent
from wattbay.cli.show.folder import Run
from wattbay.cli.show.page import Page, Term
from wattbay.cli.show.usage import Usage, receipts_of, usage
from wattbay.cli.show.words import COMPONENTS
from wattbay.errors import ConfigError, Fault
from wattbay.periods import Instant, instant, to_text
from wattbay.units import PPM, round_half_even

AMOUNTS = ("trades", "pool", "supplier", "network", "levy", "service")
"""What receipts are made of."""


class StatementRow(Struct, frozen=True):
    """A component of an issued statement. Positive: the party pays."""

    party: str
    start: Instant = field(name="from")
    end: Instant = field(name="to")
    component: str = ""
    amount_nano: int = 0
    payable_minor: int = 0


class Told(Struct, frozen=True):
    """A statement, and what it is made of. Money in nano-currency; positive: the home pays."""

    format: int
    pod: str
    party: str
    is_issued: bool
    """Whether it was issued; else it is added up from the receipts of a span."""
    start: str
    end: str
    amounts_nano: dict[str, int]
    """By component."""
    payable_minor: int
    """Rounded once to the payable unit."""
    carried_nano: int
    """What rounding left on the account."""
    standing_days: dict[int, int]
    """Local days by the standing charge of their tariff. [nano-currency per day]"""
    taxed_nano: dict[int, int]
    """What the home pays for, by share of tax in ppm: what tax falls on."""
    saved_nano: int
    used: Usage
    corrected_since_nano: int
    """By how much the receipts changed after the statement was issued."""


# --- what is told ---


def tell(run: Run, pod: str, month: str | None, since: str | None, until: str | None) -> list[Told]:
    """Gather the statements of a home.

    Raises
    ------
    ConfigError
        If there is no such month or span.
    """
    if since is not None or until is not None:
        if month is not None:
            raise ConfigError(Fault(month, "name a month, or --from and --to, not both"))
        return [_computed(run, pod, *_span(run, since, until))]
    issued = _issued(run, pod)
    if not issued and month is None:
        return [_computed(run, pod, run.start, run.end)]
    months = {_month(run, rows[0].start): rows for rows in issued}
    if month is None:
        return [_told(run, pod, rows) for rows in issued]
    if month not in months:
        remedy = f"there is one of {', '.join(months)}" if months else "none was issued in this run"
        raise ConfigError(
            Fault(month, f"{pod} has no statement of this month", f"{remedy}; try --from and --to")
        )
    return [_told(run, pod, months[month])]


def _issued(run: Run, pod: str) -> list[list[StatementRow]]:
    """Return the rows of each statement of a pod, in order of issue."""
    if not run.has("statements"):
        return []
    found: dict[tuple[Instant, str], list[StatementRow]] = {}
    for row in run.read("statements", StatementRow, pl.col("pod") == pod):
        found.setdefault((row.start, row.party), []).append(row)
    return list(found.values())


def _month(run: Run, start: Instant) -> str:
    return f"{run.place.calendar.local(start):%Y-%m}"


def _span(run: Run, since: str | None, until: str | None) -> tuple[Instant, Instant]:
    """Return the span that is meant, inside the run."""
    start = run.start if since is None else max(run.start, run.instant(since))
    end = run.end if until is None else min(run.end, run.instant(until))
    if start >= end:
        first, last = run.place.typed(run.start), run.place.typed(run.end)
        raise ConfigError(
            Fault(
                f"--from {since or first} --to {until or last}",
                "there is nothing in between",
                f"the run goes from {first} to {last}, and --to is not in the span",
            )
        )
    return start, end


def _told(run: Run, pod: str, rows: Sequence[StatementRow]) -> Told:
    """Tell an issued statement."""
    amounts = {row.component: row.amount_nano for row in rows}
    start, end, payable = rows[0].start, rows[0].end, rows[0].payable_minor
    used = usage(run, pod, receipts_of(run, pod, start, end), start, end)
    issued = sum(amounts.get(name, 0) for name in AMOUNTS)
    charges = _charges(run, pod, start, end)
    return Told(
        format=1,
        pod=pod,
        party=rows[0].party,
        is_issued=True,
        start=to_text(start),
        end=to_text(end),
        amounts_nano=amounts,
        payable_minor=payable,
        carried_nano=amounts.get("closing", 0) - payable * run.purse.nano_per_minor,
        standing_days=charges.standing_days,
        taxed_nano=charges.taxed_nano,
        saved_nano=used.saved_nano,
        used=used,
        corrected_since_nano=used.total_nano - issued,
    )


def _computed(run: Run, pod: str, start: Instant, end: Instant) -> Told:
    """Add up a span from its receipts, as a statement would."""
    used = usage(run, pod, receipts_of(run, pod, start, end), start, end)
    charges = _charges(run, pod, start, end)
    amounts = {
        "trades": used.paid_nano - used.earned_nano,
        "pool": used.pool_paid_nano - used.pool_earned_nano,
        "supplier": used.supplier_paid_nano - used.supplier_earned_nano,
        "network": used.network_nano,
        "levy": used.levy_nano,
        "service": used.service_nano,
        "standing": sum(price * days for price, days in charges.standing_days.items()),
        "tax": sum(round_half_even(base * ppm, PPM) for ppm, base in charges.taxed_nano.items()),
    }
    amounts["closing"] = sum(amounts.values())
    payable = round_half_even(amounts["closing"], run.purse.nano_per_minor)
    return Told(
        format=1,
        pod=pod,
        party=run.facts(pod, max(start, run.start)).party,
        is_issued=False,
        start=to_text(start),
        end=to_text(end),
        amounts_nano=amounts,
        payable_minor=payable,
        carried_nano=amounts["closing"] - payable * run.purse.nano_per_minor,
        standing_days=charges.standing_days,
        taxed_nano=charges.taxed_nano,
        saved_nano=used.saved_nano,
        used=used,
        corrected_since_nano=0,
    )


class _Charges(Struct, frozen=True):
    """What comes on top of the receipts of a span."""

    standing_days: dict[int, int]
    taxed_nano: dict[int, int]


def _charges(run: Run, pod: str, start: Instant, end: Instant) -> _Charges:
    """Work out standing charges, and what tax falls on where sales bear none.

    The span is cut wherever the pod's facts or its tariff's tax change, so that one tariff and
    one share of tax hold in each piece.
    """
    cuts = {start, end}
    for facts in run.tariffs.pods[pod]:
        cuts.add(instant(facts.since))
        cuts.update(instant(step.since) for step in run.tariffs.tariffs[facts.tariff].tax)
    inside = sorted(cut for cut in cuts if start <= cut <= end)
    days: dict[int, int] = {}
    taxed: dict[int, int] = {}
    for first, last in pairwise(inside):
        receipts = receipts_of(run, pod, first, last)
        if receipts.is_empty():
            continue
        tariff = run.tariff(pod, first)
        begun = _days_begun(run, receipts, first)
        ppm, price = tariff.tax_ppm(first), tariff.standing_nano_per_day
        days[price] = days.get(price, 0) + begun
        base = usage(run, pod, receipts, first, last).bought_for_nano + begun * price
        taxed[ppm] = taxed.get(ppm, 0) + base
    return _Charges(days, taxed)


def _days_begun(run: Run, receipts: pl.DataFrame, start: Instant) -> int:
    """Count the local days that have receipts and begin at or after an instant."""
    zone = run.place.calendar.zone
    local = receipts["delivery_start"].dt.convert_time_zone(zone).dt.date()
    return sum(run.place.calendar.midnight(day) >= start for day in local.unique().to_list())


# --- the pages ---


def pages(run: Run, told: Sequence[Told], *, exact: bool) -> list[Page]:
    """Write one page a statement."""
    return [_page(run, statement, exact=exact) for statement in told]


def _page(run: Run, told: Told, *, exact: bool) -> Page:
    """Write the page of a statement."""
    terms = _parts(run.purse, told)
    used = told.used
    sums = [[amount for _, _, amount in terms], [used.same_meters_nano], [used.total_nano]]
    scale = run.purse.scale([*sums, [told.carried_nano]], exact=exact)
    start, end = instant(told.start), instant(told.end)
    kind = "Statement" if told.is_issued else "Account"
    month = f", {run.place.calendar.local(start):%B %Y}" if told.is_issued else ""
    page = Page(
        f"{kind} of {told.pod}{month}",
        f"{run.place.span(start, end)} · party {told.party}",
    )
    page.say(_payable(run.purse, told), style="bold")
    page.say(*_energies(told))
    page.head("What it is made of")
    page.sum(
        [
            *(
                Term(
                    what,
                    how if how not in COMPONENTS else _how(scale, told, how),
                    scale.text(amount),
                    "green" if amount < 0 else "",
                )
                for what, how, amount in terms
            ),
            Term(
                "Closing balance" if told.is_issued else "Together",
                "",
                scale.text(sum(amount for _, _, amount in terms)),
                "bold",
            ),
        ]
    )
    _add_rounding(page, run.purse, scale, told)
    _add_remarks(page, run, scale, told)
    return page


def _payable(purse: Purse, told: Told) -> str:
    """Say what is to be paid."""
    amount = purse.payable(abs(told.payable_minor))
    if told.payable_minor == 0:
        return "You pay nothing."
    if told.payable_minor > 0:
        return f"You {'pay' if told.is_issued else 'would pay'} {amount}."
    return f"You {'earn' if told.is_issued else 'would earn'} {amount}: a credit note."


def _energies(told: Told) -> list[str]:
    """Say what the home used and traded."""
    used = told.used
    said = [
        f"You drew {_some(used.import_wh)} from the grid and fed {_some(used.export_wh)} into it.",
        f"You bought {_some(used.bought_wh)} and sold {_some(used.sold_wh)} in the community.",
    ]
    if used.estimated:
        said.append(f"Of {used.receipts:,} receipts {used.estimated:,} rest on an estimate.")
    return said


def _some(energy_wh: int) -> str:
    return kwh(energy_wh) if energy_wh else "nothing"


def _parts(purse: Purse, told: Told) -> list[tuple[str, str, int]]:
    """Return the lines of a statement: what, how it comes about, amount."""
    used, amounts = told.used, dict(told.amounts_nano)
    split = {
        "trades": [
            ("Bought from the community", used.bought_wh, used.paid_nano),
            ("Sold to the community", used.sold_wh, -used.earned_nano),
        ],
        "pool": [
            ("Short: from the pool", used.pool_short_wh, used.pool_paid_nano),
            ("Left over: to the pool", used.pool_long_wh, -used.pool_earned_nano),
        ],
        "supplier": [
            ("Short: from your supplier", used.supplier_short_wh, used.supplier_paid_nano),
            ("Left over: to your supplier", used.supplier_long_wh, -used.supplier_earned_nano),
        ],
        "network": [("Network fees", used.import_wh, used.network_nano)],
        "levy": [("Levy", used.import_wh, used.levy_nano)],
    }
    found: list[tuple[str, str, int]] = []
    for name, amount in amounts.items():
        lines = split.get(name, [])
        if name == "closing":
            continue
        if lines and sum(part for _, _, part in lines) == amount:
            found += [
                (what, f"{kwh(energy)} at {purse.mean_price(abs(part), energy)}", part)
                for what, energy, part in lines
                if energy
            ]
        elif amount:
            found.append((COMPONENTS.get(name, name), name, amount))
    return found


def _how(scale: Scale, told: Told, name: str) -> str:
    """Say how a charge that is no energy comes about."""
    amount = told.amounts_nano[name]
    if name == "standing":
        days = told.standing_days.items()
        if sum(price * count for price, count in days) == amount:
            return " + ".join(f"{counted(n, 'day')} × {scale.text(price)}" for price, n in days)
    if name == "tax":
        taxed = told.taxed_nano.items()
        if sum(round_half_even(base * ppm, PPM) for ppm, base in taxed) == amount:
            return " + ".join(f"{percent(ppm)} of {scale.text(base)}" for ppm, base in taxed)
    return ""


def _add_rounding(page: Page, purse: Purse, scale: Scale, told: Told) -> None:
    """Say how the closing balance is rounded, once."""
    where = "is carried to the next statement" if told.is_issued else "would be carried on"
    if scale.difference(told.carried_nano, 0):
        page.say(
            f"Rounded once, to {purse.payable(told.payable_minor)};"
            f" {scale.text(told.carried_nano)} {where}."
        )


def _add_remarks(page: Page, run: Run, scale: Scale, told: Told) -> None:
    """Say what else one may want to know."""
    used = told.used
    if used.saved_nano:
        would = scale.flow(used.same_meters_nano).replace("you ", "you would ")
        saved = scale.difference(used.same_meters_nano, used.total_nano)
        way = "better" if used.saved_nano > 0 else "worse"
        page.say(
            f"Before tax and standing charge {scale.flow(used.total_nano)}; without a market"
            f" {would} for the same meters. That is {scale.text(abs(saved))} {way}"
            " for you."
        )
    if told.corrected_since_nano:
        page.say(
            f"Since then its receipts changed by {scale.signed(told.corrected_since_nano)}: that"
            " stands on the next statement.",
            style="yellow",
        )
    page.say("Prices per kWh are averages of the span.", style="dim")
    if not told.is_issued:
        page.say(
            "Tax is worked out for a home whose own sales bear none, and rounded for the span.",
            style="dim",
        )
    page.commands([run.command("pod", told.pod)])
