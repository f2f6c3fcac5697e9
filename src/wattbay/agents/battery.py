"""Homes with a battery: self-consumption first, then what the price makes worth while.

Of what it is charged with, a battery keeps two accounts: energy from the home's own panels, and
energy that was bought. Only the first is ever sold; what was bought serves the home's own demand.
So whatever such a home injects is solar, and a certificate of origin for it is honest.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from wattbay.agents.agent import Ahead, Desk, Outcome, Sight
from wattbay.agents.quantity import Alternatives
from wattbay.core.commands import Command
from wattbay.core.facts import Side
from wattbay.periods import Instant

DOUBT = 0.3
"""By what share of itself the need of a night may be mistaken before the sun is back.

Of 1,461 nights of London homes with batteries in 2013, one in seven needed more than 1.3 times the
mean of four weeks, six in seven more than 0.7 times."""
SELDOM, LIKELY = 0.05, 0.95
"""The chance, on average over those nights, that a Wh beyond the one finds use, or short of the
other."""


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


class Bounds(NamedTuple):
    """Between which charges a battery works for its home alone, and what it may give besides."""

    keep_wh: float
    """Below this nothing is given to others, and the home's own surplus is stored first. [Wh]"""
    fill_wh: float
    """Above this nothing is drawn from the grid. [Wh]"""
    give_wh: float = 0.0
    """The most that is given to others: what was to be sold from the store. [Wh]"""


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
    stored_wh: float = 0.0
    """The most of the home's own demand that is served, should it be more than expected."""
    room_wh: float = 0.0
    """The most of its own surplus that is stored, should it be more than expected."""


class _Outlook(NamedTuple):
    """What is expected after the delivery: demand until the panels refill, and the refill."""

    need_wh: float
    """Demand that a battery can serve before the next surplus. [Wh]"""
    saved: float
    """What a Wh of that need saves that is met from the store: mean expected price and fees, less
    wear. [nano-currency per Wh]"""
    fees: float
    """Network fee and levy on what is drawn after a trade."""
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

    - to sell stored solar energy that the home will seldom need before its panels refill the
      battery and that would then be in the way of that surplus: where
      ``efficiency * (price - wear) > worth(SELDOM)``, and no dearer delivery comes before;
    - to buy what will likely be missing before the panels refill it, rather than later: where
      ``price + fees < worth(LIKELY)``, and no cheaper delivery comes before.

    A stored Wh that is needed with some chance is worth ``chance * efficiency * (later price + fees
    - wear) + (1 - chance) * price at the refill``. Both stay outside the bounds between which the
    battery works for its home alone.

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
    usable = max(soc_wh - store.reserve_wh, 0.0)
    served = min(store.energy_max_wh, usable * store.efficiency)
    room = min(store.energy_max_wh, max(store.capacity_wh - soc_wh, 0.0))
    calm = Plan(
        bounds,
        charge_wh=min(max(net, 0.0), room),
        discharge_wh=min(max(-net, 0.0), served),
        stored_wh=served,
        room_wh=room,
    )
    if net > 0:
        return calm
    price = ahead.price[0]
    if soc_wh - calm.discharge_wh / store.efficiency > bounds.keep_wh:
        # An offer costs nothing where no price is known: it is made at what the energy is worth.
        tried = without.buy if price is None else price
        if solar_wh <= 0:
            return calm
        return _sell(store, calm, _outlook(store, ahead, without), tried, soc_wh, solar_wh)
    if price is None:
        return calm
    return _buy(store, calm, _outlook(store, ahead, without), price, soc_wh)


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
    # Back from the end: demand adds to what is wanted before it, surplus takes from it. This is the
    # innermost loop of a home with a battery: min and max would read better, and take three times
    # as long.
    for net in reversed(net_wh):
        if net > 0:
            refill = net if net < energy_max else energy_max  # noqa: FURB136 - see above
            keep -= less * refill
            fill -= more * refill
            if keep < 0:
                keep = 0.0
            if fill < 0:
                fill = 0.0
        else:
            needed = -net if -net < energy_max else energy_max  # noqa: FURB136 - see above
            keep += more_stored * needed
            fill += less_stored * needed
            if keep > most:  # noqa: PLR1730 - see above
                keep = most
            if fill > most:  # noqa: PLR1730 - see above
                fill = most
    return Bounds(store.reserve_wh + keep, store.reserve_wh + fill)


