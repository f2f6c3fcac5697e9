"""What the documents say is so: links lead somewhere, and the code in them runs.

Two kinds of fenced block are run, in order, each page in a folder of its own: ``python`` blocks, in
one namespace; in ``console`` blocks each line after ``$``, whose output is compared with what
follows it, where something follows ("..." stands for anything). Code that is not to be run here is
fenced as ``sh`` or ``text``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.house.tree import files, lines, name_of, show

FENCE = re.compile(r"^(?P<ticks>`{3,}|:{3,})\s*(?P<kind>.*?)\s*$")
LINK = re.compile(r"(?<!\\)\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")


class Block(NamedTuple):
    """A fenced block of a page."""

    kind: str
    line: int
    text: str


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    ticks, kind, start, body = "", "", 0, list[str]()
    for number, line in enumerate(lines(page), 1):
        found = FENCE.match(line)
        if found and not ticks:
            ticks, kind, start, body = found["ticks"], found["kind"], number, []
        elif found and found["ticks"] == ticks and not found["kind"]:
            yield Block(kind, start, "\n".join(body) + "\n")
            ticks = ""
        else:
            body.append(line)


def prose(page: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a page that are in no block, without inline code."""
    inside = ""
    for number, line in enumerate(lines(page), 1):
        found = FENCE.match(line)
        if found and not inside:
            inside = found["ticks"]
        elif found and found["ticks"] == inside:
            inside = ""
        elif not inside:
            yield number, re.sub(r"`[^`]*`", "", line)


def pages() -> list[Path]:
    return [path for path in files((".md",)) if "vendor" not in path.parts]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as they are made for links."""
    found = set()
    for line in lines(page):
        if heading := re.match(r"#+ (.*)", line):
            found.add(re.sub(r"[^\w\- ]", "", heading[1].lower()).replace(" ", "-"))
        found.update(re.findall(r"^\(([\w-]+)\)=$", line))
    return found


def broken(page: Path) -> Iterator[str]:
    for number, line in prose(page):
        for target in LINK.findall(line):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            there = (page.parent / path).resolve() if path else page
            if not there.exists():
                yield f"{name_of(page)}:{number}: {target} is not there"
            elif anchor and there.suffix == ".md" and anchor not in anchors(there):
                yield f"{name_of(page)}:{number}: {target} has no such heading"


def test_links_lead_somewhere() -> None:
    breaches = [breach for page in pages() for breach in broken(page)]
    assert not breaches, show(breaches)


RUN = ("python", "console")


def pages_that_run() -> list[object]:
    return [
        pytest.param(page, id=name_of(page))
        for page in pages()
        if any(block.kind in RUN for block in blocks(page))
    ]


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield the commands of a console block, each with the output that is printed below it."""
    command, output = "", list[str]()
    for line in text.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, "\n".join(output)
            command, output = line[2:], []
        else:
            output.append(line)
    if command:
        yield command, "\n".join(output)


def is_like(output: str, printed: str) -> bool:
    """Tell whether an output is as printed; "..." stands for anything, and spaces are not."""
    pattern = ".*".join(re.escape(" ".join(part.split())) for part in printed.split("..."))
    return re.fullmatch(pattern.replace(r"\ .*", ".*"), " ".join(output.split())) is not None


def run_command(command: str, printed: str, folder: Path) -> None:
    """Run a command in a folder; it must succeed, and answer as printed."""
    programs = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    environment |= {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    run = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, f"$ {command}\n{run.stdout}{run.stderr}"
    if printed.strip():
        assert is_like(run.stdout, printed), f"$ {command}\n{run.stdout}"


@pytest.mark.parametrize("page", pages_that_run())
def test_code_in_documents_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "page"}
    for block in blocks(page):
        if block.kind == "python":
            # Padding makes a failure name the line of the page.
            code = compile("\n" * block.line + block.text, name_of(page), "exec")
            exec(code, namespace)  # noqa: S102 - our own documents
        elif block.kind == "console":
            for command, printed in commands(block.text):
                run_command(command, printed, tmp_path)


def test_commands_are_told_from_what_they_print() -> None:
    assert list(commands("$ echo a\na\n$ true\n")) == [("echo a", "a"), ("true", "")]
    assert is_like("one  two\nthree\n", "one two\n...")
    assert is_like("head 12ab of street", "head ... of street")
    assert not is_like("one two", "one three")
