"""The agents of the four periods, unless others are configured."""

from __future__ import annotations

from collections.abc import Sequence

from wattbay.adapters.mqtt.market.checking import check
from wattbay.adapters.mqtt.market.messages import (
    Alert,
    BiddingTold,
    Cleared,
    Exchanged,
    ExchangeTold,
    ItemList,
    MarketPhase,
    Orders,
    Settled,
    Severity,
)
from wattbay.adapters.mqtt.market.periods import Act, Build, Place, Run, Say, Sight
from wattbay.adapters.mqtt.market.phases import gate_of, phase_of
from wattbay.adapters.mqtt.market.standing import Depth, items
from wattbay.adapters.mqtt.market.topics import Subject, delivery_part
from wattbay.core.commands import CurtailOrder
from wattbay.core.facts import Product, Side
from wattbay.ids import ProductId, TradeId
from wattbay.periods import Instant


class Bidding:
    """Announces that bidding opens and closes, and publishes what stands."""

    def __init__(self, _build: Build) -> None:
        """Need nothing."""

    def opened(self, sight: Sight, product: Product, delivery: Instant) -> Sequence[Act]:
        """Announce that orders are taken."""
        return self._told(sight, product, delivery, is_open=True)

    def closed(self, sight: Sight, product: Product, delivery: Instant) -> Sequence[Act]:
        """Announce that no order is taken any more."""
        return self._told(sight, product, delivery, is_open=False)

    def changed(self, sight: Sight, places: Sequence[Place]) -> Sequence[Act]:
        """Publish the books that changed, and the list of all that is offered and wanted."""
        found: list[Act] = [orders_of(sight, *place) for place in places]
        listed, left_out = items(sight.state, sight.now)
        told = ItemList(seq=sight.seq, at=sight.now, items=listed, left_out=left_out)
        return [*found, Say((Subject.ITEMS,), told, retain=True)]

    def _told(
        self, sight: Sight, product: Product, delivery: Instant, *, is_open: bool
    ) -> Sequence[Act]:
        closes_at = gate_of(sight.state, product, delivery)
        if closes_at is None:
            return []
        told = BiddingTold(
            seq=sight.seq,
            at=sight.now,
            product=product.product,
            delivery=delivery,
            is_open=is_open,
            closes_at=closes_at,
        )
        return [Say((Subject.BIDDING,), told)]


def orders_of(sight: Sight, name: ProductId, delivery: Instant) -> Say:
    """Return the message about what stands for a delivery; where nothing can, its removal."""
    parts = (Subject.ORDERS, name, delivery_part(delivery))
    book = sight.state.market.books.get(name, {}).get(delivery)
    if book is None:
        return Say(parts, None, retain=True)
    buy, sell = Depth(book, Side.BUY), Depth(book, Side.SELL)
    phase, _ = phase_of(sight.state, sight.state.registry.products[name], delivery, sight.now)
    told = Orders(
        seq=sight.seq,
        at=sight.now,
        product=name,
        delivery=delivery,
        phase=phase,
        buy=buy.levels,
        sell=sell.levels,
        buy_orders=buy.orders,
        sell_orders=sell.orders,
        buy_wh=buy.quantity_wh,
        sell_wh=sell.quantity_wh,
        left_out=buy.left_out + sell.left_out,
    )
    return Say(parts, told, retain=True)


