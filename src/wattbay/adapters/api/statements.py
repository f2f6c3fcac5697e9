"""Statements: a month of a pod, to read, to print and to take away."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from wattbay.access.identity import Identity
from wattbay.access.roles import Permission
from wattbay.adapters.api.answers import settled
from wattbay.adapters.api.callers import Who, check, node_of
from wattbay.adapters.api.etags import tagged
from wattbay.adapters.api.forms import MonthPath, PodPath, PodQuery, local_text, money_text
from wattbay.adapters.api.node import Node
from wattbay.adapters.api.pages import Page, Paged
from wattbay.adapters.api.problems import not_found
from wattbay.adapters.api.receipts import by_party, seen_pods
from wattbay.adapters.api.rows import CSV, csv_lines, page
from wattbay.adapters.api.sections import Section
from wattbay.adapters.api.sight import sight_of
from wattbay.ids import PartyId
from wattbay.periods import Instant, to_text
from wattbay.views.history import Answered, Want

statements = Section(
    "statements",
    "Receipts, charges and tax of a pod over a local month, rounded once. As JSON, as CSV, and as"
    " a page that prints.",
)

_SEE = (Permission.READ_OWN, Permission.READ_ALL)
_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "opening": "Brought forward",
        "trades": "Traded with the community",
        "pool": "With the community's pool",
        "supplier": "With your supplier",
        "network": "Network fees",
        "levy": "Levy",
        "service": "Service charge",
        "corrections": "Corrections of earlier months",
        "standing": "Standing charge",
        "tiers": "Tiers of what you bought from your supplier",
        "capacity": "Capacity, by your highest draw",
        "minimum": "What is missing to the minimum of the month",
        "response": "Called to draw less: penalty less rebate",
        "tax": "Tax on what you buy",
        "payments": "Payments",
        "closing": "Closing balance",
    }
)
"""What the components of a statement are, to be read."""
_BALANCES = frozenset({"opening", "closing"})
_ADDRESS = ("name", "street", "address", "postcode", "city", "country")
"""Particulars that stand on a printed statement, in this order."""


class StatementListed(msgspec.Struct, frozen=True, kw_only=True):
    """A statement that was issued."""

    pod: str
    party: str
    month: str
    """A local month."""
    at: str
    """When it was issued."""
    amount_nano: int
    """The closing balance; positive: the party pays."""
    amount: str
    payable_minor: int
    """In payable units (cents, pence), rounded half to even."""
    entry: int


class StatementLineTold(msgspec.Struct, frozen=True, kw_only=True):
    """A component of a statement."""

    component: str
    words: str
    amount_nano: int
    amount: str


class StatementTold(msgspec.Struct, frozen=True, kw_only=True):
    """A statement: what a pod's month came to. Positive: the party pays."""

    pod: str
    party: str
    month: str
    currency: str
    since: str
    since_local: str
    until: str
    until_local: str
    lines: tuple[StatementLineTold, ...]
    """The opening balance first, the closing balance last; what stands between sums to the
    difference."""
    payable_minor: int
    """In payable units, rounded half to even. Negative: a credit note."""
    carried_nano: int
    """What rounding left on the account."""
    entry: int


class _Found(NamedTuple):
    told: StatementTold
    rows: list[Answered]


_LISTED = StatementListed(
    pod="h01",
    party="p01",
    month="2026-05",
    at="2026-06-01T00:00Z",
    amount_nano=21_437_000_000,
    amount="21.437",
    payable_minor=2_144,
    entry=81_204,
)
_TOLD = StatementTold(
    pod="h01",
    party="p01",
    month="2026-05",
    currency="GBP",
    since="2026-04-30T23:00Z",
    since_local="2026-05-01T00:00:00+01:00",
    until="2026-05-31T23:00Z",
    until_local="2026-06-01T00:00:00+01:00",
    lines=(
        StatementLineTold(
            component="trades",
            words="Traded with the community",
            amount_nano=21_437_000_000,
            amount="21.437",
        ),
    ),
    payable_minor=2_144,
    carried_nano=-3_000_000,
    entry=81_204,
)


@statements.get(
    "/statements",
    needs=_SEE,
    answer=Page[StatementListed],
    gives={"items": [_LISTED], "next": None},
    is_tagged=True,
)
async def list_statements(
    request: Request, who: Who, paged: Paged, pod: PodQuery = None
) -> Response:
    """List your statements, those that were issued last first."""
    check(request, who, *_SEE)
    node = node_of(request)
    sight = sight_of(node, who)
    equals: dict[str, str | int | None] = {"component": "closing"}
    if pod is not None:
        equals["pod"] = pod
    want = Want("statements", equals, seen_pods(sight), limit=paged.limit)
    what = f"statements {pod} {who.login}"
    keeps = by_party(sight)
    return page(request, node, what, want, StatementListed, cursor=paged.cursor, keeps=keeps)


