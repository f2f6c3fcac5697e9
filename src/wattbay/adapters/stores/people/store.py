"""Everything about people in SQL: SQLite, for a community on one machine, or PostgreSQL.

Each call is one or a few quick statements, so that it may be made from the event loop. Whatever
changes a login, a key or a session counts a number up in the same transaction, by which other
programs see that they have to read again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Unpack

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from wattbay.access.attempts import ATTEMPTS_LAST_US, NAMES_MAX, Attempts
from wattbay.access.audit import chain_faults, next_line
from wattbay.access.people import checked_answer, checked_particulars, is_over
from wattbay.access.records import (
    ANSWER_LASTS_US,
    ANSWERS_PER_OWNER_MAX,
    CHALLENGES_MAX,
    IN_FLIGHT_US,
    KEYS_PER_LOGIN_MAX,
    LOGINS_MAX,
    PAGE_MAX,
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
from wattbay.adapters.stores.people import rows
from wattbay.adapters.stores.people.database import Database
from wattbay.adapters.stores.people.tables import (
    ANSWERS,
    ATTEMPTS,
    AUDIT,
    CHALLENGES,
    KEYS,
    LOGINS,
    PARTICULARS,
    SESSIONS,
    STATE,
)
from wattbay.ids import MeterId, PartyId
from wattbay.periods import SECOND, Instant

OTHERS_SEEN_US = SECOND
"""After how long it is seen what other programs changed."""
TRIMMED_EVERY = 64
"""Answers of an owner between two looks at how many there are."""
OWNERS_COUNTED_MAX = 10_000
_ERASED = (PARTICULARS.name, ANSWERS.name)

_record = msgspec.json.Decoder(dict[str, str])
_encode = msgspec.json.Encoder().encode


class SqlPeople:
    """Everything about people in a database. See `wattbay.access.people.People`."""

    def __init__(self, url: str, *, schema: str = "wattbay") -> None:
        """Open the database; make its tables, or bring them up to date.

        Parameters
        ----------
        url
            ``sqlite:///people.db``, ``postgresql://…``, or how libpq takes it: ``host=db …``.
        schema
            Where the tables stand in PostgreSQL.

        Raises
        ------
        AdapterError
            If it does not answer, is something else, or was written by a newer version.
        """
        self._db = Database(url, schema=schema)
        self._changes = 0
        self._changes_read_at: Instant | None = None
        self._answered: dict[str, int] = {}
        self._marks = threading.local()
        """What follows when the transaction that this thread is in stands."""

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        """Lend a connection to write by, and see to what follows when all stands."""
        if self._db.held is not None:
            yield self._db.held
            return
        try:
            with self._db.write() as connection:
                yield connection
        finally:
            marks = self._marks.__dict__
            is_erased = marks.pop("is_erased", False)
            if marks.pop("is_changed", False):
                # Whoever read the number meanwhile may have read the old one.
                self._changes_read_at = None
        if is_erased:
            self._db.scrub(_ERASED)

    @contextmanager
    def one_write(self) -> Iterator[None]:
        """Make all writes within stand together, or none of them."""
        with self._write():
            yield

    def changes(self, at: Instant) -> int:
        """Return a number that differs when a login, key or session changed or went."""
        read_at = self._changes_read_at
        if read_at is None or not read_at <= at < read_at + OTHERS_SEEN_US:
            with self._db.read() as db:
                self._changes = db.execute(select(STATE.c.changes)).scalar_one()
            self._changes_read_at = at
        return self._changes

    def _changed(self, db: Connection) -> None:
        db.execute(update(STATE).values(changes=STATE.c.changes + 1))
        self._marks.is_changed, self._changes_read_at = True, None

    # Logins.

    def has_logins(self) -> bool:
        """Tell whether there is any login."""
        with self._db.read() as db:
            return bool(db.execute(select(exists().select_from(LOGINS))).scalar_one())

    def add_login(self, login: Login) -> None:
        """Keep a new login."""
        with self._write() as db:
            if _count(db, LOGINS.c.login) >= LOGINS_MAX:
                raise PeopleError(f"there are {LOGINS_MAX} logins already")
            try:
                db.execute(insert(LOGINS).values(rows.row_of_login(login)))
            except IntegrityError as error:
                raise PeopleError(f"login {login.login} is there already") from error

    def login(self, login: str) -> Login | None:
        """Return a login; None where there is none of that name."""
        with self._db.read() as db:
            row = db.execute(select(LOGINS).where(LOGINS.c.login == login)).mappings().first()
        return None if row is None else rows.login_of(row)

    def logins(self, after: str = "", limit: int = PAGE_MAX) -> list[Login]:
        """Return logins in order of their names."""
        query = select(LOGINS).where(LOGINS.c.login > after).order_by(LOGINS.c.login).limit(limit)
        with self._db.read() as db:
            return [rows.login_of(row) for row in db.execute(query).mappings()]

    def administrators(self) -> list[str]:
        """Return the administrators' logins that are not disabled, in order."""
        # Names of roles are not parts of one another, so that a part of the text is a role.
        query = (
            select(LOGINS.c.login)
            .where(LOGINS.c.roles.contains(AccessRole.ADMINISTRATOR.value), ~LOGINS.c.is_disabled)
            .order_by(LOGINS.c.login)
        )
        with self._db.read() as db:
            return list(db.execute(query).scalars())

    def change_login(self, login: str, **changes: Unpack[LoginChanges]) -> Login:
        """Change a login and count its generation up; return it as it is now."""
        values = dict(changes)
        for name in ("roles", "parties"):
            if name in values:
                values[name] = rows.names(values[name])  # type: ignore[arg-type] # sets of names
        with self._write() as db:
            done = db.execute(
                update(LOGINS)
                .where(LOGINS.c.login == login)
                .values(**values, generation=LOGINS.c.generation + 1)
            )
            found = self.login(login)
            if not done.rowcount or found is None:
                raise PeopleError(f"there is no login {login}")
            self._changed(db)
        return found

    def attempts(self, name_hash: str) -> Attempts:
        """Return how often a wrong password came under a name, by its hash."""
        query = select(ATTEMPTS.c.failures, ATTEMPTS.c.locked_until)
        with self._db.read() as db:
            row = db.execute(query.where(ATTEMPTS.c.name_hash == name_hash)).first()
        return Attempts() if row is None else Attempts(*row)

    def note_attempts(self, name_hash: str, attempts: Attempts, at: Instant) -> None:
        """Keep that; nothing where there are none."""
        with self._write() as db:
            if not attempts.failures:
                db.execute(delete(ATTEMPTS).where(ATTEMPTS.c.name_hash == name_hash))
                return
            values = {**attempts._asdict(), "noted_at": at}
            new = self._db.insert(ATTEMPTS).values(name_hash=name_hash, **values)
            place = [ATTEMPTS.c.name_hash]
            db.execute(new.on_conflict_do_update(index_elements=place, set_=values))

    def remove_login(self, login: str) -> bool:
        """Take a login away with its keys, sessions and answers; tell whether there was one."""
        with self._write() as db:
            db.execute(delete(ANSWERS).where(ANSWERS.c.owner == login))
            done = db.execute(delete(LOGINS).where(LOGINS.c.login == login))
            self._changed(db)
            return bool(done.rowcount)

    # Keys and sessions.

    def add_key(self, key: ApiKey) -> None:
        """Keep a new API key."""
        with self._write() as db:
            if self.login(key.login) is None:
                raise PeopleError(f"there is no login {key.login}")
            live = and_(KEYS.c.login == key.login, KEYS.c.revoked_at.is_(None))
            if _count(db, KEYS.c.key, live) >= KEYS_PER_LOGIN_MAX:
                raise PeopleError(f"login {key.login} has {KEYS_PER_LOGIN_MAX} keys already")
            try:
                db.execute(insert(KEYS).values(rows.row_of_key(key)))
            except IntegrityError as error:
                raise PeopleError(f"key {key.key} is there already") from error

    def key(self, key: str) -> ApiKey | None:
        """Return an API key by its public part."""
        with self._db.read() as db:
            row = db.execute(select(KEYS).where(KEYS.c.key == key)).mappings().first()
        return None if row is None else rows.key_of(row)

    def keys(self, login: str) -> list[ApiKey]:
        """Return a login's keys, oldest first, those that are revoked included."""
        query = select(KEYS).where(KEYS.c.login == login).order_by(KEYS.c.created_at, KEYS.c.key)
        with self._db.read() as db:
            return [rows.key_of(row) for row in db.execute(query).mappings()]

    def revoke_key(self, key: str, at: Instant) -> None:
        """End a key, if it has not ended yet."""
        self._change_key(key, revoked_at=func.coalesce(KEYS.c.revoked_at, at))

    def rehash_key(self, key: str, key_hash: str) -> None:
        """Keep a key's hash under another pepper."""
        self._change_key(key, key_hash=key_hash)

    def _change_key(self, key: str, **values: object) -> None:
        with self._write() as db:
            if not db.execute(update(KEYS).where(KEYS.c.key == key).values(**values)).rowcount:
                raise PeopleError(f"there is no key {key}")
            self._changed(db)

    def note_used(self, used: Mapping[str, Instant]) -> None:
        """Keep when keys were last used."""
        with self._write() as db:
            for key, at in sorted(used.items()):
                db.execute(update(KEYS).where(KEYS.c.key == key).values(used_at=at))

    def add_session(self, session: StoredSession) -> None:
        """Keep a new session; the login's oldest ends where it has too many."""
        own = SESSIONS.c.login == session.login
        newest = (
            select(SESSIONS.c.session_hash)
            .where(own)
            .order_by(SESSIONS.c.created_at.desc(), SESSIONS.c.session_hash.desc())
            .limit(SESSIONS_PER_LOGIN_MAX)
        )
        with self._write() as db:
            try:
                db.execute(insert(SESSIONS).values(rows.row_of_session(session)))
            except IntegrityError as error:
                said = f"there is no login {session.login}, or the session is there already"
                raise PeopleError(said) from error
            old = delete(SESSIONS).where(own, SESSIONS.c.session_hash.not_in(newest))
            if db.execute(old).rowcount:
                self._changed(db)

    def session(self, session_hash: str) -> StoredSession | None:
        """Return a session by its hash."""
        query = select(SESSIONS).where(SESSIONS.c.session_hash == session_hash)
        with self._db.read() as db:
            row = db.execute(query).mappings().first()
        return None if row is None else rows.session_of(row)

    def end_session(self, session_hash: str) -> bool:
        """End a session; tell whether there was one."""
        with self._write() as db:
            done = db.execute(delete(SESSIONS).where(SESSIONS.c.session_hash == session_hash))
            self._changed(db)
            return bool(done.rowcount)

    def end_sessions(self, login: str) -> int:
        """End all sessions of a login; return how many there were."""
        with self._write() as db:
            done = db.execute(delete(SESSIONS).where(SESSIONS.c.login == login))
            self._changed(db)
            return done.rowcount

    # The audit log.

    def write_audit(self, entry: AuditEntry) -> AuditLine:
        """Append a line to the audit log."""
        with self._write() as db:
            # Another program waits here until this transaction is over: a chain has one end.
            row = db.execute(select(STATE).with_for_update()).mappings().one()
            line = next_line(AuditHead(row["audit_number"], row["audit_hash"]), entry)
            db.execute(insert(AUDIT).values(line._asdict()))
            db.execute(update(STATE).values(audit_number=line.number, audit_hash=line.line_hash))
        return line

    def audit(
        self, before: int | None = None, limit: int = PAGE_MAX, *, login: str | None = None
    ) -> list[AuditLine]:
        """Return lines of the audit log, newest first, below a number, of one login or of all."""
        query = select(AUDIT).order_by(AUDIT.c.number.desc()).limit(limit)
        if before is not None:
            query = query.where(AUDIT.c.number < before)
        if login is not None:
            query = query.where(AUDIT.c.login == login)
        with self._db.read() as db:
            return [rows.line_of(row) for row in db.execute(query).mappings()]

    def audit_head(self) -> AuditHead:
        """Return the last line's number and hash, to be noted elsewhere."""
        with self._db.read() as db:
            return AuditHead(*db.execute(select(STATE.c.audit_number, STATE.c.audit_hash)).one())

    def check_audit(self, known: AuditHead | None = None) -> list[str]:
        """Return what shows that the log was changed; empty where nothing does."""
        with self._db.read(is_snapshot=True) as db:
            head = AuditHead(*db.execute(select(STATE.c.audit_number, STATE.c.audit_hash)).one())
            query = select(AUDIT).order_by(AUDIT.c.number)
            found = db.execute(query, execution_options={"yield_per": PAGE_MAX}).mappings()
            return chain_faults(map(rows.line_of, found), head, known)

    # Particulars.

    def set_particulars(self, party: PartyId, particulars: Particulars) -> None:
        """Keep the particulars of a party, in place of those that were there."""
        text = _encode(checked_particulars(party, particulars)).decode()
        with self._write() as db:
            new = self._db.insert(PARTICULARS).values(party=party, particulars=text)
            db.execute(
                new.on_conflict_do_update(
                    index_elements=[PARTICULARS.c.party], set_={"particulars": text}
                )
            )

    def particulars(self, party: PartyId) -> Particulars | None:
        """Return the particulars of a party; None where there are none."""
        query = select(PARTICULARS.c.particulars).where(PARTICULARS.c.party == party)
        with self._db.read() as db:
            text = db.execute(query).scalar_one_or_none()
        return None if text is None else _record.decode(text)

    def erase(self, party: PartyId) -> bool:
        """Erase a party's particulars without a trace; tell whether there were any.

        Within `one_write` the traces in the files go when it is over. Where they cannot be removed
        for now, `AdapterError` tells; the rows have gone, and erasing again removes the rest.
        """
        with self._write() as db:
            db.execute(delete(ANSWERS).where(ANSWERS.c.about == party))
            done = db.execute(delete(PARTICULARS).where(PARTICULARS.c.party == party))
            self._marks.is_erased = True
            return bool(done.rowcount)

    # Answers and challenges.

    def start_answer(self, answer: StoredAnswer) -> StoredAnswer | None:
        """Keep that a request is being answered; return the record that is there already."""
        checked_answer(answer)
        place = _place(answer.owner, answer.key)
        with self._write() as db:
            row = db.execute(select(ANSWERS).where(place)).mappings().first()
            there = None if row is None else rows.answer_of(row)
            if there is not None and not is_over(there, answer.created_at):
                return there
            if there is not None:
                db.execute(delete(ANSWERS).where(place))
            try:
                db.execute(insert(ANSWERS).values(rows.row_of_answer(answer)))
            except IntegrityError as error:  # Another program was quicker.
                raise PeopleError("this request is being answered") from error
            self._trim_answers(db, answer.owner)
        return None

    def _trim_answers(self, db: Connection, owner: str) -> None:
        """Forget an owner's oldest answers, now and then, where there are too many."""
        if len(self._answered) > OWNERS_COUNTED_MAX:
            self._answered.clear()
        count = self._answered.get(owner, 0)
        self._answered[owner] = count + 1
        if count % TRIMMED_EVERY:
            return
        mine = select(ANSWERS.c.created_at).where(ANSWERS.c.owner == owner)
        last = mine.order_by(ANSWERS.c.created_at.desc()).offset(ANSWERS_PER_OWNER_MAX).limit(1)
        oldest = db.execute(last).scalar_one_or_none()
        if oldest is not None:
            db.execute(
                delete(ANSWERS).where(ANSWERS.c.owner == owner, ANSWERS.c.created_at <= oldest)
            )

    def finish_answer(self, answer: StoredAnswer) -> None:
        """Keep what was answered, in place of the record that was started."""
        values = rows.row_of_answer(checked_answer(answer))
        with self._write() as db:
            db.execute(update(ANSWERS).where(_place(answer.owner, answer.key)).values(values))

    def drop_answer(self, owner: str, key: str) -> None:
        """Forget a record, for the request failed and may come again."""
        with self._write() as db:
            db.execute(delete(ANSWERS).where(_place(owner, key)))

    def add_challenge(self, challenge: Challenge, at: Instant) -> None:
        """Keep a challenge until it expires."""
        with self._write() as db:
            if _count(db, CHALLENGES.c.challenge) >= CHALLENGES_MAX:
                self.forget(at)
                if _count(db, CHALLENGES.c.challenge) >= CHALLENGES_MAX:
                    raise PeopleError(f"{CHALLENGES_MAX} challenges are open already")
            try:
                db.execute(insert(CHALLENGES).values(challenge._asdict()))
            except IntegrityError as error:
                raise PeopleError("this challenge is open already") from error

    def take_challenge(self, challenge: str, at: Instant) -> MeterId | None:
        """Use a challenge up; return whom it was for, None where it is unknown or expired."""
        taken = (
            delete(CHALLENGES)
            .where(CHALLENGES.c.challenge == challenge)
            .returning(CHALLENGES.c.device, CHALLENGES.c.expires_at)
        )
        with self._write() as db:
            found = db.execute(taken).first()
        if found is None or found.expires_at <= at:
            return None
        return MeterId(found.device)

    def forget(self, at: Instant) -> None:
        """Take away what has expired: sessions, answers, challenges, attempts."""
        answered, begun = at - ANSWER_LASTS_US, at - IN_FLIGHT_US
        over = or_(
            ANSWERS.c.created_at <= answered,
            and_(ANSWERS.c.status == 0, ANSWERS.c.created_at <= begun),
        )
        newest = (
            select(ATTEMPTS.c.name_hash)
            .order_by(ATTEMPTS.c.noted_at.desc(), ATTEMPTS.c.name_hash.desc())
            .limit(NAMES_MAX)
        )
        with self._write() as db:
            db.execute(delete(SESSIONS).where(SESSIONS.c.expires_at <= at))
            db.execute(delete(ANSWERS).where(over))
            db.execute(delete(CHALLENGES).where(CHALLENGES.c.expires_at <= at))
            db.execute(delete(ATTEMPTS).where(ATTEMPTS.c.noted_at <= at - ATTEMPTS_LAST_US))
            db.execute(delete(ATTEMPTS).where(ATTEMPTS.c.name_hash.not_in(newest)))

    def close(self) -> None:
        """Close the store."""
        self._db.close()


def _count(db: Connection, of: ColumnElement[str], where: ColumnElement[bool] | None = None) -> int:
    """Return how many rows there are."""
    query = select(func.count(of))
    return int(db.execute(query if where is None else query.where(where)).scalar_one())


def _place(owner: str, key: str) -> ColumnElement[bool]:
    """Return what picks the answer of an owner's request."""
    return and_(ANSWERS.c.owner == owner, ANSWERS.c.key == key)
