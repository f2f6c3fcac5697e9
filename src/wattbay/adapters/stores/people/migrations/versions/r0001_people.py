"""Logins, keys, sessions, the audit log and particulars."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "people_logins",
        sa.Column("login", sa.String(64), primary_key=True),
        sa.Column("password_hash", sa.Text),
        sa.Column("roles", sa.Text, nullable=False),
        sa.Column("parties", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("is_disabled", sa.Boolean, nullable=False),
        sa.Column("must_change", sa.Boolean, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "people_keys",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("key_hash", sa.String(64), nullable=False),
        _login(),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
    )
    op.create_table(
        "people_sessions",
        sa.Column("session_hash", sa.String(64), primary_key=True),
        _login(),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        "people_particulars",
        sa.Column("party", sa.String(64), primary_key=True),
        sa.Column("particulars", sa.Text, nullable=False),
    )
    _make_audit()


def _login() -> sa.Column[str]:
    """Return a column for whose a row is; it goes with the login."""
    owner = sa.ForeignKey("people_logins.login", ondelete="CASCADE")
    return sa.Column("login", sa.String(64), owner, nullable=False, index=True)


def _make_audit() -> None:
    op.create_table(
        "people_audit",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("login", sa.Text, nullable=False),
        sa.Column("act", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("line_hash", sa.String(64), nullable=False),
    )
    op.create_index("people_audit_login", "people_audit", ["login", "number"])
    state = op.create_table(
        "people_state",
        sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("changes", sa.BigInteger, nullable=False),
        sa.Column("audit_number", sa.BigInteger, nullable=False),
        sa.Column("audit_hash", sa.String(64), nullable=False),
    )
    op.bulk_insert(state, [{"one": 1, "changes": 0, "audit_number": 0, "audit_hash": ""}])
