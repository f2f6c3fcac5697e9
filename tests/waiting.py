"""Orders that wait, and what they wait for: a street, terms, conditions, signals."""

from __future__ import annotations

from msgspec import structs

from tests.builders import (
    ISP_US,
    MIDNIGHT,
    a_party,
    a_product,
    a_town,
    an_order,
)
from tests.play import Play
from wattbay.core import commands as c
from wattbay.core.facts import Mechanism, Role, Side
from wattbay.core.terms import (
    Condition,
    ConditionKind,
    OrderTerms,
    TimeInForce,
)
from wattbay.ids import PartyId, PodId, ProductId, SignalId
from wattbay.periods import HOUR, MINUTE, Instant

DSO = PartyId("dso")
HALF_HOUR = ProductId("halfhour")
GATE = Instant(MIDNIGHT - HOUR)
NEXT = Instant(MIDNIGHT + ISP_US)
PEAK = SignalId("peak")


def a_street(pods: int = 3, *, mechanism: Mechanism = Mechanism.CALL_AUCTION) -> Play:
    operator = c.RegisterParty(party=a_party(DSO, roles=(Role.GRID_OPERATOR,)))
    product = structs.replace(a_product(), mechanism=mechanism)
    if mechanism is Mechanism.SUBMITTED:
        product = structs.replace(product, rule="huang", clearing_us=MINUTE)
    return Play([*a_town(pods, product=product), operator])


def that(
    terms: OrderTerms,
    pod: str = "h01",
    *,
    side: Side = Side.BUY,
    delivery: int = MIDNIGHT,
    limit: int | None = 120_000,
) -> c.PlaceOrder:
    order = an_order(pod, side=side, delivery=delivery, limit=limit)
    return structs.replace(order, terms=terms)


def from_on(instant: int) -> OrderTerms:
    return OrderTerms(valid_from=Instant(instant))


def until(instant: int) -> OrderTerms:
    return OrderTerms(time_in_force=TimeInForce.GTD, expires=Instant(instant))


def on_signal(level: int = 3, *, is_at_least: bool = True) -> Condition:
    return Condition(kind=ConditionKind.SIGNAL, is_at_least=is_at_least, level=level, signal=PEAK)


def on_charge(level: int) -> Condition:
    return Condition(kind=ConditionKind.CHARGE, is_at_least=True, level=level)


def on_surplus(level: int, delivery: int = MIDNIGHT) -> Condition:
    return Condition(
        kind=ConditionKind.SURPLUS, is_at_least=True, level=level, delivery=Instant(delivery)
    )


def on_price(
    level: int, delivery: int = MIDNIGHT, *, is_at_least: bool = False, product: str = "halfhour"
) -> Condition:
    return Condition(
        kind=ConditionKind.CLEARING_PRICE,
        is_at_least=is_at_least,
        level=level,
        product=ProductId(product),
        delivery=Instant(delivery),
    )


def once(condition: Condition) -> OrderTerms:
    return OrderTerms(condition=condition)


def a_signal(value: int, signal: str = "peak", party: str = DSO) -> c.GiveSignal:
    return c.GiveSignal(party=PartyId(party), signal=SignalId(signal), value=value)


def a_charge(value: int, pod: str = "h01", party: str = "p01") -> c.GiveSignal:
    return c.GiveSignal(
        party=PartyId(party), signal=SignalId("charge"), value=value, pod=PodId(pod)
    )
