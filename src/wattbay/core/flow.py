"""The page to hang on the wall: everything that follows from anything.

By the clock
    ==========================  ==========================  ======================
    when                        the state says is due       made by
    ==========================  ==========================  ======================
    an order has all it waited  `ReleaseOrder`              `OrderPlaced`,
    for                                                     `SignalGiven`,
                                                            `AuctionCleared`,
                                                            `EnergyMetered`,
                                                            `LimitSubmitted`
    the last price reached a    `ReleaseOrder`              `Traded`
    stop
    an order's time is over     `ExpireOrder`               `OrderPlaced`
    continuous trading opens    `OpenTrading`               `DeliveriesListed`
    a gate closes               `CloseGate`                 `DeliveriesListed`
    the network check ends      `ClearAuction`              `GateClosed`
    no result was submitted     `ClearAuction`              `GateClosed`
    a settlement run is due     `SettlePeriod`              `DeliveriesListed`,
                                                            `PeriodSettled`
    ==========================  ==========================  ======================

By event
    ==========================  ==================================================
    after                       follows, in the same entry
    ==========================  ==================================================
    `GateClosed`                orders that still wait are cancelled; the auction,
                                where nobody checks the network
    `LimitSubmitted`            grid-balanced orders that it forbids are suspended
    ==========================  ==================================================

What falls due is kept in one heap, ordered by instant, then kind, then delivery and product; what
orders wait for is kept apart (`wattbay.core.market.standby`) and goes first at its instant.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from msgspec import Struct, field

from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.commands import Command
from wattbay.core.deliveries import Deliveries, next_run
from wattbay.core.facts import Mechanism
from wattbay.core.market import folding, phases, release, session, standby
from wattbay.core.market.orders import Market
from wattbay.core.market.product import gate_closes
from wattbay.core.products import BLOCK
from wattbay.core.registry import Registry
from wattbay.errors import ensure
from wattbay.ids import ProductId, RunName
from wattbay.periods import Instant

CLOSE_GATE, CLEAR_AUCTION, SETTLE, OPEN_TRADING = range(4)
"""Kinds of what falls due; at one instant the lower goes first."""


Due = tuple[Instant, int, Instant, ProductId]
"""When what falls due: instant, kind, delivery, product."""


class Agenda(Struct):
    """What will fall due."""

    dues: list[Due] = field(default_factory=list)
    """A heap."""


def due(
    registry: Registry, agenda: Agenda, deliveries: Deliveries, market: Market
) -> tuple[Instant, Command] | None:
    """Return what falls due next, and when.

    What an order is due to do goes first at its instant; an order that has all it waited for is
    due before anything.
    """
    for place in market.reached:
        stop = folding.released_stop(market, *place)
        if stop is not None:
            # So each stop acts in an entry of its own, after the one that caused it.
            return standby.AT_ONCE, c.ReleaseOrder(order=stop, product=place[0], delivery=place[1])
    waiting = standby.due(market.standby)
    if waiting is not None and (not agenda.dues or waiting[0] <= agenda.dues[0][0]):
        return waiting
    if not agenda.dues:
        return None
    at, kind, delivery, product = agenda.dues[0]
    if kind == CLOSE_GATE:
        return at, c.CloseGate(product=product, delivery=delivery)
    if kind == OPEN_TRADING:
        return at, c.OpenTrading(product=product, delivery=delivery)
    if kind == CLEAR_AUCTION:
        return at, c.ClearAuction(product=product, delivery=delivery)
    run = next_run(registry, delivery, deliveries.open[delivery].runs_done)
    ensure(run is not None, "a delivery with a settlement due has a run left")
    return at, c.SettlePeriod(delivery=delivery, run=run[1] if run is not None else RunName(""))


def follow(registry: Registry, market: Market, event: e.Event) -> list[e.Event]:
    """Return what follows from an event, decided on the state before its entry."""
    match event:
        case e.GateClosed():
            product = registry.products[event.product]
            followed = release.close(market, product, event.delivery)
            if product.mechanism in {Mechanism.CONTINUOUS, Mechanism.BILATERAL}:
                followed += phases.close(market, product, event.delivery)
            elif event.clears_at is None:
                followed += session.clear_book(registry, market, product, event.delivery)
            return followed
        case _:
            return []


def schedule(
    registry: Registry, agenda: Agenda, deliveries: Deliveries, event: e.Event, new: list[Instant]
) -> None:
    """Keep the agenda: strike what was done, note what it leads to.

    Parameters
    ----------
    new
        Of `DeliveriesListed`: the deliveries that no product had listed before.
    """
    dues = agenda.dues
    match event:
        case e.DeliveriesListed():
            product = registry.products[event.product]
            # What is allocated after the fact has no gate.
            gates = 0 if product.mechanism is Mechanism.COMMUNITY else event.count
            for i in range(gates):
                start = Instant(event.start + i * registry.isp_us)
                gate = event.start if product.rule == BLOCK else start
                heappush(dues, (gate_closes(product, gate), CLOSE_GATE, start, event.product))
                if product.opening_before_us is not None:
                    opens_at = Instant(start - product.opening_before_us)
                    heappush(dues, (opens_at, OPEN_TRADING, start, event.product))
            for start in new:
                _plan(registry, dues, start, 0, event.product)
        case e.GateClosed():
            _strike(agenda, CLOSE_GATE, event.delivery)
            if event.clears_at is not None:
                heappush(dues, (event.clears_at, CLEAR_AUCTION, event.delivery, event.product))
        case e.PeriodSettled():
            product_name = _strike(agenda, SETTLE, event.delivery)
            done = deliveries.open[event.delivery].runs_done
            _plan(registry, dues, event.delivery, done, product_name)
        case _:
            pass


def _plan(
    registry: Registry, dues: list[Due], delivery: Instant, runs_done: int, product: ProductId
) -> None:
    """Note the next settlement run of a delivery, if there is one."""
    run = next_run(registry, delivery, runs_done)
    if run is not None:
        heappush(dues, (run[0], SETTLE, delivery, product))


def _strike(agenda: Agenda, kind: int, delivery: Instant) -> ProductId:
    """Take what was done off the agenda: it is always what was due first."""
    _, done, start, product = heappop(agenda.dues)
    ensure(done == kind and start == delivery, "what is due first is done first")
    return product


def cleared(agenda: Agenda, product: ProductId, delivery: Instant, clears_at: Instant) -> None:
    """Strike an auction that waited for the network check, or for a result that came early."""
    dues, wanted = agenda.dues, (clears_at, CLEAR_AUCTION, delivery, product)
    if dues[0] == wanted:
        heappop(dues)
        return
    ensure(wanted in dues, "what is done was due")
    dues.remove(wanted)
    heapify(dues)


def opened(agenda: Agenda, delivery: Instant) -> None:
    """Strike the opening of continuous trading."""
    _strike(agenda, OPEN_TRADING, delivery)
