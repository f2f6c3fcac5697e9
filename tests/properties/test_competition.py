"""Batteries under every regime: nothing is lost, no bound is passed, more rivals never harm."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wattbay.adapters.etp.bess import effective_reserve, energy_status
from wattbay.simulation.competition.market import Account, Battery, Books, Market, best, live
from wattbay.simulation.competition.regimes import BY_NAME, KINDS, Regime, Use, auctions
from wattbay.simulation.competition.world import Owner, Terms, World

STEPS = 40
AGGREGATORS = 10
PRICES = st.one_of(
    st.integers(-1_000_000, 400_000), st.integers(100_000, 300_000), st.just(17_500_000)
)
"""At wholesale, the highest and the lowest of the market included. [nano-currency per Wh]"""
TERMS = st.builds(
    Terms,
    efficiency_ppm=st.integers(500_000, 1_000_000),
    wear=st.integers(0, 100_000),
    fee=st.integers(0, 20_000),
    retail=st.integers(0, 500_000),
)


def energies(most_wh: int) -> st.SearchStrategy[list[int]]:
    each = st.one_of(st.just(0), st.integers(0, most_wh))
    return st.lists(each, min_size=STEPS, max_size=STEPS)


@st.composite
def an_owner(draw: st.DrawFn) -> Owner:
    surplus, lack = draw(energies(900)), draw(energies(900))
    return Owner(
        "home",
        draw(st.integers(1, 4_000)),
        draw(st.integers(1, 1_000)),
        draw(st.integers(0, 200_000)),
        draw(st.integers(0, 250_000)),
        surplus,
        [0 if made else lacked for made, lacked in zip(surplus, lack, strict=True)],
        draw(energies(3_000)),
    )


@st.composite
def a_world(draw: st.DrawFn) -> World:
    prices = draw(st.lists(PRICES, min_size=STEPS + 1, max_size=STEPS + 1))
    extras = draw(st.lists(st.integers(0, 50_000), min_size=AGGREGATORS, max_size=AGGREGATORS))
    known = prices[:-1]
    caps = [
        [min(price + extra, 300_000) if price + extra >= 50_000 else 0 for extra in extras]
        for price in known
    ]
    owners = tuple(draw(st.lists(an_owner(), min_size=1, max_size=3)))
    return World(draw(st.integers(0, 9)), "", "", owners, prices[1:], known, caps, tuple(extras))


REGIMES = st.sampled_from([regime for regime in BY_NAME.values() if regime.has_extras])


@given(a_world(), REGIMES, TERMS)
def test_what_energy_is_worth_is_had_by_somebody_to_the_last_nano(
    world: World, regime: Regime, terms: Terms
) -> None:
    lived = live(world, regime, terms)
    books = lived.books
    got = sum(account.got for account in lived.accounts)
    assert books.value == got + books.fees + sum(books.margins) + books.utility + books.supplier
    assert books.fees == sum(account.fees for account in lived.accounts)
    sold = sum(account.sold for account in lived.accounts)
    assert books.sold_worth == sold + sum(books.margins)


@given(a_world(), REGIMES, TERMS)
def test_every_watt_hour_goes_somewhere(world: World, regime: Regime, terms: Terms) -> None:
    for owner, account in zip(world.owners, live(world, regime, terms).accounts, strict=True):
        assert account.surplus_wh == sum(owner.surplus_wh)
        given_wh = account.fed_in_wh + account.home_wh + account.sold_wh
        assert account.surplus_wh == given_wh + account.lost_wh
        assert account.charged_wh == account.home_wh + account.sold_wh + account.lost_wh
        assert min(account.lost_wh, account.charged_wh, account.at_end_wh) >= 0


@given(a_world(), st.sampled_from(KINDS), st.sampled_from([Use.SALE, Use.BOTH]), TERMS)
def test_battery_is_never_below_empty_nor_above_full(
    world: World, kind: str, use: Use, terms: Terms
) -> None:
    regime = auctions(kind, AGGREGATORS, use)
    market, books = Market(regime, world, terms), Books(AGGREGATORS)
    for owner in world.owners:
        account = Account()
        battery = Battery(owner, account, books, terms, world, use)
        for step in range(STEPS):
            before = account.home_wh + account.sold_wh
            battery.step(step, market, max(world.caps[step]))
            assert 0 <= battery.level_wh <= owner.capacity_wh
            assert account.home_wh + account.sold_wh - before <= owner.step_wh
        battery.finish()
        assert battery.level_wh == 0


@given(
    a_world(),
    st.sampled_from(KINDS),
    st.integers(1, AGGREGATORS),
    st.lists(st.integers(0, 350_000), min_size=STEPS, max_size=STEPS),
)
def test_price_lies_between_the_effective_reserve_and_the_winners_cap(
    world: World, kind: str, count: int, reserves: list[int]
) -> None:
    market = Market(auctions(kind, count), world, Terms())
    for step, reserve in enumerate(reserves):
        sold = market.sell(step, reserve, 400)
        can_pay = [cap for cap in world.caps[step][:count] if cap >= reserve]
        assert (sold is None) == (not can_pay)
        if sold is not None:
            winner, price = sold
            assert reserve <= price <= world.caps[step][winner]


@given(
    st.lists(st.integers(0, 300_000), min_size=1, max_size=AGGREGATORS),
    st.integers(0, 300_000),
    st.floats(0, 1),
)
def test_more_truthful_bidders_never_lower_the_best_bid(
    caps: list[int], reserve: int, level_share: float
) -> None:
    least = effective_reserve(reserve, energy_status(level_share, 1))
    highest = -1
    for count in range(1, len(caps) + 1):
        bids = [cap if cap >= least else None for cap in caps[:count]]
        place = best(bids)
        won = -1 if place is None else bids[place]
        assert won is not None
        assert won >= highest
        highest = won
    assert highest == max([cap for cap in caps if cap >= least], default=-1)


@given(a_world(), REGIMES, TERMS)
def test_same_world_lives_the_same_way(world: World, regime: Regime, terms: Terms) -> None:
    first, second = (live(world, regime, terms) for _ in range(2))
    assert [one.net for one in first.accounts] == [one.net for one in second.accounts]
    assert first.books.margins == second.books.margins
    assert first.auctions == second.auctions