def _find(node: Node, who: Identity, pod: str, month: str) -> _Found:
    """Return a statement that somebody sees; where two parties had the pod, the caller's."""
    sight = sight_of(node, who)
    want = Want("statements", {"pod": pod, "month": month}, limit=500, newest_first=False)
    seen = [row for row in node.history.find(want).rows if sight.sees_party(str(row["party"]))]
    if not seen:
        raise not_found(f"statement of {pod} for {month}")
    rows = [row for row in seen if row["party"] == seen[-1]["party"]]
    last = rows[-1]
    community = node.state().registry.community
    digits = 2 if community is None else community.minor_digits
    closing, payable = int(last["amount_nano"] or 0), int(last["payable_minor"] or 0)
    since, until = Instant(int(last["from"] or 0)), Instant(int(last["to"] or 0))
    told = StatementTold(
        pod=pod,
        party=str(last["party"]),
        month=month,
        currency="" if community is None else community.currency,
        since=to_text(since),
        since_local=local_text(node.calendar, since),
        until=to_text(until),
        until_local=local_text(node.calendar, until),
        lines=tuple(_line(row) for row in rows),
        payable_minor=payable,
        carried_nano=closing - payable * 10 ** (9 - digits),
        entry=int(last["entry"] or 0),
    )
    return _Found(told, rows)


def _line(row: Answered) -> StatementLineTold:
    component, amount = str(row["component"]), int(row["amount_nano"] or 0)
    return StatementLineTold(
        component=component,
        words=_WORDS.get(component, component),
        amount_nano=amount,
        amount=money_text(amount),
    )


@statements.get(
    "/statements/{pod}/{month}",
    needs=_SEE,
    answer=StatementTold,
    gives=_TOLD,
    refuses=(404,),
    is_tagged=True,
)
async def get_statement(request: Request, who: Who, pod: PodPath, month: MonthPath) -> Response:
    """Tell one statement."""
    check(request, who, *_SEE)
    return settled(request, _find(node_of(request), who, pod, month).told)


@statements.get(
    "/statements/{pod}/{month}/csv",
    needs=_SEE,
    media={CSV: "entry,at_utc,at_local,at_offset,month,pod,party,...\r\n"},
    refuses=(404,),
    is_tagged=True,
)
async def get_statement_csv(request: Request, who: Who, pod: PodPath, month: MonthPath) -> Response:
    """Take one statement away as CSV; instants in UTC, in local time, and the offset."""
    check(request, who, *_SEE)
    node = node_of(request)
    found = _find(node, who, pod, month)
    response = Response(b"".join(csv_lines(node, "statements", found.rows)), media_type=CSV)
    response.headers["Content-Disposition"] = f'attachment; filename="{pod}-{month}.csv"'
    return tagged(request, response)


@statements.get(
    "/statements/{pod}/{month}/html",
    needs=_SEE,
    media={"text/html": "<!doctype html>"},
    refuses=(404,),
    is_tagged=True,
)
async def get_statement_html(
    request: Request, who: Who, pod: PodPath, month: MonthPath
) -> Response:
    """Show one statement as a page that prints, with nothing loaded from anywhere."""
    check(request, who, *_SEE)
    node = node_of(request)
    told = _find(node, who, pod, month).told
    body, policy = _printed(node, told)
    response = Response(body, media_type="text/html")
    response.headers["Content-Security-Policy"] = policy
    return tagged(request, response)


def _printed(node: Node, told: StatementTold) -> tuple[str, str]:
    """Return a statement as a page, and the policy that lets its style through and no more."""
    style, template = _paper()
    known = node.people.particulars(PartyId(told.party)) or {}
    due = money_text(abs(told.payable_minor) * 10 ** (9 - _digits(node)))
    owes = "To be paid" if told.payable_minor >= 0 else "In your favour"
    body = template.render(
        style=Markup(style),  # noqa: S704 - our own file
        community=node.community,
        month=told.month,
        pod=told.pod,
        whom=[*(known[name] for name in _ADDRESS if name in known), f"Party {told.party}"],
        since_local=told.since_local,
        until_local=told.until_local,
        zone=node.calendar.zone,
        currency=told.currency,
        lines=[
            {
                "words": line.words,
                "amount": line.amount,
                "is_balance": line.component in _BALANCES,
            }
            for line in told.lines
        ],
        due=f"{owes}: {due} {told.currency}",
        entry=told.entry,
    )
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return body, f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'"


def _digits(node: Node) -> int:
    community = node.state().registry.community
    return 2 if community is None else community.minor_digits


@lru_cache(maxsize=1)
def _paper() -> tuple[str, Any]:
    """Return style and template of a printed statement."""
    folder = files("wattbay.adapters.api") / "static"
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    template = (folder / "statement.html.j2").read_text(encoding="utf-8")
    style = (folder / "statement.css").read_text(encoding="utf-8")
    return style, environment.from_string(template)
