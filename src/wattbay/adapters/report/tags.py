"""The little HTML that sections are made of. Whatever is text is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple


class Number(NamedTuple):
    """A table cell that is shown rounded and kept exactly, as ``<data value>``."""

    exact: int
    shown: str


Cell = str | Number


class Section(NamedTuple):
    """A part of the report: what it is about, what was found, and the figure."""

    anchor: str
    title: str
    finding: str
    """One sentence with the result."""
    notes: tuple[str, ...]
    """How to read it: definitions in plain words."""
    body: str
    """HTML."""


def section(part: Section) -> str:
    """Write a section with its words beside its figure."""
    notes = "".join(f"<p>{escape(note)}</p>" for note in part.notes)
    return (
        f'<section id="{part.anchor}" aria-labelledby="{part.anchor}-title">'
        f'<div class=words><h2 id="{part.anchor}-title">{escape(part.title)}</h2>'
        f"<p class=finding>{escape(part.finding)}</p></div>"
        f"<div class=figure>{part.body}</div><div class=notes>{notes}</div></section>"
    )


def chart(kind: str, name: str, label: str, *, height: int) -> str:
    """Reserve the place where the page's script draws a chart.

    Parameters
    ----------
    kind
        Which drawing: series, sankey, curve, matrix or bars.
    name
        Key of its numbers in the page's data.
    label
        What it shows, for who does not see it.
    height
        Room that is kept for it until it is drawn. [px, one of 120, 240, 360, 480]
    """
    return (
        f'<div class="chart h{height}" data-kind="{kind}" data-name="{name}" '
        f'data-label="{escape(label)}"></div>'
    )


def table(
    caption: str, heads: Sequence[str], rows: Iterable[Sequence[Cell]], *, texts: int = 1
) -> str:
    """Write a table whose first cell of each row is its heading.

    Parameters
    ----------
    texts
        How many columns, from the left, are words; the others are numbers and stand right.
    """
    head = "".join(
        f"<th scope=col{'' if i < texts else ' class=n'}>{escape(name)}</th>"
        for i, name in enumerate(heads)
    )
    body = "".join(_row(row, texts) for row in rows)
    return (
        f'<div class=scroll tabindex=0 role=region aria-label="Table: {escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def behind(what: str, tables: str, *, name: str = "") -> str:
    """Fold the table behind a chart away; `name` marks one that the script keeps in step."""
    mark = f' data-table="{name}"' if name else ""
    return f"<details{mark}><summary>View as table: {escape(what)}</summary>{tables}</details>"


def paragraph(text: str) -> str:
    """Write a paragraph."""
    return f"<p>{escape(text)}</p>"


def _row(row: Sequence[Cell], texts: int) -> str:
    head, *cells = row
    first = f"<th scope=row>{_cell(head)}</th>"
    return "<tr>" + first + "".join(
        f"<td{'' if i < texts else ' class=n'}>{_cell(cell)}</td>"
        for i, cell in enumerate(cells, 1)
    ) + "</tr>"  # fmt: skip


def _cell(cell: Cell) -> str:
    if isinstance(cell, Number):
        return f"<data value={cell.exact}>{escape(cell.shown)}</data>"
    return escape(cell)
