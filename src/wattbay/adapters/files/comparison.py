"""The files of a comparison of rules: one JSON document, two tables, Parquet and CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import polars as pl

from wattbay.adapters.files.run_folder import frame, read_json, write_json
from wattbay.errors import AdapterError, ConfigError, Fault
from wattbay.views.tables import Column, Row, columns

DOCUMENT = "compare.json"
PAGE = "compare.html"
TABLES: Mapping[str, tuple[Column, ...]] = MappingProxyType(
    {
        "compare-homes": columns(
            "rule:text pod:text cost_nano:int bill_nano:int saved_nano:int pv_kwp:float"
            " battery_wh:int"
        ),
        "compare-prices": columns(
            "rule:text delivery_start:instant paid_nano_per_wh:float price_nano_per_wh:float"
            " traded_wh:int"
        ),
    }
)
"""The tables; columns are only ever added at the end."""


def prepare(folder: Path, *, force: bool) -> None:
    """Make the folder of a comparison.

    Raises
    ------
    ConfigError
        If one is there and nobody said that it may be replaced, or it cannot be made.
    """
    if (folder / DOCUMENT).exists() and not force:
        what = "holds a comparison already"
        raise ConfigError(Fault(str(folder), what, "--force writes it anew"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"cannot be made: {error.strerror}"
        raise ConfigError(Fault(str(folder), what, "choose another --out")) from error


def write(
    folder: Path, document: Mapping[str, object], tables: Mapping[str, Sequence[Row]]
) -> None:
    """Write a comparison.

    Raises
    ------
    AdapterError
        If a table cannot be written.
    """
    write_json(folder / DOCUMENT, document)
    for name, rows in tables.items():
        table = frame(TABLES[name], rows)
        target = folder / f"{name}.parquet"
        try:
            table.write_parquet(target)
            instants = [one.name for one in TABLES[name] if one.holds == "instant"]
            text = [pl.col(one).dt.to_string("%Y-%m-%dT%H:%M:%SZ") for one in instants]
            table.with_columns(text).write_csv(target.with_suffix(".csv"))
        except (OSError, pl.exceptions.ComputeError) as error:
            msg = f"{target} cannot be written: {error}"
            raise AdapterError(msg) from error


def read(folder: Path) -> dict[str, object]:
    """Read the document of a comparison.

    Raises
    ------
    AdapterError
        If there is none.
    """
    return read_json(folder / DOCUMENT)
