"""What devices made, from registers that are known, and from no others."""

from __future__ import annotations

import pytest

from tests.builders import EVE, a_kernel, a_town
from wattbay.core import devices as d
from wattbay.core.facts import Device, DeviceKind
from wattbay.ids import CommunityId, MeterId, PodId
from wattbay.kernel.evidence import MemoryReadingStore, Reading
from wattbay.periods import MINUTE, SECOND, Instant
from wattbay.views.production import (
    Energy,
    Source,
    advance,
    is_maker_behind,
    reading_at,
    sources,
)

TOWN = CommunityId("town")
PV = MeterId("pv-h01")
H01 = PodId("h01")


def a_source(*, digits: int | None = None, unit_wh: int = 1) -> Source:
    return Source(PV, DeviceKind.PV_INVERTER, H01, unit_wh, digits, 4_000)


def a_counted(seq: int = 1, *, at: int = EVE, imported: int = 0, exported: int = 0) -> Reading:
    return Reading(
        TOWN, PV, 1, seq, Instant(at), imported, exported, 0, None, None, f"{seq}".encode()
    )


def a_store(*readings: Reading) -> MemoryReadingStore:
    store = MemoryReadingStore()
    store.add(readings)
    return store


def test_a_device_counts_in_its_own_units() -> None:
    before, after = a_counted(imported=5, exported=10), a_counted(imported=7, exported=110)
    assert advance(a_source(unit_wh=10), before, after) == Energy(20, 1_000)


@pytest.mark.parametrize(
    ("digits", "before", "after", "exported_wh"),
    [
        (4, 9_990, 15, 25),
        (4, 9_990, 9_000, None),
        (4, 4_000, 3_999, None),
        (None, 9_990, 15, None),
        (None, 15, 15, 0),
    ],
)
def test_a_register_that_falls_rolled_over_or_was_set_back(
    digits: int | None, before: int, after: int, exported_wh: int | None
) -> None:
    found = advance(a_source(digits=digits), a_counted(exported=before), a_counted(exported=after))
    assert (None if found is None else found.export_wh) == exported_wh


def test_the_reading_at_a_boundary_tells_of_it_or_else_the_nearest() -> None:
    near = a_store(
        a_counted(1, at=EVE - 90 * SECOND),
        a_counted(2, at=EVE + 30 * SECOND),
        a_counted(3, at=EVE + 60 * SECOND),
    )
    found = reading_at(near, TOWN, PV, EVE)
    assert found is not None
    assert found.seq == 2
    near.add([a_counted(4, at=EVE)])
    exact = reading_at(near, TOWN, PV, EVE)
    assert exact is not None
    assert exact.seq == 4
    assert reading_at(near, TOWN, PV, Instant(EVE - 10 * MINUTE)) is None


def test_sources_are_meters_in_use_and_devices_behind_pods() -> None:
    inverter = Device(device=PV, kind=DeviceKind.PV_INVERTER, key=bytes(32), pod=H01)
    kernel = a_kernel(*a_town(), d.RegisterDevice(device=inverter))
    state = kernel.exchange.state
    found = list(sources(state, {H01}))
    assert [(one.device, one.is_maker, one.digits) for one in found] == [
        ("m-h01", False, 9),
        (PV, True, None),
    ]
    assert is_maker_behind(state, H01)
    assert not is_maker_behind(state, PodId("h02"))
    kernel.submit(d.RevokeDevice(device=PV, reason="gone"))
    assert [one.device for one in sources(kernel.exchange.state, {H01})] == ["m-h01"]
