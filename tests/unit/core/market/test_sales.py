"""Sales agreed elsewhere: an offer and its taking at once, over all their parts or none."""

from __future__ import annotations

import pytest
from msgspec import structs

from tests.builders import (
    EVE,
    ISP_US,
    MIDNIGHT,
    a_kernel,
    a_party,
    a_product,
    a_sale,
    a_tariff,
    a_town,
    an_order,
    entries_of,
    list_deliveries,
    pod_facts,
)
from tests.play import Play, of, reason, receipts, with_runs
from wattbay.core import commands as c
from wattbay.core.devices import DisconnectPod
from wattbay.core.events import (
    OrderPlaced,
    Rejected,
    Traded,
    TradingClosed,
)
from wattbay.core.exchange import Exchange
from wattbay.core.facts import Mechanism, Product, Side
from wattbay.core.market import orders
from wattbay.core.market.offers import TAKING
from wattbay.core.reasons import Reason
from wattbay.core.sales import (
    SALE_PARTS_MAX,
    SALE_PROOF_BYTES_MAX,
    SALE_PROOFS_MAX,
    ConcludeSale,
    SalePart,
)
from wattbay.ids import OrderId, PodId, ProductId
from wattbay.kernel.journal import MemoryJournal
from wattbay.kernel.replay import rebuild, restore, snapshot, state_digest, verify
from wattbay.periods import HOUR, Instant

BOARD = ProductId("halfhour")
SHORT = a_tariff().energy
PRICE = a_sale().price
FIRST, SECOND, THIRD = (Instant(MIDNIGHT + place * ISP_US) for place in range(3))


def a_board(**changed: object) -> Product:
    return structs.replace(a_product(), mechanism=Mechanism.BILATERAL, **changed)


def a_street(product: Product | None = None) -> Play:
    return Play(a_town(3, product=a_board() if product is None else product, deliveries=3))


def refusal(street: Play, command: ConcludeSale) -> Rejected:
    """Return why a sale is refused; nothing must come of it."""
    before = state_digest(street.exchange)
    (refused,) = street.submit(command)
    assert isinstance(refused, Rejected)
    assert state_digest(street.exchange) == before
    return refused


# --- what a sale comes to --------------------------------------------------------------------


def test_sale_is_an_offer_and_its_taking_in_each_delivery() -> None:
    street = a_street(a_board(network_fee=5_000))
    offered, taken, traded, *later = street.do(a_sale(300, 0, 100))
    assert offered == OrderPlaced(
        order=OrderId(1),
        pod=PodId("h01"),
        product=BOARD,
        delivery=FIRST,
        side=Side.SELL,
        quantity_wh=300,
        limit=PRICE,
        hold_nano=300 * (SHORT - PRICE),
    )
    assert isinstance(taken, OrderPlaced)
    assert (taken.order, taken.pod, taken.side, taken.limit) == (2, "h02", Side.BUY, PRICE + 5_000)
    assert (taken.terms, taken.rests_wh) == (TAKING, 0)
    assert isinstance(traded, Traded)
    assert (traded.trade, traded.buy_order, traded.sell_order, traded.maker) == (1, 2, 1, 1)
    assert (traded.buy_price, traded.sell_price, traded.quantity_wh) == (PRICE + 5_000, PRICE, 300)
    assert [one.delivery for one in later if isinstance(one, OrderPlaced | Traded)] == [THIRD] * 3
    assert [one.order for one in of(OrderPlaced, later)] == [3, 4]
    assert [one.trade for one in of(Traded, later)] == [2]


def test_sale_leaves_nothing_standing_and_holds_what_its_seller_may_lose() -> None:
    street = a_street(a_board(network_fee=5_000))
    street.do(a_sale(300, 0, 100))
    state = street.exchange.state
    assert street.balance("h01/p01") == 400 * PRICE
    assert street.balance("h02/p02") == -400 * (PRICE + 5_000)
    assert street.balance("network") == 400 * 5_000
    assert (street.held("h01/p01"), street.held("h02/p02")) == (400 * SHORT, 0)
    assert not any(book.orders for book in state.market.books[BOARD].values())
    assert (state.market.next_order, state.market.next_trade) == (5, 3)


