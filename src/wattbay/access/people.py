"""The port behind which everything about people is kept, and its form in memory.

Instants are passed in. Nothing here decides who may do what: that is the door's, `Door`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from itertools import chain, islice
from typing import Protocol, Unpack

from wattbay.access.attempts import ATTEMPTS_LAST_US, NAMES_MAX, Attempts
from wattbay.access.attempts import NONE as NO_ATTEMPTS
from wattbay.access.audit import BEFORE_ALL, chain_faults, next_line
from wattbay.access.records import (
    ANSWER_BYTES_MAX,
    ANSWER_KEY_CHARACTERS_MAX,
    ANSWER_LASTS_US,
    ANSWERS_PER_OWNER_MAX,
    CHALLENGES_MAX,
    IN_FLIGHT_US,
    KEYS_PER_LOGIN_MAX,
    LOGINS_MAX,
    NEVER,
    PAGE_MAX,
    PARTICULARS_CHARACTERS_MAX,
    SESSIONS_PER_LOGIN_MAX,
    ApiKey,
    AuditEntry,
    AuditHead,
    AuditLine,
    Challenge,
    Login,
    LoginChanges,
    Particulars,
    PeopleError,
    StoredAnswer,
    StoredSession,
)
from wattbay.access.roles import AccessRole
from wattbay.ids import MeterId, PartyId, is_id
from wattbay.periods import Instant


class People(Protocol):
    """Logins, keys, sessions, the audit log, particulars, answers and challenges.

    Whatever cannot be done for what the records hold raises `PeopleError`; a store that does not
    answer raises `AdapterError`.
    """

    def changes(self, at: Instant) -> int:
        """Return a number that differs when a login, key or session changed or went.

        At once where this object changed it; within a second where another program did.
        """

    def one_write(self) -> AbstractContextManager[None]:
        """Make all writes within stand together, or none of them. Not to be held over an await."""

    def has_logins(self) -> bool:
        """Tell whether there is any login."""

    def add_login(self, login: Login) -> None:
        """Keep a new login."""

    def login(self, login: str) -> Login | None:
        """Return a login; None where there is none of that name."""

    def logins(self, after: str = "", limit: int = PAGE_MAX) -> list[Login]:
        """Return logins in order of their names."""

    def administrators(self) -> list[str]:
        """Return the administrators' logins that are not disabled, in order."""

    def change_login(self, login: str, **changes: Unpack[LoginChanges]) -> Login:
        """Change a login and count its generation up; return it as it is now."""

    def attempts(self, name_hash: str) -> Attempts:
        """Return how often a wrong password came under a name, by its hash."""

    def note_attempts(self, name_hash: str, attempts: Attempts, at: Instant) -> None:
        """Keep that; nothing where there are none."""

    def remove_login(self, login: str) -> bool:
        """Take a login away with its keys, sessions and answers; tell whether there was one."""

    def add_key(self, key: ApiKey) -> None:
        """Keep a new API key."""

    def key(self, key: str) -> ApiKey | None:
        """Return an API key by its public part."""

    def keys(self, login: str) -> list[ApiKey]:
        """Return a login's keys, oldest first, those that are revoked included."""

    def revoke_key(self, key: str, at: Instant) -> None:
        """End a key, if it has not ended yet."""

    def rehash_key(self, key: str, key_hash: str) -> None:
        """Keep a key's hash under another pepper."""

    def note_used(self, used: Mapping[str, Instant]) -> None:
        """Keep when keys were last used."""

    def add_session(self, session: StoredSession) -> None:
        """Keep a new session; the login's oldest ends where it has too many."""

    def session(self, session_hash: str) -> StoredSession | None:
        """Return a session by its hash."""

    def end_session(self, session_hash: str) -> bool:
        """End a session; tell whether there was one."""

    def end_sessions(self, login: str) -> int:
        """End all sessions of a login; return how many there were."""

    def write_audit(self, entry: AuditEntry) -> AuditLine:
        """Append a line to the audit log."""

    def audit(
        self, before: int | None = None, limit: int = PAGE_MAX, *, login: str | None = None
    ) -> list[AuditLine]:
        """Return lines of the audit log, newest first, below a number, of one login or of all."""

    def audit_head(self) -> AuditHead:
        """Return the last line's number and hash, to be noted elsewhere."""

    def check_audit(self, known: AuditHead | None = None) -> list[str]:
        """Return what shows that the log was changed; empty where nothing does."""

    def set_particulars(self, party: PartyId, particulars: Particulars) -> None:
        """Keep the particulars of a party, in place of those that were there."""

    def particulars(self, party: PartyId) -> Particulars | None:
        """Return the particulars of a party; None where there are none."""

    def erase(self, party: PartyId) -> bool:
        """Erase a party's particulars without a trace; tell whether there were any."""

    def start_answer(self, answer: StoredAnswer) -> StoredAnswer | None:
        """Keep that a request is being answered; return the record that is there already, if any.

        A record is there for a day. One whose answer never came gives way after a minute.
        """

    def finish_answer(self, answer: StoredAnswer) -> None:
        """Keep what was answered, in place of the record that was started."""

    def drop_answer(self, owner: str, key: str) -> None:
        """Forget a record, for the request failed and may come again."""

    def add_challenge(self, challenge: Challenge, at: Instant) -> None:
        """Keep a challenge until it expires."""

    def take_challenge(self, challenge: str, at: Instant) -> MeterId | None:
        """Use a challenge up; return whom it was for, None where it is unknown or expired."""

    def forget(self, at: Instant) -> None:
        """Take away what has expired: sessions, answers, challenges, attempts."""

    def close(self) -> None:
        """Close the store."""