class GateClosure:
    """Checks the network as the grid operator, last on first off, and announces the result."""

    def __init__(self, _build: Build) -> None:
        """Need nothing."""

    def closed(self, sight: Sight, product: Product, delivery: Instant) -> Sequence[Act]:
        """Drop what the network does not bear, and say what and why."""
        found: list[Act] = []
        for command in check(sight.state, product, delivery, sight.now):
            order = command.order if isinstance(command, CurtailOrder) else None
            trade: TradeId | None = None if isinstance(command, CurtailOrder) else command.trade
            alert = Alert(
                seq=sight.seq,
                at=sight.now,
                what="network limit",
                detail=command.reason,
                severity=Severity.WARNING,
                product=product.product,
                delivery=delivery,
                order=order,
                trade=trade,
            )
            found += [command, Say((Subject.ALERT,), alert)]
        return found

    def cleared(
        self, sight: Sight, place: Place, price: int | None, volume_wh: int
    ) -> Sequence[Act]:
        """Publish price and volume."""
        product, delivery = place
        told = Cleared(
            seq=sight.seq,
            at=sight.now,
            product=product,
            delivery=delivery,
            price=price,
            volume_wh=volume_wh,
        )
        return [Say((Subject.CLEAR, product), told, retain=True)]


class Exchange:
    """Announces that energy flows, and what was metered of what was traded."""

    def __init__(self, _build: Build) -> None:
        """Begin without a delivery."""
        self._current: Instant | None = None
        self._last: Instant | None = None

    def began(self, sight: Sight, delivery: Instant) -> Sequence[Act]:
        """Announce the delivery in which energy flows."""
        if self._current is not None and self._current != delivery:
            self._last = self._current
        self._current = delivery
        return self._told(sight)

    def ended(self, sight: Sight, delivery: Instant) -> Sequence[Act]:
        """Announce that a delivery is over."""
        self._last = delivery
        if self._current == delivery:
            self._current = None
        return self._told(sight)

    def metered(self, sight: Sight, deliveries: Sequence[Instant]) -> Sequence[Act]:
        """Publish what is known now of the delivery that is over."""
        return self._told(sight) if {self._current, self._last}.intersection(deliveries) else []

    def _told(self, sight: Sight) -> Sequence[Act]:
        told = ExchangeTold(
            seq=sight.seq,
            at=sight.now,
            current=exchanged(sight, self._current),
            last=exchanged(sight, self._last),
        )
        return [Say((Subject.EXCHANGE,), told, retain=True)]


def exchanged(sight: Sight, delivery: Instant | None) -> Exchanged | None:
    """Return what was traded for a delivery, and metered of it so far; None of none."""
    state = sight.state
    found = None if delivery is None else state.deliveries.open.get(delivery)
    if delivery is None or found is None:
        return None
    metered = state.metering.energy.get(delivery, {}).values()
    ends_at = Instant(delivery + state.registry.isp_us)
    return Exchanged(
        delivery=delivery,
        ends_at=ends_at,
        phase=MarketPhase.EXCHANGING if sight.now < ends_at else MarketPhase.METERED,
        traded_wh=sum(one.quantity_wh for one in found.trades.values()),
        metered_pods=len(metered),
        pods=len(state.registry.pods),
        import_wh=sum(one.import_wh for one in metered),
        export_wh=sum(one.export_wh for one in metered),
    )


class Settlement:
    """Announces settlement runs: how many receipts, which bill date, when the next run is."""

    def __init__(self, _build: Build) -> None:
        """Need nothing."""

    def settled(self, sight: Sight, run: Run) -> Sequence[Act]:
        """Announce a run."""
        community = sight.state.registry.community
        if community is None:
            return []
        delivery, runs = run.settled.delivery, community.runs
        ends_at = delivery + community.isp_us
        place = next((i for i, one in enumerate(runs) if one.name == run.settled.run), None)
        following = None if place is None else place + 1
        next_run_at = None
        if following is not None and following < len(runs):
            next_run_at = Instant(ends_at + runs[following].after_us)
        told = Settled(
            seq=sight.seq,
            at=sight.now,
            delivery=delivery,
            run=run.settled.run,
            is_final=run.is_final,
            receipts=run.receipts,
            pool_price=run.settled.pool_price,
            bill_date=Instant(ends_at + runs[0].after_us),
            next_run_at=next_run_at,
        )
        return [Say((Subject.SETTLE,), told)]
