"""A page on a terminal: titles, paragraphs, sums and tables, readable when piped."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from io import TextIOWrapper
from typing import NamedTuple

import msgspec
from msgspec import Struct
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from wattbay.periods import Instant, to_text

WIDTH_MAX = 92
"""Longer lines are hard to read."""
INSTANTS = frozenset({"at", "delivery_start", "delivery_end"})
"""Fields that hold instants."""


class Term(NamedTuple):
    """A line of a sum: what it is, how it comes about, what it comes to."""

    what: str
    product: str
    amount: str
    style: str = ""


class Page:
    """What is shown, in order."""

    def __init__(self, title: str, subtitle: str = "") -> None:
        """Begin with a title."""
        self._blocks: list[RenderableType] = [Text(title, style="bold")]
        if subtitle:
            self._blocks.append(Text(subtitle, style="dim"))

    def say(self, *sentences: str, style: str = "") -> None:
        """Add a paragraph."""
        words = " ".join(sentence for sentence in sentences if sentence)
        if words:
            self._blocks += [Text(), Text(words, style=style)]

    def head(self, words: str) -> None:
        """Add a heading."""
        self._blocks += [Text(), Text(words, style="bold cyan")]

    def commands(self, commands: Iterable[str]) -> None:
        """Add commands to go on with; they are never broken, so that they can be copied."""
        lines = [Text(f"  {command}", no_wrap=True, overflow="ignore") for command in commands]
        if lines:
            self.head("See also")
            self._blocks += lines

    def lines(self, lines: Iterable[str], style: str = "") -> None:
        """Add lines that stand below one another."""
        self._blocks += [_indented(Text(line, style=style)) for line in lines]

    def sum(self, terms: Sequence[Term]) -> None:
        """Add a sum: amounts below one another, as on paper."""
        table = Table.grid(padding=(0, 1, 0, 0), expand=False)
        table.add_column(ratio=None)
        table.add_column(justify="right", no_wrap=True)
        table.add_column()
        table.add_column(justify="right", no_wrap=True)
        for term in terms:
            sign = "=" if term.product else ""
            cells = (term.what, term.product, sign, term.amount)
            table.add_row(*(Text(cell, style=term.style) for cell in cells))
        self._blocks.append(_indented(table))

    def table(
        self,
        columns: Sequence[str],
        rows: Iterable[Sequence[str]],
        *,
        words: Sequence[int] = (0,),
        header: bool = True,
    ) -> None:
        """Add a table; columns of `words`, by number, stand to the left, numbers to the right."""
        table = Table(
            box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_header=header
        )
        for number, name in enumerate(columns):
            side: JustifyMethod = "left" if number in words else "right"
            table.add_column(name, justify=side, no_wrap=True)
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self._blocks.append(_indented(table))

    def json(self, document: object) -> None:
        """Add a document as indented JSON."""
        lines = indented(document).splitlines()
        self._blocks.append(Text())
        self._blocks += [Text(line, no_wrap=True, overflow="ignore") for line in lines]

    def print(self) -> None:
        """Print it on standard output."""
        if isinstance(sys.stdout, TextIOWrapper):
            # A pound sign on a terminal that knows only ASCII is no reason to fail.
            sys.stdout.reconfigure(errors="replace")
        console = Console(highlight=False)
        console.print(Group(*self._blocks), width=min(console.width, WIDTH_MAX), crop=False)


def _indented(block: RenderableType) -> Padding:
    return Padding(block, (0, 0, 0, 2), expand=False)


def indented(document: object) -> str:
    """Write a document as JSON that people may read."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def plain(value: object) -> object:
    """Return records as mappings, with their instants as RFC 3339 texts."""
    if isinstance(value, Struct):
        return {
            name: to_text(Instant(item)) if name in INSTANTS and isinstance(item, int)
            else plain(item)
            for name in value.__struct_fields__
            for item in (getattr(value, name),)
        }  # fmt: skip
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def print_json(document: object) -> None:
    """Print a document for a program to read: amounts as integers, instants as texts."""
    sys.stdout.write(indented(plain(document)) + "\n")
