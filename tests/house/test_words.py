"""One word a concept: what the glossary must hold, and what nothing of ours may be called."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.house.tree import ROOT, SOURCE, lines, name_of, show, sources, syntax

BANNED = frozenset(
    {
        "ask",
        "common",
        "data",
        "handle",
        "helper",
        "helpers",
        "info",
        "manager",
        "misc",
        "process",
        "rate",
        "slot",
        "util",
        "utils",
    }
)

# Names that bear a banned word all the same, and why.
EXCEPTED: dict[str, str] = {
    "METERED_DATA_RESPONSIBLE": "a role's name in the harmonised role model",
    "TaxRate": "what tax law calls it",
    "success_rate": "a field of the energy trading protocol's events",
    "discharge_rate": "a field's name in the Energy Trading Protocol",
    "data_received": "what asyncio calls when bytes come",
    "data": "the bytes that a codec reads or hashes, as in the standard library",
    "rate": "of tax, what tax law calls it; of energy it is a price",
}


def names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the names that a source defines: modules excepted, with their lines."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name, node.lineno
            case ast.ClassDef(name=name):
                yield name, node.lineno
            case ast.arg(arg=name):
                yield name, node.lineno
            case ast.Name(id=name, ctx=ast.Store()):
                yield name, node.lineno
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield name, node.lineno
            case _:
                pass


def parts(name: str) -> set[str]:
    """Return the words of a name, in snake or camel case."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def banned_in(path: Path) -> Iterator[str]:
    for name, line in names(syntax(path)):
        # The name of a test is a sentence, not a word of ours.
        if name.startswith("test_") or name in EXCEPTED:
            continue
        if words := parts(name) & BANNED:
            yield f"{name_of(path)}:{line}: {name} ({', '.join(sorted(words))})"


def test_no_name_of_ours_bears_a_banned_word() -> None:
    breaches = [breach for path in sources() for breach in banned_in(path)]
    assert not breaches, show(breaches)


def test_no_file_or_folder_bears_a_banned_word() -> None:
    breaches = [
        name_of(path)
        for path in sources()
        if any(parts(Path(part).stem) & BANNED for part in path.relative_to(ROOT).parts)
    ]
    assert not breaches, show(breaches)


def test_exceptions_to_banned_words_are_still_needed() -> None:
    used = {name for path in sources() for name, _ in names(syntax(path))}
    spare = [name for name in EXCEPTED if name not in used]
    assert not spare, show(spare)


def vocabulary() -> list[str]:
    """Return the classes of commands and events, in the order of the files."""
    return [
        node.name
        for file in ("commands.py", "events.py", "batches.py", "devices.py", "sales.py")
        for node in syntax(SOURCE / "core" / file).body
        if isinstance(node, ast.ClassDef)
    ]


def test_glossary_explains_every_command_and_event() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    missing = [name for name in vocabulary() if f"`{name}`" not in glossary]
    assert not missing, show(missing)


def test_glossary_names_no_command_or_event_that_is_gone() -> None:
    glossary = lines(ROOT / "docs" / "glossary.md")
    start = glossary.index("## Commands")
    listed = [found for line in glossary[start:] for found in re.findall(r"^\| `(\w+)` \|", line)]
    gone = [name for name in listed if name not in vocabulary()]
    assert listed
    assert not gone, show(gone)
