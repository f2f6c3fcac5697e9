from __future__ import annotations

from typing import get_args

from msgspec import Struct, structs

from tests.builders import a_deposit, a_reading, an_entry, an_order
from wattbay.core.commands import Command
from wattbay.ids import PodId, RequestId
from wattbay.kernel.codec import Entry
from wattbay.kernel.requests import (
    MEMORY_ENTRIES_MAX,
    Requested,
    Requests,
    is_reuse,
    refusal_of_reuse,
    request_of,
)

KEY = (PodId("h01"), RequestId("r1"))


def asked(seq: int, quantity_wh: int = 250, request: str = "r1") -> Entry:
    return an_entry(seq, command=an_order(quantity_wh=quantity_wh, request=request))


def test_every_command_with_a_request_is_known_to_have_one() -> None:
    kinds = [kind for kind in get_args(Command) if issubclass(kind, Struct)]
    bearing = {kind for kind in kinds if "request" in kind.__struct_fields__}
    assert bearing == set(get_args(Requested))
    assert all({"pod", "pods", "seller"} & set(kind.__struct_fields__) for kind in bearing)


def test_request_is_known_by_pod_and_request() -> None:
    assert request_of(an_order(request="r1")) == KEY
    assert request_of(a_deposit(request="r1")) == KEY
    assert request_of(an_order("h02", request="r1")) == ("h02", "r1")
    assert request_of(an_order()) is None
    assert request_of(a_reading()) is None


def test_first_entry_of_a_request_is_remembered() -> None:
    requests = Requests()
    assert requests.first(KEY, 1) is None
    requests.remember(KEY, asked(1))
    assert requests.first(KEY, 2) == asked(1)


def test_request_is_forgotten_when_it_is_too_far_back() -> None:
    requests = Requests()
    requests.remember(KEY, asked(1))
    assert requests.first(KEY, 1 + MEMORY_ENTRIES_MAX) == asked(1)
    assert requests.first(KEY, 2 + MEMORY_ENTRIES_MAX) is None


def test_request_that_was_forgotten_may_be_used_anew() -> None:
    requests = Requests()
    requests.remember(KEY, asked(1))
    later = asked(2 + MEMORY_ENTRIES_MAX, quantity_wh=1)
    requests.remember(KEY, later)
    assert requests.first(KEY, later.seq + 1) == later


def test_what_is_recalled_from_a_journal_is_what_was_remembered() -> None:
    requests = Requests()
    first, reuse, without = asked(1), asked(2, quantity_wh=1), an_entry(3)
    reuse = structs.replace(reuse, events=refusal_of_reuse(first))
    for entry in (first, reuse, without):
        requests.recall(entry)
    assert requests.first(KEY, 4) == first
    assert is_reuse(reuse.events)
    assert not is_reuse(first.events)
    # A reuse whose first is out of sight teaches nothing either.
    late = Requests()
    late.recall(reuse)
    assert late.first(KEY, 4) is None
