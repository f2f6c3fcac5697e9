"""A sale that was agreed elsewhere is what its offers and their takings come to, one by one."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.every_way import BEGIN, a_command, any_sale, founding
from tests.play import Play, reason
from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.exchange import Exchange
from wattbay.core.facts import Side
from wattbay.core.reasons import Reason
from wattbay.core.sales import ConcludeSale
from wattbay.ids import OrderId
from wattbay.kernel.replay import restore, snapshot, state_digest
from wattbay.periods import MINUTE, Instant

STEPS = 40
OF_ITS_OWN = frozenset(
    {Reason.BAD_VALUE, Reason.NOT_ALLOWED, Reason.TOO_MANY, Reason.NO_COLLATERAL}
)
"""Why a sale may be refused though each of its parts by itself could be: its form, its market,
one party on both sides, and what its parts cost together before any of them is paid."""


def a_street(seed: int) -> tuple[Play, Random]:
    """Return a street on which anything was asked for a while."""
    chance = Random(seed)
    street = Play(founding(chance))
    street.until(BEGIN)
    for _ in range(STEPS):
        street.until(street.at + chance.choice((0, 0, 0, 5, 25)) * MINUTE)
        street.submit(a_command(chance, street))
        street.until(street.at)
    return street, chance


def one_by_one(exchange: Exchange, sale: ConcludeSale, at: Instant) -> list[e.Event]:
    """Let each part be offered and taken; stop at the first refusal."""
    happened: list[e.Event] = []
    for part in sale.parts:
        offer = c.PlaceOrder(
            pod=sale.seller,
            product=sale.product,
            delivery=part.delivery,
            side=Side.SELL,
            quantity_wh=part.quantity_wh,
            limit=sale.price,
        )
        number = OrderId(exchange.state.market.next_order)
        taking = c.TakeOffer(order=number, pod=sale.buyer, quantity_wh=part.quantity_wh)
        for command in (offer, taking):
            events = exchange.decide(command, at)
            exchange.apply_all(events)
            happened += events
            if reason(events) is not None:
                return happened
    return happened


def a_copy(exchange: Exchange) -> Exchange:
    return restore(snapshot(exchange, 1, b"")).exchange


def compare(street: Play, sale: ConcludeSale) -> Reason | None:
    """Let a sale be decided, and its parts one by one; return why it was refused."""
    at, before = Instant(street.at), state_digest(street.exchange)
    singly = a_copy(street.exchange)
    happened = one_by_one(singly, sale, at)
    decided = street.exchange.decide(sale, at)
    assert state_digest(street.exchange) == before
    why = reason(decided)
    if why is None:
        assert decided == happened
        street.submit(sale)
        assert state_digest(street.exchange) == state_digest(singly)
    else:
        assert len(decided) == 1
        street.submit(sale)
        assert state_digest(street.exchange) == before
        is_alone = why is Reason.NO_COLLATERAL and len(sale.parts) == 1
        is_of_its_own = why in OF_ITS_OWN and not is_alone
        assert is_of_its_own or isinstance(happened[-1], e.Rejected)
    return why


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32))
def test_sale_comes_to_what_its_parts_come_to_one_by_one(seed: int) -> None:
    street, chance = a_street(seed)
    for _ in range(20):
        compare(street, any_sale(chance))
    ledger = street.exchange.state.ledger
    assert sum(ledger.money.values()) == 0
    assert all(sum(balances.values()) == 0 for balances in ledger.energy.values())


def test_sales_of_this_strategy_are_taken_and_refused() -> None:
    met: set[Reason | None] = set()
    for seed in range(12):
        street, chance = a_street(seed)
        met |= {compare(street, any_sale(chance)) for _ in range(20)}
    wanted = {None, Reason.NO_COLLATERAL, Reason.GATE_CLOSED, Reason.POSITION_LIMIT}
    assert wanted | {Reason.NOT_ALLOWED, Reason.BAD_VALUE} <= met


@pytest.mark.parametrize("seed", range(6))
def test_replay_of_sales_comes_to_the_same(seed: int) -> None:
    street, chance = a_street(seed)
    for _ in range(20):
        street.submit(any_sale(chance))
    again = Exchange()
    for number, entry in enumerate(street.entries):
        if number % 50 == 49:
            again = a_copy(again)
        again.apply_all(entry.events)
    assert state_digest(again) == state_digest(street.exchange)
