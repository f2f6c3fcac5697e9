"""A market of batteries that is opened again in its folder, before anybody is let in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import structs

from tests.servers import until
from wattbay.adapters.etp.desk import Delivery, Member, parts, request_of
from wattbay.adapters.etp.link import Guard
from wattbay.agents.keeper import Keeper
from wattbay.assembly.etp import EtpMarket
from wattbay.core.commands import GiveSignal, SubmitReading
from wattbay.core.events import Rejected
from wattbay.core.market.release import CHARGE
from wattbay.core.sales import ConcludeSale
from wattbay.errors import ConfigError
from wattbay.ids import CommunityId, PartyId, PodId
from wattbay.kernel.clock import ScaledClock
from wattbay.kernel.codec import decode
from wattbay.periods import HOUR, Instant
from wattbay.simulation.etp_fleet import DEFAULT, Alone, Fleet, fleet_of, read_fleet

SPEED = 3_600
BESS, BUYER = 101, 201


def a_fleet() -> Fleet:
    return read_fleet(DEFAULT)._replace(speed=SPEED)


@contextmanager
def a_market(folder: Path, fleet: Fleet | None = None) -> Iterator[EtpMarket]:
    """Put a market together, with everybody connected and a day listed; nobody is let in."""
    market = EtpMarket(fleet or a_fleet(), folder, lambda _: Guard(allows_plain=True))
    try:
        exchange = market.exchange
        begins = max(facts[0].since for facts in exchange.state().registry.pods.values())
        until(lambda: exchange.clock.now() > begins, "pods are connected")
        exchange.kernel.submit_many(
            list(Keeper(market.fleet.calendar).act(exchange.state(), exchange.clock.now()))
        )
        yield market
    finally:
        market.exchange.close()


def sell(market: EtpMarket, energy_wh: int, *, number: int = 7) -> int:
    """Let history have a sale, as the desk brings it; return its entry."""
    start = market.exchange.clock.now()
    end = Instant(start + energy_wh * HOUR // 5_000)
    command = ConcludeSale(
        product=market.fleet.product.product, seller=PodId("bess-101"), price=150_000,
        buyer=PodId("aggregator-201"), request=request_of(BESS, (BUYER, number)),
        parts=parts(start, end, energy_wh, market.fleet.isp_us),
    )  # fmt: skip
    answer = market.exchange.kernel.submit(command)
    assert not isinstance(answer.events[0], Rejected), answer
    market.plant.deliver(Delivery(BESS, start, end, energy_wh, BUYER, answer.seq))
    return answer.seq


def refused_readings(market: EtpMarket) -> list[Rejected]:
    entries = (decode(data, seq=seq) for seq, data, _ in market.exchange.journal.rows())
    return [
        entry.events[0]
        for entry in entries
        if isinstance(entry.command, SubmitReading) and isinstance(entry.events[0], Rejected)
    ]


# --- another fleet ---------------------------------------------------------------------------


def changed_member(fleet: Fleet) -> Fleet:
    last = fleet.bidders[-1]
    member = Member(299, PartyId("aggregator-299"), PodId("aggregator-299"))
    return fleet._replace(bidders=[*fleet.bidders[:-1], last._replace(member=member)])


OTHERS: dict[str, tuple[Callable[[Fleet], Fleet], str]] = {
    "a member more": (changed_member, "device 299 is no member"),
    "meters of another seed": (lambda one: one._replace(seed=7), "is somebody else"),
    "another price tick": (
        lambda one: one._replace(product=structs.replace(one.product, price_tick=100)),
        "another product immediate",
    ),
    "another length": (lambda one: one._replace(isp_us=2 * one.isp_us), "another length"),
    "another community": (
        lambda one: one._replace(community=CommunityId("elsewhere")), "is kept for three-batteries"
    ),
}  # fmt: skip


@pytest.mark.parametrize("which", OTHERS)
def test_folder_of_another_fleet_is_refused_and_left_as_it_is(which: str, tmp_path: Path) -> None:
    with a_market(tmp_path) as market:
        before = market.exchange.journal.head
    change, words = OTHERS[which]
    with pytest.raises(ConfigError) as told:
        EtpMarket(change(a_fleet()), tmp_path, lambda _: Guard(allows_plain=True))
    faults = [str(fault) for fault in told.value.faults]
    assert all(fault.startswith("--folder: ") for fault in faults)
    assert all(fault.endswith("(another folder)") for fault in faults)
    assert words in faults[0]
    # It holds nothing back: the right fleet goes on.
    again = EtpMarket(a_fleet(), tmp_path, lambda _: Guard(allows_plain=True))
    assert again.exchange.journal.head == before
    again.exchange.close()


def test_battery_that_lets_a_bidder_go_still_gives_what_it_sold_to_it(tmp_path: Path) -> None:
    with a_market(tmp_path) as market:
        sell(market, 2_000)
    fleet = a_fleet()
    with a_market(tmp_path, fleet._replace(bidders=fleet.bidders[1:])) as market:
        assert [sale.energy_wh for sale in market.sales.sales.values()] == [2_000]
        assert market.desk.span(BESS, 1)[0] >= market.exchange.clock.now()


def test_time_of_a_market_that_went_faster_never_goes_back(tmp_path: Path) -> None:
    with a_market(tmp_path, fleet_of(Alone(BESS, bidders=(BUYER,), speed=SPEED))) as market:
        at = market.exchange.clock.now()
        market.exchange.kernel.advance(at)
        sell(market, 100)
    with a_market(tmp_path, fleet_of(Alone(BESS, bidders=(BUYER,), speed=1))) as market:
        clock = market.exchange.clock
        assert isinstance(clock, ScaledClock)
        assert (clock.speed, clock.now() >= at) == (1, True)


# --- how full batteries are ------------------------------------------------------------------


def test_battery_is_as_full_as_it_told_less_what_it_sold_since(tmp_path: Path) -> None:
    with a_market(tmp_path) as market:
        told = GiveSignal(
            party=PartyId("owner-101"), signal=CHARGE, value=5_000, pod=PodId("bess-101")
        )
        market.exchange.kernel.submit(told)
        entry = sell(market, 2_000)
    with a_market(tmp_path) as market:
        seller = market.nodes[0].seller
        assert (seller.bess.level_wh, seller.told_entry) == (3_000, entry)
        assert [bid.key for bid in seller.bids] == [(BUYER, 7)]


def test_battery_that_sold_before_it_told_how_full_it_is_has_less(tmp_path: Path) -> None:
    with a_market(tmp_path) as market:
        sell(market, 2_000)
        sell(market, 500, number=8)
    with a_market(tmp_path) as market:
        assert market.nodes[0].seller.bess.level_wh == 8_000 - 2_500


# --- meters ----------------------------------------------------------------------------------


def tell(market: EtpMarket, at: Instant, devices: int | None = None) -> None:
    """Let meters tell at a boundary; only the first so many, if that is said."""
    until(lambda: market.exchange.clock.now() >= at, "it is time for readings")
    market.plant.advance(at)
    market.exchange.kernel.submit_many(list(market.plant.readings(at))[:devices])


@pytest.mark.parametrize("devices", [0, 1, 4, None])
def test_meters_go_on_though_only_some_told_of_a_boundary(
    devices: int | None, tmp_path: Path
) -> None:
    isp_us = a_fleet().isp_us
    with a_market(tmp_path) as market:
        begun = Instant((market.exchange.clock.now() // isp_us + 1) * isp_us)
        tell(market, begun)
        sell(market, 2_000)
        tell(market, Instant(begun + 2 * isp_us), devices)
    with a_market(tmp_path) as market:
        for number in range(1, 8):
            tell(market, Instant(begun + (2 + number) * isp_us))
        assert not refused_readings(market)
        totals = market.exchange.state().metering.pods
        # A sale of 24 minutes is over by now.
        assert totals[PodId("bess-101")].totals[-1].export_wh == pytest.approx(2_000, abs=2)
        assert totals[PodId("aggregator-201")].totals[-1].import_wh == pytest.approx(2_000, abs=2)
