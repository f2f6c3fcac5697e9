"""The loops of an auction come to the same, whichever way they go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbay.core.facts import Margin, Pricing
from wattbay.core.market import sides
from wattbay.core.market.auction import Orders, Rules, clear

TICK = 5
LIMITS = st.one_of(st.none(), st.integers(-40, 40).map(lambda step: step * TICK))
FAR = st.one_of(st.none(), st.integers(-(2**40), 2**40).map(lambda step: step * TICK))
SPREADS = st.sampled_from([LIMITS, FAR])


@st.composite
def orders(draw: st.DrawFn) -> Orders:
    limits = draw(st.lists(draw(SPREADS), max_size=30))
    size = len(limits)
    return Orders(limits, draw(st.lists(st.integers(1, 99), min_size=size, max_size=size)))


@given(orders(), orders(), st.sampled_from(Margin), st.sampled_from(Pricing))
def test_the_compiled_way_and_the_interpreted_one_clear_alike(
    buys: Orders, sells: Orders, margin: Margin, pricing: Pricing
) -> None:
    rules = Rules(pricing=pricing, margin=margin, price_tick=TICK, network_fee=2 * TICK)
    found = []
    for is_compiled in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sides, "IS_COMPILED", is_compiled)
            patch.setattr(sides, "_ALWAYS_COUNTED", 100)
            found.append(clear(buys, sells, rules))
    assert found[0] == found[1]
