"""Two machines in one: processes in two network namespaces find each other, and trade."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.live.etp_peer import NEED_WH
from tests.servers import WAIT_S, program
from wattbay.adapters.etp.datagrams import ANY, GROUP, PORT

pytestmark = pytest.mark.ip

DEVICES = (101, 102, 103)
LEFT_BEHIND = f"wb{1 << 30}x1l"
"""A name by a process that never is: it is more than any system numbers."""
_numbers = count(1)


class Side(NamedTuple):
    """A namespace, with one end of a cable."""

    name: str
    end: str
    host: str

    def command(self, *words: str) -> list[str]:
        return [ip_path(), "netns", "exec", self.name, *words]

    def peer(self, role: str, interface: str, *devices: int) -> subprocess.Popen[str]:
        words = (role, GROUP, PORT, interface, self.host, *devices)
        return subprocess.Popen(
            self.command(sys.executable, "-m", "tests.live.etp_peer", *map(str, words)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def wattbay(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(sys.executable, "-m", "wattbay", "etp", *words),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip


def ip_path() -> str:
    path = program("ip")
    assert path, "iproute2 is not installed"
    return path


def ip(*words: str) -> None:
    ran = subprocess.run([ip_path(), *words], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"ip {' '.join(words)}: {ran.stderr}"


@contextmanager
def a_namespace(name: str) -> Iterator[str]:
    ip("netns", "add", name)
    try:
        yield name
    finally:
        # Its end of a cable goes with it, and so does the other.
        subprocess.run([ip_path(), "netns", "del", name], check=False)


def namespaces() -> list[str]:
    listed = subprocess.run(
        [ip_path(), "netns", "list"], capture_output=True, text=True, check=True
    )
    return [line.split()[0] for line in listed.stdout.splitlines()]


def remove_left_behind() -> None:
    """Remove the namespaces of runs that were killed before they could."""
    for name in namespaces():
        found = re.fullmatch(r"wb(\d+)x\d+[lr]?", name)
        if found and not Path(f"/proc/{found[1]}").exists():
            subprocess.run([ip_path(), "netns", "del", name], check=False)


@pytest.fixture
def sides() -> Iterator[tuple[Side, Side]]:
    """Yield two namespaces that a cable joins; each knows the other, and no other network."""
    remove_left_behind()
    stem = f"wb{os.getpid()}x{next(_numbers)}"
    left, right = (
        Side(f"{stem}{side}", f"{side}{os.getpid()}", f"192.0.2.{number}")
        for number, side in enumerate("lr", 1)
    )
    with ExitStack() as stack:
        for side in (left, right):
            stack.enter_context(a_namespace(side.name))
        ends = ("type", "veth", "peer", "name", right.end, "netns", right.name)
        ip("-n", left.name, "link", "add", left.end, *ends)
        for side in (left, right):
            ip("-n", side.name, "addr", "add", f"{side.host}/24", "dev", side.end)
            for end in ("lo", side.end):
                ip("-n", side.name, "link", "set", end, "up")
        yield left, right


def ended(peer: subprocess.Popen[str]) -> list[Any]:
    """Let a peer end; return what it said."""
    printed, _ = peer.communicate("", timeout=2 * WAIT_S)
    assert peer.returncode == 0
    return [json.loads(line) for line in printed.splitlines()]


def trade(sellers: Side, buyer: Side, *, interfaces: tuple[str, str]) -> None:
    """Let batteries of one side and an aggregator of the other find each other, and trade."""
    with ExitStack() as stack:
        batteries = sellers.peer("battery", interfaces[0], *DEVICES)
        stack.callback(batteries.wait)
        stack.callback(batteries.kill)
        aggregator = buyer.peer("aggregator", interfaces[1], *DEVICES)
        stack.callback(aggregator.wait)
        stack.callback(aggregator.kill)
        (figures,) = ended(aggregator)
        addresses, sold = ended(batteries)
    assert figures["bought_wh"] == NEED_WH == sum(sold["sold_wh"])
    assert {host for host, _ in addresses} == {sellers.host}
    assert figures["found"] == {
        str(device): address for device, address in zip(DEVICES, addresses, strict=True)
    }


def test_batteries_and_aggregator_find_each_other_over_a_network(
    sides: tuple[Side, Side],
) -> None:
    left, right = sides
    trade(left, right, interfaces=(left.host, right.host))


def test_interface_may_be_given_by_its_name(sides: tuple[Side, Side]) -> None:
    left, right = sides
    trade(right, left, interfaces=(right.end, left.end))


def test_interface_is_found_where_none_is_named(sides: tuple[Side, Side]) -> None:
    left, right = sides
    trade(left, right, interfaces=("", ""))


@pytest.mark.parametrize("is_any", [False, True], ids=["one-address", "all-addresses"])
def test_commands_find_each_other_and_trade(
    sides: tuple[Side, Side], tmp_path: Path, is_any: bool
) -> None:
    left, right = sides
    if is_any:
        ip("-n", left.name, "route", "add", "239.0.0.0/8", "dev", left.end)
    where = ("--host", ANY if is_any else left.host, "--folder", str(tmp_path / "bess"))
    with ExitStack() as stack:
        battery = left.wattbay("bess", "101", "--bidder", "201", *where, "--plain", "--json")
        stack.callback(battery.wait)
        stack.callback(battery.kill)
        aggregator = right.wattbay("aggregator", "201", "--need-kwh", "3", "--plain", "--json")
        stack.callback(aggregator.wait)
        stack.callback(aggregator.kill)
        (figures,) = ended(aggregator)
        battery.send_signal(signal.SIGINT)
        told = ended(battery)
    sales = [one["AuctionCompleted"] for one in told if "AuctionCompleted" in one]
    assert figures["bought_wh"] == 3_000 == sum(round(1_000 * one["energy_sold"]) for one in sales)
    assert {one["winner_aggregator_id"] for one in sales} == {201}


def test_battery_of_all_addresses_without_a_route_says_how_to_make_one(
    sides: tuple[Side, Side], tmp_path: Path
) -> None:
    where = ("--host", ANY, "--folder", str(tmp_path / "bess"))
    battery = sides[0].wattbay("bess", "101", "--bidder", "201", *where, "--plain")
    _, fault = battery.communicate(timeout=WAIT_S)
    assert battery.returncode == 2
    assert f"group {GROUP}:{PORT}: cannot be opened: No such device" in fault
    assert "ip route add 239.0.0.0/8" in fault


def test_command_says_what_to_look_at_where_nobody_is(sides: tuple[Side, Side]) -> None:
    ran = sides[0].wattbay("discover", "--plain", "--seconds", "0.1")
    printed, told = ran.communicate(timeout=WAIT_S)
    assert (ran.returncode, printed) == (1, "")
    assert told.startswith("Nobody answered")


def test_nothing_is_left_of_namespaces_though_a_test_fails() -> None:
    name = f"wb{os.getpid()}x0"

    def test_that_fails() -> None:
        with a_namespace(name):
            assert name in namespaces()
            ip("no", "such", "thing")

    with pytest.raises(AssertionError, match="no such thing"):
        test_that_fails()
    assert name not in namespaces()


def test_namespaces_of_a_run_that_was_killed_are_removed_by_the_next() -> None:
    ip("netns", "add", LEFT_BEHIND)
    remove_left_behind()
    assert LEFT_BEHIND not in namespaces()
