"""The port of people: one suite for memory, SQLite and a real PostgreSQL."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from tests.people import NOON, PASSWORD, a_door, a_login, acts, run
from tests.servers import postgres
from wattbay.access.attempts import ATTEMPTS_LAST_US, Attempts
from wattbay.access.denial import AccessDenied
from wattbay.access.desk import Desk
from wattbay.access.people import MemoryPeople, People
from wattbay.access.records import (
    ANSWER_BYTES_MAX,
    ANSWER_LASTS_US,
    IN_FLIGHT_US,
    KEYS_PER_LOGIN_MAX,
    SESSIONS_PER_LOGIN_MAX,
    ApiKey,
    AuditEntry,
    AuditHead,
    Challenge,
    PeopleError,
    StoredAnswer,
    StoredSession,
)
from wattbay.access.roles import AccessRole, Permission
from wattbay.adapters.stores.people import SqlPeople
from wattbay.ids import MeterId, PartyId
from wattbay.periods import DAY, HOUR, SECOND, Instant

HOUSE = PartyId("house-1")
ANNA = {"name": "Anna Zweigelt-Okonkwo", "email": "anna.zweigelt@example.org", "street": "Uferweg"}

Open = Callable[[], People]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as (_, conninfo):
        yield conninfo


@pytest.fixture(
    params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)],
)
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Return what opens the store: the first time empty, later as it was left."""
    opened: list[People] = []
    memory = MemoryPeople()
    schema = f"t{abs(hash(request.node.nodeid))}"
    conninfo = request.getfixturevalue("server") if request.param == "postgres" else ""

    def open_it() -> People:
        match request.param:
            case "memory":
                return memory
            case "sqlite":
                opened.append(SqlPeople(f"sqlite:///{tmp_path / 'people.db'}"))
            case _:
                opened.append(SqlPeople(conninfo, schema=schema))
        return opened[-1]

    yield open_it
    for one in opened:
        one.close()


def later(us: int) -> Instant:
    return Instant(NOON + us)


def a_key(key: str = "k1", *, login: str = "anna", created_at: Instant = NOON) -> ApiKey:
    return ApiKey(
        key=key, key_hash="h" * 64, login=login, name="a bot",
        scopes=frozenset({Permission.READ_OWN}), created_at=created_at,
    )  # fmt: skip


def a_session(number: int = 1, *, login: str = "anna", lasts_us: int = HOUR) -> StoredSession:
    return StoredSession(
        session_hash=f"{number:064x}", login=login, created_at=later(number),
        expires_at=later(lasts_us),
    )  # fmt: skip


def an_answer(
    key: str = "r-1",
    *,
    owner: str = "anna",
    at: Instant = NOON,
    status: int = 0,
    body: bytes = b"",
    about: PartyId | None = None,
) -> StoredAnswer:
    return StoredAnswer(
        owner=owner, key=key, body_hash=b"\x00\xff", created_at=at, status=status, body=body,
        about=about,
    )  # fmt: skip


def an_entry(act: str = "sign_in", *, at: Instant = NOON, login: str = "anna") -> AuditEntry:
    return AuditEntry(at, login, act, "house-1", "done", "détail", "r-1")


def test_login_is_read_as_it_was_kept(reopen: Open) -> None:
    people = reopen()
    assert not people.has_logins()
    anna = a_login(password_hash=PASSWORD, parties=("house-1", "house-2"))
    people.add_login(anna)
    people.add_login(a_login("root", role=AccessRole.ADMINISTRATOR, parties=(), must_change=True))
    again = reopen()
    assert again.has_logins()
    assert again.login("anna") == anna
    assert again.login("nobody") is None
    assert [one.login for one in again.logins()] == ["anna", "root"]
    assert [one.login for one in again.logins("anna")] == ["root"]
    assert [one.login for one in again.logins(limit=1)] == ["anna"]
    with pytest.raises(PeopleError, match="there already"):
        again.add_login(anna)


def test_change_of_a_login_counts_its_generation_and_the_changes_up(reopen: Open) -> None:
    people = reopen()
    people.add_login(a_login())
    before = people.changes(NOON)
    changed = people.change_login(
        "anna", roles=frozenset({AccessRole.ANALYST}), parties=frozenset(), is_disabled=True
    )
    assert changed == people.login("anna")
    assert (changed.generation, changed.is_disabled, changed.parties) == (1, True, frozenset())
    assert people.changes(NOON) != before
    with pytest.raises(PeopleError, match="no login"):
        people.change_login("nobody", is_disabled=True)


