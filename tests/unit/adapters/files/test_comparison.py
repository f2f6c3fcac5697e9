"""The files of a comparison: told as they are, and never replaced by mistake."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from wattbay.adapters.files import comparison
from wattbay.errors import AdapterError, ConfigError
from wattbay.simulation.comparison.figures import Energy, Figures, Price, Revenue, Savings
from wattbay.views.tables import Row

REFERENCE = Path(__file__).parents[4] / "docs" / "reference" / "comparison.md"


def test_reference_names_every_column_and_every_field() -> None:
    named = set(re.findall(r"`(\w+)`", REFERENCE.read_text(encoding="utf-8")))
    columns = {column.name for table in comparison.TABLES.values() for column in table}
    fields = {
        field
        for record in (Figures, Savings, Revenue, Energy, Price)
        for field in record.__struct_fields__
    }
    assert not (columns | fields) - named


def test_tables_are_the_same_in_both_forms_with_times_in_utc(tmp_path: Path) -> None:
    rows: dict[str, list[Row]] = {
        "compare-homes": [("none", "h01", 5, 6, 0, 1.5, 0)],
        "compare-prices": [("none", 1_370_818_800_000_000, 70_000.0, None, 0)],
    }
    comparison.write(tmp_path, {"format": 1}, rows)
    assert comparison.read(tmp_path) == {"format": 1}
    assert pl.read_parquet(tmp_path / "compare-prices.parquet")["price_nano_per_wh"][0] is None
    text = (tmp_path / "compare-prices.csv").read_text(encoding="utf-8")
    assert text.splitlines()[1] == "none,2013-06-09T23:00:00Z,70000.0,,0"


def test_comparison_that_is_there_is_replaced_by_force_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    comparison.prepare(folder, force=False)
    comparison.write(folder, {"format": 1}, {})
    with pytest.raises(ConfigError, match="--force"):
        comparison.prepare(folder, force=False)
    comparison.prepare(folder, force=True)


def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be made"):
        comparison.prepare(tmp_path / "file" / "folder", force=False)


def test_table_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "compare-homes.parquet").mkdir()
    with pytest.raises(AdapterError, match="cannot be written"):
        comparison.write(tmp_path, {}, {"compare-homes": [("none", "h01", 5, 6, 0, 1.5, 0)]})
