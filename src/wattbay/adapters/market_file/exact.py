"""Exact decimals: as written in a document, as whole ticks inside, as plain decimals in a result.

A number is never a binary float on its way: 0.1 is one tenth.
"""

from __future__ import annotations

import re
from typing import NamedTuple

NUMBER_CHARACTERS_MAX = 40
"""Characters of a number as written."""
POWER_MAX = 30
"""The largest power of ten, up or down, that a number is written in."""

_FORM = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,3}))?", re.ASCII)


class Numeral(NamedTuple):
    """A JSON number with a fraction or a power of ten, as it is written."""

    text: str


class Exact(NamedTuple):
    """The number `digits` x 10**`power`."""

    digits: int
    power: int


ONE = Exact(1, 0)


def exact(text: str) -> Exact | None:
    """Read a number in the form of JSON; None if it is none, or larger than the bounds."""
    form = _FORM.fullmatch(text) if len(text) <= NUMBER_CHARACTERS_MAX else None
    if form is None:
        return None
    sign, whole, fraction, power = form.groups(default="")
    value = Exact(int(sign + whole + fraction), int(power or 0) - len(fraction))
    return value if abs(value.power) <= POWER_MAX else None


def in_ticks(value: Exact, tick: Exact) -> int | None:
    """Return how many ticks a number is; None if it is not a whole number of them."""
    power = value.power - tick.power
    digits, step = value.digits, tick.digits
    if power >= 0:
        digits *= 10**power
    else:
        step *= 10**-power
    count, rest = divmod(digits, step)
    return None if rest else count


def times(one: Exact, other: Exact) -> Exact:
    """Return the product of two numbers."""
    return Exact(one.digits * other.digits, one.power + other.power)


def plain(count: int, tick: Exact) -> str:
    """Write a number of ticks in plain decimal notation, as short as is exact: "-0.25", "4010"."""
    digits = count * tick.digits
    if tick.power >= 0:
        return str(digits * 10**tick.power)
    text = str(abs(digits)).rjust(1 - tick.power, "0")
    whole, fraction = text[: tick.power], text[tick.power :].rstrip("0")
    sign = "-" if digits < 0 else ""
    return f"{sign}{whole}.{fraction}" if fraction else sign + whole
