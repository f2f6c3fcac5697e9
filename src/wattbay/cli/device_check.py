"""`device verify`: signatures of readings in a file or at a broker."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from wattbay.adapters.mqtt.broker import Message
from wattbay.adapters.mqtt.readings import kind, read
from wattbay.adapters.mqtt.service import Address, GmqttClient
from wattbay.adapters.mqtt.topics import Channel, channel_filter
from wattbay.cli.device_work import Place, enrolled_keys
from wattbay.errors import AdapterError, ConfigError, Fault, WireError
from wattbay.ids import CommunityId, is_id
from wattbay.kernel.evidence import Flag, Reading
from wattbay.periods import to_text

LINES_MAX = 1_000_000


class Source(NamedTuple):
    """Where readings are read from."""

    file: Path | None
    live: str
    count_max: int
    wait_s: float
    place: Place


class Verdict(NamedTuple):
    """A message, and what it is."""

    topic: str
    reading: Reading | None
    fault: str
    """What is wrong with it; empty where nothing is."""


def verify_readings(source: Source, enrolled: list[Path], *, as_json: bool) -> int:
    """Check readings and print a table; return the exit status."""
    if bool(source.file) == bool(source.live):
        raise ConfigError(Fault("device verify", "one source", "a FILE, or --live COMMUNITY"))
    keys = enrolled_keys(enrolled)
    found = _listen(source) if source.file is None else list(_lines(source.file))
    verdicts = []
    for topic, payload in found:
        try:
            verdicts.append(Verdict(topic, read(payload, topic, keys.get), ""))
        except WireError as error:
            verdicts.append(Verdict(topic, None, kind(error)))
    if as_json:
        print(json.dumps([_plain(one) for one in verdicts], indent=2))
    else:
        _print_table(verdicts)
    return 1 if not verdicts or any(one.fault for one in verdicts) else 0


def _lines(file: Path) -> Iterator[tuple[str, bytes]]:
    """Read a file of topics and payloads.

    Raises
    ------
    AdapterError
        If a line is neither.
    """
    with file.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            topic, _, payload = line.strip().partition(" ")
            if not topic:
                continue
            if number > LINES_MAX:
                msg = f"{file} has more than {LINES_MAX} lines"
                raise AdapterError(msg)
            if payload.startswith("ey"):
                yield topic, payload.encode()
                continue
            try:
                yield topic, bytes.fromhex(payload)
            except ValueError:
                msg = f"{file}, line {number}: a topic, then hex digits or a JWS"
                raise AdapterError(msg) from None


def _listen(source: Source) -> list[tuple[str, bytes]]:
    """Listen at a broker until enough has come, or it has been long enough."""
    if not is_id(source.live):
        fault = Fault("--live", f"{source.live!r}", "a community: letters, digits, _ or -")
        raise ConfigError(fault)
    found: list[tuple[str, bytes]] = []
    host, port = source.place.address()

    async def listen() -> None:
        enough = asyncio.Event()
        name = f"wattbay-verify-{os.getpid()}"
        client = GmqttClient(Address(host, port, client_id=name, tls=source.place.tls()))

        def take(messages: list[Message]) -> None:
            found.extend((one.topic, one.payload) for one in messages)
            client.acknowledge(messages)
            if len(found) >= source.count_max:
                enough.set()

        await client.open([channel_filter(CommunityId(source.live), Channel.READINGS)], take)
        try:
            async with asyncio.timeout(source.wait_s):
                await enough.wait()
        except TimeoutError:
            pass
        await client.close()

    asyncio.run(listen())
    return found[: source.count_max]


def _plain(verdict: Verdict) -> dict[str, object]:
    """Return a verdict for a program."""
    told: dict[str, object] = {"topic": verdict.topic, "fault": verdict.fault or None}
    if verdict.reading is not None:
        told |= verdict.reading._asdict() | {
            "measured_at": to_text(verdict.reading.measured_at),
            "proof": verdict.reading.proof.hex(),
        }
    return told


def _print_table(verdicts: list[Verdict]) -> None:
    """Print verdicts for people."""
    table = Table(box=None, pad_edge=False)
    for name in ("device", "boot/seq", "measured at", "import", "export", "W", "flags", "verdict"):
        table.add_column(name, justify="right" if name in {"import", "export", "W"} else "left")
    for topic, reading, fault in verdicts:
        if reading is None:
            table.add_row(topic, "", "", "", "", "", "", fault)
            continue
        table.add_row(
            reading.device,
            f"{reading.boot}/{reading.seq}",
            to_text(reading.measured_at),
            f"{reading.import_register:,}",
            f"{reading.export_register:,}",
            "" if reading.power_w is None else f"{reading.power_w:,}",
            _words(reading.flags),
            "signed",
        )
    console = Console()
    console.print(table)
    good = sum(not one.fault for one in verdicts)
    console.print(f"{good} of {len(verdicts)} are authentic", highlight=False)


def _words(flags: int) -> str:
    """Return flags in words."""
    known = {Flag.TAMPER: "tamper", Flag.LOW_BATTERY: "low battery"}
    return ", ".join(word for flag, word in known.items() if flags & flag)
