"""Bids that were about to be confirmed outlive whoever made them."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wattbay.adapters.etp.auctions import Ended, Keep, Stage
from wattbay.adapters.etp.bid_log import LINES_MAX, BidLog
from wattbay.errors import AdapterError

FIRST = Keep(101, 7, 150_000, 1_500)
SECOND = Keep(102, (1 << 64) - 1, 80_000, 250)


def the_end_of(kept: Keep, stage: Stage = Stage.SETTLED) -> Ended:
    return Ended(kept.bess, kept.message_id, stage, 0, kept.price, kept.energy_wh)


@contextmanager
def room_for(octets: int) -> Iterator[None]:
    """Let files be no longer than so much: what the disk is full at."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def reopened(file: Path) -> list[Keep]:
    log = BidLog(file)
    log.close()
    return list(log.open_bids)


def test_new_log_has_no_open_bid(tmp_path: Path) -> None:
    assert reopened(tmp_path / "bids") == []


def test_bid_without_an_outcome_is_open_after_a_restart(tmp_path: Path) -> None:
    log = BidLog(tmp_path / "bids")
    log.keep(FIRST)
    log.keep(SECOND)
    log.end(the_end_of(FIRST))
    log.sync()
    # Whoever wrote it dies here: nothing is closed.
    assert reopened(tmp_path / "bids") == [SECOND]
    assert reopened(tmp_path / "bids") == [SECOND]
    log.close()


def test_bid_of_the_time_before_can_end(tmp_path: Path) -> None:
    log = BidLog(tmp_path / "bids")
    log.keep(FIRST)
    log.close()
    again = BidLog(tmp_path / "bids")
    again.end(the_end_of(FIRST, Stage.EXPIRED))
    again.close()
    assert reopened(tmp_path / "bids") == []


def test_end_of_a_bid_that_was_never_kept_is_not_written(tmp_path: Path) -> None:
    log = BidLog(tmp_path / "bids")
    log.end(the_end_of(FIRST, Stage.REJECTED))
    log.close()
    assert (tmp_path / "bids").read_bytes() == b""


@pytest.mark.parametrize("cut", range(1, 26))
def test_torn_last_line_is_left_out(tmp_path: Path, cut: int) -> None:
    file = tmp_path / "bids"
    log = BidLog(file)
    log.keep(FIRST)
    whole = file.read_bytes()
    log.keep(SECOND)
    log.close()
    torn = file.read_bytes()[: len(whole) + cut]
    file.write_bytes(torn)
    assert reopened(file) == [FIRST]
    assert file.read_bytes() == whole


def test_line_that_is_none_is_told_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "bids"
    file.write_bytes(b'[101,7,150000,1500,false]\n{"no":"bid"}\n[102,8,80000,250,false]\n')
    with pytest.raises(AdapterError, match=r"bids:2 is no bid"):
        BidLog(file)


def test_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="cannot be written"):
        BidLog(tmp_path / "nowhere" / "bids")
    with pytest.raises(AdapterError, match="cannot be read"):
        BidLog(tmp_path)


def test_bid_that_a_full_disk_keeps_half_is_not_kept(tmp_path: Path) -> None:
    file = tmp_path / "bids"
    log = BidLog(file)
    log.keep(FIRST)
    with room_for(file.stat().st_size + 5), pytest.raises(AdapterError, match="cannot be written"):
        log.keep(SECOND)
    # A line after half a line would be read by nobody.
    with pytest.raises(AdapterError):
        log.keep(SECOND)
    log.close()
    assert reopened(file) == [FIRST]


def test_bid_that_cannot_be_made_durable_is_told_and_no_other_is_taken(tmp_path: Path) -> None:
    log = BidLog(tmp_path / "bids")
    log.keep(FIRST)
    log.close()
    with pytest.raises(AdapterError, match="cannot be written"):
        log.sync()
    with pytest.raises(AdapterError):
        log.keep(SECOND)


def test_log_does_not_grow_for_ever(tmp_path: Path) -> None:
    file = tmp_path / "bids"
    log = BidLog(file, lines_max=10)
    log.keep(SECOND)
    for number in range(100):
        kept = FIRST._replace(message_id=number)
        log.keep(kept)
        log.end(the_end_of(kept))
        assert len(file.read_bytes().splitlines()) <= 10
    log.close()
    assert reopened(file) == [SECOND]
    assert LINES_MAX > 10


def test_more_open_bids_than_lines_are_all_kept(tmp_path: Path) -> None:
    file = tmp_path / "bids"
    log = BidLog(file, lines_max=10)
    bids = [FIRST._replace(message_id=number) for number in range(30)]
    for kept in bids:
        log.keep(kept)
    log.close()
    assert reopened(file) == bids
