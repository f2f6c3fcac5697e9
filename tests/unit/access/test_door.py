"""The door: who comes in by what, and who does not, any more."""

from __future__ import annotations

import asyncio

import pytest
from argon2 import PasswordHasher

from tests.people import NOON, PASSWORD, SECRETS, a_door, acts, an_identity, run
from wattbay.access.attempts import FIRST_REST_US, FREE_FAILURES, REST_MAX_US
from wattbay.access.denial import AccessDenied, Denial
from wattbay.access.desk import Desk
from wattbay.access.door import (
    SESSION_LASTS_US,
    TOKEN_LASTS_MAX_US,
    TOKEN_LASTS_US,
    WAITING_MAX,
    Door,
)
from wattbay.access.identity import Identity, Means
from wattbay.access.passwords import Passwords
from wattbay.access.records import PeopleError
from wattbay.access.roles import AccessRole, Permission
from wattbay.access.secret_keys import Secrets
from wattbay.ids import CommunityId, PartyId
from wattbay.kernel.clock import SimulatedClock
from wattbay.periods import DAY, HOUR, MINUTE, SECOND, Instant

HOUSE = PartyId("house-1")
OTHER = "not-the-password-of-anybody"


def denied(call: object, *arguments: object, **named: object) -> AccessDenied:
    """Return the denial that a call ends in."""
    assert callable(call)
    try:
        answer = call(*arguments, **named)
        if asyncio.iscoroutine(answer):
            run(answer)
    except AccessDenied as found:
        return found
    raise AssertionError("it was not denied")


def signed_in(door: Door, login: str = "anna") -> Identity:
    return door.identify(session=run(door.sign_in(login, PASSWORD)).token)


def test_right_password_opens_a_session_that_says_who_it_is() -> None:
    door, _ = a_door()
    session = run(door.sign_in("anna", PASSWORD))
    assert (session.login, session.must_change) == ("anna", False)
    assert session.expires_at == NOON + SESSION_LASTS_US
    identity = door.identify(session=session.token)
    assert identity == an_identity(means=Means.SESSION)
    assert identity.may(Permission.TRADE_OWN)
    assert acts(door) == [("anna", "sign_in", "", "done")]


def test_wrong_password_and_unknown_login_are_told_alike() -> None:
    door, _ = a_door()
    wrong = denied(door.sign_in, "anna", OTHER)
    unknown = denied(door.sign_in, "nobody", OTHER)
    odd = denied(door.sign_in, "no/such\ud800 name", OTHER)
    assert wrong.reason is unknown.reason is odd.reason is Denial.NOT_KNOWN
    assert str(wrong) == str(unknown) == str(odd)


def test_unknown_login_is_not_written_down_for_it_may_be_a_password() -> None:
    door, _ = a_door()
    denied(door.sign_in, PASSWORD, PASSWORD)
    assert acts(door) == [("", "sign_in", "", "not_known")]
    assert PASSWORD not in str(door.people.audit())


@pytest.mark.parametrize("login", ["anna", "nobody"])
def test_login_rests_after_five_wrong_passwords_and_longer_each_time(login: str) -> None:
    door, clock = a_door()
    for _ in range(FREE_FAILURES):
        assert denied(door.sign_in, login, OTHER).reason is Denial.NOT_KNOWN
    locked = denied(door.sign_in, login, PASSWORD)
    assert (locked.reason, locked.retry_after_us) == (Denial.LOCKED, FIRST_REST_US)
    clock.advance(Instant(clock.now() + FIRST_REST_US))
    assert denied(door.sign_in, login, OTHER).reason is Denial.NOT_KNOWN
    assert denied(door.sign_in, login, OTHER).retry_after_us == 2 * FIRST_REST_US
    for _ in range(12):
        clock.advance(Instant(clock.now() + REST_MAX_US))
        denied(door.sign_in, login, OTHER)
    assert denied(door.sign_in, login, OTHER).retry_after_us == REST_MAX_US


def test_right_password_after_a_rest_starts_the_count_anew() -> None:
    door, clock = a_door()
    for _ in range(FREE_FAILURES):
        denied(door.sign_in, "anna", OTHER)
    clock.advance(Instant(NOON + FIRST_REST_US))
    run(door.sign_in("anna", PASSWORD))
    assert denied(door.sign_in, "anna", OTHER).reason is Denial.NOT_KNOWN
    assert run(door.sign_in("anna", PASSWORD)).login == "anna"