def test_wrong_passwords_are_counted_by_name_for_a_day_and_end_nothing(reopen: Open) -> None:
    people = reopen()
    people.add_login(a_login())
    before = people.changes(NOON)
    anna, ben = "a" * 64, "b" * 64
    people.note_attempts(anna, Attempts(4), NOON)
    people.note_attempts(anna, Attempts(5, later(SECOND)), NOON)
    people.note_attempts(ben, Attempts(1), later(SECOND))
    assert people.changes(NOON) == before
    assert reopen().attempts(anna) == Attempts(5, later(SECOND))
    assert people.attempts("c" * 64) == Attempts()
    people.forget(later(ATTEMPTS_LAST_US))
    assert people.attempts(anna) == Attempts()
    assert people.attempts(ben) == Attempts(1)
    people.note_attempts(ben, Attempts(), NOON)
    assert people.attempts(ben) == Attempts()


def test_administrators_are_those_that_can_come_in(reopen: Open) -> None:
    people = reopen()
    people.add_login(a_login())
    for name in ("zoe", "root", "old"):
        people.add_login(a_login(name, role=AccessRole.ADMINISTRATOR, is_disabled=name == "old"))
    assert people.administrators() == ["root", "zoe"]


def test_login_goes_with_all_that_is_its(reopen: Open) -> None:
    people = reopen()
    for name in ("anna", "ben"):
        people.add_login(a_login(name))
        people.add_key(a_key(f"k-{name}", login=name))
        people.add_session(a_session(len(name), login=name))
        people.start_answer(an_answer(owner=name))
    assert people.remove_login("anna")
    assert not people.remove_login("anna")
    assert people.login("anna") is None
    assert people.key("k-anna") is None
    assert people.session(f"{4:064x}") is None
    assert people.start_answer(an_answer(owner="anna")) is None
    assert people.key("k-ben") is not None
    assert people.session(f"{3:064x}") is not None
    assert people.start_answer(an_answer(owner="ben")) is not None


def test_key_is_kept_used_hashed_anew_and_revoked(reopen: Open) -> None:
    people = reopen()
    people.add_login(a_login())
    people.add_key(a_key("k2", created_at=later(1)))
    people.add_key(a_key("k1"))
    assert people.keys("anna") == [a_key("k1"), a_key("k2", created_at=later(1))]
    before = people.changes(NOON)
    people.note_used({"k1": later(5), "gone": later(5)})
    assert people.changes(NOON) == before
    people.rehash_key("k1", "i" * 64)
    people.revoke_key("k1", later(7))
    people.revoke_key("k1", later(9))
    found = people.key("k1")
    assert found is not None
    assert (found.used_at, found.key_hash, found.revoked_at) == (later(5), "i" * 64, later(7))
    assert people.changes(NOON) != before
    with pytest.raises(PeopleError, match="no key"):
        people.revoke_key("gone", NOON)
    with pytest.raises(PeopleError, match="there already"):
        people.add_key(a_key("k1"))
    with pytest.raises(PeopleError, match="no login"):
        people.add_key(a_key("k3", login="nobody"))


def test_keys_of_a_login_are_bounded_and_revoked_ones_do_not_count(reopen: Open) -> None:
    people = reopen()
    people.add_login(a_login())
    for number in range(KEYS_PER_LOGIN_MAX):
        people.add_key(a_key(f"k{number}"))
    with pytest.raises(PeopleError, match="keys already"):
        people.add_key(a_key("one-more"))
    people.revoke_key("k0", NOON)
    people.add_key(a_key("one-more"))


def test_oldest_session_ends_where_there_are_too_many(reopen: Open) -> None:
    people = reopen()
    people.add_login(a_login())
    people.add_login(a_login("ben"))
    people.add_session(a_session(900, login="ben"))
    before = people.changes(NOON)
    for number in range(1, SESSIONS_PER_LOGIN_MAX + 1):
        people.add_session(a_session(number))
    assert people.session(a_session(1).session_hash) == a_session(1)
    assert people.changes(NOON) == before
    people.add_session(a_session(SESSIONS_PER_LOGIN_MAX + 1))
    assert people.changes(NOON) != before
    assert people.session(a_session(1).session_hash) is None
    assert people.session(a_session(2).session_hash) == a_session(2)
    assert people.end_session(a_session(2).session_hash)
    assert not people.end_session(a_session(2).session_hash)
    assert people.end_sessions("anna") == SESSIONS_PER_LOGIN_MAX - 1
    assert people.session(a_session(900).session_hash) is not None
    with pytest.raises(PeopleError, match="no login"):
        people.add_session(a_session(login="nobody"))


