"""`etp bess --service`: a battery whose sales become those of a live community."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from wattbay.adapters.etp.datagrams import Group
from wattbay.adapters.etp.discovery import Beacon
from wattbay.adapters.etp.envelope import Scheme
from wattbay.adapters.etp.key_file import Keys
from wattbay.adapters.etp.node import BessNode, free_port
from wattbay.adapters.rest.client import RestClient
from wattbay.assembly.etp_home import Home, HomeBattery
from wattbay.assembly.rest_desk import Market, market_of
from wattbay.cli.device_enrol import Counter
from wattbay.cli.etp_run import out, run, told, until_stopped
from wattbay.errors import ConfigError, Fault
from wattbay.kernel.clock import SystemClock

WAIT_S = 10.0
"""How long an answer of the service may take before the sale is brought again. [s]"""


class Service(NamedTuple):
    """A service, and for which pod and in which product a battery sells there."""

    url: str
    api_key_file: Path | None
    authority: Path | None
    pod: str | None
    product: str | None

    def client(self) -> RestClient:
        """Return a client of it.

        Raises
        ------
        ConfigError
            If there is no key.
        """
        key = Counter(self.url, self.api_key_file).key("--api-key-file")
        return RestClient(self.url, key=key, authority=self.authority, wait_s=WAIT_S)


class Selling(NamedTuple):
    """What is sold, where it listens, and how it is found."""

    home: Home
    host: str
    port: int
    group: Group | None
    as_json: bool


def check_options(
    keys: Keys | None, device: int, service: Service, unfit: Mapping[str, bool]
) -> Keys:
    """Return the keys of a battery, once its options make sense.

    Parameters
    ----------
    unfit
        Options that mean nothing with a service, and whether they are given.

    Raises
    ------
    ConfigError
        Lists everything that is wrong.
    """
    faults = [
        Fault(name, "means nothing with --service: the community says so", "leave it out")
        for name, is_given in unfit.items()
        if is_given
    ]
    faults += [
        Fault(name, "of what does it sell there?", f"{name} {name[2:].upper()}")
        for name, value in (("--pod", service.pod), ("--product", service.product))
        if value is None
    ]
    if keys is None:
        what = "a service takes sales that are signed, and no others"
        faults.append(Fault("--plain", what, "--keys FILE"))
    else:
        if keys.me.device_id != device:
            what = f"they are of device {keys.me.device_id}, and not of {device}"
            faults.append(Fault("--keys", what))
        faults += [
            Fault(f"peer {device}", "shares a secret, which proves nothing to a service", "ed25519")
            for device, key in keys.peers.items()
            if key.scheme is not Scheme.ED25519
        ]
    if faults or keys is None:
        raise ConfigError(*faults)
    return keys


def sell(keys: Keys, service: Service, selling: Selling) -> int:
    """Sell into a community until stopped; return the exit status.

    Raises
    ------
    ConfigError, AdapterError
        If the service does not tell what has to be known before.
    """
    client = service.client()
    market = market_of(client, service.pod or "", service.product or "")
    return run(lambda stopping: _sell(keys, client, market, selling, stopping))


async def _sell(
    keys: Keys, client: RestClient, market: Market, selling: Selling, stopping: asyncio.Event
) -> int:
    battery = HomeBattery(
        selling.home, client, market, keys.guard(), out.print,
        lambda one: told(one, as_json=selling.as_json),
    )  # fmt: skip
    beacon: Beacon | None = None
    try:
        node = await _begun(battery, stopping)
        if node is None:
            return 0
        port = selling.port
        if selling.group is not None and not port:
            # A battery has the same number for datagrams: that is how it is found.
            port = free_port(selling.host)
        address = await battery.open(selling.host, port)
        if selling.group is not None:
            ids = itertools.count(SystemClock().now()).__next__
            beacon = Beacon(node.seller, keys.guard(), ids, group=selling.group)
            beacon.bind(address)
            beacon.start()
        bess = node.seller.bess
        out.print(f"[bold]wattbay[/] sells for [bold]{market.pod}[/] at {client.url}; Ctrl-C stops")
        out.print(
            f"  battery {node.device_id}  {bess.level_wh / 1_000:.1f} of "
            f"{bess.capacity_wh / 1_000:.1f} kWh, tcp {address.host}:{address.port}"
        )
        return await until_stopped(battery.run(), stopping)
    finally:
        if beacon is not None:
            beacon.close()
        await battery.close()
        out.print("stopped; what was sold is in the community's journal")


async def _begun(battery: HomeBattery, stopping: asyncio.Event) -> BessNode | None:
    """Learn what was sold before; return the node, or None if a signal comes first."""
    work = asyncio.ensure_future(battery.begin())
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if work.done():
        return await work
    work.cancel()
    with suppress(asyncio.CancelledError):
        await work
    return None
