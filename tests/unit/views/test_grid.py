"""What is reported of the grid, and how voltages kept to their band."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import EVE, MIDNIGHT, a_kernel, a_town, pod_facts
from wattbay.core import commands as c
from wattbay.core import devices as d
from wattbay.core.facts import Device, DeviceKind
from wattbay.ids import CommunityId, MeterId, PodId, ZoneId
from wattbay.kernel.evidence import Reading
from wattbay.periods import DAY, Instant
from wattbay.views.grid import (
    NOWHERE,
    WORST_MAX,
    Place,
    Steadiness,
    band_of,
    places,
    voltages_of,
    zones_now,
)

SENSOR = MeterId("s1")
Z1 = ZoneId("z1")


def a_voltage(voltage_mv: int | None, *, device: MeterId = SENSOR, at: int = EVE) -> Reading:
    return Reading(CommunityId("town"), device, 1, 1, Instant(at), 0, 0, 0, None, voltage_mv, b"")


def a_sensor(device: MeterId = SENSOR, *, zone: ZoneId = Z1) -> Place:
    return Place(device, DeviceKind.GRID_SENSOR, zone, None)


def test_the_band_is_ten_percent_about_the_nominal_voltage() -> None:
    band = band_of()
    assert (band.low_mv, band.high_mv) == (207_000, 253_000)
    assert 207_000 in band
    assert 253_000 in band
    assert 253_001 not in band


def test_sensors_stand_in_their_own_zone_or_in_that_of_their_pod() -> None:
    sensors = [
        Device(device=MeterId("s1"), kind=DeviceKind.GRID_SENSOR, key=bytes(32), zone=ZoneId("z9")),
        Device(device=MeterId("s2"), kind=DeviceKind.GRID_SENSOR, key=bytes(32), pod=PodId("h01")),
        Device(device=MeterId("s3"), kind=DeviceKind.GRID_SENSOR, key=bytes(32)),
        Device(device=MeterId("p1"), kind=DeviceKind.PV_INVERTER, key=bytes(32), pod=PodId("h01")),
    ]
    kernel = a_kernel(*a_town(), *(d.RegisterDevice(device=one) for one in sensors))
    found = {one.device: one.zone for one in places(kernel.exchange.state, EVE)}
    assert found == {"m-h01": "z1", "m-h02": "z1", "s1": "z9", "s2": "z1", "s3": NOWHERE}


def test_a_pod_counts_in_the_zone_where_it_is_now() -> None:
    moves = c.ChangePod(facts=pod_facts("h01", party="p01", zone="z2", since=MIDNIGHT + DAY))
    state = a_kernel(*a_town(), moves).exchange.state
    assert [(one.zone, one.pods) for one in zones_now(state, {}, EVE)] == [("z1", 2)]
    later = zones_now(state, {}, Instant(MIDNIGHT + DAY))
    assert [(one.zone, one.pods) for one in later] == [("z1", 1), ("z2", 1)]


def test_no_voltages_have_no_mean() -> None:
    assert voltages_of([]) is None
    assert voltages_of([230_001, 230_000]) == (230_000, 230_000, 230_001, 2)


def test_a_reading_counts_once_and_only_of_a_device_that_is_meant() -> None:
    found = Steadiness([a_sensor()], band_of())
    for reading in (
        a_voltage(260_000),
        a_voltage(260_000),
        a_voltage(None, at=EVE + 1),
        a_voltage(300_000, device=MeterId("stranger")),
    ):
        found.add(reading)
    assert (found.samples, found.violations, found.devices_heard) == (1, 1, 1)
    assert [one.voltage_mv for one in found.worst()] == [260_000]


@given(st.lists(st.integers(min_value=150_000, max_value=300_000), max_size=300))
def test_the_worst_are_those_furthest_from_the_band(voltages: list[int]) -> None:
    band = band_of()
    found = Steadiness([a_sensor()], band)
    for place, voltage_mv in enumerate(voltages):
        found.add(a_voltage(voltage_mv, at=EVE + place))
    beyond = [max(band.low_mv - one, one - band.high_mv) for one in voltages if one not in band]
    told = [
        max(band.low_mv - one.voltage_mv, one.voltage_mv - band.high_mv) for one in found.worst()
    ]
    assert found.violations == len(beyond)
    assert told == sorted(beyond, reverse=True)[:WORST_MAX]
