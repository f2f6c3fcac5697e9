"""What the study says in words: where competition pays owners more, and where it does not.

Every sentence is made from the figures, whatever they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from wattbay.adapters.etp.strategies import Strategy
from wattbay.adapters.report.competed import Estimate, Finding, Helps, Told, Variant
from wattbay.simulation.competition.regimes import (
    BARE,
    EQUILIBRIUM,
    HOME,
    KINDS,
    UTILITY,
    Use,
    auctions,
)
from wattbay.simulation.competition.world import AGGREGATORS_MAX

CLAIMED = "25 to 200 %"
"""By how much the design claims that auctions pay more than feed-in tariffs."""
MOST, FEW, TENS = AGGREGATORS_MAX, 2, 10

Pick = Callable[[Told], Estimate | None]
Named = tuple[str, Estimate]


def shown(found: Estimate, *, signed: bool = False, decimals: int = 2) -> str:
    """Write an estimate: ``12.34 ± 0.56``; of an interval of tens or more fewer decimals."""
    reach = 0.0 if found.half_width is None else found.half_width
    decimals = max(0, decimals - (reach >= TENS) - (reach >= TENS**2))
    mean = f"{found.mean:{'+' if signed else ''}.{decimals}f}"
    return mean if found.half_width is None else f"{mean} ± {reach:.{decimals}f}"


def verdict(regimes: Sequence[Told], variants: Sequence[Variant] = ()) -> list[Finding]:
    """Say what the figures mean; what was not studied is left out."""
    by_name = {one.name: one for one in regimes}
    if UTILITY.name not in by_name or HOME.name not in by_name:
        return []
    return [
        *_comparisons(by_name),
        *_tariffs(by_name),
        *_variants(variants),
        *_scale(by_name),
    ]


def _of(by_name: Mapping[str, Told], count: int, use: Use = Use.SALE) -> list[Told]:
    """Return the regimes of so many aggregators, strategy by strategy."""
    names = [auctions(kind, count, use).name for kind in KINDS]
    return [by_name[name] for name in names if name in by_name]


def _named(regimes: Sequence[Told], pick: Pick) -> list[Named]:
    return [(one.kind, found) for one in regimes if (found := pick(one)) is not None]


def _between(found: Sequence[Named], *, decimals: int = 2, unit: str = "c") -> str:
    """Name the least and the most, and those of which it is not sure on which side of 0 they are.

    ``+0.97 ± 0.36 (conservative) to +3.49 ± 0.55 c (aggressive)``
    """
    least, most = min(found, key=_mean), max(found, key=_mean)
    ends = [least] if least is most else [least, most]
    texts = [
        f"{shown(each, signed=True, decimals=decimals)} {unit} ({kind})" for kind, each in ends
    ]
    if found[0][1].half_width is None:
        return f"{' to '.join(texts)}; on one seed alone, so nothing is sure"
    unsure = [kind for kind, each in found if not each.sign]
    less = [kind for kind, each in found if each.sign < 0]
    if unsure:
        texts[-1] += f"; zero lies in the interval of {', '.join(unsure)}"
    if less and len(less) < len(found):
        texts[-1] += f"; surely less for {', '.join(less)}"
    return " to ".join(texts)


def _mean(named: Named) -> float:
    return named[1].mean


def _helps(found: Sequence[Named]) -> Helps:
    """Tell under how many strategies owners surely have more: all, some, none."""
    sure = sum(each.sign > 0 for _, each in found)
    return Helps.YES if sure == len(found) else Helps.PARTLY if sure else Helps.NO


def _comparisons(by_name: Mapping[str, Told]) -> Iterator[Finding]:
    many = _of(by_name, MOST)
    bare = [by_name[one.name] for one in BARE if one.name in by_name and len(one.bidders) == MOST]
    both = _of(by_name, MOST, Use.BOTH)
    rational = by_name.get(auctions(EQUILIBRIUM, FEW).name)
    compared: list[tuple[str, Sequence[Told], Pick]] = [
        ("Ten aggregators against one utility", many, lambda one: one.figures.gain),
        (
            "Ten aggregators against one utility, with nothing earned besides",
            bare,
            lambda one: one.figures.gain,
        ),
        ("Ten aggregators against one of the same kind", many, lambda one: one.against_one),
        (
            "Ten aggregators against one of the same kind, with nothing earned besides",
            bare,
            lambda one: one.against_one,
        ),
        (
            "Two rational bidders against one",
            [rational] if rational else [],
            lambda one: one.against_one,
        ),
        ("Ten aggregators against use at home", many, lambda one: one.figures.gain_on_home),
        (
            "The home first and the rest to ten aggregators, against use at home alone",
            both,
            lambda one: one.figures.gain_on_home,
        ),
    ]
    for head, regimes, pick in compared:
        found = _named(regimes, pick)
        if found:
            yield Finding(head, f"{_between(found)}.", _helps(found))


def _tariffs(by_name: Mapping[str, Told]) -> Iterator[Finding]:
    many = _of(by_name, MOST)
    for place, band in enumerate(many[0].figures.bands if many else ()):
        found = [
            (one.kind, gain) for one in many if (gain := one.figures.bands[place].gain) is not None
        ]
        if found:
            head = f"Ten aggregators against tariffs of {band.low:.1f} to {band.high:.1f} c"
            yield Finding(head, f"{_between(found)}.", _helps(found))


def _variants(variants: Sequence[Variant]) -> Iterator[Finding]:
    for one in variants:
        found = list(one.gains.items())
        text = f"{_between(found)}. Use at home nets {shown(one.home)} c."
        yield Finding(f"With {one.title}: ten aggregators against one utility", text, _helps(found))


def _scale(by_name: Mapping[str, Told]) -> Iterator[Finding]:
    alone, many = _of(by_name, 1), _of(by_name, MOST)
    if alone:
        gains = _named(alone, lambda one: one.figures.gain)
        text = (
            f"{_between(gains)}. That is no competition, but the battery's timing and the owner's"
            " reserve."
        )
        yield Finding("One aggregator alone against one utility", text, Helps.NOTE)
    conservative = by_name.get(auctions(Strategy.CONSERVATIVE, MOST).name)
    if conservative is not None and conservative.figures.sales is not None:
        sales = conservative.figures.sales
        text = (
            f"paid {shown(sales.paid)} c for what was worth {shown(sales.worth)} c. They stay 0.05"
            " c above the owner's own reserve, however many they are: it is the reserve that sets"
            " the price."
        )
        yield Finding("Ten conservative aggregators", text, Helps.NOTE)
    sold = [one for one in many if one.figures.sales is not None]
    if sold:
        yield from _sales(sold)
    margin = by_name[UTILITY.name].figures.utility_margin
    if margin is not None:
        size = Estimate(abs(margin.mean), margin.half_width)
        text = (
            f"what was fed in was worth {shown(size)} c {'less' if margin.mean < 0 else 'more'} at"
            " wholesale, at that time, than the tariffs paid."
        )
        yield Finding("The utility", text, Helps.NOTE)


def _sales(sold: Sequence[Told]) -> Iterator[Finding]:
    def improvement(one: Told) -> Estimate | None:
        return None if one.figures.sales is None else one.figures.sales.improvement

    text = _between(_named(sold, improvement), decimals=0, unit="%")
    yield Finding(
        "Price by auction against the sellers' tariffs, before losses, wear and fee",
        f"{text}. The design claims {CLAIMED}.",
        Helps.NOTE,
    )
    best = max(sold, key=lambda one: one.figures.net.mean)
    if best.figures.sales is not None:
        sales = best.figures.sales
        text = (
            f"{shown(sales.worth)} c at wholesale, {shown(sales.spikes)} of it beyond the highest"
            f" bid. {best.title} paid {shown(sales.paid)}; their margin is"
            f" {shown(sales.margin, signed=True)} c, with what they earn besides"
            f" {shown(sales.margin_with_extra, signed=True)}."
        )
        yield Finding("The most that could have been paid for energy sold", text, Helps.NOTE)
