"""The gateway of a market that trades: what a WebSocket client hears, beside what the journal says.

A client that knows the protocol's events and nothing of ours connects over the loopback, while
aggregators bid over TCP. Afterwards every event is looked up in the journal by its entry.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from msgspec import structs
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from tests.servers import WAIT_S, until_async
from wattbay.adapters.etp.aggregator import AggregatorNode, Pace
from wattbay.adapters.etp.amounts import cents, kwh
from wattbay.adapters.etp.board import Board
from wattbay.adapters.etp.desk import key_in
from wattbay.adapters.etp.envelope import Identity, Key, Opener, Scheme, Sealer, key_of
from wattbay.adapters.etp.gateway import WAITING_MAX, Gateway
from wattbay.adapters.etp.link import Guard
from wattbay.adapters.etp.node import Address
from wattbay.adapters.etp.telling import BESSNodeStatus, BidRejected
from wattbay.adapters.etp.trader import Trader
from wattbay.adapters.files.run_folder import JOURNAL
from wattbay.assembly.etp import EtpMarket, Where
from wattbay.cli.check import verify_journal, verify_run
from wattbay.core.commands import GiveSignal, RegisterPod
from wattbay.core.devices import RegisterDevice
from wattbay.core.sales import ConcludeSale
from wattbay.errors import JournalError
from wattbay.ids import PodId
from wattbay.kernel.clock import MonotonicClock, SystemClock
from wattbay.kernel.codec import Entry, decode, encode
from wattbay.kernel.journal import MemoryJournal, SqliteJournal
from wattbay.simulation.etp_fleet import DEFAULT, Fleet, read_fleet
from wattbay.views.sales import Sales

LOOPBACK = "127.0.0.1"
SALES_MIN = 6
Fields = dict[str, Any]


class Heard(NamedTuple):
    """An event, as a client hears it."""

    name: str
    fields: Fields

    @property
    def entry(self) -> int:
        return int(self.fields["entry"])


class Client:
    """Whoever looks on: keeps all that is told."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.heard: list[Heard] = []
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        with suppress(ConnectionClosedError):
            async for text in self.connection:
                ((name, fields),) = json.loads(text).items()
                self.heard.append(Heard(name, fields))

    def count(self, name: str) -> int:
        return sum(one.name == name for one in self.heard)

    async def has(self, name: str, times: int = 1) -> None:
        await until_async(lambda: self.count(name) >= times, f"{name}, {times} times")

    async def leave(self) -> None:
        await self.connection.close()
        await self._listening


@asynccontextmanager
async def looking(address: Address, path: str = "/ws") -> AsyncIterator[Client]:
    connection = await connect(f"ws://{address.host}:{address.port}{path}", open_timeout=WAIT_S)
    client = Client(connection)
    try:
        yield client
    finally:
        await client.leave()


# --- a market that trades ----------------------------------------------------------------------


def a_fleet() -> Fleet:
    """Return the packaged one, whose batteries do not rest between two auctions."""
    fleet = read_fleet(DEFAULT)
    batteries = [
        one._replace(rules=one.rules._replace(window_us=50_000, pause_us=(0, 0)))
        for one in fleet.batteries
    ]
    return fleet._replace(batteries=batteries)


def identity(device: int) -> Identity:
    return Identity(device, Scheme.ED25519, bytes([device]) * 32)


def the_keys(fleet: Fleet) -> dict[int, Key]:
    return {member.device: key_of(identity(member.device)) for member in fleet.members}


@asynccontextmanager
async def a_market(folder: Path) -> AsyncIterator[EtpMarket]:
    """Run a market; nobody bids yet."""
    fleet = a_fleet()
    keys, utc = the_keys(fleet), SystemClock().now

    def guard(device: int) -> Guard:
        return Guard(Opener(device, keys, utc), Sealer(identity(device), utc))

    market = EtpMarket(fleet, folder, guard, keys)
    await market.open(Where(LOOPBACK, gateway_port=0))
    running = asyncio.create_task(market.run())
    try:
        yield market
        assert not running.done(), running.exception()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await market.close()


