"""Running nodes of the Energy Trading Protocol: a battery, an aggregator, a gateway."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import NamedTuple

from rich.console import Console

from wattbay.adapters.etp.aggregator import AggregatorNode, Pace
from wattbay.adapters.etp.bid_log import BidLog
from wattbay.adapters.etp.datagrams import Group
from wattbay.adapters.etp.discovery import Beacon, Finder
from wattbay.adapters.etp.envelope import Key, key_of
from wattbay.adapters.etp.key_file import Keys, read_keys
from wattbay.adapters.etp.link import Guard
from wattbay.adapters.etp.node import Address, free_port
from wattbay.adapters.etp.strategies import Strategy
from wattbay.adapters.etp.telling import AuctionCompleted, BidRejected, Happening
from wattbay.adapters.etp.trader import Plan, Trader
from wattbay.assembly.etp import EtpMarket, Where
from wattbay.cli.etp_options import PORT_MAX, not_of, refuse
from wattbay.errors import ConfigError, Fault, WattbayError
from wattbay.kernel.clock import SystemClock
from wattbay.simulation.etp_fleet import Fleet
from wattbay.simulation.etp_keys import FleetKeys

AMOUNT_MAX = 1_000_000
FAILED = 1
"""Exit status of what stopped by itself."""
out = Console(stderr=True, highlight=False, soft_wrap=True)


class Seeking(NamedTuple):
    """How batteries are found."""

    group: Group | None
    """None: they are not looked for."""


def guards(keys: Path | None, *, plain: bool) -> Keys | None:
    """Return the keys of a node; None where it is to speak in the clear.

    Raises
    ------
    ConfigError
        If it is told neither, or both, or the file is none.
    """
    if plain and keys is not None:
        raise ConfigError(Fault("--plain", "and --keys exclude each other"))
    if keys is not None:
        return read_keys(keys)
    if not plain:
        what = "nothing says by which keys it speaks"
        remedy = "--keys FILE (wattbay etp keys draws one); --plain for none, among trusted"
        raise ConfigError(Fault("--keys", what, remedy))
    return None


def guard_of(keys: Keys | None) -> Guard:
    """Return a new guard by keys, or one that lets everybody in."""
    return Guard(allows_plain=True) if keys is None else keys.guard()


def run(work: Callable[[asyncio.Event], Awaitable[int]]) -> int:
    """Run until done, or until a signal sets the event; return the exit status."""

    async def main() -> int:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError):  # Windows has none of this.
                loop.add_signal_handler(number, stopping.set)
        return await work(stopping)

    try:
        import uvloop
    except ImportError:
        return asyncio.run(main())
    return uvloop.run(main())


async def until_stopped(work: Awaitable[None], stopping: asyncio.Event) -> int:
    """Work until it is done, fails, or a signal comes; return the exit status."""
    task = asyncio.ensure_future(work)
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait((task, stop), return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    failure = task.exception() if task.done() and not task.cancelled() else None
    task.cancel()
    with suppress(asyncio.CancelledError, BaseExceptionGroup, WattbayError):
        await task
    if failure is None:
        return 0
    for one in leaves(failure):
        if not isinstance(one, WattbayError | OSError):
            raise failure
        out.print(f"[red]stopped[/]: {one}")
    return FAILED


def leaves(error: BaseException) -> list[BaseException]:
    """Return what is in a group of exceptions."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for one in error.exceptions for leaf in leaves(one)]
    return [error]


# --- batteries -------------------------------------------------------------------------------


class Serving(NamedTuple):
    """Where a market is served, and how its batteries are found."""

    folder: Path
    where: Where
    group: Group | None = None
    as_json: bool = False


def serve(fleet: Fleet, keys: dict[int, Keys] | None, serving: Serving) -> int:
    """Serve the batteries of a fleet until stopped; return the exit status.

    Parameters
    ----------
    keys
        Of each battery; None where they speak in the clear.
    """
    return run(lambda stopping: _serve(fleet, _guarding(keys), serving, stopping))


def fleet_keys(fleet: Fleet, folder: Path | None, *, plain: bool) -> dict[int, Keys] | None:
    """Return the keys of each battery of a fleet; None where they are to speak in the clear.

    Raises
    ------
    ConfigError
        If it is told neither, or both, or a file is missing or none.
    """
    if folder is None or plain:
        guards(folder, plain=plain)
        return None
    devices = [one.member.device for one in fleet.batteries]
    files = {device: folder / f"{device}.toml" for device in devices}
    known = {device: read_keys(file) for device, file in files.items()}
    refuse(*(not_of(device, keys, str(files[device])) for device, keys in known.items()))
    return known


