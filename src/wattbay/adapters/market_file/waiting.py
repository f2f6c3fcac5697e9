"""Orders of a market file that wait: for a number to reach a level, or for the network.

They stand outside the order book, which knows no more of them than an exchange's does. The rules
are the exchange's own: `wattbay.core.market.standby` and `wattbay.core.market.balance`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from wattbay.adapters.market_file.fields import TICKS_MAX
from wattbay.adapters.market_file.source import Faults, Path, kind, members_of
from wattbay.core.facts import Side
from wattbay.core.market.balance import Scale, objection
from wattbay.core.market.book import Book
from wattbay.core.market.standby import is_reached
from wattbay.core.market.steps import (
    Amend,
    Cancel,
    Cancelled,
    Close,
    Entered,
    Moved,
    New,
    Outcome,
    Refusal,
    Refused,
    Release,
    Step,
    Time,
    Trade,
)
from wattbay.core.terms import Ended, GridBalance
from wattbay.ids import PodId, ZoneId

KEYS = frozenset({"condition", "grid"})
"""What a new order says that may have to wait."""


class Level(NamedTuple):
    """What an order waits for: a number by name, and where it is to be."""

    name: str
    level: int
    is_at_least: bool
    """Else at the level or below it."""


class Awaiting(NamedTuple):
    """An order that may have to wait."""

    place: int
    """So many steps for the book come before."""
    new: New
    """Of one that was suspended: what was open of it."""
    party: str
    zone: str
    condition: Level | None
    grid: GridBalance | None


class Signal(NamedTuple):
    """A number becomes known."""

    place: int
    name: str
    value: int


class Bind(NamedTuple):
    """A network limit comes into force."""

    place: int
    scale: Scale


Event = Awaiting | Signal | Bind


# --- reading ---------------------------------------------------------------------------------


def read_event(path: Path, raw: object, op: object, place: int, faults: Faults) -> Event | None:
    """Read a step that orders may wait for; a malformed one is a fault."""
    if op == "signal":
        members = members_of(raw, path, frozenset({"op", "name", "value"}), frozenset(), faults)
        name = _name(path, members, "name", faults)
        value = _whole(path, members, "value", faults)
        return None if name is None or value is None else Signal(place, name, value)
    members = members_of(raw, path, frozenset({"op"}), frozenset({"parties", "zones"}), faults)
    parties = _coefficients(path, members, "parties", faults)
    zones = _coefficients(path, members, "zones", faults)
    if members and not parties and not zones:
        faults.add(path, "this limit bounds nothing", "expected parties or zones")
    return Bind(
        place,
        Scale(
            "",
            {PodId(name): coefficient for name, coefficient in parties.items()},
            {ZoneId(name): coefficient for name, coefficient in zones.items()},
        ),
    )


def read_order(
    path: Path, members: dict[str, object], new: New, place: int, faults: Faults
) -> Awaiting:
    """Read what an order waits for."""
    if "request_id" in members:
        faults.add((*path, "request_id"), "this excludes condition and grid")
    condition = None
    if "condition" in members:
        condition = _level((*path, "condition"), members["condition"], faults)
    grid, raw = None, members.get("grid")
    for choice in GridBalance:
        if raw == choice.value:
            grid = choice
    if raw is not None and grid is None:
        words = ", ".join(f'"{choice.value}"' for choice in GridBalance)
        faults.add((*path, "grid"), f"this is {kind(raw)}", f"expected one of {words}")
    party, zone = members.get("party"), members.get("zone")
    return Awaiting(
        place,
        new,
        "" if party is None else str(party),
        "" if zone is None else str(zone),
        condition,
        grid,
    )


def _level(path: Path, raw: object, faults: Faults) -> Level | None:
    """Read a condition."""
    bounds = frozenset({"at_least", "at_most"})
    members = members_of(raw, path, frozenset({"on"}), bounds, faults)
    given = sorted(bounds & members.keys())
    if members and len(given) != 1:
        faults.add(path, "this names no level, or two", "expected at_least or at_most")
        return None
    name = _name(path, members, "on", faults)
    level = _whole(path, members, given[0], faults) if given else None
    if name is None or level is None:
        return None
    return Level(name, level, given[0] == "at_least")


def _name(path: Path, members: dict[str, object], key: str, faults: Faults) -> str | None:
    """Read a name, if it is given."""
    raw = members.get(key)
    if isinstance(raw, str) and raw:
        return raw
    if key in members:
        faults.add((*path, key), f"this is {kind(raw)}", "expected a name")
    return None


def _whole(path: Path, members: dict[str, object], key: str, faults: Faults) -> int | None:
    """Read a whole number, if it is given."""
    raw = members.get(key)
    if type(raw) is int and abs(raw) <= TICKS_MAX:
        return raw
    if key in members:
        faults.add((*path, key), f"this is {kind(raw)}", "expected a whole number")
    return None


def _coefficients(
    path: Path, members: dict[str, object], key: str, faults: Faults
) -> dict[str, int]:
    """Read coefficients by name."""
    if key not in members:
        return {}
    raw = members[key]
    known = frozenset(raw) if isinstance(raw, dict) else frozenset()
    row = members_of(raw, (*path, key), frozenset(), known, faults)
    found = {name: _whole((*path, key), row, name, faults) for name in row}
    return {name: number for name, number in found.items() if number is not None}


# --- trading ---------------------------------------------------------------------------------


class Lobby:
    """The orders that stand outside the book, and what they wait for."""

    def __init__(self, book: Book) -> None:
        """Begin empty, knowing no number and no limit."""
        self._book = book
        self._outcomes: list[Outcome] = []
        self._waiting: dict[int, Awaiting] = {}
        self._arrivals: dict[int, int] = {}
        self._arrived = 0
        self._inside: dict[int, Awaiting] = {}
        """Grid-balanced orders that came into the book."""
        self._filled: dict[int, int] = {}
        self._numbers: dict[str, int] = {}
        self._scales: list[Scale] = []
        self.released: list[int] = []
        """Orders that waited and act, in order."""

    def enter(self, steps: Sequence[Step], events: Iterable[Event]) -> list[Outcome]:
        """Let steps and events happen, in order; return what came of them."""
        done = 0
        for event in events:
            self._steps(steps[done : event.place])
            done = event.place
            if isinstance(event, Awaiting):
                self._come(event)
            elif isinstance(event, Signal):
                self._numbers[event.name] = event.value
                self._go()
            else:
                self._scales.append(event.scale)
                self._suspend()
                self._go()
        self._steps(steps[done:])
        return self._outcomes

    def waiting(self) -> list[int]:
        """Return the orders that wait for a number, by place in time."""
        return [number for number in self._line() if self._waiting[number].condition is not None]

    def suspended(self) -> list[int]:
        """Return the orders that wait for the network, by place in time."""
        return [number for number in self._line() if self._waiting[number].condition is None]

    def _line(self) -> list[int]:
        """Return the orders that wait, by place in time."""
        return sorted(self._waiting, key=lambda number: self._arrivals[number])

    def _come(self, one: Awaiting) -> None:
        """Let an order come, into the book if it need not wait."""
        number = one.new.order
        first = self._book.plan(one.new)[0]
        if isinstance(first, Refused):
            self._outcomes.append(first)
        elif number in self._waiting:
            self._outcomes.append(Refused("new", number, Refusal.DUPLICATE_ID))
        else:
            if one.condition is not None and self._is_met(one.condition):
                one = one._replace(condition=None)
            self._filled[number] = 0
            self._arrive(number)
            if self._may(one):
                self._act(one)
            else:
                self._waiting[number] = one

    def _arrive(self, number: int) -> None:
        """Let an order come after all others."""
        self._arrived += 1
        self._arrivals[number] = self._arrived

    def _is_met(self, condition: Level) -> bool:
        value = self._numbers.get(condition.name)
        return is_reached(value, condition.level, is_at_least=condition.is_at_least)

    def _may(self, one: Awaiting) -> bool:
        """Tell whether an order has all it waits for."""
        if one.condition is not None:
            return False
        if one.grid is None:
            return True
        side = Side.BUY if one.new.pool > 0 else Side.SELL
        return not objection(one.grid, self._scales, PodId(one.party), ZoneId(one.zone), side)

    def _go(self) -> None:
        """Let those act, by place in time, that have all they wait for now."""
        for number in self._line():
            one = self._waiting[number]
            if one.condition is not None and self._is_met(one.condition):
                one = self._waiting[number] = one._replace(condition=None)
            if self._may(one):
                del self._waiting[number]
                self.released.append(number)
                self._act(one)

    def _act(self, one: Awaiting) -> None:
        """Let an order come into the book, with what is open of it, and what follows from it."""
        new = one.new
        filled = self._filled[new.order]
        if filled:
            new = new._replace(terms=new.terms._replace(min_quantity=0))
        outcomes = self._book.plan(new)
        first = outcomes[0]
        if isinstance(first, Entered):
            # Its total is all of it, with what was filled before it was suspended.
            outcomes[0] = first._replace(quantity=new.quantity + filled)
        if one.grid is not None:
            self._inside[new.order] = one
        self._fold(outcomes)
        while number := self._book.released():
            self._fold(self._book.plan(Release(number)))

    def _fold(self, outcomes: list[Outcome]) -> None:
        self._book.fold(outcomes)
        self._tell(outcomes)

    def _tell(self, outcomes: list[Outcome]) -> None:
        """Keep what came of a step, and how far orders are filled."""
        self._outcomes += outcomes
        for outcome in outcomes:
            if isinstance(outcome, Trade):
                for number in (outcome.maker, outcome.taker):
                    if number in self._filled:
                        self._filled[number] += outcome.quantity
            elif isinstance(outcome, Moved) and outcome.order in self._inside:
                one = self._inside[outcome.order]
                limit = one.new.limit if outcome.limit is None else outcome.limit
                self._inside[outcome.order] = one._replace(new=one.new._replace(limit=limit))
                self._arrive(outcome.order)

    def _suspend(self) -> None:
        """Take those out of the book that the network forbids now."""
        for number, one in list(self._inside.items()):
            if not self._book.is_known(number):
                del self._inside[number]
            elif not self._may(one):
                del self._inside[number]
                left = self._book.open_of(number)
                self._book.fold([Cancelled(number, left, Ended.USER)])
                self._waiting[number] = one._replace(new=one.new._replace(quantity=left))

    # --- steps -------------------------------------------------------------------------------

    def _steps(self, steps: Iterable[Step]) -> None:
        """Let steps happen that speak of the book, or of an order that waits."""
        for step in steps:
            if isinstance(step, Time):
                self._advance(step.at)
            elif isinstance(step, Close):
                self._tell(self._book.enter([step]))
                for number in self._line():
                    self._end(number, Ended.GATE_CLOSED)
            elif isinstance(step, New | Cancel | Amend) and step.order in self._waiting:
                self._touch(step)
            else:
                self._tell(self._book.enter([step]))

    def _touch(self, step: New | Cancel | Amend) -> None:
        """Let a step happen that names an order that waits."""
        one = self._waiting[step.order]
        if isinstance(step, New):
            self._outcomes.append(Refused("new", step.order, Refusal.DUPLICATE_ID))
        elif step.party not in {0, one.new.party}:
            op = "cancel" if isinstance(step, Cancel) else "amend"
            self._outcomes.append(Refused(op, step.order, Refusal.UNKNOWN_ORDER))
        elif isinstance(step, Cancel):
            self._end(step.order, Ended.USER)
        else:
            self._amend(one, step)

    def _amend(self, one: Awaiting, step: Amend) -> None:
        """Change an order that waits; its quantity is all of it, with what is filled."""
        filled = self._filled[step.order]
        quantity = one.new.quantity if step.quantity is None else step.quantity - filled
        if step.quantity is not None and 0 < step.quantity <= filled:
            self._end(step.order, Ended.USER)
            return
        limit = one.new.limit if step.limit is None else step.limit
        new = one.new._replace(limit=limit, quantity=quantity)
        first = self._book.plan(new)[0]
        if isinstance(first, Refused):
            self._outcomes.append(Refused("amend", step.order, first.reason))
        else:
            self._waiting[step.order] = one._replace(new=new)
            if limit != one.new.limit or quantity > one.new.quantity:
                self._arrive(step.order)

    def _advance(self, at: int) -> None:
        """Let time pass, in the book and for those that wait: each expires at its own instant."""
        ends = {
            expires
            for one in self._waiting.values()
            if (expires := one.new.terms.expires) is not None and expires <= at
        }
        for instant in sorted(ends):
            self._tell(self._book.enter([Time(instant)]))
            for number in self._line():
                if self._waiting[number].new.terms.expires == instant:
                    self._end(number, Ended.EXPIRED)
        self._tell(self._book.enter([Time(at)]))

    def _end(self, number: int, reason: Ended) -> None:
        """Let an order that waits end."""
        left = self._waiting.pop(number).new.quantity
        self._outcomes.append(Cancelled(number, left, reason))
