"""What waits to be sent: the most urgent first, within a bound."""

from __future__ import annotations

import pytest

from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.messages import PRIORITIES, Kind, Message
from wattbay.adapters.etp.outbox import Outbox, Waiting

BATTERY = 123


def a_message(kind: Kind, number: int = 1) -> Waiting:
    return Waiting(Message(kind, number, BATTERY))


def drained(outbox: Outbox) -> list[tuple[int, int]]:
    """Return types and ids in the order in which they leave."""
    found = []
    while (waiting := outbox.pop()) is not None:
        found.append((waiting.message.message_type, waiting.message.message_id))
    return found


def test_messages_leave_by_priority_and_then_by_arrival() -> None:
    outbox = Outbox()
    kinds = [kind for kind in reversed(Kind) if kind is not Kind.REGISTER]
    for number in (1, 2):
        for kind in kinds:
            assert outbox.put(a_message(kind, number))
    assert len(outbox) == 2 * len(kinds)
    left = drained(outbox)
    assert left[:2] == [(Kind.DEVICE_FAILURE, 1), (Kind.DEVICE_FAILURE, 2)]
    assert [PRIORITIES[kind] for kind, _ in left] == sorted(PRIORITIES[kind] for kind, _ in left)
    for kind in kinds:
        assert [number for one, number in left if one == kind] == [1, 2]
    assert len(outbox) == 0


def test_failure_overtakes_ten_thousand_statuses() -> None:
    outbox = Outbox()
    for number in range(10_000):
        outbox.put(a_message(Kind.BESS_STATUS, number))
    outbox.put(Waiting(m.device_failure(7, BATTERY, 2)))
    assert drained(outbox)[0] == (Kind.DEVICE_FAILURE, 7)


def test_answer_to_a_register_is_not_overtaken_by_an_acceptance() -> None:
    """Whoever hears an acceptance first thinks that outcomes are never told."""
    outbox = Outbox()
    outbox.put(a_message(Kind.BESS_STATUS))
    outbox.put(a_message(Kind.REGISTER, 2))
    outbox.put(a_message(Kind.BID_ACCEPT, 3))
    assert [number for _, number in drained(outbox)] == [2, 3, 1]


def test_oldest_status_gives_way_where_too_much_waits() -> None:
    outbox = Outbox(waiting_max=3)
    for number in range(3):
        assert outbox.put(a_message(Kind.BESS_STATUS, number))
    assert outbox.put(a_message(Kind.BID_REJECT, 9))
    assert outbox.dropped == 1
    assert drained(outbox) == [(6, 9), (9, 1), (9, 2)]


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.BESS_STATUS])
def test_nothing_but_a_status_gives_way(kind: Kind) -> None:
    outbox = Outbox(waiting_max=2)
    assert outbox.put(a_message(kind, 1))
    assert outbox.put(a_message(kind, 2))
    assert not outbox.put(a_message(Kind.DEVICE_FAILURE, 3))
    assert outbox.dropped == 0
    assert drained(outbox) == [(kind, 1), (kind, 2)]


def test_statuses_are_not_owed_to_anybody() -> None:
    outbox = Outbox()
    outbox.put(a_message(Kind.BESS_STATUS))
    assert (len(outbox), outbox.owed) == (1, 0)
    outbox.put(a_message(Kind.QUERY_RESPONSE))
    assert (len(outbox), outbox.owed) == (2, 1)
    outbox.pop()
    assert (len(outbox), outbox.owed) == (1, 0)
