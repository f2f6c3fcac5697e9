"""The demonstration: three batteries and five aggregators trade over TCP, live in the terminal."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from wattbay.adapters.etp.aggregator import AggregatorNode
from wattbay.adapters.etp.bess import EnergyStatus
from wattbay.adapters.etp.telling import Happening
from wattbay.assembly.etp import EtpMarket, Where
from wattbay.cli.etp_run import bidders_of, line_of, run, until_stopped
from wattbay.ids import PodId
from wattbay.kernel.clock import MonotonicClock
from wattbay.periods import SECOND, to_text
from wattbay.simulation.etp_fleet import Fleet
from wattbay.simulation.etp_keys import FleetKeys

EVENTS_SHOWN = 8
TURNS_PER_S = 4
BAR = 10
"""Characters of a full battery."""
CENTS = 10_000
"""nano-currency per Wh in a cent per kWh."""
COLOURS = MappingProxyType(
    {
        EnergyStatus.CRITICAL: "red",
        EnergyStatus.LOW: "yellow",
        EnergyStatus.NORMAL: "green",
        EnergyStatus.HIGH: "green",
    }
)
KEYS = "keys"
"""The folder of keys, in that of the market."""


class Shown(NamedTuple):
    """What of a demonstration is asked for."""

    folder: Path
    seconds: float
    gateway_port: int | None
    pause_s: tuple[float, float] = (2.0, 5.0)


def demo(fleet: Fleet, shown: Shown) -> int:
    """Show a fleet and its aggregators trading, for some time; return the exit status."""
    return run(lambda stopping: _demo(fleet, shown, stopping))


async def _demo(fleet: Fleet, shown: Shown, stopping: asyncio.Event) -> int:
    keys = FleetKeys(fleet, shown.folder / KEYS)
    market = EtpMarket(fleet, shown.folder, keys.guard, keys.peers)
    bidders = bidders_of(fleet, keys, shown.pause_s)
    console = Console()
    screen = _Screen(market, bidders, shown)
    try:
        await market.open(Where(gateway_port=shown.gateway_port))
        for bidder, battery in itertools.product(bidders, market.addresses.items()):
            bidder.call(*battery)
        if (told := market.gateway_address) is not None:
            console.print(f"events at ws://{told.host}:{told.port}/ws", highlight=False)
        market.board.listeners.append(screen.heard)
        tasks = [asyncio.create_task(bidder.run()) for bidder in bidders]
        status = await until_stopped(_show(market, screen, console, shown.seconds), stopping)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        summary = screen.summary()
    finally:
        for bidder in bidders:
            await bidder.close()
        await market.close()
    console.print(summary, soft_wrap=True, highlight=False)
    return status


async def _show(market: EtpMarket, screen: _Screen, console: Console, seconds: float) -> None:
    """Work and show it, until the time is over."""
    clock = MonotonicClock()
    until = clock.now() + round(seconds * SECOND)
    work = asyncio.create_task(market.run())
    try:
        if not console.is_terminal:
            market.board.listeners.append(lambda one: _line(console, one))
            while clock.now() < until and not work.done():  # noqa: ASYNC110 - a clock has no event
                await asyncio.sleep(1 / TURNS_PER_S)
        else:
            with Live(screen.drawn(), console=console, auto_refresh=False, screen=False) as live:
                while clock.now() < until and not work.done():
                    live.update(screen.drawn(), refresh=True)
                    await asyncio.sleep(1 / TURNS_PER_S)
                live.update("", refresh=True)  # The summary says it all once more.
        if work.done():
            work.result()
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError, BaseExceptionGroup):
            await work


def _line(console: Console, happening: Happening) -> None:
    if (line := line_of(happening)) is not None:
        console.print(line, soft_wrap=True, highlight=False)


class _Screen:
    """What is to be seen."""

    def __init__(self, market: EtpMarket, bidders: list[AggregatorNode], shown: Shown) -> None:
        self._market, self._bidders, self._shown = market, bidders, shown
        self._lines: deque[str] = deque(maxlen=EVENTS_SHOWN)

    def heard(self, happening: Happening) -> None:
        if (line := line_of(happening)) is not None:
            self._lines.append(line)

    def drawn(self) -> RenderableType:
        market = self._market
        now = to_text(market.exchange.clock.now())[:19].replace("T", " ")
        head = Text.assemble(
            ("wattbay etp", "bold"), f"   {now} UTC, a second is {market.fleet.speed}",
            f"   {market.exchange.journal.last_seq} entries",
        )  # fmt: skip
        lines = Text("\n".join(self._lines) or "the first auctions begin …", style="dim")
        gap = Text("")
        return Group(
            head, gap, self._batteries(), gap, self._aggregators(), gap, lines, gap,
            self._deadlines(),
        )  # fmt: skip

    def _batteries(self, *, is_over: bool = False) -> Table:
        """Return how batteries are; at the end all of them are offline, which says nothing."""
        names = "battery", "charge", "kWh", "for sale", "asks", "status", "auction", "kept"
        table = _table(*names)
        pods = {one.device: one.pod for one in self._market.fleet.members}
        for node in self._market.nodes:
            bess, seller = node.seller.bess, node.seller
            full = round(BAR * bess.level_wh / bess.capacity_wh)
            bar = Text("█" * full + "░" * (BAR - full), style=COLOURS[bess.status])
            table.add_row(
                str(node.device_id), bar, f"{bess.level_wh / 1_000:.2f}",
                f"{seller.free_wh / 1_000:.2f}", f"{bess.reserve / CENTS:.2f} c",
                bess.status.value if bess.is_online or is_over else "offline", seller.stage.value,
                self._kept(pods[node.device_id]),
            )  # fmt: skip
        return table

    def _kept(self, pod: PodId) -> str:
        """Return what of its promises a pod has kept, as far as they are settled."""
        kept = self._market.sales.kept.get(pod)
        share = None if kept is None else kept.reputation
        return "–" if share is None else f"{100 * share:.1f} %"

    def _aggregators(self) -> Table:
        spent = f"spent {self._market.fleet.market.community.currency}"
        names = "aggregator", "strategy", "bids", "won", "kWh", "mean", spent, "cap", "kept"
        table = _table(*names)
        pods = {one.device: one.pod for one in self._market.fleet.members}
        for node in self._bidders:
            figures, plan = node.trader.figures, node.trader.plan
            has_bought = figures.bought_wh > 0
            mean = figures.spent_nano / figures.bought_wh / CENTS if has_bought else 0.0
            table.add_row(
                str(plan.device_id), plan.strategy.value, str(figures.bids), str(figures.settled),
                f"{figures.bought_wh / 1_000:.2f}", f"{mean:.2f} c" if has_bought else "–",
                f"{figures.spent_nano / 1e9:.2f}", f"{plan.cap / CENTS:.0f} c",
                self._kept(pods[plan.device_id]),
            )  # fmt: skip
        return table

    def _deadlines(self) -> Text:
        answered, late, slowest = self._timed()
        return Text(f"answers {answered}, late {late}, the slowest {slowest:.0f} ms", style="dim")

    def _timed(self) -> tuple[int, int, float]:
        timings = [node.timings for node in self._market.nodes]
        answered = sum(sum(one.answered) for one in timings)
        late = sum(sum(one.late) for one in timings)
        return answered, late, max(max(one.slowest_us) for one in timings) / 1_000

    def summary(self) -> RenderableType:
        """Return what it came to."""
        market, sales = self._market, self._market.sales
        answered, late, slowest = self._timed()
        value = sales.total_nano / 1e9
        mean = sales.total_nano / sales.total_wh / CENTS if sales.total_wh else 0.0
        settled = sum(kept.sold_wh for kept in sales.kept.values())
        given = sum(kept.given_wh for kept in sales.kept.values())
        currency = market.fleet.market.community.currency
        count = len(sales.sales)
        sold = f"{sales.total_wh / 1_000:.3f} kWh in {count} sale{'' if count == 1 else 's'}"
        kept = "nothing yet: meters are read first, and waited for"
        if settled:
            kept = f"{settled / 1_000:.3f} kWh of it; meters saw {given / 1_000:.3f} kWh given"
        lines = [
            f"sold      {sold} for {value:.2f} {currency}, {mean:.3f} c/kWh on average",
            f"settled   {kept}",
            f"answers   {answered - late} of {answered} in time, the slowest in {slowest:.0f} ms",
            f"journal   {sales.seq} entries; check them: wattbay verify {self._shown.folder}",
        ]
        gap = Text("")
        return Group(
            self._batteries(is_over=True), gap, self._aggregators(), gap, Text("\n".join(lines))
        )


def _table(*columns: str) -> Table:
    table = Table(show_edge=False, pad_edge=False, box=None, header_style="bold")
    for place, name in enumerate(columns):
        is_text = place == 0 or name in {"charge", "strategy", "auction", "status"}
        table.add_column(name, justify="left" if is_text else "right", no_wrap=True)
    return table
