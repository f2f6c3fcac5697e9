"""What the operator hands on: imbalances, the grid operator's allocation, tax, gaps, the ledger.

Each is a sheet: a header, and rows that come one by one, so that a year needs no more memory than a
delivery. Instants are RFC 3339 texts; units stand in the names of the columns.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from wattbay.core.facts import Quality
from wattbay.periods import Instant, to_text
from wattbay.views.history import COLUMNS, Answered, History, Want
from wattbay.views.retail import Cell

_FACTS = ("zone", "supplier", "brp")
_UNCHARGED = frozenset({"opening", "tax", "payments", "closing"})
"""Lines of a statement that are no charges of its month."""


class Sheet(NamedTuple):
    """A table to hand on."""

    header: tuple[str, ...]
    rows: Iterator[tuple[Cell, ...]]


def imbalances(history: History, since: Instant, until: Instant) -> Sheet:
    """Return what each balance responsible party was long or short, as it is known now."""
    header = ("delivery_start", "brp", "run", "energy_wh", "entry")
    want = Want("imbalances", {"newest": True}, since=since, until=until)
    return _sheet(header, history.all(want))


def ledger(history: History, since: Instant, until: Instant) -> Sheet:
    """Return all postings of a span, in their order."""
    header = (
        "number",
        "entry",
        "at",
        "delivery_start",
        "asset",
        "debit",
        "credit",
        "amount",
        "kind",
    )
    return _sheet(header, history.all(Want("postings", since=since, until=until)))


def allocation(history: History, since: Instant, until: Instant) -> Sheet:
    """Return the energy of each pod in each delivery, with its zone, supplier and BRP.

    As it is known now; what was delivered of its trades and instructed is empty until it is
    settled. Positive instructed energy: into the grid.
    """
    header = (
        *("delivery_start", "delivery_end", "zone", "pod", "supplier", "brp"),
        *("import_wh", "export_wh", "quality"),
        *("delivered_in_wh", "delivered_out_wh", "activated_wh", "entry"),
    )
    return _sheet(header, _allocated(history, since, until))


def _allocated(history: History, since: Instant, until: Instant) -> Iterator[Answered]:
    facts = _Facts(history)
    for start, rows in _by_delivery(history, "meters", since, until):
        receipts = {
            row["pod"]: row
            for row in history.all(
                Want("receipts", {"newest": True}, since=start, until=Instant(start + 1))
            )
        }
        settled = ("delivered_in_wh", "delivered_out_wh", "activated_wh")
        found: list[Answered] = []
        for row in rows:
            told = receipts.get(row["pod"], dict.fromkeys(settled))
            held = facts.at(str(row["pod"]), start)
            found.append(
                {
                    **row,
                    **{name: told[name] for name in settled},
                    **{name: held.get(name) for name in _FACTS},
                }
            )
        yield from sorted(found, key=lambda row: (str(row["zone"] or ""), str(row["pod"])))


def missing_readings(history: History, since: Instant, until: Instant) -> Sheet:
    """Return the periods of which no reading tells: estimated, or not known at all.

    What is not over by the instant of the last entry is not missing yet.
    """
    header = (
        *("delivery_start", "delivery_end", "pod", "meter", "party", "supplier"),
        *("quality", "import_wh", "export_wh", "entry"),
    )
    return _sheet(header, _missing(history, since, until))


def _missing(history: History, since: Instant, until: Instant) -> Iterator[Answered]:
    facts = _Facts(history)
    last = history.one("entries")
    now = 0 if last is None else last["at"]
    listed = Want("deliveries", since=since, until=until)
    for start, group in groupby(history.all(listed), key=itemgetter("delivery_start")):
        end = next(group)["delivery_end"]
        if not isinstance(start, int) or not isinstance(end, int) or not isinstance(now, int):
            continue
        if end > now:
            return
        known = {
            row["pod"]: row
            for row in history.all(
                Want("meters", {"newest": True}, since=Instant(start), until=Instant(start + 1))
            )
        }
        for pod in facts.pods:
            held, row = facts.at(pod, start), known.get(pod)
            if held and (row is None or row["quality"] == Quality.ESTIMATED.value):
                gap: Answered = {"delivery_start": start, "delivery_end": end, "quality": "missing"}
                mine = {name: held[name] for name in ("pod", "meter", "party", "supplier")}
                yield {**gap, **(row or {}), **mine}


def tax_summary(history: History, month: str) -> Sheet:
    """Return what each statement of a month comes to: charges, tax on them, and both together.

    Beside it stands what bears tax of the receipts of the month as they are known now; charges of
    the month and corrections of earlier ones bear tax, too.
    """
    header = (
        *("month", "party", "pod", "charges_nano", "receipts_taxable_nano", "tax_nano"),
        *("gross_nano", "payable_minor", "entry"),
    )
    return _sheet(header, _taxed(history, month))


def _taxed(history: History, month: str) -> Iterator[Answered]:
    lines = list(history.all(Want("statements", {"month": month})))
    taxable: dict[tuple[Cell, Cell], int] = {}
    if lines:
        since, until = _whole(lines[0]["from"]), _whole(lines[0]["to"])
        want = Want("receipts", {"newest": True}, since=Instant(since), until=Instant(until))
        for row in history.all(want):
            key = (row["pod"], row["party"])
            taxable[key] = taxable.get(key, 0) + _whole(row["taxable_nano"])
    lines.sort(key=lambda row: (str(row["party"]), str(row["pod"]), _whole(row["number"])))
    for (party, pod), group in groupby(lines, key=itemgetter("party", "pod")):
        rows = list(group)
        charges = sum(
            _whole(row["amount_nano"]) for row in rows if row["component"] not in _UNCHARGED
        )
        tax = sum(_whole(row["amount_nano"]) for row in rows if row["component"] == "tax")
        yield {
            "month": month,
            "party": party,
            "pod": pod,
            "charges_nano": charges,
            "receipts_taxable_nano": taxable.get((pod, party), 0),
            "tax_nano": tax,
            "gross_nano": charges + tax,
            "payable_minor": rows[0]["payable_minor"],
            "entry": rows[0]["entry"],
        }


# --- rows ---


class _Facts:
    """What held of each pod, since when."""

    def __init__(self, history: History) -> None:
        self._rows: dict[str, list[Answered]] = {}
        for row in history.all(Want("pods")):
            self._rows.setdefault(str(row["pod"]), []).append(row)
        self.pods = sorted(self._rows)

    def at(self, pod: str, at: int) -> Answered:
        """Return what held of a pod at an instant; nothing while it was not connected."""
        rows = self._rows.get(pod, [])
        place = bisect_right(rows, at, key=lambda row: _whole(row["since"]))
        held = rows[place - 1] if place else {}
        until = held.get("until")
        return {} if isinstance(until, int) and at >= until else held


def _by_delivery(
    history: History, table: str, since: Instant, until: Instant
) -> Iterator[tuple[Instant, Iterator[Answered]]]:
    """Yield the newest rows of each delivery."""
    want = Want(table, {"newest": True}, since=since, until=until)
    for start, rows in groupby(history.all(want), key=itemgetter("delivery_start")):
        yield Instant(start), rows


def _sheet(header: tuple[str, ...], rows: Iterable[Answered]) -> Sheet:
    """Return rows as they are written: instants as texts, what is not known left empty."""
    instants = {
        column.name
        for columns in COLUMNS.values()
        for column in columns
        if column.holds == "instant"
    }
    names = [(name, name in instants) for name in header]

    def told() -> Iterator[tuple[Cell, ...]]:
        for row in rows:
            cells = []
            for name, is_instant in names:
                cell = row.get(name)
                cells.append(
                    to_text(Instant(cell)) if is_instant and isinstance(cell, int) else cell
                )
            yield tuple(cells)

    return Sheet(header, told())


def _whole(cell: Cell) -> int:
    """Return a whole number; 0 for nothing."""
    return cell if isinstance(cell, int) else 0
