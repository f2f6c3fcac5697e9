"""Laws of block auctions: verified by the core, as good as trying all, the same every time."""

from __future__ import annotations

from math import gcd

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.slow_blocks import best
from wattbay.clearing.blocks import BUY, SELL, Block, BlockClearing, CurveOrder, clear
from wattbay.core.market.blocks import Breach, Claim, steps_of, verify

Auction = tuple[list[CurveOrder], list[Block], int]

LOW, HIGH = -2, 8
sides = st.sampled_from((BUY, SELL))
limits = st.integers(LOW, HIGH)


@st.composite
def auctions(
    draw: st.DrawFn, periods_max: int = 4, blocks_max: int = 8, steps_max: int = 6
) -> Auction:
    """Draw an auction in which blocks and curve orders are about as large."""
    periods = draw(st.integers(1, periods_max))
    curve = st.builds(CurveOrder, st.integers(0, periods - 1), sides, limits, st.integers(1, 6))
    curves = draw(st.lists(curve, max_size=8))
    blocks: list[Block] = []
    for place in range(draw(st.integers(0, blocks_max))):
        unit = draw(st.integers(1, steps_max))
        shape = st.lists(st.integers(-1, 3), min_size=periods, max_size=periods)
        profile = tuple(unit * quantity for quantity in draw(shape.filter(lambda s: max(s) > 0)))
        steps = gcd(*profile)
        least = draw(st.none() | st.integers(1, steps))
        group = draw(st.none() | st.integers(0, 1))
        parent = draw(st.none() | st.integers(0, place - 1)) if place else None
        blocks.append(Block(draw(sides), draw(limits), profile, least, group, parent))
    return curves, blocks, periods


def breaches(found: BlockClearing, auction: Auction) -> list[Breach]:
    claim = Claim(found.prices, found.fills, found.steps, found.welfare)
    return verify(claim, *auction)


@given(auctions())
def test_what_is_found_breaks_no_rule_and_keeps_to_its_bound(auction: Auction) -> None:
    found = clear(*auction)
    assert breaches(found, auction) == []
    assert 0 <= found.welfare <= found.bound
    assert 0 <= found.gap_nano <= 10**9
    assert found.bound * 10**9 <= found.welfare * 10**9 + found.gap_nano * found.bound


@given(auctions(periods_max=2, blocks_max=5, steps_max=2))
@settings(max_examples=60)
def test_welfare_is_the_most_that_has_prices(auction: Auction) -> None:
    found = clear(*auction, price_min=LOW, price_max=HIGH)
    with_prices, whatever = best(*auction, range(LOW, HIGH + 1))
    assert found.welfare == with_prices
    assert found.bound >= whatever


@given(auctions())
def test_same_orders_are_cleared_alike(auction: Auction) -> None:
    assert clear(*auction) == clear(*auction)


@given(auctions(), st.data())
def test_period_that_nobody_uses_changes_nothing(auction: Auction, data: st.DataObject) -> None:
    curves, blocks, periods = auction
    new = data.draw(st.integers(0, periods))
    wider = (
        [order._replace(period=order.period + (order.period >= new)) for order in curves],
        [b._replace(profile=(*b.profile[:new], 0, *b.profile[new:])) for b in blocks],
        periods + 1,
    )
    found, without = clear(*wider), clear(*auction)
    assert found.prices.pop(new) == 0
    assert found.volumes.pop(new) == 0
    assert found == without


@given(auctions(), st.integers(2, 5))
def test_coarser_tick_scales_prices_and_welfare(auction: Auction, tick: int) -> None:
    curves, blocks, periods = auction
    found = clear(
        [order._replace(price=order.price * tick) for order in curves],
        [block._replace(price=block.price * tick) for block in blocks],
        periods,
        price_min=LOW * tick - 1,
        price_max=HIGH * tick + 1,
        price_tick=tick,
    )
    plain = clear(*auction, price_min=LOW, price_max=HIGH)
    assert found.prices == [price * tick for price in plain.prices]
    assert (found.welfare, found.bound) == (plain.welfare * tick, plain.bound * tick)
    assert (found.fills, found.steps) == (plain.fills, plain.steps)


@given(auctions())
def test_bought_is_sold_in_every_period(auction: Auction) -> None:
    curves, blocks, periods = auction
    found = clear(*auction)
    bought, sold = [0] * periods, [0] * periods
    for order, fill in zip(curves, found.fills, strict=True):
        (bought if order.side == BUY else sold)[order.period] += fill
    for block, got in zip(blocks, found.steps, strict=True):
        for period, quantity in enumerate(block.profile):
            into = block.side * quantity // gcd(*block.profile) * got
            sold[period] += max(0, into)
            bought[period] -= min(0, into)
    assert bought == sold == found.volumes


@given(auctions(), st.data())
def test_claim_that_differs_in_one_quantity_is_not_taken(
    auction: Auction, data: st.DataObject
) -> None:
    curves, blocks, periods = auction
    found = clear(*auction)
    columns = {"fills": list(found.fills), "steps": list(found.steps), "welfare": [found.welfare]}
    name = data.draw(st.sampled_from([name for name, column in columns.items() if column]))
    place = data.draw(st.integers(0, len(columns[name]) - 1))
    columns[name][place] += data.draw(st.integers(-9, 9).filter(bool))
    claim = Claim(found.prices, columns["fills"], columns["steps"], columns["welfare"][0])
    assert verify(claim, curves, blocks, periods)


@given(st.lists(st.integers(-60, 60), min_size=1, max_size=6))
def test_steps_of_a_profile_are_its_greatest_divisor(profile: list[int]) -> None:
    assert steps_of(profile) == gcd(*profile)
