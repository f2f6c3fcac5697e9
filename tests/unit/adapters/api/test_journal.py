"""The journal over REST: enough for a stranger to check it."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace
from hashlib import sha256

from tests.api_node import a_node
from tests.builders import an_order
from wattbay.adapters.api.entries import HEAD_STEP
from wattbay.adapters.api.node import Head
from wattbay.kernel.codec import decode, encode
from wattbay.kernel.journal import MemoryJournal
from wattbay.kernel.replay import verify

ENTRIES, HEAD = "/api/v1/journal/entries", "/api/v1/journal/head"


def test_whoever_is_given_entries_computes_their_hashes_and_decides_them_again() -> None:
    bench = a_node()
    head = bench.call("boss", "GET", HEAD).json()
    assert head == {
        "community": "town", "entry": bench.journal.last_seq, "head": bench.journal.head.hex(),
    }  # fmt: skip
    previous, copied = bytes(32), MemoryJournal()
    for number in range(1, head["entry"] + 1):
        told = bench.call("boss", "GET", f"{ENTRIES}/{number}").json()
        data = b64decode(told["bytes"])
        assert told["entry"] == told["content"][0] == number
        assert told["content"] == json.loads(data)
        assert bytes.fromhex(told["previous_hash"]) == previous
        previous = sha256(previous + data).digest()
        assert told["hash"] == previous.hex()
        assert encode(decode(data)) == data
        copied.append([data])
    assert previous.hex() == head["head"]
    verify(copied, head=bytes.fromhex(head["head"]))


def test_members_are_told_the_hash_of_whole_steps_alone_which_names_nobody() -> None:
    bench = a_node()
    none_yet = {"community": "town", "entry": 0, "head": "00" * 32}
    assert bench.call("p01", "GET", HEAD).json() == none_yet
    seen = set()
    for place in range(3 * HEAD_STEP):
        bench.submit(an_order("h01", quantity_wh=100, limit=90_000 + 10 * place))
        if place % 50 == 0:
            told = bench.call("p01", "GET", HEAD).json()
            seen.add(told["entry"])
    assert seen == {0, HEAD_STEP, 2 * HEAD_STEP, 3 * HEAD_STEP}
    kept = bench.call("boss", "GET", f"{ENTRIES}/{told['entry']}").json()
    assert told["head"] == kept["hash"]


def test_where_the_entry_to_be_told_was_pruned_that_is_said() -> None:
    bench = a_node()
    bench.app.state.node = replace(
        bench.node, head=lambda: Head(HEAD_STEP + 3, bytes(32)), entry=lambda _: None
    )
    told = bench.call("p01", "GET", HEAD)
    assert told.status_code == 404
    assert str(2 * HEAD_STEP) in told.json()["detail"]


def test_entry_that_is_not_there_is_not_found() -> None:
    bench = a_node()
    beyond = bench.call("boss", "GET", f"{ENTRIES}/{bench.journal.last_seq + 1}")
    assert (beyond.status_code, beyond.json()["type"]) == (404, "urn:wattbay:problem:not-found")
    assert bench.call("boss", "GET", f"{ENTRIES}/0").status_code == 422
    assert bench.call("boss", "GET", f"{ENTRIES}/{2**53}").status_code == 422


def test_entries_whole_are_for_who_sees_everything() -> None:
    bench = a_node()
    assert bench.call("p01", "GET", f"{ENTRIES}/1").status_code == 403
    assert bench.call("analyst", "GET", f"{ENTRIES}/1").status_code == 403
    assert bench.call(None, "GET", HEAD).status_code == 401
