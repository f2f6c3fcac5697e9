"""A start reads the newest snapshot that can be used, and the journal from there on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders import CountedJournal, a_kernel, a_town, an_order
from wattbay.kernel.kernel import Kernel
from wattbay.kernel.replay import state_digest
from wattbay.kernel.snapshots import KEPT, Snapshots, Tail


@pytest.fixture
def lived() -> tuple[CountedJournal, Kernel]:
    journal = CountedJournal()
    return journal, a_kernel(*a_town(2), journal=journal)


def write(snapshots: Snapshots, journal: CountedJournal, kernel: Kernel) -> Path:
    return snapshots.write(kernel.exchange, journal.last_seq, journal.head)


def test_state_is_the_same_with_and_without_a_snapshot(
    lived: tuple[CountedJournal, Kernel], tmp_path: Path
) -> None:
    journal, kernel = lived
    write(Snapshots(tmp_path, 10), journal, kernel)
    kernel.submit(an_order())
    after = Snapshots(tmp_path, 10)
    assert state_digest(after.exchange(journal)) == state_digest(kernel.exchange)
    assert after.last_seq == journal.last_seq - 1
    assert state_digest(Snapshots(tmp_path / "none", 10).exchange(journal)) == state_digest(
        kernel.exchange
    )


def test_damaged_snapshot_and_one_of_another_journal_are_passed_over(
    lived: tuple[CountedJournal, Kernel], tmp_path: Path
) -> None:
    journal, kernel = lived
    snapshots = Snapshots(tmp_path, 1)
    sound = write(snapshots, journal, kernel)
    kernel.submit(an_order())
    damaged = write(snapshots, journal, kernel)
    damaged.write_bytes(damaged.read_bytes()[:-1])
    other_journal = CountedJournal()
    other = a_kernel(*a_town(2), *(an_order() for _ in range(9)), journal=other_journal)
    write(snapshots, other_journal, other)
    again = Snapshots(tmp_path, 1)
    assert state_digest(again.exchange(journal)) == state_digest(kernel.exchange)
    assert again.last_seq == int(sound.stem)


def test_the_last_are_kept_and_one_is_due_after_so_many_entries(
    lived: tuple[CountedJournal, Kernel], tmp_path: Path
) -> None:
    journal, kernel = lived
    snapshots = Snapshots(tmp_path, 2)
    for _ in range(KEPT + 2):
        assert snapshots.is_due(journal.last_seq)
        write(snapshots, journal, kernel)
        assert not snapshots.is_due(journal.last_seq + 1)
        kernel.submit_many([an_order(), an_order()])
    assert len(list(tmp_path.iterdir())) == KEPT


def test_tail_tells_the_last_entry() -> None:
    tail = Tail(0)
    kernel = a_kernel(readers=[tail])
    assert tail.seq == 0
    kernel.submit_many(a_town(1))
    assert tail.seq == len(a_town(1))
