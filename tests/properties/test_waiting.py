"""Orders that wait, whatever happens around them: they never trade before they may."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from tests.builders import EVE, ISP_US, MIDNIGHT, a_party, a_product, a_town, an_order
from tests.play import Play
from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.exchange import Exchange
from wattbay.core.facts import LimitTerm, Mechanism, NetworkLimit, Product, Role, Side
from wattbay.core.market.orders import Order, worst_case
from wattbay.core.terms import (
    Condition,
    ConditionKind,
    GridBalance,
    OrderTerms,
    TimeInForce,
)
from wattbay.ids import OrderId, PartyId, PodId, ProductId, SignalId
from wattbay.kernel.replay import restore, snapshot, state_digest
from wattbay.periods import HOUR, MINUTE, Instant

DSO, SUN = PartyId("dso"), SignalId("sun")
PRODUCT = ProductId("halfhour")
PODS = [PodId(f"h0{number}") for number in range(1, 4)]
DELIVERIES = [MIDNIGHT, Instant(MIDNIGHT + ISP_US)]
END = Instant(DELIVERIES[-1])
BEGIN = Instant(MIDNIGHT - 2 * HOUR)
"""An hour before the first gate closes."""

NEVER = Condition(kind=ConditionKind.SIGNAL, is_at_least=True, level=9, signal=SUN)
STEPS = 30


def a_condition(chance: Random) -> Condition:
    """Return a condition that may be met in the course of things."""
    is_at_least, level = chance.random() < 0.6, chance.randint(0, 3)
    kind = chance.choice([*ConditionKind])
    condition = structs.replace(NEVER, is_at_least=is_at_least, level=level)
    if kind is ConditionKind.CLEARING_PRICE:
        price = chance.choice([90_000, 100_000])
        return structs.replace(
            condition, kind=kind, level=price, signal=None, product=PRODUCT, delivery=MIDNIGHT
        )
    if kind is ConditionKind.CHARGE:
        return structs.replace(condition, kind=kind, signal=None)
    return condition


def terms(chance: Random) -> OrderTerms | None:
    """Return what an order says of when it acts and ends, if it says anything."""

    def maybe(share: float) -> bool:
        return chance.random() < share

    if maybe(0.4):
        return None
    lasting = TimeInForce.DAY if maybe(0.2) else TimeInForce.GTC
    expires = None
    if maybe(0.3):
        lasting = TimeInForce.GTD
        expires = Instant(BEGIN + chance.randint(1, 18) * 5 * MINUTE)
    return OrderTerms(
        time_in_force=lasting,
        expires=expires,
        valid_from=Instant(BEGIN + chance.randint(0, 12) * 5 * MINUTE) if maybe(0.3) else None,
        condition=a_condition(chance) if maybe(0.4) else None,
        grid=chance.choice([*GridBalance]) if maybe(0.4) else None,
    )


def an_action(chance: Random) -> c.Command:
    """Return anything that may be asked while orders wait."""
    pod, number = chance.choice(PODS), OrderId(chance.randint(1, 16))
    quantity, limit = chance.randint(1, 4) * 10, chance.choice([90_000, 100_000])
    match chance.choices(range(7), weights=[50, 10, 8, 12, 6, 6, 8])[0]:
        case 0:
            side, delivery = chance.choice([*Side]), chance.choice(DELIVERIES)
            order = an_order(pod, side=side, quantity_wh=quantity, limit=limit, delivery=delivery)
            return structs.replace(order, terms=terms(chance))
        case 1:
            return c.GiveSignal(party=DSO, signal=SUN, value=chance.randint(0, 3))
        case 2:
            party, name = PartyId(f"p{pod[1:]}"), SignalId("charge")
            return c.GiveSignal(party=party, signal=name, value=chance.randint(0, 3), pod=pod)
        case 3:
            return a_limit(pod, chance.choice([-1, 1]), chance.choice(DELIVERIES))
        case 4:
            return c.CancelOrder(order=number, pod=pod)
        case 5:
            return c.AmendOrder(order=number, pod=pod, quantity_wh=quantity, limit=limit)
        case _:
            return c.TakeOffer(order=number, pod=pod, quantity_wh=10)


def a_limit(pod: PodId, coefficient: int, since: Instant) -> c.SubmitLimit:
    term = LimitTerm(pod=pod, coefficient=coefficient)
    until = Instant(since + ISP_US)
    limit = NetworkLimit(since=since, until=until, terms=(term,), bound_wh=30, reason="N4")
    return c.SubmitLimit(operator=DSO, limit=limit)


def a_scenario(seed: int) -> list[tuple[int, c.Command]]:
    """Return what is asked, each with how long after the one before. [5 min]"""
    chance = Random(seed)
    return [(chance.choice([0, 0, 1]), an_action(chance)) for _ in range(STEPS)]


asked = st.integers(0, 2**32).map(a_scenario)
mechanisms = pytest.mark.parametrize(
    "mechanism",
    [Mechanism.CALL_AUCTION, Mechanism.CONTINUOUS, Mechanism.BILATERAL],
    ids=lambda mechanism: mechanism.value,
)


def play(
    mechanism: Mechanism,
    steps: list[tuple[int, c.Command]],
    look: Callable[[Play], None] = lambda _: None,
) -> Play:
    """Let commands happen, some minutes apart, and all gates close; look after each entry."""
    product = structs.replace(a_product(), mechanism=mechanism)
    town = a_town(3, product=product, deliveries=2)
    operator = c.RegisterParty(party=a_party(DSO, roles=(Role.GRID_OPERATOR,)))
    street = Play([*town, operator])
    street.until(BEGIN)
    for wait, command in steps:
        until = Instant(street.at + wait * 5 * MINUTE)
        while (due := street.exchange.due()) is not None and due[0] <= until:
            street.step()
            look(street)
        street.until(until)
        street.submit(command)
        look(street)
    street.until(max(street.at, END))
    look(street)
    return street


def standing(street: Play) -> list[Order]:
    books = street.exchange.state.market.books.get(PRODUCT, {})
    return [order for book in books.values() for order in book.orders.values()]


# --- laws ------------------------------------------------------------------------------------


@mechanisms
@settings(max_examples=40)
@given(steps=asked)
def test_order_that_waits_never_trades_before_it_is_released(
    mechanism: Mechanism, steps: list[tuple[int, c.Command]]
) -> None:
    street = play(mechanism, steps)
    waits: set[OrderId] = set()
    placed: dict[OrderId, e.OrderPlaced] = {}
    for entry in street.entries:
        for event in entry.events:
            match event:
                case e.OrderPlaced():
                    placed[event.order] = event
                    if event.waits:
                        waits.add(event.order)
                case e.OrderSuspended():
                    waits.add(event.order)
                case e.OrderReleased():
                    waits.remove(event.order)
                case e.Traded():
                    for number in (event.buy_order, event.sell_order):
                        assert number not in waits
                        said = placed[number].terms
                        if said is not None:
                            assert said.valid_from is None or said.valid_from <= entry.at
                            assert said.expires is None or entry.at < said.expires
                case _:
                    pass


def told(entry: e.Event, pod: PodId, condition: Condition) -> int | None:
    """Return the number that an event tells, if a condition of a pod's order asks for it."""
    match entry:
        case e.SignalGiven(pod=None, value=value) if condition.kind is ConditionKind.SIGNAL:
            return value
        case e.SignalGiven(pod=whose, value=value) if condition.kind is ConditionKind.CHARGE:
            return value if whose == pod else None
        case e.AuctionCleared() | e.TradingClosed():
            if condition.kind is ConditionKind.CLEARING_PRICE:
                return entry.price if entry.delivery == condition.delivery else None
        case _:
            pass
    return None


