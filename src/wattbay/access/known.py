"""What the door keeps in memory of logins, keys and sessions, so that nothing is read twice."""

from __future__ import annotations

from wattbay.access.cache import Cache
from wattbay.access.denial import Denial
from wattbay.access.identity import Means
from wattbay.access.people import People
from wattbay.access.records import ApiKey, Login, StoredSession
from wattbay.periods import Instant

CACHED_MAX = 10_000
"""Of each kind."""


class NotLetIn(Exception):
    """Why somebody is not let in, before it is in the log."""

    def __init__(self, reason: Denial, means: Means, login: str = "") -> None:
        """Keep why, by what, and who it was, where that is known."""
        self.reason = reason
        self.means = means
        self.login = login
        super().__init__(reason)


class Known:
    """Logins, keys and sessions that still hold: whoever asks for others is not let in."""

    def __init__(self, people: People) -> None:
        """Keep nothing yet of these people."""
        self._people = people
        self._seen = -1
        self._logins: Cache[str, Login] = Cache(CACHED_MAX)
        self._keys: Cache[str, ApiKey] = Cache(CACHED_MAX)
        self._sessions: Cache[str, StoredSession] = Cache(CACHED_MAX)

    def catch_up(self, at: Instant) -> None:
        """Forget all, if any login, key or session was changed."""
        seen = self._people.changes(at)
        if seen != self._seen:
            self._logins.clear()
            self._keys.clear()
            self._sessions.clear()
            self._seen = seen

    def login(self, name: str, means: Means) -> Login:
        """Return a login that is not disabled.

        Raises
        ------
        NotLetIn
            If there is none.
        """
        login = self._logins.get(name)
        if login is None:
            login = self._people.login(name)
            if login is None:
                raise NotLetIn(Denial.NOT_KNOWN, means)
            self._logins.put(name, login)
        if login.is_disabled:
            raise NotLetIn(Denial.DISABLED, means, login.login)
        return login

    def key(self, name: str, at: Instant, means: Means) -> ApiKey:
        """Return an API key that is not over.

        Raises
        ------
        NotLetIn
            If there is none.
        """
        key = self._keys.get(name)
        if key is None:
            key = self._people.key(name)
            if key is None:
                raise NotLetIn(Denial.NOT_KNOWN, means)
            self._keys.put(name, key)
        if key.revoked_at is not None:
            raise NotLetIn(Denial.NOT_KNOWN, means, key.login)
        if key.expires_at is not None and key.expires_at <= at:
            raise NotLetIn(Denial.EXPIRED, means, key.login)
        return key

    def session(self, session_hash: str, at: Instant) -> StoredSession:
        """Return a session that is not over.

        Raises
        ------
        NotLetIn
            If there is none.
        """
        session = self._sessions.get(session_hash)
        if session is None:
            session = self._people.session(session_hash)
            if session is None:
                raise NotLetIn(Denial.NOT_KNOWN, Means.SESSION)
            self._sessions.put(session_hash, session)
        if session.expires_at <= at:
            raise NotLetIn(Denial.EXPIRED, Means.SESSION, session.login)
        return session
