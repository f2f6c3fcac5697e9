"""How long a login rests after wrong passwords; names that nobody bears rest alike."""

from __future__ import annotations

from typing import NamedTuple

from wattbay.access.cache import Cache
from wattbay.access.records import NEVER
from wattbay.access.secret_keys import hash_of
from wattbay.periods import MINUTE, SECOND, Instant

FREE_FAILURES = 5
"""Wrong passwords before the first rest."""
FIRST_REST_US = 30 * SECOND
REST_MAX_US = 15 * MINUTE
"""No longer: whoever knows a login's name could keep its owner out."""
STRANGERS_MAX = 10_000


class Attempts(NamedTuple):
    """Wrong passwords since the last right one, and until when the login rests."""

    failures: int = 0
    locked_until: Instant = NEVER

    def after_failure(self, at: Instant) -> Attempts:
        """Return how it stands after one more wrong password: each rest is twice the last."""
        failures = self.failures + 1
        beyond = failures - FREE_FAILURES
        if beyond < 0:
            return Attempts(failures, self.locked_until)
        rest_us = min(REST_MAX_US, FIRST_REST_US << min(beyond, 16))
        return Attempts(failures, Instant(at + rest_us))


class Strangers:
    """Attempts on names that no login bears, by their hash: a name typed may be a password."""

    def __init__(self) -> None:
        """Know of none."""
        self._kept: Cache[str, Attempts] = Cache(STRANGERS_MAX)

    def of(self, name: str) -> Attempts:
        """Return how it stands with a name."""
        return self._kept.get(hash_of(name)) or Attempts()

    def put(self, name: str, attempts: Attempts) -> None:
        """Keep how it stands with a name."""
        self._kept.put(hash_of(name), attempts)
