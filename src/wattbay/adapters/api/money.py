"""Accounts of members: what stands on them, what comes in and goes out."""

from __future__ import annotations

from heapq import nsmallest

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from wattbay.access.roles import Permission
from wattbay.adapters.api.answers import answer, read
from wattbay.adapters.api.callers import Who, check, node_of
from wattbay.adapters.api.forms import Id, MoneyText, PodPath, Positive, money_text
from wattbay.adapters.api.node import Node
from wattbay.adapters.api.orders import accepted
from wattbay.adapters.api.pages import Page, Paged, cursor_of, next_path, read_cursor
from wattbay.adapters.api.repeats import journaled
from wattbay.adapters.api.sections import Section
from wattbay.adapters.api.sight import sight_of
from wattbay.core.commands import DepositMoney, WithdrawMoney
from wattbay.core.ledger import available
from wattbay.ids import PartyId, PodId, RequestId

money = Section(
    "money",
    "A pod under a party has an account: whoever moves in inherits no debt. What orders can cost"
    " at worst is held on it until they are over.",
)


class Payment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Money that came in, or that goes out, for a pod under a party."""

    party: Id
    amount_nano: Positive


class Booked(msgspec.Struct, frozen=True, kw_only=True):
    """A payment is booked."""

    entry: int
    pod: str
    party: str
    amount_nano: int
    amount: MoneyText


class AccountTold(msgspec.Struct, frozen=True, kw_only=True):
    """The account of a pod under a party."""

    pod: str
    party: str
    balance_nano: int
    """Positive: it is the party's; negative: it owes."""
    balance: MoneyText
    held_nano: int
    """At risk: in orders that stand, and in trades that are not settled."""
    available_nano: int
    """What the party can still put at risk, over all its accounts, credit included."""
    available: MoneyText


_ACCOUNT = AccountTold(
    pod="h01",
    party="p01",
    balance_nano=12_500_000_000,
    balance="12.50",
    held_nano=30_000_000,
    available_nano=62_470_000_000,
    available="62.47",
)
_BOOKED = Booked(entry=512, pod="h01", party="p01", amount_nano=50_000_000_000, amount="50.00")


@money.get(
    "/accounts",
    needs=(Permission.READ_OWN, Permission.READ_ALL),
    answer=Page[AccountTold],
    gives={"items": [_ACCOUNT], "next": None},
)
async def list_accounts(request: Request, who: Who, paged: Paged) -> Response:
    """List your accounts, with what is held and what is still available. By party and pod."""
    check(request, who, Permission.READ_OWN, Permission.READ_ALL)
    node = node_of(request)
    sight, ledger = sight_of(node, who), node.state().ledger
    after = _place(read_cursor(node, "accounts", paged.cursor))
    found = (
        (party, name)
        for party, names in ledger.accounts.items()
        if sight.sees_party(party)
        for name in names
        if (party, name) > after
    )
    rest = nsmallest(paged.limit + 1, found)
    told = [_told(node, party, name) for party, name in rest[: paged.limit]]
    last = rest[paged.limit - 1] if len(rest) > paged.limit else None
    link = next_path(request, None if last is None else cursor_of(node, "accounts", list(last)))
    return answer({"items": told, "next": link})


def _place(after: object) -> tuple[str, str]:
    return ("", "") if after is None else msgspec.convert(after, tuple[str, str])


def _told(node: Node, party: PartyId, name: str) -> AccountTold:
    state = node.state()
    balance = state.ledger.money.get(name, 0)
    left = available(state.registry, state.ledger, party)
    return AccountTold(
        pod=name.partition("/")[0],
        party=party,
        balance_nano=balance,
        balance=money_text(balance),
        held_nano=state.ledger.held.get(name, 0),
        available_nano=left,
        available=money_text(left),
    )


@money.post(
    "/pods/{pod}/deposits",
    needs=(Permission.MANAGE_MEMBERS,),
    body=Payment,
    sends=Payment(party="p01", amount_nano=50_000_000_000),
    answer=Booked,
    gives=_BOOKED,
    status=201,
    refuses=(404, 409),
    is_repeatable=True,
)
async def deposit(request: Request, who: Who, pod: PodPath) -> Response:
    """Book money that a party has paid in. Send an Idempotency-Key: it is booked once."""
    check(request, who, Permission.MANAGE_MEMBERS)
    told = await read(request, Payment)
    node = node_of(request)

    async def act(key: RequestId | None) -> Response:
        command = DepositMoney(
            pod=PodId(pod),
            party=PartyId(told.party),
            amount_nano=told.amount_nano,
            request=key,
        )
        return _booked(accepted(await node.submit(command)).seq, pod, told)

    return await journaled(request, who, act)


@money.post(
    "/pods/{pod}/withdrawals",
    needs=(Permission.MANAGE_MEMBERS,),
    body=Payment,
    sends=Payment(party="p01", amount_nano=10_000_000_000),
    answer=Booked,
    gives=msgspec.structs.replace(_BOOKED, amount_nano=10_000_000_000, amount="10.00"),
    status=201,
    refuses=(404, 409),
    is_repeatable=True,
)
async def withdraw(request: Request, who: Who, pod: PodPath) -> Response:
    """Book money that was paid out to a party: what is its own, neither held nor credit."""
    check(request, who, Permission.MANAGE_MEMBERS)
    told = await read(request, Payment)
    node = node_of(request)

    async def act(key: RequestId | None) -> Response:
        command = WithdrawMoney(
            pod=PodId(pod),
            party=PartyId(told.party),
            amount_nano=told.amount_nano,
            request=key,
        )
        return _booked(accepted(await node.submit(command)).seq, pod, told)

    return await journaled(request, who, act)


def _booked(entry: int, pod: str, told: Payment) -> Response:
    booked = Booked(
        entry=entry,
        pod=pod,
        party=told.party,
        amount_nano=told.amount_nano,
        amount=money_text(told.amount_nano),
    )
    return answer(booked, 201, entry=entry)
