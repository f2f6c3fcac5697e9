"""Columns of whole numbers, and the few ways in which an order book touches them.

This is what they are where nothing is compiled: lists. A compiled wheel has `vectors` in the place
of this module: the same names, of unboxed 64-bit numbers. A function that may make a column longer
returns it, since a vector can move as it grows.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import TypeAlias

Int: TypeAlias = int
Column: TypeAlias = list[int]
Index: TypeAlias = dict[int, int]
"""From numbers to places; 0 is no place."""

IS_COMPILED = False

UNBOXED = 0
"""1 where rows are written number by number; a list is written quicker by the row."""

Four: TypeAlias = tuple[Int, Int, Int, Int]
Five: TypeAlias = tuple[Int, Int, Int, Int, Int]
Eight: TypeAlias = tuple[Int, Int, Int, Int, Int, Int, Int, Int]
Twelve: TypeAlias = tuple[Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int]


def column_of(numbers: Iterable[int]) -> Column:
    """Return a column with numbers in it."""
    return list(numbers)


def grown(column: Column, length: Int) -> Column:
    """Return a column with zeros at its end, at least so long."""
    if len(column) < length:
        column.extend([0] * (length - len(column)))
    return column


def widened(column: Column, length: Int) -> Column:
    """Return a column with zeros at its end, longer by much."""
    return grown(column, length)


def copied(column: Column) -> Column:
    """Return a column of its own with the same numbers."""
    return column[:]


def put_4(column: Column, at: Int, row: Four) -> None:
    """Write four numbers where four are."""
    column[at : at + 4] = row


def put_5(column: Column, at: Int, row: Five) -> None:
    """Write five numbers where five are."""
    column[at : at + 5] = row


def put_8(column: Column, at: Int, row: Eight) -> None:
    """Write eight numbers where eight are."""
    column[at : at + 8] = row


def put_12(column: Column, at: Int, row: Twelve) -> None:
    """Write twelve numbers where twelve are."""
    column[at : at + 12] = row


def cut(column: Column, length: Int) -> Column:
    """Return the beginning of a column."""
    return column[:length]


def inserted(keys: Column, key: Int) -> Column:
    """Return sorted keys with one more."""
    insort(keys, key)
    return keys


def removed(keys: Column, key: Int) -> Column:
    """Return sorted keys without one that is among them."""
    del keys[bisect_left(keys, key)]
    return keys


def shortened(keys: Column) -> Column:
    """Return keys without the last."""
    del keys[-1]
    return keys


def new_index() -> Index:
    """Return an empty index."""
    return {}


def copied_index(index: Index) -> Index:
    """Return an index of its own with the same places."""
    return dict(index)