def serve_all(fleet: Fleet, serving: Serving) -> int:
    """Serve the batteries of a fleet with its own aggregators until stopped."""

    async def work(stopping: asyncio.Event) -> int:
        keys = FleetKeys(fleet, serving.folder / "keys")
        bidders = bidders_of(fleet, keys, (2.0, 5.0))
        return await _serve(fleet, (keys.guard, keys.peers), serving, stopping, bidders)

    return run(work)


def bidders_of(fleet: Fleet, keys: FleetKeys, pause_s: tuple[float, float]) -> list[AggregatorNode]:
    """Return the aggregators of a fleet, ready to call batteries."""
    ids = itertools.count(SystemClock().now()).__next__
    return [
        AggregatorNode(
            Trader(one.plan, Random(f"{fleet.seed}/{one.member.device}")),
            keys.guard(one.member.device), ids, pace=Pace(pause_s),
        )
        for one in fleet.bidders
    ]  # fmt: skip


Guarding = tuple[Callable[[int], Guard], Mapping[int, Key]]
"""How each battery proves who it is, and by what others are known."""


def _guarding(keys: dict[int, Keys] | None) -> Guarding:
    if keys is None:
        return (lambda _: guard_of(None)), {}
    known: dict[int, Key] = {}
    for mine in keys.values():
        known |= {**mine.peers, mine.me.device_id: key_of(mine.me)}
    return (lambda device: keys[device].guard()), known


async def _serve(
    fleet: Fleet,
    guarding: Guarding,
    serving: Serving,
    stopping: asyncio.Event,
    bidders: Sequence[AggregatorNode] = (),
) -> int:
    guard, known = guarding
    market = EtpMarket(fleet, serving.folder, guard, known)
    beacons: list[Beacon] = []
    tasks: list[asyncio.Task[None]] = []
    try:
        where = serving.where
        if serving.group is not None and not where.ports:
            # A battery has the same number for datagrams: that is how it is found.
            where = where._replace(ports=tuple(free_port(where.host) for _ in market.nodes))
        await market.open(where)
        if serving.group is not None:
            ids = itertools.count(SystemClock().now()).__next__
            for node in market.nodes:
                beacon = Beacon(node.seller, guard(node.device_id), ids, group=serving.group)
                beacon.bind(market.addresses[node.device_id])
                beacon.start()
                beacons.append(beacon)
        _greet(market, serving)
        market.board.listeners.append(lambda one: told(one, as_json=serving.as_json))
        for bidder, battery in itertools.product(bidders, market.addresses.items()):
            bidder.call(*battery)
        tasks += [asyncio.create_task(bidder.run()) for bidder in bidders]
        return await until_stopped(market.run(), stopping)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for bidder in bidders:
            await bidder.close()
        for beacon in beacons:
            beacon.close()
        await market.close()
        if market.addresses:
            folder = serving.folder
            out.print(f"stopped; what was sold is in {folder}: wattbay verify {folder}")


def _greet(market: EtpMarket, serving: Serving) -> None:
    out.print(f"[bold]wattbay[/] sells for [bold]{market.fleet.community}[/]; Ctrl-C stops it")
    for node in market.nodes:
        bess, address = node.seller.bess, market.addresses[node.device_id]
        out.print(
            f"  battery {node.device_id}  {bess.level_wh / 1_000:.1f} of "
            f"{bess.capacity_wh / 1_000:.1f} kWh, tcp {address.host}:{address.port}"
        )
    where = market.gateway_address
    if where is not None:
        out.print(f"  gateway      ws://{where.host}:{where.port}/ws")
    if serving.group is not None:
        out.print(f"  found at     {serving.group.address}:{serving.group.port}")
    out.print(f"  kept in      {serving.folder}; a second is {market.fleet.speed} of its time")


def line_of(happening: Happening) -> str | None:
    """Return what happened in a line for people; None for what they need not read."""
    match happening:
        case AuctionCompleted() as done:
            return (
                f"auction {done.auction_id}: battery {done.seller_bess_id} sold "
                f"{done.energy_sold:.3f} kWh to {done.winner_aggregator_id} at "
                f"{done.final_price:.3f} c/kWh, entry {done.entry}"
            )
        case BidRejected(aggregator_id=bidder, bess_id=bess, reason=reason):
            return f"battery {bess} refused {bidder}: {reason}"
        case _:
            return None


def told(happening: Happening, *, as_json: bool) -> None:
    """Print what happened, for people or for a program."""
    if as_json:
        from wattbay.adapters.etp.telling import text_of

        print(text_of(happening), flush=True)
    elif (line := line_of(happening)) is not None:
        print(line, flush=True)


# --- aggregators -----------------------------------------------------------------------------


class Bidding(NamedTuple):
    """How an aggregator bids, and on what."""

    plan: Plan
    seed: int
    pause_s: tuple[float, float]
    batteries: dict[int, Address]
    group: Group | None
    folder: Path | None
    rounds: int | None
    as_json: bool


