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
FIRST_BITS: Final = 4
SPREAD: Final = 2_654_435_769
"""2**32 over the golden ratio: multiples of it lie far apart, however numbers follow each other."""
WORD: Final = 0xFFFFFFFF
LOW_BITS: Final = 0x3FFFFFFF


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
    place = place_of(keys, key)
    while place < last:
        keys[place] = keys[place + 1]
        place += 1
    keys, _ = pop(keys)
    return keys


class Index:
    """From numbers to places, by open addressing; 0 is no place."""

    def __init__(self) -> None:
        """Begin empty."""
        self._clear(FIRST_BITS)

    def _clear(self, bits: Int) -> None:
        """Have so many places, all free."""
        size: Int = 1 << bits
        self._bits: Int = bits
        self._mask: Int = size - 1
        self._count: Int = 0
        self._cells: Column = vec[i64]([0] * (2 * size))
        """Number and place, in turn."""

    def get(self, number: Int, otherwise: Int) -> Int:
        """Return the place of a number."""
        at = home_of(number, self._bits)
        # Read where they stand: a vector in a variable is counted, and that takes time.
        while self._cells[2 * at + 1] != 0:
            if self._cells[2 * at] == number:
                return self._cells[2 * at + 1]
            at = (at + 1) & self._mask
        return otherwise

    def __setitem__(self, number: Int, place: Int) -> None:
        """Give a number a place."""
        if 2 * self._count > self._mask:
            self._widen()
        cells, mask = self._cells, self._mask
        at = home_of(number, self._bits)
        while cells[2 * at + 1] != 0:
            if cells[2 * at] == number:
                cells[2 * at + 1] = place
                return
            at = (at + 1) & mask
        cells[2 * at] = number
        cells[2 * at + 1] = place
        self._count += 1

    def _widen(self) -> None:
        """Have twice as many places."""
        old = self._cells
        self._clear(self._bits + 1)
        at: Int = 0
        while at < len(old):
            if old[at + 1] != 0:
                self[old[at]] = old[at + 1]
            at += 2

    def __delitem__(self, number: Int) -> None:
        """Take the place of a number away."""
        cells, mask, bits = self._cells, self._mask, self._bits
        at = home_of(number, bits)
        while cells[2 * at] != number or cells[2 * at + 1] == 0:
            if cells[2 * at + 1] == 0:
                raise KeyError(number)
            at = (at + 1) & mask
        # Whoever stands behind moves up, unless it would come before its home.
        hole = at
        at = (at + 1) & mask
        while cells[2 * at + 1] != 0:
            home = home_of(cells[2 * at], bits)
            if (at - home) & mask >= (at - hole) & mask:
                cells[2 * hole] = cells[2 * at]
                cells[2 * hole + 1] = cells[2 * at + 1]
                hole = at
            at = (at + 1) & mask
        cells[2 * hole + 1] = 0
        self._count -= 1

    def values(self) -> list[int]:
        """Return all places."""
        cells = self._cells
        return [cells[at] for at in range(1, len(cells), 2) if cells[at] != 0]

    def copy(self) -> Index:
        """Return an index of its own with the same places."""
        other = Index()
        other._bits = self._bits
        other._mask = self._mask
        other._count = self._count
        other._cells = self._cells[:]
        return other


def home_of(number: Int, bits: Int) -> Int:
    """Return where the place of a number is looked for first.

    Neighbours are next to each other, eight by eight, since they are often looked for together;
    the groups lie far apart.
    """
    group: Int = (number >> 3) & LOW_BITS
    return ((((group * SPREAD) & WORD) >> (35 - bits)) << 3) | (number & 7)


def new_index() -> Index:
    """Return an empty index."""
    return Index()


def copied_index(index: Index) -> Index:
    """Return an index of its own with the same places."""
    return index.copy()
