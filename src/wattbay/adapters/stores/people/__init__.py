"""Everything about people in SQL: on SQLite by default, or in PostgreSQL."""

from wattbay.adapters.stores.people.store import SqlPeople

__all__ = ["SqlPeople"]