def _outlook(store: Store, ahead: Ahead, without: Alternatives) -> _Outlook:
    """Walk from the second delivery ahead through demand to the next surplus, and through it."""
    need = need_value = refill = refill_value = 0.0
    cheapest, dearest = inf, -inf
    energy_max, buy, sell = store.energy_max_wh, without.buy, without.sell
    is_refilling = False
    for net, price in zip(ahead.net_wh[1:], ahead.price[1:], strict=True):
        if net > 0:
            is_refilling = True
            energy = min(net, energy_max)
            refill += energy
            refill_value += energy * (sell if price is None else price)
        elif is_refilling:
            break
        else:
            energy = min(-net, energy_max)
            need += energy
            bought = buy if price is None else price
            need_value += energy * bought
            cheapest = min(cheapest, bought)
            dearest = max(dearest, sell if price is None else price)
    return _Outlook(
        need,
        (need_value / need if need else buy) + without.fees - store.wear_nano_per_wh,
        without.fees,
        cheapest,
        dearest,
        refill,
        refill_value / refill if refill else 0.0,
    )


def _worth(store: Store, outlook: _Outlook, chance: float) -> float:
    """Return what a stored Wh is worth that the home will need with some chance.

    Needed, it saves a purchase with all fees, less what is lost and worn; not needed, it is in the
    way of the next surplus, which is sold instead. [nano-currency per Wh]
    """
    return chance * store.efficiency * outlook.saved + (1 - chance) * outlook.refill_price


def _sell(
    store: Store, calm: Plan, outlook: _Outlook, price: float, soc_wh: float, solar_wh: float
) -> Plan:
    """Sell what would be in the way of the next refill, if that pays."""
    left = soc_wh - calm.discharge_wh / store.efficiency
    at_refill = left - outlook.need_wh / store.efficiency
    in_the_way = at_refill + outlook.refill_wh - store.capacity_wh
    stored = min(left - calm.bounds.keep_wh, in_the_way, solar_wh)
    for_sale = min(stored * store.efficiency, store.energy_max_wh - calm.discharge_wh)
    kept = _worth(store, outlook, SELDOM)
    worth = kept / store.efficiency + store.wear_nano_per_wh
    if for_sale <= 0 or price <= worth or price < outlook.dearest:
        return calm
    bounds = calm.bounds._replace(give_wh=for_sale)
    return calm._replace(bounds=bounds, sell_wh=for_sale, sell_worth=worth, stored_wh=inf)


def _buy(store: Store, calm: Plan, outlook: _Outlook, price: float, soc_wh: float) -> Plan:
    """Buy what would be missing later, if that pays."""
    worth = _worth(store, outlook, LIKELY) - outlook.fees
    if price >= worth or price > outlook.cheapest:
        return calm
    # Now is the cheapest time: what the battery holds is better kept for later, as far as it is
    # needed then, and what will still be missing is bought.
    missing = calm.bounds.fill_wh - soc_wh
    if missing <= 0:
        served = min(calm.discharge_wh, -missing * store.efficiency)
        return calm._replace(discharge_wh=served, stored_wh=served)
    buy = min(calm.room_wh, missing)
    return calm._replace(discharge_wh=0.0, buy_wh=buy, buy_worth=worth, stored_wh=0.0, room_wh=inf)


class _Open(NamedTuple):
    """What is planned for a delivery."""

    net_wh: float
    """Forecast of own generation minus own demand. [Wh]"""
    flow_wh: float
    """What flows into the battery, at the home's side; negative, out of it. [Wh]"""
    buy_wh: float
    """What was to be bought for the store. [Wh]"""
    bounds: Bounds


