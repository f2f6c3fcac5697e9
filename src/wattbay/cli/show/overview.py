"""What there is to see in a run, with commands that work there."""

from __future__ import annotations

import polars as pl
from msgspec import Struct

from wattbay.cli.show.folder import Run
from wattbay.cli.show.page import Page
from wattbay.cli.show.rows import OrderRow
from wattbay.periods import Instant

PODS_SHOWN_MAX = 24


class Told(Struct, frozen=True):
    """A run in short."""

    format: int
    scenario: str
    title: str
    description: str
    time_zone: str
    start: str
    end: str
    currency: str
    isp_minutes: int
    pods: tuple[str, ...]
    journal_head: str
    entries: int


def tell(run: Run) -> Told:
    """Gather what a run is."""
    scenario = run.scenario
    entries = run.summary.get("entries", 0)
    return Told(
        format=1,
        scenario=scenario.id,
        title=scenario.title,
        description=scenario.description,
        time_zone=scenario.time_zone,
        start=scenario.start,
        end=scenario.end,
        currency=scenario.currency,
        isp_minutes=scenario.isp_minutes,
        pods=tuple(run.tariffs.pods),
        journal_head=str(run.summary.get("journal_head", "")),
        entries=entries if isinstance(entries, int) else 0,
    )


def page(run: Run, told: Told) -> Page:
    """Write the page of a run."""
    shown = Page(told.title, told.description)
    shown.say(
        f"{run.place.span(run.start, run.end)}, times of {told.time_zone};"
        f" {run.place.span_name}s, amounts in {told.currency}."
    )
    names = ", ".join(told.pods[:PODS_SHOWN_MAX])
    more = len(told.pods) - PODS_SHOWN_MAX
    shown.say(f"{len(told.pods)} homes: {names}" + (f" and {more} more." if more > 0 else "."))
    pod, start, seq = _example(run, told)
    at = run.place.typed(start)
    month = f"{run.place.calendar.local(run.start):%Y-%m}"
    shown.commands(
        [
            run.command("pod", pod),
            run.command("receipt", pod, at),
            run.command("order", pod, at) if seq else run.command("delivery", at),
            run.command("delivery", at),
            run.command("statement", pod, month),
            run.command("entry", seq or 1),
        ]
    )
    return shown


def _example(run: Run, told: Told) -> tuple[str, Instant, int]:
    """Return a home and a delivery in which it traded much, and its order; or any."""
    if run.has("orders"):
        most = pl.col("filled_wh") == pl.col("filled_wh").max()
        found = run.read("orders", OrderRow, most)
        if found:
            return found[0].pod, found[0].delivery_start, found[0].seq
    return told.pods[0], run.start, 0
