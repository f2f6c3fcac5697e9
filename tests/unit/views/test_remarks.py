"""What the table of orders says of those that waited."""

from __future__ import annotations

from msgspec import structs

from tests.builders import EVE, MIDNIGHT, a_party, a_product, a_town, an_order
from tests.play import Play
from wattbay.core import commands as c
from wattbay.core.facts import LimitTerm, Mechanism, NetworkLimit, Role, Side
from wattbay.core.terms import GridBalance, OrderTerms
from wattbay.ids import OrderId, PartyId, PodId
from wattbay.periods import HOUR, Instant
from wattbay.views.tables import TABLES, Tables

DSO = PartyId("dso")
KEEPS = OrderTerms(grid=GridBalance.KEEPS)
LATE = OrderTerms(valid_from=Instant(MIDNIGHT - HOUR - 1))
NAMES = [column.name for column in TABLES["orders"]]
STATE, REASON = NAMES.index("state"), NAMES.index("reason")


def told(
    *commands: c.Command,
    until: int = MIDNIGHT,
    mechanism: Mechanism = Mechanism.CALL_AUCTION,
) -> list[tuple[object, object]]:
    """Return state and reason of each order, as it ended."""
    street = Play(a_town(3, product=structs.replace(a_product(), mechanism=mechanism)))
    street.do(c.RegisterParty(party=a_party(DSO, roles=(Role.GRID_OPERATOR,))))
    for command in commands:
        street.do(command)
    street.until(until)
    tables = Tables()
    for entry in street.entries:
        tables.fold(entry)
    tables.finish()
    return [(row[STATE], row[REASON]) for row in tables.take()["orders"]]


def order(terms: OrderTerms, *, side: Side = Side.SELL) -> c.PlaceOrder:
    return structs.replace(an_order("h02", side=side, limit=100_000), terms=terms)


def limit(pod: str) -> c.SubmitLimit:
    term = LimitTerm(pod=PodId(pod), coefficient=1)
    until = Instant(MIDNIGHT + 1)
    found = NetworkLimit(since=MIDNIGHT, until=until, terms=(term,), bound_wh=9_999, reason="N4")
    return c.SubmitLimit(operator=DSO, limit=found)


def test_order_that_waited_to_the_end_says_so() -> None:
    never = OrderTerms(valid_from=Instant(MIDNIGHT - HOUR - 1))
    assert told(order(never), until=EVE) == [("open", "waiting")]


def test_order_that_was_released_is_remarked_no_more() -> None:
    assert told(order(LATE), an_order()) == [("filled", ""), ("filled", "")]


def test_order_that_the_network_forbade_to_the_end_says_so() -> None:
    assert told(order(KEEPS), limit("h02")) == [("expired", "suspended")]


def test_grid_balanced_order_without_limits_says_that_none_bound_it() -> None:
    assert told(order(KEEPS), an_order()) == [("filled", "no_network_limit"), ("filled", "")]
    cancel = c.CancelOrder(order=OrderId(1), pod=PodId("h02"))
    assert told(order(KEEPS), cancel) == [("cancelled", "user")]


def test_grid_balanced_order_that_a_limit_lets_trade_says_nothing() -> None:
    bought = order(KEEPS, side=Side.BUY)
    assert told(limit("h02"), bought) == [("expired", "")]


def test_offer_and_the_order_that_takes_it_are_both_orders() -> None:
    taking = c.TakeOffer(order=OrderId(1), pod=PodId("h01"), quantity_wh=100)
    found = told(order(OrderTerms()), taking, mechanism=Mechanism.BILATERAL)
    assert found == [("filled", ""), ("partly_filled", "gate_closed")]


def test_order_that_waited_in_continuous_trading_says_so() -> None:
    found = told(order(KEEPS), limit("h02"), mechanism=Mechanism.CONTINUOUS)
    assert found == [("expired", "suspended")]
