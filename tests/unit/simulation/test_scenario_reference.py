"""The reference of the scenario file names every key that is read, and no other."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from wattbay.errors import ConfigError
from wattbay.simulation.new import TEMPLATE
from wattbay.simulation.scenario import PACKAGED, load_scenario

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "scenario-file.md"
ALLOTTED = ("zones", "suppliers", "tariffs", "strategies")
ARRAYS = (
    "time.days",
    "zone",
    "supplier",
    "tariff",
    "tariff.local",
    "tariff.tax",
    "tariff.tiers",
    "tariff.response",
    "tariff.time_of_use",
    "tariff.indexed",
    "tariff.critical_peak",
    "tariff.grid_stability",
    "tariff.grid_stability.steps",
    "product.network_fees",
    "run",
    "homes.set",
    "faults.exchange",
    "faults.silence",
)


def documented() -> dict[str, list[str]]:
    """Return the keys of the page by table; "" is the scenario itself."""
    keys: dict[str, list[str]] = {}
    table = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## The files"):
            break
        if heading := re.match(r"#+ `\[+([a-z_.]+)\]+`", line):
            table = heading[1]
        elif nested := re.match(r"Each of `(local|tax)`", line):
            table = f"tariff.{nested[1]}"
        elif row := re.match(r"\| `([a-z_]+)` \|", line):
            keys.setdefault(table, []).append(row[1])
    return keys


def written(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield table and key of everything that a file holds."""
    for item in value if isinstance(value, list) else [value]:
        if not isinstance(item, dict):
            continue
        for name, inner in item.items():
            inside = f"{path}.{name}" if path else name
            if path != "homes" or name not in ALLOTTED:
                yield path, name
                yield from written(inner, inside)


def test_every_key_that_a_shipped_file_uses_is_in_the_reference() -> None:
    known = documented()
    parts = {part for table in known for part in (table, table.split(".")[0])}
    for path in [*sorted(PACKAGED.glob("*.toml")), TEMPLATE]:
        text = re.sub(r"= \$(title|source|isp|first|last)", "= 1", path.read_text("utf-8"))
        text = re.sub(r"\[\$source\]", "[]", text).replace("$pv", "")
        for table, key in written(tomllib.loads(text)):
            inside = f"{table}.{key}" if table else key
            assert key in known.get(table, []) or inside in parts, (path.name, inside)


def test_every_key_in_the_reference_is_read(tmp_path: Path) -> None:
    lines: list[str] = []
    for table, keys in sorted(documented().items()):
        if table:
            lines.append(f"[[{table}]]" if table in ARRAYS else f"[{table}]")
        # A date is of the wrong kind for most keys, but each is read.
        lines += [f"{key} = 2013-06-10" for key in keys if key not in {"local", "tax"}]
    path = tmp_path / "all.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_scenario(path)
    assert not [str(fault) for fault in caught.value.faults if "is not a key of" in fault.what]