def test_writes_stand_together_or_not_at_all(reopen: Open) -> None:
    people = reopen()
    people.add_login(a_login())
    people.write_audit(an_entry())
    before = people.audit_head()

    def fail() -> None:
        with people.one_write():
            people.change_login("anna", is_disabled=True)
            people.add_key(a_key())
            people.set_particulars(HOUSE, ANNA)
            people.start_answer(an_answer())
            people.write_audit(an_entry("disable"))
            raise PeopleError("on second thoughts")

    with pytest.raises(PeopleError, match="second thoughts"):
        fail()
    again = reopen()
    assert again.login("anna") == a_login()
    assert again.key("k1") is None
    assert again.particulars(HOUSE) is None
    assert again.audit_head() == before
    assert again.check_audit() == []
    assert again.start_answer(an_answer()) is None


def test_audit_log_is_read_newest_first_by_pages_and_by_login(reopen: Open) -> None:
    people = reopen()
    assert people.check_audit() == []
    for number in range(1, 6):
        name = "anna" if number % 2 else "ben"
        line = people.write_audit(an_entry(f"act-{number}", login=name, at=later(number)))
        assert line.number == number
    assert [one.number for one in people.audit()] == [5, 4, 3, 2, 1]
    assert [one.number for one in people.audit(4, 2)] == [3, 2]
    assert people.audit(1) == []
    assert [one.number for one in people.audit(login="ben")] == [4, 2]
    assert people.audit()[0][1:8] == an_entry("act-5", at=later(5))
    again = reopen()
    assert again.check_audit() == []
    assert again.write_audit(an_entry()).number == 6
    assert again.check_audit(people.audit_head()) == []


def test_log_that_does_not_lead_to_a_noted_head_shows(reopen: Open) -> None:
    people = reopen()
    people.write_audit(an_entry())
    known = people.audit_head()
    people.write_audit(an_entry())
    assert people.check_audit(known) == []
    assert people.check_audit(AuditHead(0, "")) == []
    for strange in (AuditHead(1, "0" * 64), AuditHead(9, known.line_hash)):
        assert people.check_audit(strange) == [
            f"line {strange.number} is not the one that was noted elsewhere"
        ]


def test_line_of_the_log_bears_no_character_that_hides_another(reopen: Open) -> None:
    people = reopen()
    line = people.write_audit(AuditEntry(NOON, "a\x00b", "c\nd", "\ud800", "\u202e", "é" * 900))
    assert line[2:7] == ("a?b", "c?d", "?", "?", "é" * 500)
    assert people.audit() == [line]
    assert people.check_audit() == []


def test_particulars_are_kept_replaced_and_erased(reopen: Open) -> None:
    people = reopen()
    assert people.particulars(HOUSE) is None
    people.set_particulars(HOUSE, {"name": "A\x00 ß 家"})
    people.set_particulars(HOUSE, ANNA)
    people.set_particulars(PartyId("house-2"), {})
    assert reopen().particulars(HOUSE) == ANNA
    assert people.erase(HOUSE)
    assert not people.erase(HOUSE)
    assert reopen().particulars(HOUSE) is None
    assert people.particulars(PartyId("house-2")) == {}


@pytest.mark.parametrize(
    ("party", "particulars"),
    [("house-1", {"name": "x" * 20_000}), ("house-1", {"name": "\ud800"}), ("", {}), ("\x00", {})],
)
def test_particulars_that_cannot_be_kept_are_refused(
    reopen: Open, party: str, particulars: dict[str, str]
) -> None:
    with pytest.raises(PeopleError):
        reopen().set_particulars(PartyId(party), particulars)


def test_answers_about_a_person_are_erased_with_them(reopen: Open) -> None:
    people = reopen()
    for key, about in (("r-1", HOUSE), ("r-2", None)):
        people.start_answer(an_answer(key))
        people.finish_answer(an_answer(key, status=200, body=b"Anna", about=about))
    people.erase(HOUSE)
    assert people.start_answer(an_answer("r-1")) is None
    assert people.start_answer(an_answer("r-2")) is not None


def test_request_is_answered_once_and_its_answer_remembered_for_a_day(reopen: Open) -> None:
    people = reopen()
    assert people.start_answer(an_answer()) is None
    assert people.start_answer(an_answer(at=later(SECOND))) == an_answer()
    done = an_answer(status=201, body=b"\x00\xff")
    people.finish_answer(done)
    again = reopen()
    assert again.start_answer(an_answer(at=later(DAY - 1))) == done
    assert again.start_answer(an_answer(owner="ben")) is None
    assert again.start_answer(an_answer(at=later(ANSWER_LASTS_US))) is None


