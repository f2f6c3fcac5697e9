"""Columns of whole numbers where the order book is compiled: vectors of unboxed 64-bit numbers.

A wheel that is built with a compiler has this module in the place of `columns`, by that name. So
what is here is what is there, for the same callers; nobody imports it by its own name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

from librt.vecs import append, pop, vec
from mypy_extensions import i64

Int: TypeAlias = i64
Column: TypeAlias = "vec[i64]"

IS_COMPILED: Final = True

UNBOXED: Final = 1
"""1 where rows are written number by number; a vector cannot be written by the row."""

Four: TypeAlias = tuple[Int, Int, Int, Int]
Five: TypeAlias = tuple[Int, Int, Int, Int, Int]
Eight: TypeAlias = tuple[Int, Int, Int, Int, Int, Int, Int, Int]
Twelve: TypeAlias = tuple[Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int]

FIRST_BITS: Final = 6
LAST_BITS: Final = 18
SPILLED_SHARE: Final = 16
"""Beside stands at most one for so many in cells, unless there are as many cells as may be."""


def column_of(numbers: Iterable[int]) -> Column:
    """Return a column with numbers in it."""
    return vec[i64](numbers)


def grown(column: Column, length: Int) -> Column:
    """Return a column with zeros at its end, at least so long."""
    while len(column) < length:
        column = append(column, 0)
    return column


def widened(column: Column, length: Int) -> Column:
    """Return a column with zeros at its end, longer by much."""
    longer = vec[i64]([0] * length)
    for place in range(len(column)):
        longer[place] = column[place]
    return longer


def copied(column: Column) -> Column:
    """Return a column of its own with the same numbers."""
    return column[:]


def put_4(column: Column, at: Int, row: Four) -> None:
    """Write four numbers where four are."""
    column[at] = row[0]
    column[at + 1] = row[1]
    column[at + 2] = row[2]
    column[at + 3] = row[3]


def put_5(column: Column, at: Int, row: Five) -> None:
    """Write five numbers where five are."""
    column[at] = row[0]
    column[at + 1] = row[1]
    column[at + 2] = row[2]
    column[at + 3] = row[3]
    column[at + 4] = row[4]


def put_8(column: Column, at: Int, row: Eight) -> None:
    """Write eight numbers where eight are."""
    column[at] = row[0]
    column[at + 1] = row[1]
    column[at + 2] = row[2]
    column[at + 3] = row[3]
    column[at + 4] = row[4]
    column[at + 5] = row[5]
    column[at + 6] = row[6]
    column[at + 7] = row[7]


def put_12(column: Column, at: Int, row: Twelve) -> None:
    """Write twelve numbers where twelve are."""
    column[at] = row[0]
    column[at + 1] = row[1]
    column[at + 2] = row[2]
    column[at + 3] = row[3]
    column[at + 4] = row[4]
    column[at + 5] = row[5]
    column[at + 6] = row[6]
    column[at + 7] = row[7]
    column[at + 8] = row[8]
    column[at + 9] = row[9]
    column[at + 10] = row[10]
    column[at + 11] = row[11]


def cut(column: Column, length: Int) -> Column:
    """Return the beginning of a column."""
    return column[:length]


def place_of(keys: Column, key: Int) -> Int:
    """Return where a key stands among sorted ones, or would stand."""
    low: Int = 0
    high: Int = len(keys)
    while low < high:
        middle: Int = (low + high) >> 1
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


def inserted(keys: Column, key: Int) -> Column:
    """Return sorted keys with one more."""
    keys = append(keys, key)
    place: Int = len(keys) - 1
    while place > 0 and keys[place - 1] > key:
        keys[place] = keys[place - 1]
        place -= 1
    keys[place] = key
    return keys


def removed(keys: Column, key: Int) -> Column:
    """Return sorted keys without one that is among them."""
    last: Int = len(keys) - 1
    place: Int = place_of(keys, key)
    while place < last:
        keys[place] = keys[place + 1]
        place += 1
    return shortened(keys)


def shortened(keys: Column) -> Column:
    """Return keys without the last."""
    keys, _ = pop(keys)
    return keys


class Index:
    """From numbers to places; 0 is no place.

    A number has one cell where it may stand, by its lowest bits, so that numbers that follow each
    other stand side by side. If another is there already it goes into a dictionary beside; if that
    happens too often there are twice as many cells.
    """

    def __init__(self) -> None:
        """Begin empty."""
        # Written out, not by `_clear`: so mypyc knows that each of them is always there.
        size: Int = 1 << FIRST_BITS
        self._bits: Int = FIRST_BITS
        self._mask: Int = size - 1
        self._count: Int = 0
        """In cells."""
        self._cells: Column = vec[i64]([0] * (2 * size))
        """Number and place, in turn."""
        self._beside: dict[int, int] = {}
        self._spilled: Int = 0
        """How many are beside."""

    def _clear(self, bits: Int) -> None:
        """Have so many cells, all free."""
        size: Int = 1 << bits
        self._bits = bits
        self._mask = size - 1
        self._count = 0
        self._cells = vec[i64]([0] * (2 * size))
        self._beside = {}
        self._spilled = 0

    def get(self, number: Int, otherwise: Int) -> Int:
        """Return the place of a number."""
        # Read where they stand: a vector in a variable is counted, and that takes time.
        at = (number & self._mask) << 1
        if self._cells[at] == number and self._cells[at + 1] != 0:
            return self._cells[at + 1]
        if self._spilled:
            return self._beside.get(number, otherwise)
        return otherwise

    def __setitem__(self, number: Int, place: Int) -> None:
        """Give a number, which has none, a place."""
        cells = self._cells
        at = (number & self._mask) << 1
        if cells[at + 1] == 0:
            cells[at] = number
            cells[at + 1] = place
            self._count += 1
            return
        self._beside[number] = place
        self._spilled += 1
        if self._spilled * SPILLED_SHARE > self._count and self._bits < LAST_BITS:
            self._widen()

    def _widen(self) -> None:
        """Have twice as many cells."""
        old, beside = self._cells, self._beside
        self._clear(self._bits + 1)
        at: Int = 0
        while at < len(old):
            if old[at + 1] != 0:
                self[old[at]] = old[at + 1]
            at += 2
        for number, place in beside.items():
            self[number] = place

    def __delitem__(self, number: Int) -> None:
        """Take the place of a number away."""
        cells = self._cells
        at = (number & self._mask) << 1
        if cells[at] == number and cells[at + 1] != 0:
            cells[at + 1] = 0
            self._count -= 1
            return
        del self._beside[number]
        self._spilled -= 1

    def values(self) -> list[int]:
        """Return all places."""
        cells = self._cells
        found = [cells[at] for at in range(1, len(cells), 2) if cells[at] != 0]
        found.extend(self._beside.values())
        return found

    def copy(self) -> Index:
        """Return an index of its own with the same places."""
        other = Index()
        other._bits = self._bits
        other._mask = self._mask
        other._count = self._count
        other._cells = self._cells[:]
        other._beside = dict(self._beside)
        other._spilled = self._spilled
        return other


def new_index() -> Index:
    """Return an empty index."""
    return Index()


def copied_index(index: Index) -> Index:
    """Return an index of its own with the same places."""
    return index.copy()
