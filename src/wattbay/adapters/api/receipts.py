"""Receipts: what each delivery came to, in words, and how anybody can check it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Annotated

import msgspec
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from wattbay.access.roles import Permission
from wattbay.adapters.api.answers import settled
from wattbay.adapters.api.callers import Who, check, node_of
from wattbay.adapters.api.forms import (
    DeliveryPath,
    MoneyText,
    PartyQuery,
    PodPath,
    PodQuery,
    Spanned,
    instant_of,
    money_text,
)
from wattbay.adapters.api.node import Node
from wattbay.adapters.api.pages import Page, Paged
from wattbay.adapters.api.problems import not_found
from wattbay.adapters.api.rows import Keeps, fields_of, page, shown
from wattbay.adapters.api.sections import Section
from wattbay.adapters.api.sight import Sight, sight_of
from wattbay.core.exchange import State
from wattbay.core.facts import Receipt
from wattbay.ids import PodId
from wattbay.periods import Instant
from wattbay.views.explained import explained
from wattbay.views.history import Answered, Want
from wattbay.views.receipt_lines import Line

receipts = Section(
    "receipts",
    "What each pod bought, sold, delivered and owes for one delivery, before tax. A receipt is"
    " provisional until the final settlement run; every version is kept.",
)


class ReceiptTold(msgspec.Struct, frozen=True, kw_only=True):
    """A receipt of a pod for one delivery. Positive money: the party pays, before tax."""

    pod: str
    party: str
    delivery: str
    delivery_local: str
    delivery_end: str
    run: str
    """The settlement run that issued it."""
    version: int
    newest: bool
    bought_wh: int
    sold_wh: int
    delivered_in_wh: int
    """What was delivered of what it bought."""
    delivered_out_wh: int
    import_wh: int
    export_wh: int
    activated_wh: int
    """What the grid operator instructed; into the grid is positive."""
    deviation_wh: int
    """Metered less traded less activated; positive is long."""
    pooled_wh: int
    residual_wh: int
    trades_nano: int
    pool_nano: int
    supplier_nano: int
    network_nano: int
    levy_nano: int
    service_nano: int
    total_nano: int
    total: MoneyText
    same_meters_nano: int
    """What the same meters would have come to without a market."""
    taxable_nano: int
    quality: str
    """Where its energies come from: ``measured``, ``estimated``, ``suspect``…"""
    entry: int


class LineTold(msgspec.Struct, frozen=True, kw_only=True):
    """Energy times a price."""

    component: str
    what: str
    """In words."""
    energy_wh: int
    price_nano_per_wh: int
    amount_nano: int
    amount: MoneyText


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """How anybody can check a receipt."""

    entry: int
    """The journal's entry in which it stands."""
    canonical: str
    """Its canonical bytes, as they stand in that entry."""
    sha256: str
    """Of those bytes."""
    readings: str
    """Where the signed readings are that it rests on."""
    hint: str
    """How the entry is checked."""


class ReceiptExplained(msgspec.Struct, frozen=True, kw_only=True):
    """Why a receipt comes to what it does."""

    receipt: ReceiptTold
    lines: tuple[LineTold, ...]
    """They sum to its total."""
    without_market: tuple[LineTold, ...]
    """What the same meters would have come to without a market."""
    words: tuple[str, ...]
    """The same, to be read."""
    versions: tuple[ReceiptTold, ...]
    """All there are, first to last."""
    disagreements: tuple[str, ...]
    """Components whose lines do not come to what it says: none, as long as it is sound."""
    proof: Proof


_RECEIPT: Mapping[str, object] = MappingProxyType({
    "pod": "h01", "party": "p01", "delivery": "2026-05-01T12:00Z",
    "delivery_local": "2026-05-01T13:00:00+01:00", "delivery_end": "2026-05-01T12:30Z",
    "run": "initial", "version": 1, "newest": True, "bought_wh": 250, "sold_wh": 0,
    "delivered_in_wh": 250, "delivered_out_wh": 0, "import_wh": 300, "export_wh": 0,
    "activated_wh": 0, "deviation_wh": -50, "pooled_wh": 0, "residual_wh": -50,
    "trades_nano": 24_500_000, "pool_nano": 0, "supplier_nano": 7_000_000,
    "network_nano": 9_000_000, "levy_nano": 3_000_000, "service_nano": 0,
    "total_nano": 43_500_000, "total": "0.0435", "same_meters_nano": 54_000_000,
    "taxable_nano": 43_500_000, "quality": "measured", "entry": 5120,
})  # fmt: skip
_LINE = LineTold(
    component="trades",
    what="Bought from the community",
    energy_wh=250,
    price_nano_per_wh=98_000,
    amount_nano=24_500_000,
    amount="0.0245",
)
_COLUMNS: Mapping[str, str] = MappingProxyType({"delivery": "delivery_start"})
"""Fields of a receipt that have other names in the table."""
_SEE = (Permission.READ_OWN, Permission.READ_ALL)


def by_party(sight: Sight) -> Keeps:
    """Return which rows are seen: those of the party to whom they were issued."""
    return lambda row: sight.sees_party(str(row["party"]))


def seen_pods(sight: Sight) -> frozenset[str] | None:
    """Return the pods whose rows may be seen; None for all."""
    return None if sight.pods is None else frozenset(sight.pods)


