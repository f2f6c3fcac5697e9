"""What becomes of people in files and servers: migrations, tampering, erasure, other programs."""

from __future__ import annotations

import dataclasses
import sqlite3
import stat
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine

from tests.people import NOON, PASSWORD, SECRETS, a_door, a_login, an_identity, quick_passwords, run
from tests.servers import Server, postgres
from wattbay.access.attempts import NAMES_MAX
from wattbay.access.audit import BEFORE_ALL, next_line
from wattbay.access.denial import AccessDenied
from wattbay.access.desk import Desk
from wattbay.access.records import (
    ANSWERS_PER_OWNER_MAX,
    CHALLENGES_MAX,
    AuditEntry,
    Challenge,
    PeopleError,
    StoredAnswer,
)
from wattbay.access.roles import AccessRole, Permission
from wattbay.adapters.stores import people as people_room
from wattbay.adapters.stores.people import SqlPeople
from wattbay.adapters.stores.people.tables import TABLES, VERSION_TABLE
from wattbay.errors import AdapterError
from wattbay.ids import MeterId, PartyId
from wattbay.periods import HOUR, SECOND, Instant

MIGRATIONS = Path(people_room.__file__).parent / "migrations"
PARTIES = [PartyId(f"house-{number}") for number in range(120)]


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "people.db"


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Server, str]]:
    with postgres() as running:
        yield running


def migrate(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


ROWS_OF_0001 = (
    "INSERT INTO people_logins VALUES ('anna', '{hashed}', '{role}', '', 1, '0', '0', 0)",
    "INSERT INTO people_keys VALUES ('{key}', '{made}', 'anna', '', 'read_own', 1, NULL, NULL)",
    "INSERT INTO people_particulars VALUES ('house-1', '{{\"name\":\"Anna\"}}')",
    "INSERT INTO people_audit VALUES (1, {at}, 'anna', 'sign_in', '', 'done', '', '', '{line}')",
    "UPDATE people_state SET audit_number = 1, audit_hash = '{line}'",
)


def fill_0001(connection: Connection) -> str:
    """Write what a store at revision 1 may hold; return the key that is in it."""
    clear = "wb_0123456789ab_" + "s" * 43
    line = next_line(BEFORE_ALL, AuditEntry(NOON, "anna", "sign_in", "", "done"))
    values = {
        "role": "prosumer", "hashed": quick_passwords().hash(PASSWORD), "key": "0123456789ab",
        "made": SECRETS.key_hash(clear), "at": NOON, "line": line.line_hash,
    }  # fmt: skip
    for row in ROWS_OF_0001:
        connection.exec_driver_sql(row.format(**values))
    return clear


def check_migrated(people: SqlPeople, clear: str) -> None:
    door, _ = a_door(people)
    assert door.identify(api_key=clear).granted == {Permission.READ_OWN}
    door.upkeep()
    assert people.keys("anna")[0].used_at == NOON
    assert run(door.sign_in("anna", PASSWORD)).login == "anna"
    assert people.particulars(PartyId("house-1")) == {"name": "Anna"}
    assert people.start_answer(an_answer()) is None
    assert people.check_audit() == []
    assert len(people.audit()) == 2


def an_answer(about: PartyId | None = None, body: bytes = b"", status: int = 0) -> StoredAnswer:
    return StoredAnswer(
        owner="root", key="r-1", body_hash=b"h", created_at=NOON, about=about, body=body,
        status=status,
    )  # fmt: skip


def test_sqlite_of_the_first_revision_is_migrated_with_its_rows(path: Path) -> None:
    engine = create_engine(url_of(path))
    with engine.begin() as connection:
        migrate(connection, "0001")
        clear = fill_0001(connection)
        connection.exec_driver_sql(f"PRAGMA application_id = {0x57425045}")
    engine.dispose()
    people = SqlPeople(url_of(path))
    check_migrated(people, clear)
    people.close()


@pytest.mark.postgres
def test_postgres_of_the_first_revision_is_migrated_with_its_rows(
    server: tuple[Server, str],
) -> None:
    _, conninfo = server
    options = "-c search_path=old"
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(conninfo, options=options)
    )
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA old")
        migrate(connection, "0001")
        clear = fill_0001(connection)
    engine.dispose()
    people = SqlPeople(conninfo, schema="old")
    check_migrated(people, clear)
    people.close()


