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


class Plan(NamedTuple):
    """What to do with a battery in one delivery. All energies at the home's side. [Wh]"""

    charge_wh: float
    """From the home's own surplus."""
    discharge_wh: float
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
    usable = max(soc_wh - store.reserve_wh, 0.0)
    if net > 0:
        room = max(store.capacity_wh - soc_wh, 0.0)
        return Plan(charge_wh=min(net, store.energy_max_wh, room), discharge_wh=0.0)
    discharge = min(-net, store.energy_max_wh, usable * store.efficiency)
    outlook = _outlook(store, ahead, without)
    left = usable - discharge / store.efficiency
    spare = left - outlook.need_wh / store.efficiency
    price = ahead.price[0]
    if spare > 0:
        return _sale(store, discharge, spare, min(left, solar_wh), outlook, price)
    return _purchase(store, discharge, soc_wh, spare, outlook, price, without)


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


def _sale(
    store: Store,
    discharge_wh: float,
    spare_wh: float,
    solar_wh: float,
    outlook: _Outlook,
    price: float | None,
) -> Plan:
    """Return the plan that sells what would be in the way of the next refill, if that pays."""
    held = store.reserve_wh + spare_wh
    in_the_way = max(held + outlook.refill_wh - store.capacity_wh, 0.0)
    # What the home's own demand takes now may be bought energy: sold is what is left, if solar.
    for_sale = min(spare_wh, in_the_way, max(solar_wh, 0.0)) * store.efficiency
    for_sale = min(for_sale, store.energy_max_wh - discharge_wh)
    worth = outlook.refill_price / store.efficiency + store.wear_nano_per_wh
    if for_sale <= 0 or price is None or price <= worth or price < outlook.dearest:
        return Plan(0.0, discharge_wh)
    return Plan(0.0, discharge_wh, sell_wh=for_sale, sell_worth=worth)


def _purchase(
    store: Store,
    discharge_wh: float,
    soc_wh: float,
    spare_wh: float,
    outlook: _Outlook,
    price: float | None,
    without: Alternatives,
) -> Plan:
    """Return the plan that buys now what would be missing later, if that pays."""
    later = outlook.need_price + without.fees
    worth = store.efficiency * (later - store.wear_nano_per_wh) - without.fees
    if price is None or price >= worth or price > outlook.cheapest:
        return Plan(0.0, discharge_wh)
    # Now is the cheapest time: what the battery holds is better kept for later, as far as it is
    # needed then, and what will still be missing is bought.
    missing = -spare_wh - discharge_wh / store.efficiency
    if missing <= 0:
        return Plan(0.0, -missing * store.efficiency)
    buy = min(store.energy_max_wh, missing, max(store.capacity_wh - soc_wh, 0.0))
    return Plan(0.0, 0.0, buy_wh=buy, buy_worth=worth)


class BatteryProsumer:
    """Trades the net of its home and its battery, which it plans delivery by delivery.

    There is one state of charge: what was last measured, and what is planned since then for all
    deliveries whose gates are closed. Once an auction has cleared, the plan is what it traded: the
    battery will follow the position, so that the home deviates little from it.
    """

    __slots__ = ("_desk", "_open", "_store", "_without")

    def __init__(self, desk: Desk, store: Store, without: Alternatives) -> None:
        """Trade at a desk with a battery."""
        self._desk = desk
        self._store = store
        self._without = without
        self._open: dict[Instant, tuple[float, float]] = {}
        """Of each delivery not yet measured: forecast net, and what flows into the battery."""

    def act(self, sight: Sight) -> list[Command]:
        """Order the forecast net of the home with what the battery is to do.

        What is bought or sold by choice is an order of its own, at what it is worth.
        """
        if sight.ahead is None or sight.charge is None:
            return self._desk.orders(sight.delivery, sight.net_wh)
        for delivery in [start for start in self._open if start < sight.charge.at]:
            del self._open[delivery]
        soc, solar = self._expected(sight.charge.soc_wh, sight.charge.solar_wh)
        chosen = plan(self._store, soc, solar, sight.ahead, self._without)
        own = chosen.charge_wh - chosen.discharge_wh
        flow = own + chosen.buy_wh - chosen.sell_wh
        self._open[sight.delivery] = (sight.net_wh, flow)
        orders = self._desk.orders(sight.delivery, sight.net_wh - own)
        if chosen.buy_wh:
            worth = int(chosen.buy_worth // 1)
            orders += self._desk.order(sight.delivery, Side.BUY, chosen.buy_wh, worth)
        if chosen.sell_wh:
            worth = self._desk.at_least(chosen.sell_worth)
            orders += self._desk.order(sight.delivery, Side.SELL, chosen.sell_wh, worth)
        return orders

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
