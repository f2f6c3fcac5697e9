"""Homes with a battery: self-consumption first, then what the price makes worth while.

Of what it is charged with, a battery keeps two accounts: energy from the home's own panels, and
energy that was bought. Only the first is ever sold; what was bought serves the home's own demand.
So whatever such a home injects is solar, and a certificate of origin for it is honest.
"""

from __future__ import annotations

from typing import NamedTuple

from wattbay.agents.agent import Ahead, Desk, Outcome, Sight
from wattbay.core.commands import Command
from wattbay.core.facts import Side
from wattbay.periods import Instant

DOUBT = 0.5
"""How far forecasts are doubted where a mistake is dear: charge that was kept in vain is sold a day
later for a little less, charge that was given away is bought back with all fees."""


class Store(NamedTuple):
    """What a battery can do within one delivery."""

    capacity_wh: float
    """What it holds when full. [Wh]"""
    reserve_wh: float
    """Kept for backup; never planned with. [Wh]"""
    energy_max_wh: float
    """The most that it takes from the home, or gives to it, in a delivery. [Wh]"""
    efficiency: float
    """Round trip, applied once, when discharging."""
    wear_nano_per_wh: int
    """What a discharged Wh costs in life of the battery. [nano-currency per Wh]"""


class Alternatives(NamedTuple):
    """What a home does without the market. [nano-currency per Wh]"""

    buy: int
    """The price of the market at which the supplier is as cheap, all fees considered."""
    sell: int
    """What the supplier pays for surplus."""
    fees: int
    """Network fee and levy on what is drawn after a trade."""


class Bounds(NamedTuple):
    """Between which charges a battery works for its home alone.

    Outside of them it also follows what the home has traded, where the forecast was wrong.
    """

    keep_wh: float
    """Nothing is given to others below this. [Wh]"""
    fill_wh: float
    """Nothing is drawn from the grid above this. [Wh]"""


class Plan(NamedTuple):
    """What to do with a battery in one delivery. All energies at the home's side. [Wh]"""

    bounds: Bounds
    charge_wh: float = 0.0
    """From the home's own surplus."""
    discharge_wh: float = 0.0
    """Into the home's own demand."""
    buy_wh: float = 0.0
    """To be bought and stored."""
    buy_worth: float = 0.0
    """What a Wh of that is worth. [nano-currency per Wh]"""
    sell_wh: float = 0.0
    """To be sold from the store."""
    sell_worth: float = 0.0
    """What a Wh of that is worth, kept. [nano-currency per Wh]"""


class _Outlook(NamedTuple):
    """What is expected after the delivery: demand until the panels refill, and the refill."""

    need_wh: float
    """Demand that a battery can serve before the next surplus. [Wh]"""
    need_price: float
    """Mean expected price of that energy, if bought. [nano-currency per Wh]"""
    cheapest: float
    """Lowest expected price before the next surplus, if bought."""
    dearest: float
    """Highest expected price before the next surplus, if sold."""
    refill_wh: float
    """The next surplus, until it ends. [Wh]"""
    refill_price: float
    """Mean expected price of that energy, if sold."""


def plan(store: Store, soc_wh: float, solar_wh: float, ahead: Ahead, without: Alternatives) -> Plan:
    """Return what to do in the first delivery of `ahead`.

    The home's own surplus is stored and its own demand served first. Then, in a delivery without
    surplus, one of two more things may pay:

    - to sell stored solar energy that the home will not need before its panels refill the battery
      and that would then be in the way of that surplus: where
      ``efficiency * (price - wear) > price at the refill``, and no dearer delivery comes before;
    - to buy what will be missing before the panels refill it, rather than later: where
      ``(price + fees) / efficiency + wear < later price + fees``, and no cheaper one comes before.

    Both stay outside the bounds between which the battery works for its home alone.

    Parameters
    ----------
    soc_wh, solar_wh
        What the battery is expected to hold when the delivery starts, and what of it is solar.
    ahead
        The delivery, and the hours after it; a day is enough.
    without
        What the home does where no price is expected.

    Notes
    -----
    What a stored Wh is worth is taken from the coming refill alone, at mean expected prices: a
    day's rule of thumb, not an optimum over weeks.
    """
    net = ahead.net_wh[0]
    bounds = bounds_of(store, ahead.net_wh[1:])
    if net > 0:
        room = max(store.capacity_wh - soc_wh, 0.0)
        return Plan(bounds, charge_wh=min(net, store.energy_max_wh, room))
    usable = max(soc_wh - store.reserve_wh, 0.0)
    calm = Plan(bounds, discharge_wh=min(-net, store.energy_max_wh, usable * store.efficiency))
    price = ahead.price[0]
    if price is None:
        return calm
    outlook = _outlook(store, ahead, without)
    if soc_wh - calm.discharge_wh / store.efficiency > bounds.keep_wh:
        return _sell(store, calm, outlook, price, soc_wh, solar_wh)
    return _buy(store, calm, outlook, price, soc_wh, without)


