"""Histories of released versions: they replay for ever, and today's program still writes them.

`make golden` renews `street-day.jsonl.gz`, the journal of the first day of `street`, where a rule
changed on purpose; the change of its head is part of the review.
"""

from __future__ import annotations

import gzip
import json
import os
from hashlib import sha256
from pathlib import Path

from tests.towns import Lived, lived
from wattbay.core.events import ReceiptIssued
from wattbay.core.settlement import receipt_bytes
from wattbay.kernel.codec import decode
from wattbay.kernel.journal import MemoryJournal
from wattbay.kernel.replay import rebuild, state_digest, verify
from wattbay.simulation.scenario import load_scenario

HERE = Path(__file__).parent
JOURNAL = HERE / "street-day.jsonl.gz"
DIGESTS = HERE / "street-day.json"


def digests(town: Lived) -> dict[str, str | int]:
    """Return what a history comes to."""
    receipts = sha256()
    for seq, data, _ in town.journal.rows():
        for event in decode(data, seq=seq).events:
            if isinstance(event, ReceiptIssued):
                receipts.update(receipt_bytes(event.receipt))
    return {
        "entries": town.journal.last_seq,
        "head": town.head,
        "state": state_digest(town.kernel.exchange),
        "receipts": receipts.hexdigest(),
    }


def test_today_writes_the_history_of_the_last_version() -> None:
    town = lived(load_scenario("street", days=1))
    if os.environ.get("WATTBAY_RENEW_GOLDEN"):
        lines = b"\n".join(data for _, data, _ in town.journal.rows())
        JOURNAL.write_bytes(gzip.compress(lines, mtime=0))
        DIGESTS.write_text(json.dumps(digests(town), indent=2) + "\n")
    assert digests(town) == json.loads(DIGESTS.read_text())


def test_the_history_of_the_last_version_replays_and_verifies() -> None:
    golden = json.loads(DIGESTS.read_text())
    journal = MemoryJournal()
    journal.append(gzip.decompress(JOURNAL.read_bytes()).split(b"\n"))
    assert journal.head.hex() == golden["head"]
    assert state_digest(rebuild(journal)) == golden["state"]
    found = verify(journal, head=bytes.fromhex(golden["head"]))
    assert found.entries == golden["entries"]