@asynccontextmanager
async def bidding(market: EtpMarket) -> AsyncIterator[None]:
    """Let the fleet's aggregators bid."""
    keys, utc = the_keys(market.fleet), SystemClock().now
    nodes = []
    for one in market.fleet.bidders:
        device = one.member.device
        guard = Guard(Opener(device, keys, utc), Sealer(identity(device), utc))
        trader = Trader(one.plan, Random(device))
        nodes.append(
            AggregatorNode(trader, guard, itertools.count(utc()).__next__, pace=Pace((0.1, 0.3)))
        )
    for node, battery in itertools.product(nodes, market.addresses.items()):
        node.call(*battery)
    rounds = [asyncio.create_task(node.run()) for node in nodes]
    try:
        yield
    finally:
        for one_round in rounds:
            one_round.cancel()
        await asyncio.gather(*rounds, return_exceptions=True)
        for node in nodes:
            await node.close()


async def traded(folder: Path) -> tuple[list[Heard], list[Heard]]:
    """Trade for some seconds; return what one heard from the start on, and a later one at first."""
    async with a_market(folder) as market:
        address = market.gateway_address
        assert address is not None
        async with looking(address) as client:
            # Batteries that have sold much have no time to charge.
            await client.has("EnergyRecharged")
            async with bidding(market):
                await client.has("AuctionCompleted", SALES_MIN)
                await client.has("BidRejected")
                await until_async(lambda: has_won(client), "somebody is told to have won")
            async with looking(address) as late:
                await late.has("SystemMetrics")
            return client.heard, first_of(late.heard)


def has_won(client: Client) -> bool:
    return any(one.fields.get("successful_bids") for one in client.heard)


def first_of(heard: list[Heard]) -> list[Heard]:
    """Return the snapshot that a client was given: the figures are its end."""
    end = next(place for place, one in enumerate(heard) if one.name == "SystemMetrics")
    return heard[: end + 1]


async def looked_in(folder: Path) -> list[Heard]:
    """Start a market once more; return the snapshot of a client, once every battery told itself."""
    async with a_market(folder) as market:
        address = market.gateway_address
        assert address is not None
        async with looking(address) as client:
            await client.has("BESSNodeStatus", len(market.fleet.batteries))
        async with looking(address) as client:
            await client.has("SystemMetrics")
            return first_of(client.heard)


class Traded(NamedTuple):
    """What was traded, what was heard of it, and what a start anew told first."""

    folder: Path
    fleet: Fleet
    heard: list[Heard]
    snapshot: list[Heard]
    again: list[Heard]

    def entries(self) -> list[Entry]:
        with closing(SqliteJournal(self.folder / JOURNAL, read_only=True)) as journal:
            return [decode(data, seq=seq) for seq, data, _ in journal.rows()]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Traded:
    folder = tmp_path_factory.mktemp("market")
    heard, snapshot = asyncio.run(traded(folder))
    again = asyncio.run(looked_in(folder))
    return Traded(folder, a_fleet(), heard, snapshot, again)


# --- every event beside its entry --------------------------------------------------------------


