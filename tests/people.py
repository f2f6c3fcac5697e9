"""Builders of people and of what they show, with every default stated."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from argon2 import PasswordHasher

from wattbay.access.door import Door
from wattbay.access.identity import Identity, Means
from wattbay.access.passwords import Passwords
from wattbay.access.people import MemoryPeople, People
from wattbay.access.records import Login
from wattbay.access.roles import AccessRole, Permission
from wattbay.access.secret_keys import Secrets
from wattbay.ids import PartyId
from wattbay.kernel.clock import SimulatedClock
from wattbay.periods import Instant, instant

NOON = instant("2026-05-01T12:00Z")
PASSWORD = "summer-evenings-at-the-lake"  # noqa: S105 - of made-up people
SECRETS = Secrets((b"s" * 32,), (b"p" * 32,))

T = TypeVar("T")


def run(answer: Coroutine[Any, Any, T]) -> T:
    """Wait for what is awaited."""
    return asyncio.run(answer)


def quick_passwords() -> Passwords:
    """Return the hashing of passwords as cheap as it can be: tests prove rules, not cost."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


def a_login(
    name: str = "anna",
    *,
    role: AccessRole = AccessRole.PROSUMER,
    parties: tuple[str, ...] = ("house-1",),
    password_hash: str | None = None,
    is_disabled: bool = False,
    must_change: bool = False,
    created_at: Instant = NOON,
) -> Login:
    return Login(
        login=name,
        password_hash=password_hash,
        roles=frozenset({role}),
        parties=frozenset(map(PartyId, parties)),
        created_at=created_at,
        is_disabled=is_disabled,
        must_change=must_change,
    )


def an_identity(
    name: str = "anna",
    *,
    role: AccessRole = AccessRole.PROSUMER,
    parties: tuple[str, ...] = ("house-1",),
    means: Means = Means.SESSION,
    scopes: frozenset[Permission] | None = None,
    must_change: bool = False,
) -> Identity:
    return Identity(
        name, frozenset(map(PartyId, parties)), frozenset({role}), means, scopes, must_change
    )


def a_door(
    people: People | None = None, *, at: Instant = NOON, secrets: Secrets = SECRETS
) -> tuple[Door, SimulatedClock]:
    """Return a door with anna and an administrator behind it, and the clock that it goes by."""
    people = MemoryPeople() if people is None else people
    passwords = quick_passwords()
    if not people.has_logins():
        hashed = passwords.hash(PASSWORD)
        people.add_login(a_login(password_hash=hashed))
        people.add_login(
            a_login("root", role=AccessRole.ADMINISTRATOR, parties=(), password_hash=hashed)
        )
    clock = SimulatedClock(at)
    return Door(people, secrets, clock, passwords=passwords), clock


def acts(door: Door) -> list[tuple[str, str, str, str]]:
    """Return login, act, subject and outcome of all lines in the audit log, oldest first."""
    return [(one.login, one.act, one.subject, one.outcome) for one in door.people.audit()[::-1]]
