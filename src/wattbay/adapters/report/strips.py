"""Rows of pictures that need no script: a strip of homes, a bar of shares, a line over the day.

Places are per cent of the width, so a page fits a phone as well as a desk.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from math import floor, log10
from typing import NamedTuple

HEIGHT = 34
"""Of a row. [px]"""
DOT = 3
"""Radius of a home. [px]"""
LANES = 5
"""Homes that saved about the same stand in so many lanes."""
TICKS = 6
_EDGE = 0.02
"""Of the width, on both sides."""


class Across(NamedTuple):
    """A linear scale across the width."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Across:
        """Return a scale that holds all values, and a little more."""
        held = list(values) or [0.0]
        low, high = min(held), max(held)
        room = (high - low or 1.0) * _EDGE
        return cls(low - room, high + room)

    def x(self, value: float) -> str:
        """Return where a value stands: ``37.5%``."""
        return f"{100 * (value - self.low) / (self.high - self.low):.2f}%"

    def ticks(self) -> tuple[list[float], int]:
        """Return round values across, and the decimals that they need."""
        rough = (self.high - self.low) / TICKS
        power = 10.0 ** floor(log10(rough))
        step = next((m * power for m in (1, 2, 5) if m * power >= rough), 10 * power)
        first = floor(self.low / step) + 1
        values = [place * step for place in range(first, floor(self.high / step) + 1)]
        return values, max(0, -floor(log10(step) + 1e-9))


class Box(NamedTuple):
    """How values are spread: 5, 25, 50, 75 and 95 of 100."""

    low: float
    lower: float
    middle: float
    upper: float
    high: float


def row(name: str, picture: str, figure: str) -> str:
    """Write a row."""
    return f"<div class=strip><span>{escape(name)}</span>{picture}<b>{escape(figure)}</b></div>"


def strip(across: Across, box: Box, dots: Sequence[tuple[str, float]], label: str) -> str:
    """Draw a box over the homes that it sums up.

    Parameters
    ----------
    dots
        A text and a value each; none where there are too many to be told apart.
    label
        What it shows, for who does not see it.
    """
    middle = HEIGHT // 2
    drawn = [_upright("zero", across.x(0.0))] if across.low <= 0 <= across.high else []
    for place, (text, value) in enumerate(dots):
        lane = middle + (place % LANES - LANES // 2) * (DOT + 1)
        look = "home" if value >= 0 else "home lost"
        drawn.append(
            f'<circle class="{look}" cx="{across.x(value)}" cy="{lane}" r="{DOT}">'
            f"<title>{escape(text)}</title></circle>"
        )
    drawn.append(_flat("reach", across.x(box.low), across.x(box.lower), middle))
    drawn.append(_flat("reach", across.x(box.upper), across.x(box.high), middle))
    wide = 100 * (box.upper - box.lower) / (across.high - across.low)
    drawn.append(
        f'<rect class="half" x="{across.x(box.lower)}" width="{wide:.2f}%" y="6" '
        f'height="{HEIGHT - 12}"/>'
    )
    drawn.append(_upright("middle", across.x(box.middle), 4))
    return _picture("".join(drawn), label)


def shares(whole: float, parts: Sequence[tuple[str, float]], label: str) -> str:
    """Draw parts one beside the other; those below zero are left out.

    Parameters
    ----------
    whole
        What fills the width.
    parts
        Look and size of each.
    """
    drawn, at = [], 0.0
    for look, size in parts:
        wide = 100 * max(size, 0.0) / whole if whole > 0 else 0.0
        drawn.append(
            f'<rect class="{look}" x="{at:.2f}%" width="{wide:.2f}%" y="7" height="{HEIGHT - 14}"/>'
        )
        at += wide
    return _picture("".join(drawn), label)


def line(low: float, high: float, values: Sequence[float | None], label: str) -> str:
    """Draw a line of equal steps, broken where there is no value."""
    span = high - low or 1.0
    path, pen = [], "M"
    for place, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        y = 100 * (high - value) / span
        path.append(f"{pen}{place} {y:.1f}H{place + 1}")
        pen = "L"
    return (
        f'<svg role=img aria-label="{escape(label)}" viewBox="0 -4 {len(values)} 108" '
        f'preserveAspectRatio="none" height="{HEIGHT}"><path class=day d="{"".join(path)}"/></svg>'
    )


def axis(across: Across, unit: str) -> str:
    """Write the values across, below all rows."""
    values, decimals = across.ticks()
    marks = "".join(
        f'<text class=tick text-anchor=middle x="{across.x(value)}" y="14">'
        f"{_number(value, decimals)}</text>"
        for value in values
    )
    return (
        f'<div class="strip axis"><span></span><svg aria-hidden=true height="20">{marks}</svg>'
        f"<b>{escape(unit)}</b></div>"
    )


def hours() -> str:
    """Write the hours of a day, below all rows."""
    marks = "".join(
        f'<text class=tick text-anchor=middle x="{100 * hour / 24:.2f}%" y="14">{hour}</text>'
        for hour in (3, 6, 9, 12, 15, 18, 21)
    )
    return (
        f'<div class="strip axis"><span></span><svg aria-hidden=true height="20">{marks}</svg>'
        "<b>hour</b></div>"
    )


def rows(lines: Iterable[str]) -> str:
    """Put rows below each other."""
    return f"<div class=strips>{''.join(lines)}</div>"


def legend(looks: Sequence[tuple[str, str]]) -> str:
    """Say which look is what."""
    return (
        "<p class=legend>"
        + "".join(
            f'<span><svg aria-hidden=true viewBox="0 0 12 12"><rect class="{look}" width="12" '
            f'height="12" rx="3"/></svg>{escape(text)}</span>'
            for look, text in looks
        )
        + "</p>"
    )


def _number(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    return text.replace("-", "\u2212") if float(text) else text.removeprefix("-")


def _picture(drawn: str, label: str) -> str:
    return f'<svg role=img aria-label="{escape(label)}" height="{HEIGHT}">{drawn}</svg>'


def _upright(look: str, x: str, room: int = 0) -> str:
    return f'<line class="{look}" x1="{x}" x2="{x}" y1="{room}" y2="{HEIGHT - room}"/>'


def _flat(look: str, start: str, end: str, y: int) -> str:
    return f'<line class="{look}" x1="{start}" x2="{end}" y1="{y}" y2="{y}"/>'
