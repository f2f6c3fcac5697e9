"""The tables of a journal in PostgreSQL, and the session in which they are used."""

from __future__ import annotations

import psycopg
from psycopg import sql

from wattbay.adapters.stores.dead_lines import with_dead_lines
from wattbay.errors import JournalError
from wattbay.kernel.codec import FORMAT, GENESIS

STATEMENT_S = 30
"""How long a statement may take; one that hangs would hold the lease. [s]"""
_LOCK = 5_760_581
"""Of whoever makes the tables; other programs of ours use other numbers."""
_TABLES = """
CREATE TABLE journal (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  format integer NOT NULL, base_seq bigint NOT NULL, base_hash bytea NOT NULL
);
CREATE TABLE lease (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  holder text NOT NULL, epoch bigint NOT NULL, expires_at timestamptz NOT NULL
);
CREATE TABLE entries (seq bigint PRIMARY KEY, bytes bytea NOT NULL, hash bytea NOT NULL);
INSERT INTO lease VALUES (true, '', 0, '-infinity');
"""


def connect(conninfo: str, schema: str, *, patience_s: float) -> psycopg.Connection:
    """Open a session on the journal of a schema.

    Whoever holds a lock or an idle transaction for longer than `patience_s` loses it, and a commit
    is answered when it is on disk, whatever the server is set to.
    """
    db = psycopg.connect(with_dead_lines(conninfo), autocommit=True)
    patience_ms = max(1, round(1_000 * patience_s))
    settings = {
        "search_path": sql.Identifier(schema).as_string(db),
        "lock_timeout": str(patience_ms),
        "idle_in_transaction_session_timeout": str(patience_ms),
        "statement_timeout": str(1_000 * STATEMENT_S),
    }
    try:
        db.execute(
            "SELECT set_config(name, value, false)"
            " FROM unnest(%s::text[], %s::text[]) AS setting(name, value)",
            (list(settings), list(settings.values())),
        )
        db.execute(
            "SELECT set_config('synchronous_commit', 'on', false)"
            " WHERE current_setting('synchronous_commit') IN ('off', 'local')"
        )
    except psycopg.Error:
        db.close()
        raise
    return db


def make_tables(db: psycopg.Connection, schema: str) -> None:
    """Make the tables where there are none."""
    if is_made(db, schema):
        return
    with db.transaction():
        db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        if is_made(db, schema):
            return
        db.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
        db.execute(_TABLES)
        db.execute("INSERT INTO journal VALUES (true, %s, 0, %b)", (FORMAT, GENESIS))


def is_made(db: psycopg.Connection, schema: str) -> bool:
    """Tell whether a schema holds a journal."""
    # Read as rows, for a name that was looked for in vain may be remembered as missing.
    row = db.execute(
        "SELECT EXISTS (SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
        " WHERE nspname = %s AND relname = 'journal')",
        (schema,),
    ).fetchone()
    return row == (True,)


def read_base(db: psycopg.Connection, name: str) -> tuple[int, bytes]:
    """Return the last entry that was pruned, and its hash; 0 and `GENESIS` where none was.

    Raises
    ------
    JournalError
        If the journal has a format that this program does not know.
    """
    row = db.execute("SELECT format, base_seq, base_hash FROM journal").fetchone()
    if row is None:
        raise JournalError(f"{name} is not a journal of Wattbay")
    found, seq, head = row
    if found != FORMAT:
        raise JournalError(f"{name} has journal format {found}; this program knows format {FORMAT}")
    return int(seq), bytes(head)


def in_one_line(error: psycopg.Error) -> str:
    """Return what the database said."""
    return " ".join(str(error).split())
