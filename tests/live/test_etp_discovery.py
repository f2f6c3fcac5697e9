"""Batteries and aggregators find each other through a group on the loopback, and trade."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Any, ParamSpec

import pytest

from tests.live.etp_peer import (
    BUYER,
    NEED_WH,
    Battery,
    Buying,
    a_battery,
    an_aggregator,
    keys_of,
)
from tests.servers import WAIT_S, free_port, until_async
from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.auctions import Stage
from wattbay.adapters.etp.datagrams import GROUP, HEARD_AT_ONCE, Group
from wattbay.adapters.etp.key_file import Keys, draw_keys, peer_text, read_keys
from wattbay.adapters.etp.messages import Amiss, encode
from wattbay.adapters.etp.node import Address
from wattbay.errors import ConfigError

P = ParamSpec("P")
LOOPBACK = "127.0.0.1"
DEVICES = (101, 102, 103)
NEVER = (1_000.0, 1_000.0)
"""Pauses of an aggregator that puts its question once."""


def in_a_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Let a test run in an event loop of its own."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


@pytest.fixture
def group() -> Group:
    """Return a group that no other test speaks to: the port is its own."""
    return Group(GROUP, free_port(), LOOPBACK)


@asynccontextmanager
async def opened(*batteries: Battery) -> AsyncIterator[list[Address]]:
    try:
        yield [await battery.open(LOOPBACK) for battery in batteries]
    finally:
        for battery in batteries:
            await battery.close()


@asynccontextmanager
async def looking(buying: Buying) -> AsyncIterator[Buying]:
    buying.finder.open()
    try:
        yield buying
    finally:
        await buying.close()


def sold_wh(batteries: list[Battery]) -> int:
    return sum(sale.energy_wh for battery in batteries for _, sale in battery.desk.sold)


def command(role: str, group: Group, *devices: int) -> list[str]:
    words = (role, group.address, group.port, group.interface, LOOPBACK, *devices)
    return [sys.executable, "-m", "tests.live.etp_peer", *map(str, words)]


@asynccontextmanager
async def started(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    ran = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe)
    try:
        async with asyncio.timeout(2 * WAIT_S):
            yield ran
    finally:
        if ran.returncode is None:
            ran.kill()
            await ran.wait()


async def ended(ran: asyncio.subprocess.Process) -> list[Any]:
    """Let a peer end; return what it said."""
    printed, _ = await ran.communicate(b"")
    assert ran.returncode == 0
    return [json.loads(line) for line in printed.splitlines()]


@in_a_loop
async def test_aggregator_of_another_process_finds_several_nodes_of_one(group: Group) -> None:
    batteries = [a_battery(device, group, keys=keys_of(device, BUYER)) for device in DEVICES]
    async with (
        opened(*batteries) as addresses,
        started(*command("aggregator", group, *DEVICES)) as aggregator,
    ):
        (figures,) = await ended(aggregator)
    assert figures["bought_wh"] == NEED_WH == sold_wh(batteries)
    assert figures["found"] == {
        str(device): list(address) for device, address in zip(DEVICES, addresses, strict=True)
    }
    assert sum(bool(battery.desk.sold) for battery in batteries) > 1


@in_a_loop
async def test_aggregator_finds_nodes_of_several_processes(group: Group) -> None:
    buying = an_aggregator(group, keys=keys_of(BUYER, *DEVICES))
    async with AsyncExitStack() as stack:
        sellers = [
            await stack.enter_async_context(started(*command("battery", group, device)))
            for device in DEVICES
        ]
        figures = await buying.buy(len(DEVICES))
        said = [await ended(one) for one in sellers]
    assert [[list(buying.finder.seen[device].address)] for device in DEVICES] == [
        addresses for addresses, _ in said
    ]
    assert figures["bought_wh"] == NEED_WH == sum(sold["sold_wh"][0] for _, sold in said)


@in_a_loop
async def test_battery_that_comes_late_is_found_though_nobody_looks_again(group: Group) -> None:
    async with looking(an_aggregator(group, pauses_s=NEVER)) as buying:
        battery = a_battery(101, group)
        async with opened(battery) as (address,):
            await until_async(lambda: 101 in set(buying.node.linked), "the late one is called")
            assert buying.finder.seen[101] == (address, None)
        assert battery.beacon.counts["answered"] == 0


@in_a_loop
async def test_battery_is_found_though_its_coming_was_missed(group: Group) -> None:
    battery = a_battery(101, group)
    async with opened(battery) as (address,), looking(an_aggregator(group)) as buying:
        await until_async(lambda: 101 in buying.finder.seen, "it answers")
        seen = buying.finder.seen[101]
        assert seen.address == address
        assert seen.response is not None
        assert seen.response[6:8] == (10.0, 50.0)
        # To be found opens no auction.
        assert battery.node.seller.stage is Stage.IDLE


@in_a_loop
async def test_aggregator_looks_on_all_interfaces_where_none_is_named(group: Group) -> None:
    battery = a_battery(101, group)
    # No hop at all: what it says stays on this machine.
    everywhere = group._replace(interface="", ttl=0)
    async with opened(battery) as (address,), looking(an_aggregator(everywhere)) as buying:
        await until_async(lambda: 101 in buying.finder.seen, "it answers on the loopback")
        assert buying.finder.seen[101].address == address
        late = a_battery(102, group)
        async with opened(late):
            await until_async(lambda: 102 in buying.finder.seen, "its coming is heard")


@in_a_loop
async def test_battery_says_again_that_it_is_there(group: Group) -> None:
    battery = a_battery(101, group, period_s=0.05)
    async with opened(battery):
        buying = an_aggregator(group, pauses_s=NEVER)
        battery.node.seller.bess.offer(0)  # It does not answer.
        async with looking(buying):
            await until_async(lambda: 101 in buying.finder.seen, "it is heard")


@in_a_loop
async def test_battery_that_moved_is_followed_and_trades_on(group: Group) -> None:
    async with looking(an_aggregator(group, pauses_s=NEVER)) as buying:
        for _ in range(2):
            battery = a_battery(101, group)
            async with opened(battery) as (address,):
                counts = battery.node.counts
                await until_async(partial(counts.get, "heard"), "it is called where it is")
                assert buying.finder.seen[101].address == address
            await until_async(lambda: not set(buying.node.linked), "it has gone")
        assert buying.finder.counts["moved"] == 1


@in_a_loop
async def test_battery_is_followed_from_a_link_that_is_silent(group: Group) -> None:
    # What stands at the first address takes calls, and never says a word.
    with socket.create_server((LOOPBACK, 0)) as mute:
        async with looking(an_aggregator(group, pauses_s=NEVER)) as buying:
            buying.finder.heard(encode(m.register(1, 101)), Address(*mute.getsockname()))
            await until_async(lambda: 101 in set(buying.node.linked), "the mute one is called")
            battery = a_battery(101, group)
            async with opened(battery):
                await until_async(lambda: battery.node.counts["heard"], "the right one is called")


@in_a_loop
async def test_strangers_are_neither_found_nor_answered(group: Group) -> None:
    known, stranger = a_battery(101, group, keys=keys_of(101, BUYER)), a_battery(666, group)
    thief = a_battery(102, group, keys=Keys(keys_of(666).me._replace(device_id=102), {}))
    async with (
        opened(known, stranger, thief),
        looking(an_aggregator(group, keys=keys_of(BUYER, 101, 102))) as buying,
        looking(an_aggregator(group)) as plain,
    ):
        await until_async(lambda: 101 in buying.finder.seen, "who is known is found")
        await until_async(lambda: 666 in plain.finder.seen, "who speaks plainly is found plainly")
        await until_async(lambda: known.beacon.counts["unsigned"], "a plain question is heard")
        assert set(buying.finder.seen) == {101}
        assert set(plain.finder.seen) == {666}
        assert known.beacon.counts["answered"] > 0


@in_a_loop
async def test_flood_is_bounded_and_batteries_are_found_after_it(group: Group) -> None:
    battery = a_battery(101, group)
    async with opened(battery):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flood:
            flood.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(LOOPBACK))
            counts, sent = battery.beacon.counts, 0
            while not counts["too many"]:
                for _ in range(100):
                    flood.sendto(bytes(84 + sent % 3), (group.address, group.port))
                    sent += 1
                await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0)
        assert sent > HEARD_AT_ONCE
        assert counts[Amiss.TTL.value] > 0
        assert counts[Amiss.SIZE.value] > 0
        looked_at = counts[Amiss.TTL.value] + counts[Amiss.SIZE.value]
        assert HEARD_AT_ONCE <= looked_at < sent
        async with looking(an_aggregator(group)) as buying:
            await until_async(lambda: 101 in buying.finder.seen, "it is found after the flood")


@in_a_loop
async def test_bad_datagrams_are_counted_one_by_one(group: Group) -> None:
    battery = a_battery(101, group)
    bad = (b"", b"hello", bytes(84), bytes(150), bytes(2_000), encode(m.query(1, 7)) * 2)
    async with opened(battery) as (address,):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for datagram in bad:
                stranger.sendto(datagram, address)
            counts = battery.beacon.counts
            await until_async(lambda: counts["size"] + counts["ttl"] == len(bad), "all are read")
        async with looking(an_aggregator(group)) as buying:
            await until_async(lambda: 101 in buying.finder.seen, "it is found all the same")


@in_a_loop
async def test_both_kinds_of_socket_have_one_number_and_another_cannot_have_it(
    group: Group,
) -> None:
    first, second = a_battery(101, group), a_battery(102, group)
    async with opened(first) as (address,):
        with pytest.raises(ConfigError, match="Address already in use"):
            await second.open(*address)
        with socket.create_connection(address):
            pass
        await second.open(LOOPBACK)
        await second.close()


def discover(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wattbay", "etp", "discover", "--interface", LOOPBACK, *words],
        capture_output=True, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip


@in_a_loop
async def test_command_lists_who_answers(group: Group) -> None:
    batteries = [a_battery(device, group) for device in DEVICES]
    words = ("--plain", "--port", str(group.port), "--seconds", "1")
    async with opened(*batteries) as addresses:
        shown = await asyncio.to_thread(discover, *words)
        told = await asyncio.to_thread(discover, *words, "--json")
    assert (shown.returncode, shown.stderr) == (0, "")
    head, *rows = (line.split() for line in shown.stdout.splitlines())
    assert head == ["DEVICE", "ADDRESS", "ENERGY", "FOR", "SALE"]
    assert rows == [
        [str(device), f"{host}:{port}", "10.000", "kWh", "50.0", "%"]
        for device, (host, port) in zip(DEVICES, addresses, strict=True)
    ]
    assert json.loads(told.stdout.splitlines()[0]) == {
        "device": 101, "host": LOOPBACK, "port": addresses[0].port,
        "energy_kwh": 10.0, "percentage_for_sale": 50.0,
    }  # fmt: skip


@in_a_loop
async def test_command_counts_those_alone_whose_keys_it_knows(group: Group, tmp_path: Path) -> None:
    battery, mine = (draw_keys(tmp_path / f"{device}", device) for device in (101, 201))
    with (tmp_path / "201").open("a", encoding="utf-8") as file:
        file.write(peer_text(battery))
    with (tmp_path / "101").open("a", encoding="utf-8") as file:
        file.write(peer_text(mine))
    keys = read_keys(tmp_path / "101")
    words = ("--port", str(group.port), "--seconds", "1")
    async with opened(a_battery(101, group, keys=keys), a_battery(102, group, period_s=0.2)):
        sealed = await asyncio.to_thread(discover, *words, "--keys", str(tmp_path / "201"))
        plain = await asyncio.to_thread(discover, *words, "--plain", "--json")
    assert [line.split()[0] for line in sealed.stdout.splitlines()] == ["DEVICE", "101"]
    assert "without an envelope" in sealed.stderr
    assert [json.loads(line)["device"] for line in plain.stdout.splitlines()] == [102]


def test_command_says_in_words_that_nobody_answered(group: Group) -> None:
    ran = discover("--plain", "--port", str(group.port), "--seconds", "0.1")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"Nobody answered within 0.1 s in {GROUP}:{group.port}.")


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ((), "--keys or --plain: whose answers count?"),
        (("--plain", "--keys", "none"), "--keys or --plain: are either's answers"),
        (("--plain", "--group", "10.0.0.1"), "group: '10.0.0.1' is no multicast address"),
        (("--plain", "--interface", "none"), f"group {GROUP}:8888 on none: cannot be opened"),
        (("--plain", "--seconds", "0"), "--seconds: 0 s"),
        (("--keys", "none"), "none: cannot be read"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_command_tells_faults_of_its_options(words: tuple[str, ...], fault: str) -> None:
    ran = discover(*words)
    assert ran.returncode == 2
    assert ran.stderr.startswith(fault)
