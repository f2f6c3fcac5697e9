"""`etp discover` and `etp keys`: who is there, and by which keys one knows them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Final

from wattbay.adapters.etp.datagrams import Group
from wattbay.adapters.etp.discovery import Finder, Seen
from wattbay.adapters.etp.key_file import draw_keys, peer_text, read_keys
from wattbay.adapters.etp.link import Guard
from wattbay.adapters.etp.messages import Amiss
from wattbay.errors import ConfigError, Fault
from wattbay.kernel.clock import SystemClock

DEVICE = 999_999
"""In whose name a plain question is put."""
PAUSES_S = (0.5, 2.0)
"""Between two questions: somebody waits for the answers. [s]"""
SECONDS_MAX = 3_600.0

_NOBODY = """\
Nobody answered within {seconds:g} s in {group}. What to check:
  - Do the batteries use the same group and port (--group, --port)?
  - Does a firewall let UDP of port {port} in, and answers to it?
  - Are they on this network? Datagrams do not go further, unless --ttl lets them.
  - Are they online, with something for sale? Otherwise they do not answer."""
_REFUSED: Final = MappingProxyType(
    {
        Amiss.SIZE.value: "of another size (in envelopes? --keys would read them)",
        Amiss.UNSIGNED.value: "without an envelope (--plain takes those)",
        Amiss.FORGED.value: "in envelopes of unknown or wrong keys",
        Amiss.STALE.value: "in envelopes of another time; are all clocks right?",
        Amiss.REPLAYED.value: "repeated",
    }
)
"""How datagrams that do not count are told; others are no messages at all."""


def draw(device: int, out: Path) -> None:
    """Write new keys, and print what others know them by."""
    print(peer_text(draw_keys(out, device)), end="")


def discover(
    group: Group, seconds: float, keys: Path | None, *, plain: bool, as_json: bool
) -> int:  # fmt: skip
    """Print who answers; return the exit status.

    Raises
    ------
    ConfigError
        If it is not said whose answers count, or there is no way to the group.
    """
    if (keys is None) is not plain:
        what = "whose answers count?" if keys is None else "are either's answers to count?"
        raise ConfigError(Fault("--keys or --plain", what, "one of the two"))
    if not 0 < seconds <= SECONDS_MAX:
        raise ConfigError(Fault("--seconds", f"{seconds:g} s", "more than 0, at most an hour"))
    guard, device = Guard(allows_plain=True), DEVICE
    if keys is not None:
        read = read_keys(keys)
        guard, device = read.guard(), read.me.device_id
    ids = count(SystemClock().now()).__next__
    finder = Finder(device, guard, ids, lambda *_: None, group=group, pauses_s=PAUSES_S)
    asyncio.run(_look(finder, seconds))
    return _show_json(finder) if as_json else _show(finder, seconds)


async def _look(finder: Finder, seconds: float) -> None:
    finder.open()
    try:
        await asyncio.sleep(seconds)
    finally:
        finder.close()


def _show_json(finder: Finder) -> int:
    for device, seen in sorted(finder.seen.items()):
        response = seen.response
        told = {
            "device": device,
            "host": seen.address.host,
            "port": seen.address.port,
            "energy_kwh": None if response is None else response.energy_total,
            "percentage_for_sale": None if response is None else response.percentage_for_sale,
        }
        print(json.dumps(told))
    return 0 if finder.seen else 1


def _show(finder: Finder, seconds: float) -> int:
    if finder.seen:
        rows = [("DEVICE", "ADDRESS", "ENERGY", "FOR SALE"), *_rows(finder.seen)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for device, address, *amounts in rows:
            first = f"{device:>{widths[0]}}  {address:<{widths[1]}}"
            parts = zip(amounts, widths[2:], strict=True)
            print("  ".join([first, *(f"{text:>{width}}" for text, width in parts)]))
    else:
        group = finder.sockets.group
        place = f"{group.address}:{group.port}"
        print(_NOBODY.format(seconds=seconds, group=place, port=group.port), file=sys.stderr)
    for line in _notes(finder):
        print(line, file=sys.stderr)
    return 0 if finder.seen else 1


def _rows(seen: dict[int, Seen]) -> Iterator[tuple[str, str, str, str]]:
    for device, one in sorted(seen.items()):
        amounts = ("not told", "not told")
        if one.response is not None:
            response = one.response
            amounts = (f"{response.energy_total:.3f} kWh", f"{response.percentage_for_sale:.1f} %")
        yield (str(device), "{}:{}".format(*one.address), *amounts)


def _notes(finder: Finder) -> Iterator[str]:
    """Yield what else there is to know of what came, and of what could not be sent."""
    counts, fault = finder.counts, finder.sockets.fault
    for amiss in Amiss:
        if counts[amiss.value]:
            how = _REFUSED.get(amiss.value, f"that are no messages ({amiss.value})")
            yield f"Not counted: {counts[amiss.value]} datagrams {how}."
    if counts["too many"]:
        yield "More came than is read; some was left out."
    if fault is not None:
        yield f"Not all questions could be sent: {fault.strerror or fault}."