def test_sale_counts_in_what_trading_came_to() -> None:
    street = a_street()
    street.do(a_sale(300))
    (closed,) = of(TradingClosed, street.until(MIDNIGHT - HOUR))
    assert (closed.price, closed.volume_wh) == (PRICE, 300)


def test_sale_at_a_negative_price_is_paid_by_its_seller() -> None:
    street = a_street()
    street.do(a_sale(100, price=-20_000))
    assert street.balance("h01/p01") == -100 * 20_000
    assert street.held("h01/p01") == 100 * SHORT


def test_sale_of_as_many_parts_as_there_may_be_is_one_entry() -> None:
    street = Play(a_town(2, product=a_board(opens_before_us=9 * 24 * HOUR), deliveries=48))
    for place, day in enumerate(("2013-06-11", "2013-06-12"), start=1):
        street.do(list_deliveries(day=day, start=MIDNIGHT + place * 48 * ISP_US))
    entries = len(street.entries)
    assert len(street.do(a_sale(*[10] * SALE_PARTS_MAX))) == 3 * SALE_PARTS_MAX
    assert len(street.entries) == entries + 1
    (refused,) = street.submit(a_sale(*[10] * (SALE_PARTS_MAX + 1)))
    assert reason([refused]) is Reason.TOO_MANY


# --- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (a_sale(product="none"), Reason.UNKNOWN_PRODUCT),
        (structs.replace(a_sale(), parts=()), Reason.BAD_VALUE),
        (a_sale(proof=[b""] * (SALE_PROOFS_MAX + 1)), Reason.TOO_MANY),
        (a_sale(proof=[bytes(SALE_PROOF_BYTES_MAX + 1)]), Reason.BAD_VALUE),
    ],
)
def test_sale_of_no_good_form_is_refused(command: ConcludeSale, why: Reason) -> None:
    assert refusal(a_street(), command).reason is why


def test_proof_may_be_as_long_as_is_said() -> None:
    a_street().do(a_sale(proof=[bytes(SALE_PROOF_BYTES_MAX)] * SALE_PROOFS_MAX))


@pytest.mark.parametrize("mechanism", [Mechanism.CALL_AUCTION, Mechanism.CONTINUOUS])
def test_product_of_another_market_knows_no_sales(mechanism: Mechanism) -> None:
    street = a_street(structs.replace(a_product(), mechanism=mechanism))
    assert refusal(street, a_sale()).reason is Reason.NOT_ALLOWED


@pytest.mark.parametrize("places", [(1, 0), (0, 0), (0, 2, 1)])
def test_parts_that_do_not_rise_are_refused(places: tuple[int, ...]) -> None:
    rising = a_sale(10, 10, 10).parts
    command = structs.replace(a_sale(), parts=tuple(rising[place] for place in places))
    refused = refusal(a_street(), command)
    assert refused.reason is Reason.BAD_VALUE
    assert refused.detail.startswith(f"part {len(places)}, ")


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (a_sale(seller="h09"), Reason.UNKNOWN_POD),
        (a_sale(buyer="h09"), Reason.UNKNOWN_POD),
        (a_sale(buyer="h01"), Reason.NOT_ALLOWED),
        (a_sale(price=95), Reason.OFF_TICK),
        (a_sale(price=500_010), Reason.PRICE_LIMIT),
        (a_sale(price=-500_010), Reason.PRICE_LIMIT),
        (a_sale(2**53), Reason.BAD_QUANTITY),
        (a_sale(-10), Reason.BAD_QUANTITY),
        (a_sale(100_010), Reason.BAD_QUANTITY),
        (a_sale(15), Reason.OFF_TICK),
    ],
)
def test_part_that_could_be_no_offer_is_refused(command: ConcludeSale, why: Reason) -> None:
    refused = refusal(a_street(a_board(energy_tick=10)), command)
    assert refused.reason is why
    assert refused.detail.startswith("part 1, 2013-06-10T00:00Z: ")


