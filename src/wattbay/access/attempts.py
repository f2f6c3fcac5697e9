"""How long a name rests after wrong passwords, whether anybody bears it or not."""

from __future__ import annotations

from typing import NamedTuple

from wattbay.access.records import NEVER
from wattbay.periods import DAY, MINUTE, SECOND, Instant

FREE_FAILURES = 5
"""Wrong passwords before the first rest."""
FIRST_REST_US = 30 * SECOND
REST_MAX_US = 15 * MINUTE
"""No longer: whoever knows a login's name could keep its owner out."""
ATTEMPTS_LAST_US = DAY
"""After so long without another wrong password they are forgotten."""
NAMES_MAX = 10_000
"""Names under which wrong passwords came that are remembered; the newest stay."""
_DOUBLINGS_MAX = 16


class Attempts(NamedTuple):
    """Wrong passwords under a name since the last right one, and until when it rests."""

    failures: int = 0
    locked_until: Instant = NEVER

    def after_failure(self, at: Instant) -> Attempts:
        """Return how it stands after one more wrong password: each rest is twice the last."""
        failures = self.failures + 1
        beyond = failures - FREE_FAILURES
        if beyond < 0:
            return Attempts(failures, self.locked_until)
        rest_us = min(REST_MAX_US, FIRST_REST_US << min(beyond, _DOUBLINGS_MAX))
        return Attempts(failures, Instant(at + rest_us))


NONE = Attempts()
