"""Rows of pictures without a script: everything stands where its value is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wattbay.adapters.report import strips
from wattbay.adapters.report.comparison import build_comparison
from wattbay.errors import AdapterError

ACROSS = strips.Across(-1.0, 3.0)
BOX = strips.Box(-0.5, 0.0, 1.0, 2.0, 2.5)


def test_values_stand_in_proportion() -> None:
    assert [ACROSS.x(value) for value in (-1.0, 0.0, 3.0)] == ["0.00%", "25.00%", "100.00%"]


def test_scale_holds_all_values_even_if_they_are_one() -> None:
    across = strips.Across.of([7.0])
    assert across.low < 7.0 < across.high
    assert strips.Across.of([]).low < 0.0


def test_ticks_are_round_and_inside() -> None:
    values, decimals = ACROSS.ticks()
    assert values == [0.0, 1.0, 2.0, 3.0]
    assert decimals == 0
    values, decimals = strips.Across(0.0, 0.29).ticks()
    assert values == pytest.approx([0.05, 0.1, 0.15, 0.2, 0.25])
    assert decimals == 2


def test_homes_that_lose_look_otherwise_and_names_are_escaped() -> None:
    drawn = strips.strip(ACROSS, BOX, [("<a>", 2.0), ("b", -0.5)], "two & more")
    assert drawn.count("<circle") == 2
    assert 'class="home lost" cx="12.50%"' in drawn
    assert "<title>&lt;a&gt;</title>" in drawn
    assert "two &amp; more" in drawn


def test_shares_fill_their_part_of_the_width_one_after_the_other() -> None:
    drawn = strips.shares(200.0, [("one", 50.0), ("none", -3.0), ("two", 100.0)], "parts")
    places = re.findall(r'class="(\w+)" x="([\d.]+)%" width="([\d.]+)%"', drawn)
    assert places == [("one", "0.00", "25.00"), ("none", "25.00", "0.00"),
                      ("two", "25.00", "50.00")]  # fmt: skip


def test_line_breaks_where_there_is_no_price() -> None:
    drawn = strips.line(0.0, 10.0, [0.0, None, 10.0, 5.0], "a day")
    assert 'd="M0 100.0H1M2 0.0H3L3 50.0H4"' in drawn


def test_folder_without_comparison_is_told(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match=r"compare\.json is missing"):
        build_comparison(tmp_path)
    (tmp_path / "compare.json").write_text("{}")
    with pytest.raises(AdapterError, match="cannot be read"):
        build_comparison(tmp_path)
