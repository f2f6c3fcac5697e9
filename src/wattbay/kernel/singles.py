"""Entries as readers want them: the steps of a batch one by one, like any other commands."""

from __future__ import annotations

from collections.abc import Iterator

from wattbay.core.batches import OrdersEntered
from wattbay.core.commands import EnterOrders
from wattbay.core.entered import taken
from wattbay.kernel.codec import Entry


def singles(entry: Entry) -> Iterator[Entry]:
    """Yield an entry or, of a batch that was taken, one for each step: of its number and instant.

    The command is the single one that the step stands for, the events are what that came to.
    """
    command, first = entry.command, entry.events[0] if entry.events else None
    if type(command) is EnterOrders and type(first) is OrdersEntered:
        for one, events in taken(command, first):
            yield Entry(entry.seq, entry.at, one, tuple(events))
    else:
        yield entry
