"""What a desk says before a bid is accepted is what the exchange says once it is confirmed."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import structs

from tests.etp_market import Street, a_conclusion
from wattbay.core.facts import Product
from wattbay.core.sales import SALE_PARTS_MAX, ConcludeSale
from wattbay.kernel.codec import decode
from wattbay.periods import HOUR, MINUTE
from wattbay.simulation.etp_fleet import DEFAULT, read_fleet
from wattbay.units import SAFE_INTEGER_MAX

STRANGER = 999
CREDIT_NANO = 100_000 * 10_000_000


class Bid(NamedTuple):
    """A bid, and how long after the last one it comes."""

    bess: int
    bidder: int
    price: int
    energy_wh: int
    after_us: int


bids = st.builds(
    Bid,
    bess=st.sampled_from([101, 102, 103]),
    bidder=st.sampled_from([201, 203, STRANGER]),
    price=st.one_of(
        st.integers(0, 100).map(lambda cents: 10_000 * cents), st.integers(-100_000, 1_100_000)
    ),
    energy_wh=st.one_of(
        st.integers(1, 20), st.integers(1, 60_000), st.integers(1, SAFE_INTEGER_MAX)
    ),
    after_us=st.integers(0, HOUR),
)


def a_street(*, fee: int, discharge_w: int) -> Street:
    fleet = read_fleet(DEFAULT)
    product: Product = structs.replace(fleet.product, network_fee=fee)
    street = Street(fleet._replace(product=product))
    street.desk.discharge_w[101] = discharge_w
    return street


@given(
    st.lists(bids, min_size=1, max_size=8), st.sampled_from([0, 10_000]),
    st.sampled_from([1, 40, 5_000, 1_000_000]),
)  # fmt: skip
# As slow as can be, so that it takes as many deliveries as a sale may have parts, and more.
@example([Bid(101, 201, 10_000, SALE_PARTS_MAX, 0)], 0, 12)
@example([Bid(101, 201, 10_000, SALE_PARTS_MAX + 1, 0)], 0, 12)
@example([Bid(101, 201, 10_000, SAFE_INTEGER_MAX, 0)], 0, 1)
def test_bid_is_accepted_just_where_the_exchange_takes_its_sale(
    found: list[Bid], fee: int, discharge_w: int
) -> None:
    street = a_street(fee=fee, discharge_w=discharge_w)
    for number, bid in enumerate(found):
        street.advance(bid.after_us)
        head = street.journal.head
        fault = street.desk.fault(bid.bess, bid.bidder, bid.price, bid.energy_wh)
        assert street.journal.head == head
        told = a_conclusion(bid.energy_wh, price=bid.price, bidder=bid.bidder, message_id=number)
        entry = asyncio.run(street.desk.conclude(bid.bess, told))
        assert (fault is None) == (entry is not None)
    check_deliveries(street)


def check_deliveries(street: Street) -> None:
    """Assert that no battery gives more in a delivery than it can, nor anybody owes too much."""
    given_wh: dict[tuple[str, int], int] = {}
    sold = {sale.entry for sale in street.sales.sales.values()}
    for seq, data, _ in street.journal.rows():
        command = decode(data, seq=seq).command
        if seq in sold and isinstance(command, ConcludeSale):
            for part in command.parts:
                place = command.seller, part.delivery
                given_wh[place] = given_wh.get(place, 0) + part.quantity_wh
    powers = {one.member.pod: one.member.device for one in street.fleet.batteries}
    for (pod, _), energy_wh in given_wh.items():
        most = street.desk.discharge_w[powers[pod]] * (5 * MINUTE) / HOUR  # type: ignore[index]
        # Each sale is rounded to watt-hours by itself.
        assert energy_wh <= most + len(sold)
    money = street.kernel.exchange.state.ledger.money
    assert sum(money.values()) == 0
    assert all(balance >= -CREDIT_NANO for account, balance in money.items() if "aggre" in account)