def test_migrations_lead_to_the_tables_that_are_used(path: Path) -> None:
    SqlPeople(url_of(path)).close()
    engine = create_engine(url_of(path))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, TABLES) == []
    engine.dispose()


def test_store_of_a_newer_version_is_refused_and_left_as_it_is(path: Path) -> None:
    SqlPeople(url_of(path)).close()
    db = sqlite3.connect(path)
    db.execute("UPDATE people_version SET version_num = '9999'")
    db.commit()
    with pytest.raises(AdapterError, match=r"9999.*newer"):
        SqlPeople(url_of(path))
    assert db.execute("SELECT version_num FROM people_version").fetchall() == [("9999",)]
    db.close()


def test_migration_that_fails_leaves_the_tables_as_they_were(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA application_id = {0x57425045}")
    db.execute("CREATE TABLE people_audit (number INTEGER)")
    db.commit()
    with pytest.raises(AdapterError, match="people_audit already exists"):
        SqlPeople(url_of(path))
    tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert tables == [("people_audit",)]
    db.close()


@pytest.mark.parametrize(
    "content",
    [b"not a database, but a text that is long enough to be looked at" * 20, None],
    ids=["a text", "another database"],
)
def test_file_that_is_something_else_is_refused_and_left_as_it_is(
    path: Path, content: bytes | None
) -> None:
    if content is None:
        db = sqlite3.connect(path)
        db.execute("CREATE TABLE other (a)")
        db.commit()
        db.close()
    else:
        path.write_bytes(content)
    with pytest.raises(AdapterError):
        SqlPeople(url_of(path))
    if content is not None:
        assert path.read_bytes() == content


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "sqlite:///:memory:", "mysql://x/y", "nonsense", "sqlite:////no/such/dir/x"],
)
def test_what_cannot_be_opened_is_told(url: str) -> None:
    with pytest.raises(AdapterError):
        SqlPeople(url)


def test_file_is_the_owners_alone(path: Path) -> None:
    people = SqlPeople(url_of(path))
    people.add_login(a_login())
    for each in path.parent.iterdir():
        assert stat.S_IMODE(each.stat().st_mode) == 0o600, each
    people.close()


TAMPERING = (
    ("DELETE FROM people_audit WHERE number = 2", "line 2 is missing before line 3"),
    ("DELETE FROM people_audit WHERE number = 1", "line 1 is missing before line 2"),
    ("DELETE FROM people_audit WHERE number = 4", "the log ends with line 3, not with line 4"),
    ("DELETE FROM people_audit", "the log ends with line 0, not with line 4"),
    ("UPDATE people_audit SET outcome = 'done' WHERE number = 3", "line 3 is not what was written"),
    ("UPDATE people_audit SET at = at + 1 WHERE number = 1", "line 1 is not what was written"),
    ("UPDATE people_audit SET number = 9 WHERE number = 4", "line 4 is missing before line 9"),
    ("UPDATE people_audit SET login = 'ben', subject = '' WHERE number = 2", "line 2 is not what"),
)


@pytest.mark.parametrize(("statement", "fault"), TAMPERING)
def test_change_of_the_audit_log_shows(path: Path, statement: str, fault: str) -> None:
    people = SqlPeople(url_of(path))
    for number in range(4):
        people.write_audit(AuditEntry(NOON, "anna", f"act-{number}", "x", "denied"))
    known = people.audit_head()
    assert people.check_audit(known) == []
    db = sqlite3.connect(path)
    db.execute(statement)
    db.commit()
    db.close()
    assert any(fault in one for one in people.check_audit(known))
    people.close()


def test_log_that_was_written_anew_shows_by_a_head_noted_elsewhere(path: Path) -> None:
    people = SqlPeople(url_of(path))
    people.write_audit(AuditEntry(NOON, "mallory", "add_login", "mallory", "done"))
    known = people.audit_head()
    db = sqlite3.connect(path)
    db.execute("DELETE FROM people_audit")
    db.execute("UPDATE people_state SET audit_number = 0, audit_hash = ''")
    db.commit()
    db.close()
    people.write_audit(AuditEntry(NOON, "anna", "sign_in", "", "done"))
    assert people.check_audit() == []
    assert people.check_audit(known) == ["line 1 is not the one that was noted elsewhere"]
    people.close()


