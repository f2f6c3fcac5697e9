"""How often somebody may call: a sliding minute of each login, or of an address without one.

Two counts a caller: of this minute, and of the one before, which fades out as this one passes. What
the library `limits` keeps in memory starts a thread every few milliseconds to tidy up, 40 µs a
call; here a minute that is over is dropped whole.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from wattbay.adapters.api.node import Limits
from wattbay.adapters.api.problems import Problem
from wattbay.kernel.clock import Clock
from wattbay.periods import MINUTE, SECOND, Instant

CALLERS_MAX: Final = 100_000
"""Callers that are counted apart within a minute; all others share one count."""
NETWORK_BITS: Final = 64
"""Of an IPv6 address: what is behind it is one caller."""
_OTHERS: Final = "(others)"


class Window:
    """Counts what each caller did within a minute, a sliding one."""

    __slots__ = ("_before", "_calls_max", "_minute", "_now")

    def __init__(self, calls_max: int) -> None:
        """Let each caller do so much in a minute."""
        self._calls_max = calls_max
        self._minute = 0
        self._now: dict[str, int] = {}
        self._before: dict[str, int] = {}

    def hit(self, who: str, at: Instant) -> int:
        """Count a call; return 0, or how long to wait where it is one too many. [µs]"""
        minute, into_us = divmod(at, MINUTE)
        if minute != self._minute:
            self._before = self._now if minute == self._minute + 1 else {}
            self._now = {}
            self._minute = minute
        now = self._now
        if who not in now and len(now) >= CALLERS_MAX:
            who = _OTHERS
        count, before = now.get(who, 0), self._before.get(who, 0)
        if count + before * (MINUTE - into_us) // MINUTE < self._calls_max:
            now[who] = count + 1
            return 0
        return self._wait_us(count, before, into_us)

    def _wait_us(self, count: int, before: int, into_us: int) -> int:
        """Return after how long enough has faded out. [µs]"""
        room = self._calls_max - count
        if room > 0:
            return MINUTE - MINUTE * room // before - into_us + 1
        # Only in the next minute does this one begin to fade.
        return MINUTE - into_us + MINUTE - MINUTE * self._calls_max // count + 1


class Pace:
    """Counts the calls of one application."""

    def __init__(self, limits: Limits, wall: Clock) -> None:
        """Begin without a call."""
        self._wall = wall
        self._limits = limits
        self._calls = Window(limits.requests_per_minute)
        self._sign_ins = Window(limits.sign_ins_per_minute)

    def call(self, who: str) -> None:
        """Count a call of a login or an address.

        Raises
        ------
        Problem
            If there were too many within a minute; says when to come again.
        """
        wait_us = self._calls.hit(who, self._wall.now())
        if wait_us:
            raise _too_many(self._limits.requests_per_minute, wait_us)

    def sign_in(self, address: str) -> None:
        """Count an attempt to sign in from an address; there may be far fewer of them.

        Raises
        ------
        Problem
            If there were too many within a minute; says when to come again.
        """
        wait_us = self._sign_ins.hit(network_of(address), self._wall.now())
        if wait_us:
            raise _too_many(self._limits.sign_ins_per_minute, wait_us)


def network_of(address: str) -> str:
    """Return by what an address is counted: itself, or the network of an IPv6 address."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return address
    return str(ip_network((found, NETWORK_BITS), strict=False))


def _too_many(most: int, wait_us: int) -> Problem:
    wait_s = -(-wait_us // SECOND)
    detail = f"{most} a minute are the most; come again in {wait_s} s"
    headers = {"Retry-After": str(wait_s)}
    return Problem(429, "too-many-requests", detail, headers=headers)
