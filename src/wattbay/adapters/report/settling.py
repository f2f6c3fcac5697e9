"""What was metered otherwise than traded, what was estimated, and that nothing is lost."""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple

import polars as pl

from wattbay.adapters.report.run import Run
from wattbay.adapters.report.series import Json, chart_by_day, has_days
from wattbay.adapters.report.tags import Cell, Number, Section, behind, chart, paragraph, table
from wattbay.adapters.report.words import count, kwh, kwh_exact, percent

ROWS_SHOWN_MAX = 30
"""Rows of a list that could be long; the rest is counted."""

QUALITIES = MappingProxyType(
    {
        "measured": "Measured: difference of two registers",
        "interpolated": "Interpolated: a register was stamped off the boundary",
        "split": "Split: a share of the exact advance over several periods",
        "estimated": "Estimated: no register yet",
        "suspect": "Suspect: measured, not yet confirmed",
        "substituted": "Substituted by the metered data responsible",
    }
)

c = pl.col


def deviations(run: Run) -> tuple[Section, Json]:
    """Write what was metered otherwise than traded, and who settled it."""
    missed, residual = run.total("missed_wh"), run.total("residual_long_wh")
    residual += run.total("residual_short_wh")
    pooled = run.total("pooled_both_wh")
    error, ordered = run.total("order_error_wh"), run.total("order_metered_wh")
    finding = f"What flowed beyond the trades, either way, came to {kwh(missed)}"
    finding += (
        f"; {percent(pooled, missed)} of it evened out among neighbours, the rest met the "
        "suppliers."
        if missed
        else "."
    )
    notes = [
        (
            "A deviation is what a meter showed less what its home had traded: what found no "
            "partner in the auction, and errors of forecast. Longs and shorts both count as "
            "positive here. A surplus of one home first meets the lack of another at the pool's "
            "price; only what is left meets each home's supplier."
        ),
    ]
    if ordered:
        notes.append(
            f"Forecast error: where homes had ordered, their meters missed the orders by "
            f"{percent(error, ordered)} (sum of absolute differences over sum of absolute metered "
            "net energy)."
        )
    frame = run.deliveries.select(
        "minute", "day", "label", "pooled_both_wh", "missed_wh", "order_error_wh",
        residual_both_wh=c.residual_long_wh + c.residual_short_wh,
    )  # fmt: skip
    panels: list[Json] = [
        {"title": "Deviations", "unit": "kWh", "scale": 1000, "digits": 1, "draw": "bars",
         "height": 170,
         "series": [
             {"name": "pooled", "label": "evened out among neighbours", "look": "community"},
             {"name": "residual", "label": "met by suppliers", "look": "import"},
         ], "stacked": True}
    ]  # fmt: skip
    sums = {"pooled": c.pooled_both_wh.sum(), "residual": c.residual_both_wh.sum()}
    numbers = chart_by_day(run, frame, sums, panels)
    body = chart("series", "deviations", "Deviations, pooled and residual", height=240)
    body += behind("deviations", _deviation_table(run, frame))
    return Section("deviations", "Traded and metered", finding, tuple(notes), body), numbers


def _deviation_table(run: Run, frame: pl.DataFrame) -> str:
    names = ("missed_wh", "pooled_both_wh", "residual_both_wh", "order_error_wh")
    key = "day" if has_days(run) else "label"
    rows = frame.group_by(key, maintain_order=True).agg(c(names).sum())
    return table(
        "Deviations, longs and shorts added",
        ["When", "Deviations [kWh]", "Evened out [kWh]", "Met by suppliers [kWh]",
         "Orders missed by [kWh]"],
        ((f"{at:%a} {at.day} {at:%b %Y}" if key == "day" else str(at),
          *(kwh_exact(value) for value in values)) for at, *values in rows.iter_rows()),
    )  # fmt: skip


