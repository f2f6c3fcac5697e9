"""A market of batteries that trades over TCP, stops and goes on: what was sold, given and settled.

A bidder of the protocol, and nothing of ours, speaks over the loopback; time passes fast.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from msgspec import structs

from tests.etp_gateway import looking
from tests.etp_peers import PLAIN, Peer
from tests.servers import free_port, until, until_async
from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.messages import Kind, Message
from wattbay.adapters.etp.node import Address
from wattbay.assembly.etp import EtpMarket, Where
from wattbay.cli.check import verify_run
from wattbay.cli.etp_run import until_stopped
from wattbay.core.commands import SubmitReading
from wattbay.core.events import ReceiptIssued, Rejected
from wattbay.core.facts import Receipt
from wattbay.ids import PodId
from wattbay.kernel.codec import Entry, decode
from wattbay.periods import HOUR
from wattbay.simulation.etp_fleet import DEFAULT, Fleet, read_fleet

BESS, BUYER = 101, 201
POD, BUYING = PodId("bess-101"), PodId("aggregator-201")
CENTS, KWH = 18, 0.5
WATTBAY = str(Path(sys.executable).with_name("wattbay"))


def a_fleet(speed: int = 1_200) -> Fleet:
    """Return the packaged one, whose batteries take the first bid that will do."""
    fleet = read_fleet(DEFAULT)
    batteries = [
        one._replace(rules=one.rules._replace(window_us=0, pause_us=(0, 0)))
        for one in fleet.batteries
    ]
    # A machine that is busy elsewhere may read meters late: nothing is final so soon.
    runs = tuple(
        structs.replace(run, after_us=after_us)
        for run, after_us in zip(fleet.market.runs, (HOUR // 3, 12 * HOUR), strict=True)
    )
    market = fleet.market._replace(runs=runs)
    return fleet._replace(batteries=batteries, speed=speed, market=market)


@asynccontextmanager
async def running(market: EtpMarket) -> AsyncIterator[None]:
    """Let a market live, until the end of a scene."""
    await market.open(Where())
    task = asyncio.create_task(market.run())
    try:
        yield
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, BaseExceptionGroup):
            await task
        await market.close()


def a_market(folder: Path, fleet: Fleet | None = None) -> EtpMarket:
    return EtpMarket(fleet or a_fleet(), folder, lambda _: PLAIN)


async def a_peer(market: EtpMarket) -> Peer:
    """Call the first battery, and register there."""
    peer = await Peer.at(market.addresses[BESS])
    await answer(peer, m.register(1, BUYER), Kind.REGISTER)
    return peer


async def answer(peer: Peer, message: Message, *kinds: Kind) -> Message:
    """Say something; return the first answer of one of some kinds: batteries tell how they are."""
    peer.say(message)
    while (heard := await peer.hear()).message_type not in kinds:
        assert heard.message_type == Kind.BESS_STATUS, heard
    return heard


async def buy(peer: Peer, number: int) -> Message:
    """Bid and confirm; return what became of it."""
    taken = await answer(
        peer, m.bid(number, BUYER, CENTS, KWH), Kind.BID_ACCEPT, Kind.BID_REJECT
    )  # fmt: skip
    assert taken.message_type == Kind.BID_ACCEPT, taken
    return await confirm(peer, number)


async def confirm(peer: Peer, number: int) -> Message:
    told = m.bid_confirm(number, BUYER, CENTS, KWH)
    return await answer(peer, told, Kind.BID_CONFIRM, Kind.TERMINATE)


def entries(market: EtpMarket) -> Iterator[Entry]:
    for seq, data, _ in market.exchange.journal.rows():
        yield decode(data, seq=seq)


def concluded(market: EtpMarket) -> int:
    return len(market.sales.sales)


def receipts(market: EtpMarket, pod: PodId) -> list[Receipt]:
    """Return the newest receipt of each delivery of a pod."""
    found = {
        event.receipt.delivery: event.receipt
        for entry in entries(market)
        for event in entry.events
        if isinstance(event, ReceiptIssued) and event.receipt.pod == pod
    }
    return list(found.values())


def is_settled(market: EtpMarket, energy_wh: int) -> bool:
    kept = market.sales.kept
    sold, bought = kept.get(POD), kept.get(BUYING)
    return sold is not None and bought is not None and sold.sold_wh >= energy_wh


def is_connected(market: EtpMarket) -> bool:
    """Tell whether batteries have told how full they are: before that their pods are to come."""
    return len(market.sales.levels) == len(market.nodes)


def test_market_goes_on_in_its_folder_where_it_stopped(tmp_path: Path) -> None:
    async def first() -> tuple[int, float]:
        market = a_market(tmp_path)
        async with running(market):
            await until_async(lambda: is_connected(market), "batteries are connected")
            peer = await a_peer(market)
            for number in (7, 8):
                assert (await buy(peer, number)).message_type == Kind.BID_CONFIRM
            # Some of it is given before the end, and some after.
            await until_async(lambda: bool(receipts(market, POD)), "something is settled")
            await peer.leave()
        return concluded(market), market.nodes[0].seller.bess.level_wh

    async def again(sales: int, level_wh: float) -> None:
        market = a_market(tmp_path)
        assert market.exchange.community == "three-batteries"
        told = market.sales.levels[POD][0]
        assert market.nodes[0].seller.bess.level_wh == told
        # What it took in since it told last is lost with it, and nothing else.
        assert level_wh - 500 <= told <= level_wh
        async with running(market):
            peer = await a_peer(market)
            repeated = await answer(
                peer, m.bid(7, BUYER, CENTS, KWH), Kind.BID_ACCEPT, Kind.BID_CONFIRM
            )
            assert repeated.message_id == 7
            for number in (7, 8):
                assert (await confirm(peer, number)).message_type == Kind.BID_CONFIRM
            unknown = await confirm(peer, 9)
            assert (unknown.message_type, unknown.termination_code) == (Kind.TERMINATE, 2)
            assert concluded(market) == sales == 2
            assert (await buy(peer, 10)).message_type == Kind.BID_CONFIRM
            await until_async(lambda: is_settled(market, 1_500), "all is settled")
            await peer.leave()
            check_receipts(market)

    asyncio.run(again(*asyncio.run(first())))
    verify_run(tmp_path, None, as_json=True)


def check_receipts(market: EtpMarket) -> None:
    """Assert that meters went on, and that receipts show what was sold and came to be."""
    refused = [
        entry.events[0]
        for entry in entries(market)
        if isinstance(entry.command, SubmitReading) and isinstance(entry.events[0], Rejected)
    ]
    assert not refused
    sold = [one for one in receipts(market, POD) if one.sold_wh]
    bought = [one for one in receipts(market, BUYING) if one.bought_wh]
    assert sum(one.sold_wh for one in sold) == sum(one.bought_wh for one in bought) == 1_500
    assert [one.delivery for one in sold] == [one.delivery for one in bought]
    # Rounded to a watt-hour in each delivery, in the meter and in the parts of the sale alike.
    slack = 2 * len(sold)
    assert sum(one.export_wh for one in sold) == pytest.approx(1_500, abs=slack)
    assert sum(one.import_wh for one in bought) == pytest.approx(1_500, abs=slack)
    # Trades of both sides cancel.
    assert sum(one.trades_nano for one in (*sold, *bought)) == 0


def test_whoever_confirms_while_the_market_stops_hears_what_became_of_it(tmp_path: Path) -> None:
    async def scene(turns: int) -> Kind:
        """Let the market stop so many turns of the loop after a confirmation was sent."""
        market = a_market(tmp_path)
        before = concluded(market)
        async with running(market):
            await until_async(lambda: is_connected(market), "batteries are connected")
            peer = await a_peer(market)
            await answer(peer, m.bid(7 + turns, BUYER, CENTS, KWH / 10), Kind.BID_ACCEPT)
            peer.say(m.bid_confirm(7 + turns, BUYER, CENTS, KWH / 10))
            for _ in range(turns):
                await asyncio.sleep(0)
        while (heard := await peer.hear()).message_type == Kind.BESS_STATUS:
            pass
        await peer.leave()
        assert concluded(market) - before == (heard.message_type == Kind.BID_CONFIRM)
        assert heard.message_type in {Kind.BID_CONFIRM, Kind.TERMINATE}
        return Kind(heard.message_type)

    found = {asyncio.run(scene(turns)) for turns in range(12)}
    assert Kind.BID_CONFIRM in found


def test_market_whose_journal_fails_stops_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scene() -> None:
        market = a_market(tmp_path)
        await market.open(Where())
        work = asyncio.create_task(until_stopped(market.run(), asyncio.Event()))
        await until_async(lambda: is_connected(market), "batteries are connected")
        peer = await a_peer(market)
        await answer(peer, m.bid(7, BUYER, CENTS, KWH), Kind.BID_ACCEPT)
        market.exchange.journal.close()
        peer.say(m.bid_confirm(7, BUYER, CENTS, KWH))
        async with asyncio.timeout(30):
            assert await work == 1
        await peer.leave()
        await market.close()

    asyncio.run(scene())
    assert "stopped: " in capsys.readouterr().err


# --- as people start it ------------------------------------------------------------------------


def test_gateway_with_bidders_tells_the_same_on_its_socket_and_as_json(tmp_path: Path) -> None:
    port, out = free_port(), tmp_path / "out"
    words = ("etp", "gateway", "--bidders", "--json", "--port", str(port), "--folder", "kept")
    with out.open("wb") as file:
        node = subprocess.Popen([WATTBAY, *words], cwd=tmp_path, stdout=file, stderr=None)
    try:
        until(lambda: out.stat().st_size, "it tells something")

        async def look() -> list[tuple[str, int]]:
            async with looking(Address("127.0.0.1", port)) as client:
                await client.has("AuctionCompleted")
                return [(one.name, one.entry) for one in client.heard]

        heard = asyncio.run(look())
        node.terminate()
        assert node.wait(30) == 0
    finally:
        node.kill()
        node.wait()
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    told = {(name, fields["entry"]) for line in lines for name, fields in line.items()}
    sales = [one for one in heard if one[0] == "AuctionCompleted"]
    assert set(sales) <= told
    verify_run(tmp_path / "kept", None, as_json=True)
