"""What an auction is expected to clear at: the mean of the last days at the same time of day."""

from __future__ import annotations

from collections import deque

from wattbay.periods import DAY, Instant

DAYS = 7
"""How many days are remembered."""


class RecentPrices:
    """The naive forecast of clearing prices; agents of one market share it.

    It stands beside the port of `wattbay.forecasting`, whose histories have no gaps: an auction
    in which nothing crossed has no price, and counts for nothing here. Times of day are UTC's.
    """

    __slots__ = ("_counts", "_isp_us", "_kept", "_sums")

    def __init__(self, isp_us: int) -> None:
        """Know no price of deliveries of a length. [µs]"""
        periods = DAY // isp_us
        self._isp_us = isp_us
        self._sums = [0] * periods
        self._counts = [0] * periods
        self._kept: deque[tuple[Instant, int]] = deque()

    def learn(self, delivery: Instant, price: int | None) -> None:
        """Take in a clearing price, in order of deliveries; forget what is older than `DAYS`."""
        while self._kept and self._kept[0][0] < delivery - DAYS * DAY:
            self._add(*self._kept.popleft(), sign=-1)
        if price is not None:
            self._kept.append((delivery, price))
            self._add(delivery, price, sign=1)

    def expected(self, start: Instant, count: int) -> list[float | None]:
        """Return the price expected of so many deliveries from `start` on, None where unknown."""
        periods = len(self._sums)
        first = self._period(start)
        return [
            self._sums[i] / self._counts[i] if self._counts[i] else None
            for i in ((first + ahead) % periods for ahead in range(count))
        ]

    def _period(self, delivery: Instant) -> int:
        """Return the time of day of a delivery, counted in deliveries."""
        return delivery % DAY // self._isp_us

    def _add(self, delivery: Instant, price: int, *, sign: int) -> None:
        """Count a price, or no longer."""
        period = self._period(delivery)
        self._sums[period] += sign * price
        self._counts[period] += sign
