"""How a scenario's product is cleared: its mechanism, and the rule of the market operator."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import structs

from wattbay.agents.operator import AuctionRule, RuleTerms
from wattbay.clearing.allocation import Rule
from wattbay.core.facts import Mechanism, Product
from wattbay.ids import PodId
from wattbay.periods import MINUTE
from wattbay.simulation.scenario_file import Table

CLEARING_US = 5 * MINUTE
"""How long the operator has, where a file does not say. [µs]"""
BY_OPERATOR = frozenset({Mechanism.SUBMITTED, Mechanism.COMMUNITY})
"""Mechanisms whose results the market operator brings."""
_RULES: Mapping[Mechanism, tuple[str, ...]] = MappingProxyType(
    {Mechanism.SUBMITTED: tuple(AuctionRule), Mechanism.COMMUNITY: tuple(Rule)}
)
WEIGHT_MAX = 1_000_000_000


def read_mechanism(table: Table, product: Product) -> Product:
    """Read how orders become trades, from ``[product]``; and by which rule, where there is one."""
    mechanism = Mechanism(table.choice("mechanism", tuple(Mechanism), Mechanism.CALL_AUCTION))
    rule, clearing_us = "", 0
    if mechanism in BY_OPERATOR and "rule" not in table:
        what = f"{table.key('rule')} is missing: by what the operator clears a {mechanism} market"
        table.fault("rule", what, f"one of {', '.join(_RULES[mechanism])}")
    elif mechanism in BY_OPERATOR:
        rule = table.choice("rule", _RULES[mechanism])
    elif "rule" in table:
        what = f"{table.key('rule')}: a {mechanism} market has no rule of the operator's"
        table.fault("rule", what, "leave it out, or name another mechanism")
    if mechanism is Mechanism.SUBMITTED:
        clearing_us = table.minutes("clearing_minutes", CLEARING_US, least=1)
    elif "clearing_minutes" in table:
        table.fault("clearing_minutes", "only a submitted market waits for a result")
    table.known("rule")
    table.known("clearing_minutes")
    return structs.replace(product, mechanism=mechanism, rule=rule, clearing_us=clearing_us)


def read_rule(root: Table, product: Product) -> RuleTerms:
    """Read ``[rule]``: what the rule of a community product asks for besides."""
    table = root.table("rule")
    price: int | None = None
    if "price_cents_per_kwh" in table:
        price = table.price("price_cents_per_kwh", least=-(10**9))
    table.known("price_cents_per_kwh")
    terms = RuleTerms(_by_pod(table.table("weights")), _by_pod(table.table("levels")), price)
    if terms != RuleTerms() and product.mechanism is not Mechanism.COMMUNITY:
        root.fault("rule", "only the rule of a community market is told more", "leave it out")
    return terms


def _by_pod(table: Table) -> dict[PodId, int]:
    """Read a whole number for each pod that is named."""
    return {PodId(name): table.integer(name, most=WEIGHT_MAX) for name in table.names()}