def plan_of(
    device: int,
    *,
    strategy: str,
    cap_cents: float,
    need_kwh: float,
    lot_kwh: float,
    budget_cents: float | None,
) -> Plan:
    """Return the plan that options ask for.

    Raises
    ------
    ConfigError
        Lists everything that makes no sense.
    """
    faults = []
    if strategy not in tuple(Strategy):
        faults.append(Fault("--strategy", f"{strategy} is not known", ", ".join(Strategy)))
    amounts = [("--cap-cents", cap_cents), ("--need-kwh", need_kwh), ("--lot-kwh", lot_kwh)]
    if budget_cents is not None:
        amounts.append(("--budget-cents", budget_cents))
    for name, value in amounts:
        if not 0 < value <= AMOUNT_MAX:
            faults.append(Fault(name, f"is {value}", f"more than 0, at most {AMOUNT_MAX:,}"))
    if faults:
        raise ConfigError(*faults)
    cap = round(cap_cents * 10_000)
    return Plan(
        device_id=device, strategy=Strategy(strategy), cap=cap, floor=min(cap, 10_000),
        need_wh=round(need_kwh * 1_000), lot_wh=round(lot_kwh * 1_000),
        budget_nano=None if budget_cents is None else round(budget_cents * 10_000_000),
    )  # fmt: skip


def addresses(told: list[str]) -> dict[int, Address]:
    """Return the batteries of a command line: ``101@192.0.2.7:8101``.

    Raises
    ------
    ConfigError
        Lists what is none.
    """
    found, faults = {}, []
    for text in told:
        device, _, where = text.partition("@")
        host, _, port = where.rpartition(":")
        if device.isdigit() and host and port.isdigit() and 0 < int(port) <= PORT_MAX:
            found[int(device)] = Address(host, int(port))
        else:
            faults.append(Fault("--battery", f"{text!r} is no battery", "101@192.0.2.7:8101"))
    if faults:
        raise ConfigError(*faults)
    return found


def nobody(*, is_looking: bool, named: list[str]) -> list[Fault]:
    """Return the fault of an aggregator that knows of no battery, and looks for none."""
    if is_looking or named:
        return []
    what = "it looks for no batteries, and is told of none"
    return [Fault("--no-discovery", what, "--battery 101@192.0.2.7:8101")]


def bid(keys: Keys | None, bidding: Bidding) -> int:
    """Bid until there is nothing left to buy, or stopped; return the exit status."""
    return run(lambda stopping: _bid(keys, bidding, stopping))


async def _bid(keys: Keys | None, bidding: Bidding, stopping: asyncio.Event) -> int:
    log = None
    if bidding.folder is not None:
        bidding.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        log = BidLog(bidding.folder / f"bids-{bidding.plan.device_id}.jsonl")
    ids = itertools.count(SystemClock().now()).__next__
    trader = Trader(bidding.plan, Random(bidding.seed))
    node = AggregatorNode(trader, guard_of(keys), ids, pace=Pace(bidding.pause_s), log=log)
    finder = None
    try:
        for device, address in bidding.batteries.items():
            node.call(device, address)
        if bidding.group is not None:
            finder = Finder(
                node.device_id, guard_of(keys), ids, lambda device, at: _found(node, device, at),
                group=bidding.group,
            )  # fmt: skip
            finder.open()
        return await until_stopped(node.run(bidding.rounds), stopping)
    finally:
        if finder is not None:
            finder.close()
        await node.close()
        _told_figures(node, as_json=bidding.as_json)


def _found(node: AggregatorNode, device: int, address: Address) -> None:
    out.print(f"found battery {device} at {address.host}:{address.port}")
    node.call(device, address)


def _told_figures(node: AggregatorNode, *, as_json: bool) -> None:
    """Print how an aggregator fared."""
    figures, plan = node.trader.figures, node.trader.plan
    mean = figures.spent_nano / figures.bought_wh / 10_000 if figures.bought_wh else 0.0
    unresolved = sum(1 for _ in node.buyer.live)
    if as_json:
        told = {
            "device": plan.device_id, "strategy": plan.strategy.value, "bids": figures.bids,
            "settled": figures.settled, "bought_wh": figures.bought_wh,
            "spent_nano": figures.spent_nano, "average_cents_per_kwh": mean,
            "success": node.trader.history.success, "without_outcome": unresolved,
        }  # fmt: skip
        print(json.dumps(told))
        sys.stdout.flush()
        return
    print(
        f"aggregator {plan.device_id}, {plan.strategy.value}: bought "
        f"{figures.bought_wh / 1_000:.3f} kWh in {figures.settled} of {figures.bids} bids, "
        f"at {mean:.3f} c/kWh on average"
    )
    if unresolved:
        print(f"{unresolved} bids are without an outcome: start again to ask after them")