def bounds_of(store: Store, net_wh: list[float]) -> Bounds:
    """Return how much charge may, and how much surely will find use in the home's own demand.

    Parameters
    ----------
    net_wh
        Forecast of own generation minus own demand in the deliveries to come. [Wh]

    Notes
    -----
    Forecasts are doubted in opposite directions: see `DOUBT`.
    """
    keep = fill = 0.0
    most, energy_max = store.capacity_wh - store.reserve_wh, store.energy_max_wh
    more, less = 1 + DOUBT, 1 - DOUBT
    more_stored, less_stored = more / store.efficiency, less / store.efficiency
    # Back from the end: demand adds to what is wanted before it, surplus takes from it.
    for net in reversed(net_wh):
        if net > 0:
            refill = min(net, energy_max)
            keep = max(keep - less * refill, 0.0)
            fill = max(fill - more * refill, 0.0)
        else:
            needed = min(-net, energy_max)
            keep = min(keep + more_stored * needed, most)
            fill = min(fill + less_stored * needed, most)
    return Bounds(store.reserve_wh + keep, store.reserve_wh + fill)


def _outlook(store: Store, ahead: Ahead, without: Alternatives) -> _Outlook:
    """Walk from the second delivery ahead through demand to the next surplus, and through it."""
    need = need_value = refill = refill_value = 0.0
    cheapest, dearest = float("inf"), float("-inf")
    is_refilling = False
    for net, price in zip(ahead.net_wh[1:], ahead.price[1:], strict=True):
        if net > 0:
            is_refilling = True
            energy = min(net, store.energy_max_wh)
            refill += energy
            refill_value += energy * (without.sell if price is None else price)
        elif is_refilling:
            break
        else:
            energy = min(-net, store.energy_max_wh)
            buy = without.buy if price is None else price
            sell = without.sell if price is None else price
            need += energy
            need_value += energy * buy
            cheapest = min(cheapest, buy)
            dearest = max(dearest, sell)
    return _Outlook(
        need,
        need_value / need if need else 0.0,
        cheapest,
        dearest,
        refill,
        refill_value / refill if refill else 0.0,
    )


def _sell(
    store: Store, calm: Plan, outlook: _Outlook, price: float, soc_wh: float, solar_wh: float
) -> Plan:
    """Sell what would be in the way of the next refill, if that pays."""
    left = soc_wh - calm.discharge_wh / store.efficiency
    at_refill = left - outlook.need_wh / store.efficiency
    in_the_way = at_refill + outlook.refill_wh - store.capacity_wh
    stored = min(left - calm.bounds.keep_wh, in_the_way, solar_wh)
    for_sale = min(stored * store.efficiency, store.energy_max_wh - calm.discharge_wh)
    worth = outlook.refill_price / store.efficiency + store.wear_nano_per_wh
    if for_sale <= 0 or price <= worth or price < outlook.dearest:
        return calm
    return calm._replace(sell_wh=for_sale, sell_worth=worth)


