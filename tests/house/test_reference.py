"""The reference names what is really there."""

from __future__ import annotations

import re

from tests.house.tree import ROOT, show
from wattbay.assembly import WORLD_TABLES
from wattbay.views.tables import TABLES


def test_reference_of_the_run_folder_names_every_column() -> None:
    page = (ROOT / "docs" / "reference" / "run-folder.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## ([\w, ]+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    breaches = []
    for name, columns in {**TABLES, **WORLD_TABLES}.items():
        section = sections[name if name in sections else "devices, baseline, signals"]
        named = re.findall(r"`(\w+)`", section)
        breaches += [f"{name}.{column.name}" for column in columns if column.name not in named]
    assert not breaches, show(breaches)
