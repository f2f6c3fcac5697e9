"""Columns of whole numbers for the loops that are compiled.

To the compiler these are librt's vectors of unboxed 64-bit integers. Where a module runs
interpreted, plain lists stand in for them: they are quicker there, and need no library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["append", "i64", "vec"]

if TYPE_CHECKING:
    from librt.vecs import append, vec
    from mypy_extensions import i64
else:
    i64 = int

    class vec:  # noqa: N801 - librt's name
        """Makes lists: ``vec[i64]([1, 2])`` is ``[1, 2]``."""

        def __class_getitem__(cls, item: type) -> type:
            return list

    def append(column, value):  # noqa: ANN001, ANN201
        """Append to a column and return it, as vectors must be."""
        column.append(value)
        return column
