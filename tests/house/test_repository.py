"""What every file of the repository keeps to."""

from __future__ import annotations

import ast
import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest

from tests.house.tree import ROOT, files, lines, name_of, show, sources, syntax

TEXT = (".cfg", ".css", ".html", ".js", ".md", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml")
NAMED_TEXT = ("Makefile", "LICENSE", ".ci/run", ".gitignore", ".editorconfig")

# Written in pieces, so that this file does not breach its own rule.
FOREIGN = re.compile(
    "|".join(
        (
            r"py" + r"pi\.org",
            r"python" + r"hosted\.org",
            r"registry\." + r"npmjs",
            r"deb\." + r"debian\.org",
            r"index" + r"-url",
            r"find" + r"-links",
            r"/sim" + r"ple/",
            r"(?<![\w./])/(root|wo" + r"rk|home/\w+|Users/\w+)/",
        )
    )
)


def texts() -> list[Path]:
    """Return our text files; what is vendored keeps its own manners."""
    found = [path for path in files(TEXT) if "vendor" not in path.parts]
    return [*found, *(ROOT / name for name in NAMED_TEXT)]


def test_no_file_names_a_package_registry_or_a_path_of_some_machine() -> None:
    breaches = [
        f"{name_of(path)}:{number}: {found.group()}"
        for path in texts()
        for number, line in enumerate(lines(path), 1)
        if (found := FOREIGN.search(line))
    ]
    assert not breaches, show(breaches)


def test_text_ends_in_one_newline_and_no_line_in_a_space() -> None:
    breaches = []
    for path in texts():
        text = path.read_text(encoding="utf-8")
        if text and (not text.endswith("\n") or text.endswith("\n\n")):
            breaches.append(f"{name_of(path)}: its end")
        if "\r" in text or re.search(r"[ \t]+$", text, re.MULTILINE):
            breaches.append(f"{name_of(path)}: spaces at the end of a line")
    assert not breaches, show(breaches)


def test_no_file_is_large_without_need() -> None:
    largest_bytes = 4_000_000
    breaches = [
        f"{name_of(path)}: {path.stat().st_size:,} bytes"
        for path in files((".parquet", ".csv", ".png", ".svg", ".json", *TEXT))
        if path.stat().st_size > largest_bytes
    ]
    assert not breaches, show(breaches)


LEFT_OUT = frozenset({"skip", "skipif", "xfail", "importorskip", "skipTest", "skipUnless"})


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    breaches = [
        f"{name_of(path)}:{node.lineno}: {node.attr}"
        for path in sources("tests")
        for node in ast.walk(syntax(path))
        if isinstance(node, ast.Attribute) and node.attr in LEFT_OUT
    ]
    assert not breaches, show(breaches)


def test_no_test_sleeps() -> None:
    breaches = [
        f"{name_of(path)}:{node.lineno}"
        for path in sources("tests")
        for node in ast.walk(syntax(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"time.sleep", "sleep"}
    ]
    assert not breaches, show(breaches)


def test_tests_are_free_functions() -> None:
    breaches = [
        f"{name_of(path)}:{node.lineno}: {node.name}"
        for path in sources("tests")
        if path.name.startswith("test_")
        for node in syntax(path).body
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test") and not node.bases
    ]
    assert not breaches, show(breaches)


def test_makefile_is_an_index_of_one_line_targets() -> None:
    recipes: dict[str, int] = {}
    target = ""
    for line in lines(ROOT / "Makefile"):
        if found := re.match(r"([a-z]+):", line):
            target = found.group(1)
            recipes[target] = 0
        elif line.startswith("\t"):
            recipes[target] += 1
    assert {"setup", "run", "test", "check", "fix", "bench", "docs"} <= recipes.keys()
    assert [name for name, count in recipes.items() if count > 1] == []


def test_everything_that_is_needed_is_pinned_with_hashes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    needed = [*project["dependencies"], *chain.from_iterable(extras)]
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=[a-z])", pinned)
    versions = {block.split("==")[0]: block.count("--hash=sha256:") for block in blocks}
    names = [re.split(r"[<>=\[ ;]", need)[0] for need in needed]
    assert [name for name in names if not versions.get(name)] == []
    assert [block for block in blocks if "==" in block and "--hash" not in block] == []


DECISION_LINES_MAX = 60
DECISION_HEADINGS = (
    "## Context",
    "## Decision",
    "## Consequences",
    "## What would change our mind",
)


@pytest.mark.parametrize("heading", DECISION_HEADINGS)
def test_every_decision_record_has_its_four_parts(heading: str) -> None:
    records = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert records
    assert [name_of(path) for path in records if heading not in lines(path)] == []


def test_every_decision_record_fits_on_a_page_and_is_numbered() -> None:
    records = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    numbers = [int(path.name[:4]) for path in records]
    assert numbers == list(range(1, len(records) + 1))
    assert [name_of(path) for path in records if len(lines(path)) > DECISION_LINES_MAX] == []


def test_every_recipe_has_a_checklist_of_paths_that_exist() -> None:
    recipes = sorted((ROOT / "docs" / "how-to").glob("add-*.md"))
    assert recipes
    breaches = []
    for path in recipes:
        text = path.read_text(encoding="utf-8")
        _, _, checklist = text.partition("## Checklist")
        if not checklist.count("- [ ] "):
            breaches.append(f"{name_of(path)}: no checklist")
        named = re.findall(r"`((?:src|tests|docs|changelog\.d)/[\w./-]+)`", text)
        gone = [found for found in named if not (ROOT / found).exists()]
        breaches.extend(f"{name_of(path)}: {found} is not there" for found in gone)
    assert not breaches, show(breaches)
