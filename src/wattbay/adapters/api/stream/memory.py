"""What snapshots remember: orders, deliveries, and the last of what passes by."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping

from wattbay.adapters.api.stream import sources as src
from wattbay.adapters.api.stream import stages
from wattbay.adapters.api.stream.channel import Whole
from wattbay.adapters.api.stream.messages import plain
from wattbay.adapters.api.stream.orders import Orders, row
from wattbay.adapters.api.stream.sources import Remark, Sources
from wattbay.adapters.api.stream.stages import Stages
from wattbay.adapters.api.stream.topics import STAFF, Kind, Topic
from wattbay.core.registry import facts_at
from wattbay.ids import MeterId, PodId, ProductId
from wattbay.periods import Instant, to_text

RECENT_MAX = 100
PRICES_MAX = 1_000
OF_THEN = frozenset({"answer"})
"""What was heard of a device that is for whose it was then; all else is for whose it is."""


class Memory:
    """What stands, as far as topics tell of it."""

    def __init__(self, sources: Sources, at: Instant) -> None:
        """Take up what stands at an instant."""
        self.sources = sources
        self.at = at
        """What time it is at the exchange, as far as was told."""
        self.orders = Orders()
        self.stages = Stages()
        self.trades: deque[Remark] = deque(src.last_trades(sources.history), src.TRADES_MAX)
        self.market: deque[Remark] = deque(maxlen=RECENT_MAX)
        self.grid: deque[Remark] = deque(maxlen=RECENT_MAX)
        self.prices: OrderedDict[str, Mapping[str, object]] = OrderedDict()
        self.said: dict[MeterId, dict[str, tuple[object, Instant]]] = {}
        """What was heard of devices on the wire, and when."""
        self.clock: Mapping[str, object] = {"now": to_text(at), "speed": 1.0}
        state = sources.state()
        for limit in state.market.limits:
            self.grid.append(Remark("limit", at, None, plain(limit)))
        self.orders.begin(state)
        self.stages.begin(state, at)
        span = Instant(at - stages.BEFORE_US), Instant(at + stages.AFTER_US)
        for product, delivery, price, volume_wh in src.last_prices(sources.history, *span):
            self.stages.price((ProductId(product), delivery), price, volume_wh)
            self.keep_price(*price_row(product, delivery, price, volume_wh))

    def party_of(self, pod: PodId, at: Instant) -> str:
        """Return whose pod it is at an instant; who sees all, where it is nobody's."""
        facts = facts_at(self.sources.state().registry, pod, at)
        return STAFF if facts is None else facts.party

    def keep_price(self, key: str, body: Mapping[str, object]) -> None:
        """Keep a price for snapshots; the oldest go."""
        self.prices.pop(key, None)
        self.prices[key] = body
        if len(self.prices) > PRICES_MAX:
            self.prices.popitem(last=False)

    def whole(self, topic: Topic, heard_as: str) -> Whole:
        """Return what makes the snapshots of a topic for an audience."""
        match topic.kind:
            case Kind.MARKET:
                return lambda: [src.remark_row(one) for one in self.market]
            case Kind.GRID:
                return lambda: [src.remark_row(one) for one in self.grid]
            case Kind.DELIVERIES:
                return lambda: {
                    stages.key(one): stages.row(one) for one in self.stages.near(self.at)
                }
            case Kind.PRICES:
                return lambda: self.prices
            case Kind.TRADES:
                return lambda: [src.remark_row(one) for one in self.trades]
            case Kind.CLOCK:
                return lambda: self.clock
            case Kind.BOOK:
                place = (ProductId(topic.subject), topic.delivery or Instant(0))
                return lambda: self.orders.depth(place)
            case _:
                return self._private(topic, heard_as)

    def _private(self, topic: Topic, heard_as: str) -> Whole:
        """Likewise of a topic that is not for everybody."""
        sources, pod, named = self.sources, PodId(topic.subject), topic.subject or heard_as
        match topic.kind:
            case Kind.ORDERS:
                return lambda: self._orders(pod, heard_as)
            case Kind.RECEIPTS:
                return lambda: src.receipts(sources, pod, heard_as)
            case Kind.STATEMENTS:
                return lambda: src.statements(sources, pod, heard_as)
            case Kind.READINGS:
                return lambda: src.readings(sources, topic.subject, heard_as)
            case Kind.ALERTS:
                return lambda: src.alerts(sources, named, self.at)
            case _:
                return lambda: self._devices(named)

    def _orders(self, pod: PodId, heard_as: str) -> Mapping[str, object]:
        return {
            str(one.order): row(one)
            for one in self.orders.of(pod)
            if heard_as in {STAFF, self.party_of(pod, one.delivery)}
        }

    def device(self, device: MeterId) -> Mapping[str, object]:
        """Return a device as it is told."""
        state = self.sources.state()
        said = {
            name: value
            for name, (value, at) in self.said.get(device, {}).items()
            if name not in OF_THEN or self._is_same(device, at)
        }
        return src.device_row(device, state, said)

    def hear(self, device: MeterId, said: Mapping[str, object], at: Instant) -> None:
        """Remember what was heard of a device on the wire."""
        heard = self.said.setdefault(device, {})
        heard.update((name, (value, at)) for name, value in said.items())

    def _is_same(self, device: MeterId, at: Instant) -> bool:
        """Tell whether a device is whose it was at an instant."""
        state = self.sources.state()
        now = max(at, self.at)
        return src.party_of(device, at, state) == src.party_of(device, now, state)

    def _devices(self, audience: str) -> Mapping[str, object]:
        found = src.devices(self.sources, audience, self.at)
        return {device: self.device(device) for device in found}


def price_row(
    product: str, delivery: Instant, price: int | None, volume_wh: int | None
) -> tuple[str, Mapping[str, object]]:
    """Return the key of a delivery's price, and what is told of it."""
    key = f"{product}/{to_text(delivery)}"
    return key, {
        "product": product,
        "delivery": to_text(delivery),
        "price_nano_per_wh": price,
        "volume_wh": volume_wh,
    }