def test_part_of_nothing_is_refused() -> None:
    nothing = SalePart(delivery=FIRST, quantity_wh=0)
    refused = refusal(a_street(), structs.replace(a_sale(), parts=(nothing,)))
    assert refused.reason is Reason.BAD_QUANTITY


def test_delivery_that_is_not_listed_is_refused_with_its_part() -> None:
    refused = refusal(a_street(), a_sale(10, 10, 10, 10))
    assert refused.reason is Reason.UNKNOWN_DELIVERY
    assert refused.detail.startswith("part 4, 2013-06-10T01:30Z: ")


def test_each_part_is_in_time_or_the_sale_is_refused() -> None:
    street = a_street(a_board(opens_before_us=2 * HOUR))
    street.until(MIDNIGHT - 2 * HOUR)
    early = refusal(street, a_sale(10, 10))
    assert (early.reason, early.detail[:7]) == (Reason.GATE_NOT_OPEN, "part 2,")
    street.do(a_sale(10))
    street.until(MIDNIGHT - HOUR)
    late = refusal(street, a_sale(10, 10))
    assert (late.reason, late.detail[:7]) == (Reason.GATE_CLOSED, "part 1,")
    street.do(a_sale(0, 10))


def test_sale_that_is_stamped_at_gate_closure_is_late() -> None:
    street = a_street()
    (refused,) = street.exchange.decide(a_sale(10), Instant(MIDNIGHT - HOUR))
    assert isinstance(refused, Rejected)
    assert refused.reason is Reason.GATE_CLOSED


def test_what_is_immediate_is_sold_until_its_delivery_ends() -> None:
    street = a_street(a_board(closes_before_us=-ISP_US))
    street.until(SECOND - 1)
    street.do(a_sale(10))
    street.until(SECOND)
    assert refusal(street, a_sale(10)).reason is Reason.GATE_CLOSED


def test_party_of_each_delivery_is_who_sells_and_buys() -> None:
    street = a_street()
    moved = structs.replace(pod_facts("h01", party="p02"), since=Instant(MIDNIGHT + 3 * ISP_US))
    street.do(c.ChangePod(facts=moved))
    street.do(list_deliveries(day="2013-06-11", start=MIDNIGHT + 3 * ISP_US, count=1))
    refused = refusal(street, a_sale(10, 10, 10, 10))
    assert (refused.reason, refused.detail[:7]) == (Reason.NOT_ALLOWED, "part 4,")
    street.do(a_sale(10, 10, 10, 10, buyer="h03"))
    assert street.balance("h01/p01") == 30 * PRICE
    assert street.balance("h01/p02") == 10 * PRICE


@pytest.mark.parametrize(("seller", "buyer"), [("h01", "h02"), ("h02", "h01")])
def test_pod_that_leaves_has_no_part_in_later_deliveries(seller: str, buyer: str) -> None:
    street = a_street()
    until = Instant(MIDNIGHT + 3 * ISP_US)
    street.do(DisconnectPod(pod=PodId("h01"), until=until))
    street.do(list_deliveries(day="2013-06-11", start=until, count=1))
    refused = refusal(street, a_sale(10, 0, 0, 10, seller=seller, buyer=buyer))
    assert (refused.reason, refused.detail[:7]) == (Reason.UNKNOWN_POD, "part 2,")


@pytest.mark.parametrize(("seller", "buyer"), [("h01", "h03"), ("h03", "h02")])
def test_position_limit_counts_for_both(seller: str, buyer: str) -> None:
    street = a_street(a_board(position_max_wh=300))
    street.do(a_sale(0, 200))
    refused = refusal(street, a_sale(10, 101, seller=seller, buyer=buyer))
    assert (refused.reason, refused.detail[:7]) == (Reason.POSITION_LIMIT, "part 2,")
    assert ("the buyer" in refused.detail) is (buyer == "h02")
    street.do(a_sale(10, 100, seller=seller, buyer=buyer))