class Looker:
    """Looks events up in a journal."""

    def __init__(self, traded: Traded) -> None:
        fleet = traded.fleet
        self.entries = {entry.seq: entry for entry in traded.entries()}
        self.pods = {member.device: member.pod for member in fleet.members}
        self.fee = fleet.product.network_fee
        self.levels: dict[int, int | None] = {}
        """By entry: how full its battery is then, where it told so before. [Wh]"""
        sales = Sales(fleet.product.product)
        for entry in self.entries.values():
            sales.fold(entry)
            for pod, (level_wh, seq) in sales.levels.items():
                if seq == entry.seq and pod in pods_of(entry):
                    self.levels[seq] = level_wh

    def concerns(self, event: Heard, device: int) -> Entry:
        """Return the entry of an event, which is of a device."""
        entry = self.entries[event.entry]
        assert self.pods[device] in pods_of(entry), (event, entry)
        return entry

    def bought_wh(self, device: int, until: int) -> int:
        return sum(
            sold_wh(entry.command)
            for entry in self.entries.values()
            if isinstance(entry.command, ConcludeSale)
            and entry.seq <= until
            and entry.command.buyer == self.pods[device]
        )

    def look(self, event: Heard) -> None:
        """Assert that the entry of an event says what the event says."""
        fields = event.fields
        match event.name:
            case "AuctionCompleted":
                self.completed(event)
            case "BESSNodeStatus":
                self.level(event, fields["device_id"], fields["energy_available"])
            case "EnergyRecharged":
                self.level(event, fields["bess_id"], fields["new_total"])
            case "AggregatorStatus":
                entry = self.concerns(event, fields["device_id"])
                is_sale = isinstance(entry.command, ConcludeSale)
                assert is_sale == (fields["successful_bids"] > 0)
            case "SystemMetrics":
                assert event.entry in self.entries
            case _:
                self.concerns(event, fields["bess_id"])

    def completed(self, event: Heard) -> None:
        fields = event.fields
        seller, buyer = fields["seller_bess_id"], fields["winner_aggregator_id"]
        command = self.concerns(event, seller).command
        assert isinstance(command, ConcludeSale)
        assert (command.seller, command.buyer) == (self.pods[seller], self.pods[buyer])
        named = key_in(command.request)
        assert named is not None
        assert (named[0], named[1][0]) == (seller, buyer)
        price, energy = cents(command.price + self.fee), kwh(sold_wh(command))
        assert (fields["final_price"], fields["energy_sold"]) == (price, energy)
        assert fields["total_value"] == price * energy

    def level(self, event: Heard, device: int, told_kwh: float) -> None:
        entry = self.concerns(event, device)
        match entry.command:
            case GiveSignal(value=value):
                assert told_kwh == kwh(value)
            case ConcludeSale() if entry.seq in self.levels:
                assert told_kwh == kwh(self.levels[entry.seq] or 0)
            case _:
                # It never told how full it is before: so it stands by how it came.
                assert isinstance(entry.command, ConcludeSale | RegisterPod)


def pods_of(entry: Entry) -> set[PodId | None]:
    match entry.command:
        case GiveSignal(pod=pod):
            return {pod}
        case ConcludeSale(seller=seller, buyer=buyer):
            return {seller, buyer}
        case RegisterPod(facts=facts):
            return {facts.pod}
        case _:
            return set()


def sold_wh(command: ConcludeSale) -> int:
    return sum(part.quantity_wh for part in command.parts)


def test_every_event_names_an_entry_that_says_what_it_says(market: Traded) -> None:
    looker = Looker(market)
    for event in market.heard:
        looker.look(event)
    names = {event.name for event in market.heard}
    assert names >= {
        "AuctionStarted", "QuerySent", "QueryResponse", "BidPlaced", "BidAccepted", "BidRejected",
        "AuctionCompleted", "EnergyRecharged", "BESSNodeStatus", "AggregatorStatus",
        "SystemMetrics",
    }  # fmt: skip


def test_every_sale_is_told_once(market: Traded) -> None:
    told = [event.entry for event in market.heard if event.name == "AuctionCompleted"]
    written = [one.seq for one in market.entries() if isinstance(one.command, ConcludeSale)]
    assert len(told) >= SALES_MIN
    # What was concluded after the client had left was told to nobody.
    assert sorted(told) == [seq for seq in written if seq <= max(told)]


def test_figures_of_aggregators_are_those_of_their_sales(market: Traded) -> None:
    looker = Looker(market)
    told = [event for event in market.heard if event.name == "AggregatorStatus"]
    for event in told:
        bought_wh = looker.bought_wh(event.fields["device_id"], event.entry)
        assert round(1_000 * event.fields["total_energy_bought"]) == bought_wh
    assert any(event.fields["successful_bids"] for event in told)


