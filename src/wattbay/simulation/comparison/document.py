"""A comparison as it is kept: one document, and a row for each home and delivery by rule."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import to_builtins

from wattbay.periods import MINUTE, Instant, to_text
from wattbay.simulation.comparison.figures import (
    Figures,
    figures,
    paid_by_delivery,
    traded_by_delivery,
)
from wattbay.simulation.comparison.lived import deliveries_of
from wattbay.simulation.comparison.outcome import Outcome, Unfit
from wattbay.simulation.comparison.rules import Found, Rule
from wattbay.simulation.comparison.sums import cost_nano
from wattbay.simulation.scenario_facts import Home, Scenario

FORMAT = 1
"""Of the document."""

HomeRow = tuple[str, str, int, int, int, float, int]
"""Rule, pod, cost before tax and standing charges, bill with both, saved against no market
[nano-currency]; peak power of its panels [kW], capacity of its battery [Wh]."""
PriceRow = tuple[str, Instant, float | None, float | None, int]
"""Rule, delivery, what was paid for energy drawn, price between neighbours [nano-currency per Wh];
traded [Wh]."""


class Compared(NamedTuple):
    """What a rule came to in a comparison."""

    rule: Rule
    figures: Figures | None
    """None where the scenario cannot be lived by the rule."""
    unfit: str
    """Why not; empty where it can."""
    homes: list[HomeRow]
    prices: list[PriceRow]


class Comparison:
    """Measures one rule after the other against the first."""

    def __init__(self, scenario: Scenario) -> None:
        """Compare rules on a scenario, as it was given."""
        self._scenario = scenario
        self._alone: Outcome | None = None
        self.rows: list[Compared] = []
        """In the order in which rules were taken."""

    def take(self, rule: Rule, found: Found) -> Compared:
        """Measure what a rule came to; the first is what others are compared with."""
        if isinstance(found, Unfit):
            row = Compared(rule, None, found.reason, [], [])
        else:
            if self._alone is None:
                self._alone = found
            row = self._measured(rule, self._alone, found)
        self.rows.append(row)
        return row

    def _measured(self, rule: Rule, alone: Outcome, found: Outcome) -> Compared:
        before = cost_nano(alone.table).sum(axis=0).tolist()
        after = cost_nano(found.table).sum(axis=0).tolist()
        columns = zip(self._scenario.homes, before, after, found.bill_nano, strict=True)
        starts = deliveries_of(self._scenario)
        traded = traded_by_delivery(found, len(starts))
        by_delivery = zip(starts, paid_by_delivery(found), traded, strict=True)
        return Compared(
            rule,
            figures(self._scenario, alone, found),
            "",
            [
                (rule.name, home.pod, cost, bill, alone - cost, home.pv_kwp, _battery_wh(home))
                for home, alone, cost, bill in columns
            ],
            [
                (rule.name, start, paid, price, energy)
                for start, paid, (energy, price) in by_delivery
            ],
        )

    def document(self) -> dict[str, object]:
        """Return what is kept as JSON, without what differs between machines."""
        scenario = self._scenario
        return {
            "format": FORMAT,
            "scenario": scenario.id,
            "title": scenario.title,
            "description": scenario.description,
            "seed": scenario.seed,
            "pods": len(scenario.homes),
            "days": [day.isoformat() for day, _ in scenario.days],
            "start": to_text(scenario.start),
            "end": to_text(scenario.end),
            "time_zone": scenario.calendar.zone,
            "isp_minutes": scenario.isp_us // MINUTE,
            "currency": scenario.currency,
            "minor_digits": scenario.minor_digits,
            "attribution": list(scenario.attribution),
            "rules": [
                {
                    "rule": row.rule.name,
                    "title": row.rule.title,
                    "about": row.rule.about,
                    "way": row.rule.way,
                    "unfit": row.unfit or None,
                    "figures": None if row.figures is None else to_builtins(row.figures),
                }
                for row in self.rows
            ],
        }


def _battery_wh(home: Home) -> int:
    return 0 if home.battery is None else round(home.battery.capacity_wh)
