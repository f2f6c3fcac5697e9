"""`bot`: the work behind the options, and how a bot's deeds look on the screen."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import msgspec
from rich.console import Console
from rich.text import Text

from wattbay.adapters.mqtt.keys import read_key
from wattbay.cli.device_work import Place, check_names
from wattbay.errors import ConfigError, Fault
from wattbay.ids import CommunityId, MeterId, ProductId, is_id
from wattbay.periods import Instant, to_datetime
from wattbay.simulation.bots.at_work import AtWork, Post
from wattbay.simulation.bots.bot import BotKind, Line, Traits
from wattbay.simulation.bots.household import Size
from wattbay.simulation.bots.store import Cell
from wattbay.units import NANO_PER_WH_IN_CENT_PER_KWH

STRATEGIES = ("truthful", "zero_intelligence", "adaptive")
KW_MAX = 10_000.0
COLUMNS = (("time", 8), ("action", 8), ("delivery", 8), ("side", 4), ("Wh", 8), ("price", 9))
"""And the outcome, to the end of the line."""
STYLES = MappingProxyType(
    {"traded": "green", "cut": "yellow", "refused": "red", "undone": "yellow", "wait": "dim"}
)


class Asked(NamedTuple):
    """What was asked for."""

    kind: str
    community: str
    name: str
    kwp: float = 0.0
    kwh_per_day: float = 0.0
    capacity_kwh: float = 5.0
    power_kw: float = 2.5
    strategy: str = "truthful"
    seed: int = 1
    product: str | None = None

    def traits(self) -> Traits:
        """Return it as a bot takes it.

        Raises
        ------
        ConfigError
            Bears everything that is wrong.
        """
        faults = []
        for option, value in (
            ("--kwp", self.kwp),
            ("--kwh-per-day", self.kwh_per_day),
            ("--capacity-kwh", self.capacity_kwh),
            ("--power-kw", self.power_kw),
        ):
            if not 0 <= value <= KW_MAX:
                faults.append(Fault(option, f"{value:g}", f"0 to {KW_MAX:g}"))
        if self.kind == BotKind.BATTERY and not self.capacity_kwh:
            faults.append(Fault("--capacity-kwh", "0", "more than nothing"))
        if self.strategy not in STRATEGIES:
            faults.append(Fault("--strategy", repr(self.strategy), ", ".join(STRATEGIES)))
        if self.product is not None and not is_id(self.product):
            faults.append(Fault("--product", repr(self.product), "1 to 64 letters, digits, _ or -"))
        if faults:
            raise ConfigError(*faults)
        return Traits(
            kind=BotKind(self.kind),
            device=MeterId(self.name),
            size=Size(self.kwp, self.kwh_per_day),
            cell=Cell(capacity_wh=1_000 * self.capacity_kwh, power_w=1_000 * self.power_kw),
            strategy=self.strategy,
            seed=self.seed,
            product=None if self.product is None else ProductId(self.product),
        )


def work(
    asked: Asked, key: Path, place: Place, folder: Path, *, is_metered: bool, as_json: bool
) -> int:
    """Let a bot work until it is told to stop; return the exit status."""
    check_names(asked.community, asked.name)
    post = Post(
        community=CommunityId(asked.community),
        traits=asked.traits(),
        signer=read_key(key),
        link=place.link(),
        folder=folder,
        is_metered=is_metered,
    )
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(_work(post, as_json=as_json))
    return 0


async def _work(post: Post, *, as_json: bool) -> None:
    """Work until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if as_json:
        await AtWork(post, _print_json).work(stop)
        return
    printer = Printer(Console(highlight=False))
    printer.head()
    await AtWork(post, printer).work(stop)


def _print_json(line: Line) -> None:
    print(msgspec.json.encode(line).decode(), flush=True)


class Printer:
    """Prints one line of a table an action."""

    def __init__(self, console: Console) -> None:
        """Print there."""
        self._console = console

    def head(self) -> None:
        """Print what the columns are."""
        head = _row([name for name, _ in COLUMNS], "outcome")
        self._console.print(Text(head, style="bold"), soft_wrap=True)

    def __call__(self, line: Line) -> None:
        """Print an action."""
        price = "" if line.price is None else f"{line.price / NANO_PER_WH_IN_CENT_PER_KWH:.3f}"
        cells = [
            _clock(line.at),
            line.action,
            _clock(line.delivery),
            "" if line.side is None else line.side.value,
            "" if line.quantity_wh is None else f"{line.quantity_wh:,}",
            price,
        ]
        style = STYLES.get(line.action, "")
        self._console.print(Text(_row(cells, line.outcome), style=style), soft_wrap=True)


def _clock(at: Instant | None) -> str:
    return "" if not at else f"{to_datetime(at):%H:%M:%S}"


def _row(cells: list[str], outcome: str) -> str:
    """Return a line of the table; what counts stands right, words stand left."""
    fitted = [
        cell.rjust(width) if name in {"Wh", "price"} else cell.ljust(width)
        for cell, (name, width) in zip(cells, COLUMNS, strict=True)
    ]
    return "  ".join([*fitted, outcome]).rstrip()


__all__ = ["Asked", "Place", "Printer", "work"]