@pytest.mark.parametrize("which", ["late", "after a start anew"])
def test_snapshot_has_the_state_of_everybody(market: Traded, which: str) -> None:
    snapshot = market.snapshot if which == "late" else market.again
    looker = Looker(market)
    for event in snapshot:
        looker.look(event) if which == "late" else known(looker, event)
    of = {
        name: [one.fields["device_id"] for one in snapshot if one.name == name]
        for name in ("BESSNodeStatus", "AggregatorStatus")
    }
    assert of == {
        "BESSNodeStatus": [one.member.device for one in market.fleet.batteries],
        "AggregatorStatus": [one.member.device for one in market.fleet.bidders],
    }
    assert snapshot[-1].name == "SystemMetrics"


def known(looker: Looker, event: Heard) -> None:
    """Assert that an event after a start anew names a true entry: its figures begin from none."""
    if event.name == "AggregatorStatus":
        looker.concerns(event, event.fields["device_id"])
    else:
        looker.look(event)


def test_snapshot_has_the_last_finished_auctions_with_their_beginnings(market: Traded) -> None:
    finished = [one.fields["auction_id"] for one in market.snapshot if one.name.endswith("leted")]
    begun = {one.fields["auction_id"] for one in market.snapshot if one.name == "AuctionStarted"}
    assert finished
    assert set(finished) <= begun
    running = Counter(
        one.fields["bess_id"]
        for one in market.snapshot
        if one.name == "AuctionStarted" and one.fields["auction_id"] not in finished
    )
    assert max(running.values(), default=0) <= 1


# --- the sales of that journal -----------------------------------------------------------------


