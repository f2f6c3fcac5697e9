"""An aggregator as a program of its own, to be killed: `python -m tests.etp_bidder PORT LOG`."""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from pathlib import Path
from random import Random

from wattbay.adapters.etp.aggregator import AggregatorNode, Pace
from wattbay.adapters.etp.bid_log import BidLog
from wattbay.adapters.etp.buyer import Patience
from wattbay.adapters.etp.link import Guard
from wattbay.adapters.etp.node import Address
from wattbay.adapters.etp.strategies import Strategy
from wattbay.adapters.etp.trader import Plan, Trader
from wattbay.kernel.clock import SystemClock
from wattbay.periods import SECOND

CAP = 300_000
QUICK = Patience(answer_us=SECOND, outcome_us=SECOND // 5)


def a_bidder(
    device: int = 201,
    *,
    log: BidLog | None = None,
    need_wh: int = 1_000,
    lot_wh: int = 1_000,
    guard: Guard | None = None,
    pace: Pace | None = None,
    patience: Patience = QUICK,
) -> AggregatorNode:
    """Return an aggregator that bids near its cap, which every battery of ours takes."""
    plan = Plan(device, Strategy.AGGRESSIVE, CAP, need_wh=need_wh, lot_wh=lot_wh)
    return AggregatorNode(
        Trader(plan, Random(device)),
        guard or Guard(allows_plain=True),
        count(SystemClock().now()).__next__,
        pace=pace or Pace((0.01, 0.02)),
        log=log,
        patience=patience,
    )


async def main(bess: int, port: int, log: Path) -> None:
    """Bid until all is bought."""
    node = a_bidder(log=BidLog(log))
    node.call(bess, Address("127.0.0.1", port))
    await node.run()
    await node.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
