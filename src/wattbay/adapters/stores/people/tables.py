"""The tables about people, as the last migration leaves them.

Sets are stored as names in order, with a space between; instants as everywhere, in microseconds.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

VERSION_TABLE = "people_version"
ID = String(64)
HASH = String(64)

TABLES = MetaData()

LOGINS = Table(
    "people_logins",
    TABLES,
    Column("login", ID, primary_key=True),
    Column("password_hash", Text),
    Column("roles", Text, nullable=False),
    Column("parties", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("is_disabled", Boolean, nullable=False),
    Column("must_change", Boolean, nullable=False),
    Column("generation", BigInteger, nullable=False),
)

KEYS = Table(
    "people_keys",
    TABLES,
    Column("key", ID, primary_key=True),
    Column("key_hash", HASH, nullable=False),
    Column("login", ID, ForeignKey(LOGINS.c.login, ondelete="CASCADE"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("used_at", BigInteger),
)

SESSIONS = Table(
    "people_sessions",
    TABLES,
    Column("session_hash", HASH, primary_key=True),
    Column("login", ID, ForeignKey(LOGINS.c.login, ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

PARTICULARS = Table(
    "people_particulars",
    TABLES,
    Column("party", ID, primary_key=True),
    Column("particulars", Text, nullable=False),
)

AUDIT = Table(
    "people_audit",
    TABLES,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("login", Text, nullable=False),
    Column("act", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("line_hash", HASH, nullable=False),
    Index("people_audit_login", "login", "number"),
)

STATE = Table(
    "people_state",
    TABLES,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("changes", BigInteger, nullable=False),
    Column("audit_number", BigInteger, nullable=False),
    Column("audit_hash", HASH, nullable=False),
)

ANSWERS = Table(
    "people_answers",
    TABLES,
    Column("owner", ID, primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("body_hash", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False, index=True),
    Column("status", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("about", ID, index=True),
)

CHALLENGES = Table(
    "people_challenges",
    TABLES,
    Column("challenge", String(128), primary_key=True),
    Column("device", ID, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

ATTEMPTS = Table(
    "people_attempts",
    TABLES,
    Column("name_hash", HASH, primary_key=True),
    Column("failures", BigInteger, nullable=False),
    Column("locked_until", BigInteger, nullable=False),
    Column("noted_at", BigInteger, nullable=False, index=True),
)
