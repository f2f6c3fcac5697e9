"""What a battery is about to bring: known again after a restart, whatever died in between."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from wattbay.assembly.sale_log import Brought, SaleLog
from wattbay.errors import AdapterError


def a_sale(number: int) -> Brought:
    return Brought(request=f"etp-65-c9-{number:x}", energy_wh=400, body={"seller": "h01"})


def test_sale_without_an_outcome_is_known_again(tmp_path: Path) -> None:
    file = tmp_path / "sales.jsonl"
    log = SaleLog(file, 10_000.0)
    for number in range(3):
        log.bring(a_sale(number))
    log.end(a_sale(0).request, 9_600.0)
    log.end(a_sale(1).request)
    log.close()
    again = SaleLog(file, 1.0)
    assert again.pending == {a_sale(2).request: a_sale(2)}
    assert again.level_wh == 9_600.0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again.close()
    again.close()


def test_battery_has_one_node(tmp_path: Path) -> None:
    log = SaleLog(tmp_path / "sales.jsonl", 1.0)
    with pytest.raises(AdapterError, match="in use by another program: a battery has one node"):
        SaleLog(tmp_path / "sales.jsonl", 1.0)
    log.close()
    SaleLog(tmp_path / "sales.jsonl", 1.0).close()


def test_half_a_line_at_the_end_was_never_brought(tmp_path: Path) -> None:
    file = tmp_path / "sales.jsonl"
    log = SaleLog(file, 10_000.0)
    log.bring(a_sale(1))
    log.close()
    with file.open("ab") as out:
        out.write(b'{"type":"brought","request":"etp-65')
    log = SaleLog(file, 10_000.0)
    assert [*log.pending] == [a_sale(1).request]
    log.bring(a_sale(2))
    log.close()
    log = SaleLog(file, 10_000.0)
    assert [*log.pending] == [a_sale(1).request, a_sale(2).request]
    log.close()


def test_file_stays_small_and_forgets_nothing_that_waits(tmp_path: Path) -> None:
    file = tmp_path / "sales.jsonl"
    log = SaleLog(file, 10_000.0, lines_max=10)
    log.bring(a_sale(999))
    for number in range(100):
        log.bring(a_sale(number))
        log.end(a_sale(number).request, 10_000.0 - number)
    log.close()
    assert len(file.read_bytes().splitlines()) <= 11
    log = SaleLog(file, 1.0)
    assert ([*log.pending], log.level_wh) == ([a_sale(999).request], 9_901.0)
    log.close()


@pytest.mark.parametrize("line", [b"words\n", b'{"type":"other"}\n', b"\xff\n"])
def test_file_of_something_else_is_told(tmp_path: Path, line: bytes) -> None:
    file = tmp_path / "sales.jsonl"
    file.write_bytes(line)
    with pytest.raises(AdapterError, match=r"sales\.jsonl:1 is no sale"):
        SaleLog(file, 1.0)


def test_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="cannot be written: No such file"):
        SaleLog(tmp_path / "gone" / "sales.jsonl", 1.0)
    (tmp_path / "folder").mkdir()
    with pytest.raises(AdapterError, match="cannot be read"):
        SaleLog(tmp_path / "folder", 1.0)
    log = SaleLog(tmp_path / "sales.jsonl", 1.0)
    log.close()
    with pytest.raises(AdapterError, match="cannot be written"):
        log.bring(a_sale(1))
    assert not log.pending
