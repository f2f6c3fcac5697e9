"""Batteries that live under a regime, step by step; every Wh and every nano-currency is booked.

What a battery gives is paid for by who takes it, at once: the utility, the own home (it saves the
retail price) or the aggregator that bid most. Whoever takes it has energy that is worth the
wholesale price of the step. So in every step

    value at wholesale = what owners get + fees + margins of who takes it

to the last integer. Wear is a cost of the owner that nobody gets; losses are energy that is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from wattbay.adapters.etp.bess import EnergyStatus, effective_reserve, energy_status
from wattbay.adapters.etp.strategies import History, Row, Strategy, bid_price
from wattbay.simulation.competition.regimes import EQUILIBRIUM, Regime, Use
from wattbay.simulation.competition.world import Owner, Terms, World
from wattbay.units import PPM

DEPLETED_WH = 100
"""With no more than so much a battery has nothing for sale, as the design has it. [Wh]"""
HISTORY_MAX = 50
"""Purchases that an aggregator remembers."""
SPIKE = 300_000
"""What energy is worth beyond the highest bid of 30 cents a kWh is told apart. [nano/Wh]"""


class Account:
    """What an owner's energy and money came to. Energies in Wh, money in nano-currency."""

    __slots__ = (
        "at_end_wh", "charged_wh", "fed_in", "fed_in_wh", "fees", "home_wh", "lost_wh", "saved",
        "sold", "sold_wh", "surplus_wh", "wear",
    )  # fmt: skip

    def __init__(self) -> None:
        """Begin with nothing."""
        self.surplus_wh = 0
        """What the panels made beyond what the home used: all there is to gain by."""
        self.charged_wh = 0
        self.lost_wh = 0
        """In the battery, round trip."""
        self.fed_in_wh = 0
        """To the utility, at the feed-in tariff; what was left at the end included."""
        self.at_end_wh = 0
        """Of it, what the battery still held at the end, as if it had not been stored."""
        self.home_wh = 0
        """From the battery to the home."""
        self.sold_wh = 0
        """By auction."""
        self.fed_in = 0
        self.saved = 0
        self.sold = 0
        """What aggregators paid, fees included."""
        self.fees = 0
        self.wear = 0

    @property
    def got(self) -> int:
        """What the owner got from others, fees paid. [nano-currency]"""
        return self.fed_in + self.saved + self.sold - self.fees

    @property
    def net(self) -> int:
        """What is left of it after wear. [nano-currency]"""
        return self.got - self.wear


class Books:
    """What everybody else's came to. [nano-currency]"""

    __slots__ = ("extra", "fees", "margins", "sold_worth", "spikes", "supplier", "utility", "value")

    def __init__(self, aggregators: int) -> None:
        """Begin with nothing."""
        self.value = 0
        """What all energy that was given was worth at wholesale."""
        self.sold_worth = 0
        """Of it, what aggregators bought."""
        self.spikes = 0
        """Of that, what it was worth beyond `SPIKE` a Wh."""
        self.fees = 0
        self.utility = 0
        """What fed-in energy was worth, less what the utility paid."""
        self.supplier = 0
        """What energy used at home was worth, less the retail price that was not paid."""
        self.margins = [0] * aggregators
        """What bought energy was worth, less what each aggregator paid."""
        self.extra = 0
        """What aggregators earn besides with it, by assumption: no part of its worth."""


class Lived(NamedTuple):
    """What a regime came to in a world."""

    accounts: tuple[Account, ...]
    """By owner, as the world has them."""
    books: Books
    auctions: int
    """Held: somebody could have bid the effective reserve."""


