"""The study of competing aggregators: does competition pay battery owners more than a utility does?

Every seed draws a world: a span of real prices, homes, batteries, feed-in tariffs, aggregators. It
is lived through under every regime, so regimes differ by nothing but who pays for what.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from wattbay.adapters.report.competed import FORMAT, Document, Estimate, Span, Told, Variant
from wattbay.simulation.competition.figures import CENT, Drawn, figures, gain, net, over
from wattbay.simulation.competition.market import live
from wattbay.simulation.competition.regimes import (
    BY_NAME,
    HOME,
    MIXED,
    UTILITY,
    VARIED,
    Regime,
    Use,
)
from wattbay.simulation.competition.verdict import verdict
from wattbay.simulation.competition.world import (
    ATTRIBUTION,
    DAYS_MAX,
    Places,
    Terms,
    draw,
    without_extras,
)
from wattbay.simulation.study_game import estimate

SEEDS_MAX = 500
DAYS = 7
PPM_PER_PERCENT = 10_000


class Change(NamedTuple):
    """Something else that is assumed, told beside the rest."""

    name: str
    title: str
    terms: Mapping[str, int]
    """Fields of `Terms`, and their values."""


CHANGES = (
    Change("little-wear", "wear of 0.5 c", {"wear": 5_000}),
    Change("much-wear", "wear of 10 c", {"wear": 100_000}),
    Change(
        "high-tariffs", "tariffs of 15 to 20 c", {"tariff_low": 150_000, "tariff_high": 200_000}
    ),
    Change("high-reserve", "reserves 5 c higher", {"markup": 50_000}),
    Change("large-panels", "panels twice as large", {"panels_percent": 200}),
)
"""What the result hangs on."""


class Plan(NamedTuple):
    """What to study."""

    seeds: int = 20
    first_seed: int = 1
    """Seeds are consecutive, from this one on."""
    days: int = DAYS
    """How long each world lasts."""
    terms: Terms = Terms()
    regimes: tuple[str, ...] = tuple(BY_NAME)
    """Names; the utility, the use at home, and whatever is to be compared with them."""
    changes: tuple[Change, ...] = CHANGES


def study(plan: Plan) -> Iterator[Drawn]:
    """Yield what each seed comes to, in order.

    Raises
    ------
    ValueError
        If there are too many seeds or days, or none.
    """
    if not 1 <= plan.seeds <= SEEDS_MAX:
        raise ValueError(f"{plan.seeds} seeds; from 1 to {SEEDS_MAX:,}")
    if not 1 <= plan.days <= DAYS_MAX:
        raise ValueError(f"{plan.days} days; from 1 to {DAYS_MAX}")
    places = Places.read()
    varied = tuple(regime.name for regime in VARIED)
    for seed in range(plan.first_seed, plan.first_seed + plan.seeds):
        variants = {
            change.name: _lived(
                places, seed, plan.days, plan.terms._replace(**change.terms), varied
            )
            for change in plan.changes
        }
        found = _lived(places, seed, plan.days, plan.terms, plan.regimes)
        yield found._replace(variants=variants)


def _lived(places: Places, seed: int, days: int, terms: Terms, regimes: Sequence[str]) -> Drawn:
    """Draw a world and live through it under each regime."""
    world = draw(places, seed, days, terms)
    bare, bare_terms = without_extras(world, terms), terms._replace(extra_high=0)
    lived = {}
    for name in regimes:
        regime = BY_NAME[name]
        lived[name] = (
            live(world, regime, terms) if regime.has_extras else live(bare, regime, bare_terms)
        )
    return Drawn(world, lived)


def told(plan: Plan, drawn: Sequence[Drawn], name: str) -> Told:
    """Return what a regime came to."""
    regime = BY_NAME[name]
    return Told(
        name=name,
        title=regime.title,
        use=regime.use,
        kind=regime.kind,
        bidders=len(regime.bidders),
        has_extras=regime.has_extras,
        figures=figures(drawn, name, plan.terms.tariff_low, plan.terms.tariff_high),
        against_one=_against_one(plan, drawn, regime),
    )


def _against_one(plan: Plan, drawn: Sequence[Drawn], regime: Regime) -> Estimate | None:
    alone = f"{'' if regime.has_extras else 'bare-'}{regime.kind}-1"
    if regime.use is not Use.SALE or regime.kind == MIXED or alone not in plan.regimes:
        return None
    return over(drawn, gain(regime.name, alone))


def variant(drawn: Sequence[Drawn], change: Change) -> Variant:
    """Return what comes of a change."""
    here = [one.variants[change.name] for one in drawn]

    def sure(measure: Callable[[Drawn], float]) -> Estimate:
        return Estimate(*estimate([measure(one) for one in here]))

    return Variant(
        change.name,
        change.title,
        sure(net(UTILITY.name)),
        sure(net(HOME.name)),
        {regime.kind: sure(gain(regime.name, UTILITY.name)) for regime in VARIED if regime.bidders},
    )


def document(plan: Plan, drawn: Sequence[Drawn]) -> Document:
    """Return every figure, for programs and for the report."""
    regimes = [told(plan, drawn, name) for name in plan.regimes]
    variants = [variant(drawn, change) for change in plan.changes]
    return Document(
        format=FORMAT,
        study="competition",
        seeds=plan.seeds,
        first_seed=plan.first_seed,
        days=plan.days,
        owners=len(drawn[0].world.owners),
        terms=_terms(plan.terms),
        attribution=list(ATTRIBUTION),
        verdict=verdict(regimes, variants),
        regimes=regimes,
        variants=variants,
        spans=[
            Span(
                one.world.seed,
                one.world.prices_from,
                one.world.homes_from,
                [extra / CENT for extra in one.world.extras],
                {name: net(name)(one) for name in plan.regimes},
            )
            for one in drawn
        ],
    )


def _terms(terms: Terms) -> dict[str, float]:
    """Return what was assumed, as people say it."""
    return {
        "efficiency_percent": terms.efficiency_ppm / PPM_PER_PERCENT,
        "wear": terms.wear / CENT,
        "fee": terms.fee / CENT,
        "retail": terms.retail / CENT,
        "tariff_low": terms.tariff_low / CENT,
        "tariff_high": terms.tariff_high / CENT,
        "bid_low": terms.bid_low / CENT,
        "bid_high": terms.bid_high / CENT,
        "extra_high": terms.extra_high / CENT,
        "markup": terms.markup / CENT,
        "panels_percent": terms.panels_percent,
    }


def rows(drawn: Sequence[Drawn]) -> pl.DataFrame:
    """Return a row for each seed, regime and owner: energies in Wh, money in nano-currency."""
    found = [
        {
            "seed": one.world.seed,
            "regime": name,
            "home": owner.home,
            "capacity_wh": owner.capacity_wh,
            "tariff_nano_per_wh": owner.tariff,
            "surplus_wh": account.surplus_wh,
            "charged_wh": account.charged_wh,
            "lost_wh": account.lost_wh,
            "fed_in_wh": account.fed_in_wh,
            "home_wh": account.home_wh,
            "sold_wh": account.sold_wh,
            "fed_in_nano": account.fed_in,
            "saved_nano": account.saved,
            "sold_nano": account.sold,
            "fees_nano": account.fees,
            "wear_nano": account.wear,
            "net_nano": account.net,
            "net_against_utility_nano": account.net - base.net,
        }
        for one in drawn
        for name, lived in one.lived.items()
        for owner, account, base in zip(
            one.world.owners, lived.accounts, one.lived[UTILITY.name].accounts, strict=True
        )
    ]
    return pl.DataFrame(found)


def write_rows(drawn: Sequence[Drawn], path: Path) -> None:
    """Write the rows as CSV, or as Parquet where the name ends so."""
    frame = rows(drawn)
    if path.suffix == ".parquet":
        frame.write_parquet(path, compression="zstd")
    else:
        frame.write_csv(path)
