"""Links that break and programs that are killed: every bid has one outcome, the market's."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from functools import partial
from pathlib import Path
from threading import Event

import pytest

from tests.etp_bidder import CAP, a_bidder
from tests.etp_peers import (
    BATTERY,
    BUYER,
    PLAIN,
    Peer,
    Run,
    SlowDesk,
    a_clock,
    a_guard,
    a_node,
    a_seller,
    links_of,
    on_both_loops,
)
from tests.servers import WAIT_S, free_port, until_async
from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.aggregator import AggregatorNode
from wattbay.adapters.etp.auctions import Keep, Rules, Stage
from wattbay.adapters.etp.bid_log import BidLog
from wattbay.adapters.etp.buyer import Patience
from wattbay.adapters.etp.link import Link
from wattbay.adapters.etp.messages import Kind, TerminateCode
from wattbay.adapters.etp.node import Address, BessNode, NoDesk
from wattbay.errors import AdapterError
from wattbay.periods import SECOND, Instant

ROOT = Path(__file__).parents[2]
takes = pytest.mark.parametrize("takes", [True, False], ids=["taken", "refused"])


class DiskOfPatience(BidLog):
    """A log on a disk that is done when it is told to be."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        self.may_go_on = Event()
        self.syncs = 0
        self.fault: AdapterError | None = None

    def sync(self) -> None:
        self.syncs += 1
        assert self.may_go_on.wait(WAIT_S)
        if self.fault is not None:
            raise self.fault
        super().sync()


def ends_of(bidder: AggregatorNode) -> list[tuple[Stage, int]]:
    return [(one.stage, one.code) for one in bidder.buyer.ended]


def die(node: BessNode) -> None:
    """Let a battery's node be gone without a word, as by a kill."""
    assert node._server  # noqa: SLF001 - nobody can be killed politely
    node._server.close()  # noqa: SLF001 - likewise
    for link in links_of(node):
        link.close()


def has_met(node: BessNode, messages: int, buying: asyncio.Task[None]) -> bool:
    return buying.done() or node.counts["heard"] >= messages


# --- the battery is gone --------------------------------------------------------------------------


@on_both_loops
@pytest.mark.parametrize("restores", [True, False])
def test_sale_outlives_the_battery_that_reads_it_from_the_journal_again(
    run: Run, restores: bool
) -> None:
    async def scene() -> None:
        desk = SlowDesk()
        node = a_node(desk=desk)
        address = await node.open("127.0.0.1")
        bidder = a_bidder()
        bidder.call(BATTERY, address)
        buying = asyncio.create_task(bidder.run(1))
        await until_async(lambda: desk.told, "the market is told")
        die(node)
        (sale,) = desk.told
        seller = a_seller()
        if restores:
            seller.restore(sale.key, sale.price, sale.energy_wh, 1)
        again = a_node(seller=seller, desk=desk)
        await again.open("127.0.0.1", address.port)
        await until_async(lambda: not bidder.trader.is_waiting, "the outcome is known")
        await buying
        end = (Stage.SETTLED, 0) if restores else (Stage.TERMINATED, TerminateCode.UNKNOWN_BID)
        assert ends_of(bidder) == [end]
        assert bidder.trader.figures.bought_wh == (1_000 if restores else 0)
        assert len(desk.told) == 1
        desk.may_answer.set()
        for one in (bidder, again, node):
            await one.close()

    run(scene())


