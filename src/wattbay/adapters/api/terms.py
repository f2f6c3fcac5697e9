"""What an order may say on this wire besides its side, limit and quantity."""

from __future__ import annotations

from typing import Annotated

import msgspec

from wattbay.adapters.api.forms import (
    Amount,
    Id,
    InstantText,
    Number,
    Positive,
    instant_of,
    maybe_instant,
    whole,
)
from wattbay.core.facts import Side
from wattbay.core.terms import (
    Block,
    Condition,
    ConditionKind,
    GridBalance,
    Kind,
    Leg,
    OrderTerms,
    TimeInForce,
)
from wattbay.ids import OrderId, OriginId, PartyId, ProductId, SignalId
from wattbay.units import PPM

PROFILE_MAX = 1_440
LEGS_MAX = 16

Origin = Annotated[str, whole(r"^[A-Za-z0-9_\-]+(?:/[A-Za-z0-9_\-]+)*$", max_length=64)]
"""Where energy comes from, from the general to the particular: ``solar/pv``."""
Share = Annotated[int, msgspec.Meta(ge=1, le=PPM)]


class ConditionTold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an order waits for: a number that reaches a level."""

    kind: ConditionKind
    is_at_least: bool
    """Met at the level or above it; else at it or below."""
    level: Number
    product: Id | None = None
    """Of a clearing price."""
    delivery: InstantText | None = None
    """Of a clearing price or a surplus."""
    signal: Id | None = None


class BlockTold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order that is accepted in all its deliveries alike, or not at all."""

    profile_wh: Annotated[tuple[Number, ...], msgspec.Meta(min_length=1, max_length=PROFILE_MAX)]
    """Energy in each delivery, from the order's on."""
    min_ratio_ppm: Share = PPM
    """The least share of it that may be accepted."""
    group: Id | None = None
    """Of all blocks of its party in a group one at most is accepted."""
    parent: Positive | None = None
    """It is accepted only if that block is."""


class LegTold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One more order of a basket: all trade whole at once, or none does."""

    delivery: InstantText
    side: Side
    quantity_wh: Positive
    limit_nano_per_wh: Number


class TermsTold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whatever else an order says. Which of it a product understands, its mechanism decides."""

    kind: Kind = Kind.LIMIT
    time_in_force: TimeInForce = TimeInForce.GTC
    stop_nano_per_wh: Number | None = None
    """Acts once the last price is there: a buy order at or above it, a sell order at or below."""
    protection_nano_per_wh: Number | None = None
    """The worst price of an order that names no limit."""
    min_quantity_wh: Amount = 0
    """Trades at least so much on entry, or is cancelled."""
    post_only: bool = False
    """Rests, or is cancelled: never the one that comes second."""
    peak_wh: Positive | None = None
    """Shows so much at a time."""
    valid_from: InstantText | None = None
    expires: InstantText | None = None
    origin: Origin | None = None
    """What a sell order is, such as ``solar/pv``."""
    wants: Origin | None = None
    """What a buy order accepts: that origin, and all below it."""
    is_local: bool = False
    """Trades within its own zone alone."""
    partner: Id | None = None
    """Trades with this party alone."""
    condition: ConditionTold | None = None
    grid: GridBalance | None = None
    block: BlockTold | None = None
    legs: Annotated[tuple[LegTold, ...], msgspec.Meta(max_length=LEGS_MAX)] = ()
    """Of a basket: the other legs; the order itself is the first."""


def terms_of(told: TermsTold) -> OrderTerms:
    """Return the terms as the exchange takes them."""
    return OrderTerms(
        kind=told.kind,
        time_in_force=told.time_in_force,
        stop=told.stop_nano_per_wh,
        protection=told.protection_nano_per_wh,
        min_quantity_wh=told.min_quantity_wh,
        post_only=told.post_only,
        peak_wh=told.peak_wh,
        valid_from=maybe_instant(told.valid_from),
        expires=maybe_instant(told.expires),
        origin=None if told.origin is None else OriginId(told.origin),
        wants=None if told.wants is None else OriginId(told.wants),
        is_local=told.is_local,
        partner=None if told.partner is None else PartyId(told.partner),
        condition=None if told.condition is None else _condition(told.condition),
        grid=told.grid,
        block=None if told.block is None else _block(told.block),
        legs=tuple(
            Leg(
                delivery=instant_of(leg.delivery),
                side=leg.side,
                quantity_wh=leg.quantity_wh,
                limit=leg.limit_nano_per_wh,
            )
            for leg in told.legs
        ),
    )


def _condition(told: ConditionTold) -> Condition:
    return Condition(
        kind=told.kind,
        is_at_least=told.is_at_least,
        level=told.level,
        product=None if told.product is None else ProductId(told.product),
        delivery=maybe_instant(told.delivery),
        signal=None if told.signal is None else SignalId(told.signal),
    )


def _block(told: BlockTold) -> Block:
    return Block(
        profile=told.profile_wh,
        min_ratio_ppm=told.min_ratio_ppm,
        group=told.group,
        parent=None if told.parent is None else OrderId(told.parent),
    )
