"""How orders, or meters alone, became trades in a run, in the words of its report."""

from __future__ import annotations

from typing import NamedTuple

from wattbay.adapters.report.folder import RunFolder

ONE_BY_ONE = ("continuous", "bilateral")
OF_METERED_ENERGY = (
    "mid_market", "supply_demand_ratio", "static_key", "dynamic_key", "hierarchical_key",
)  # fmt: skip


class Way(NamedTuple):
    """What sections say of it; `{span}` is the length of a delivery."""

    price: str
    curves: str
    traded: str
    gain: str
    """Where no largest gain was told."""


CURVES = "Bids from high to low meet offers from low to high"
NO_GAIN = "There was nothing to gain: no bid was as high as any offer."
AUCTION = Way(
    "Each {span} has one price, found by an auction before delivery. "
    "Where the line breaks, no bid reached an offer.",
    f"{CURVES}; where they cross, everyone trades at one price.",
    "ordered in an auction and delivered",
    NO_GAIN,
)
AS_BID = Way(
    "Each pays or gets its own limit; the price of a {span} is where its auction crossed. "
    "Where the line breaks, no bid reached an offer.",
    f"{CURVES}; up to where they cross all trade, each at its own limit.",
    AUCTION.traded,
    NO_GAIN,
)


def way_of(folder: RunFolder) -> Way:
    """Return how a run traded; of one by several rules, as of an auction."""
    found = folder.scan("prices").collect()
    rules = set(found["rule"].to_list()) if "rule" in found.columns else {""}
    rule = (rules.pop() if len(rules) == 1 else "") or ""
    if rule in ONE_BY_ONE:
        met = "each at the limit of the one that was there first"
        if rule == "bilateral":
            met = "each where somebody took it, at its own price"
        return Way(
            "The price of a {span} is the mean of what sellers got. "
            "Where the line breaks, nothing was traded.",
            f"Orders met one by one, {met}. The picture has all that stood, bids from high to low "
            "and offers from low to high; not when they came.",
            "ordered beforehand and delivered",
            "What could have been gained at most is not counted where orders meet one by one.",
        )
    if rule in OF_METERED_ENERGY:
        return Way(
            f"Nobody ordered: what was metered was divided by the rule {rule}, and the price of a "
            "{span} is what sellers got. Where the line breaks, nothing was divided.",
            "",
            f"allocated by the rule {rule} and delivered",
            "",
        )
    if rule:
        return Way(
            f"Each {{span}} was cleared by the rule {rule}; its price is the mean of what sellers "
            "got. Where the line breaks, nothing was traded.",
            f"{CURVES}; who trades, and at what price, the rule {rule} says.",
            AUCTION.traded,
            NO_GAIN,
        )
    return AS_BID if folder.tariffs.auction.pricing == "pay_as_bid" else AUCTION
