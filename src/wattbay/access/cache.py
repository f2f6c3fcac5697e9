"""What is kept in memory so that it need not be read again: bounded."""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Cache(Generic[K, V]):
    """A bounded dictionary; what came first goes first."""

    __slots__ = ("_kept", "_max")

    def __init__(self, kept_max: int) -> None:
        """Keep at most so many."""
        self._kept: dict[K, V] = {}
        self._max = kept_max

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._kept)

    def get(self, key: K) -> V | None:
        """Return what is kept under a key."""
        return self._kept.get(key)

    def put(self, key: K, value: V) -> None:
        """Keep something."""
        if key not in self._kept and len(self._kept) >= self._max:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = value

    def drop(self, key: K) -> None:
        """Keep it no longer."""
        self._kept.pop(key, None)

    def clear(self) -> None:
        """Keep nothing."""
        self._kept.clear()
