"""The few ways in which this program fails; a refusal is an event, not an error.

The whole tree::

    WattbayError
    ├── ConfigError      what the operator set up is wrong; bears every fault at once
    ├── WireError        bytes that are not a message; never reaches the kernel
    ├── AdapterError     something outside does not answer
    ├── JournalError     history cannot be written, or is not what it was; bears the entry
    ├── NotConverged     an iteration ended without an answer; bears what was still amiss
    └── InvariantBroken  a bug: what must hold does not
"""

from __future__ import annotations

from typing import NamedTuple


class WattbayError(Exception):
    """Anything that this program raises on purpose."""


class Fault(NamedTuple):
    """One thing that is wrong with a set-up: where, what, and what would be right."""

    where: str
    """File and line, or a JSON pointer."""
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        """Tell the fault in one line."""
        return f"{self.where}: {self.what}" + (f" ({self.remedy})" if self.remedy else "")


class ConfigError(WattbayError):
    """What the operator set up is wrong. All faults are listed at once and nothing was started."""

    def __init__(self, *faults: Fault) -> None:
        """Keep the faults for whoever shows them."""
        self.faults = faults
        super().__init__("\n".join(str(fault) for fault in faults))


class WireError(WattbayError):
    """Bytes that are not a well-formed, authentic message."""


class AdapterError(WattbayError):
    """Something outside does not answer, or not as agreed."""


class JournalError(WattbayError):
    """History cannot be written, or what is written is not what it was."""

    def __init__(self, what: str, *, seq: int | None = None) -> None:
        """Name the entry, where one is to blame."""
        self.seq = seq
        self.what = what
        super().__init__(what if seq is None else f"entry {seq}: {what}")


class NotConverged(WattbayError):
    """A numerical method ended without an answer that is good enough."""

    def __init__(self, what: str, *, mismatch: float) -> None:
        """Keep how far the best attempt was off."""
        self.mismatch = mismatch
        super().__init__(f"{what}; off by {mismatch:.3g} at best")


class InvariantBroken(WattbayError):
    """A bug: what must hold does not. The process stops; the journal is whole."""


def ensure(holds: bool, claim: str) -> None:
    """Stop the program unless `claim` holds. Unlike ``assert``, ``-O`` does not strip it.

    Raises
    ------
    InvariantBroken
        Bears the claim.
    """
    if not holds:
        raise InvariantBroken(claim)
