"""The desk: administrators change logins, nobody else does, and one always stays."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from tests.people import NOON, PASSWORD, a_door, acts, an_identity, run
from wattbay.access.denial import AccessDenied, Denial
from wattbay.access.desk import Desk
from wattbay.access.door import Door
from wattbay.access.identity import Identity, Means
from wattbay.access.records import PeopleError
from wattbay.access.roles import AccessRole, Permission
from wattbay.ids import PartyId
from wattbay.periods import SECOND, Instant

HOUSE = PartyId("house-1")
ROOT = an_identity("root", role=AccessRole.ADMINISTRATOR, parties=())

Act = Callable[[Desk, Identity], object]
ACTS: tuple[tuple[str, Act], ...] = (
    ("add_login", lambda desk, by: desk.add_login(by, "ben", frozenset())),
    ("reset_password", lambda desk, by: desk.reset_password(by, "anna")),
    ("change_roles", lambda desk, by: desk.change_roles(by, "anna", frozenset())),
    ("change_parties", lambda desk, by: desk.change_parties(by, "anna", frozenset())),
    ("disable", lambda desk, by: desk.disable(by, "anna")),
    ("enable", lambda desk, by: desk.enable(by, "anna")),
    ("remove_login", lambda desk, by: desk.remove_login(by, "anna")),
    ("set_particulars", lambda desk, by: desk.set_particulars(by, HOUSE, {"name": "A"})),
    ("erase", lambda desk, by: desk.erase(by, HOUSE)),
)


def do(act: Act, desk: Desk, by: Identity) -> None:
    """Let an act happen, and wait for it where it is awaited."""

    async def wait() -> None:
        done = act(desk, by)
        if isinstance(done, Awaitable):
            await done

    asyncio.run(wait())


@pytest.mark.parametrize("act", [act for _, act in ACTS], ids=[name for name, _ in ACTS])
@pytest.mark.parametrize("role", [role for role in AccessRole if role != "administrator"])
def test_nobody_but_an_administrator_does_anything(role: AccessRole, act: Act) -> None:
    door, _ = a_door()
    before = door.people.logins()
    with pytest.raises(AccessDenied) as caught:
        do(act, Desk(door), an_identity("ben", role=role, parties=()))
    assert caught.value.reason is Denial.NOT_PERMITTED
    assert door.people.logins() == before
    assert door.people.particulars(HOUSE) is None
    assert [(login, outcome) for login, _, _, outcome in acts(door)] == [("ben", "not_permitted")]


@pytest.mark.parametrize(("name", "act"), ACTS, ids=[name for name, _ in ACTS])
def test_every_act_is_in_the_log_with_who_did_it(name: str, act: Act) -> None:
    door, _ = a_door()
    do(act, Desk(door), ROOT)
    assert [(login, what) for login, what, _, _ in acts(door)] == [("root", name)]


def test_administrator_with_a_limited_key_does_only_what_it_is_for() -> None:
    door, _ = a_door()
    scopes = frozenset({Permission.READ_METRICS})
    limited = an_identity("root", role=AccessRole.ADMINISTRATOR, scopes=scopes)
    with pytest.raises(AccessDenied):
        Desk(door).disable(limited, "anna")


def test_last_administrator_stays() -> None:
    door, _ = a_door()
    desk = Desk(door)
    for act in (
        lambda: desk.disable(ROOT, "root"),
        lambda: desk.remove_login(ROOT, "root"),
        lambda: desk.change_roles(ROOT, "root", frozenset({AccessRole.ANALYST})),
    ):
        with pytest.raises(PeopleError, match="administrator"):
            act()
    root = door.people.login("root")
    assert root is not None
    assert not root.is_disabled
    assert acts(door) == []
    desk.change_roles(ROOT, "anna", frozenset({AccessRole.ADMINISTRATOR}))
    desk.disable(ROOT, "root")


def test_changed_roles_and_parties_hold_at_once_and_end_tokens() -> None:
    door, _ = a_door()
    desk = Desk(door)
    session = run(door.sign_in("anna", PASSWORD)).token
    token = door.issue_token(door.identify(session=session))
    desk.change_roles(ROOT, "anna", frozenset({AccessRole.ANALYST}))
    assert not door.identify(session=session).may(Permission.TRADE_OWN)
    with pytest.raises(AccessDenied):
        door.identify(bearer=token)
    desk.change_parties(ROOT, "anna", frozenset())
    assert not door.identify(session=session).owns(HOUSE)


def test_login_is_named_like_a_pseudonym_and_once() -> None:
    door, _ = a_door()
    desk = Desk(door)
    for name in ("anna@example.org", "", "x" * 65, "\ud800"):
        with pytest.raises(PeopleError):
            run(desk.add_login(ROOT, name, frozenset()))
    with pytest.raises(PeopleError, match="there already"):
        run(desk.add_login(ROOT, "anna", frozenset()))


def test_login_of_a_device_has_no_password_and_comes_in_by_its_key() -> None:
    door, _ = a_door()
    roles = frozenset({AccessRole.DEVICE})
    assert run(Desk(door).add_login(ROOT, "meter-7", roles, with_password=False)) is None
    made = door.make_key(ROOT, "of the meter", login="meter-7")
    assert door.identify(api_key=made.clear).may(Permission.SUBMIT_READINGS)
    for guess in ("", "None", PASSWORD):
        with pytest.raises(AccessDenied):
            run(door.sign_in("meter-7", guess))


def test_reset_password_ends_the_rest_and_the_sessions() -> None:
    door, clock = a_door()
    session = run(door.sign_in("anna", PASSWORD)).token
    for _ in range(5):
        with pytest.raises(AccessDenied):
            run(door.sign_in("anna", "wrong"))
    clock.advance(Instant(NOON + SECOND))
    clear = run(Desk(door).reset_password(ROOT, "anna"))
    assert run(door.sign_in("anna", clear)).must_change
    with pytest.raises(AccessDenied):
        door.identify(session=session)


def test_member_keeps_its_own_particulars_and_the_log_does_not_bear_them() -> None:
    door, _ = a_door()
    desk = Desk(door)
    desk.set_particulars(an_identity(), HOUSE, {"name": "Anna Z.", "street": "Uferweg 7"})
    assert door.people.particulars(HOUSE) == {"name": "Anna Z.", "street": "Uferweg 7"}
    line = door.people.audit()[0]
    assert (line.subject, line.detail) == (HOUSE, "name street")
    with pytest.raises(AccessDenied):
        desk.set_particulars(an_identity(), PartyId("house-2"), {})
    limited = an_identity(scopes=frozenset(Permission))
    with pytest.raises(AccessDenied):
        desk.set_particulars(limited, HOUSE, {})


def test_who_takes_a_name_that_was_removed_is_not_met_by_its_old_tokens() -> None:
    door, clock = a_door()
    desk = Desk(door)

    def newly_made() -> Identity:
        run(desk.add_login(ROOT, "ben", frozenset({AccessRole.PROSUMER}), with_password=False))
        return door.identify(api_key=door.make_key(ROOT, "first", login="ben").clear)

    token = door.issue_token(newly_made())
    ben = replace(newly_known(door, "ben"), key=None, means=Means.SESSION)
    of_a_session = door.issue_token(ben)
    desk.remove_login(ROOT, "ben")
    clock.advance(Instant(NOON + SECOND))
    newly_made()
    for old in (token, of_a_session):
        with pytest.raises(AccessDenied):
            door.identify(bearer=old)


def newly_known(door: Door, login: str) -> Identity:
    """Return who somebody is by a key."""
    return door.identify(api_key=door.make_key(ROOT, "another", login=login).clear)
