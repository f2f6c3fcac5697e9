"""The regimes that batteries live under: a utility, the own home, and aggregators of many kinds."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from wattbay.adapters.etp.strategies import Strategy
from wattbay.simulation.competition.world import AGGREGATORS_MAX

EQUILIBRIUM = "equilibrium"
"""Aggregators that know how many they are, and how rivals' worths are spread: a benchmark."""
MIXED = "mixed"
"""Two of each of the four strategies."""
KINDS: tuple[str, ...] = (*Strategy, EQUILIBRIUM)


class Use(StrEnum):
    """What a battery is used for."""

    NOTHING = "nothing"
    HOME = "home"
    SALE = "sale"
    BOTH = "both"
    """The home first; what a day like yesterday would not need is for sale."""


class Regime(NamedTuple):
    """How owners are paid."""

    name: str
    use: Use
    kind: str = ""
    """Of the aggregators."""
    bidders: tuple[str, ...] = ()
    """The strategy of each aggregator: a `Strategy`, or `EQUILIBRIUM`."""
    has_extras: bool = True
    """Whether aggregators earn something besides the wholesale price."""

    @property
    def title(self) -> str:
        """What it is called on screens."""
        if not self.bidders:
            return "one utility" if self.use is Use.NOTHING else "use at home"
        many = len(self.bidders)
        first = "home, then " if self.use is Use.BOTH else ""
        return f"{first}{many} {self.kind}{'' if self.has_extras else ', bare'}"


UTILITY = Regime("utility", Use.NOTHING)
HOME = Regime("home", Use.HOME)


def auctions(kind: str, count: int, use: Use = Use.SALE) -> Regime:
    """Return the regime of some aggregators of a kind."""
    prefix = "home-then-" if use is Use.BOTH else ""
    return Regime(f"{prefix}{kind}-{count}", use, kind, (kind,) * count)


REGIMES = (
    UTILITY,
    HOME,
    *(auctions(kind, count) for kind in KINDS for count in range(1, AGGREGATORS_MAX + 1)),
    Regime(f"{MIXED}-8", Use.SALE, MIXED, (*Strategy, *Strategy)),
    *(auctions(kind, AGGREGATORS_MAX, Use.BOTH) for kind in KINDS),
)
BARE = tuple(
    auctions(kind, count)._replace(name=f"bare-{kind}-{count}", has_extras=False)
    for kind in KINDS
    for count in (1, AGGREGATORS_MAX)
)
"""The same with nothing earned besides: what is left when that assumption is taken away."""
VARIED = (
    UTILITY,
    HOME,
    *(
        auctions(kind, AGGREGATORS_MAX)
        for kind in (Strategy.CONSERVATIVE, Strategy.AGGRESSIVE, EQUILIBRIUM)
    ),
)
"""What is lived again under other terms: the least, the most, and the benchmark."""
BY_NAME = MappingProxyType({regime.name: regime for regime in (*REGIMES, *BARE)})
