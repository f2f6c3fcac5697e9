"""The first administrator: made once, with a password that nobody knows beforehand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.people import NOON, PASSWORD, SECRETS, a_login, quick_passwords, run
from wattbay.access.door import Door
from wattbay.access.first import first_administrator
from wattbay.access.people import MemoryPeople
from wattbay.access.roles import Permission
from wattbay.errors import ConfigError
from wattbay.kernel.clock import SimulatedClock

BITS_MIN = 128
BITS_PER_LETTER = 6


def a_door(people: MemoryPeople) -> Door:
    return Door(people, SECRETS, SimulatedClock(NOON), passwords=quick_passwords())


def test_first_start_draws_a_password_that_has_to_be_changed() -> None:
    people, others = MemoryPeople(), MemoryPeople()
    drawn = first_administrator(people, NOON, passwords=quick_passwords())
    assert drawn is not None
    assert len(drawn) * BITS_PER_LETTER >= BITS_MIN
    assert first_administrator(others, NOON, passwords=quick_passwords()) != drawn
    door = a_door(people)
    session = run(door.sign_in("admin", drawn))
    assert session.must_change
    assert door.identify(session=session.token).granted == frozenset()
    admin = door.identify(session=session.token)
    changed = run(door.change_password(admin, drawn, PASSWORD))
    assert door.identify(session=changed.token).may(Permission.MANAGE_LOGINS)
    assert people.audit()[-1][2:6] == ("", "first_administrator", "admin", "done")


def test_later_starts_make_nobody() -> None:
    people = MemoryPeople()
    people.add_login(a_login())
    assert first_administrator(people, NOON, passwords=quick_passwords()) is None
    assert [one.login for one in people.logins()] == ["anna"]


def test_password_comes_from_a_file_where_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "admin-password"
    file.write_text(f"{PASSWORD}\n")
    people = MemoryPeople()
    made = first_administrator(people, NOON, password_file=file, passwords=quick_passwords())
    assert made is None
    assert not run(a_door(people).sign_in("admin", PASSWORD)).must_change


@pytest.mark.parametrize("content", [b"", b"admin\n", b"changemechangeme", b"\xff\xfe"])
def test_file_with_a_password_that_would_be_guessed_makes_nobody(
    tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "admin-password"
    file.write_bytes(content)
    people = MemoryPeople()
    with pytest.raises(ConfigError, match="admin-password"):
        first_administrator(people, NOON, password_file=file)
    assert not people.has_logins()


def test_file_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        first_administrator(MemoryPeople(), NOON, password_file=tmp_path / "none")
