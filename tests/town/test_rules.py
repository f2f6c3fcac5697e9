"""A street under each rule of the market operator: run, replayed, verified, and nobody loses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.towns import Lived, lived
from wattbay.agents.operator import AuctionRule
from wattbay.clearing.allocation import Rule
from wattbay.core.events import AuctionCleared
from wattbay.kernel.codec import decode
from wattbay.kernel.replay import verify
from wattbay.simulation.scenario import PACKAGED, load_scenario
from wattbay.simulation.scenario_facts import Scenario

AUCTION = 'mechanism = "submitted"\nrule = "{}"\nclearing_minutes = 2'
AFTERWARDS = 'mechanism = "community"\nrule = "{}"\ndeviations = "individual"'
KEYS = """
[rule]
price_cents_per_kwh = 5.5
[rule.weights]
h03 = 3
h06 = 1
[rule.levels]
h11 = 1
"""


def a_street(folder: Path, product: str, more: str = "") -> Scenario:
    """Load the street with other words in its product."""
    text = (PACKAGED / "street.toml").read_text(encoding="utf-8")
    text = text.replace('"data/', f'"{PACKAGED.as_posix()}/data/')
    text = text.replace('deviations = "pooled"\n', "")
    text = text.replace('[product]\nid = "half-hour"', f'[product]\nid = "half-hour"\n{product}')
    (folder / "scenario.toml").write_text(text + more, encoding="utf-8")
    return load_scenario(folder, days=1)


def assert_whole(town: Lived) -> None:
    """Money sums to zero, nothing is held or open, and the journal decides the same again."""
    state = town.kernel.exchange.state
    assert sum(state.ledger.money.values()) == 0
    assert state.ledger.money.get("pool", 0) == 0
    assert not state.ledger.held
    assert not state.ledger.energy
    assert not state.deliveries.open
    found = verify(town.journal, head=town.journal.head)
    assert found.exchange.state.ledger.money == state.ledger.money
    assert not {row[2] for row in town.rows["refusals"]} & {"SubmitClearing", "SubmitAllocation"}


@pytest.mark.parametrize("rule", list(AuctionRule))
def test_a_street_is_cleared_by_submitted_results(tmp_path: Path, rule: AuctionRule) -> None:
    town = lived(a_street(tmp_path, AUCTION.format(rule)))
    assert_whole(town)
    events = [
        event for seq, data, _ in town.journal.rows() for event in decode(data, seq=seq).events
    ]
    cleared = [event for event in events if isinstance(event, AuctionCleared)]
    assert [one.rule for one in cleared] == [rule] * 48
    assert {row[8] for row in town.rows["prices"]} == {rule}
    traded = sum(one.volume_wh for one in cleared)
    assert traded == sum(int(row[6] or 0) for row in town.rows["trades"]) > 0


def test_a_submitted_uniform_auction_comes_to_the_same_as_the_cores_own(tmp_path: Path) -> None:
    ours = lived(load_scenario("street", days=1))
    theirs = lived(a_street(tmp_path, AUCTION.format("uniform") + '\ndeviations = "pooled"'))
    assert theirs.rows["receipts"] == ours.rows["receipts"]
    assert [row[:7] for row in theirs.rows["statements"]] == [
        row[:7] for row in ours.rows["statements"]
    ]


@pytest.mark.parametrize("rule", list(Rule))
def test_nobody_loses_by_what_is_allocated_after_the_fact(tmp_path: Path, rule: Rule) -> None:
    town = lived(a_street(tmp_path, AFTERWARDS.format(rule), KEYS))
    assert_whole(town)
    assert {row[8] for row in town.rows["prices"]} == {rule}
    assert town.rows["trades"]
    assert not town.rows["orders"]
    first = [row for row in town.rows["receipts"] if row[5] == 1]
    assert len(first) == 6 * 48
    gains = [int(row[22] or 0) - int(row[21] or 0) for row in first]
    assert min(gains) >= 0
    assert sum(gains) > 0
    if rule is Rule.STATIC_KEY:
        assert {row[4] for row in town.rows["trades"]} <= {"h03", "h06"}
