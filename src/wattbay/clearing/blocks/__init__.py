"""Block auctions: orders over several periods that are accepted together or not at all.

`clear` is a pure function, whole numbers in and out; between them a solver looks for the blocks to
accept. What it says is a claim, which `wattbay.core.market.blocks` verifies without a solver.
"""

from wattbay.clearing.blocks.auction import NODE_LIMIT, clear
from wattbay.clearing.blocks.model import BUY, SELL, Block, BlockClearing, CurveOrder

__all__ = ["BUY", "NODE_LIMIT", "SELL", "Block", "BlockClearing", "CurveOrder", "clear"]
