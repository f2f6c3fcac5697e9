"""What belongs to whom who calls: parties, pods and devices; of others nobody learns anything."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from fastapi import Depends

from wattbay.access.identity import Identity
from wattbay.access.roles import Permission
from wattbay.adapters.api.callers import needs
from wattbay.adapters.api.forms import SinceQuery, UntilQuery, maybe_instant
from wattbay.adapters.api.node import Node
from wattbay.adapters.api.problems import Flaw, Problem, forbidden, not_found, refused
from wattbay.adapters.api.sight import pods_of as ever_of
from wattbay.core.commands import Command
from wattbay.core.events import Event, Rejected
from wattbay.core.exchange import State
from wattbay.core.facts import Role
from wattbay.core.registry import facts_at, has_role
from wattbay.ids import PartyId, PodId
from wattbay.kernel.evidence import Reading
from wattbay.periods import Instant
from wattbay.views.grid import FRESH_US
from wattbay.views.production import Source, sources

Trader = Annotated[Identity, Depends(needs(Permission.TRADE_OWN))]
Reader = Annotated[Identity, Depends(needs(Permission.READ_OWN))]
GridReader = Annotated[Identity, Depends(needs(Permission.READ_GRID))]
GridOperator = Annotated[Identity, Depends(needs(Permission.OPERATE_GRID))]
Caller = Annotated[Identity, Depends(needs(Permission.OPERATE_GRID, Permission.TRADE_OWN))]
"""Who may call for response, if it is for a party with the role."""


class Between(NamedTuple):
    """A span of time that was named, or a part of one."""

    since: Instant | None
    until: Instant | None


async def between(since: SinceQuery = None, until: UntilQuery = None) -> Between:
    """Return the span that a query names, half-open."""
    return Between(maybe_instant(since), maybe_instant(until))


Span = Annotated[Between, Depends(between)]


def wrong(pointer: str, detail: str) -> Problem:
    """Return the problem of one thing that is wrong with what was sent."""
    return Problem(
        422, "wrong-form", f"{pointer}: {detail}", (Flaw(pointer=pointer, detail=detail),)
    )


def isp_of(state: State) -> int:
    """Return how long a delivery is. [µs]

    Raises
    ------
    Problem
        If the community is not founded yet.
    """
    if state.registry.community is None:
        raise Problem(409, "community-not-open", "the operator founds the community first")
    return state.registry.isp_us


async def done(node: Node, command: Command) -> tuple[int, tuple[Event, ...]]:
    """Return what came of a command, with the number of its entry.

    Raises
    ------
    Problem
        If the exchange refused it.
    """
    answer = await node.submit(command)
    first = answer.events[0] if answer.events else None
    if isinstance(first, Rejected):
        raise refused(first, answer.seq)
    return answer.seq, answer.events


# --- pods ------------------------------------------------------------------------------------


def pods_of(state: State, identity: Identity, at: Instant) -> list[PodId]:
    """Return the pods that belong to the caller's parties at an instant, by name."""
    return sorted(
        pod
        for pod in ever_of(state, identity.parties)
        if (facts := facts_at(state.registry, pod, at)) is not None and identity.owns(facts.party)
    )


def pod_for(state: State, identity: Identity, named: str | None, at: Instant) -> PodId:
    """Return the caller's pod that is meant.

    Parameters
    ----------
    named
        Its name; None where it is the only one.

    Raises
    ------
    Problem
        404 if it is another's or none at all, 422 if several could be meant.
    """
    if named is None:
        own = pods_of(state, identity, at)
        if len(own) != 1:
            raise wrong("/pod", f"you have {len(own)} pods then; name the one that you mean")
        return own[0]
    facts = facts_at(state.registry, PodId(named), at)
    if facts is None or not identity.owns(facts.party):
        raise not_found("pod")
    return facts.pod


def party_for(state: State, identity: Identity, named: str | None, *roles: Role) -> PartyId:
    """Return the caller's party that is meant, which has one of some roles.

    Raises
    ------
    Problem
        403 if there is none, 422 if several could be meant.
    """
    wanted = [PartyId(named)] if named is not None else sorted(identity.parties)
    able = [
        party
        for party in wanted
        if identity.owns(party) and any(has_role(state.registry, party, role) for role in roles)
    ]
    if not able:
        words = " or ".join(role.value.replace("_", " ") for role in roles)
        raise forbidden(f"this is for a party that is {words}, and that you stand for")
    if len(able) > 1:
        raise wrong("/party", f"you stand for {len(able)} parties that could; name one")
    return able[0]


# --- devices ---------------------------------------------------------------------------------


def sources_of(state: State, identity: Identity, at: Instant) -> list[Source]:
    """Return the devices behind the caller's pods, by pod: its meter, then the others."""
    return sorted(
        sources(state, frozenset(pods_of(state, identity, at))),
        key=lambda one: (one.pod, one.kind.value != "meter", one.device),
    )


def source_named(found: list[Source], named: str | None) -> Source:
    """Return the device that is meant: where none is named, the only one that makes energy.

    Raises
    ------
    Problem
        404 if it is another's or none at all, 422 if several could be meant.
    """
    if named is not None:
        device = next((one for one in found if one.device == named), None)
        if device is None:
            raise not_found("device")
        return device
    able = [one for one in found if one.is_maker] or [
        one for one in found if one.kind.value == "meter"
    ]
    if len(able) != 1:
        raise wrong("/device", f"{len(able)} of your devices could be meant; name one")
    return able[0]


def fresh(reading: Reading | None, at: Instant) -> Reading | None:
    """Return a reading that says something about now; else None."""
    if reading is None or reading.measured_at < at - FRESH_US:
        return None
    return reading


def seconds(span_us: int) -> float:
    """Return how long something is. [s]"""
    return round(span_us / 1e6, 3)