def _buy(
    store: Store,
    calm: Plan,
    outlook: _Outlook,
    price: float,
    soc_wh: float,
    without: Alternatives,
) -> Plan:
    """Buy what would be missing later, if that pays."""
    later = outlook.need_price + without.fees
    worth = store.efficiency * (later - store.wear_nano_per_wh) - without.fees
    if price >= worth or price > outlook.cheapest:
        return calm
    # Now is the cheapest time: what the battery holds is better kept for later, as far as it is
    # needed then, and what will still be missing is bought.
    missing = calm.bounds.fill_wh - soc_wh
    if missing <= 0:
        return calm._replace(discharge_wh=min(calm.discharge_wh, -missing * store.efficiency))
    room = max(store.capacity_wh - soc_wh, 0.0)
    buy = min(store.energy_max_wh, missing, room)
    return calm._replace(discharge_wh=0.0, buy_wh=buy, buy_worth=worth)


class BatteryProsumer:
    """Trades the net of its home and its battery, which it plans delivery by delivery.

    There is one state of charge: what was last measured, and what is planned since then for all
    deliveries whose gates are closed. Once an auction has cleared, the plan is what it traded: the
    battery will follow the position, so that the home deviates little from it. Not at any price: a
    deviation costs little where the community pools them, energy bought back in the evening much.
    So what the home will need itself is not given away for it (`Bounds`).
    """

    __slots__ = ("_bounds", "_desk", "_open", "_store", "_without")

    def __init__(self, desk: Desk, store: Store, without: Alternatives) -> None:
        """Trade at a desk with a battery."""
        self._desk = desk
        self._store = store
        self._without = without
        self._open: dict[Instant, tuple[float, float]] = {}
        """Of each delivery not yet measured: forecast net, and what flows into the battery."""
        self._bounds: dict[Instant, Bounds] = {}
        """Of each of them: between which charges the battery works for itself alone."""

    def act(self, sight: Sight) -> list[Command]:
        """Order the forecast net of the home with what the battery is to do.

        What is bought or sold by choice is an order of its own, at what it is worth.
        """
        if sight.ahead is None or sight.charge is None:
            return self._desk.orders(sight.delivery, sight.net_wh)
        for delivery in [start for start in self._open if start < sight.charge.at]:
            del self._open[delivery], self._bounds[delivery]
        soc, solar = self._expected(sight.charge.soc_wh, sight.charge.solar_wh)
        chosen = plan(self._store, soc, solar, sight.ahead, self._without)
        own = chosen.charge_wh - chosen.discharge_wh
        flow = own + chosen.buy_wh - chosen.sell_wh
        net = sight.ahead.net_wh[0]
        self._open[sight.delivery] = (net, flow)
        self._bounds[sight.delivery] = chosen.bounds
        orders = self._desk.orders(sight.delivery, net - own)
        if chosen.buy_wh:
            worth = int(chosen.buy_worth // 1)
            orders += self._desk.order(sight.delivery, Side.BUY, chosen.buy_wh, worth)
        if chosen.sell_wh:
            worth = self._desk.at_least(chosen.sell_worth)
            orders += self._desk.order(sight.delivery, Side.SELL, chosen.sell_wh, worth)
        return orders

    def bounds(self, delivery: Instant) -> Bounds:
        """Return how far the battery may serve others in a delivery, or draw from the grid."""
        return self._bounds.get(delivery, Bounds(self._store.capacity_wh, 0.0))

    def learn(self, outcome: Outcome) -> None:
        """Plan to do what was traded, and let the strategy see the price."""
        known = self._open.get(outcome.delivery)
        if known is not None:
            most = self._store.energy_max_wh
            flow = min(max(known[0] - outcome.position_wh, -most), most)
            self._open[outcome.delivery] = (known[0], flow)
        self._desk.learn(outcome.price)

    def _expected(self, soc_wh: float, solar_wh: float) -> tuple[float, float]:
        """Return state of charge and its solar part after all open deliveries. [Wh]

        Discharging is counted against the solar part first, the careful guess for what may be sold.
        """
        store = self._store
        for net, flow in self._open.values():
            if flow >= 0:
                stored = min(flow, store.capacity_wh - soc_wh)
                soc_wh += stored
                solar_wh += min(stored, max(net, 0.0))
            else:
                taken = min(-flow / store.efficiency, max(soc_wh - store.reserve_wh, 0.0))
                soc_wh -= taken
                solar_wh = max(solar_wh - taken, 0.0)
        return soc_wh, solar_wh
