"""Rows of the tables about people as records, and back."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import RowMapping

from wattbay.access.records import ApiKey, AuditLine, Login, StoredAnswer, StoredSession
from wattbay.access.roles import AccessRole, Permission
from wattbay.ids import PartyId
from wattbay.periods import Instant

Values = dict[str, object]


def names(members: Collection[str]) -> str:
    """Write a set of names: in order, with a space between."""
    return " ".join(sorted(members))


def login_of(row: RowMapping) -> Login:
    """Return the login of a row. A role that this version does not know allows nothing."""
    known = {role.value for role in AccessRole}
    fields = dict(row)
    fields["roles"] = frozenset(AccessRole(one) for one in row["roles"].split() if one in known)
    fields["parties"] = frozenset(map(PartyId, row["parties"].split()))
    return Login(**fields)


def row_of_login(login: Login) -> Values:
    """Return the row of a login."""
    return {
        "login": login.login, "password_hash": login.password_hash, "roles": names(login.roles),
        "parties": names(login.parties), "created_at": login.created_at,
        "is_disabled": login.is_disabled, "must_change": login.must_change,
        "generation": login.generation,
    }  # fmt: skip


def key_of(row: RowMapping) -> ApiKey:
    """Return the API key of a row.

    A limit that this version does not know stays a limit: a key with unknown scopes alone may do
    nothing that is known, so it must not become one without limits.
    """
    fields = dict(row)
    known = {one.value for one in Permission}
    texts = row["scopes"].split()
    fields["scopes"] = frozenset(Permission(one) for one in texts if one in known)
    if texts and not fields["scopes"]:
        fields["revoked_at"] = row["revoked_at"] or Instant(row["created_at"])
    return ApiKey(**fields)


def row_of_key(key: ApiKey) -> Values:
    """Return the row of an API key."""
    return {
        "key": key.key, "key_hash": key.key_hash, "login": key.login, "name": key.name,
        "scopes": names(key.scopes), "created_at": key.created_at, "expires_at": key.expires_at,
        "revoked_at": key.revoked_at, "used_at": key.used_at,
    }  # fmt: skip


def session_of(row: RowMapping) -> StoredSession:
    """Return the session of a row."""
    return StoredSession(**row)


def row_of_session(session: StoredSession) -> Values:
    """Return the row of a session."""
    return {
        "session_hash": session.session_hash, "login": session.login,
        "created_at": session.created_at, "expires_at": session.expires_at,
    }  # fmt: skip


def line_of(row: RowMapping) -> AuditLine:
    """Return the line of the audit log of a row."""
    return AuditLine(**row)


def answer_of(row: RowMapping) -> StoredAnswer:
    """Return the answer of a row."""
    return StoredAnswer(**row)


def row_of_answer(answer: StoredAnswer) -> Values:
    """Return the row of an answer."""
    return {
        "owner": answer.owner, "key": answer.key, "body_hash": answer.body_hash,
        "created_at": answer.created_at, "status": answer.status, "body": answer.body,
        "about": answer.about,
    }  # fmt: skip