def readings(run: Run) -> Section:
    """Write where the energies came from, what was estimated, and what was corrected."""
    counts, span = run.counts, run.place.span
    qualities = dict(counts.qualities.iter_rows())
    whole = sum(qualities.values())
    ever, still = (int(counts.estimates[k].sum() or 0) for k in ("ever", "still"))
    corrected = counts.corrections
    finding = f"All {whole:,} readings rest on registers."
    if ever:
        finding = (
            f"Of {whole:,} home-{span}s {ever:,} had to be estimated at first; registers replaced "
            f"{ever - still:,} of them later."
        )
    notes = (
        (
            "A missing reading never holds up anybody else: it is estimated and flagged, and "
            "when a register arrives the exact advance replaces the estimates, so that the sum "
            f"of the {span}s equals the register's advance, always."
        ),
    )
    body = table(
        "What the energies of the last version rest on",
        ["Quality", f"Home-{span}s", "Share"],
        ((words, f"{qualities.get(key, 0):,}", percent(qualities.get(key, 0), whole, 2))
         for key, words in QUALITIES.items() if key in qualities),
    )  # fmt: skip
    body += table(
        "Settlement runs",
        ["Run", "Receipts issued", "of them on estimates"],
        ((name, f"{issued:,}", f"{estimated:,}")
         for name, issued, estimated in counts.runs.iter_rows()),
    )  # fmt: skip
    if corrected.height:
        changed = int(corrected["change_nano"].sum())
        moved = int(corrected["change_nano"].abs().sum())
        body += paragraph(
            f"Issued again: {count(corrected.height, 'receipt')}. Amounts moved by "
            f"{run.purse.money(moved)}; set off against each other, homes pay "
            f"{run.purse.saved(-changed)}."
        )
    body += _refusals(run)
    if not run.shared:
        body += _lists(run)
    return Section("readings", "Estimates and corrections", finding, notes, body)


def _refusals(run: Run) -> str:
    """Write what was turned away: at the wire, before it was history, and by the exchange."""
    wire = run.folder.summary.totals.refused_at_wire
    rows = [("At the wire", why.replace("_", " "), f"{n:,}") for why, n in sorted(wire.items())]
    if run.folder.has("refusals"):
        reasons = run.folder.scan("refusals").group_by("reason").len().sort("reason").collect()
        rows += [
            ("By the exchange", str(why).replace("_", " "), f"{n:,}")
            for why, n in reasons.iter_rows()
        ]
    if not rows:
        return ""
    return table("Refused", ["Where", "Why", "How many"], rows, texts=2)


def _lists(run: Run) -> str:
    estimates, corrections = run.counts.estimates, run.counts.corrections
    if estimates.is_empty():
        return ""
    more = estimates.height - ROWS_SHOWN_MAX
    text = table(
        "Homes with estimates" + (f" (the first {ROWS_SHOWN_MAX})" if more > 0 else ""),
        ["Home", "First", "Last", f"Estimated {run.place.span}s", "Still estimated"],
        ((pod, run.place.moment(first), run.place.moment(last), f"{ever:,}", f"{still:,}")
         for pod, ever, still, first, last in estimates.head(ROWS_SHOWN_MAX).iter_rows()),
        texts=3,
    )  # fmt: skip
    largest = corrections.sort(c.change_nano.abs(), "delivery_start", descending=[True, False])
    if largest.height:
        shown: list[list[Cell]] = [
            [pod, run.place.delivery(start), str(version),
             Number(change, run.purse.money(change))]
            for start, pod, version, change in largest.head(ROWS_SHOWN_MAX).iter_rows()
        ]  # fmt: skip
        more = largest.height > ROWS_SHOWN_MAX
        text += table(
            "Corrections" + (f" (the {ROWS_SHOWN_MAX} largest)" if more else ""),
            ["Home", "Delivery", "Version", "Change of what it pays"], shown, texts=2,
        )  # fmt: skip
    return behind("homes with estimates, and corrections", text)


