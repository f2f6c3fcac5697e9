"""The gateway of a market that trades: what a WebSocket client hears, beside what the journal says.

A client that knows the protocol's events and nothing of ours connects over the loopback, while
aggregators bid over TCP. Afterwards every event is looked up in the journal by its entry.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec import structs

from tests.etp_gateway import (
    Client,
    Heard,
    a_fleet,
    a_market,
    bidding,
    looking,
    the_keys,
)
from tests.servers import until_async
from wattbay.adapters.etp.amounts import cents, kwh
from wattbay.adapters.etp.desk import key_in
from wattbay.adapters.files.run_folder import JOURNAL
from wattbay.cli.check import verify_journal, verify_run
from wattbay.core.commands import GiveSignal, RegisterPod
from wattbay.core.devices import RegisterDevice
from wattbay.core.sales import ConcludeSale
from wattbay.errors import JournalError
from wattbay.ids import PodId
from wattbay.kernel.codec import Entry, decode, encode
from wattbay.kernel.journal import MemoryJournal, SqliteJournal
from wattbay.simulation.etp_fleet import Fleet
from wattbay.views.sales import Sales

SALES_MIN = 6


# --- a market that traded ----------------------------------------------------------------------


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
        self.written: set[int] = set()
        """Batteries that told how full they are, as far as they were heard to."""
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
        if event.name == "EnergyRecharged":
            self.written.add(device)
        match entry.command:
            case GiveSignal(value=value):
                assert told_kwh == kwh(value)
            case ConcludeSale() if entry.seq in self.levels:
                assert told_kwh == kwh(self.levels[entry.seq] or 0)
            case _:
                # It never told how full it is before: so it stands by how it came.
                assert isinstance(entry.command, ConcludeSale | RegisterPod)
                assert device not in self.written


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
    last: dict[int, int] = {}
    for event in market.heard:
        looker.look(event)
        if (battery := event.fields.get("bess_id")) is not None:
            # What is told of a battery never rests on less than what was told before.
            assert event.entry >= last.get(battery, 0)
            last[battery] = event.entry
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