def test_journal_of_a_market_verifies_with_the_signatures_of_its_sales(
    market: Traded, capsys: pytest.CaptureFixture[str]
) -> None:
    verify_run(market.folder, None, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["sales"] >= SALES_MIN
    assert found["sales_signed"] == found["sales"]
    assert found["losing_bids_higher"] == 0


def alterations() -> Iterator[tuple[str, Callable[[ConcludeSale], ConcludeSale]]]:
    for place, what in enumerate(("bid", "confirmation")):
        for at in (0, 10, 40, 60, 120, 181):

            def flip(sale: ConcludeSale, place: int = place, at: int = at) -> ConcludeSale:
                proof = [bytearray(one) for one in sale.proof]
                proof[place][at] ^= 1
                return structs.replace(sale, proof=tuple(bytes(one) for one in proof))

            yield f"byte {at} of the {what}", flip
    yield "swapped", lambda sale: structs.replace(sale, proof=sale.proof[1::-1])
    yield "dearer", lambda sale: structs.replace(sale, price=sale.price + 10)


@pytest.mark.parametrize(("what", "change"), list(alterations()))
def test_altered_sale_in_a_rehashed_journal_is_seen(
    market: Traded, what: str, change: Callable[[ConcludeSale], ConcludeSale]
) -> None:
    entries = market.entries()
    place, sale = next(
        (place, entry.command)
        for place, entry in enumerate(entries)
        if isinstance(entry.command, ConcludeSale)
    )
    altered = entries[place]
    entries[place] = Entry(altered.seq, altered.at, change(sale), altered.events)
    rehashed = MemoryJournal()
    rehashed.append([encode(entry) for entry in entries])
    words = "ConcludeSale|OrderPlaced" if what == "dearer" else "the proof of its sale fails"
    with pytest.raises(JournalError, match=f"entry {altered.seq}: .*({words})"):
        verify_journal(rehashed, None, as_json=True)


def test_journal_has_the_key_of_every_member(market: Traded) -> None:
    keys = {
        entry.command.device.device: entry.command.device.key
        for entry in market.entries()
        if isinstance(entry.command, RegisterDevice)
    }
    assert keys == {f"etp-{device}": key.key for device, key in the_keys(market.fleet).items()}


# --- clients -----------------------------------------------------------------------------------


@asynccontextmanager
async def a_gateway() -> AsyncIterator[tuple[Board, Address]]:
    """Open a gateway of a board that nothing happens on by itself."""
    board = Board(MonotonicClock())
    gateway = Gateway(board, list)
    address = await gateway.open(LOOPBACK, 0)
    try:
        yield board, address
    finally:
        await gateway.close()


def a_status(entry: int) -> BESSNodeStatus:
    return BESSNodeStatus(
        entry=entry, device_id=101, energy_available=1.0, percentage_for_sale=50.0,
        battery_health=0, battery_voltage=48.0, is_online=True,
    )  # fmt: skip


def a_rejection(number: int, letters: int = 4_000) -> BidRejected:
    return BidRejected(entry=number, aggregator_id=201, bess_id=101, reason="x" * letters)


def numbers(client: Client) -> list[int]:
    return [one.entry for one in client.heard if one.name == "BidRejected"]


def has_heard(client: Client, number: int) -> bool:
    return number in numbers(client)[-1:]


def test_slow_client_is_given_a_snapshot_again_and_holds_nobody_up() -> None:
    asyncio.run(_slow_and_quick())


async def _slow_and_quick() -> None:
    async with a_gateway() as (board, address):
        board.tell(a_status(1))
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address)
        uri = f"ws://{address.host}:{address.port}/ws"
        async with looking(address) as quick, connect(uri, sock=sock, max_queue=1) as slow:
            await quick.has("SystemMetrics")
            told = 0
            # What the system holds for a slow client, and then more than may wait for it.
            while told < 6 * WAITING_MAX:
                for _ in range(WAITING_MAX // 2):
                    told += 1
                    board.tell(a_rejection(told))
                await until_async(partial(has_heard, quick, told), "the quick one hears all")
            assert numbers(quick) == list(range(1, told + 1))
            behind = Client(slow)
            await until_async(lambda: behind.count("BESSNodeStatus") == 2, "a snapshot again")
            board.tell(a_rejection(told + 1, 1))
            await until_async(lambda: told + 1 in numbers(behind), "what happens after it")
            early = numbers(behind)[:-1]
            assert early == list(range(1, len(early) + 1))
            assert len(early) < told
            # In place of what was left out stands the state of everybody.
            names = [one.name for one in behind.heard if one.name != "AggregatorStatus"]
            left_out = names[names.index("BidRejected") + len(early) :]
            assert left_out[0] == "BESSNodeStatus"
            await behind.leave()


def test_client_is_let_in_on_one_path_alone() -> None:
    asyncio.run(_paths())


async def _paths() -> None:
    async with a_gateway() as (board, address):
        board.tell(a_status(1))
        for path in ("/", "/events", "/ws/", "/ws2", "/WS"):
            with pytest.raises(InvalidStatus) as caught:
                await connect(f"ws://{address.host}:{address.port}{path}")
            assert caught.value.response.status_code == 404
            assert b"/ws" in caught.value.response.body
        async with looking(address, "/ws?from=here") as client:
            await client.has("BESSNodeStatus")


def test_what_a_client_says_changes_nothing() -> None:
    asyncio.run(_talking())


async def _talking() -> None:
    async with a_gateway() as (board, address):
        board.tell(a_status(1))
        async with looking(address) as talker, looking(address) as other:
            await talker.connection.send('{"subscribe": "everything"}')
            await talker.connection.send(b"\0" * 100)
            await other.has("SystemMetrics")
            board.tell(a_rejection(2, 1))
            for client in (talker, other):
                await until_async(partial(has_heard, client, 2), "both hear it")
            await talker.connection.send("x" * 5_000)
            await until_async(
                lambda: talker.connection.close_code is not None, "too much is said, it is let go"
            )
            board.tell(a_rejection(3, 1))
            await until_async(lambda: numbers(other) == [2, 3], "the other one hears on")