def equilibrium_bid(reserve: int, cap: int, known: int, extra_high: int, rivals: int) -> int | None:
    """Return what a rational aggregator bids that pays as bid; None if the reserve is beyond it.

    Worths are private: the known price and an extra, uniform from nothing to `extra_high`. Then the
    symmetric equilibrium of n bidders with worth v, least worth a and L the larger of a and reserve
    is ``v - ((v - a)**n - (L - a)**n) / (n * (v - a)**(n - 1))``. [1]_ One alone bids the reserve.
    Where the highest allowed bid cuts worths off, so it does bids: an approximation.

    Parameters
    ----------
    rivals
        How many bid, itself included.

    References
    ----------
    .. [1] J. G. Riley and W. F. Samuelson, "Optimal Auctions," *American Economic Review*, vol. 71,
           no. 3, pp. 381-392, 1981.
    """
    if cap < reserve:
        return None
    if rivals == 1:
        return reserve
    span = min(cap - known, extra_high)
    if span <= 0:
        return cap
    lowest = min(max(reserve - known, 0), span)
    whole: int = span**rivals
    shade: int = (whole - lowest**rivals) * span // (rivals * whole)
    return max(reserve, cap - shade)


def best(bids: Sequence[int | None]) -> int | None:
    """Return the place of the highest bid, ties to the earlier; None where nobody bids."""
    found: int | None = None
    highest = 0
    for place, price in enumerate(bids):
        if price is not None and (found is None or price > highest):
            found, highest = place, price
    return found


class Market:
    """Aggregators that bid for what a battery offers; the highest bid wins, and pays what it is."""

    __slots__ = ("_count", "_history", "_kinds", "_rng", "_terms", "_world", "held")

    def __init__(self, regime: Regime, world: World, terms: Terms) -> None:
        """Let aggregators begin without any history."""
        self._kinds = [None if kind == EQUILIBRIUM else Strategy(kind) for kind in regime.bidders]
        self._count = len(regime.bidders)
        self._history = [History(rows_max=HISTORY_MAX) for _ in regime.bidders]
        self._rng = Random(f"{world.seed} {regime.name}")
        self._terms = terms
        self._world = world
        self.held = 0

    def sell(self, step: int, reserve: int, energy_wh: int) -> tuple[int, int] | None:
        """Hold an auction; return who won and at what price, or None where nobody bids enough.

        Parameters
        ----------
        reserve
            The effective one. [nano-currency per Wh]
        """
        caps = self._world.caps[step]
        # Who bids first changes from one auction to the next, for ties.
        first = self.held % self._count
        order = [*range(first, self._count), *range(first)]
        self.held += 1
        bids = [
            self._bid(who, step, reserve, energy_wh) if caps[who] >= reserve else None
            for who in order
        ]
        place = best(bids)
        price = None if place is None else bids[place]
        if place is None or price is None:
            return None
        winner = order[place]
        self._history[winner].add(Row(0, price, energy_wh, is_accepted=True))
        return winner, price

    def _bid(self, who: int, step: int, reserve: int, energy_wh: int) -> int | None:
        kind, cap = self._kinds[who], self._world.caps[step][who]
        if kind is None:
            known = self._world.known[step]
            return equilibrium_bid(reserve, cap, known, self._terms.extra_high, self._count)
        history, rng = self._history[who], self._rng
        return bid_price(kind, energy_wh, reserve=reserve, cap=cap, history=history, rng=rng)


def live(world: World, regime: Regime, terms: Terms) -> Lived:
    """Live through a world under a regime."""
    accounts = tuple(Account() for _ in world.owners)
    books = Books(len(regime.bidders))
    market = Market(regime, world, terms) if regime.bidders else None
    batteries = [
        Battery(owner, account, books, terms, world, regime.use)
        for owner, account in zip(world.owners, accounts, strict=True)
    ]
    count = len(regime.bidders)
    serves = regime.use in {Use.HOME, Use.BOTH}
    surpluses = zip(*(owner.surplus_wh for owner in world.owners), strict=True)
    for step, made in enumerate(surpluses):
        highest = max(world.caps[step][:count], default=0)
        for battery, surplus in zip(batteries, made, strict=True):
            # Most steps of most batteries are idle: nothing to store, nobody to give to.
            if surplus or (battery.level_wh and (serves or highest >= battery.least)):
                battery.step(step, market, highest)
    for battery in batteries:
        battery.finish()
    return Lived(accounts, books, 0 if market is None else market.held)


