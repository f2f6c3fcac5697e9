"""The reference names what is really there."""

from __future__ import annotations

import re

import typer

from tests.house.tree import ROOT, show
from wattbay.assembly.simulated import WORLD_TABLES
from wattbay.cli import app
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


def test_reference_of_the_command_line_names_every_command_and_option() -> None:
    page = (ROOT / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    group = typer.main.get_command(app)
    commands = getattr(group, "commands", {})
    breaches = []
    for name, command in commands.items():
        section = sections.pop(name, "")
        options = {option for given in command.params for option in given.opts}
        wanted = {option for option in options if option.startswith("--")} - {"--help"}
        prefix = f"{name} RUN" if any(given.name == "run" for given in command.params) else name
        wanted |= {f"`{prefix} {one}" for one in getattr(command, "commands", {})}
        breaches += [f"{name} {option}" for option in sorted(wanted) if option not in section]
    assert not breaches, show(breaches)
    assert not sections
