"""How a confirmed sale becomes a command: its parts in time, one sale after the other."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from tests.etp_market import BESS, BIDDER, Street, a_conclusion
from wattbay.adapters.etp.auctions import Conclude
from wattbay.adapters.etp.desk import Delivery, key_in, parts, request_of
from wattbay.adapters.etp.messages import RejectCode
from wattbay.ids import RequestId
from wattbay.periods import HOUR, MINUTE, Instant

ISP_US = 5 * MINUTE
IDS = st.integers(1, 2**64 - 1)


def conclude(street: Street, sale: Conclude, bess: int = BESS) -> int | None:
    return asyncio.run(street.desk.conclude(bess, sale))


@given(st.integers(0, 10**15), st.integers(1, 8 * HOUR), st.integers(1, 200_000))
def test_parts_are_all_of_a_sale_and_fall_into_its_span(
    start: int, length_us: int, energy_wh: int
) -> None:
    end = start + length_us
    found = parts(Instant(start), Instant(end), energy_wh, ISP_US)
    assert sum(part.quantity_wh for part in found) == energy_wh
    assert all(part.quantity_wh > 0 for part in found)
    deliveries = [part.delivery for part in found]
    assert deliveries == sorted(set(deliveries))
    assert all(one % ISP_US == 0 and one < end and one + ISP_US > start for one in deliveries)


def test_parts_are_in_proportion_to_time() -> None:
    start = Instant(ISP_US - MINUTE)
    found = parts(start, Instant(start + 7 * MINUTE), 700, ISP_US)
    assert [(part.delivery, part.quantity_wh) for part in found] == [
        (0, 100), (ISP_US, 500), (2 * ISP_US, 100),
    ]  # fmt: skip


@given(IDS, IDS, IDS)
def test_name_of_a_sale_tells_its_battery_and_its_bid(bess: int, bidder: int, number: int) -> None:
    assert key_in(request_of(bess, (bidder, number))) == (bess, (bidder, number))


@pytest.mark.parametrize("text", [None, "", "etp", "etp-1-2", "etp-x-y-z", "api-1-2-3"])
def test_other_names_are_no_sale_of_a_battery(text: str | None) -> None:
    assert key_in(None if text is None else RequestId(text)) is None


def test_sale_is_one_entry_and_lasts_as_long_as_the_battery_needs() -> None:
    street, told = Street(), list[Delivery]()
    street.desk.listeners.append(told.append)
    entry = conclude(street, a_conclusion(2_000))
    assert entry == street.journal.last_seq
    # 2 kWh at 5 kW are 24 minutes.
    assert told == [
        Delivery(BESS, street.begins, Instant(street.begins + 24 * MINUTE), 2_000, BIDDER, entry)
    ]
    ledger = street.kernel.exchange.state.ledger
    assert ledger.money["bess-101/owner-101"] == 2_000 * 200_000
    assert sum(ledger.money.values()) == 0


def test_sales_of_a_battery_run_one_after_the_other() -> None:
    street, told = Street(), list[Delivery]()
    street.desk.listeners.append(told.append)
    for number in range(3):
        assert conclude(street, a_conclusion(1_000, message_id=number))
    conclude(street, a_conclusion(1_000, message_id=9), bess=102)
    first, second, third, other = told
    assert (first.end, second.end) == (second.start, third.start)
    assert other.start == street.begins


def test_sale_told_again_is_the_same_and_takes_no_time() -> None:
    street, told = Street(), list[Delivery]()
    street.desk.listeners.append(told.append)
    entry = conclude(street, a_conclusion())
    before = street.desk.span(BESS, 1_000)
    assert conclude(street, a_conclusion()) == entry
    assert street.desk.span(BESS, 1_000) == before
    assert len(told) == 1
    assert conclude(street, a_conclusion(1_999)) is None


def test_refused_sale_leaves_the_battery_as_free_as_before() -> None:
    street = Street()
    before = street.desk.span(BESS, 1_000)
    assert conclude(street, a_conclusion(price=2_000_000)) is None
    assert street.desk.span(BESS, 1_000) == before
    assert street.desk.refused == {"price_limit": 1}


@pytest.mark.parametrize(
    "sale",
    [
        a_conclusion(bidder=999),
        a_conclusion(price=-10),
        a_conclusion(price=200_005),
        a_conclusion(energy_wh=60_000),
        a_conclusion(energy_wh=10**12),
        # 1,000 AUD are what it may owe.
        a_conclusion(energy_wh=40_000, price=1_000_000, message_id=8),
    ],
)
def test_what_would_be_refused_is_said_before_it_is_accepted(sale: Conclude) -> None:
    street = Street()
    head = street.journal.last_seq
    bidder, price, energy_wh = sale.key[0], sale.price, sale.energy_wh
    fault = street.desk.fault(BESS, bidder, price, energy_wh)
    assert street.journal.last_seq == head
    # At 5 kW for 40 kWh: 8 hours, 97 parts; it is allowed where the credit bears it.
    expected = None if energy_wh == 40_000 else RejectCode.MARKET_REFUSED
    assert fault is expected
    assert (conclude(street, sale) is None) is (fault is not None)


def test_bidder_without_credit_is_told_before_it_is_accepted() -> None:
    street = Street()
    # Sells for 10 AUD a time until 1,000 AUD are owed: batteries give one after the other.
    for number in range(100):
        bess = (101, 102, 103)[number % 3]
        fault = street.desk.fault(bess, BIDDER, 1_000_000, 10_000)
        if fault is not None:
            break
        assert conclude(street, a_conclusion(10_000, price=1_000_000, message_id=number), bess)
    assert fault is RejectCode.MARKET_REFUSED
    assert street.desk.fault(101, 201, 1_000_000, 1_000) is None or number > 8


def test_network_fee_comes_out_of_the_bid() -> None:
    street = Street()
    with_fee = structs.replace(street.fleet.product, network_fee=10_000)
    street = Street(street.fleet._replace(product=with_fee))
    assert conclude(street, a_conclusion(1_000, price=200_000))
    money = street.kernel.exchange.state.ledger.money
    assert money["aggregator-203/aggregator-203"] == -1_000 * 200_000
    assert money["bess-101/owner-101"] == 1_000 * 190_000
