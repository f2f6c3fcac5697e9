"""Devices are admitted and revoked, keys rotate, pods leave; suspect readings settle as such."""

from __future__ import annotations

import pytest
from msgspec import structs

from tests.builders import EVE, ISP_US, MIDNIGHT, a_meter, a_reading, a_town, an_order, pod_facts
from tests.play import Play, energies, of, reason, receipts, with_runs
from wattbay.core import commands as c
from wattbay.core import devices as d
from wattbay.core.enrolment import key_of
from wattbay.core.events import ReceiptIssued, StatementIssued
from wattbay.core.facts import Device, DeviceKind, Quality
from wattbay.core.reasons import Reason
from wattbay.core.registry import facts_at
from wattbay.ids import MeterId, PodId
from wattbay.periods import DAY, HOUR, Instant

NEW_KEY = bytes(31) + b"\7"
P256_KEY = b"\2" + bytes(32)
TOMORROW = Instant(MIDNIGHT + DAY)


def a_device(name: str = "pv1", *, pod: str | None = "h01", key: bytes = NEW_KEY) -> Device:
    return Device(
        device=MeterId(name),
        kind=DeviceKind.PV_INVERTER,
        key=key,
        pod=None if pod is None else PodId(pod),
    )


@pytest.fixture
def town() -> Play:
    return Play(a_town(2))


def known_key(town: Play, name: str) -> bytes | None:
    state = town.exchange.state
    return key_of(state.registry, state.metering, MeterId(name))


# --- devices and keys --------------------------------------------------------------------------


@pytest.mark.parametrize("key", [NEW_KEY, P256_KEY])
def test_device_is_admitted_with_a_key_of_either_curve(town: Play, key: bytes) -> None:
    device = a_device(key=key)
    assert town.submit(d.RegisterDevice(device=device)) == [d.DeviceRegistered(device=device)]
    assert known_key(town, "pv1") == key


def test_meter_may_sign_with_p256() -> None:
    meter = a_meter("m-new", key=P256_KEY)
    town = Play(a_town(1))
    facts = pod_facts("h09", party="p01")
    assert reason(town.submit(c.RegisterPod(facts=facts, meter=meter))) is None


@pytest.mark.parametrize(
    ("device", "why"),
    [
        (a_device("no good"), Reason.BAD_ID),
        (a_device("m-h01"), Reason.ALREADY_KNOWN),
        (a_device(pod="h77"), Reason.UNKNOWN_POD),
        (a_device(key=b"short"), Reason.BAD_VALUE),
        (structs.replace(a_device(), power_max_w=0), Reason.BAD_VALUE),
    ],
)
def test_device_that_cannot_be_is_refused(town: Play, device: Device, why: Reason) -> None:
    assert reason(town.submit(d.RegisterDevice(device=device))) is why


@pytest.mark.parametrize("name", ["pv1", "m-h01"])
def test_key_is_rotated_and_then_revoked_for_good(town: Play, name: str) -> None:
    town.submit(d.RegisterDevice(device=a_device()))
    device = MeterId(name)
    rotate = d.RotateKey(device=device, key=P256_KEY)
    assert town.submit(rotate) == [d.KeyRotated(device=device, key=P256_KEY, since=EVE)]
    assert known_key(town, name) == P256_KEY
    assert reason(town.submit(rotate)) is Reason.ALREADY_KNOWN
    assert reason(town.submit(d.RotateKey(device=device, key=b""))) is Reason.BAD_VALUE
    revoke = d.RevokeDevice(device=device, reason="stolen")
    assert town.submit(revoke) == [d.DeviceRevoked(device=device, reason="stolen")]
    assert known_key(town, name) is None
    assert reason(town.submit(revoke)) is Reason.NOT_ALLOWED
    assert reason(town.submit(rotate)) is Reason.NOT_ALLOWED


def test_unknown_device_is_neither_rotated_nor_revoked(town: Play) -> None:
    ghost = MeterId("ghost")
    assert reason(town.submit(d.RotateKey(device=ghost, key=NEW_KEY))) is Reason.UNKNOWN_METER
    assert reason(town.submit(d.RevokeDevice(device=ghost, reason=""))) is Reason.UNKNOWN_METER
    long = d.RevokeDevice(device=MeterId("m-h01"), reason="x" * 201)
    assert reason(town.submit(long)) is Reason.BAD_VALUE


