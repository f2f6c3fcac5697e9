"""The journal over REST: enough for a stranger to check it."""

from __future__ import annotations

import json
from base64 import b64decode
from hashlib import sha256

from tests.api_node import a_node
from wattbay.kernel.codec import decode, encode
from wattbay.kernel.journal import MemoryJournal
from wattbay.kernel.replay import verify

ENTRIES, HEAD = "/api/v1/journal/entries", "/api/v1/journal/head"


def test_whoever_is_given_entries_computes_their_hashes_and_decides_them_again() -> None:
    bench = a_node()
    head = bench.call("p01", "GET", HEAD).json()
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
