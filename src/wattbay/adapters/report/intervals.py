"""Pictures of means with their intervals, and of lines by a count; they need no script."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from wattbay.adapters.report.strips import HEIGHT, Across

CHART_HEIGHT = 260
"""Of a chart of lines. [px]"""
_TOP, _BOTTOM = 14, 26
"""Room above and below its lines. [px]"""
_LEFT, _RIGHT = 0.08, 0.02
"""Room beside them, of the width."""


class Mean(NamedTuple):
    """A mean, and how far its interval reaches to either side; 0 where that is not known."""

    value: float
    reach: float


def interval(across: Across, mean: Mean, label: str, *, zero: float | None = 0.0) -> str:
    """Draw a mean as a dot on its interval.

    Parameters
    ----------
    label
        What it shows, for who does not see it.
    zero
        Where a line stands that all rows share, such as no difference.
    """
    middle = HEIGHT // 2
    low, high = across.x(mean.value - mean.reach), across.x(mean.value + mean.reach)
    drawn = []
    if zero is not None:
        at = across.x(zero)
        drawn.append(f'<line class=zero x1="{at}" x2="{at}" y1="0" y2="{HEIGHT}"/>')
    unsure = zero is not None and abs(mean.value - zero) <= mean.reach
    look = "mean unsure" if unsure else "mean" if zero is None or mean.value > zero else "mean lost"
    drawn.append(f'<line class="{look}" x1="{low}" x2="{high}" y1="{middle}" y2="{middle}"/>')
    drawn.append(f'<circle class="{look}" cx="{across.x(mean.value)}" cy="{middle}" r="5"/>')
    return f'<svg role=img aria-label="{escape(label)}" height="{HEIGHT}">{"".join(drawn)}</svg>'


class Line(NamedTuple):
    """A line of a chart: what it is called, how it looks, and its values from count 1 on."""

    name: str
    look: str
    values: Sequence[float]


def by_count(lines: Sequence[Line], level: tuple[str, float], label: str, unit: str) -> str:
    """Draw lines over a count, and a level that they are to be compared with.

    Parameters
    ----------
    level
        What it is called, and its value.
    label
        What is shown, for who does not see it.
    unit
        Of all values.
    """
    every = [value for line in lines for value in line.values]
    scale = Across.of([level[1], *every])
    span = CHART_HEIGHT - _TOP - _BOTTOM
    most = max(len(line.values) for line in lines)

    def y(value: float) -> float:
        return _TOP + span * (scale.high - value) / (scale.high - scale.low)

    def x(count: int) -> str:
        part = _LEFT + (1 - _LEFT - _RIGHT) * (count - 1) / max(most - 1, 1)
        return f"{100 * part:.2f}%"

    values, decimals = scale.ticks()
    drawn = [
        f'<line class=grid x1="{100 * _LEFT:.0f}%" x2="100%" y1="{y(value):.1f}" '
        f'y2="{y(value):.1f}"/><text class=tick x="0" y="{y(value) + 4:.1f}">'
        f"{value:.{decimals}f}</text>"
        for value in values
    ]
    drawn += [
        f'<text class=tick text-anchor=middle x="{x(count)}" y="{CHART_HEIGHT - 6}">{count}</text>'
        for count in range(1, most + 1)
    ]
    drawn.append(
        f'<line class=level x1="{100 * _LEFT:.0f}%" x2="100%" y1="{y(level[1]):.1f}" '
        f'y2="{y(level[1]):.1f}"/><text class=label text-anchor=end x="100%" '
        f'y="{y(level[1]) - 6:.1f}">{escape(level[0])}</text>'
    )
    for line in lines:
        at = list(enumerate(line.values, 1))
        drawn += [
            f'<line class="by {line.look}" x1="{x(count)}" x2="{x(count + 1)}" y1="{y(here):.1f}" '
            f'y2="{y(there):.1f}"/>'
            for (count, here), (_, there) in itertools.pairwise(at)
        ]
        drawn += [
            f'<circle class="by {line.look}" cx="{x(count)}" cy="{y(value):.1f}" r="3.5"><title>'
            f"{escape(f'{count} {line.name}: {value:.2f} {unit}')}</title></circle>"
            for count, value in at
        ]
    return (
        f'<svg class=lines role=img aria-label="{escape(label)}" height="{CHART_HEIGHT}">'
        f"{''.join(drawn)}</svg>"
    )