def test_seller_has_no_more_open_orders_than_it_may() -> None:
    street = a_street(a_board(orders_per_pod_max=1))
    street.do(an_order("h01", side=Side.SELL, delivery=SECOND))
    refused = refusal(street, a_sale(10, 10))
    assert (refused.reason, refused.detail[:7]) == (Reason.TOO_MANY, "part 2,")
    # As with any taking, what trades at once is not counted.
    street.do(a_sale(10, 10, seller="h02", buyer="h01"))


def test_delivery_has_no_more_orders_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    street = a_street()
    street.do(an_order("h03", delivery=SECOND))
    monkeypatch.setattr(orders, "ORDERS_PER_DELIVERY_MAX", 1)
    assert refusal(street, a_sale(10, 10)).reason is Reason.TOO_MANY
    street.do(a_sale(10))


# --- what it costs ---------------------------------------------------------------------------


def with_credit(party: str, credit_nano: int, product: Product | None = None) -> Play:
    street = a_street(product)
    street.do(c.RegisterParty(party=a_party(party, credit_limit_nano=credit_nano)))
    return street


def test_buyer_pays_for_all_parts_with_the_network_fee_or_for_none() -> None:
    street = with_credit("p02", 300 * (PRICE + 5_000), a_board(network_fee=5_000))
    refused = refusal(street, a_sale(100, 100, 101))
    assert (refused.reason, refused.detail[:7]) == (Reason.NO_COLLATERAL, "part 3,")
    assert "the buyer" in refused.detail
    street.do(a_sale(100, 100, 100))
    assert refusal(street, a_sale(1)).reason is Reason.NO_COLLATERAL


def test_seller_can_buy_back_all_parts_or_sells_none() -> None:
    street = with_credit("p01", 300 * (SHORT - PRICE))
    refused = refusal(street, a_sale(100, 100, 101))
    assert (refused.reason, refused.detail[:7]) == (Reason.NO_COLLATERAL, "part 3,")
    assert "the seller" in refused.detail
    street.do(a_sale(100, 100, 100))


def test_what_a_part_brings_in_does_not_pay_for_the_next() -> None:
    # At a negative price who buys is paid for it, and needs nothing.
    street = with_credit("p02", 0)
    street.do(a_sale(100, 100, price=-10_000))
    street = with_credit("p01", 100 * (SHORT + 10_000))
    assert refusal(street, a_sale(100, 1, price=-10_000)).detail[:7] == "part 2,"


def test_who_owes_more_than_its_credit_may_still_do_what_costs_nothing() -> None:
    street = with_credit("p01", 1_000 * (SHORT - PRICE))
    street.do(a_sale(1_000))
    street.do(c.RegisterParty(party=a_party("p01", credit_limit_nano=0)))
    assert refusal(street, a_sale(1)).reason is Reason.NO_COLLATERAL
    # Above the supplier's price nothing can be lost by being short.
    street.do(a_sale(1, price=SHORT))


def test_one_party_that_sells_in_one_part_and_buys_in_another_pays_for_both() -> None:
    street = with_credit("p02", 10 * PRICE + 10 * (SHORT - PRICE))
    moves = Instant(MIDNIGHT + 3 * ISP_US)
    for pod, party in (("h01", "p02"), ("h02", "p03")):
        street.do(c.ChangePod(facts=structs.replace(pod_facts(pod, party=party), since=moves)))
    street.do(list_deliveries(day="2013-06-11", start=moves, count=1))
    assert refusal(street, a_sale(10, 0, 0, 11)).reason is Reason.NO_COLLATERAL
    street.do(a_sale(10, 0, 0, 10))


# --- once, and whole -------------------------------------------------------------------------


def test_refused_part_in_the_midst_changes_nothing_for_the_others() -> None:
    street = a_street(a_board(position_max_wh=300))
    before = state_digest(street.exchange)
    assert reason(street.submit(a_sale(10, 301, 10))) is Reason.POSITION_LIMIT
    assert state_digest(street.exchange) == before
    assert street.trades() == []


