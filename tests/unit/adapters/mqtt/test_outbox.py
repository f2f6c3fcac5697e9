"""What a device keeps until it is acknowledged."""

from __future__ import annotations

from pathlib import Path

import pytest

from wattbay.adapters.mqtt.outbox import Outbox
from wattbay.errors import AdapterError


def numbers(outbox: Outbox) -> list[tuple[int, int]]:
    return [(one.boot, one.seq) for one in outbox.after(0, 0, 100)]


def test_each_opening_is_a_start_that_counts_anew(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    for boot in (1, 2, 3):
        outbox = Outbox(path)
        assert (outbox.boot, outbox.seq) == (boot, 0)
        outbox.put(1, b"reading")
        outbox.close()
    outbox = Outbox(path)
    assert numbers(outbox) == [(1, 1), (2, 1), (3, 1)]
    outbox.close()


def test_what_is_acknowledged_goes_and_nothing_else(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox")
    for seq in range(1, 8):
        outbox.put(seq, b"reading")
    assert outbox.acknowledged(1, [(0, 2), (5, 6)]) == 4
    assert outbox.acknowledged(2, [(0, 9)]) == 0
    assert numbers(outbox) == [(1, 3), (1, 4), (1, 7)]
    outbox.close()


def test_full_outbox_loses_its_oldest_reading_and_counts_it(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox", readings_max=3)
    for seq in range(1, 6):
        outbox.put(seq, b"reading")
    assert numbers(outbox) == [(1, 3), (1, 4), (1, 5)]
    assert outbox.lost == 2
    outbox.close()


def test_number_is_used_once(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox")
    outbox.put(1, b"reading")
    with pytest.raises(AdapterError, match="cannot be written"):
        outbox.put(1, b"another")
    assert len(outbox) == 1
    outbox.close()


def test_last_command_is_remembered(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox")
    outbox.carried_out(7)
    outbox.close()
    again = Outbox(tmp_path / "outbox")
    assert again.command == 7
    again.close()


def test_outbox_belongs_to_one_program_at_a_time(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox")
    with pytest.raises(AdapterError, match="no outbox of a device that is free"):
        Outbox(tmp_path / "outbox")
    outbox.close()


def test_other_file_is_no_outbox(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    path.write_bytes(b"something else, longer than a header of SQLite" * 10)
    with pytest.raises(AdapterError, match="no outbox"):
        Outbox(path)
