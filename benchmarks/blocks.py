"""The block auction: step orders over many periods, and blocks over spans of them."""

from __future__ import annotations

import math
import random

from benchmarks.machine import cpu_s
from wattbay.clearing.blocks import BUY, SELL, Block, BlockClearing, CurveOrder, clear

ORDERS = 10_000
BLOCKS = 2_000
PERIODS = 96
GRID = (
    (100, 10, 24),
    (1_000, 20, 24),
    (1_000, 50, 24),
    (1_000, 200, 24),
    (1_000, 200, 96),
    (10_000, 200, 24),
    (10_000, 2_000, 24),
    (10_000, 200, 96),
    (10_000, 2_000, 96),
)
"""Step orders, blocks, periods: the cases of the study that the bound comes from."""


def an_auction(
    orders_count: int, blocks_count: int, periods: int, seed: int = 7
) -> tuple[list[CurveOrder], list[Block]]:
    """Draw an auction: step orders around the price of a day, blocks around its mean in their span.

    Blocks are all or nothing over 2 to a third of the periods. One in five is the child of the one
    before, one in five in an exclusive group of about three. Prices are in steps of a hundredth.
    """
    draw = random.Random(seed)
    day = [5_000 + round(2_000 * math.sin(2 * math.pi * t / periods)) for t in range(periods)]
    curves = []
    for place in range(orders_count):
        side = SELL if place % 2 else BUY
        period = draw.randrange(periods)
        price = round(draw.gauss(day[period] + side * -300, 1_200))
        curves.append(CurveOrder(period, side, price, draw.randint(1, 100)))
    blocks: list[Block] = []
    for place in range(blocks_count):
        side = draw.choice((BUY, SELL))
        span = draw.randint(2, max(2, periods // 3))
        start = draw.randrange(periods - span + 1)
        quantity = draw.randint(5, 60)
        profile = [0] * periods
        profile[start : start + span] = [quantity] * span
        price = round(draw.gauss(sum(day[start : start + span]) / span, 500))
        kind = draw.random()
        parent = place - 1 if kind < 0.2 and place else None
        group = place // 15 if 0.2 <= kind < 0.4 else None
        blocks.append(Block(side, price, tuple(profile), group=group, parent=parent))
    return curves, blocks


def timed(orders_count: int, blocks_count: int, periods: int) -> tuple[float, BlockClearing]:
    """Return the CPU time of clearing one auction, and what it came to. [s]"""
    curves, blocks = an_auction(orders_count, blocks_count, periods)
    return cpu_s(lambda: clear(curves, blocks, periods))


def main() -> None:
    """Print the grid."""
    print(f"{'orders':>7}{'blocks':>7}{'periods':>8}{'CPU s':>9}{'gap':>11}{'accepted':>9}")
    for case in GRID:
        took_s, found = timed(*case)
        accepted = sum(map(bool, found.steps))
        print("{:>7}{:>7}{:>8}".format(*case), end="")
        print(f"{took_s:>9.3f}{found.gap_nano / 1e9:>11.2e}{accepted:>9}")


if __name__ == "__main__":
    main()