def particulars_of(party: PartyId, version: int) -> dict[str, str]:
    """Return particulars that can be found in a file, of lengths that fill pages differently."""
    number = PARTIES.index(party)
    marked = f"<{party} v{version}>"
    return {"name": marked, "street": marked * (1 + number * 7 % 90), "email": f"{marked}@home"}


def crowd(people: SqlPeople) -> Desk:
    """Keep many particulars, replace some, and remember answers about all."""
    door, _ = a_door(people)
    for version in (1, 2):
        for party in PARTIES[:: 1 if version == 1 else 3]:
            people.set_particulars(party, particulars_of(party, version))
    for number, party in enumerate(PARTIES):
        started = StoredAnswer(
            owner="root", key=f"r-{number}", body_hash=b"h", created_at=NOON, status=200,
            body=str(particulars_of(party, 1)).encode() * 5, about=party,
        )  # fmt: skip
        people.start_answer(started)
    return Desk(door)


def traces(folder: Path, party: PartyId) -> list[str]:
    """Return the files in which a party's particulars still are."""
    mark = f"<{party} v".encode()
    return [str(each) for each in folder.rglob("*") if each.is_file() and mark in each.read_bytes()]


def test_person_who_is_erased_is_in_no_byte_of_the_files(path: Path) -> None:
    people = SqlPeople(url_of(path))
    desk = crowd(people)
    root = an_identity("root", role=AccessRole.ADMINISTRATOR, parties=())
    for number, party in enumerate(PARTIES):
        assert traces(path.parent, party)
        desk.erase(root, party)
        assert traces(path.parent, party) == []
        if number + 1 < len(PARTIES):
            kept = people.particulars(PARTIES[number + 1])
            assert kept is not None
    assert people.audit(limit=1)[0][2:6] == ("root", "erase", PARTIES[-1], "done")
    people.close()


def test_traces_that_cannot_be_removed_for_a_reader_are_told_and_removed_later(path: Path) -> None:
    people = SqlPeople(url_of(path))
    party = PARTIES[0]
    people.set_particulars(party, particulars_of(party, 1))
    reader = sqlite3.connect(path)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM people_particulars").fetchall()
    with pytest.raises(AdapterError, match="erase once more"):
        people.erase(party)
    assert people.particulars(party) is None
    reader.close()
    people.erase(party)
    assert traces(path.parent, party) == []
    people.close()


@pytest.mark.postgres
def test_person_who_is_erased_is_in_no_table_file_of_postgres(server: tuple[Server, str]) -> None:
    _, conninfo = server
    people = SqlPeople(conninfo, schema="erased")
    desk = crowd(people)
    tables = Path(conninfo.split()[0].removeprefix("host=")) / "cluster" / "base"
    root = an_identity("root", role=AccessRole.ADMINISTRATOR, parties=())
    with psycopg.connect(conninfo, autocommit=True) as db:
        db.execute("CHECKPOINT")
        assert traces(tables, PARTIES[7])
        desk.erase(root, PARTIES[7])
        db.execute("CHECKPOINT")
        assert traces(tables, PARTIES[7]) == []
        assert traces(tables, PARTIES[8])
    people.close()


def other_program_disables(first: SqlPeople, second: SqlPeople) -> None:
    """Disable a login by one store, and see when a door before the other refuses it."""
    door, clock = a_door(first)
    key = door.make_key(an_identity(), "a bot").clear
    assert door.identify(api_key=key).login == "anna"
    second.change_login("anna", is_disabled=True)
    clock.advance(Instant(NOON + SECOND))
    with pytest.raises(AccessDenied):
        door.identify(api_key=key)
    first.close()
    second.close()


def test_what_another_program_changes_holds_within_a_second(path: Path) -> None:
    other_program_disables(SqlPeople(url_of(path)), SqlPeople(url_of(path)))


@pytest.mark.postgres
def test_what_another_program_changes_in_postgres_holds_within_a_second(
    server: tuple[Server, str],
) -> None:
    _, conninfo = server
    first, second = (SqlPeople(conninfo, schema="others") for _ in range(2))
    other_program_disables(first, second)


