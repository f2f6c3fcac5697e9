"""A TOML file read so that every fault in it is found, and named with its line.

`tomllib` tells values without positions, so a small scanner finds the line of each key again.
Numbers with a point are read as decimals: a price is an exact integer in the end, and 4.55 is
no float.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from wattbay.errors import ConfigError, Fault
from wattbay.ids import ID_CHARACTERS_MAX, is_id
from wattbay.periods import HOUR, MINUTE, Calendar, Instant, from_datetime
from wattbay.units import NANO_PER_WH_IN_CENT_PER_KWH, SAFE_INTEGER_MAX

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*[A-Za-z0-9_-]+)*)\s*=""")
_TOLD_MAX = 40
"""So much of a wrong value is told."""
_AT_LINE = re.compile(r"at line (\d+)")


def key_lines(text: str) -> dict[str, int]:
    """Return the line of every key and table of a valid TOML text, counted from 1.

    Keys are dotted paths, elements of arrays numbered from 0: ``tariff[0].local[1]``. What
    stands inside an inline table bears the line of its element or key.
    """
    lines: dict[str, int] = {}
    counts: dict[str, int] = {}
    prefix = ""
    value = _Value("")
    for number, line in enumerate(text.splitlines(), start=1):
        if value.is_open:
            value.feed(line, number, lines)
            continue
        header = _HEADER.match(line)
        if header is not None:
            prefix = _header_path(header[2], counts, is_array=header[1] == "[[")
            lines.setdefault(prefix, number)
            prefix += "."
            continue
        key = _KEY.match(line)
        if key is not None:
            value = _Value(prefix + _unquoted(key[1]))
            lines.setdefault(value.path, number)
            value.feed(line[key.end() :], number, lines)
    return lines


def _unquoted(dotted: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in dotted.split("."))


def _header_path(dotted: str, counts: dict[str, int], *, is_array: bool) -> str:
    """Return what a header names, its arrays numbered: ``tariff[1].local``."""
    parts = _unquoted(dotted).split(".")
    path = ""
    for depth, part in enumerate(parts):
        path = f"{path}.{part}" if path else part
        if depth == len(parts) - 1 and is_array:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path += f"[{counts[path]}]"
    return path


