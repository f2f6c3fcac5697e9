"""Charts over time: every delivery of a short run; days, and chosen weeks, of a long one."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from wattbay.adapters.report.run import Run

Json = dict[str, object]
DAY_MINUTES = 24 * 60
DAILY_FROM_DAYS = 3
"""Charts of daily sums show deliveries where a run has fewer days."""


def chart_over_time(
    run: Run,
    frame: pl.DataFrame,
    each: Mapping[str, pl.Expr],
    daily: Mapping[str, pl.Expr],
    panels: list[Json],
) -> Json:
    """Return the numbers of a chart over time, with the ways in which it can be viewed.

    Parameters
    ----------
    frame
        A row per delivery of the run, in order, with `minute` and `day`.
    each
        The series of one delivery.
    daily
        The same series (or some more) of a local day, as aggregates.
    panels
        How the series are drawn, from top to bottom.
    """
    if not run.is_long:
        return {"views": [_each(run, frame, each, f"Every {run.place.span}")], "panels": panels}
    views = [by_day(frame, daily)]
    views += [_each(run, frame.slice(w.first, w.rows), each, w.label) for w in run.weeks]
    return {"views": views, "panels": panels}


def chart_by_day(
    run: Run, frame: pl.DataFrame, sums: Mapping[str, pl.Expr], panels: list[Json]
) -> Json:
    """Return the numbers of a chart of sums by local day, or by delivery in a run of two days."""
    if has_days(run):
        return {"views": [by_day(frame, sums)], "panels": panels}
    each = frame.group_by("minute", "day", maintain_order=True).agg(**sums)
    every = {name: pl.col(name) for name in sums}
    return {"views": [_each(run, each, every, f"Every {run.place.span}")], "panels": panels}


def has_days(run: Run) -> bool:
    """Tell whether sums by day say more than deliveries."""
    return len(run.days) >= DAILY_FROM_DAYS


def by_day(frame: pl.DataFrame, daily: Mapping[str, pl.Expr]) -> Json:
    """Return a view with a value per local day."""
    days = frame.group_by("day", maintain_order=True).agg(pl.col("minute").first(), **daily)
    return _view("Day by day", DAY_MINUTES, days, list(daily))


def _each(run: Run, frame: pl.DataFrame, each: Mapping[str, pl.Expr], label: str) -> Json:
    values = frame.select("minute", **each)
    return _view(label, run.folder.scenario.isp_minutes, values, list(each))


def _view(label: str, step: int, frame: pl.DataFrame, names: list[str]) -> Json:
    series = {name: frame[name].to_list() for name in names}
    return {"label": label, "step": step, "t": frame["minute"].to_list(), "series": series}
