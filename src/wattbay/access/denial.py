"""Why somebody is not let in, or not allowed."""

from __future__ import annotations

from enum import StrEnum

from wattbay.errors import WattbayError


class Denial(StrEnum):
    """The reason; what is said to a stranger gives nothing away about who exists."""

    NOTHING_SHOWN = "nothing_shown"
    """No credential came with the request."""
    NOT_KNOWN = "not_known"
    """Login and password, key, token or session are not ours, or not any more."""
    EXPIRED = "expired"
    LOCKED = "locked"
    """Too many wrong passwords: the login rests for a while."""
    DISABLED = "disabled"
    BUSY = "busy"
    """Too many sign in at this moment."""
    MUST_CHANGE = "must_change"
    """The password has to be changed first."""
    WEAK_PASSWORD = "weak_password"  # noqa: S105 - the name of a reason
    NOT_PERMITTED = "not_permitted"
    """Known, but not allowed to do this."""


class AccessDenied(WattbayError):
    """Somebody is not let in, or may not do what they want."""

    def __init__(self, reason: Denial, what: str = "", *, retry_after_us: int = 0) -> None:
        """Keep the reason, and how long to wait where waiting helps. [µs]"""
        self.reason = reason
        self.what = what or reason.value.replace("_", " ")
        self.retry_after_us = retry_after_us
        super().__init__(self.what)
