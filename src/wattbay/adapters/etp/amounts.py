"""Where the floats of this wire become whole numbers: inward, never better than a peer offered.

1 ¢/kWh is 10,000 nano-currency per Wh, so a price of the wire has four decimals at most. What a
buyer offers or wants is rounded down, what a seller wants is rounded up, and what it has is rounded
down. A float that is the nearest one to a whole number of ticks is that number.
"""

from __future__ import annotations

from wattbay.units import NANO_PER_WH_IN_CENT_PER_KWH, SAFE_INTEGER_MAX

WH_IN_KWH = 1_000


def price_down(cents: float, tick: int = 1) -> int:
    """Return a price [¢/kWh] as a buyer's: whole ticks, rounded down. [nano-currency per Wh]"""
    return _down(cents, NANO_PER_WH_IN_CENT_PER_KWH, tick)


def price_up(cents: float, tick: int = 1) -> int:
    """Return a price [¢/kWh] as a seller's: whole ticks, rounded up. [nano-currency per Wh]"""
    return -_down(-cents, NANO_PER_WH_IN_CENT_PER_KWH, tick)


def cents(price: int) -> float:
    """Return a price [nano-currency per Wh] as the wire has it. [¢/kWh]"""
    return price / NANO_PER_WH_IN_CENT_PER_KWH


def energy_down(kwh: float, tick: int = 1) -> int:
    """Return an amount [kWh] in whole ticks, rounded down. [Wh]"""
    return _down(kwh, WH_IN_KWH, tick)


def kwh(energy_wh: float) -> float:
    """Return an amount [Wh] as the wire has it. [kWh]"""
    return energy_wh / WH_IN_KWH


def _down(value: float, scale: int, tick: int) -> int:
    """Return `value` x `scale` as a multiple of `tick`, rounded down, within what is exact."""
    most = SAFE_INTEGER_MAX // tick * tick
    if not -most < value * scale < most:
        return most if value > 0 else -most
    number, parts = value.as_integer_ratio()
    below = number * scale // (parts * tick) * tick
    # The float nearest to 0.3 is a little less than it: what was meant is 0.3.
    above = below + tick
    return above if above / scale == value else below
