"""A report as its reader finds it: its tables by caption, its words, its numbers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html import unescape
from typing import Any


@dataclass(frozen=True)
class Table:
    """What stands in a table, cell by cell; `exact` where a cell keeps an unrounded number."""

    caption: str
    heads: list[str]
    rows: list[list[str]]
    exact: list[list[int | None]]
    scopes: list[str | None]
    """Of every heading."""

    def column(self, head: str) -> list[str]:
        """Return the cells below a heading."""
        at = self.heads.index(head)
        return [row[at] for row in self.rows]

    def exactly(self, head: str) -> list[int | None]:
        """Return the unrounded numbers below a heading."""
        at = self.heads.index(head)
        return [row[at] for row in self.exact]


def tables(page: str) -> dict[str, Table]:
    """Return the tables of a page by caption."""
    found = [read_table(text) for text in re.findall(r"<table>(.*?)</table>", page)]
    return {table.caption: table for table in found}


def read_table(text: str) -> Table:
    """Read the inside of a table element, as the report writes it."""
    caption = re.search(r"<caption>(.*?)</caption>", text)
    assert caption, "a table says what it holds"
    head, *rows = [cells(row) for row in re.findall(r"<tr>(.*?)</tr>", text)]
    return Table(
        caption=words(caption[1]),
        heads=[words(cell) for cell in head],
        rows=[[words(cell) for cell in row] for row in rows],
        exact=[[exact(cell) for cell in row] for row in rows],
        scopes=[scope_of(attributes) for attributes in re.findall(r"<th\b([^>]*)>", text)],
    )


def cells(row: str) -> list[str]:
    """Return what stands in each cell of a row."""
    return re.findall(r"<t[hd]\b[^>]*>(.*?)</t[hd]>", row)


def words(cell: str) -> str:
    """Return the text of a cell."""
    return unescape(re.sub(r"<[^>]+>", "", cell))


def exact(cell: str) -> int | None:
    """Return the unrounded number that a cell keeps."""
    kept = re.search(r"<data value=(-?\d+)>", cell)
    return int(kept[1]) if kept else None


def scope_of(attributes: str) -> str | None:
    """Return what a heading says that it heads."""
    scope = re.search(r"scope=(\w+)", attributes)
    return scope[1] if scope else None


def numbers(page: str) -> dict[str, Any]:
    """Return what the charts of a page are drawn from."""
    start = page.index('id="numbers">') + len('id="numbers">')
    read: dict[str, Any] = json.loads(page[start : page.index("</script>", start)])
    return read


def read_number(text: str) -> float:
    """Read a number as the report writes it: thousands, a true minus, a unit or a currency."""
    kept = "".join(c for c in text.replace("\u2212", "-") if c in "-.0123456789")
    return float(kept)
