"""The door: who comes in, by what they show, and what they may carry away to show later.

All that is decided about credentials is decided here. Whatever matters for security leaves a line
in the audit log, written together with what it tells of.
"""

from __future__ import annotations

import asyncio
import hmac
from dataclasses import dataclass
from typing import NoReturn

from wattbay.access.attempts import REST_MAX_US, Attempts
from wattbay.access.audit import printable
from wattbay.access.chance import key_id, secret_text
from wattbay.access.denial import AccessDenied, Denial
from wattbay.access.denials import Denials
from wattbay.access.identity import Identity, Means
from wattbay.access.known import Known, NotLetIn
from wattbay.access.passwords import Passwords, check_strength
from wattbay.access.people import People
from wattbay.access.records import NEVER, ApiKey, AuditEntry, Login, StoredSession
from wattbay.access.roles import Permission, permissions
from wattbay.access.secret_keys import Secrets, hash_of
from wattbay.access.tokens import Claims, Tokens
from wattbay.errors import ensure
from wattbay.ids import CommunityId, is_id
from wattbay.kernel.clock import Clock
from wattbay.periods import DAY, HOUR, MINUTE, SECOND, Instant

HASHED_AT_ONCE = 2
"""Passwords that are hashed at once: each takes 64 MiB and a fifth of a second of a core."""
WAITING_MAX = 64
"""Sign-ins that wait for it; more are sent away."""
SOMEWHERE = CommunityId("wattbay")
"""The issuer of tokens, where no community is named."""
SESSION_LASTS_US = 12 * HOUR
TOKEN_LASTS_US = HOUR
TOKEN_LASTS_MAX_US = DAY
KEY_PREFIX = "wb_"
KEY_PARTS = 3
"""Of an API key, between the first two ``_``: the prefix, its public part, the secret."""
KEY_NAME_CHARACTERS_MAX = 100
USE_NOTED_US = MINUTE
"""How exactly it is kept when a key was last used."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a browser holds after signing in."""

    token: str
    """Opaque. Only its hash is kept."""
    login: str
    expires_at: Instant
    must_change: bool
    """The password has to be changed before anything else is allowed."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """An API key as it is handed out, once."""

    record: ApiKey
    clear: str
    """What its owner shows; nobody can read it again."""


class Door:
    """Lets people and programs in, by password, session, API key or token."""

    def __init__(
        self,
        people: People,
        secrets: Secrets,
        clock: Clock,
        *,
        community: CommunityId = SOMEWHERE,
        passwords: Passwords | None = None,
    ) -> None:
        """Stand between those who ask and what is kept of people.

        Parameters
        ----------
        clock
            By which sessions, tokens and rests end: the wall's, not that of a faster market.
        community
            The issuer that tokens name.
        """
        self.people = people
        self.clock = clock
        self.passwords = Passwords() if passwords is None else passwords
        self._secrets = secrets
        self._tokens = Tokens(secrets.token_keys, community)
        self._denials = Denials(people)
        self._hashing = asyncio.Semaphore(HASHED_AT_ONCE)
        self._waiting = 0
        self._known = Known(people)
        self._used: dict[str, Instant] = {}

    # Who is asking.

    def identify(
        self,
        *,
        bearer: str | None = None,
        api_key: str | None = None,
        session: str | None = None,
        request_id: str = "",
    ) -> Identity:
        """Return who shows a credential: the first that is given of these.

        A bearer may be a token or an API key.

        Raises
        ------
        AccessDenied
            If it is none of ours, or not any more, or nothing was shown.
        """
        at = self.clock.now()
        self._known.catch_up(at)
        try:
            if bearer is not None and not bearer.startswith(KEY_PREFIX):
                return self._by_token(bearer, at)
            shown = api_key if bearer is None else bearer
            if shown is not None:
                return self._by_key(shown, at)
            if session is not None:
                return self._by_session(session, at)
        except NotLetIn as no:
            self.deny(
                "identify", no.reason, login=no.login, subject=no.means, request_id=request_id
            )
        raise AccessDenied(Denial.NOTHING_SHOWN, "sign in, or show a key or a token")

    def _by_key(self, clear: str, at: Instant) -> Identity:
        parts = clear.split("_", 2)
        if len(parts) != KEY_PARTS or not (clear.isascii() and parts[1].isalnum()):
            raise NotLetIn(Denial.NOT_KNOWN, Means.API_KEY)
        key = self._known.key(parts[1], at, Means.API_KEY)
        if not hmac.compare_digest(key.key_hash, self._secrets.key_hash(clear)):
            self._check_older_pepper(key, clear)
        login = self._known.login(key.login, Means.API_KEY)
        if at >= self._used.get(key.key, NEVER) + USE_NOTED_US:
            self._used[key.key] = at
        return Identity(
            login.login, login.parties, login.roles, Means.API_KEY, key.scopes or None,
            login.must_change, key.key,
        )  # fmt: skip

    def _check_older_pepper(self, key: ApiKey, clear: str) -> None:
        """Let a key in that was hashed with a pepper before the present one, and hash it anew."""
        for pepper in range(1, len(self._secrets.peppers)):
            if hmac.compare_digest(key.key_hash, self._secrets.key_hash(clear, pepper)):
                self.people.rehash_key(key.key, self._secrets.key_hash(clear))
                return
        raise NotLetIn(Denial.NOT_KNOWN, Means.API_KEY, key.login)

    def _by_token(self, token: str, at: Instant) -> Identity:
        try:
            claims = self._tokens.read(token, at)
        except AccessDenied as denied:
            raise NotLetIn(denied.reason, Means.TOKEN) from denied
        login = self._known.login(claims.login, Means.TOKEN)
        if claims.generation != login.generation:
            raise NotLetIn(Denial.NOT_KNOWN, Means.TOKEN, login.login)
        if claims.key is not None:
            self._known.key(claims.key, at, Means.TOKEN)
        return Identity(
            login.login, login.parties, login.roles, Means.TOKEN, claims.scopes,
            login.must_change, claims.key,
        )  # fmt: skip

    def _by_session(self, token: str, at: Instant) -> Identity:
        session = self._known.session(hash_of(token), at)
        login = self._known.login(session.login, Means.SESSION)
        return Identity(
            login.login, login.parties, login.roles, Means.SESSION, None, login.must_change
        )

    def require(
        self, identity: Identity, permission: Permission, *, subject: str = "", request_id: str = ""
    ) -> None:
        """Go on only if somebody may do this.

        Raises
        ------
        AccessDenied
            If not; the audit log has a line of it.
        """
        if permission not in identity.granted:
            reason = Denial.MUST_CHANGE if identity.must_change else Denial.NOT_PERMITTED
            self.deny(permission, reason, login=identity.login, subject=subject,
                      request_id=request_id)  # fmt: skip

    def deny(
        self, act: str, reason: Denial, *, login: str = "", subject: str = "", request_id: str = ""
    ) -> NoReturn:
        """Keep in the audit log that something was denied, and deny it.

        Raises
        ------
        AccessDenied
            Always.
        """
        self._note_denial(act, reason, login, subject, request_id)
        raise AccessDenied(reason)

    def _note_denial(
        self,
        act: str,
        reason: Denial,
        login: str,
        subject: str,
        request_id: str,
        apart: str = "",
    ) -> None:
        at = self.clock.now()
        entry = AuditEntry(at, login, act, subject, reason.value, "", request_id)
        self._denials.note(entry, apart=apart)

    # Passwords and sessions.

    async def sign_in(self, login: str, password: str, *, request_id: str = "") -> Session:
        """Return a new session for somebody who knows the password.

        Raises
        ------
        AccessDenied
            If the password is wrong or nobody is called so, which takes the same time and tells
            the same; after five such, the name rests for a while. If the login is disabled, or
            too many sign in at once.
        """
        hashed = await self._verify(login, password, "sign_in", request_id)
        renewed = None
        if self.passwords.is_outdated(hashed):
            renewed = await self.hash(password)
        at = self.clock.now()
        known = self.people.login(login)
        if known is None or known.password_hash != hashed:  # It was changed meanwhile.
            self.deny("sign_in", Denial.NOT_KNOWN, login=login, request_id=request_id)
        if known.is_disabled:
            self.deny("sign_in", Denial.DISABLED, login=login, request_id=request_id)
        with self.people.one_write():
            if renewed is not None:
                self.people.change_login(login, password_hash=renewed)
            self.forgive(login)
            session = self._new_session(known, at)
            self.write("sign_in", login, request_id=request_id)
        return session

    async def _verify(self, login: str, password: str, act: str, request_id: str) -> str:
        """Return the hash that a password was right by; count it where it is wrong.

        Whether anybody bears the name makes no difference to what is computed or written.
        """
        if self._waiting >= WAITING_MAX:
            raise AccessDenied(Denial.BUSY, retry_after_us=SECOND)
        name_hash = self._secrets.name_hash(login)
        self._waiting += 1
        try:
            async with self._hashing:
                known = self.people.login(login) if is_id(login) else None
                named = "" if known is None else login
                at = self.clock.now()
                rest_us = self.people.attempts(name_hash).locked_until - at
                # A longer rest than there is tells of a clock that was set back.
                if 0 < rest_us <= REST_MAX_US:
                    self._note_denial(act, Denial.LOCKED, named, "", request_id, name_hash)
                    raise AccessDenied(Denial.LOCKED, retry_after_us=rest_us)
                hashed = None if known is None else known.password_hash
                right = await asyncio.to_thread(self.passwords.is_right, password, hashed)
                if right and hashed is not None:
                    return hashed
                with self.people.one_write():
                    self._count_failure(name_hash)
                    self._note_denial(act, Denial.NOT_KNOWN, named, "", request_id, name_hash)
        finally:
            self._waiting -= 1
        raise AccessDenied(Denial.NOT_KNOWN)

    def _count_failure(self, name_hash: str) -> None:
        """Count one more wrong password, to those that there are by now."""
        at = self.clock.now()
        after = self.people.attempts(name_hash).after_failure(at)
        self.people.note_attempts(name_hash, after, at)

    def forgive(self, login: str) -> None:
        """Forget the wrong passwords under a name: its next one is the first."""
        name_hash = self._secrets.name_hash(login)
        if self.people.attempts(name_hash).failures:
            self.people.note_attempts(name_hash, Attempts(), self.clock.now())

    async def hash(self, password: str) -> str:
        """Return what is kept of a password, made in a thread when its turn comes."""
        async with self._hashing:
            return await asyncio.to_thread(self.passwords.hash, password)

    def _new_session(self, login: Login, at: Instant) -> Session:
        token = secret_text()
        expires_at = Instant(at + SESSION_LASTS_US)
        self.people.add_session(
            StoredSession(
                session_hash=hash_of(token), login=login.login, created_at=at, expires_at=expires_at
            )
        )
        return Session(token, login.login, expires_at, login.must_change)

    def sign_out(self, session: str, *, request_id: str = "") -> None:
        """End a session; nothing happens where it has ended already."""
        stored = self.people.session(hash_of(session))
        if stored is not None:
            with self.people.one_write():
                self.people.end_session(stored.session_hash)
                self.write("sign_out", stored.login, request_id=request_id)

    async def change_password(
        self, identity: Identity, old: str, new: str, *, request_id: str = ""
    ) -> Session:
        """Take a new password in place of the old one; return the only session that is left.

        All sessions and tokens end. API keys go on: they are revoked one by one.

        Raises
        ------
        AccessDenied
            If the old password is wrong, the new one is weak or the same, or a program asks.
        """
        if identity.key is not None:
            self.deny("change_password", Denial.NOT_PERMITTED, login=identity.login,
                      request_id=request_id)  # fmt: skip
        check_strength(new, identity.login)
        if new == old:
            raise AccessDenied(Denial.WEAK_PASSWORD, "the new password is the old one")
        hashed = await self._verify(identity.login, old, "change_password", request_id)
        made = await self.hash(new)
        known = self.people.login(identity.login)
        if known is None or known.password_hash != hashed or known.is_disabled:
            self.deny("change_password", Denial.NOT_KNOWN, login=identity.login,
                      request_id=request_id)  # fmt: skip
        with self.people.one_write():
            self.forgive(known.login)
            changed = self.people.change_login(known.login, password_hash=made, must_change=False)
            self.people.end_sessions(known.login)
            session = self._new_session(changed, self.clock.now())
            self.write("change_password", known.login, request_id=request_id)
        return session

    # What programs show.

    def issue_token(
        self, identity: Identity, ttl_us: int = TOKEN_LASTS_US, *, request_id: str = ""
    ) -> str:
        """Return a token for somebody who showed something else.

        It is over when its time is, when anything of the login changes, and, where it was made
        with an API key, when the key is over.

        Raises
        ------
        AccessDenied
            If a token was shown: none makes another. If the password has to be changed first.
        """
        if identity.means is Means.TOKEN or identity.must_change:
            reason = Denial.MUST_CHANGE if identity.must_change else Denial.NOT_PERMITTED
            self.deny("issue_token", reason, login=identity.login, request_id=request_id)
        at = self.clock.now()
        login = self.people.login(identity.login)
        if login is None or login.is_disabled:
            self.deny("issue_token", Denial.DISABLED, login=identity.login, request_id=request_id)
        ensure(ttl_us > 0, "a token lasts a while")
        expires_at = Instant(at + min(ttl_us, TOKEN_LASTS_MAX_US))
        claims = Claims(login.login, login.generation, expires_at, identity.scopes, identity.key)
        self.write("issue_token", login.login, request_id=request_id)
        return self._tokens.make(identity, claims, at)

    def make_key(
        self,
        by: Identity,
        name: str,
        *,
        login: str | None = None,
        scopes: frozenset[Permission] = frozenset(),
        expires_at: Instant | None = None,
        request_id: str = "",
    ) -> NewKey:
        """Return a new API key, for whoever asks or, by an administrator, for another login.

        A token makes none, for a key lasts longer than it; and what a key makes lasts no longer
        than that key.

        Parameters
        ----------
        name
            What its owner calls it.
        scopes
            What it is limited to; empty: all that its owner may.

        Raises
        ------
        AccessDenied
            If `by` may not, or is allowed less than the key would be.
        PeopleError
            If the login is unknown, or has too many keys.
        """
        owner = by.login if login is None else login
        known = self.people.login(owner) if is_id(owner) else None
        allowed = by.granted
        if owner != by.login:
            self.require(by, Permission.MANAGE_LOGINS, subject=owner, request_id=request_id)
            allowed = frozenset() if known is None else permissions(known.roles)
        is_wider = not scopes <= allowed or (by.scopes is not None and not scopes)
        if by.must_change or by.means is Means.TOKEN or is_wider:
            self.deny("make_key", Denial.NOT_PERMITTED, login=by.login, subject=owner,
                      request_id=request_id)  # fmt: skip
        at = self.clock.now()
        public = key_id()
        clear = f"{KEY_PREFIX}{public}_{secret_text()}"
        record = ApiKey(
            key=public, key_hash=self._secrets.key_hash(clear), login=owner,
            name=printable(name)[:KEY_NAME_CHARACTERS_MAX], scopes=scopes, created_at=at,
            expires_at=self._no_later(by, expires_at),
        )  # fmt: skip
        with self.people.one_write():
            self.people.add_key(record)
            self.write("make_key", by.login, subject=f"{owner} {public}",
                       detail=" ".join(sorted(scopes)), request_id=request_id)  # fmt: skip
        return NewKey(record, clear)

    def _no_later(self, by: Identity, expires_at: Instant | None) -> Instant | None:
        """Return when a key ends that somebody makes: not after the key that they showed."""
        shown = None if by.key is None else self.people.key(by.key)
        last = None if shown is None else shown.expires_at
        return expires_at if last is None else min(last, expires_at or last)

    def revoke_key(self, by: Identity, key: str, *, request_id: str = "") -> None:
        """End an API key at once, and all tokens made with it.

        Raises
        ------
        AccessDenied
            If it is another's, and `by` is no administrator; or if there is none of that name.
        """
        found = self.people.key(key) if is_id(key) else None
        is_own = found is not None and found.login == by.login
        is_free = by.scopes is None and not by.must_change
        if found is None or not ((is_own and is_free) or by.may(Permission.MANAGE_LOGINS)):
            self.deny("revoke_key", Denial.NOT_PERMITTED, login=by.login, subject=key,
                      request_id=request_id)  # fmt: skip
        with self.people.one_write():
            self.people.revoke_key(key, self.clock.now())
            self.write("revoke_key", by.login, subject=f"{found.login} {key}",
                       request_id=request_id)  # fmt: skip

    # What is kept.

    def write(
        self, act: str, login: str, *, subject: str = "", detail: str = "", request_id: str = ""
    ) -> None:
        """Append a line about an act that was done to the audit log."""
        entry = AuditEntry(self.clock.now(), login, act, subject, "done", detail, request_id)
        self.people.write_audit(entry)

    def upkeep(self) -> None:
        """Write what was gathered, and take away what has expired; to be called each minute."""
        at = self.clock.now()
        used, self._used = self._used, {}
        self.people.note_used(used)
        self._denials.flush(at)
        self.people.forget(at)
