"""A report as its reader finds it: its tables by caption, its words, its numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any


@dataclass
class Table:
    """What stands in a table, cell by cell; `exact` where a cell keeps an unrounded number."""

    caption: str = ""
    heads: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    exact: list[list[int | None]] = field(default_factory=list)
    scopes: list[str | None] = field(default_factory=list)
    """Of every heading."""

    def column(self, head: str) -> list[str]:
        """Return the cells below a heading."""
        at = self.heads.index(head)
        return [row[at] for row in self.rows]

    def exactly(self, head: str) -> list[int | None]:
        """Return the unrounded numbers below a heading."""
        at = self.heads.index(head)
        return [row[at] for row in self.exact]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tables: list[Table] = []
        self.inside: str | None = None
        self.words: list[str] = []
        self.in_head = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        match tag:
            case "table":
                self.tables.append(Table())
            case "thead":
                self.in_head = True
            case "tr" if not self.in_head:
                self.tables[-1].rows.append([])
                self.tables[-1].exact.append([])
            case "th" | "td" | "caption":
                self.inside, self.words = tag, []
                if tag == "th":
                    self.tables[-1].scopes.append(given.get("scope"))
                if tag != "caption" and not self.in_head:
                    self.tables[-1].exact[-1].append(None)
            case "data":
                self.tables[-1].exact[-1][-1] = int(given["value"] or "")
            case _:
                pass

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.words.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "thead":
            self.in_head = False
        if tag != self.inside:
            return
        text, table = "".join(self.words), self.tables[-1]
        if tag == "caption":
            table.caption = text
        elif self.in_head:
            table.heads.append(text)
        else:
            table.rows[-1].append(text)
        self.inside = None


def tables(page: str) -> dict[str, Table]:
    """Return the tables of a page by caption."""
    reader = _Reader()
    reader.feed(page)
    return {table.caption: table for table in reader.tables}


def numbers(page: str) -> dict[str, Any]:
    """Return what the charts of a page are drawn from."""
    start = page.index('id="numbers">') + len('id="numbers">')
    read: dict[str, Any] = json.loads(page[start : page.index("</script>", start)])
    return read


def read_number(text: str) -> float:
    """Read a number as the report writes it: thousands, a true minus, a unit or a currency."""
    kept = "".join(c for c in text.replace("\u2212", "-") if c in "-.0123456789")
    return float(kept)
