"""The page of the study of competing aggregators: its words, tables and pictures."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from tests.report_page import read_number, tables
from wattbay.adapters.report.competed import Document, Estimate, read
from wattbay.adapters.report.competition import number, page, shown
from wattbay.adapters.report.intervals import Line, Mean, by_count, interval
from wattbay.adapters.report.strips import Across
from wattbay.errors import AdapterError
from wattbay.simulation.study_competition import Plan, document, study


@pytest.fixture(scope="module")
def found() -> Document:
    plan = Plan(seeds=2, days=2)
    return document(plan, list(study(plan)))


def test_page_tells_every_regime_and_every_finding(found: Document) -> None:
    text = page(found)
    table = tables(text)["What owners have by regime [c/kWh of surplus]"]
    assert len(table.rows) == len(found.regimes) == 68
    for row, one in zip(table.rows, found.regimes, strict=True):
        assert read_number(row[1].split("±")[0]) == pytest.approx(
            one.figures.net.mean, abs=0.005001
        )
    for finding in found.verdict:
        assert finding.about.replace("'", "&#x27;") in text
    for line in found.attribution:
        assert line in text


def test_page_asks_nothing_of_the_network(found: Document) -> None:
    text = page(found)
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', text)
    assert "default-src 'none'" in text


def test_lines_have_a_dot_for_every_number_of_aggregators(found: Document) -> None:
    text = page(found)
    chart = re.findall(r"<svg class=lines.*?</svg>", text)
    assert len(chart) == 1
    assert chart[0].count("<circle") == 50


def test_page_of_one_seed_has_no_intervals() -> None:
    plan = Plan(seeds=1, days=1)
    text = page(document(plan, list(study(plan))))
    assert "on one seed alone, so nothing is sure" in text
    assert not re.search(r"None( c|<)|nan", text)


def test_interval_looks_sure_or_unsure_by_where_zero_lies() -> None:
    across = Across.of([-1.0, 1.0])
    assert 'class="mean"' in interval(across, Mean(0.5, 0.2), "more")
    assert 'class="mean lost"' in interval(across, Mean(-0.5, 0.2), "less")
    assert 'class="mean unsure"' in interval(across, Mean(0.1, 0.2), "unsure")
    assert "class=zero" not in interval(across, Mean(0.1, 0.2), "alone", zero=None)


def test_a_chart_of_one_count_is_drawn_too() -> None:
    drawn = by_count([Line("random", "random", [1.0])], ("one utility", 1.0), "label", "c/kWh")
    assert drawn.count("<circle") == 1
    assert "nan" not in drawn


def test_numbers_have_a_true_minus_and_zero_no_sign() -> None:
    assert number(-1.5) == "\u22121.50"
    assert number(-0.001, signed=True) == "0.00"
    assert shown(Estimate(1.0, None), signed=True) == "+1.00"
    assert shown(None) == "—"


def test_file_that_is_no_study_is_refused(found: Document, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(msgspec.json.encode(found))
    assert read(path) == found
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(found, format=2)))
    with pytest.raises(AdapterError, match="format 2"):
        read(path)
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(AdapterError):
        read(path)
