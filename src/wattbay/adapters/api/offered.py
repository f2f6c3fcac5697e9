"""Everything that the interface offers, in the order of its document."""

from __future__ import annotations

from wattbay.adapters.api import elecbay, energynet
from wattbay.adapters.api.order_lists import order_lists
from wattbay.adapters.api.orders import orders
from wattbay.adapters.api.running import running
from wattbay.adapters.api.sections import Section
from wattbay.adapters.api.stream.route import stream


def sections() -> tuple[Section, ...]:
    """Return every section."""
    return (orders, order_lists, stream, running, *energynet.sections, elecbay.section)
