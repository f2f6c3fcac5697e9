"""What every store of alerts promises, whatever it stands on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.servers import Server, postgres
from wattbay.adapters.stores.alerts import SqliteAlertStore
from wattbay.errors import AdapterError
from wattbay.ids import MeterId
from wattbay.periods import HOUR, MINUTE, Instant, instant
from wattbay.watch.alerts import (
    BY_CHARACTERS_MAX,
    ITSELF,
    NOTE_CHARACTERS_MAX,
    Alert,
    AlertStore,
    MemoryAlertStore,
)
from wattbay.watch.findings import SEVERITY, Anomaly, Finding, Severity

NOON = instant("2013-06-10T12:00Z")
LATER = Instant(NOON + HOUR)
METER = MeterId("m07")
ALERTS_MAX = 20


class Open(Protocol):
    """Opens the same store, again and again; a store in memory is but one."""

    def __call__(self, alerts_max: int = ALERTS_MAX) -> AlertStore: ...


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Server, str]]:
    with postgres("fsync=off") as found:
        yield found


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    opened: list[AlertStore] = []
    held: dict[int, MemoryAlertStore] = {}
    schema = f"test_{abs(hash(request.node.name))}"

    def one(alerts_max: int) -> AlertStore:
        if request.param == "memory":
            return held.setdefault(alerts_max, MemoryAlertStore(alerts_max))
        if request.param == "sqlite":
            return SqliteAlertStore(tmp_path / "alerts.sqlite", alerts_max=alerts_max)
        from wattbay.adapters.stores.alerts import PostgresAlertStore  # noqa: PLC0415

        _, conninfo = request.getfixturevalue("server")
        return PostgresAlertStore(conninfo, schema=schema, alerts_max=alerts_max)

    def new(alerts_max: int = ALERTS_MAX) -> AlertStore:
        opened.append(one(alerts_max))
        return opened[-1]

    yield new
    for store in opened:
        store.close_store()


def a_finding(
    anomaly: Anomaly = Anomaly.TAMPER,
    *,
    device: str = "m07",
    seq: int | None = 7,
    at: Instant = NOON,
    detail: str = "its case was opened",
) -> Finding:
    boot = None if seq is None else 1
    measured_at = None if seq is None else Instant(at - MINUTE)
    return Finding(anomaly, SEVERITY[anomaly], MeterId(device), boot, seq, measured_at, at, detail)


def numbers(alerts: list[Alert]) -> list[int]:
    return [one.number for one in alerts]


def test_finding_opens_an_alert(reopen: Open) -> None:
    store = reopen()
    opened = store.add(a_finding())
    assert opened == Alert(
        1, METER, Anomaly.TAMPER, Severity.SOFT, 1, 7, Instant(NOON - MINUTE),
        "its case was opened", NOON, NOON, 1,
    )  # fmt: skip
    assert store.of(1) == opened
    assert type(opened.anomaly) is Anomaly
    assert store.find() == [opened]
    assert reopen().find() == [opened]


def test_alert_of_no_reading_has_none(reopen: Open) -> None:
    store = reopen()
    store.add(a_finding(Anomaly.SILENT, seq=None))
    found = reopen().of(1)
    assert found is not None
    assert (found.boot, found.seq, found.measured_at) == (None, None, None)


def test_same_oddness_again_is_counted_to_the_open_alert(reopen: Open) -> None:
    store = reopen()
    store.add(a_finding())
    again = store.add(a_finding(at=LATER, seq=9, detail="its case is open"))
    assert (again.number, again.count, again.opened_at, again.last_at) == (1, 2, NOON, LATER)
    assert (again.seq, again.detail) == (9, "its case is open")
    early = store.add(a_finding(at=Instant(NOON - HOUR)))
    assert (early.number, early.count, early.last_at) == (1, 3, LATER)
    assert reopen().find() == [early]


def test_other_oddness_and_other_devices_are_other_alerts(reopen: Open) -> None:
    store = reopen()
    found = store.add_all(
        [a_finding(), a_finding(Anomaly.FLOOD), a_finding(device="m08"), a_finding()]
    )
    assert numbers(found) == [1, 2, 3, 1]
    assert [one.count for one in found] == [1, 1, 1, 2]


def test_no_findings_are_no_fault(reopen: Open) -> None:
    assert reopen().add_all([]) == []


def test_who_saw_an_alert_first_stays_and_the_last_note_is_kept(reopen: Open) -> None:
    store = reopen()
    store.add(a_finding())
    store.acknowledge(1, "ann", LATER, "on my way")
    seen = store.acknowledge(1, "ben", Instant(LATER + HOUR), "it is a fox")
    assert seen is not None
    assert (seen.acknowledged_by, seen.acknowledged_at, seen.note) == ("ann", LATER, "it is a fox")
    again = store.acknowledge(1, "ben", Instant(LATER + HOUR))
    assert again == seen
    assert reopen().of(1) == seen
    assert store.add(a_finding()).count == 2


def test_what_is_found_after_closing_opens_another(reopen: Open) -> None:
    store = reopen()
    store.add(a_finding())
    closed = store.close(1, "ann", LATER, "sealed again")
    assert closed is not None
    assert (closed.closed_by, closed.closed_at, closed.note) == ("ann", LATER, "sealed again")
    assert store.close(1, "ben", Instant(LATER + HOUR), "no") == closed
    assert store.add(a_finding(at=LATER)).number == 2
    assert numbers(reopen().find(open_only=True)) == [2]


def test_what_ended_by_itself_is_closed_by_itself(reopen: Open) -> None:
    store = reopen()
    store.add_all([a_finding(Anomaly.SILENT, seq=None), a_finding()])
    assert store.end(METER, Anomaly.FLOOD, LATER) is None
    ended = store.end(METER, Anomaly.SILENT, LATER, "it tells again")
    assert ended is not None
    assert (ended.number, ended.closed_by, ended.closed_at) == (1, ITSELF, LATER)
    assert store.end(METER, Anomaly.SILENT, LATER) is None
    assert numbers(store.find(open_only=True)) == [2]


def test_unknown_number_is_none(reopen: Open) -> None:
    store = reopen()
    assert store.of(1) is None
    assert store.acknowledge(1, "ann", NOON) is None
    assert store.close(1, "ann", NOON) is None


def test_alerts_are_found_by_device_newest_first_and_page_by_page(reopen: Open) -> None:
    store = reopen()
    store.add_all(
        [
            a_finding(anomaly, device=device)
            for anomaly in (Anomaly.TAMPER, Anomaly.FLOOD, Anomaly.REPLAY)
            for device in ("m07", "m08")
        ]
    )
    store.close(3, "ann", LATER)
    assert numbers(store.find()) == [6, 5, 4, 3, 2, 1]
    assert numbers(store.find(METER)) == [5, 3, 1]
    assert numbers(store.find(METER, open_only=True)) == [5, 1]
    assert numbers(store.find(limit=2)) == [6, 5]
    assert numbers(store.find(after=5, limit=2)) == [4, 3]
    assert numbers(store.find(METER, after=5)) == [3, 1]
    assert store.find(after=1) == store.find(limit=0) == store.find(MeterId("m09")) == []


def test_alerts_are_bounded_and_the_oldest_closed_ones_go_first(reopen: Open) -> None:
    store = reopen(alerts_max=3)
    for device in ("m01", "m02", "m03"):
        store.add(a_finding(device=device))
    store.close(2, "ann", LATER)
    store.add(a_finding(device="m04"))
    assert numbers(store.find()) == [4, 3, 1]
    store.add_all([a_finding(device="m05"), a_finding(device="m06")])
    assert numbers(store.find()) == [6, 5, 4]
    assert store.add(a_finding(device="m01")).number == 7


def test_numbers_are_not_used_again(reopen: Open) -> None:
    store = reopen(alerts_max=1)
    store.add(a_finding())
    store.close(1, "ann", LATER)
    store.add(a_finding())
    store.close(2, "ann", LATER)
    assert reopen(alerts_max=1).add(a_finding(Anomaly.FLOOD)).number == 3


def test_what_people_write_is_kept_and_bounded(reopen: Open) -> None:
    store = reopen()
    store.add(a_finding(detail="50 % of ? is 'odd'; -- %s"))
    written = "Zähler '?' %s \N{HIGH VOLTAGE SIGN}"
    store.acknowledge(1, written, NOON, written)
    found = store.of(1)
    assert found is not None
    assert (found.detail, found.acknowledged_by, found.note) == (
        "50 % of ? is 'odd'; -- %s", written, written,
    )  # fmt: skip
    store.add(a_finding(Anomaly.FLOOD))
    long = store.close(2, "x" * 5_000, NOON, "y" * 5_000)
    assert long is not None
    assert long.closed_by == "x" * BY_CHARACTERS_MAX
    assert long.note == "y" * NOTE_CHARACTERS_MAX


def test_largest_numbers_fit(reopen: Open) -> None:
    largest = 2**53 - 1
    store = reopen()
    one = a_finding(at=Instant(largest), seq=largest)._replace(boot=largest)
    assert store.add(one).last_at == largest
    assert reopen().find()[0].boot == largest


# --- what only some can do -------------------------------------------------------------------


@pytest.mark.parametrize("found", [b"no database", None], ids=["bytes", "another database"])
def test_other_files_are_no_store_of_alerts(tmp_path: Path, found: bytes | None) -> None:
    path = tmp_path / "alerts.sqlite"
    if found is None:
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE things (one)")
        other.close()
    else:
        path.write_bytes(found * 1_000)
    with pytest.raises(AdapterError, match="no store of alerts"):
        SqliteAlertStore(path)


def test_store_whose_file_is_closed_says_so(tmp_path: Path) -> None:
    store = SqliteAlertStore(tmp_path / "alerts.sqlite")
    store.close_store()
    with pytest.raises(AdapterError, match="does not keep alerts"):
        store.add(a_finding())


def test_batch_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = SqliteAlertStore(tmp_path / "alerts.sqlite")
    broken = a_finding(Anomaly.FLOOD)._replace(detail=None)  # type: ignore[arg-type] # on purpose
    with pytest.raises(AdapterError):
        store.add_all([a_finding(), broken])
    assert store.find() == []
    assert store.add(a_finding()).number == 1
    store.close_store()


@pytest.mark.postgres
def test_store_comes_back_when_the_server_does(server: tuple[Server, str]) -> None:
    from wattbay.adapters.stores.alerts import PostgresAlertStore  # noqa: PLC0415

    running, conninfo = server
    store = PostgresAlertStore(conninfo, schema="comes_back")
    store.add(a_finding())
    running.kill()
    with pytest.raises(AdapterError, match="does not answer"):
        store.add(a_finding())
    running.start()
    assert store.add(a_finding()).count == 2
    store.close_store()


@pytest.mark.postgres
def test_server_that_is_not_there_is_told() -> None:
    from wattbay.adapters.stores.alerts import PostgresAlertStore  # noqa: PLC0415

    with pytest.raises(AdapterError, match="does not answer"):
        PostgresAlertStore("host=127.0.0.1 port=1 connect_timeout=2")