def test_sale_beside_offers_leaves_them_alone() -> None:
    street = a_street()
    street.do(an_order("h01", side=Side.SELL, limit=50_000, quantity_wh=100))
    street.do(a_sale(300))
    assert [*street.exchange.state.market.places] == [1]
    street.do(c.TakeOffer(order=OrderId(1), pod=PodId("h02"), quantity_wh=100))
    assert [one.sell_price for one in street.trades()] == [PRICE, 50_000]


def test_sale_that_is_sent_twice_is_concluded_once() -> None:
    kernel = a_kernel(*a_town(2, product=a_board()))
    first = kernel.submit(a_sale(request="r1"))
    assert kernel.submit(a_sale(request="r1")) == first
    assert kernel.exchange.state.market.next_trade == 3
    other = kernel.submit(a_sale(10, request="r1"))
    assert reason([*other.events]) is Reason.REQUEST_REUSED
    # It is one of the seller's: the buyer's own requests are other ones.
    bought = an_order("h02", request="r1")
    assert reason([*kernel.submit(bought).events]) is None


def test_history_with_sales_is_rebuilt_and_verified() -> None:
    journal = MemoryJournal()
    kernel = a_kernel(*a_town(2, product=a_board(), deliveries=3), journal=journal)
    kernel.submit(a_sale(proof=[b"bid", b"accept", b"\xff" * 84], request="r1"))
    kernel.submit(a_sale(10, 0, 0, 10))
    kernel.submit(a_sale(10, 20, 30, seller="h02", buyer="h01"))
    digest = state_digest(kernel.exchange)
    assert state_digest(rebuild(journal)) == digest
    assert state_digest(verify(journal).exchange) == digest
    again = restore(snapshot(kernel.exchange, journal.last_seq, journal.head)).exchange
    assert state_digest(again) == digest
    sold = next(one for one in entries_of(journal) if isinstance(one.command, ConcludeSale))
    assert sold.command == a_sale(proof=[b"bid", b"accept", b"\xff" * 84], request="r1")


# --- settlement ------------------------------------------------------------------------------


def test_immediate_sale_is_settled_with_what_the_meters_say() -> None:
    immediate = a_board(closes_before_us=-ISP_US, network_fee=5_000)
    street = Play(with_runs(a_town(3, product=immediate, deliveries=2), final=2 * ISP_US))
    for number in (1, 2, 3):
        street.read(f"m-h0{number}", FIRST, 0, 0)
    street.until(FIRST + ISP_US // 2)
    street.do(a_sale(300, 200))
    for place, instant in enumerate((SECOND, THIRD), start=1):
        street.read("m-h01", instant, 0, 300 * place)
        street.read("m-h02", instant, 300 * place, 0)
        street.read("m-h03", instant, 0, 0)
    issued = receipts(street.settle(FIRST, "final"))
    sold, bought = issued["h01"], issued["h02"]
    assert (sold.sold_wh, sold.delivered_out_wh, sold.export_wh) == (300, 300, 300)
    assert (bought.bought_wh, bought.delivered_in_wh, bought.import_wh) == (300, 300, 300)
    assert (sold.deviation_wh, bought.deviation_wh) == (0, 0)
    assert (sold.trades_nano, bought.trades_nano) == (-300 * PRICE, 300 * (PRICE + 5_000))
    # In the second one more was metered on both sides than was sold.
    later = receipts(street.settle(SECOND, "final"))
    assert (later["h01"].sold_wh, later["h01"].delivered_out_wh) == (200, 200)
    assert (later["h01"].deviation_wh, later["h02"].deviation_wh) == (100, -100)
    ledger = street.exchange.state.ledger
    assert sum(ledger.money.values()) == 0
    assert (ledger.energy, ledger.held) == ({}, {})


def test_events_of_a_sale_one_by_one_come_to_the_same_as_together() -> None:
    street = a_street()
    street.do(a_sale(300, 0, 100))
    one_by_one = Exchange()
    for event in street.history:
        one_by_one.apply(event)
    assert one_by_one.state == street.exchange.state
    assert street.at == EVE
