"""Parties, what they may owe, and their particulars, which are kept apart and can be erased."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Mapping
from heapq import nsmallest
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from wattbay.access.desk import Desk
from wattbay.access.identity import Identity
from wattbay.access.roles import Permission
from wattbay.adapters.api.answers import answer, encoded, read, settled
from wattbay.adapters.api.callers import Who, check, node_of, request_id_of
from wattbay.adapters.api.etags import must_match
from wattbay.adapters.api.forms import (
    Amount,
    Id,
    InstantText,
    MoneyText,
    PartyPath,
    maybe_instant,
    maybe_text,
    money_text,
    whole,
)
from wattbay.adapters.api.node import Node
from wattbay.adapters.api.orders import accepted
from wattbay.adapters.api.pages import Page, Paged, cursor_of, next_path, read_cursor
from wattbay.adapters.api.problems import Problem, not_found
from wattbay.adapters.api.repeats import recorded
from wattbay.adapters.api.sections import Section
from wattbay.adapters.api.sight import sight_of
from wattbay.core.commands import RegisterParty
from wattbay.core.facts import Funding, Party, Role
from wattbay.ids import PartyId

parties = Section(
    "parties",
    "Who takes part, by pseudonym. Names and addresses are kept apart from the market's history,"
    " and can be erased.",
)

Roles = Annotated[tuple[Role, ...], msgspec.Meta(min_length=1, max_length=len(Role))]
FieldName = Annotated[str, whole(r"^[a-z_]{1,64}$")]
FieldText = Annotated[str, msgspec.Meta(max_length=1_000, pattern=r"^[^\x00]*$")]


class PartyFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to hold of a party."""

    roles: Roles
    funding: Funding = Funding.CREDIT_LIMIT
    credit_limit_nano: Amount = 0
    """What it may owe and have at risk together."""
    named: bool = False
    """Whether it consents to be named to those it trades with."""
    tax_from: InstantText | None = None
    """Since when its sales bear tax; none: never."""