class MemoryPeople:
    """Everything about people in memory: for tests, and for towns that end with the program."""

    def __init__(self) -> None:
        """Know nobody."""
        self._changes = 0
        self._logins: dict[str, Login] = {}
        self._keys: dict[str, ApiKey] = {}
        self._sessions: dict[str, StoredSession] = {}
        self._particulars: dict[PartyId, Particulars] = {}
        self._answers: dict[tuple[str, str], StoredAnswer] = {}
        self._challenges: dict[str, Challenge] = {}
        self._attempts: dict[str, tuple[Attempts, Instant]] = {}
        self._audit: list[AuditLine] = []
        self._head = BEFORE_ALL

    def changes(self, at: Instant) -> int:
        """Return a number that differs when a login, key or session changed or went."""
        del at
        return self._changes

    @contextmanager
    def one_write(self) -> Iterator[None]:
        """Make all writes within stand together, or none of them."""
        tables: tuple[dict[str, object], ...] = (
            self._logins, self._keys, self._sessions, self._particulars, self._answers,
            self._challenges, self._attempts,
        )  # type: ignore[assignment] # fmt: skip # copied and put back as they are
        before = [dict(table) for table in tables]
        lines, head = len(self._audit), self._head
        try:
            yield
        except BaseException:
            for table, old in zip(tables, before, strict=True):
                table.clear()
                table.update(old)
            del self._audit[lines:]
            self._head = head
            self._changes += 1
            raise

    def has_logins(self) -> bool:
        """Tell whether there is any login."""
        return bool(self._logins)

    def add_login(self, login: Login) -> None:
        """Keep a new login."""
        if login.login in self._logins:
            raise PeopleError(f"login {login.login} is there already")
        if len(self._logins) >= LOGINS_MAX:
            raise PeopleError(f"there are {LOGINS_MAX} logins already")
        self._logins[login.login] = login

    def login(self, login: str) -> Login | None:
        """Return a login; None where there is none of that name."""
        return self._logins.get(login)

    def logins(self, after: str = "", limit: int = PAGE_MAX) -> list[Login]:
        """Return logins in order of their names."""
        names = sorted(name for name in self._logins if name > after)
        return [self._logins[name] for name in names[:limit]]

    def administrators(self) -> list[str]:
        """Return the administrators' logins that are not disabled, in order."""
        return sorted(
            one.login
            for one in self._logins.values()
            if AccessRole.ADMINISTRATOR in one.roles and not one.is_disabled
        )

    def change_login(self, login: str, **changes: Unpack[LoginChanges]) -> Login:
        """Change a login and count its generation up; return it as it is now."""
        old = self._known(login)
        new = replace(old, **changes, generation=old.generation + 1)
        self._logins[login] = new
        self._changes += 1
        return new

    def _known(self, login: str) -> Login:
        found = self._logins.get(login)
        if found is None:
            raise PeopleError(f"there is no login {login}")
        return found

    def attempts(self, name_hash: str) -> Attempts:
        """Return how often a wrong password came under a name, by its hash."""
        return self._attempts.get(name_hash, (NO_ATTEMPTS, NEVER))[0]

    def note_attempts(self, name_hash: str, attempts: Attempts, at: Instant) -> None:
        """Keep that; nothing where there are none."""
        self._attempts.pop(name_hash, None)
        if attempts.failures:
            self._attempts[name_hash] = (attempts, at)

    def remove_login(self, login: str) -> bool:
        """Take a login away with its keys, sessions and answers; tell whether there was one."""
        for key in [key for key, one in self._keys.items() if one.login == login]:
            del self._keys[key]
        for place in [place for place in self._answers if place[0] == login]:
            del self._answers[place]
        self.end_sessions(login)
        self._changes += 1
        return self._logins.pop(login, None) is not None

    def add_key(self, key: ApiKey) -> None:
        """Keep a new API key."""
        self._known(key.login)
        if key.key in self._keys:
            raise PeopleError(f"key {key.key} is there already")
        if sum(one.revoked_at is None for one in self.keys(key.login)) >= KEYS_PER_LOGIN_MAX:
            raise PeopleError(f"login {key.login} has {KEYS_PER_LOGIN_MAX} keys already")
        self._keys[key.key] = key

    def key(self, key: str) -> ApiKey | None:
        """Return an API key by its public part."""
        return self._keys.get(key)

    def keys(self, login: str) -> list[ApiKey]:
        """Return a login's keys, oldest first, those that are revoked included."""
        own = [one for one in self._keys.values() if one.login == login]
        return sorted(own, key=lambda one: (one.created_at, one.key))

    def revoke_key(self, key: str, at: Instant) -> None:
        """End a key, if it has not ended yet."""
        self._change_key(key, lambda old: replace(old, revoked_at=old.revoked_at or at))

    def rehash_key(self, key: str, key_hash: str) -> None:
        """Keep a key's hash under another pepper."""
        self._change_key(key, lambda old: replace(old, key_hash=key_hash))

    def _change_key(self, key: str, change: Callable[[ApiKey], ApiKey]) -> None:
        old = self._keys.get(key)
        if old is None:
            raise PeopleError(f"there is no key {key}")
        self._keys[key] = change(old)
        self._changes += 1

    def note_used(self, used: Mapping[str, Instant]) -> None:
        """Keep when keys were last used."""
        for key, at in used.items():
            if (old := self._keys.get(key)) is not None:
                self._keys[key] = replace(old, used_at=at)

    def add_session(self, session: StoredSession) -> None:
        """Keep a new session; the login's oldest ends where it has too many."""
        if session.login not in self._logins or session.session_hash in self._sessions:
            raise PeopleError(f"there is no login {session.login}, or the session is there already")
        self._sessions[session.session_hash] = session
        own = [one for one in self._sessions.values() if one.login == session.login]
        own.sort(key=lambda one: (one.created_at, one.session_hash), reverse=True)
        for old in own[SESSIONS_PER_LOGIN_MAX:]:
            self.end_session(old.session_hash)

    def session(self, session_hash: str) -> StoredSession | None:
        """Return a session by its hash."""
        return self._sessions.get(session_hash)

    def end_session(self, session_hash: str) -> bool:
        """End a session; tell whether there was one."""
        self._changes += 1
        return self._sessions.pop(session_hash, None) is not None

    def end_sessions(self, login: str) -> int:
        """End all sessions of a login; return how many there were."""
        own = [one.session_hash for one in self._sessions.values() if one.login == login]
        return sum(self.end_session(session_hash) for session_hash in own)

    def write_audit(self, entry: AuditEntry) -> AuditLine:
        """Append a line to the audit log."""
        line = next_line(self._head, entry)
        self._audit.append(line)
        self._head = AuditHead(line.number, line.line_hash)
        return line

    def audit(
        self, before: int | None = None, limit: int = PAGE_MAX, *, login: str | None = None
    ) -> list[AuditLine]:
        """Return lines of the audit log, newest first, below a number, of one login or of all."""
        end = len(self._audit) if before is None else max(0, before - 1)
        newest = reversed(self._audit[:end])
        found = (line for line in newest if login is None or line.login == login)
        return list(islice(found, limit))

    def audit_head(self) -> AuditHead:
        """Return the last line's number and hash, to be noted elsewhere."""
        return self._head

    def check_audit(self, known: AuditHead | None = None) -> list[str]:
        """Return what shows that the log was changed; empty where nothing does."""
        return chain_faults(self._audit, self._head, known)

    def set_particulars(self, party: PartyId, particulars: Particulars) -> None:
        """Keep the particulars of a party, in place of those that were there."""
        self._particulars[party] = dict(checked_particulars(party, particulars))

    def particulars(self, party: PartyId) -> Particulars | None:
        """Return the particulars of a party; None where there are none."""
        return self._particulars.get(party)

    def erase(self, party: PartyId) -> bool:
        """Erase a party's particulars without a trace; tell whether there were any."""
        for place in [place for place, one in self._answers.items() if one.about == party]:
            del self._answers[place]
        return self._particulars.pop(party, None) is not None

    def start_answer(self, answer: StoredAnswer) -> StoredAnswer | None:
        """Keep that a request is being answered; return the record that is there already."""
        place = (answer.owner, checked_answer(answer).key)
        there = self._answers.get(place)
        if there is not None and not is_over(there, answer.created_at):
            return there
        self._answers.pop(place, None)
        self._answers[place] = answer
        own = [place for place in self._answers if place[0] == answer.owner]
        for old in own[:-ANSWERS_PER_OWNER_MAX]:
            del self._answers[old]
        return None

    def finish_answer(self, answer: StoredAnswer) -> None:
        """Keep what was answered, in place of the record that was started."""
        place = (answer.owner, answer.key)
        if place in self._answers:
            self._answers[place] = checked_answer(answer)

    def drop_answer(self, owner: str, key: str) -> None:
        """Forget a record, for the request failed and may come again."""
        self._answers.pop((owner, key), None)

    def add_challenge(self, challenge: Challenge, at: Instant) -> None:
        """Keep a challenge until it expires."""
        if len(self._challenges) >= CHALLENGES_MAX:
            self.forget(at)
        if len(self._challenges) >= CHALLENGES_MAX:
            raise PeopleError(f"{CHALLENGES_MAX} challenges are open already")
        if challenge.challenge in self._challenges:
            raise PeopleError("this challenge is open already")
        self._challenges[challenge.challenge] = challenge

    def take_challenge(self, challenge: str, at: Instant) -> MeterId | None:
        """Use a challenge up; return whom it was for, None where it is unknown or expired."""
        found = self._challenges.pop(challenge, None)
        return None if found is None or found.expires_at <= at else found.device

    def forget(self, at: Instant) -> None:
        """Take away what has expired: sessions, answers, challenges, attempts."""
        newest = sorted(self._attempts.items(), key=lambda one: (one[1][1], one[0]), reverse=True)
        kept = [one for one in newest[:NAMES_MAX] if at < one[1][1] + ATTEMPTS_LAST_US]
        self._attempts.clear()
        self._attempts.update(kept)
        for session in [one for one in self._sessions.values() if one.expires_at <= at]:
            del self._sessions[session.session_hash]
        for place in [place for place, one in self._answers.items() if is_over(one, at)]:
            del self._answers[place]
        for challenge in [one for one in self._challenges.values() if one.expires_at <= at]:
            del self._challenges[challenge.challenge]

    def close(self) -> None:
        """Do nothing: there is nothing to close."""


