"""`serve` and `config`: a live community, and the settings that it is run by."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from wattbay.adapters.mqtt.market.loading import load_periods
from wattbay.adapters.mqtt.market.periods import Build
from wattbay.assembly import logs
from wattbay.assembly.exchange import LiveExchange
from wattbay.assembly.live import Addresses, Live
from wattbay.assembly.memory import settle_memory
from wattbay.config import Settings, read_settings
from wattbay.errors import WattbayError
from wattbay.periods import to_text

STREET = "live-street"
"""The scenario that is shown to whoever has no community."""
STREET_FOLDER = Path("live") / STREET
FAILED = 1

out = Console(stderr=True, soft_wrap=True, highlight=False)


def serve(config: Path | None, *, folder: Path | None, speed: int | None, wait: bool) -> None:
    """Run a service until it is told to stop."""
    settings = settings_of(config, folder, speed)
    logs.begin(settings.log)
    with _progress() as bar:
        task = bar.add_task("reading history", total=None)
        exchange = LiveExchange(
            settings,
            wait_s=None if wait else 0.0,
            progress=lambda seq: bar.update(task, description=f"reading history: entry {seq:,}"),
        )
    code = _run(settings, exchange)
    if code:
        raise typer.Exit(code)


def settings_of(config: Path | None, folder: Path | None, speed: int | None) -> Settings:
    """Return the settings of a file, or else those of a made-up street.

    Raises
    ------
    ConfigError
        Bears everything that is wrong.
    """
    changed: dict[str, dict[str, Any]] = {}
    if config is None:
        changed["street"] = {"scenario": STREET}
        changed["storage"] = {"folder": STREET_FOLDER}
    if folder is not None:
        changed["storage"] = {"folder": folder}
    if speed is not None:
        changed["street"] = {**changed.get("street", {}), "speed": speed}
    return read_settings(config, **changed)


def check_config(config: Path | None) -> None:
    """Say whether settings can be used, and what they come to."""
    settings = read_settings(config)
    load_periods(settings.agent.model_dump(), Build("community"))
    if settings.community.founding is not None:
        from wattbay.simulation.founding_file import read_founding

        read_founding(settings.community.founding)
    out.print(f"[green]fine[/]: {config or 'the defaults and the environment'}")
    print(json.dumps(settings.model_dump(mode="json"), indent=2))


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), TimeElapsedColumn(), console=out, transient=True
    )


def _run(settings: Settings, exchange: LiveExchange) -> int:
    """Run in a loop of its own; return the exit status."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(_live(settings, exchange))
    return uvloop.run(_live(settings, exchange))


async def _live(settings: Settings, exchange: LiveExchange) -> int:
    """Open, work until a signal comes or something fails, and close."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows has none of this.
            loop.add_signal_handler(number, stopping.set)
    live = Live(settings, exchange)
    try:
        addresses = await live.open()
    except (WattbayError, OSError):
        await live.abandon()
        raise
    settle_memory()
    work = asyncio.create_task(live.run())
    stop = asyncio.create_task(stopping.wait())
    _greet(live, addresses)
    await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
    failure = work.exception() if work.done() else None
    work.cancel()
    with suppress(asyncio.CancelledError, BaseExceptionGroup):
        await work
    stop.cancel()
    failures = [] if failure is None else _leaves(failure)
    try:
        await live.close()
    except (WattbayError, OSError) as error:  # What failed before, often: it is told once.
        failures += [error] if str(error) not in map(str, failures) else []
    if failure is not None and not all(isinstance(one, WattbayError | OSError) for one in failures):
        raise failure
    for one in failures:
        out.print(f"[red]stopped[/]: {one}")
    if failures:
        return FAILED
    out.print("stopped; start again to go on where it stopped")
    return 0


def _leaves(error: BaseException) -> list[BaseException]:
    """Return what is in a group of exceptions."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for one in error.exceptions for leaf in _leaves(one)]
    return [error]


def _greet(live: Live, addresses: Addresses) -> None:
    """Say where the service is, and one line to try each of its ways in."""
    exchange = live.exchange
    community, url = exchange.community, addresses.http
    shown = Console(soft_wrap=True, highlight=False)
    shown.print(f"[bold]wattbay[/] serves [bold]{community}[/]; Ctrl-C stops it, and it goes on")
    shown.print(f"  its time       {to_text(exchange.clock.now())}, {exchange.speed} s in one")
    shown.print(f"  kept in        {exchange.folder}")
    shown.print(f"  REST           {url}/docs")
    if live.admin_password is not None:
        shown.print(f"  administrator  admin, password [bold]{live.admin_password}[/]")
        shown.print("                 shown once; it is changed at the first sign-in")
    shown.print()
    shown.print("  [dim]# is it well? what does it do? what did a neighbour pay?[/]")
    shown.print(f"  curl {url}/readyz")
    for line in live.tries(url):
        shown.print(f"  {escape(line)}")
    if addresses.mqtt_port is not None:
        where = f"-h {addresses.host} -p {addresses.mqtt_port}"
        topic = f"em/v1/{community}"
        shown.print("  [dim]# what meters sign and publish, and what the market says[/]")
        shown.print(f"  mosquitto_sub {where} -t '{topic}/+/data' -F '%t %x'")
        shown.print(f"  mosquitto_sub {where} -t '{topic}/market/#' -v")
    shown.print()
    sys.stdout.flush()
