"""Simulated meters: rising registers, and what they publish."""

from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from tests.builders import ISP_US, MIDNIGHT, a_meter
from wattbay.adapters.mqtt.readings import decode
from wattbay.core.commands import SubmitReading
from wattbay.core.facts import Meter
from wattbay.ids import CommunityId, MeterId, PodId
from wattbay.periods import Instant
from wattbay.simulation.meters import NEAR_END_WH, Meters, meter_key, new_meter

TOWN = CommunityId("town")
SEED = 7


class Fitted(NamedTuple):
    """Meters, and the keys that they were put in with."""

    meters: Meters
    keys: dict[MeterId, bytes]

    def readings(self, at: Instant = MIDNIGHT) -> list[SubmitReading]:
        """Publish, and read what was published."""
        return [
            decode(publication.payload, publication.topic, self.keys.get)
            for publication in self.meters.publish(at)
        ]

    def registers(self) -> list[tuple[int, int]]:
        return [(one.import_register, one.export_register) for one in self.readings()]


def fitted(*meters: Meter) -> Fitted:
    meters = meters or (a_meter("m1"), a_meter("m2"))
    pods = [PodId(f"h{place}") for place, _ in enumerate(meters)]
    keys = {meter.meter: meter_key(SEED, meter.meter)[0] for meter in meters}
    return Fitted(Meters(TOWN, SEED, pods, meters), keys)


def test_keys_depend_on_seed_and_meter_alone() -> None:
    public, signing = meter_key(SEED, MeterId("m1"))
    assert (len(public), len(signing)) == (32, 64)
    assert meter_key(SEED, MeterId("m1")) == (public, signing)
    assert meter_key(SEED, MeterId("m2"))[0] != public != meter_key(8, MeterId("m1"))[0]


def test_what_is_published_is_what_the_registers_show() -> None:
    town = fitted()
    town.meters.add(np.array([250.0, 0.0]), np.array([0.0, 1_200.0]))
    first, second = town.readings(Instant(MIDNIGHT + ISP_US))
    assert (first.meter, first.import_register, first.export_register) == ("m1", 250, 0)
    assert (second.meter, second.import_register, second.export_register) == ("m2", 0, 1_200)
    assert {first.measured_at, second.measured_at} == {MIDNIGHT + ISP_US}


def test_readings_are_numbered_without_gaps_from_each_start_on() -> None:
    town = fitted()
    names = [[(one.boot, one.seq) for one in town.readings()] for _ in range(2)]
    assert names == [[(1, 1), (1, 1)], [(1, 2), (1, 2)]]
    town.meters.restart(0)
    assert [(one.boot, one.seq) for one in town.readings()] == [(2, 1), (1, 3)]


def test_rounding_never_accumulates() -> None:
    town = fitted(a_meter("m1"))
    for _ in range(1_000):
        town.meters.add(np.array([0.3]), np.array([0.7]))
    assert town.registers() == [(300, 700)]


def test_register_begins_at_its_initial_value_and_rolls_over() -> None:
    meter = replace(a_meter("m1", digits=4), import_register=9_990, export_register=5)
    town = fitted(meter)
    assert town.registers() == [(9_990, 5)]
    town.meters.add(np.array([25.0]), np.array([9_994.0]))
    assert town.registers() == [(15, 9_999)]


def test_register_counts_in_its_own_unit() -> None:
    town = fitted(replace(a_meter("m1"), unit_wh=10))
    town.meters.add(np.array([104.0]), np.array([106.0]))
    assert town.registers() == [(10, 11)]


def test_exchanged_meter_tells_its_last_registers_and_another_goes_on() -> None:
    town = fitted()
    town.meters.add(np.array([250.0, 40.0]), np.array([0.0, 0.0]))
    town.readings()
    other = replace(a_meter("m3"), import_register=70)
    command = town.meters.replace(0, SEED, other, MIDNIGHT)
    assert (command.pod, command.at, command.meter) == ("h0", MIDNIGHT, other)
    assert (command.final_import, command.final_export) == (250, 0)
    town.keys[other.meter] = meter_key(SEED, other.meter)[0]
    town.meters.add(np.array([5.0, 5.0]), np.array([0.0, 0.0]))
    first, second = town.readings()
    assert (first.meter, first.boot, first.seq, first.import_register) == ("m3", 1, 1, 75)
    assert (second.meter, second.seq, second.import_register) == ("m2", 2, 45)


def test_new_meters_differ_and_some_are_near_the_end_of_their_registers() -> None:
    meters = [new_meter(SEED, MeterId(f"m{number}")) for number in range(200)]
    assert meters[3] == new_meter(SEED, MeterId("m3"))
    assert len({meter.import_register for meter in meters}) == 200
    near = [meter for meter in meters if meter.import_register >= 10**9 - NEAR_END_WH]
    assert 10 < len(near) < 50
    assert all(meter.export_register >= 10**9 - NEAR_END_WH for meter in near)
    assert all(meter.key == meter_key(SEED, meter.meter)[0] for meter in meters)