class NewParty(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A party that is to be admitted. Its name is a pseudonym."""

    party: Id
    facts: PartyFacts


class CreditLimit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a party may owe and have at risk together."""

    credit_limit_nano: Amount


class PartyTold(msgspec.Struct, frozen=True, kw_only=True):
    """A party."""

    party: str
    roles: tuple[str, ...]
    funding: str
    """``credit_limit`` or ``prepaid``."""
    credit_limit_nano: int
    credit_limit: MoneyText
    named: bool
    tax_from: str | None


class PartyMade(msgspec.Struct, frozen=True, kw_only=True):
    """A party is admitted, or other things hold of it."""

    entry: int
    party: PartyTold


class Particulars(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Name, address, e-mail and so on: whatever the operator needs, and can forget."""

    particulars: Annotated[Mapping[FieldName, FieldText], msgspec.Meta(max_length=50)]


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """Particulars were erased without a trace."""

    party: str
    was_there: bool


_PARTY = PartyTold(
    party="p01",
    roles=("prosumer",),
    funding="credit_limit",
    credit_limit_nano=50_000_000_000,
    credit_limit="50.00",
    named=False,
    tax_from=None,
)
_MADE = PartyMade(entry=31, party=_PARTY)
_FACTS = PartyFacts(roles=(Role.PROSUMER,), credit_limit_nano=50_000_000_000)
_NAME = Particulars(particulars={"name": "A. Household", "email": "household@example.org"})


def party_of(name: str, told: PartyFacts) -> Party:
    """Return a party as the exchange takes it."""
    return Party(
        party=PartyId(name),
        roles=told.roles,
        funding=told.funding,
        credit_limit_nano=told.credit_limit_nano,
        named=told.named,
        tax_from=maybe_instant(told.tax_from),
    )


def party_told(party: Party) -> PartyTold:
    """Return a party as it is told."""
    return PartyTold(
        party=party.party,
        roles=tuple(role.value for role in party.roles),
        funding=party.funding.value,
        credit_limit_nano=party.credit_limit_nano,
        credit_limit=money_text(party.credit_limit_nano),
        named=party.named,
        tax_from=maybe_text(party.tax_from),
    )


def _seen(node: Node, who: Identity, party: str) -> Party:
    """Return a party that the caller may see."""
    known = node.state().registry.parties.get(PartyId(party))
    if known is None or not sight_of(node, who).sees_party(party):
        raise not_found(f"party {party}")
    return known


@parties.get(
    "/parties",
    needs=(Permission.READ_OWN, Permission.READ_ALL),
    answer=Page[PartyTold],
    gives={"items": [_PARTY], "next": None},
    is_tagged=True,
)
async def list_parties(request: Request, who: Who, paged: Paged) -> Response:
    """List the parties that you stand for; an administrator sees all. By name."""
    check(request, who, Permission.READ_OWN, Permission.READ_ALL)
    node = node_of(request)
    sight, known = sight_of(node, who), node.state().registry.parties
    after = str(read_cursor(node, "parties", paged.cursor) or "")
    found = (name for name in known if sight.sees_party(name) and name > after)
    names = nsmallest(paged.limit + 1, found)
    told = [party_told(known[name]) for name in names[: paged.limit]]
    has_more = len(names) > paged.limit
    link = next_path(request, cursor_of(node, "parties", told[-1].party) if has_more else None)
    return settled(request, {"items": told, "next": link})


@parties.post(
    "/parties",
    needs=(Permission.MANAGE_MEMBERS,),
    body=NewParty,
    sends=NewParty(party="p01", facts=_FACTS),
    answer=PartyMade,
    gives=_MADE,
    status=201,
    refuses=(409,),
    is_repeatable=True,
)
async def register_party(request: Request, who: Who) -> Response:
    """Admit a party. `PUT` changes one that is admitted."""
    check(request, who, Permission.MANAGE_MEMBERS)
    told = await read(request, NewParty)
    node = node_of(request)

    async def act() -> Response:
        must_be_new(node, told.party)
        return await _register(node, party_of(told.party, told.facts), 201)

    return await recorded(request, who, act)


def must_be_new(node: Node, party: str) -> None:
    """Make sure that a party is not admitted yet.

    Raises
    ------
    Problem
        If it is.
    """
    if PartyId(party) in node.state().registry.parties:
        raise Problem(409, "already-known", f"party {party} is admitted already: PUT changes it")


async def _register(node: Node, party: Party, status: int) -> Response:
    found = accepted(await node.submit(RegisterParty(party=party)))
    made = PartyMade(entry=found.seq, party=party_told(party))
    return answer(made, status, entry=found.seq)


@parties.get(
    "/parties/{party}",
    needs=(Permission.READ_OWN, Permission.READ_ALL),
    answer=PartyTold,
    gives=_PARTY,
    refuses=(404,),
    is_tagged=True,
)
async def get_party(request: Request, who: Who, party: PartyPath) -> Response:
    """Tell one party. Its ETag is what a change wants in `If-Match`."""
    check(request, who, Permission.READ_OWN, Permission.READ_ALL)
    return settled(request, party_told(_seen(node_of(request), who, party)))


@parties.put(
    "/parties/{party}",
    needs=(Permission.MANAGE_MEMBERS,),
    body=PartyFacts,
    sends=_FACTS,
    answer=PartyMade,
    gives=_MADE,
    refuses=(404, 409),
    is_conditional=True,
)
async def change_party(request: Request, who: Who, party: PartyPath) -> Response:
    """Let a party have other roles, funding, consent or tax from now on."""
    check(request, who, Permission.MANAGE_MEMBERS)
    node = node_of(request)
    told = await read(request, PartyFacts)
    must_match(request, encoded(party_told(_seen(node, who, party))))
    return await _register(node, party_of(party, told), 200)


@parties.put(
    "/parties/{party}/credit-limit",
    needs=(Permission.MANAGE_MEMBERS,),
    body=CreditLimit,
    sends=CreditLimit(credit_limit_nano=80_000_000_000),
    answer=PartyMade,
    gives=_MADE,
    refuses=(404, 409),
    is_conditional=True,
)
async def set_credit_limit(request: Request, who: Who, party: PartyPath) -> Response:
    """Say what a party may owe and have at risk together. Orders that stand go on standing."""
    check(request, who, Permission.MANAGE_MEMBERS)
    node = node_of(request)
    told = await read(request, CreditLimit)
    known = _seen(node, who, party)
    must_match(request, encoded(party_told(known)))
    changed = msgspec.structs.replace(known, credit_limit_nano=told.credit_limit_nano)
    return await _register(node, changed, 200)


# --- particulars -----------------------------------------------------------------------------


@parties.get(
    "/parties/{party}/particulars",
    needs=(Permission.READ_OWN, Permission.READ_ALL),
    answer=Particulars,
    gives=_NAME,
    refuses=(404,),
)
async def get_particulars(request: Request, who: Who, party: PartyPath) -> Response:
    """Tell what is kept of a party's person: your own, or, for an administrator, anybody's."""
    check(request, who, Permission.READ_OWN, Permission.READ_ALL)
    node = node_of(request)
    _seen(node, who, party)
    known = node.people.particulars(PartyId(party))
    if known is None:
        raise not_found(f"particulars of {party}")
    return answer(Particulars(particulars=known))


@parties.put(
    "/parties/{party}/particulars",
    needs=(Permission.TRADE_OWN, Permission.MANAGE_MEMBERS),
    body=Particulars,
    sends=_NAME,
    answer=Particulars,
    gives=_NAME,
    refuses=(404, 409),
)
async def set_particulars(request: Request, who: Who, party: PartyPath) -> Response:
    """Keep particulars of a party, in place of those that were there."""
    check(request, who, Permission.TRADE_OWN, Permission.MANAGE_MEMBERS)
    node = node_of(request)
    _seen(node, who, party)
    told = await read(request, Particulars)
    desk = Desk(node.door)
    desk.set_particulars(who, PartyId(party), told.particulars, request_id=request_id_of(request))
    return answer(told)


@parties.delete(
    "/parties/{party}/particulars",
    needs=(Permission.MANAGE_LOGINS,),
    answer=Erased,
    gives=Erased(party="p01", was_there=True),
    refuses=(404,),
)
async def erase_particulars(request: Request, who: Who, party: PartyPath) -> Response:
    """Erase the particulars of a party without a trace; its pseudonym stays in history."""
    check(request, who, Permission.MANAGE_LOGINS)
    node = node_of(request)
    desk, name = Desk(node.door), request_id_of(request)
    gone = await to_thread(desk.erase, who, PartyId(party), request_id=name)
    return answer(Erased(party=party, was_there=gone))
