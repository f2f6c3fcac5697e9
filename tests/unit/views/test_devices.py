"""What is known of every device follows registrations, replacements and revocations."""

from __future__ import annotations

from tests.builders import EVE, MIDNIGHT, a_meter, a_town
from tests.play import Play
from wattbay.assembly.facts import Facts
from wattbay.config import read_settings
from wattbay.core import commands as c
from wattbay.core import devices as d
from wattbay.core.facts import Device, DeviceKind
from wattbay.ids import MeterId, PodId, ZoneId
from wattbay.periods import MINUTE
from wattbay.views.devices import Devices
from wattbay.views.meters import MeterKeys

SENSOR = Device(
    device=MeterId("sensor"), kind=DeviceKind.GRID_SENSOR, key=b"\2" + bytes(32), zone=ZoneId("z1")
)


def told(town: Play, devices: Devices) -> None:
    """Let the view hear of everything so far."""
    for entry in town.entries:
        devices.fold(entry)


def test_devices_and_meters_are_known_until_they_are_revoked() -> None:
    town = Play(a_town(1))
    devices = Devices(lambda: town.exchange.state)
    assert set(devices.all()) == {"m-h01"}
    assert devices.all() is devices.all()
    town.do(d.RegisterDevice(device=SENSOR))
    told(town, devices)
    assert devices.all()[MeterId("sensor")].zone == "z1"
    town.do(d.RevokeDevice(device=MeterId("sensor"), reason="stolen"))
    told(town, devices)
    assert set(devices.all()) == {"m-h01"}


def test_meter_that_was_replaced_is_known_and_not_in_use() -> None:
    town = Play(a_town(1))
    devices = Devices(lambda: town.exchange.state)
    town.until(MIDNIGHT)
    town.do(
        c.ExchangeMeter(
            pod=PodId("h01"), at=MIDNIGHT, final_import=0, final_export=0, meter=a_meter("m-new")
        )
    )
    told(town, devices)
    in_use = {name: one.is_in_use for name, one in devices.all().items()}
    assert in_use == {"m-h01": False, "m-new": True}


def test_facts_stay_the_same_record_where_nothing_changed() -> None:
    town = Play(a_town(2))
    devices = Devices(lambda: town.exchange.state)
    watching = read_settings().watching
    facts = Facts(devices, lambda: town.exchange.state, watching)
    before = facts.all()[MeterId("m-h01")]
    town.do(d.RegisterDevice(device=SENSOR))
    told(town, devices)
    assert facts.all()[MeterId("m-h01")] is before
    assert facts.all()[MeterId("sensor")].kind == "grid-sensor"
    assert facts.limits.silent_min_us == watching.silent_after_minutes * MINUTE


def test_keys_of_a_state_are_those_that_its_entries_tell() -> None:
    town = Play(a_town(2))
    town.do(d.RegisterDevice(device=SENSOR))
    town.do(d.RotateKey(device=MeterId("m-h01"), key=b"\3" + bytes(32)))
    town.do(d.RotateKey(device=MeterId("m-h02"), key=bytes(31) + b"\1"))
    town.do(d.RevokeDevice(device=MeterId("m-h02"), reason=""))
    folded = MeterKeys()
    for entry in town.entries:
        folded.fold(entry)
    state = town.exchange.state
    read = MeterKeys.of(state.registry, state.metering)
    for name in map(MeterId, ("m-h01", "m-h02", "sensor", "ghost")):
        assert read.key_of(name) == folded.key_of(name)
        assert read.former_key_of(name) == folded.former_key_of(name)
        assert read.pod_of(name) == folded.pod_of(name)
    assert read.community == folded.community == "town"
    assert town.at == EVE
