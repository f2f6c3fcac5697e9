"""Sales that were agreed elsewhere, brought by the seller; and how full the battery is that sells.

Whoever may trade for the seller's pod brings a sale. That its buyer agreed is shown by what the
buyer's device signed: another wire's matter, which the node checks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from wattbay.access.roles import Permission
from wattbay.adapters.api.answers import answer, read
from wattbay.adapters.api.callers import Who, caller, check, node_of
from wattbay.adapters.api.forms import (
    Amount,
    Id,
    InstantText,
    Number,
    PodPath,
    Positive,
    instant_of,
    whole,
)
from wattbay.adapters.api.node import Node
from wattbay.adapters.api.orders import A_FILL, Fill, accepted
from wattbay.adapters.api.problems import Problem
from wattbay.adapters.api.repeats import journaled
from wattbay.adapters.api.sections import Section
from wattbay.adapters.api.sight import own_pod
from wattbay.core.commands import GiveSignal
from wattbay.core.events import Traded
from wattbay.core.market.release import CHARGE
from wattbay.core.registry import facts_at
from wattbay.core.sales import (
    SALE_PARTS_MAX,
    SALE_PROOF_BYTES_MAX,
    SALE_PROOFS_MAX,
    ConcludeSale,
    SalePart,
)
from wattbay.errors import WireError
from wattbay.ids import PodId, ProductId, RequestId
from wattbay.periods import Instant, to_text
from wattbay.views.history import Answered, Want

sales = Section(
    "sales",
    "What a battery sold elsewhere, over the Energy Trading Protocol: its sales become trades here,"
    " and are settled by what meters saw.",
)

_HexBytes = Annotated[str, whole(r"^(?:[0-9a-f]{2})+$", max_length=2 * SALE_PROOF_BYTES_MAX)]


class PartSold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of a sale falls into one delivery."""

    delivery: InstantText
    """Start of the delivery."""
    quantity_wh: Positive


