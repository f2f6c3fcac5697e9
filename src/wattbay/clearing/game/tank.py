"""A water heater: how warm its tank gets, by heating, by standing, and by drawing hot water.

References
----------
.. [1] C. Zhang, *Peer-to-Peer Energy Trading in Electrical Distribution Networks*, PhD thesis,
       Cardiff University, 2018, eq. 3.8-3.9.
.. [2] C. Zhang, J. Wu, Y. Zhou, M. Cheng and C. Long, "Peer-to-Peer energy trading in a
       Microgrid," *Applied Energy*, vol. 220, pp. 1-12, 2018, table 2.
"""

from __future__ import annotations

import math
from typing import NamedTuple

HALF_HOUR = 0.5
"""[h]"""


class Tank(NamedTuple):
    """What a water heater is made of; the defaults are the corrected parameters of [2]_.

    Printed are R = 1.52 °C/kW and C = 863.4 kWh/°C. With those 3 kW warm a tank by no more than
    Q R = 4.56 °C above its room, ever. Read as 1.52 °C/W and 0.8634 kWh/°C their product, the time
    constant of 1312 h, stays, and half an hour of 3 kW gives 1.72 °C at 60 °C: this is what the
    paper must have meant.
    """

    power_kw: float = 3.0
    """Of the element, Q. [kW]"""
    resistance_c_per_kw: float = 1_520.0
    """Of the insulation, R. [°C/kW]"""
    capacity_kwh_per_c: float = 0.8634
    """Heat that a degree takes, C. [kWh/°C]"""
    volume_l: float = 189.27
    """V: 50 US gallons. [l]"""
    room_c: float = 20.0
    """Of the room and of the water that flows in, theta. [°C]"""
    low_c: float = 55.0
    high_c: float = 65.0

    def warmed(self, at_c: float, *, is_on: bool, hours: float = HALF_HOUR) -> float:
        """Return the temperature after some time without a draw. [°C]

        ``theta - (theta - T) exp(-t/RC) + c Q R (1 - exp(-t/RC))``. [1]_
        """
        left = math.exp(-hours / (self.resistance_c_per_kw * self.capacity_kwh_per_c))
        heat_c = self.power_kw * self.resistance_c_per_kw if is_on else 0.0
        return self.room_c - (self.room_c - at_c) * left + heat_c * (1 - left)

    def drawn(self, at_c: float, draw_l: float) -> float:
        """Return the temperature after hot water was replaced by cold. [°C]

        ``(T (V - d) + theta d) / V``. [1]_

        Raises
        ------
        ValueError
            If more is drawn than the tank holds, or less than nothing.
        """
        if not 0 <= draw_l <= self.volume_l:
            raise ValueError(f"{draw_l} l drawn from a tank of {self.volume_l} l")
        return (at_c * (self.volume_l - draw_l) + self.room_c * draw_l) / self.volume_l

    def is_comfortable(self, at_c: float) -> bool:
        """Tell whether a temperature lies in the band."""
        return self.low_c <= at_c <= self.high_c

    def comfort(self, at_c: float, *, is_on: bool) -> float:
        """Return C of the game: 1, or 0 where heating overheats or resting cools too far. [2]_

        Judged by the temperature at the end of the half-hour before any draw, which nobody knows.
        """
        after_c = self.warmed(at_c, is_on=is_on)
        fails = after_c > self.high_c if is_on else after_c < self.low_c
        return 0.0 if fails else 1.0
