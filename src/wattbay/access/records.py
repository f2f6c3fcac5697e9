"""What is kept of people: plain records, as every store of them holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

from wattbay.access.roles import AccessRole, Permission
from wattbay.errors import WattbayError
from wattbay.ids import MeterId, PartyId
from wattbay.periods import DAY, MINUTE, Instant

NEVER = Instant(0)
"""An instant before all that is kept."""
LOGINS_MAX = 200_000
KEYS_PER_LOGIN_MAX = 50
SESSIONS_PER_LOGIN_MAX = 20
"""With one more, the oldest ends."""
CHALLENGES_MAX = 100_000
ANSWERS_PER_OWNER_MAX = 10_000
"""Answers that are remembered for one owner; with one more, the oldest is forgotten."""
ANSWER_LASTS_US = DAY
IN_FLIGHT_US = MINUTE
"""For how long a request is taken to be being answered."""
ANSWER_BYTES_MAX = 1_048_576
ANSWER_KEY_CHARACTERS_MAX = 255
PARTICULARS_CHARACTERS_MAX = 16_384
PAGE_MAX = 500

Particulars = Mapping[str, str]
"""Name, address, e-mail and so on of a party: whatever an operator needs, and can forget."""


class PeopleError(WattbayError):
    """What was wanted of the records cannot be: it is taken already, unknown, or too much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Somebody, or some program, that can come in."""

    login: str
    password_hash: str | None
    """None: no password opens it, only API keys do."""
    roles: frozenset[AccessRole]
    parties: frozenset[PartyId]
    created_at: Instant
    is_disabled: bool = False
    must_change: bool = False
    """The password is a one-time password."""
    generation: int = 0
    """Counts up with each change, and whatever was issued before is over."""


class LoginChanges(TypedDict, total=False):
    """What can be changed of a login."""

    password_hash: str | None
    roles: frozenset[AccessRole]
    parties: frozenset[PartyId]
    is_disabled: bool
    must_change: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key for a program. The key itself is with its owner alone."""

    key: str
    """Its public part."""
    key_hash: str
    login: str
    name: str
    """What its owner calls it."""
    scopes: frozenset[Permission]
    """What it is limited to; empty: all that its owner may."""
    created_at: Instant
    expires_at: Instant | None = None
    revoked_at: Instant | None = None
    used_at: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSession:
    """A session, by the hash of what the browser holds."""

    session_hash: str
    login: str
    created_at: Instant
    expires_at: Instant


class AuditEntry(NamedTuple):
    """What is to be kept of an act: who did what to whom, and how it ended."""

    at: Instant
    login: str
    """Empty where nobody is known."""
    act: str
    subject: str
    outcome: str
    detail: str = ""
    request_id: str = ""


class AuditLine(NamedTuple):
    """A line of the audit log: numbered from 1 without a gap, hashed with the line before."""

    number: int
    at: Instant
    login: str
    act: str
    subject: str
    outcome: str
    detail: str
    request_id: str
    line_hash: str


class AuditHead(NamedTuple):
    """The last line of the log: it names all lines. Note it elsewhere, and nobody can rewrite."""

    number: int
    line_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """What was answered to a request with an idempotency key."""

    owner: str
    key: str
    body_hash: bytes
    """Of what was asked: the same key with another body is a fault."""
    created_at: Instant
    status: int = 0
    """Zero while it is being answered."""
    body: bytes = b""
    about: PartyId | None = None
    """Whose particulars the body bears; it goes when they are erased."""


class Challenge(NamedTuple):
    """What a device signs once, to prove that it holds its key."""

    challenge: str
    device: MeterId
    expires_at: Instant
