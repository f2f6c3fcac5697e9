"""The past in a local file that can be deleted at any time: what readers ask of a live system."""

from wattbay.adapters.stores.history.store import SqliteHistory, memory_history

__all__ = ["SqliteHistory", "memory_history"]