def test_name_that_nobody_bears_leaves_as_many_traces_as_one_that_somebody_does() -> None:
    traces = []
    for login in ("anna", "nobody"):
        door, clock = a_door()
        before = len(door.people.logins())
        for _ in range(FREE_FAILURES + 2):
            for name in (login, f"{login}-2"):
                denied(door.sign_in, name, OTHER)
            clock.advance(Instant(clock.now() + SECOND))
        kept = door.people.attempts(SECRETS.name_hash(login))
        traces.append((kept, len(acts(door)), before))
    assert traces[0] == traces[1]


def test_password_of_older_parameters_is_hashed_anew_when_it_is_right() -> None:
    door, clock = a_door()
    dearer = Passwords(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))
    later = Door(door.people, SECRETS, clock, passwords=dearer)
    denied(later.sign_in, "anna", OTHER)
    anna = door.people.login("anna")
    assert anna is not None
    assert dearer.is_outdated(anna.password_hash or "")
    run(later.sign_in("anna", PASSWORD))
    anna = door.people.login("anna")
    assert anna is not None
    assert not dearer.is_outdated(anna.password_hash or "")
    assert run(later.sign_in("anna", PASSWORD)).login == "anna"


def test_guesses_sent_at_once_are_counted_one_by_one() -> None:
    door, _ = a_door()

    async def guess() -> list[BaseException | object]:
        guesses = [door.sign_in("anna", f"{OTHER}-{number}") for number in range(30)]
        return await asyncio.gather(*guesses, return_exceptions=True)

    reasons = [one.reason for one in run(guess()) if isinstance(one, AccessDenied)]
    assert len(reasons) == 30
    # Two are hashed at once, so that one more than five may be under way.
    assert reasons.count(Denial.NOT_KNOWN) <= FREE_FAILURES + 1


def test_too_many_sign_ins_at_once_are_sent_away() -> None:
    door, _ = a_door()

    async def storm() -> list[BaseException | object]:
        many = [door.sign_in("anna", PASSWORD) for _ in range(WAITING_MAX + 3)]
        return await asyncio.gather(*many, return_exceptions=True)

    busy = [one for one in run(storm()) if isinstance(one, AccessDenied)]
    assert [one.reason for one in busy] == [Denial.BUSY] * 3
    assert run(door.sign_in("anna", PASSWORD)).login == "anna"


def test_session_ends_with_its_time_and_at_sign_out() -> None:
    door, clock = a_door()
    first, second = (run(door.sign_in("anna", PASSWORD)).token for _ in range(2))
    door.identify(session=first)
    door.sign_out(first)
    door.sign_out(first)
    assert denied(door.identify, session=first).reason is Denial.NOT_KNOWN
    clock.advance(Instant(NOON + SESSION_LASTS_US - 1))
    door.identify(session=second)
    clock.advance(Instant(NOON + SESSION_LASTS_US))
    assert denied(door.identify, session=second).reason is Denial.EXPIRED


def test_nothing_shown_is_nobody_and_leaves_no_line() -> None:
    door, _ = a_door()
    assert denied(door.identify).reason is Denial.NOTHING_SHOWN
    assert acts(door) == []


