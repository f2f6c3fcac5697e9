"""Scenario files that name a mechanism and a rule: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from wattbay.agents.operator import RuleTerms
from wattbay.core.facts import Mechanism
from wattbay.errors import ConfigError
from wattbay.ids import PodId
from wattbay.periods import MINUTE
from wattbay.simulation.scenario import PACKAGED, load_scenario
from wattbay.simulation.scenario_facts import Scenario
from wattbay.simulation.town import Kind, results


def a_street(folder: Path, product: str, more: str = "") -> Scenario:
    """Load the street with more words in its product, and at its end."""
    text = (PACKAGED / "street.toml").read_text(encoding="utf-8")
    text = text.replace('"data/', f'"{PACKAGED.as_posix()}/data/')
    text = text.replace("[product]", f"[product]\n{product}")
    (folder / "scenario.toml").write_text(text + more, encoding="utf-8")
    return load_scenario(folder, days=1)


def test_scenarios_are_cleared_by_the_core_unless_they_say_otherwise() -> None:
    for name in ("street", "london-week"):
        scenario = load_scenario(name)
        product = scenario.product
        assert (product.mechanism, product.rule, product.clearing_us) == (
            Mechanism.CALL_AUCTION,
            "",
            0,
        )
        assert scenario.rule_terms == RuleTerms()
        assert not list(results(scenario, [scenario.start]))


def test_a_submitted_result_is_brought_when_the_gate_has_closed(tmp_path: Path) -> None:
    street = a_street(tmp_path, 'mechanism = "submitted"\nrule = "muda"')
    assert (street.product.rule, street.product.clearing_us) == ("muda", 5 * MINUTE)
    (moment,) = results(street, [street.start])
    assert moment == (street.start - 60 * MINUTE, Kind.CLEAR, 0)


def test_a_submitted_result_waits_for_the_network_check(tmp_path: Path) -> None:
    product = 'mechanism = "submitted"\nrule = "huang"\nnetwork_check_minutes = 10'
    street = a_street(tmp_path, product)
    assert not street.has_grid_operator
    (moment,) = results(street, [street.start])
    assert moment.at == street.start - 60 * MINUTE


def test_metered_energy_is_allocated_just_before_it_is_settled(tmp_path: Path) -> None:
    more = "[rule]\nprice_cents_per_kwh = 5.5\nweights = { h01 = 2 }\nlevels = { h03 = 1 }"
    street = a_street(tmp_path, 'mechanism = "community"\nrule = "static_key"', more)
    assert street.rule_terms == RuleTerms({PodId("h01"): 2}, {PodId("h03"): 1}, 55_000)
    (moment,) = results(street, [street.start])
    run = street.start + street.isp_us + street.runs[0].after_us
    assert moment == (run - MINUTE, Kind.ALLOCATE, 0)


@pytest.mark.parametrize(
    ("product", "more", "fault"),
    [
        ('mechanism = "submited"', "", "did you mean submitted?"),
        ('mechanism = "submitted"\nrule = "hung"', "", "did you mean huang?"),
        ('mechanism = "submitted"', "", "rule"),
        ('mechanism = "community"\nrule = "bill_sharing"', "", "one of mid_market"),
        ('rule = "huang"', "", "a call_auction market has no rule"),
        ("clearing_minutes = 5", "", "only a submitted market waits"),
        ('mechanism = "submitted"\nrule = "huang"\nclearing_minutes = 0', "", "clearing_minutes"),
        ("", "[rule]\nprice_cents_per_kwh = 5", "only the rule of a community market"),
    ],
)
def test_what_does_not_fit_is_told_with_its_line(
    tmp_path: Path, product: str, more: str, fault: str
) -> None:
    with pytest.raises(ConfigError, match=r"scenario\.toml:") as caught:
        a_street(tmp_path, product, more)
    assert fault in str(caught.value)


def test_a_community_is_settled_after_its_energy_is_known(tmp_path: Path) -> None:
    text = (PACKAGED / "street.toml").read_text(encoding="utf-8")
    hours = next(line for line in text.splitlines() if line.startswith("after_hours"))
    text = text.replace('"data/', f'"{PACKAGED.as_posix()}/data/')
    text = text.replace(hours, "after_hours = 0", 1)
    text = text.replace("[product]", '[product]\nmechanism = "community"\nrule = "mid_market"')
    (tmp_path / "scenario.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="before it is allocated"):
        load_scenario(tmp_path)