def write_at_once(stores: list[SqlPeople]) -> None:
    """Let several programs write to one audit log, each with some threads."""
    faults: list[BaseException] = []

    def write(people: SqlPeople) -> None:
        try:
            for number in range(15):
                with people.one_write():
                    people.set_particulars(PARTIES[number], {})
                    people.write_audit(AuditEntry(NOON, "anna", "act", str(number), "done"))
        except AdapterError as error:
            faults.append(error)

    threads = [threading.Thread(target=write, args=(one,)) for one in stores * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert stores[0].check_audit() == []
    assert stores[0].audit_head().number == 15 * len(threads)
    for one in stores:
        one.close()


def test_programs_that_write_at_once_make_one_chain(path: Path) -> None:
    write_at_once([SqlPeople(url_of(path)) for _ in range(3)])


@pytest.mark.postgres
def test_programs_that_write_to_postgres_at_once_make_one_chain(
    server: tuple[Server, str],
) -> None:
    _, conninfo = server
    opened: list[SqlPeople] = []
    # They start at once, too, before there is any table.
    threads = [
        threading.Thread(target=lambda: opened.append(SqlPeople(conninfo, schema="at_once")))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 3
    write_at_once(opened)


@pytest.mark.postgres
def test_nobody_comes_in_while_the_database_is_gone_and_all_do_afterwards(
    server: tuple[Server, str],
) -> None:
    running, conninfo = server
    people = SqlPeople(conninfo, schema="gone")
    door, clock = a_door(people)
    key = door.make_key(an_identity(), "a bot").clear
    assert door.identify(api_key=key).login == "anna"
    running.kill()
    clock.advance(Instant(NOON + 2 * SECOND))
    with pytest.raises(AdapterError) as caught:
        door.identify(api_key=key)
    assert "SELECT" not in str(caught.value)
    with pytest.raises(AdapterError):
        run(door.sign_in("anna", PASSWORD))
    running.start()
    assert door.identify(api_key=key).login == "anna"
    assert run(door.sign_in("anna", PASSWORD)).login == "anna"
    people.close()


def test_fault_of_the_database_tells_no_values(path: Path) -> None:
    people = SqlPeople(url_of(path))
    party = PARTIES[0]
    db = sqlite3.connect(path)
    db.execute("DROP TABLE people_particulars")
    db.commit()
    db.close()
    with pytest.raises(AdapterError, match="people_particulars") as caught:
        people.set_particulars(party, particulars_of(party, 1))
    assert f"<{party} v1>" not in repr(caught.value) + repr(caught.value.__cause__)
    people.close()


def fill(path: Path, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
    db = sqlite3.connect(path)
    db.executemany(statement, rows)
    db.commit()
    db.close()


def count(path: Path, table: str) -> int:
    db = sqlite3.connect(path)
    found = db.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - our own names
    db.close()
    return int(found[0])


def test_what_anybody_can_fill_is_bounded_and_the_newest_stay(path: Path) -> None:
    people = SqlPeople(url_of(path))
    names = ((f"{number:064x}", 1, 0, NOON + number) for number in range(NAMES_MAX + 3))
    fill(path, "INSERT INTO people_attempts VALUES (?, ?, ?, ?)", names)
    people.forget(Instant(NOON + NAMES_MAX))
    assert count(path, "people_attempts") == NAMES_MAX
    assert people.attempts(f"{2:064x}").failures == 0
    assert people.attempts(f"{3:064x}").failures == 1

    kept = (("root", f"k{n}", b"h", NOON + n, 200, b"") for n in range(ANSWERS_PER_OWNER_MAX + 3))
    fill(path, "INSERT INTO people_answers VALUES (?, ?, ?, ?, ?, ?, NULL)", kept)
    newest = dataclasses.replace(an_answer(), created_at=Instant(NOON + SECOND))
    assert people.start_answer(newest) is None
    assert count(path, "people_answers") == ANSWERS_PER_OWNER_MAX

    open_ones = ((f"c{number}", "m07", NOON + SECOND) for number in range(CHALLENGES_MAX))
    fill(path, "INSERT INTO people_challenges VALUES (?, ?, ?)", open_ones)
    one_more = Challenge("one-more", MeterId("m07"), Instant(NOON + HOUR))
    with pytest.raises(PeopleError, match="open already"):
        people.add_challenge(one_more, NOON)
    people.add_challenge(one_more, Instant(NOON + SECOND))
    assert count(path, "people_challenges") == 1
    people.close()