@mechanisms
@settings(max_examples=40)
@given(steps=asked)
def test_conditional_order_trades_only_once_its_number_was_there(
    mechanism: Mechanism, steps: list[tuple[int, c.Command]]
) -> None:
    street = play(mechanism, steps)
    history = street.history
    placed = [event for event in history if isinstance(event, e.OrderPlaced)]
    for order in placed:
        condition = None if order.terms is None else order.terms.condition
        if condition is None:
            continue
        begin = history.index(order)
        before = [told(event, order.pod, condition) for event in history[:begin]]
        last = next((number for number in reversed(before) if number is not None), None)
        met = False
        for number in chain([last], (told(one, order.pod, condition) for one in history[begin:])):
            if number is not None and (
                number >= condition.level if condition.is_at_least else number <= condition.level
            ):
                met = True
        acts = any(
            isinstance(event, e.Traded) and order.order in {event.buy_order, event.sell_order}
            for event in history
        )
        assert met or not acts


@mechanisms
@settings(max_examples=40)
@given(steps=asked)
def test_grid_balanced_order_never_trades_while_a_limit_forbids_it(
    mechanism: Mechanism, steps: list[tuple[int, c.Command]]
) -> None:
    street = play(mechanism, steps)
    grids: dict[OrderId, tuple[GridBalance, e.OrderPlaced]] = {}
    binding: list[NetworkLimit] = []
    for event in street.history:
        match event:
            case e.OrderPlaced(terms=OrderTerms(grid=GridBalance() as grid)):
                grids[event.order] = (grid, event)
            case e.LimitSubmitted():
                binding.append(event.limit)
            case e.Traded():
                for number in {event.buy_order, event.sell_order} & grids.keys():
                    grid, order = grids[number]
                    effects = [
                        sum(
                            term.coefficient if order.side is Side.SELL else -term.coefficient
                            for term in limit.terms
                            if term.pod == order.pod
                        )
                        for limit in binding
                        if limit.since <= order.delivery < limit.until
                    ]
                    assert all(effect <= 0 for effect in effects)
                    if grid is GridBalance.RELIEVES and effects:
                        assert min(effects) < 0
            case _:
                pass