@on_both_loops
def test_bid_whose_link_is_lost_before_the_answer_is_said_again_and_counts_once(run: Run) -> None:
    async def scene() -> None:
        desk = NoDesk()
        node = a_node(seller=a_seller(rules=Rules(window_us=SECOND // 2)), desk=desk)
        bidder = a_bidder()
        bidder.call(BATTERY, await node.open("127.0.0.1"))
        buying = asyncio.create_task(bidder.run(1))
        await until_async(lambda: node.seller.counts["bids"] == 1, "a bid has come")
        for link in links_of(node):
            link.close()
        await buying
        assert node.seller.counts["bids"] == 1
        assert node.seller.counts["repeated"] == 1
        assert ends_of(bidder) == [(Stage.SETTLED, 0)]
        assert len(desk.sold) == 1
        await bidder.close()
        await node.close()

    run(scene())


@on_both_loops
def test_all_is_bought_once_though_links_break_all_the_time(run: Run) -> None:
    async def scene() -> None:
        desk = NoDesk()
        node = a_node(desk=desk, guard=a_guard(BATTERY))
        bidder = a_bidder(need_wh=20_000, guard=a_guard(BUYER))
        bidder.call(BATTERY, await node.open("127.0.0.1"))
        buying = asyncio.create_task(bidder.run())
        broken = 0
        while not buying.done():
            enough = node.counts["heard"] + 1 + broken % 5
            await until_async(partial(has_met, node, enough, buying), "something is said")
            for link in links_of(node):
                broken += 1
                link.close()
        await buying
        assert broken > 10
        figures = bidder.trader.figures
        assert figures.bought_wh == 20_000
        assert figures.settled == len(desk.sold)
        assert figures.spent_nano == sum(one.energy_wh * one.price for _, one in desk.sold)
        assert len({one.key for _, one in desk.sold}) == len(desk.sold)
        await bidder.close()
        await node.close()

    run(scene())


# --- the aggregator is gone -----------------------------------------------------------------------


@takes
@pytest.mark.parametrize("answers_first", [True, False])
def test_killed_aggregator_has_one_outcome_as_the_market_has_it(
    tmp_path: Path, takes: bool, answers_first: bool
) -> None:
    async def scene() -> None:
        desk = SlowDesk(takes=takes)
        node = a_node(desk=desk)
        address = await node.open("127.0.0.1")
        log = tmp_path / "bids"
        command = [
            sys.executable,
            "-m",
            "tests.etp_bidder",
            str(BATTERY),
            str(address.port),
            str(log),
        ]
        with subprocess.Popen([*command, str(log)], cwd=ROOT) as program:  # noqa: ASYNC220 - returns at once
            try:
                await until_async(lambda: desk.told, "the market is told")
            finally:
                program.kill()
        if answers_first:
            desk.may_answer.set()
            await until_async(lambda: not node.seller.reserved_wh, "the market has answered")
        bidder = a_bidder(log=BidLog(log))
        assert bidder.trader.is_waiting
        bidder.call(BATTERY, address)
        await until_async(lambda: bidder.counts["sent"] > 1, "it asks")
        desk.may_answer.set()
        await until_async(lambda: not bidder.trader.is_waiting, "the outcome is known")
        refused = (Stage.TERMINATED, TerminateCode.MARKET_REFUSED)
        assert ends_of(bidder) == [(Stage.SETTLED, 0) if takes else refused]
        assert len(desk.told) == 1
        assert bidder.trader.figures.bought_wh == (1_000 if takes else 0)
        assert bidder.trader.figures.spent_nano == takes * desk.told[0].price * 1_000
        await bidder.close()
        await node.close()
        again = BidLog(log)
        assert again.open_bids == []
        again.close()

    asyncio.run(scene())


@pytest.mark.parametrize("is_in_time", [True, False])
def test_bid_that_was_kept_and_never_confirmed_is_sold_or_expires(
    tmp_path: Path, is_in_time: bool
) -> None:
    async def scene() -> None:
        clock, desk = a_clock(), NoDesk()
        node = a_node(clock=clock, desk=desk)
        address = await node.open("127.0.0.1")
        # Whoever bid died between writing it down and confirming it.
        before = await Peer.at(address)
        assert (await before.asked(m.bid(7, BUYER, 18, 1))).message_type == Kind.BID_ACCEPT
        await before.leave()
        log = BidLog(tmp_path / "bids")
        log.keep(Keep(BATTERY, 7, 180_000, 1_000))
        log.sync()
        log.close()
        if not is_in_time:
            clock.advance(Instant(clock.now() + SECOND))
        bidder = a_bidder(log=BidLog(tmp_path / "bids"))
        bidder.call(BATTERY, address)
        await until_async(lambda: not bidder.trader.is_waiting, "the outcome is known")
        expired = (Stage.EXPIRED, TerminateCode.EXPIRED)
        assert ends_of(bidder) == [(Stage.SETTLED, 0) if is_in_time else expired]
        assert len(desk.sold) == is_in_time
        await bidder.close()
        await node.close()

    asyncio.run(scene())


@on_both_loops
def test_bid_that_cannot_be_kept_is_never_confirmed(run: Run, tmp_path: Path) -> None:
    async def scene() -> None:
        desk = NoDesk()
        node = a_node(desk=desk, seller=a_seller(rules=Rules(confirm_us=60 * SECOND)))
        # So impatient that it would repeat a confirmation at every opportunity.
        bidder = a_bidder(log=BidLog(tmp_path / "bids"), patience=Patience(outcome_us=1))
        assert bidder._log  # noqa: SLF001 - a disk that fails from here on
        bidder._log.close()  # noqa: SLF001 - likewise
        bidder.call(BATTERY, await node.open("127.0.0.1"))
        with pytest.raises(AdapterError):
            await bidder.run()
        await until_async(lambda: not links_of(node), "it has gone")
        bidder._sweep()  # noqa: SLF001 - as it does once a second
        assert node.seller.reserved_wh == 1_000
        assert bidder.fault is not None
        assert list(bidder.linked) == []
        await bidder.close()
        await node.close()
        assert desk.sold == []

    run(scene())


@on_both_loops
def test_bid_that_the_disk_refuses_is_never_confirmed(run: Run, tmp_path: Path) -> None:
    async def scene() -> None:
        node = a_node(seller=a_seller(rules=Rules(confirm_us=60 * SECOND)))
        log = DiskOfPatience(tmp_path / "bids")
        bidder = a_bidder(log=log, patience=Patience(outcome_us=1))
        bidder.call(BATTERY, await node.open("127.0.0.1"))
        buying = asyncio.create_task(bidder.run())
        await until_async(lambda: log.syncs, "it is written")
        log.fault = AdapterError("the disk is gone")
        log.may_go_on.set()
        with pytest.raises(AdapterError, match="is gone"):
            await buying
        bidder._sweep()  # noqa: SLF001 - as it does once a second
        await until_async(lambda: not links_of(node), "it has gone")
        assert node.seller.reserved_wh == 1_000
        assert node.seller.counts["settled"] == 0
        await bidder.close()
        await node.close()

    run(scene())


@on_both_loops
def test_slow_disk_keeps_nobody_from_being_heard_and_many_bids_at_a_time(
    run: Run, tmp_path: Path
) -> None:
    async def scene() -> None:
        desk = NoDesk()
        patient = Rules(confirm_us=60 * SECOND)
        sellers = [a_seller(BATTERY + place, patient, capacity_wh=2_500) for place in range(5)]
        nodes = [a_node(seller=seller, desk=desk) for seller in sellers]
        log = DiskOfPatience(tmp_path / "bids")
        bidder = a_bidder(log=log, need_wh=5_000, lot_wh=5_000)
        for node in nodes:
            bidder.call(node.device_id, await node.open("127.0.0.1"))
        await until_async(lambda: len(list(bidder.linked)) == 5, "all are linked")
        buying = asyncio.create_task(bidder.run())
        await until_async(
            lambda: [bid.stage for bid in bidder.buyer.live] == [Stage.CONFIRMED] * 5, "all accept"
        )
        await until_async(lambda: log.syncs, "the disk is at work")
        heard = bidder.counts["heard"]
        nodes[0].tell_status()
        await until_async(lambda: bidder.counts["heard"] > heard, "a battery is heard")
        assert desk.sold == []
        log.may_go_on.set()
        await buying
        assert len(desk.sold) == 5
        assert log.syncs < 5
        await bidder.close()
        for node in nodes:
            await node.close()

    run(scene())


# --- calling ------------------------------------------------------------------------------------


@on_both_loops
def test_battery_that_hangs_up_is_called_less_and_less_often(run: Run) -> None:
    async def scene() -> None:
        loop, calls = asyncio.get_running_loop(), list[float]()

        def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            calls.append(loop.time())
            writer.close()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        bidder = a_bidder()
        bidder.call(BATTERY, Address(*server.sockets[0].getsockname()))
        await until_async(lambda: len(calls) > 4, "it was called some times")
        await bidder.close()
        server.close()
        # Twice as long each time, less some chance.
        assert calls[4] - calls[3] > 0.35

    run(scene())


@on_both_loops
@pytest.mark.parametrize("wrong", [Address("127.0.0.1", 70_000), Address(".", 1)])
def test_address_that_is_none_is_called_until_there_is_a_better_one(
    run: Run, wrong: Address
) -> None:
    async def scene() -> None:
        node = a_node()
        bidder = a_bidder()
        bidder.call(BATTERY, wrong)
        await until_async(lambda: bidder.counts["not reached"], "it was called")
        bidder.call(BATTERY, await node.open("127.0.0.1"))
        await until_async(lambda: list(bidder.linked) == [BATTERY], "it is reached")
        await bidder.close()
        await node.close()

    run(scene())


@on_both_loops
def test_battery_that_opens_later_is_found(run: Run) -> None:
    async def scene() -> None:
        port = free_port()
        bidder = a_bidder()
        bidder.call(BATTERY, Address("127.0.0.1", port))
        await until_async(lambda: bidder.counts["not reached"] > 1, "it was called in vain")
        node = a_node()
        await node.open("127.0.0.1", port)
        await bidder.run(1)
        assert bidder.trader.figures.settled == 1
        await bidder.close()
        await node.close()

    run(scene())


@on_both_loops
def test_bidding_ends_when_an_aggregator_is_closed(run: Run) -> None:
    async def scene() -> None:
        bidder = a_bidder()
        bidder.call(BATTERY, Address("127.0.0.1", free_port()))
        bidding = asyncio.create_task(bidder.run())
        await until_async(lambda: bidder.counts["not reached"], "it was called")
        await bidder.close()
        await bidding
        assert bidder.trader.figures.bids == 0

    run(scene())


@on_both_loops
def test_aggregator_that_stops_as_a_link_comes_up_can_be_closed(run: Run) -> None:
    async def scene() -> None:
        node, bidder, up = a_node(), a_bidder(), list[Link]()
        opened = bidder.opened

        def stop(link: Link) -> None:
            opened(link)
            up.append(link)
            closing.append(asyncio.ensure_future(bidder.close()))

        closing = list[asyncio.Future[None]]()
        bidder.opened = stop  # type: ignore[method-assign] # the instant that is to be met
        bidder.call(BATTERY, await node.open("127.0.0.1"))
        await until_async(lambda: up, "a link comes up")
        await until_async(closing[0].done, "the aggregator is closed")
        assert not list(bidder.linked)
        await node.close()

    run(scene())


@on_both_loops
def test_battery_without_envelopes_is_not_believed_by_who_asks_for_them(run: Run) -> None:
    async def scene() -> None:
        node = a_node(guard=PLAIN)
        bidder = a_bidder(guard=a_guard(BUYER))
        bidder.call(BATTERY, await node.open("127.0.0.1"))
        await until_async(lambda: node.counts["forged"], "it came in an envelope")
        await until_async(lambda: not links_of(node), "and was let go")
        assert bidder.counts["heard"] == 0
        assert node.counts["heard"] == 0
        await bidder.close()
        await node.close()

    run(scene())


@on_both_loops
def test_price_stays_within_the_cap(run: Run) -> None:
    async def scene() -> None:
        desk = NoDesk()
        node = a_node(desk=desk)
        bidder = a_bidder(need_wh=3_000)
        bidder.call(BATTERY, await node.open("127.0.0.1"))
        await bidder.run()
        assert all(one.price <= CAP for _, one in desk.sold)
        assert bidder.trader.figures.bought_wh == 3_000
        assert bidder.timings.table() == {}
        assert node.timings.late == [0] * 10
        await bidder.close()
        await node.close()

    run(scene())