# --- leaving -----------------------------------------------------------------------------------


def leave(pod: str = "h02", until: int = TOMORROW) -> d.DisconnectPod:
    return d.DisconnectPod(pod=PodId(pod), until=Instant(until))


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (leave("h77"), Reason.UNKNOWN_POD),
        (leave(until=TOMORROW + 1), Reason.BAD_VALUE),
        (leave(until=MIDNIGHT + HOUR), Reason.NOT_IN_SEQUENCE),
    ],
)
def test_pod_leaves_from_when_nothing_is_listed(
    town: Play, command: d.DisconnectPod, why: Reason
) -> None:
    assert reason(town.submit(command)) is why


def test_pod_that_left_has_no_part_and_no_facts(town: Play) -> None:
    assert town.submit(leave()) == [d.PodDisconnected(pod=PodId("h02"), until=TOMORROW)]
    assert reason(town.submit(leave())) is Reason.ALREADY_KNOWN
    registry = town.exchange.state.registry
    assert facts_at(registry, PodId("h02"), Instant(TOMORROW - 1)) is not None
    assert facts_at(registry, PodId("h02"), TOMORROW) is None
    back = c.ChangePod(facts=pod_facts("h02", party="p02", since=TOMORROW + DAY))
    assert reason(town.submit(back)) is Reason.NOT_ALLOWED
    town.submit(
        c.ListDeliveries(product=an_order().product, day="2013-06-11", start=TOMORROW, count=48)
    )
    refused = town.submit(an_order("h02", delivery=TOMORROW))
    assert reason(refused) is Reason.UNKNOWN_POD
    assert reason(town.submit(an_order("h01", delivery=TOMORROW))) is None


def test_pod_that_left_gets_its_last_receipts_and_statement_and_no_more() -> None:
    town = Play(with_runs(a_town(2, deliveries=48), initial=HOUR, final=DAY))
    town.submit(leave())
    town.submit(
        c.ListDeliveries(product=an_order().product, day="2013-06-11", start=TOMORROW, count=48)
    )
    town.until(TOMORROW + 2 * DAY + 2 * HOUR)
    issued = of(ReceiptIssued, town.history)
    mine = [one.receipt.delivery for one in issued if one.receipt.pod == "h02"]
    others = [one.receipt.delivery for one in issued if one.receipt.pod == "h01"]
    assert max(mine) == TOMORROW - ISP_US
    assert max(others) == TOMORROW + DAY - ISP_US
    late = a_reading("m-h02", seq=9, measured_at=TOMORROW + HOUR)
    assert reason(town.submit(late)) in {Reason.METER_NOT_IN_USE, Reason.STAMP_TOO_OLD}
    told = of(StatementIssued, town.submit(c.IssueStatements(month="2013-06")))
    final = {one.statement.pod: one.statement for one in told}
    assert set(final) == {"h01", "h02"}


def test_meter_of_a_pod_that_left_is_not_in_use(town: Play) -> None:
    town.submit(leave())
    town.until(TOMORROW + HOUR)
    assert reason(town.submit(a_reading("m-h02", measured_at=TOMORROW))) is None
    after = a_reading("m-h02", seq=2, measured_at=TOMORROW + ISP_US)
    assert reason(town.submit(after)) is Reason.METER_NOT_IN_USE


# --- suspicion ---------------------------------------------------------------------------------


def test_reading_with_a_suspicion_settles_as_suspect_until_confirmed() -> None:
    town = Play(with_runs(a_town(1), initial=HOUR, final=DAY))
    town.until(MIDNIGHT)
    town.submit(a_reading("m-h01", measured_at=MIDNIGHT))
    town.until(MIDNIGHT + ISP_US)
    odd = structs.replace(
        a_reading("m-h01", seq=2, measured_at=MIDNIGHT + ISP_US, import_register=300),
        suspicion="flat line",
    )
    assert energies(town.submit(odd)) == [(300, 0, "suspect")]
    town.until(MIDNIGHT + ISP_US + HOUR)
    assert receipts(town.history)["h01"].quality is Quality.SUSPECT


def test_suspicion_that_is_too_long_is_refused(town: Play) -> None:
    town.until(MIDNIGHT)
    odd = structs.replace(a_reading(measured_at=MIDNIGHT), suspicion="x" * 201)
    assert reason(town.submit(odd)) is Reason.BAD_VALUE
