"""EnergyNet's numbers and ours: kWh and currency per kWh as floats, Wh and ticks as integers.

EnergyNet's documents name no units; here an `amount` is kWh and a `price` is currency per kWh. What
somebody offers is rounded to ticks **inward**: never more energy than was named, never a worse
price than was accepted. A float is taken as it is written in decimals, so 0.1 is a tenth.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

from wattbay.adapters.api.problems import Flaw, Problem
from wattbay.core.facts import Side

WH_PER_KWH = 1_000
NANO_PER_WH_IN_CURRENCY_PER_KWH = 1_000_000
"""1 currency unit per kWh is 1,000,000 nano-currency per Wh."""

AMOUNT_KWH_MAX = 1e9
PRICE_PER_KWH_MAX = 1e6


def energy_inward_wh(amount_kwh: float, tick_wh: int) -> int:
    """Return the most whole ticks that an amount holds; 0 for less than one. [Wh]"""
    return floor(as_written(amount_kwh) * WH_PER_KWH / tick_wh) * tick_wh


def limit_inward_nano_per_wh(price_per_kwh: float, side: Side, tick: int) -> int:
    """Return the limit that a price stands for: a tick that is no worse for who named it.

    Who sells gets at least the price, who buys pays at most the price. [nano-currency per Wh]
    """
    exact = as_written(price_per_kwh) * NANO_PER_WH_IN_CURRENCY_PER_KWH / tick
    return (ceil(exact) if side is Side.SELL else floor(exact)) * tick


def kwh(energy_wh: int) -> float:
    """Return energy as EnergyNet has it. [kWh]"""
    return energy_wh / WH_PER_KWH


def per_kwh(price_nano_per_wh: int) -> float:
    """Return a price as EnergyNet has it. [currency per kWh]"""
    return price_nano_per_wh / NANO_PER_WH_IN_CURRENCY_PER_KWH


def energy_nearest_wh(amount_kwh: float) -> int:
    """Return the nearest whole watt-hours, halves to even: of what is estimated, not owed. [Wh]"""
    return round(as_written(amount_kwh) * WH_PER_KWH)


def nano_exactly(price_per_kwh: float, pointer: str) -> int:
    """Return a price that is not to be rounded. [nano-currency per Wh]

    Raises
    ------
    Problem
        If it has more than six decimals; `pointer` says where it stands.
    """
    exact = as_written(price_per_kwh) * NANO_PER_WH_IN_CURRENCY_PER_KWH
    if exact.denominator != 1:
        detail = "six decimals at most: whole nano-currency per Wh"
        flaw = Flaw(pointer=pointer, detail=detail)
        raise Problem(422, "wrong-form", f"{pointer}: {detail}", (flaw,))
    return exact.numerator


def as_written(number: float) -> Fraction:
    """Return the shortest decimal that a float is written as, exactly."""
    return Fraction(repr(float(number)))