class Battery:
    """A battery and its home: one step after the other."""

    __slots__ = (
        "_account", "_books", "_owner", "_terms", "_use", "_world", "least", "level_wh",
    )  # fmt: skip

    def __init__(
        self, owner: Owner, account: Account, books: Books, terms: Terms, world: World, use: Use
    ) -> None:
        """Begin empty."""
        self._owner = owner
        self._account = account
        self._books = books
        self._terms = terms
        self._use = use
        self._world = world
        self.least = effective_reserve(owner.reserve, EnergyStatus.HIGH)
        """What it sells for when it is full: the least there is. [nano-currency per Wh]"""
        self.level_wh = 0

    def step(self, step: int, market: Market | None, highest: int) -> None:
        """Serve the home, sell, then store what the panels have left, or feed it in."""
        owner, use = self._owner, self._use
        surplus, given = owner.surplus_wh[step], 0
        if self.level_wh and use is not Use.NOTHING:
            if use is not Use.SALE and owner.lack_wh[step]:
                given = self._serve(step)
            if market is not None and highest >= self.least:
                given += self._offer(step, market, highest, given)
        if surplus:
            self._account.surplus_wh += surplus
            # A battery that gives in a step takes nothing in it.
            if not given and use is not Use.NOTHING:
                taken = min(surplus, owner.step_wh, owner.capacity_wh - self.level_wh)
                self.level_wh += taken
                self._account.charged_wh += taken
                surplus -= taken
            if surplus:
                self._feed_in(step, surplus)

    def _serve(self, step: int) -> int:
        """Give the home what it lacks, and return how much that was. [Wh]"""
        served = min(self._owner.lack_wh[step], self._owner.step_wh, self._most_wh(self.level_wh))
        if served:
            self._draw(served)
            worth = served * self._world.wholesale[step]
            saved = served * self._terms.retail
            self._account.home_wh += served
            self._account.saved += saved
            self._books.value += worth
            self._books.supplier += worth - saved
        return served

    def _offer(self, step: int, market: Market, highest: int, given_wh: int) -> int:
        """Offer what may be sold, and return how much was. [Wh]"""
        owner, held = self._owner, self.level_wh
        kept = owner.kept_wh[step] if self._use is Use.BOTH else 0
        energy = min(self._most_wh(held - kept), owner.step_wh - given_wh)
        if energy <= DEPLETED_WH:
            return 0
        reserve = effective_reserve(owner.reserve, energy_status(held, owner.capacity_wh))
        if highest < reserve:
            return 0
        sold = market.sell(step, reserve, energy)
        if sold is None:
            return 0
        winner, price = sold
        self._draw(energy)
        paid, fee = energy * price, energy * self._terms.fee
        wholesale = self._world.wholesale[step]
        account, books = self._account, self._books
        account.sold_wh += energy
        account.sold += paid
        account.fees += fee
        books.fees += fee
        books.value += energy * wholesale
        books.sold_worth += energy * wholesale
        books.spikes += energy * max(wholesale - SPIKE, 0)
        books.margins[winner] += energy * wholesale - paid
        books.extra += energy * self._world.extras[winner]
        return energy

    def _feed_in(self, step: int, energy_wh: int) -> None:
        worth, paid = energy_wh * self._world.wholesale[step], energy_wh * self._owner.tariff
        self._account.fed_in_wh += energy_wh
        self._account.fed_in += paid
        self._books.value += worth
        self._books.utility += worth - paid

    def finish(self) -> None:
        """Count what is left as fed in when it came: paid at the tariff, not lost and not worn.

        It stands in the way of the next surplus, which is then fed in: so much it is worth. Nobody
        looks better or worse by a full battery.
        """
        if self.level_wh:
            self._feed_in(len(self._world.wholesale) - 1, self.level_wh)
            self._account.at_end_wh = self.level_wh
            self._account.charged_wh -= self.level_wh
            self.level_wh = 0

    def _most_wh(self, stored_wh: int) -> int:
        """Return what comes out of what is stored, rounded down. [Wh]"""
        return max(stored_wh, 0) * self._terms.efficiency_ppm // PPM

    def _draw(self, energy_wh: int) -> None:
        """Take energy out of the store, with its losses and its wear."""
        stored = -(-energy_wh * PPM // self._terms.efficiency_ppm)
        self.level_wh -= stored
        self._account.lost_wh += stored - energy_wh
        self._account.wear += energy_wh * self._terms.wear
