"""Whatever is done to people, a database answers as memory does, and the door keeps its word."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.people import NOON, SECRETS, a_door, a_login, an_identity
from wattbay.access.attempts import Attempts
from wattbay.access.denial import AccessDenied
from wattbay.access.door import Door
from wattbay.access.identity import Identity
from wattbay.access.people import MemoryPeople, People
from wattbay.access.records import (
    ApiKey,
    AuditEntry,
    Challenge,
    PeopleError,
    StoredAnswer,
    StoredSession,
)
from wattbay.access.roles import AccessRole, Permission, permissions
from wattbay.adapters.stores.people import SqlPeople
from wattbay.ids import MeterId, PartyId
from wattbay.periods import HOUR, Instant

Act = Callable[[People], object]

names = st.sampled_from(["anna", "ben", "zoe"])
instants = st.integers(0, 30 * HOUR).map(lambda us: Instant(NOON + us))
roles = st.frozensets(st.sampled_from(AccessRole), max_size=3)
parties = st.frozensets(st.sampled_from(["h1", "h2"]).map(PartyId))
scopes = st.frozensets(st.sampled_from(Permission), max_size=3)
texts = st.text(max_size=8)


def sessions(number: int, login: str, at: Instant, lasts_us: int) -> StoredSession:
    return StoredSession(
        session_hash=f"{number:064x}", login=login, created_at=at,
        expires_at=Instant(at + lasts_us),
    )  # fmt: skip


def keys(number: int, login: str, allowed: frozenset[Permission], at: Instant) -> ApiKey:
    return ApiKey(
        key=f"k{number}", key_hash="h" * 64, login=login, name="", scopes=allowed, created_at=at
    )


def answers(owner: str, key: str, at: Instant, status: int, about: PartyId | None) -> StoredAnswer:
    return StoredAnswer(
        owner=owner, key=key, body_hash=b"h", created_at=at, status=status, about=about
    )


numbers = st.integers(0, 3)
some_session = st.builds(sessions, numbers, names, instants, st.integers(1, 20 * HOUR))
some_key = st.builds(keys, numbers, names, scopes, instants)
some_answer = st.builds(
    answers, names, st.sampled_from(["a", "b"]), instants, st.sampled_from([0, 200]),
    st.none() | st.just(PartyId("h1")),
)  # fmt: skip
some_entry = st.builds(AuditEntry, instants, *[texts] * 6)
key_names = numbers.map("k{}".format)

acts: st.SearchStrategy[Act] = st.one_of(
    st.builds(
        lambda name, role: lambda p: p.add_login(replace(a_login(name), roles=role)), names, roles
    ),
    st.builds(
        lambda name, role, own: lambda p: p.change_login(name, roles=role, parties=own),
        names, roles, parties,
    ),
    st.builds(lambda name, is_disabled: lambda p: p.change_login(name, is_disabled=is_disabled),
              names, st.booleans()),
    st.builds(lambda one: lambda p: p.add_session(one), some_session),
    st.builds(lambda one: lambda p: p.session(one.session_hash), some_session),
    st.builds(lambda name, n, at: lambda p: p.note_attempts(name, Attempts(n, at), at),
              names, numbers, instants),
    st.builds(lambda name: lambda p: p.attempts(name), names),
    st.builds(lambda name: lambda p: p.remove_login(name), names),
    st.builds(lambda name: lambda p: p.login(name), names),
    st.builds(lambda name: lambda p: p.keys(name), names),
    st.builds(lambda key: lambda p: p.add_key(key), some_key),
    st.builds(lambda key, at: lambda p: p.revoke_key(key, at), key_names, instants),
    st.builds(lambda key, at: lambda p: p.note_used({key: at}), key_names, instants),
    st.builds(lambda one: lambda p: p.end_session(one.session_hash), some_session),
    st.builds(lambda name: lambda p: p.end_sessions(name), names),
    st.builds(lambda entry: lambda p: p.write_audit(entry), some_entry),
    st.builds(lambda before, name: lambda p: p.audit(before, 3, login=name),
              st.none() | st.integers(0, 9), st.none() | names),
    st.builds(lambda record: lambda p: p.set_particulars(PartyId("h1"), record),
              st.dictionaries(texts, texts, max_size=3)),
    st.builds(lambda: lambda p: p.particulars(PartyId("h1"))),
    st.builds(lambda: lambda p: p.erase(PartyId("h1"))),
    st.builds(lambda one: lambda p: p.start_answer(one), some_answer),
    st.builds(lambda one: lambda p: p.finish_answer(one), some_answer),
    st.builds(lambda one: lambda p: p.drop_answer(one.owner, one.key), some_answer),
    st.builds(lambda n, at: lambda p: p.add_challenge(Challenge(f"c{n}", MeterId("m"), at), at),
              st.integers(), instants),
    st.builds(lambda n, at: lambda p: p.take_challenge(f"c{n}", at), numbers, instants),
    st.builds(lambda at: lambda p: p.forget(at), instants),
    st.builds(lambda: lambda p: (p.logins(), p.administrators(), p.audit_head(), p.has_logins())),
)  # fmt: skip
"""Everything that can be done to people, each a function of the store."""


def outcome(act: Act, people: People) -> object:
    """Return what an act answers, or that it was refused, and how."""
    try:
        return act(people)
    except PeopleError as refused:
        return str(refused)


def together(first: Act, second: Act) -> Act:
    """Return two acts in one write."""

    def act(people: People) -> object:
        with people.one_write():
            return first(people), second(people)

    return act


@settings(max_examples=40)
@given(st.lists(acts | st.builds(together, acts, acts), max_size=25))
def test_database_answers_as_memory_does(done: list[Act]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        memory, stored = MemoryPeople(), SqlPeople(f"sqlite:///{Path(folder) / 'people.db'}")
        for act in done:
            assert outcome(act, stored) == outcome(act, memory)
        assert stored.audit() == memory.audit()
        assert stored.check_audit() == []
        stored.close()


def shown_by(door: Door, identity: Identity, allowed: frozenset[Permission]) -> Identity | None:
    """Return who somebody with a key of some scopes is; None where no such key is made."""
    try:
        return door.identify(api_key=door.make_key(identity, "x", scopes=allowed).clear)
    except AccessDenied:
        return None


@given(roles, st.lists(scopes, max_size=4))
def test_keys_made_with_keys_never_allow_more(
    role: frozenset[AccessRole], chain: list[frozenset[Permission]]
) -> None:
    people = MemoryPeople()
    people.add_login(replace(a_login(), roles=role))
    door, _ = a_door(people, secrets=SECRETS)
    holder = replace(an_identity(), roles=role)
    assert holder.granted == permissions(role)
    for allowed in chain:
        made = shown_by(door, holder, allowed)
        if made is None:
            continue
        assert made.granted <= holder.granted
        by_token = door.identify(bearer=door.issue_token(made))
        assert by_token.granted == made.granted
        holder = made