def imbalances(run: Run) -> Section | None:
    """Write what each balance responsible party was long and short; None without that file."""
    if not run.folder.has("imbalances"):
        return None
    # Rows stand in the order in which runs were settled: the last of a delivery is what holds.
    standing = (
        run.folder.scan("imbalances")
        .group_by("delivery_start", "brp", maintain_order=True)
        .agg(c.energy_wh.last())
        .group_by("brp")
        .agg(
            long=c.energy_wh.clip(lower_bound=0).sum(),
            short=(-c.energy_wh).clip(lower_bound=0).sum(),
            deliveries=(c.energy_wh != 0).sum(),
        )
        .sort("brp")
        .collect()
    )
    long, short = int(standing["long"].sum() or 0), int(standing["short"].sum() or 0)
    finding = (
        f"After neighbours evened out what they could, {kwh(short)} were short and {kwh(long)} "
        "long, for the balance responsible parties to cover."
    )
    notes = (
        (
            "A balance responsible party's imbalance in a delivery is the sum over its homes of "
            "what was not pooled: long is more energy than traded, short is less."
        ),
    )
    rows = (
        (brp, kwh_exact(up), kwh_exact(down), kwh_exact(up - down), f"{n:,}")
        for brp, up, down, n in standing.iter_rows()
    )
    heads = ["Party", "Long [kWh]", "Short [kWh]", "Net [kWh]", f"{run.place.span.capitalize()}s"]
    body = table("Imbalance by balance responsible party", heads, rows)
    return Section("imbalances", "Imbalance", finding, notes, body)


class Check(NamedTuple):
    """Something that must be zero."""

    claim: str
    difference: int
    is_money: bool = False


def checks(run: Run) -> list[Check]:
    """Return what must balance in every delivery, with by how much it does not."""
    frame = run.deliveries
    apart = frame.select(
        trade=(c.bought_wh - c.sold_wh).abs().sum(),
        delivered=(c.delivered_in_wh - c.delivered_out_wh).abs().sum(),
        pool=c.pooled_wh.abs().sum(),
        unexplained=c.unexplained_wh.sum(),
        pool_money=c.pool_nano.abs().sum(),
        lines=c.unexplained_nano.sum(),
    ).row(0, named=True)
    return [
        Check("Energy bought is energy sold, in every delivery", apart["trade"]),
        Check("Energy delivered to buyers is energy delivered by sellers", apart["delivered"]),
        Check("What the pool took in, it gave out, in every delivery", apart["pool"]),
        Check("Each home: metered = traded + pooled + left to its supplier", apart["unexplained"]),
        Check("Receipts and meters tell the same import and export", run.counts.meters_differ_wh),
        Check("The pool's money sums to zero", apart["pool_money"], is_money=True),
        Check("Each receipt's lines sum to its total", apart["lines"], is_money=True),
    ]


def accounted(run: Run, found: list[Check]) -> Section:
    """Write the checks."""
    fails = [check for check in found if check.difference]
    metered = run.total("import_wh") + run.total("export_wh")
    finding = (
        f"Every watt-hour of {kwh(metered)} metered is accounted for, and so is the money."
        if not fails
        else f"{count(len(fails), 'check')} of {len(found)} failed: see what differs."
    )
    rows = (
        (check.claim, _difference(run, check), "holds" if not check.difference else "FAILS")
        for check in found
    )
    head = run.folder.summary.journal_head
    notes = [
        (
            "Counted afresh for this report from the run folder's files, to the watt-hour and "
            "to the billionth of the currency."
        ),
    ]
    if head:
        notes.append(
            f"Journal: {run.folder.summary.entries:,} entries, chained by SHA-256, head {head}. "
            "Whoever has the journal can check this head."
        )
    body = table("Checks", ["What must hold", "Difference", "Outcome"], rows)
    return Section("accounted", "Accounted for", finding, tuple(notes), body)


def _difference(run: Run, check: Check) -> Cell:
    if check.is_money:
        return Number(check.difference, run.purse.money(check.difference))
    return Number(check.difference, f"{check.difference:,} Wh")
