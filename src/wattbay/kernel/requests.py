"""Which requests were answered already, so that what is sent twice happens once."""

from __future__ import annotations

from collections import deque
from typing import cast, get_args

from wattbay.core.commands import (
    AmendOrder,
    CancelOrder,
    CancelOrders,
    Command,
    DepositMoney,
    EnterOrders,
    PlaceOrder,
    TakeOffer,
    WithdrawMoney,
)
from wattbay.core.events import Event, Rejected
from wattbay.core.reasons import Reason
from wattbay.core.sales import ConcludeSale
from wattbay.ids import PodId, RequestId
from wattbay.kernel.codec import Entry

Requested = (
    DepositMoney
    | WithdrawMoney
    | PlaceOrder
    | AmendOrder
    | CancelOrder
    | CancelOrders
    | EnterOrders
    | TakeOffer
    | ConcludeSale
)
"""The commands that may bear a request."""

MEMORY_ENTRIES_MAX = 65_536
"""For how many entries a request is remembered. Part of the journal's format: how far memory goes
decides what is refused, and must be the same when history is verified or taken up again."""

Key = tuple[PodId, RequestId]
"""By what a request is known: two pods may use the same one."""

_REQUESTED: frozenset[type] = frozenset(get_args(Requested))


class Requests:
    """The first entry of every request of a pod, among the last entries of the journal.

    What is remembered follows from the entries alone, not from when the program was started.
    """

    def __init__(self) -> None:
        """Remember nothing."""
        self._first: dict[Key, Entry] = {}
        self._keys: deque[Key] = deque()
        """In order of their entries."""

    def first(self, key: Key, seq: int) -> Entry | None:
        """Return the entry that first bore a request, as remembered when entry `seq` is made."""
        entry = self._first.get(key)
        return None if entry is None or entry.seq < seq - MEMORY_ENTRIES_MAX else entry

    def remember(self, key: Key, entry: Entry) -> None:
        """Keep the first entry of a request; forget those too far back."""
        keys, first = self._keys, self._first
        while keys and first[keys[0]].seq < entry.seq - MEMORY_ENTRIES_MAX:
            del first[keys.popleft()]
        keys.append(key)
        first[key] = entry

    def recall(self, entry: Entry) -> None:
        """Remember an entry that is read from a journal, if it was the first of its request."""
        key = request_of(entry.command)
        if key is not None and not is_reuse(entry.events):
            self.remember(key, entry)


def request_of(command: Command) -> Key | None:
    """Return pod and request of a command that bears one."""
    if type(command) not in _REQUESTED:  # ten times cheaper than to match the classes
        return None
    requested = cast("Requested", command)
    if requested.request is None:
        return None
    if isinstance(requested, EnterOrders):
        # A batch is its first pod's; one without pods is refused, whatever it repeats.
        return (requested.pods[0], requested.request) if requested.pods else None
    if isinstance(requested, ConcludeSale):
        return requested.seller, requested.request
    return requested.pod, requested.request


def refusal_of_reuse(first: Entry) -> tuple[Event, ...]:
    """Return what comes of another command under a request that `first` bore already."""
    detail = f"entry {first.seq} bears this request with another command; use a new one"
    return (Rejected(reason=Reason.REQUEST_REUSED, detail=detail),)


def is_reuse(events: tuple[Event, ...]) -> bool:
    """Tell whether a command was refused because its request was used before."""
    return (
        len(events) == 1
        and isinstance(events[0], Rejected)
        and events[0].reason is Reason.REQUEST_REUSED
    )
