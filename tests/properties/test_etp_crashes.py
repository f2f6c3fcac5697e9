"""One sale, with every crash and every lost message in the midst of it: all of them, not some."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import pytest

from tests.etp_members import BatteryPlan, Line
from tests.etp_world import World
from wattbay.adapters.etp.auctions import Rules, Stage
from wattbay.periods import SECOND

BESS, BUYER = 101, 201
STEPS = 6
"""Messages of a sale between those who registered: two greet, then bid to outcome."""
AGAIN = 12
"""Messages until a sale is over in whose midst somebody crashed."""
ROUNDS = 20
CUTS = range(4)
"""After so many of the things that are to be done at once. The most at once are four."""


class Crash(NamedTuple):
    """Who crashes while a message is heard, and after how much of what follows from it."""

    step: int
    is_battery: bool
    cut: int


CRASHES = tuple(Crash(*each) for each in product(range(AGAIN), (True, False), CUTS))
EARLY = tuple(crash for crash in CRASHES if crash.cut <= 1)

peers = pytest.mark.parametrize("registers", [True, False], ids=["registers", "plain"])
markets = pytest.mark.parametrize("is_slow", [False, True], ids=["at-once", "slow"])


def next_line(world: World) -> Line | None:
    """Return the link over which the next message comes."""
    return next((line for line in world.lines if line.up or line.down), None)


def a_sale(
    crashes: tuple[Crash, ...] = (),
    *,
    registers: bool = True,
    is_slow: bool = False,
    window_us: int = 0,
    lost: int = -1,
) -> World:
    """Let a bid be made and answered message by message; then let the world end."""
    world = World([BatteryPlan(rules=Rules(window_us=window_us))], [registers])
    world.market.is_slow = is_slow
    world.bid(BUYER, BESS, 180_000, 1_000)
    step = 0
    for _ in range(ROUNDS):
        line = next_line(world)
        if line is None:
            # Somebody crashed, the market was slow, or the window is to close.
            if world.line_of(BUYER, BESS) is None:
                world.link(BUYER, BESS)
            world.answer()
            world.now += window_us
            world.tick()
            continue
        for crash in crashes:
            if crash.step == step and crash.is_battery:
                world.batteries[BESS].crash_after = crash.cut
            elif crash.step == step:
                world.aggregators[BUYER].crash_after = crash.cut
        if step == lost:
            (line.up or line.down).popleft()
        elif line.up:
            world.deliver_up(line)
        else:
            world.deliver_down(line)
        step += 1
        world.check()
    world.come_to_rest()
    return world


def pairs() -> Iterator[tuple[Crash, Crash]]:
    """Yield two crashes, one after the other, or both while the same message is heard."""
    for first, second in product(EARLY, EARLY):
        if first.step <= second.step and first != second:
            yield first, second


@markets
def test_a_sale_without_a_fault_is_settled(is_slow: bool) -> None:
    world = a_sale(is_slow=is_slow, window_us=SECOND // 10)
    assert [end.stage for end in world.ends.values()] == [Stage.SETTLED]
    assert [sale.money for sale in world.market.sales.values()] == [180_000_000]
    assert world.batteries[BESS].bess.level_wh == 15_000


@peers
@markets
@pytest.mark.parametrize("window_us", [0, SECOND // 10])
def test_any_crash_leaves_one_outcome(registers: bool, is_slow: bool, window_us: int) -> None:
    for crash in CRASHES:
        a_sale((crash,), registers=registers, is_slow=is_slow, window_us=window_us)


@peers
@markets
def test_any_two_crashes_leave_one_outcome(registers: bool, is_slow: bool) -> None:
    for crashes in pairs():
        a_sale(crashes, registers=registers, is_slow=is_slow)


@markets
def test_any_lost_message_leaves_one_outcome(is_slow: bool) -> None:
    # The first two greet: these are lost with their link alone.
    for lost in range(2, STEPS):
        world = a_sale(is_slow=is_slow, lost=lost)
        assert len(world.ends) == 1
