"""A backup over REST: for whoever runs the service, where one is wanted."""

from __future__ import annotations

from dataclasses import replace

from tests.api_node import a_node
from wattbay.adapters.api.node import BackedUp

MADE = BackedUp("20260501T120000Z-000000000012", 12, "ab" * 32, 4_711)


def test_backup_is_made_and_noted_in_the_audit_log() -> None:
    bench = a_node()

    async def back_up() -> BackedUp:
        return MADE

    bench.app.state.node = replace(bench.node, back_up=back_up)
    told = bench.call("boss", "POST", "/api/v1/backups")
    assert told.status_code == 201, told.text
    assert told.json() == {
        "name": MADE.name, "entries": 12, "head": MADE.head, "size_bytes": 4_711,
    }  # fmt: skip
    line = bench.people.audit(limit=1)[0]
    assert (line.act, line.subject) == ("back_up", MADE.name)


def test_where_no_backup_is_wanted_that_is_said() -> None:
    told = a_node().call("boss", "POST", "/api/v1/backups")
    assert told.status_code == 409
    assert "folder in [backup]" in told.json()["detail"]
