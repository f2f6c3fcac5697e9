"""The market file: one JSON document in, one result out; auctions by the code that communities use.

The document is described in `docs/reference/market-file.md`.
"""

from wattbay.adapters.market_file.clearing import clear_document
from wattbay.adapters.market_file.command import clear_file
from wattbay.adapters.market_file.result import (
    BlockResult,
    Result,
    TradingResult,
    TruthfulResult,
    render,
)
from wattbay.adapters.market_file.tables import tables

__all__ = [
    "BlockResult",
    "Result",
    "TradingResult",
    "TruthfulResult",
    "clear_document",
    "clear_file",
    "render",
    "tables",
]
