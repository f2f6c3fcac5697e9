"""A device that is told something by its household, and answers: over REST and by the stream."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from pathlib import Path
from typing import Any

from websockets.sync.client import connect
from websockets.sync.connection import Connection

from tests.fleet import Member, administrator, fleet_of, join
from tests.servers import WAIT_S, until
from tests.serving import Service, serving
from wattbay.adapters.api.entries import HEAD_STEP
from wattbay.kernel.journal import SqliteJournal

LATE = "2099-01-01T00:00Z"
"""The street's clock is not the device's: what it is told does not expire by either."""


def told(service: Service, member: Member) -> list[dict[str, Any]]:
    """Return what a member's meter was told, and answered."""
    path = f"/api/v1/devices/{member.device}/commands"
    status, answer = service.call(path, headers=member.keyed.headers)
    assert status == 200, answer
    found: list[dict[str, Any]] = answer
    return found


def tell(service: Service, member: Member, order: dict[str, object]) -> int:
    """Tell a member's meter something; return its number."""
    path = f"/api/v1/devices/{member.device}/commands"
    status, answer = service.call(path, {**order, "expires_at": LATE}, headers=member.keyed.headers)
    assert status == 202, answer
    return int(answer["number"])


def heard(stream: Connection, number: int) -> dict[str, Any]:
    """Return the answer to a command, as the stream tells it."""
    while True:
        message = json.loads(stream.recv(timeout=WAIT_S))
        answer: dict[str, Any] = (message.get("data") or {}).get("answer") or {}
        if answer.get("number") == number:
            return answer


def test_household_tells_its_meter_something_and_learns_what_became_of_it(tmp_path: Path) -> None:
    with serving(tmp_path, "--speed", "600") as service:
        admin = administrator(service)
        member, other = join(service, admin, "ann"), join(service, admin, "bob")
        with fleet_of(service, [member], tmp_path, service.mqtt_port) as fleet:
            until(lambda: fleet.meters[0].device.is_subscribed, "the meter listens")
            ping = tell(service, member, {"cmd": "ping"})
            until(lambda: told(service, member)[0]["answered_at"], "the meter answers")
            (first,) = told(service, member)
            assert (first["number"], first["what"], first["refused"]) == (ping, "ping", None)
            until(lambda: fleet.turn() and fleet.now > member.since, "the member has joined")
            address = f"{service.url.replace('http', 'ws', 1)}/api/v1/stream"
            headers = dict(member.keyed.headers)
            with connect(address, additional_headers=headers) as stream:
                topics = [{"topic": "devices/ann"}]
                stream.send(json.dumps({"op": "subscribe", "topics": topics}))
                until(lambda: "snapshot" in str(stream.recv(timeout=WAIT_S)), "it listens")
                span = {"start": "2098-01-01T00:00Z", "end": "2098-01-02T00:00Z"}
                number = tell(service, member, {"cmd": "set_point", "power_w": 5, **span})
                answer = heard(stream, number)
            second, first = told(service, member)
            assert second["refused"] == answer["refused"] == "not known to this device"
            assert (second["answered_at"], second["what"]) == (answer["answered_at"], "set_point")
        path = f"/api/v1/devices/{member.device}/commands"
        assert service.call(path, headers=other.keyed.headers)[0] == 404


def test_head_that_a_member_kept_is_that_of_the_journal_that_is_handed_over(tmp_path: Path) -> None:
    with serving(tmp_path, "--folder", "kept", "--speed", "1200") as service:
        admin = administrator(service)
        member = join(service, admin, "ann").keyed

        def head() -> dict[str, Any]:
            found: dict[str, Any] = service.call("/api/v1/journal/head", headers=member.headers)[1]
            return found

        until(lambda: head()["entry"], "there is a head to keep")
        kept = head()
        assert kept["entry"] % HEAD_STEP == 0
        path = f"/api/v1/journal/entries/{kept['entry']}"
        assert service.call(path, headers=member.headers)[0] == 403
        status, entry = service.call(path, headers=admin.headers)
        assert status == 200, entry
        whole = bytes.fromhex(entry["previous_hash"]) + b64decode(entry["bytes"])
        assert hashlib.sha256(whole).hexdigest() == entry["hash"] == kept["head"]
        assert service.stop() == 0
    journal = SqliteJournal(tmp_path / "kept" / "journal.sqlite", read_only=True)
    _, data, found = next(journal.rows(kept["entry"]))
    journal.close()
    assert (found.hex(), json.loads(data)) == (kept["head"], entry["content"])
