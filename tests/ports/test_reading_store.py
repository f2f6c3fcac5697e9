"""What every store of readings promises, whatever it stands on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.builders import MIDNIGHT
from tests.servers import postgres
from wattbay.adapters.stores.sqlite import SqliteReadingStore
from wattbay.errors import AdapterError
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.evidence import (
    ALARMS_PER_DEVICE_MAX,
    RUNS_MAX,
    Flag,
    MemoryReadingStore,
    Outcome,
    Reading,
    ReadingStore,
    Source,
)
from wattbay.periods import DAY, MINUTE, WEEK, Instant, Period

LONDON = CommunityId("london")
Open = Callable[[], ReadingStore]


@pytest.fixture(scope="module")
def conninfo() -> Iterator[str]:
    with postgres("fsync=off") as (_, found):
        yield found


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Return what opens the same store, again and again; a store in memory is but one."""
    opened: list[ReadingStore] = []
    held = MemoryReadingStore()
    schema = f"test_{abs(hash(request.node.name))}"

    def one() -> ReadingStore:
        if request.param == "memory":
            return held
        if request.param == "sqlite":
            return SqliteReadingStore(tmp_path / "readings.sqlite")
        from wattbay.adapters.stores.postgres import PostgresReadingStore  # noqa: PLC0415

        return PostgresReadingStore(request.getfixturevalue("conninfo"), schema=schema)

    def new() -> ReadingStore:
        opened.append(one())
        return opened[-1]

    yield new
    for store in opened:
        store.close()


def a_reading(
    seq: int = 1,
    *,
    device: str = "m07",
    boot: int = 1,
    at: int | None = None,
    proof: bytes | None = None,
    community: CommunityId = LONDON,
) -> Reading:
    return Reading(
        community=community,
        device=MeterId(device),
        boot=boot,
        seq=seq,
        measured_at=Instant(MIDNIGHT + seq * MINUTE if at is None else at),
        import_register=48_000 + seq,
        export_register=9_120,
        flags=Flag.TAMPER,
        power_w=-250,
        voltage_mv=None,
        proof=proof or f"{device}/{boot}/{seq}".encode(),
    )


def source(device: str = "m07", boot: int = 1) -> Source:
    return Source(LONDON, MeterId(device), boot)


def test_what_is_stored_is_read_again(reopen: Open) -> None:
    store = reopen()
    batch = [a_reading(seq, device=device) for seq in (1, 2, 3) for device in ("m08", "m07")]
    assert store.add(batch) == [Outcome.STORED] * 6
    span = Period(MIDNIGHT, Instant(MIDNIGHT + 3 * MINUTE))
    assert list(store.of_device(LONDON, MeterId("m07"), span)) == [a_reading(1), a_reading(2)]
    assert list(store.at(LONDON, Instant(MIDNIGHT + MINUTE))) == [
        a_reading(1), a_reading(1, device="m08"),
    ]  # fmt: skip


def test_store_that_is_opened_again_holds_what_was_told_as_stored(reopen: Open) -> None:
    reopen().add([a_reading(1), a_reading(2), a_reading(5)])
    again = reopen()
    assert list(again.runs(source())) == [(1, 2), (5, 5)]
    assert again.add([a_reading(2), a_reading(3)]) == [Outcome.REPEATED, Outcome.STORED]
    day = Period(MIDNIGHT, Instant(MIDNIGHT + DAY))
    assert [one.seq for one in again.of_device(LONDON, MeterId("m07"), day)] == [1, 2, 3, 5]


def test_writer_that_was_succeeded_changes_nothing(reopen: Open) -> None:
    first = reopen()
    if isinstance(first, MemoryReadingStore):
        return
    first.add([a_reading(1)])
    second = reopen()
    second.add([a_reading(2)])
    with pytest.raises(AdapterError, match="another program opened"):
        first.add([a_reading(3)])
    with pytest.raises(AdapterError, match="another program opened"):
        first.forget(Instant(MIDNIGHT + DAY))
    assert second.add([a_reading(3)]) == [Outcome.STORED]