def test_request_that_failed_or_never_ended_may_come_again(reopen: Open) -> None:
    people = reopen()
    people.start_answer(an_answer())
    people.drop_answer("anna", "r-1")
    assert people.start_answer(an_answer()) is None
    assert people.start_answer(an_answer(at=later(IN_FLIGHT_US - 1))) is not None
    assert people.start_answer(an_answer(at=later(IN_FLIGHT_US))) is None


@pytest.mark.parametrize("key", ["", "x" * 256, "\x00", "\ud800"])
def test_key_of_a_request_is_short_printable_text(reopen: Open, key: str) -> None:
    with pytest.raises(PeopleError, match="printable"):
        reopen().start_answer(an_answer(key))


def test_answer_that_is_too_large_is_refused(reopen: Open) -> None:
    people = reopen()
    people.start_answer(an_answer())
    with pytest.raises(PeopleError, match="bytes"):
        people.finish_answer(an_answer(status=200, body=bytes(ANSWER_BYTES_MAX + 1)))


def test_challenge_is_taken_once_and_in_time(reopen: Open) -> None:
    people = reopen()
    for name in ("c1", "c2"):
        people.add_challenge(Challenge(name, MeterId("m07"), later(SECOND)), NOON)
    assert people.take_challenge("c1", NOON) == "m07"
    assert people.take_challenge("c1", NOON) is None
    assert people.take_challenge("c2", later(SECOND)) is None
    assert people.take_challenge("c2", NOON) is None


def test_what_has_expired_is_forgotten(reopen: Open) -> None:
    people = reopen()
    people.add_login(a_login())
    people.add_session(a_session(1, lasts_us=SECOND))
    people.add_session(a_session(2, lasts_us=DAY))
    people.add_challenge(Challenge("c1", MeterId("m07"), later(SECOND)), NOON)
    people.start_answer(an_answer("r-1"))
    people.start_answer(an_answer("r-2"))
    people.finish_answer(an_answer("r-2", status=200))
    people.forget(later(IN_FLIGHT_US))
    assert people.session(a_session(1).session_hash) is None
    assert people.session(a_session(2).session_hash) is not None
    assert people.start_answer(an_answer("r-1")) is None
    assert people.start_answer(an_answer("r-2")) is not None
    assert people.take_challenge("c1", NOON) is None


def test_door_works_alike_on_every_store(reopen: Open) -> None:
    people = reopen()
    door, _ = a_door(people)
    session = run(door.sign_in("anna", PASSWORD))
    anna = door.identify(session=session.token)
    made, token = door.make_key(anna, "a bot"), door.issue_token(anna)
    root = door.identify(session=run(door.sign_in("root", PASSWORD)).token)
    desk = Desk(door)
    desk.change_parties(root, "anna", frozenset({HOUSE, PartyId("house-2")}))
    assert door.identify(api_key=made.clear).owns(PartyId("house-2"))
    desk.set_particulars(anna, HOUSE, ANNA)
    assert desk.erase(root, HOUSE)
    with pytest.raises(PeopleError, match="administrator"):
        desk.disable(root, "root")
    assert door.identify(session=session.token).login == "anna"
    desk.disable(root, "anna")
    for shown in ({"session": session.token}, {"api_key": made.clear}, {"bearer": token}):
        with pytest.raises(AccessDenied):
            door.identify(**shown)
    door.upkeep()
    assert people.check_audit() == []
    assert [act for _, act, _, outcome in acts(door) if outcome == "done"] == [
        "sign_in", "make_key", "issue_token", "sign_in", "change_parties", "set_particulars",
        "erase", "disable",
    ]  # fmt: skip


def test_stolen_rows_let_nobody_in(reopen: Open) -> None:
    people = reopen()
    door, _ = a_door(people)
    session = run(door.sign_in("anna", PASSWORD))
    made = door.make_key(door.identify(session=session.token), "a bot")
    anna, stored = people.login("anna"), people.key(made.record.key)
    kept = people.session(_hash_of(session.token))
    stolen = [
        str(getattr(row, field.name))
        for row in (anna, stored, kept)
        if row is not None
        for field in fields(row)
    ]
    shown = [text for one in stolen for text in (one, f"wb_{made.record.key}_{one}")]
    for text in shown:
        for means in ("bearer", "api_key", "session"):
            with pytest.raises(AccessDenied):
                door.identify(**{means: text})
    with pytest.raises(AccessDenied):
        run(door.sign_in("anna", anna.password_hash if anna and anna.password_hash else ""))


def _hash_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
