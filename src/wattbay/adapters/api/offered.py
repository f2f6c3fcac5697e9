"""Everything that the interface offers, in the order of its document."""

from __future__ import annotations

from wattbay.adapters.api.running import running
from wattbay.adapters.api.sections import Section


def sections() -> tuple[Section, ...]:
    """Return every section."""
    return (running,)