@mechanisms
@settings(max_examples=40)
@given(steps=asked)
def test_what_is_held_is_the_worst_case_of_what_is_open(
    mechanism: Mechanism, steps: list[tuple[int, c.Command]]
) -> None:
    def look(street: Play) -> None:
        state = street.exchange.state
        product: Product = state.registry.products[PRODUCT]
        tariff = next(iter(state.registry.tariffs.values()))
        held: dict[str, int] = {}
        for order in standing(street):
            worst = worst_case(product, tariff, order.side, order.open_wh, order.limit)
            assert order.hold_nano == worst
            held[order.account] = held.get(order.account, 0) + worst
        for delivery in state.deliveries.open.values():
            for name, amount in delivery.holds.items():
                held[name] = held.get(name, 0) + amount
        assert state.ledger.held == {name: amount for name, amount in held.items() if amount}

    street = play(mechanism, steps, look)
    assert standing(street) == []


@mechanisms
@settings(max_examples=40)
@given(steps=asked)
def test_what_is_kept_of_waiting_orders_is_of_those_that_stand(
    mechanism: Mechanism, steps: list[tuple[int, c.Command]]
) -> None:
    def look(street: Play) -> None:
        found = street.exchange.state.market.standby
        by_number = {order.order: order for order in standing(street)}
        waiting = {number for number, order in by_number.items() if order.stands_by}
        assert found.orders.keys() <= by_number.keys()
        assert waiting == {number for number, one in found.orders.items() if one.waits}
        assert found.times == sorted(found.times)
        dues = [(number, one.expires) for number, one in found.orders.items()]
        assert len(found.times) == sum(end is not None for _, end in dues) + sum(
            one.is_due for one in found.orders.values()
        )
        in_topics = [number for line in found.topics.values() for _, number in line]
        assert all(line == sorted(line) for line in found.topics.values())
        assert sorted(in_topics) == sorted(
            number for number, one in found.orders.items() if one.topic
        )
        in_grid = {number for orders in found.balanced.values() for number in orders}
        assert in_grid == {number for number, one in found.orders.items() if one.grid is not None}

    street = play(mechanism, steps, look)
    found = street.exchange.state.market.standby
    assert (found.orders, found.times, found.topics, found.balanced) == ({}, [], {}, {})


@mechanisms
@settings(max_examples=25)
@given(steps=asked, cut=st.integers(0, 60))
def test_replay_comes_to_the_same_from_the_beginning_and_from_a_snapshot(
    mechanism: Mechanism, steps: list[tuple[int, c.Command]], cut: int
) -> None:
    street = play(mechanism, steps)
    again = Exchange()
    for number, entry in enumerate(street.entries):
        if number == cut:
            again = restore(snapshot(again, number, b"")).exchange
        again.apply_all(entry.events)
        due = again.due()
        assert due == again.due()
    assert state_digest(again) == state_digest(street.exchange)


@mechanisms
@settings(max_examples=25)
@given(steps=asked)
def test_energy_and_money_sum_to_zero(
    mechanism: Mechanism, steps: list[tuple[int, c.Command]]
) -> None:
    street = play(mechanism, steps)
    ledger = street.exchange.state.ledger
    assert sum(ledger.money.values()) == 0
    assert all(sum(balances.values()) == 0 for balances in ledger.energy.values())
    assert street.at >= EVE