class BatteryProsumer:
    """Trades the net of its home and its battery, which it plans delivery by delivery.

    There is one state of charge: what was last measured, and what is planned since then for all
    deliveries whose gates are closed. Once an auction has cleared, the plan is what it traded by
    choice: what was sold from the store is given, what was bought for it is taken. Where the home
    otherwise turns out to need more or less than it traded, the battery does for it what it would
    do without a market: a deviation costs little where the community pools them, energy bought back
    in the evening much (`Bounds`).
    """

    __slots__ = ("_desk", "_open", "_store", "_without")

    def __init__(self, desk: Desk, store: Store, without: Alternatives) -> None:
        """Trade at a desk with a battery."""
        self._desk = desk
        self._store = store
        self._without = without
        self._open: dict[Instant, _Open] = {}
        """What is planned for each delivery that is not yet measured."""

    def act(self, sight: Sight) -> list[Command]:
        """Order the forecast net of the home with what the battery is to do.

        What is bought or sold by choice is an order of its own, at what it is worth.
        """
        if sight.ahead is None or sight.charge is None:
            return self._desk.orders(
                sight.delivery, sight.net_wh, sight.price, without=sight.without
            )
        for delivery in [start for start in self._open if start < sight.charge.at]:
            del self._open[delivery]
        soc, solar = self._expected(sight.charge.soc_wh, sight.charge.solar_wh)
        without = self._without if sight.without is None else sight.without
        chosen = plan(self._store, soc, solar, sight.ahead, without)
        own = chosen.charge_wh - chosen.discharge_wh
        flow = own + chosen.buy_wh - chosen.sell_wh
        net = sight.ahead.net_wh[0]
        self._open[sight.delivery] = _Open(net, flow, chosen.buy_wh, chosen.bounds)
        orders = self._desk.orders(
            sight.delivery,
            sight.net_wh,
            sight.price,
            stored_wh=chosen.stored_wh,
            room_wh=chosen.room_wh,
            without=sight.without,
        )
        if chosen.buy_wh:
            worth = int(chosen.buy_worth // 1)
            orders += self._desk.order(sight.delivery, Side.BUY, chosen.buy_wh, worth)
        if chosen.sell_wh:
            worth = self._desk.at_least(chosen.sell_worth)
            orders += self._desk.order(sight.delivery, Side.SELL, chosen.sell_wh, worth)
        return orders

    def bounds(self, delivery: Instant) -> Bounds:
        """Return how far the battery may serve others in a delivery, or draw from the grid."""
        known = self._open.get(delivery)
        return Bounds(self._store.reserve_wh, 0.0) if known is None else known.bounds

    def learn(self, outcome: Outcome) -> None:
        """Plan to do what was traded, and let the strategy see the price."""
        known = self._open.get(outcome.delivery)
        if known is not None:
            # What was traded otherwise than planned is a deviation, and no task of the battery.
            least = -max(-known.net_wh, 0.0) - known.bounds.give_wh
            most = max(known.net_wh, 0.0) + known.buy_wh
            flow = min(max(known.net_wh - outcome.position_wh, least), most)
            self._open[outcome.delivery] = known._replace(flow_wh=flow)
        self._desk.learn(outcome.price)

    def _expected(self, soc_wh: float, solar_wh: float) -> tuple[float, float]:
        """Return state of charge and its solar part after all open deliveries. [Wh]

        Discharging is counted against the solar part first, the careful guess for what may be sold.
        """
        store = self._store
        for net, flow, _, _ in self._open.values():
            if flow >= 0:
                stored = min(flow, store.capacity_wh - soc_wh)
                soc_wh += stored
                solar_wh += min(stored, max(net, 0.0))
            else:
                taken = min(-flow / store.efficiency, max(soc_wh - store.reserve_wh, 0.0))
                soc_wh -= taken
                solar_wh = max(solar_wh - taken, 0.0)
        return soc_wh, solar_wh