@receipts.get(
    "/receipts",
    needs=_SEE,
    answer=Page[ReceiptTold],
    gives={"items": [_RECEIPT], "next": None},
    is_tagged=True,
)
async def list_receipts(
    request: Request,
    who: Who,
    span: Spanned,
    paged: Paged,
    pod: PodQuery = None,
    party: PartyQuery = None,
    *,
    every_version: Annotated[
        bool, Query(description="Those that were replaced, too.", examples=[False])
    ] = False,
) -> Response:
    """List your receipts, those that were issued last first."""
    check(request, who, *_SEE)
    node = node_of(request)
    sight = sight_of(node, who)
    named = {"pod": pod, "party": party, "newest": None if every_version else 1}
    equals = {name: value for name, value in named.items() if value is not None}
    want = Want("receipts", equals, seen_pods(sight), span.since, span.until, limit=paged.limit)
    what = f"receipts {pod} {party} {every_version} {span} {who.login}"
    keeps = by_party(sight)
    return page(request, node, what, want, ReceiptTold, cursor=paged.cursor, keeps=keeps)


@receipts.get(
    "/receipts/{pod}/{delivery}",
    needs=_SEE,
    answer=ReceiptExplained,
    gives={
        "receipt": _RECEIPT,
        "lines": [_LINE],
        "without_market": [],
        "words": ["You bought 250 Wh from the community at 98.00 GBP/MWh: 0.0245 GBP."],
        "versions": [_RECEIPT],
        "disagreements": [],
        "proof": {
            "entry": 5120,
            "canonical": '[1777636800000000,"h01","p01","initial",1,...]',
            "sha256": "9a1f...",
            "readings": "/api/v1/devices/m-h01/readings?since=2026-05-01T12:00Z",
            "hint": "...",
        },
    },
    refuses=(404,),
    is_tagged=True,
)
async def explain_receipt(
    request: Request, who: Who, pod: PodPath, delivery: DeliveryPath
) -> Response:
    """Explain one receipt: each amount as energy times a price, in words, and how to check it."""
    check(request, who, *_SEE)
    node = node_of(request)
    sight = sight_of(node, who)
    start = instant_of(delivery)
    row = node.history.one("receipts", pod=pod, delivery_start=start)
    if row is None or not sight.sees_party(str(row["party"])):
        raise not_found(f"receipt of {pod} at {delivery}")
    found = explained(node.history, node.state().registry, PodId(pod), start)
    if found is None:
        raise not_found(f"receipt of {pod} at {delivery}")
    told = {
        "receipt": _told(node, found.receipt),
        "lines": _lines(found.lines),
        "without_market": _lines(found.without_market),
        "words": _words(node, found.receipt, found.lines),
        "versions": [_told(node, one) for one in found.versions],
        "disagreements": [
            f"{name}: the lines come to {ours}, the receipt says {its}"
            for name, (ours, its) in found.disagreements.items()
        ],
        "proof": _proof(node, found.receipt),
    }
    return settled(request, told)


def _told(node: Node, row: Answered) -> dict[str, object]:
    return shown(node, "receipts", row, fields_of(ReceiptTold))


def _lines(lines: Iterable[Line]) -> list[LineTold]:
    return [
        LineTold(
            component=line.component,
            what=line.what,
            energy_wh=line.energy_wh,
            price_nano_per_wh=line.price_nano_per_wh,
            amount_nano=line.amount_nano,
            amount=money_text(line.amount_nano),
        )
        for line in lines
    ]


def _words(node: Node, row: Answered, lines: Iterable[Line]) -> list[str]:
    """Return a receipt as sentences."""
    community = node.state().registry.community
    currency = "" if community is None else community.currency
    total = int(row["total_nano"] or 0)
    saved = int(row["same_meters_nano"] or 0) - total
    told = [
        f"{line.what}: {line.energy_wh:,} Wh at {money_text(line.price_nano_per_wh * 1_000)}"
        f" {currency}/kWh {'costs' if line.amount_nano >= 0 else 'earns'}"
        f" {money_text(abs(line.amount_nano))} {currency}."
        for line in lines
    ]
    verb = "pays" if total >= 0 else "gets"
    told.append(f"Together the party {verb} {money_text(abs(total))} {currency} before tax.")
    if saved:
        more = "more" if saved > 0 else "less"
        told.append(
            f"Without a market the same meters would have cost {money_text(abs(saved))}"
            f" {currency} {more}."
        )
    if row["quality"] != "measured":
        told.append(f"Its energy is {row['quality']}: a later version may say otherwise.")
    return told


def _meter_at(state: State, pod: PodId, at: Instant) -> str:
    """Return the meter that was in use behind a pod; the present one where none was."""
    for name, use in state.metering.meters.items():
        if use.pod == pod and use.since <= at and (use.until is None or at < use.until):
            return name
    present = state.metering.pods.get(pod)
    return "" if present is None else present.meter


def _proof(node: Node, row: Answered) -> Proof:
    """Return how a receipt is checked."""
    values = [row[_COLUMNS.get(name, name)] for name in Receipt.__struct_fields__]
    canonical = msgspec.json.encode(msgspec.convert(values, Receipt))
    meter = _meter_at(
        node.state(), PodId(str(row["pod"])), Instant(int(row["delivery_start"] or 0))
    )
    since = shown(node, "receipts", row, ("delivery",))["delivery"]
    return Proof(
        entry=int(row["entry"] or 0),
        canonical=canonical.decode(),
        sha256=sha256(canonical).hexdigest(),
        readings=f"/api/v1/devices/{meter}/readings?since={since}",
        hint=(
            "These bytes stand in that entry of the journal. Entries are a chain of SHA-256:"
            " `wattbay verify` reads all of it and decides each command again; its head is the same"
            " for everybody who holds the journal."
        ),
    )