def test_same_bytes_again_change_nothing(reopen: Open) -> None:
    store = reopen()
    assert store.add([a_reading(1), a_reading(1)]) == [Outcome.STORED, Outcome.REPEATED]
    assert store.add([a_reading(1)]) == [Outcome.REPEATED]
    assert len(list(store.at(LONDON, a_reading(1).measured_at))) == 1
    assert list(store.alarms(LONDON)) == []


@pytest.mark.parametrize(
    "other",
    [
        a_reading(1, proof=b"other bytes"),
        a_reading(1, at=MIDNIGHT + DAY),
        a_reading(2, at=MIDNIGHT + MINUTE),
    ],
    ids=["same counters and instant", "same counters", "same instant"],
)
def test_other_bytes_are_an_alarm_and_no_update(reopen: Open, other: Reading) -> None:
    store = reopen()
    assert store.add([a_reading(1)]) == [Outcome.STORED]
    assert store.add([other]) == [Outcome.ALTERED]
    assert list(store.at(LONDON, a_reading(1).measured_at)) == [a_reading(1)]
    assert list(store.alarms(LONDON)) == [other]
    assert other.seq in store.runs(source())


def test_alarms_of_a_device_are_bounded(reopen: Open) -> None:
    store = reopen()
    store.add([a_reading(1)])
    many = [a_reading(1, proof=str(number).encode()) for number in range(ALARMS_PER_DEVICE_MAX + 5)]
    assert set(store.add(many)) == {Outcome.ALTERED}
    assert store.add(many) == [Outcome.ALTERED] * len(many)
    assert len(list(store.alarms(LONDON))) == ALARMS_PER_DEVICE_MAX


def test_gap_is_closed_by_what_comes_late(reopen: Open) -> None:
    store = reopen()
    store.add([a_reading(1), a_reading(4), a_reading(3)])
    assert store.runs(source()).contiguous == 1
    store.add([a_reading(2)])
    assert list(store.runs(source())) == [(1, 4)]


def test_each_start_of_a_device_counts_anew(reopen: Open) -> None:
    store = reopen()
    again = a_reading(1, boot=2, at=MIDNIGHT + DAY)
    assert store.add([a_reading(1), again]) == [Outcome.STORED, Outcome.STORED]
    assert store.runs(source(boot=2)).contiguous == 1
    assert list(store.runs(source(boot=3))) == []


def test_numbers_with_too_many_gaps_are_refused_until_one_closes(reopen: Open) -> None:
    store = reopen()
    store.add([a_reading(2 * number) for number in range(1, RUNS_MAX + 1)])
    beyond = a_reading(2 * RUNS_MAX + 2)
    assert store.add([beyond]) == [Outcome.TOO_MANY_GAPS]
    assert store.add([a_reading(3), beyond]) == [Outcome.STORED, Outcome.STORED]


def test_communities_do_not_see_each_other(reopen: Open) -> None:
    store = reopen()
    paris = CommunityId("paris")
    store.add([a_reading(1), a_reading(1, community=paris)])
    assert list(store.at(paris, a_reading(1).measured_at)) == [a_reading(1, community=paris)]
    assert len(list(store.at(LONDON, a_reading(1).measured_at))) == 1


def test_what_is_forgotten_is_gone_and_cannot_come_again(reopen: Open) -> None:
    store = reopen()
    weeks = [a_reading(seq, at=MIDNIGHT + seq * WEEK) for seq in range(1, 5)]
    store.add(weeks)
    before = Instant(weeks[2].measured_at)
    assert store.forget(before) == 2
    whole = Period(MIDNIGHT, Instant(MIDNIGHT + 9 * WEEK))
    assert list(store.of_device(LONDON, MeterId("m07"), whole)) == weeks[2:]
    assert store.add(weeks[:2]) == [Outcome.REPEATED] * 2
    assert list(store.alarms(LONDON)) == []
    assert reopen().add(weeks[:2]) == [Outcome.REPEATED] * 2


def test_empty_batch_is_no_fault(reopen: Open) -> None:
    assert reopen().add([]) == []


def test_largest_numbers_fit(reopen: Open) -> None:
    store = reopen()
    largest = 2**53 - 1
    one = a_reading(largest, boot=largest, at=largest)._replace(
        import_register=largest, power_w=-largest, voltage_mv=largest, flags=255
    )
    assert store.add([one]) == [Outcome.STORED]
    assert list(store.at(LONDON, Instant(largest))) == [one]