@pytest.mark.parametrize(
    "shown",
    [
        {"bearer": ""}, {"bearer": "x"}, {"bearer": "a.b.c"}, {"bearer": "é.ü.\ud800"},
        {"bearer": "x" * 100_000}, {"bearer": "wb_"}, {"bearer": "wb_a_b"}, {"api_key": ""},
        {"api_key": "wb_\ud800_x"}, {"api_key": "a_b_c"}, {"session": ""}, {"session": "\ud800"},
        {"bearer": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0."},
    ],
)  # fmt: skip
def test_whatever_else_is_shown_is_not_known(shown: dict[str, str]) -> None:
    door, _ = a_door()
    assert denied(door.identify, **shown).reason is Denial.NOT_KNOWN


def test_api_key_is_shown_as_key_or_as_bearer_and_kept_as_a_hash() -> None:
    door, _ = a_door()
    made = door.make_key(signed_in(door), "a bot")
    assert made.clear.startswith(f"wb_{made.record.key}_")
    assert made.clear not in repr(door.people.keys("anna"))
    by_key = door.identify(api_key=made.clear)
    assert by_key == door.identify(bearer=made.clear)
    assert (by_key.login, by_key.means, by_key.scopes) == ("anna", Means.API_KEY, None)
    altered = made.clear[:-1] + ("a" if made.clear[-1] != "a" else "b")
    assert denied(door.identify, api_key=altered).reason is Denial.NOT_KNOWN


def test_api_key_is_limited_to_its_scopes() -> None:
    door, _ = a_door()
    scopes = frozenset({Permission.READ_OWN})
    made = door.make_key(signed_in(door), "a display", scopes=scopes)
    identity = door.identify(api_key=made.clear)
    assert identity.granted == scopes
    assert identity.may_read(HOUSE)
    assert not identity.may_trade_for(HOUSE)


def test_limited_key_makes_no_wider_key_and_revokes_none() -> None:
    door, _ = a_door()
    anna = signed_in(door)
    scopes = frozenset({Permission.READ_OWN})
    made = door.make_key(anna, "a display", scopes=scopes)
    limited = door.identify(api_key=made.clear)
    for wider in (frozenset(), frozenset(Permission), scopes | {Permission.TRADE_OWN}):
        assert denied(door.make_key, limited, "wider", scopes=wider).reason is Denial.NOT_PERMITTED
    assert denied(door.revoke_key, limited, made.record.key).reason is Denial.NOT_PERMITTED
    assert door.make_key(limited, "as wide", scopes=scopes).record.scopes == scopes


def test_no_key_outlasts_what_it_was_made_with() -> None:
    door, _ = a_door()
    anna = signed_in(door)
    by_token = door.identify(bearer=door.issue_token(anna))
    assert denied(door.make_key, by_token, "for ever").reason is Denial.NOT_PERMITTED
    for_an_hour = door.make_key(anna, "short", expires_at=Instant(NOON + HOUR))
    by_key = door.identify(api_key=for_an_hour.clear)
    assert door.make_key(by_key, "for ever").record.expires_at == NOON + HOUR
    longer = door.make_key(by_key, "longer", expires_at=Instant(NOON + 2 * HOUR))
    assert longer.record.expires_at == NOON + HOUR
    shorter = door.make_key(by_key, "shorter", expires_at=Instant(NOON + MINUTE))
    assert shorter.record.expires_at == NOON + MINUTE
    by_token = door.identify(bearer=door.issue_token(by_key))
    assert denied(door.make_key, by_token, "more").reason is Denial.NOT_PERMITTED


def test_rest_is_no_longer_than_there_is_though_the_clock_was_set_back() -> None:
    door, _ = a_door(at=Instant(NOON + 365 * DAY))
    for _ in range(FREE_FAILURES):
        assert denied(door.sign_in, "anna", "wrong").reason is Denial.NOT_KNOWN
    assert denied(door.sign_in, "anna", PASSWORD).reason is Denial.LOCKED
    door.clock = SimulatedClock(NOON)
    assert run(door.sign_in("anna", PASSWORD)).login == "anna"


def test_key_allows_what_its_owner_may_and_never_more() -> None:
    door, _ = a_door()
    beyond = frozenset({Permission.READ_ALL})
    assert denied(door.make_key, signed_in(door), "x", scopes=beyond).reason
    root = signed_in(door, "root")
    assert denied(door.make_key, root, "x", login="anna", scopes=beyond).reason
    assert denied(door.make_key, signed_in(door), "x", login="root").reason is Denial.NOT_PERMITTED
    made = door.make_key(root, "of the meter", login="anna")
    assert door.identify(api_key=made.clear).login == "anna"
    with pytest.raises(PeopleError, match="no login"):
        door.make_key(root, "x", login="nobody")


def test_key_ends_when_it_is_revoked_or_expires() -> None:
    door, clock = a_door()
    anna = signed_in(door)
    for_an_hour = door.make_key(anna, "short", expires_at=Instant(NOON + HOUR))
    for_ever = door.make_key(anna, "long")
    door.identify(api_key=for_an_hour.clear)
    clock.advance(Instant(NOON + HOUR))
    assert denied(door.identify, api_key=for_an_hour.clear).reason is Denial.EXPIRED
    door.identify(api_key=for_ever.clear)
    door.revoke_key(anna, for_ever.record.key)
    assert denied(door.identify, api_key=for_ever.clear).reason is Denial.NOT_KNOWN
    assert ("anna", "revoke_key", f"anna {for_ever.record.key}", "done") in acts(door)


def test_one_login_cannot_revoke_anothers_key() -> None:
    door, _ = a_door()
    root = signed_in(door, "root")
    made = door.make_key(root, "of root")
    assert denied(door.revoke_key, signed_in(door), made.record.key).reason is Denial.NOT_PERMITTED
    assert denied(door.revoke_key, root, "0123456789ab").reason is Denial.NOT_PERMITTED
    own = door.make_key(signed_in(door), "of anna")
    door.revoke_key(root, own.record.key)
    assert denied(door.identify, api_key=own.clear).reason is Denial.NOT_KNOWN


def test_use_of_a_key_is_kept_by_the_minute() -> None:
    door, clock = a_door()
    made = door.make_key(signed_in(door), "a bot")
    door.identify(api_key=made.clear)
    clock.advance(Instant(NOON + SECOND))
    door.identify(api_key=made.clear)
    assert door.people.keys("anna")[0].used_at is None
    door.upkeep()
    assert door.people.keys("anna")[0].used_at == NOON


def test_token_says_who_it_is_until_its_time_is_over() -> None:
    door, clock = a_door()
    token = door.issue_token(signed_in(door))
    identity = door.identify(bearer=token)
    assert (identity.login, identity.means) == ("anna", Means.TOKEN)
    assert identity.owns(HOUSE)
    clock.advance(Instant(NOON + TOKEN_LASTS_US - 1))
    door.identify(bearer=token)
    clock.advance(Instant(NOON + TOKEN_LASTS_US))
    assert denied(door.identify, bearer=token).reason is Denial.EXPIRED


def test_token_lasts_a_day_at_most_and_makes_no_other() -> None:
    door, clock = a_door()
    token = door.issue_token(signed_in(door), 365 * DAY)
    by_token = door.identify(bearer=token)
    assert denied(door.issue_token, by_token).reason is Denial.NOT_PERMITTED
    clock.advance(Instant(NOON + TOKEN_LASTS_MAX_US))
    assert denied(door.identify, bearer=token).reason is Denial.EXPIRED


def test_token_made_with_a_key_is_as_limited_and_ends_with_it() -> None:
    door, _ = a_door()
    anna = signed_in(door)
    scopes = frozenset({Permission.READ_OWN})
    made = door.make_key(anna, "a display", scopes=scopes)
    token = door.issue_token(door.identify(api_key=made.clear))
    assert door.identify(bearer=token).granted == scopes
    door.revoke_key(anna, made.record.key)
    assert denied(door.identify, bearer=token).reason is Denial.NOT_KNOWN


def test_token_of_another_community_or_of_other_keys_is_not_known() -> None:
    door, clock = a_door()
    token = door.issue_token(signed_in(door))
    elsewhere = Door(door.people, SECRETS, clock, community=CommunityId("paris"))
    assert denied(elsewhere.identify, bearer=token).reason is Denial.NOT_KNOWN
    strange = Door(door.people, Secrets.drawn(), clock)
    assert denied(strange.identify, bearer=token).reason is Denial.NOT_KNOWN


def test_rotated_keys_still_know_what_the_last_two_made() -> None:
    door, clock = a_door()
    anna = signed_in(door)
    token, made = door.issue_token(anna), door.make_key(anna, "a bot")
    twice = SECRETS.rotated().rotated()
    thrice, later = twice.rotated(), Door(door.people, twice, clock)
    assert later.identify(bearer=token).login == "anna"
    assert denied(Door(door.people, thrice, clock).identify, api_key=made.clear).reason
    assert later.identify(api_key=made.clear).login == "anna"
    # It was hashed anew, and so outlives the pepper that it was made with.
    assert Door(door.people, thrice, clock).identify(api_key=made.clear).login == "anna"
    assert denied(Door(door.people, thrice, clock).identify, bearer=token).reason


def test_new_password_ends_sessions_and_tokens_but_the_one_returned() -> None:
    door, _ = a_door()
    before = run(door.sign_in("anna", PASSWORD)).token
    anna = door.identify(session=before)
    token = door.issue_token(anna)
    session = run(door.change_password(anna, PASSWORD, OTHER))
    assert denied(door.identify, session=before).reason is Denial.NOT_KNOWN
    assert denied(door.identify, bearer=token).reason is Denial.NOT_KNOWN
    assert door.identify(session=session.token).login == "anna"
    assert denied(door.sign_in, "anna", PASSWORD).reason is Denial.NOT_KNOWN
    assert run(door.sign_in("anna", OTHER)).login == "anna"


def test_password_is_changed_by_whoever_knows_it_and_by_no_key() -> None:
    door, _ = a_door()
    anna = signed_in(door)
    assert denied(door.change_password, anna, OTHER, OTHER + "!").reason is Denial.NOT_KNOWN
    assert denied(door.change_password, anna, PASSWORD, PASSWORD).reason is Denial.WEAK_PASSWORD
    assert denied(door.change_password, anna, PASSWORD, "short").reason is Denial.WEAK_PASSWORD
    by_key = door.identify(api_key=door.make_key(anna, "a bot").clear)
    assert denied(door.change_password, by_key, PASSWORD, OTHER).reason is Denial.NOT_PERMITTED


def test_one_time_password_allows_nothing_but_to_change_it() -> None:
    door, _ = a_door()
    root = signed_in(door, "root")
    clear = run(Desk(door).add_login(root, "ben", frozenset({AccessRole.PROSUMER})))
    assert clear is not None
    session = run(door.sign_in("ben", clear))
    assert session.must_change
    ben = door.identify(session=session.token)
    assert ben.granted == frozenset()
    assert denied(door.require, ben, Permission.READ_MARKET).reason is Denial.MUST_CHANGE
    assert denied(door.issue_token, ben).reason is Denial.MUST_CHANGE
    assert denied(door.make_key, ben, "x").reason is Denial.NOT_PERMITTED
    changed = run(door.change_password(ben, clear, OTHER))
    assert door.identify(session=changed.token).may(Permission.READ_MARKET)


def test_disabled_login_is_refused_at_once_by_every_means() -> None:
    door, _ = a_door()
    session = run(door.sign_in("anna", PASSWORD)).token
    anna = door.identify(session=session)
    key, token = door.make_key(anna, "a bot").clear, door.issue_token(anna)
    shown = ({"session": session}, {"api_key": key}, {"bearer": token})
    for one in shown:
        assert door.identify(**one).login == "anna"
    desk, root = Desk(door), signed_in(door, "root")
    desk.disable(root, "anna")
    for one in shown:
        assert denied(door.identify, **one).reason in {Denial.DISABLED, Denial.NOT_KNOWN}
    assert denied(door.sign_in, "anna", PASSWORD).reason is Denial.DISABLED
    assert denied(door.sign_in, "anna", OTHER).reason is Denial.NOT_KNOWN
    assert denied(door.issue_token, anna).reason is Denial.DISABLED
    desk.enable(root, "anna")
    assert door.identify(api_key=key).login == "anna"
    for one in ({"session": session}, {"bearer": token}):
        assert denied(door.identify, **one).reason is Denial.NOT_KNOWN


def test_login_disabled_while_its_password_is_being_verified_stays_out() -> None:
    door, _ = a_door()

    async def race() -> None:
        signing_in = asyncio.create_task(door.sign_in("anna", PASSWORD))
        await asyncio.sleep(0)
        door.people.change_login("anna", is_disabled=True)
        await signing_in

    assert denied(race).reason is Denial.DISABLED


def test_denied_act_leaves_a_line() -> None:
    door, _ = a_door()
    anna = signed_in(door)
    denied(door.require, anna, Permission.MANAGE_MARKET, subject="/tariffs", request_id="r-1")
    line = door.people.audit()[0]
    assert line[2:8] == ("anna", "manage_market", "/tariffs", "not_permitted", "", "r-1")


def test_flood_of_denials_is_counted_and_does_not_fill_the_log() -> None:
    door, clock = a_door()
    for number in range(500):
        denied(door.identify, api_key=f"wb_{number}_x")
    assert len(acts(door)) == 1
    clock.advance(Instant(NOON + MINUTE))
    door.upkeep()
    assert acts(door) == [("", "identify", "api_key", "not_known")] * 2
    assert door.people.audit()[0].detail == "499 more of the kind"
    for number in range(3_000):
        denied(door.require, an_identity(), Permission.READ_ALL, subject=str(number))
    assert len(door.people.audit(limit=5_000)) == 2 + 1_000
    door.upkeep()
    assert door.people.audit()[0].detail == "2000 more of the kind"
