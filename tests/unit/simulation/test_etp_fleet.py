"""Fleet files, and fleets of one battery by options."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbay.adapters.etp.bess import judge_as_gateway
from wattbay.core.events import Rejected
from wattbay.core.exchange import Exchange
from wattbay.errors import ConfigError
from wattbay.periods import Instant, instant
from wattbay.simulation.etp_fleet import DEFAULT, Alone, fleet_of, read_fleet

TEXT = DEFAULT.read_text(encoding="utf-8")


def faults_of(folder: Path, text: str) -> list[str]:
    file = folder / "fleet.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as told:
        read_fleet(file)
    return [str(fault) for fault in told.value.faults]


def test_packaged_fleet_has_three_batteries_and_five_aggregators() -> None:
    fleet = read_fleet(DEFAULT)
    assert [one.device for one in fleet.members] == [101, 102, 103, 201, 202, 203, 204, 205]
    first = fleet.batteries[0]
    assert (first.bess.capacity_wh, first.bess.level_wh) == (15_000, 8_000)
    assert (first.bess.reserve_price, first.bess.discharge_w) == (83_000, 5_000)
    assert (first.rules.window_us, first.rules.pause_us) == (300_000, (2_000_000, 10_000_000))
    assert [one.plan.cap for one in fleet.bidders] == [300_000, 250_000, 280_000, 320_000, 260_000]


@given(st.integers(0, 366 * 24 * 60 * 60))
def test_fleet_can_be_founded_at_any_instant(seconds: int) -> None:
    at = Instant(instant("2026-01-01T00:00Z") + seconds * 1_000_000 + 7)
    exchange = Exchange()
    for command in read_fleet(DEFAULT).founding(at, {}):
        events = exchange.decide(command, at)
        assert not isinstance(events[0], Rejected), (command, events)
        exchange.apply_all(events)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('mechanism = "bilateral"', 'mechanism = "call_auction"', "agreed between two"),
        ("level_kwh = 8", "level_kwh = 16", "more than the capacity"),
        ("pause_max_s = 10", "pause_max_s = 1", "less than pause_min_s"),
        ("device = 102", "device = 101", "101 is there twice"),
        ("device = 205", "device = 103", "103 is there twice"),
        ("health = 2", "health = 4", "out of range"),
        ("window_ms = 300", "window_ms = 1_000", "out of range"),
        ("speed = 60", "sped = 60", "speed"),
        ('strategy = "aggressive"', 'strategy = "agressive"', "did you mean aggressive?"),
        ("capacity_kwh = 15", "capacity = 15", "capacity_kwh"),
        ("percentage_for_sale = 80", "percentage_for_sale = nan", "no number"),
    ],
)
def test_fault_is_told_with_its_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in TEXT
    text = TEXT.replace(old, new, 1)
    found = [fault for fault in faults_of(tmp_path, text) if words in fault]
    assert found
    assert "fleet.toml:" in found[0]


def test_stricter_policy_may_be_chosen(tmp_path: Path) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text(TEXT.replace("device = 101", 'device = 101\npolicy = "gateway"', 1))
    assert read_fleet(file).batteries[0].rules.judge is judge_as_gateway


def test_battery_alone_has_a_community_of_its_own() -> None:
    fleet = fleet_of(Alone(7, capacity_kwh=10, bidders=(8, 9)))
    assert fleet.community == "bess-7"
    assert [one.pod for one in fleet.members] == ["bess-7", "aggregator-8", "aggregator-9"]
    assert fleet.batteries[0].bess.level_wh == 8_000


@pytest.mark.parametrize(
    ("alone", "option"),
    [
        (Alone(0), "DEVICE"),
        (Alone(1, capacity_kwh=0), "--capacity-kwh"),
        (Alone(1, level_kwh=16), "--level-kwh"),
        (Alone(1, reserve_cents=-1), "--reserve-cents"),
        (Alone(1, percentage=101), "--for-sale"),
        (Alone(1, discharge_kw=0), "--discharge-kw"),
        (Alone(1, window_ms=901), "--window-ms"),
        (Alone(1, speed=0), "--speed"),
        (Alone(1, credit_cents=0), "--credit-cents"),
        (Alone(1, bidders=(1,)), "--bidder"),
        (Alone(1, bidders=(2, 2)), "--bidder"),
    ],
)
def test_option_that_makes_no_sense_is_named(alone: Alone, option: str) -> None:
    with pytest.raises(ConfigError) as told:
        fleet_of(alone)
    assert [fault.where for fault in told.value.faults] == [option]