class _Value:
    """A value that may go on in the next line: in an open bracket, or in an open long string."""

    __slots__ = ("_after_comma", "_depth", "_elements", "_quote", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self._depth = 0
        self._quote = ""
        self._elements = 0
        self._after_comma = True

    @property
    def is_open(self) -> bool:
        """Whether it goes on in the next line."""
        return self._depth > 0 or bool(self._quote)

    def feed(self, text: str, number: int, lines: dict[str, int]) -> None:
        """Take the rest of a line, and note the line of each element that starts in it."""
        at = 0
        while at < len(text):
            at = self._skip_string(text, at) if self._quote else self._step(text, at, number, lines)
        if len(self._quote) == 1:
            self._quote = ""  # a short string ends with its line

    def _skip_string(self, text: str, at: int) -> int:
        if text[at] == "\\" and self._quote[0] == '"':
            return at + 2
        if text.startswith(self._quote, at):
            after = at + len(self._quote)
            self._quote = ""
            return after
        return at + 1

    def _step(self, text: str, at: int, number: int, lines: dict[str, int]) -> int:
        character = text[at]
        if character == "#":
            return len(text)
        if self._depth == 1 and self._after_comma and character not in " \t]}":
            lines.setdefault(f"{self.path}[{self._elements}]", number)
            self._elements += 1
            self._after_comma = False
        if character in "\"'":
            long = character * 3
            self._quote = long if text.startswith(long, at) else character
            return at + len(self._quote)
        if self._depth == 1 and character == ",":
            self._after_comma = True
        self._depth += (character in "[{") - (character in "]}")
        return at + 1


class Source:
    """A scenario file: where each key stands, and what is wrong with it so far."""

    __slots__ = ("_lines", "faults", "path")

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.faults: list[Fault] = []
        self._lines = key_lines(text)

    def where(self, key: str) -> str:
        """Return file and line of a key; of the table that should hold it, if it is missing."""
        while key and key not in self._lines:
            key = key.rpartition(".")[0]
        return f"{self.path}:{self._lines.get(key, 1)}"

    def fault(self, key: str, what: str, remedy: str = "") -> None:
        """Note what is wrong with a key."""
        self.faults.append(Fault(self.where(key), what, remedy))


def read(path: Path) -> tuple[Source, Table]:
    """Read a file as its source and its outermost table.

    Raises
    ------
    ConfigError
        If there is no such file, or it is no TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(Fault(str(path), f"cannot be read: {fault}")) from None
    try:
        values = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as fault:
        line = _AT_LINE.search(str(fault))
        where = f"{path}:{line[1] if line else text.count(chr(10)) + 1}"
        raise ConfigError(Fault(where, f"no TOML: {fault}")) from None
    source = Source(path, text)
    return source, Table(source, "", values)


class Table:
    """One table of a file, read key by key.

    Whatever is wrong is noted with the source, and a harmless value is returned in its stead, so
    that reading goes on and finds the next fault. A key without default is required.
    """

    __slots__ = ("_children", "_known", "_path", "_values", "source")

    def __init__(self, source: Source, path: str, values: Mapping[str, object]) -> None:
        self.source = source
        self._path = path
        self._values = values
        self._known: list[str] = []
        self._children: list[Table] = []

    def __contains__(self, name: str) -> bool:
        """Tell whether the file has the key."""
        return name in self._values

    def names(self) -> list[str]:
        """Return the keys in the order of the file, and count them all as known."""
        self._known.extend(self._values)
        return list(self._values)

    def known(self, name: str) -> None:
        """Count a key as known that is optional and was not read."""
        self._known.append(name)

    def key(self, name: str) -> str:
        """Return the dotted path of a key."""
        return f"{self._path}.{name}" if self._path else name

    def fault(self, name: str, what: str, remedy: str = "") -> None:
        """Note what is wrong with a key."""
        self.source.fault(self.key(name), what, remedy)

    def finish(self) -> None:
        """Note every key that nobody asked for, with the nearest one that exists."""
        for name in self._values:
            if name not in self._known:
                near = difflib.get_close_matches(name, self._known, n=1)
                remedy = f"did you mean {near[0]}?" if near else f"known: {_list(self._known)}"
                self.fault(name, f"{name} is not a key of {self._name()}", remedy)
        for child in self._children:
            child.finish()

    def _name(self) -> str:
        return f"[{self._path}]" if self._path else "a scenario"

    def _take(self, name: str, kinds: tuple[type, ...], kind: str, *, needed: bool) -> object:
        """Return the value of a key if it is of a kind, else None."""
        self._known.append(name)
        value = self._values.get(name)
        if value is None:
            if needed:
                remedy = kind if kind.startswith("[[") else f"{name} = <{kind}>"
                self.fault(name, f"{self.key(name)} is missing", f"write {remedy}")
            return None
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            self.fault(name, f"{self.key(name)} is {_told(value)}", f"must be {kind}")
            return None
        return value

    def text(self, name: str, default: str | None = None) -> str:
        """Read a text."""
        value = self._take(name, (str,), "a text", needed=default is None)
        return value if isinstance(value, str) else default or ""

    def identifier(self, name: str, default: str | None = None) -> str:
        """Read an identifier."""
        value = self.text(name, default)
        if name in self._values and value and not is_id(value):
            remedy = f"1 to {ID_CHARACTERS_MAX} letters, digits, _ or -"
            self.fault(name, f"{self.key(name)} = {value!r} is no identifier", remedy)
        return value

    def choice(self, name: str, options: Sequence[str], default: str | None = None) -> str:
        """Read one of several words."""
        value = self.text(name, default)
        if value in options:
            return value
        if value:
            near = difflib.get_close_matches(value, options, n=1)
            remedy = f"did you mean {near[0]}?" if near else f"one of {_list(options)}"
            self.fault(name, f"{self.key(name)} = {value!r} is unknown", remedy)
        return options[0] if options else ""

    def texts(self, name: str, default: Sequence[str] | None = None) -> tuple[str, ...]:
        """Read a list of texts."""
        value = self._take(name, (list,), "a list of texts", needed=default is None)
        if not isinstance(value, list):
            return tuple(default or ())
        if not all(isinstance(item, str) for item in value):
            self.fault(name, f"{self.key(name)} holds more than texts", 'write ["a", "b"]')
        return tuple(item for item in value if isinstance(item, str))

    def integer(
        self, name: str, default: int | None = None, *, least: int = 0, most: int = 2**53 - 1
    ) -> int:
        """Read a whole number from `least` to `most`."""
        value = self._take(name, (int,), "a whole number", needed=default is None)
        if not isinstance(value, int):
            return least if default is None else default
        return int(self._bounded(name, value, least, most))

    def number(
        self, name: str, default: float | None = None, *, least: float, most: float
    ) -> float:
        """Read a number from `least` to `most`, for physics."""
        value = self._take(name, (int, Decimal), "a number", needed=default is None)
        if not isinstance(value, int | Decimal):
            return least if default is None else default
        return float(self._bounded(name, value, least, most))

    def _bounded(
        self, name: str, value: int | Decimal, least: float, most: float
    ) -> int | Decimal | float:
        if isinstance(value, Decimal) and not value.is_finite():
            self.fault(name, f"{self.key(name)} = {value} is no number")
            return least
        if least <= value <= most:
            return value
        self.fault(name, f"{self.key(name)} = {value} is out of range", f"{least} to {most}")
        return least

    def price(self, name: str, default: int | None = None, *, least: int = 0, tick: int = 1) -> int:
        """Read a price in cents per kWh as nano-currency per Wh, exactly and on the tick.

        A cent is a hundredth of the currency: a penny, a cent.
        """
        return self._scaled(name, NANO_PER_WH_IN_CENT_PER_KWH, default, least, tick)

    def hours(self, name: str, default: int | None = None, *, least: int = 0) -> int:
        """Read hours as microseconds. [µs]"""
        return self._scaled(name, HOUR, default, least)

    def minutes(self, name: str, default: int | None = None, *, least: int = 0) -> int:
        """Read minutes as microseconds. [µs]"""
        return self._scaled(name, MINUTE, default, least)

    def cents(self, name: str, default: int | None = None) -> int:
        """Read an amount in cents as nano-currency. [nano-currency]"""
        return self._scaled(name, 10_000_000, default, 0)

    def _scaled(
        self, name: str, factor: int, default: int | None, least: int, tick: int = 1
    ) -> int:
        value = self._take(name, (int, Decimal), "a number", needed=default is None)
        if not isinstance(value, int | Decimal):
            return max(least, 0) if default is None else default
        if isinstance(value, Decimal) and not value.is_finite():
            self.fault(name, f"{self.key(name)} = {value} is no number")
            return max(least, 0)
        scaled = Decimal(value) * factor
        if scaled % tick:
            step = Decimal(tick) / factor
            self.fault(name, f"{self.key(name)} = {value} is too fine", f"steps of {step}")
        if not least <= scaled <= SAFE_INTEGER_MAX:
            way, bound = ("least", least) if scaled < least else ("most", SAFE_INTEGER_MAX)
            remedy = f"at {way} {(Decimal(bound) / factor).normalize():f}"
            self.fault(name, f"{self.key(name)} = {value} is out of range", remedy)
            return max(least, 0)
        return int(scaled)

    def day(self, name: str) -> date | None:
        """Read a local date; None where it is missing or wrong."""
        value = self._take(name, (date,), "a date such as 2013-06-10", needed=True)
        if isinstance(value, datetime):
            self.fault(name, f"{self.key(name)} bears a time", "write the date alone")
            return None
        return value if isinstance(value, date) else None

    def moment(self, name: str, calendar: Calendar) -> Instant | None:
        """Read an instant: with an offset, or as local time where that is unambiguous."""
        kind = "a date and time such as 2013-06-10T12:00:00"
        value = self._take(name, (datetime,), kind, needed=True)
        if not isinstance(value, datetime):
            return None
        try:
            return moment_of(value, calendar)
        except ValueError as fault:
            self.fault(name, f"{self.key(name)}: {fault}", "write it with its offset, as +01:00")
            return None

    def table(self, name: str) -> Table:
        """Read a table; an absent one counts as empty, so that its required keys are missed."""
        value = self._take(name, (dict,), f"a table [{self.key(name)}]", needed=False)
        child = Table(self.source, self.key(name), value if isinstance(value, dict) else {})
        self._children.append(child)
        return child

    def tables(self, name: str, *, least: int = 0) -> list[Table]:
        """Read an array of tables, at least so many."""
        kind = f"[[{self.key(name)}]]"
        value = self._take(name, (list,), kind, needed=least > 0)
        found: list[Table] = []
        for number, item in enumerate(value if isinstance(value, list) else []):
            path = f"{self.key(name)}[{number}]"
            if isinstance(item, dict):
                found.append(Table(self.source, path, item))
            else:
                self.source.fault(path, f"{path} is {_told(item)}", f"must be a table {kind}")
        if isinstance(value, list) and len(found) < least:
            self.fault(name, f"{self.key(name)} is empty", f"at least {least}")
        self._children.extend(found)
        return found


def moment_of(value: datetime, calendar: Calendar) -> Instant:
    """Return the instant of a datetime with an offset, or of a local time of the calendar.

    Raises
    ------
    ValueError
        If the local time occurs twice or never, on a day on which the clocks change.
    """
    if value.tzinfo is not None:
        return from_datetime(value)
    zone = ZoneInfo(calendar.zone)
    first = value.replace(tzinfo=zone, fold=0)
    second = value.replace(tzinfo=zone, fold=1)
    if first.utcoffset() != second.utcoffset():
        # Where the clocks go forward both readings come back as another local time.
        returns = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == value
        raise ValueError(f"{value} occurs {'twice' if returns else 'never'} in {calendar.zone}")
    return from_datetime(first)


def _told(value: object) -> str:
    """Tell a value shortly."""
    text = f"{value!r}" if not isinstance(value, Decimal) else str(value)
    return text if len(text) <= _TOLD_MAX else text[:_TOLD_MAX] + "..."


def _list(words: Iterable[str]) -> str:
    return ", ".join(words)
