"""Sales of a journal, how full batteries are, and what is kept of what was promised."""

from __future__ import annotations

import asyncio

from tests.etp_market import BESS, BIDDER, Street, a_conclusion
from wattbay.adapters.etp.desk import request_of
from wattbay.core.commands import GiveSignal
from wattbay.core.market.release import CHARGE
from wattbay.ids import PartyId, PodId
from wattbay.kernel.codec import decode
from wattbay.periods import HOUR, MINUTE, Instant
from wattbay.simulation.etp_plant import Plant
from wattbay.views.sales import Sales

POD, OWNER = PodId("bess-101"), PartyId("owner-101")
BUYER = PodId("aggregator-203")


def told(street: Street, level_wh: int) -> None:
    street.kernel.submit(GiveSignal(party=OWNER, signal=CHARGE, value=level_wh, pod=POD))


def folded(street: Street) -> Sales:
    """Return the view as it is read from the journal once more."""
    sales = Sales(street.fleet.product.product)
    for seq, data, _ in street.journal.rows(1):
        sales.fold(decode(data, seq=seq))
    return sales


def test_sale_is_known_by_its_name_with_its_price_and_energy() -> None:
    street = Street()
    entry = asyncio.run(street.desk.conclude(BESS, a_conclusion(2_000, price=150_000)))
    (sale,) = street.sales.sales.values()
    assert sale.request == request_of(BESS, (BIDDER, 7))
    assert (sale.entry, sale.seller, sale.buyer) == (entry, POD, BUYER)
    assert (sale.price, sale.energy_wh) == (150_000, 2_000)
    assert (street.sales.total_wh, street.sales.total_nano) == (2_000, 300_000_000)


def test_refused_sale_and_refused_signal_are_not_counted() -> None:
    street = Street()
    asyncio.run(street.desk.conclude(BESS, a_conclusion(price=2_000_000)))
    street.kernel.submit(GiveSignal(party=OWNER, signal=CHARGE, value=-1, pod=POD))
    assert not street.sales.sales
    assert not street.sales.levels


def test_level_is_what_was_told_less_what_was_sold_since() -> None:
    street = Street()
    told(street, 8_000)
    assert street.sales.levels[POD] == (8_000, street.journal.last_seq)
    entry = asyncio.run(street.desk.conclude(BESS, a_conclusion(2_000)))
    assert street.sales.levels[POD] == (6_000, entry)
    told(street, 6_500)
    assert street.sales.levels[POD] == (6_500, street.journal.last_seq)


def test_reputation_is_what_meters_saw_of_what_was_promised() -> None:
    fleet = Street().fleet
    old = fleet.batteries[0]._replace(delivers_ppm=900_000)
    street = Street(fleet._replace(batteries=[old, *fleet.batteries[1:]]))
    plant = Plant(street.fleet, street.begins)
    street.desk.listeners.append(plant.deliver)
    asyncio.run(street.desk.conclude(BESS, a_conclusion(2_000)))
    assert POD not in street.sales.kept
    for _ in range(7):
        at = Instant(street.clock.now() + 5 * MINUTE)
        plant.advance(at)
        street.kernel.advance(at)
        for reading in plant.readings(at):
            street.kernel.submit(reading)
    street.advance(HOUR)
    kept, bought = street.sales.kept[POD], street.sales.kept[BUYER]
    assert (kept.sold_wh, bought.bought_wh) == (2_000, 2_000)
    assert abs(kept.given_wh - 1_800) <= 5  # A watt-hour a delivery, by rounding.
    assert abs(bought.taken_wh - 2_000) <= 5
    assert kept.reputation is not None
    assert round(kept.reputation, 2) == 0.9
    assert street.sales.kept[PodId("bess-102")].reputation is None
    again = folded(street)
    assert (again.kept, again.sales, again.levels, again.seq) == (
        street.sales.kept, street.sales.sales, street.sales.levels, street.journal.last_seq,
    )  # fmt: skip
