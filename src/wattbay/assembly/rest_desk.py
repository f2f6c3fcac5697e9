"""Where a battery at home brings its confirmed sales: to a community's service, over REST.

A sale that was brought and not answered may stand or not. So it is brought again, under the same
name, until the service says what became of it: the bid has one outcome, whatever dies meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import NamedTuple, TypeVar

from wattbay.adapters.etp.auctions import Conclude, Key
from wattbay.adapters.etp.desk import key_in, parts, request_of
from wattbay.adapters.etp.messages import RejectCode
from wattbay.adapters.rest.client import Json, Refused, RestClient, path_of
from wattbay.assembly.sale_log import Brought, SaleLog
from wattbay.core.sales import SALE_PARTS_MAX
from wattbay.errors import AdapterError, ConfigError, Fault
from wattbay.ids import PodId, ProductId, RequestId
from wattbay.periods import HOUR, Instant, instant, to_text

Told = TypeVar("Told")

AGAIN_S, AGAIN_MAX_S = 0.25, 5.0
"""How long after a service that does not answer is called again: twice as long each time. [s]"""
ORDERS_MAX = 100_000
"""Orders of a pod that are looked through for what it sold."""
_LATER = frozenset({408, 429})
"""Statuses that say to come again; so do 5xx, and 409 of what is under way."""
_OF_THE_CALLER = frozenset({401, 403, 404})
"""Statuses about who calls: they do not say what became of what was brought before."""
BILATERAL = "bilateral"


class Market(NamedTuple):
    """What a service says of the pod, and of the product in which its battery sells."""

    pod: PodId
    product: ProductId
    isp_us: int
    network_fee: int
    """Comes out of the bid, as it is all that a buyer pays. [nano-currency per Wh]"""
    price_tick: int
    price_min: int
    price_max: int
    not_before: Instant
    """From when on the pod has a part in deliveries."""


class Sold(NamedTuple):
    """A sale that stands."""

    key: Key
    price: int
    """What was bid. [nano-currency per Wh]"""
    energy_wh: int
    entry: int
    until: Instant
    """When its last delivery ends."""


def market_of(client: RestClient, pod: str, product: str) -> Market:
    """Return what a service says of a pod and a product.

    Raises
    ------
    ConfigError
        If there is no such product, or it is none in which sales are brought.
    AdapterError
        If the service does not answer, or does not tell.
    """
    listed: list[Json] = client.get(path_of("products"), list)
    terms = next((one for one in listed if one["product"] == product), None)
    if terms is None or terms["mechanism"] != BILATERAL:
        names = [str(one["product"]) for one in listed if one["mechanism"] == BILATERAL]
        what = f"{product} is no product in which sales are brought"
        raise ConfigError(Fault("--product", what, ", ".join(names) or "a bilateral one"))
    facts: list[Json] = client.get(path_of("pods", pod), list)
    return Market(
        pod=PodId(pod), product=ProductId(product),
        isp_us=int(client.get(path_of("community"), Json)["isp_us"]),
        network_fee=int(terms["network_fee_nano_per_wh"]),
        price_tick=int(terms["price_tick_nano_per_wh"]),
        price_min=int(terms["price_min_nano_per_wh"]),
        price_max=int(terms["price_max_nano_per_wh"]),
        not_before=min(instant(one["since"]) for one in facts),
    )  # fmt: skip


def sold_before(client: RestClient, market: Market, bess: int) -> Iterator[Sold]:
    """Yield what a battery sold, as the service has it, oldest first."""
    found: dict[str, list[Json]] = {}
    for order in client.items(
        path_of("orders"), Json, most=ORDERS_MAX, limit=500, pod=market.pod, product=market.product
    ):
        named = key_in(order["request"])
        if order["order"] is not None and named is not None and named[0] == bess:
            found.setdefault(order["request"], []).append(order)
    for request, orders in sorted(found.items(), key=lambda one: int(one[1][0]["entry"])):
        named = key_in(RequestId(request))
        if named is not None:
            yield Sold(
                named[1], int(orders[0]["limit_nano_per_wh"]) + market.network_fee,
                sum(int(one["quantity_wh"]) for one in orders), int(orders[0]["entry"]),
                Instant(max(instant(one["delivery"]) for one in orders) + market.isp_us),
            )  # fmt: skip


class RestDesk:
    """Brings the sales of one battery to a service."""

    def __init__(
        self,
        client: RestClient,
        market: Market,
        log: SaleLog,
        discharge_w: int,
        say: Callable[[str], None],
    ) -> None:
        """Stand between a node and its service.

        Parameters
        ----------
        log
            Keeps what is about to be brought.
        discharge_w
            How fast the battery gives. [W]
        say
            Hears, in words, what whoever runs the node should know.
        """
        self.market = market
        self.is_away = False
        """Whether the service did not answer when it was called last."""
        self._client, self._log, self._say = client, log, say
        self._discharge_w = discharge_w
        self._busy_until = market.not_before
        self._stopping = asyncio.Event()
        self._unfinished: dict[int, str] = {}
        """Sales that stand, by entry, and are not taken off the battery in the log yet."""

    # --- looking -----------------------------------------------------------------------------

    def fault(self, bidder: int, price: int, energy_wh: int) -> RejectCode | None:
        """Return why the service would not take a sale, as far as that is known here."""
        del bidder
        market = self.market
        is_priced = market.price_min <= price - market.network_fee <= market.price_max
        # Of the first and the last delivery there may be too little for a watt-hour.
        deliveries = energy_wh * HOUR // self._discharge_w // market.isp_us
        is_short = min(deliveries, energy_wh) <= SALE_PARTS_MAX
        is_fit = is_priced and is_short and not self.is_away
        return None if is_fit else RejectCode.MARKET_REFUSED

    def take_up(self, until: Instant) -> None:
        """Know until when the battery gives what it sold before."""
        self._busy_until = max(self._busy_until, until)

    # --- bringing ----------------------------------------------------------------------------

    async def conclude(self, bess: int, sale: Conclude) -> int | None:
        """Return the entry of a sale; None if the service does not take it.

        Raises
        ------
        AdapterError
            If it cannot be known what became of it: the log has it.
        """
        try:
            told = await self._answer(lambda: self._client.get(path_of("community"), Json))
        except Refused as refused:
            self._say(f"not sold: {refused}")
            return None
        start = max(instant(told["now"]), self._busy_until)
        end = Instant(start + -(-sale.energy_wh * HOUR // self._discharge_w))
        # Held at once: a sale that is confirmed meanwhile goes behind this one.
        before, self._busy_until = self._busy_until, end
        brought = self._brought(bess, sale, Instant(start), end)
        self._log.bring(brought)
        entry = await self._bring(brought)
        if entry is None:
            self._log.end(brought.request)
            if self._busy_until == end:
                self._busy_until = before
            return None
        self._unfinished[entry] = brought.request
        return entry

    def _brought(self, bess: int, sale: Conclude, start: Instant, end: Instant) -> Brought:
        market = self.market
        body = {
            "product": market.product,
            "seller": market.pod,
            "price_nano_per_wh": sale.price - market.network_fee,
            "parts": [
                {"delivery": to_text(part.delivery), "quantity_wh": part.quantity_wh}
                for part in parts(start, end, sale.energy_wh, market.isp_us)
            ],
            "proof": [message.hex() for message in sale.proof],
        }
        request = request_of(bess, sale.key)
        return Brought(request=request, energy_wh=sale.energy_wh, body=body)

    async def _bring(self, brought: Brought, *, is_doubtful: bool = False) -> int | None:
        def call() -> Json:
            path = path_of("sales")
            return self._client.post(path, brought.body, Json, once=brought.request)

        try:
            return int((await self._answer(call, is_doubtful=is_doubtful))["entry"])
        except Refused as refused:
            self._say(f"not sold: {refused}")
            return None

    def finished(self, entry: int, level_wh: float) -> None:
        """Write down that a sale is taken off the battery, and what that holds now."""
        request = self._unfinished.pop(entry, None)
        if request is not None:
            self._log.end(request, level_wh)

    async def finish_pending(self) -> None:
        """Bring what was brought before a restart and not answered; take it off the battery."""
        for brought in list(self._log.pending.values()):
            entry = await self._bring(brought, is_doubtful=True)
            level_wh = self._log.level_wh
            if entry is not None:
                level_wh = max(0.0, level_wh - brought.energy_wh)
            self._log.end(brought.request, level_wh)

    async def tell_charge(self, level_wh: int) -> int | None:
        """Tell how full the battery is; return the entry, or None where that is not taken now."""
        path = path_of("pods", self.market.pod, "charge")
        try:
            told = await self._once(lambda: self._client.put(path, {"charge_wh": level_wh}, Json))
        except AdapterError:
            return None
        return int(told["entry"])

    async def look(self) -> None:
        """See whether the service answers."""
        with suppress(AdapterError):
            await self._once(lambda: self._client.get(path_of("community"), Json))

    def stop(self) -> None:
        """Call no more: what was not answered is brought again at the next start."""
        self._stopping.set()

    # --- being answered ----------------------------------------------------------------------

    async def _once(self, call: Callable[[], Told]) -> Told:
        """Return what a call in a thread of its own returns; know whether the service answers."""
        try:
            told = await asyncio.to_thread(call)
        except Refused:
            self._is_there(is_there=True)
            raise
        except AdapterError as error:
            self._is_there(is_there=False, why=str(error))
            raise
        self._is_there(is_there=True)
        return told

    def _is_there(self, *, is_there: bool, why: str = "") -> None:
        if is_there is self.is_away:
            self._say("the service answers again" if is_there else f"{why}: trying again")
        self.is_away = not is_there

    async def _answer(self, call: Callable[[], Told], *, is_doubtful: bool = False) -> Told:
        """Return the answer of the service, however long it takes to come.

        Parameters
        ----------
        is_doubtful
            Whether the same was brought before, and it is not known what became of it.

        Raises
        ------
        Refused
            If the service says that it is not done, and never was.
        AdapterError
            If we are stopped before.
        """
        pause_s, said = AGAIN_S, ""
        while True:
            try:
                return await self._once(call)
            except Refused as refused:
                if _is_final(refused, is_doubtful=is_doubtful):
                    raise
                is_doubtful = True
                if (why := str(refused.problem.detail)) != said:
                    self._say(f"{why}: trying again")
                    said = why
            except AdapterError:
                is_doubtful = True
            await _within(self._stopping.wait(), pause_s)
            if self._stopping.is_set():
                msg = "stopped before the service said what became of a sale: start again for it"
                raise AdapterError(msg)
            pause_s = min(2 * pause_s, AGAIN_MAX_S)


def _is_final(refused: Refused, *, is_doubtful: bool) -> bool:
    """Tell whether a refusal says that what was brought is not done, and never was."""
    if refused.status >= 500 or refused.status in _LATER or refused.kind == "in-flight":  # noqa: PLR2004 - a status
        return False
    is_of_the_exchange = refused.problem.entry is not None
    return is_of_the_exchange or not is_doubtful or refused.status not in _OF_THE_CALLER


async def _within(work: Awaitable[object], wait_s: float) -> None:
    """Wait for something, for so long at most."""
    with suppress(TimeoutError):
        await asyncio.wait_for(work, wait_s)
