"""How often somebody may call: a sliding minute of each login, or of an address without one."""

from __future__ import annotations

from typing import Final

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from wattbay.adapters.api.node import Limits
from wattbay.adapters.api.problems import Problem

MINUTE_S: Final = 60


class Pace:
    """Counts the calls of one process."""

    def __init__(self, limits: Limits) -> None:
        """Begin without a call."""
        self._window = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._calls = RateLimitItemPerMinute(limits.requests_per_minute, namespace="calls")
        self._sign_ins = RateLimitItemPerMinute(limits.sign_ins_per_minute, namespace="sign-ins")

    def call(self, who: str) -> None:
        """Count a call of a login or an address.

        Raises
        ------
        Problem
            If there were too many within a minute; says when to come again.
        """
        self._hit(self._calls, who)

    def sign_in(self, address: str) -> None:
        """Count an attempt to sign in from an address; there may be far fewer of them.

        Raises
        ------
        Problem
            If there were too many within a minute; says when to come again.
        """
        self._hit(self._sign_ins, address)

    def _hit(self, item: RateLimitItemPerMinute, who: str) -> None:
        if self._window.hit(item, who):
            return
        # A sliding window lets one in again long before it is over; a share of it is a fair guess.
        wait_s = max(1, MINUTE_S // item.amount)
        raise Problem(
            429,
            "too-many-requests",
            f"{item.amount} a minute are the most; come again in {wait_s} s",
            headers={"Retry-After": str(wait_s)},
        )
