"""Load, PV and carbon of homes as arrays, read from Parquet. Energies in Wh a period.

The form of a file: a column ``start`` (timestamp with zone UTC, the start of each period, gapless)
and a column for each home, the energy of the period. [Wh]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wattbay.periods import WEEK, Instant, Period, to_text

START = "start"
"""The column that says when a period starts."""
CARBON = "carbon_g_per_kwh"
"""The column of a signals file that says how much carbon a kWh from the grid bears."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """What the homes of a scenario draw and make, period by period, history first."""

    start: Instant
    """Start of row 0."""
    isp_us: int
    load_wh: NDArray[np.float64]
    """Electric demand, never negative. Shape (n_rows, n_homes). [Wh]"""
    pv_wh: NDArray[np.float64]
    """Output of the panels, never negative. Shape (n_rows, n_homes). [Wh]"""
    carbon_g_per_kwh: NDArray[np.float64] | None
    """Carbon of energy from the grid. Shape (n_rows,). [g/kWh]"""

    @property
    def rows(self) -> int:
        """Number of periods."""
        return int(self.load_wh.shape[0])

    def row(self, start: Instant) -> int:
        """Return the row of the period that starts at an instant.

        Raises
        ------
        IndexError
            If there is none.
        """
        row, rest = divmod(start - self.start, self.isp_us)
        if rest or not 0 <= row < self.rows:
            raise IndexError(f"no row starts at {to_text(start)}")
        return row


class Span(NamedTuple):
    """The rows that a file has: where they start, how far they are apart, how many."""

    start: Instant
    step_us: int
    rows: int
    columns: tuple[str, ...]

    @property
    def period(self) -> Period:
        """All of its time."""
        return Period(self.start, Instant(self.start + self.step_us * self.rows))


def span(path: Path) -> Span:
    """Return what a file covers.

    Raises
    ------
    ValueError
        If it is no such file: not readable, no ``start`` in UTC, rows not evenly apart.
    """
    try:
        schema = pl.read_parquet_schema(path)
        if schema.get(START) != pl.Datetime("us", "UTC"):
            raise ValueError(f"has no column {START} of timestamps in microseconds of UTC")
        starts = pl.read_parquet(path, columns=[START])[START].to_numpy().astype(np.int64)
    except (OSError, pl.exceptions.PolarsError) as fault:
        raise ValueError(f"is no Parquet file: {fault}") from None
    steps = np.diff(starts)
    if len(steps) == 0 or steps.min() != steps.max() or steps[0] <= 0:
        at = 0 if len(steps) == 0 else int(np.argmax(steps != steps[0]))
        raise ValueError(f"has periods that are not evenly apart, after row {at + 1}")
    columns = tuple(name for name in schema if name != START)
    return Span(Instant(int(starts[0])), int(steps[0]), len(starts), columns)


def read_columns(path: Path, columns: Sequence[str], least: float = 0.0) -> NDArray[np.float64]:
    """Return columns of a file. Shape (n_rows, n_columns).

    Raises
    ------
    ValueError
        If a value is missing, below `least` or not finite; names the column and the first such row.
    """
    frame = pl.read_parquet(path, columns=list(dict.fromkeys(columns)))
    values = np.empty((len(frame), len(columns)))
    for at, name in enumerate(columns):
        column = frame[name].cast(pl.Float64).to_numpy()
        wrong = ~(np.isfinite(column) & (column >= least))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(
                f"{name} is {column[row]} in row {row + 1}; at least {least:g} is wanted"
            )
        values[:, at] = column
    return values


def shift_weeks(
    values: NDArray[np.float64], weeks: int, isp_us: int, rows: slice
) -> NDArray[np.float64]:
    """Return rows of the columns as they were so many weeks earlier; later where negative.

    Whoever would leave the file comes back at its other end, whole weeks away, so that a weekday
    stays a weekday. Files shorter than two weeks are not shifted.
    """
    week = WEEK // isp_us
    total = values.shape[0]
    span_rows = total // week * week
    index = np.arange(total)[rows]
    if span_rows <= week:
        return values[index]
    source = index - weeks * week
    outside = (source < 0) | (source >= total)
    source[outside] %= span_rows
    return values[source]
