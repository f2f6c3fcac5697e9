"""Real homes: honest ones are suspected seldom, and what is done to them is found."""

from __future__ import annotations

import pytest

from benchmarks.suspects import FAULTS, devices, faulty, honest
from wattbay.watch.anomalies import SEVERITY, Anomaly, Severity

HOMES = 6
ALERTS_A_MONTH_MAX = 0.5
FOUND_OF_PLAIN, FOUND_OF_SUDDEN = 0.9, 0.6
PLAIN = [one for one in FAULTS if one.wanted is not Anomaly.SUDDEN_CHANGE]
SUDDEN = [one for one in FAULTS if one.name in {"energy × 10", "energy × 3", "energy × 1/10"}]


@pytest.mark.parametrize("kind", ["meters", "meters with panels", "inverters"])
def test_year_of_honest_readings_is_suspected_seldom_and_never_refused(kind: str) -> None:
    year = honest(kind, devices()[kind][:HOMES])
    hard = [one for one in year.findings if SEVERITY[one] is Severity.HARD]
    assert hard == []
    assert year.soft(year.alerts) < ALERTS_A_MONTH_MAX


@pytest.mark.parametrize("kind", ["meters", "inverters"])
def test_faults_that_leave_no_doubt_are_found(kind: str) -> None:
    found = {one.fault: one.share for one in faulty(kind, devices()[kind][:HOMES], PLAIN)}
    assert found
    assert {fault: share for fault, share in found.items() if share < FOUND_OF_PLAIN} == {}


def test_energy_that_is_far_off_is_found_within_a_fortnight() -> None:
    kind = "meters with panels"
    found = {one.fault: one.share for one in faulty(kind, devices()[kind][:HOMES], SUDDEN)}
    assert len(found) == len(SUDDEN)
    assert {fault: share for fault, share in found.items() if share < FOUND_OF_SUDDEN} == {}
