"""All rules that a community can be compared under, and the ground that they share."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from wattbay.agents.operator import AuctionRule
from wattbay.clearing.allocation import Rule as Key
from wattbay.core.facts import Deviations, Mechanism, Pricing
from wattbay.errors import ConfigError, Fault
from wattbay.simulation.comparison import retail, shared
from wattbay.simulation.comparison.lived import Life, Living, with_product
from wattbay.simulation.comparison.meters import with_fixed_meters
from wattbay.simulation.comparison.outcome import Outcome, Unfit
from wattbay.simulation.comparison.settled import Afterwards
from wattbay.simulation.scenario_facts import Scenario
from wattbay.simulation.scenario_rule import CLEARING_US

EXCHANGE, AFTERWARDS = "exchange", "afterwards"
"""How a rule is found: lived through by the exchange, or settled on the meters of the life alone.
"""

Found = Outcome | Unfit


class Ground:
    """What rules start from: fixed meters, and the life without a market."""

    def __init__(self, scenario: Scenario) -> None:
        """Fix the meters; nothing is lived through yet."""
        self.scenario = with_fixed_meters(scenario)
        self._alone: Life | None = None

    def alone(self) -> Life:
        """Return the life of homes that nobody trades with, each with its supplier."""
        if self._alone is None:
            # A product without orders, whose energy nobody allocates.
            self._alone = lived(by_community(self.scenario, Key.DYNAMIC_KEY), quiet=True)
        return self._alone

    def books(self) -> Afterwards:
        """Return the meters of the life without a market, to be settled by other rules."""
        return Afterwards(self.scenario, self.alone())


def lived(scenario: Scenario, *, quiet: bool = False) -> Life:
    """Live a variant through to its end."""
    living = Living(scenario, quiet=quiet)
    for _ in living.steps():
        pass
    return living.life()


def by_community(scenario: Scenario, key: Key) -> Scenario:
    """Return a scenario whose metered energy the market operator allocates by a rule.

    What is left of a home's energy is its supplier's. Where the scenario names no levels of the
    hierarchical key, homes without panels come first: the others have had their own already.
    """
    terms = scenario.rule_terms
    if not terms.levels:
        terms = terms._replace(levels={home.pod: int(home.pv_kwp > 0) for home in scenario.homes})
    return with_product(
        _not_continuous(replace(scenario, rule_terms=terms)),
        mechanism=Mechanism.COMMUNITY,
        rule=key.value,
        clearing_us=0,
        deviations=Deviations.INDIVIDUAL,
    )


def by_orders(
    scenario: Scenario,
    mechanism: Mechanism,
    *,
    pricing: Pricing = Pricing.UNIFORM,
    rule: AuctionRule | None = None,
) -> Scenario:
    """Return a scenario whose homes order, and another market for their orders."""
    is_continuous = mechanism is Mechanism.CONTINUOUS
    return with_product(
        scenario if is_continuous else _not_continuous(scenario),
        mechanism=mechanism,
        pricing=pricing,
        rule="" if rule is None else rule.value,
        clearing_us=0 if rule is None else CLEARING_US,
    )


def _not_continuous(scenario: Scenario) -> Scenario:
    """Return a scenario without what its product says of continuous trading alone."""
    return with_product(scenario, self_trade=None, opening_before_us=None, network_fees=())


class Rule(NamedTuple):
    """A way to trade, or not to."""

    name: str
    """As it is typed."""
    title: str
    """As it is read."""
    about: str
    """In a sentence."""
    way: str
    """`EXCHANGE` or `AFTERWARDS`."""
    run: Callable[[Ground], Found]


def _dynamic(ground: Ground) -> Found:
    series = retail.by_series(ground.scenario)
    if series is not None:
        return retail.repriced(ground.books(), series, shifted=True)
    shape = retail.by_carbon(ground.scenario)
    if shape is None:
        return Unfit("the scenario has neither a price series nor the carbon of its grid")
    return retail.repriced(ground.books(), shape)


def _share_bill(ground: Ground) -> Found:
    books = ground.books()
    if not shared.has_one_tariff(books):
        return Unfit("homes have several tariffs, so there is no one bill to share")
    return shared.share_bill(books)


def _community(key: Key) -> Callable[[Ground], Found]:
    return lambda ground: lived(by_community(ground.scenario, key)).outcome


def _auction(pricing: Pricing) -> Callable[[Ground], Found]:
    return lambda ground: (
        lived(by_orders(ground.scenario, Mechanism.CALL_AUCTION, pricing=pricing)).outcome
    )


def _submitted(rule: AuctionRule) -> Callable[[Ground], Found]:
    return lambda ground: lived(by_orders(ground.scenario, Mechanism.SUBMITTED, rule=rule)).outcome


def _continuous(ground: Ground) -> Found:
    return lived(by_orders(ground.scenario, Mechanism.CONTINUOUS)).outcome


RULES: tuple[Rule, ...] = (
    Rule(
        "none",
        "No market",
        "Each home alone with its supplier, by its own tariff.",
        EXCHANGE,
        lambda ground: ground.alone().outcome,
    ),
    Rule(
        "fixed",
        "Fixed price",
        "Alone, at one price of energy at all times.",
        AFTERWARDS,
        lambda ground: retail.repriced(ground.books(), retail.flat),
    ),
    Rule(
        "time_of_use",
        "Time of use",
        "Alone, with a cheap night (before 7) and a dear evening (16 to 20): 0.6 : 1 : 1.6.",
        AFTERWARDS,
        lambda ground: retail.repriced(ground.books(), retail.time_of_use(ground.scenario)),
    ),
    Rule(
        "dynamic",
        "Dynamic price",
        "Alone, at the scenario's price series, or else a price that runs as the grid's carbon.",
        AFTERWARDS,
        _dynamic,
    ),
    Rule(
        "mid_market",
        "Mid-market rate",
        "Neighbours' energy at the middle of what it is worth to buyers and to the supplier.",
        EXCHANGE,
        _community(Key.MID_MARKET),
    ),
    Rule(
        "supply_demand_ratio",
        "Supply-demand ratio",
        "At a price that falls as the community has more to give.",
        EXCHANGE,
        _community(Key.SUPPLY_DEMAND_RATIO),
    ),
    Rule(
        "bill_sharing",
        "Bill sharing",
        "One bill of all days, shared by one price to buy and one to sell.",
        AFTERWARDS,
        _share_bill,
    ),
    Rule(
        "static_key",
        "Static key",
        "Equal parts of the surplus for all homes, at the middle price.",
        EXCHANGE,
        _community(Key.STATIC_KEY),
    ),
    Rule(
        "dynamic_key",
        "Dynamic key",
        "Surplus by what each home draws, at the middle price.",
        EXCHANGE,
        _community(Key.DYNAMIC_KEY),
    ),
    Rule(
        "hierarchical_key",
        "Hierarchical key",
        "Homes without panels first, then the others, at the middle price.",
        EXCHANGE,
        _community(Key.HIERARCHICAL_KEY),
    ),
    Rule(
        "uniform",
        "Uniform auction",
        "One price for all that trade a delivery.",
        EXCHANGE,
        _auction(Pricing.UNIFORM),
    ),
    Rule(
        "pay_as_bid",
        "Pay-as-bid auction",
        "Everybody pays or gets its own limit; the market keeps the difference.",
        EXCHANGE,
        _auction(Pricing.PAY_AS_BID),
    ),
    Rule(
        "continuous",
        "Continuous trading",
        "One order at a time, at the price of whoever was there first.",
        EXCHANGE,
        _continuous,
    ),
    Rule(
        "huang",
        "Truthful: Huang",
        "The last pair to meet sets the prices and does not trade.",
        EXCHANGE,
        _submitted(AuctionRule.HUANG),
    ),
    Rule(
        "muda",
        "Truthful: MUDA",
        "Two halves by lot; each trades at the other's price.",
        EXCHANGE,
        _submitted(AuctionRule.MUDA),
    ),
)
"""In the order in which they are shown; the first is what all others are compared with."""

BY_NAME: Mapping[str, Rule] = MappingProxyType({rule.name: rule for rule in RULES})


def chosen(names: Sequence[str]) -> list[Rule]:
    """Return the rules that are named, in the order of the table; the first always.

    Raises
    ------
    ConfigError
        If a name is none.
    """
    faults = []
    for name in names:
        if name not in BY_NAME:
            near = difflib.get_close_matches(name, BY_NAME, n=1)
            remedy = f"did you mean {near[0]}?" if near else f"known are {', '.join(BY_NAME)}"
            faults.append(Fault("--rules", f"there is no rule {name!r}", remedy))
    if faults:
        raise ConfigError(*faults)
    return [rule for rule in RULES if rule.name in names or rule is RULES[0]]