def is_over(answer: StoredAnswer, at: Instant) -> bool:
    """Tell whether an answer has been remembered long enough, or never came."""
    lasts = ANSWER_LASTS_US if answer.status else IN_FLIGHT_US
    return at >= answer.created_at + lasts


def checked_answer(answer: StoredAnswer) -> StoredAnswer:
    """Return an answer that can be kept.

    Raises
    ------
    PeopleError
        If its body is too large, or its key too long or no printable text.
    """
    if not (answer.key.isprintable() and 0 < len(answer.key) <= ANSWER_KEY_CHARACTERS_MAX):
        raise PeopleError(f"a key has 1 to {ANSWER_KEY_CHARACTERS_MAX} printable characters")
    if len(answer.body) > ANSWER_BYTES_MAX:
        raise PeopleError(f"an answer of {len(answer.body)} bytes; at most {ANSWER_BYTES_MAX}")
    return answer


def checked_particulars(party: PartyId, particulars: Particulars) -> Particulars:
    """Return particulars that can be kept.

    Raises
    ------
    PeopleError
        If they are too many, no text, or of nothing that could be a party.
    """
    if not is_id(party):
        raise PeopleError("a party has 1 to 64 letters, digits, _ or -")
    try:
        "".join(chain.from_iterable(particulars.items())).encode()
    except UnicodeEncodeError as error:
        raise PeopleError("particulars are text") from error
    size = sum(len(name) + len(text) for name, text in particulars.items())
    if size > PARTICULARS_CHARACTERS_MAX:
        raise PeopleError(f"{size} characters; at most {PARTICULARS_CHARACTERS_MAX}")
    return particulars