class NewSale(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sale that seller and buyer agreed on."""

    product: Id
    """A bilateral one."""
    seller: Id
    """Whose battery sells: a pod."""
    buyer: Id | None = None
    """Who buys: a pod; none: the one behind which the device stands that signed the bid."""
    price_nano_per_wh: Number
    """What the seller gets: what was bid, less the product's network fee."""
    parts: Annotated[tuple[PartSold, ...], msgspec.Meta(min_length=1, max_length=SALE_PARTS_MAX)]
    """By delivery, each later than the one before."""
    proof: Annotated[tuple[_HexBytes, ...], msgspec.Meta(min_length=1, max_length=SALE_PROOFS_MAX)]
    """Messages as received, in hex: the bid, its confirmation, the other bids of the auction."""


class Concluded(msgspec.Struct, frozen=True, kw_only=True):
    """A sale that stands."""

    entry: int
    """The entry of the journal in which it stands."""
    quantity_wh: int
    """All of it."""
    trades: tuple[Fill, ...]
    """One a delivery; prices are what the seller gets."""


class ChargeNow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How full a pod's battery is."""

    charge_wh: Amount


class ChargeTold(msgspec.Struct, frozen=True, kw_only=True):
    """How full a pod's battery was told to be."""

    entry: int
    pod: str
    charge_wh: int


_SENT = NewSale(
    product="immediate",
    seller="h01",
    price_nano_per_wh=98_000,
    parts=(PartSold(delivery="2026-05-01T12:00Z", quantity_wh=250),),
    proof=("0102" * 91, "0103" * 91),
)
_DONE = Concluded(entry=4715, quantity_wh=250, trades=(A_FILL,))


@sales.post(
    "/sales",
    needs=(Permission.TRADE_OWN,),
    body=NewSale,
    sends=_SENT,
    answer=Concluded,
    gives=_DONE,
    status=201,
    refuses=(404, 409),
    is_repeatable=True,
)
async def conclude_sale(request: Request) -> Response:
    """Bring a sale of your battery that was agreed over the Energy Trading Protocol: all or none.

    The Idempotency-Key names the bid: `etp-BATTERY-BIDDER-MESSAGE`, each number in hex. Bid and
    confirmation have to be signed (Ed25519) by the device `etp-BIDDER` behind the buyer's pod, be
    meant for the device `etp-BATTERY` behind yours, say what the sale says, and be at most 15
    minutes old. Each bid is sold once, however often it is brought.
    """
    who = check(request, caller(request), Permission.TRADE_OWN)
    told = await read(request, NewSale)
    node = node_of(request)
    parts = tuple(
        SalePart(delivery=instant_of(one.delivery), quantity_wh=one.quantity_wh)
        for one in told.parts
    )
    for part in parts:
        own_pod(node, who, told.seller, part.delivery)

    async def act(key: RequestId | None) -> Response:
        buyer = node.consents.buyer_of(key) if told.buyer is None else PodId(told.buyer)
        if buyer is None:
            raise _not_agreed("the Idempotency-Key names no bid of a device that is known")
        command = ConcludeSale(
            product=ProductId(told.product),
            seller=PodId(told.seller),
            buyer=buyer,
            price=told.price_nano_per_wh,
            parts=parts,
            proof=tuple(bytes.fromhex(one) for one in told.proof),
            request=key,
        )
        before = _sold_before(node, command)
        if before is not None:
            return before
        try:
            node.consents.check(command, node.wall.now())
        except WireError as error:
            raise _not_agreed(str(error)) from error
        _check_same_party(node, command)
        found = accepted(await node.submit(command))
        trades = (_fill_of(one) for one in found.events if type(one) is Traded)
        return _concluded(found.seq, trades)

    return await journaled(request, who, act)


def _not_agreed(detail: str) -> Problem:
    return Problem(409, "not-agreed", detail)


def _concluded(entry: int, trades: Iterable[Fill]) -> Response:
    fills = tuple(trades)
    quantity_wh = sum(one.quantity_wh for one in fills)
    return answer(Concluded(entry=entry, quantity_wh=quantity_wh, trades=fills), 201, entry=entry)


def _fill_of(trade: Traded) -> Fill:
    return Fill(
        trade=trade.trade,
        delivery=to_text(trade.delivery),
        quantity_wh=trade.quantity_wh,
        price_nano_per_wh=trade.sell_price,
    )


def _sold_before(node: Node, command: ConcludeSale) -> Response | None:
    """Return the answer of a sale that stands already; None where it is new.

    The exchange forgets a request after many entries. History does not, and a bid is sold once.

    Raises
    ------
    Problem
        If something else stands under this request.
    """
    pods = frozenset({str(command.seller)})
    want = Want("orders", {"request": command.request}, pods, limit=SALE_PARTS_MAX)
    found = reversed(node.history.find(want).rows)
    orders = [row for row in found if row["order"] is not None]
    if not orders:
        return None
    wanted = (Want("trades", {"sell_order": int(row["order"] or 0)}) for row in orders)
    trades = [trade for want in wanted for trade in node.history.find(want).rows]
    if [_part_of(row) for row in orders] != _parts_of(command) or any(
        row["buyer_pod"] != command.buyer for row in trades
    ):
        detail = "this Idempotency-Key belongs to another sale or order"
        raise Problem(422, "request-reused", detail, reason="request_reused")
    fills = (
        Fill(
            trade=int(row["trade"] or 0),
            delivery=to_text(Instant(int(row["delivery_start"] or 0))),
            quantity_wh=int(row["quantity_wh"] or 0),
            price_nano_per_wh=int(row["seller_price_nano_per_wh"] or 0),
        )
        for row in trades
    )
    return _concluded(int(orders[0]["entry"] or 0), fills)


_Part = tuple[object, object, object, object]
"""Product, delivery, quantity and price."""


def _part_of(row: Answered) -> _Part:
    return row["product"], row["delivery_start"], row["quantity_wh"], row["limit_nano_per_wh"]


def _parts_of(command: ConcludeSale) -> list[_Part]:
    return [
        (command.product, part.delivery, part.quantity_wh, command.price) for part in command.parts
    ]


def _check_same_party(node: Node, command: ConcludeSale) -> None:
    """Make sure that a device binds nobody who moves in later: it stays behind its pod.

    Raises
    ------
    Problem
        If the buyer's pod is another party's in some delivery.
    """
    registry = node.state().registry
    history = registry.pods.get(command.buyer)
    if not history:
        return  # The exchange says so.
    now = facts_at(registry, command.buyer, max(node.clock.now(), history[0].since))
    for part in command.parts:
        then = facts_at(registry, command.buyer, part.delivery)
        if now is not None and then is not None and now.party != then.party:
            raise _not_agreed(f"{command.buyer} is another party's at {to_text(part.delivery)}")


@sales.put(
    "/pods/{pod}/charge",
    needs=(Permission.TRADE_OWN,),
    body=ChargeNow,
    sends=ChargeNow(charge_wh=8_400),
    answer=ChargeTold,
    gives=ChargeTold(entry=4716, pod="h01", charge_wh=8_400),
    refuses=(404, 409),
)
async def tell_charge(request: Request, who: Who, pod: PodPath) -> Response:
    """Tell how full the battery of a pod of yours is. Orders may wait for it.

    Such an order says so in its `terms`: a `condition` whose kind is `charge`.
    """
    check(request, who, Permission.TRADE_OWN)
    told = await read(request, ChargeNow)
    node = node_of(request)
    party = own_pod(node, who, pod, node.clock.now()).party
    command = GiveSignal(party=party, signal=CHARGE, value=told.charge_wh, pod=PodId(pod))
    found = accepted(await node.submit(command))
    done = ChargeTold(entry=found.seq, pod=pod, charge_wh=told.charge_wh)
    return answer(done, entry=found.seq)
