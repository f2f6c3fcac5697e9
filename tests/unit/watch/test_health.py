"""How a device does, in one word and with its reasons."""

from __future__ import annotations

from wattbay.ids import CommunityId, MeterId, PodId
from wattbay.kernel.evidence import Flag, Reading
from wattbay.periods import HOUR, MINUTE, SECOND, Instant, instant
from wattbay.watch.anomalies import SEVERITY, Anomaly, DeviceFacts, Finding, Watch
from wattbay.watch.health import KINDS_MAX, DeviceHealth, Healths, Status

MIDNIGHT = instant("2013-06-10T00:00Z")
METER = MeterId("m07")
FACTS = {METER: DeviceFacts(METER, PodId("h07"), power_max_w=23_000)}


def a_reading(seq: int, *, flags: int = 0) -> Reading:
    at = Instant(MIDNIGHT + seq * MINUTE)
    return Reading(CommunityId("london"), METER, 1, seq, at, seq, 0, flags, 240, None, b"")


def a_finding(anomaly: Anomaly) -> Finding:
    return Finding(anomaly, SEVERITY[anomaly], METER, 1, 1, MIDNIGHT, MIDNIGHT, "so it is")


def hear(healths: Healths, watch: Watch, seq: int, *, delay: int = SECOND, flags: int = 0) -> None:
    reading = a_reading(seq, flags=flags)
    healths.found(watch.judge(reading, Instant(reading.measured_at + delay), FACTS[METER]))
    healths.heard(reading)


def of(healths: Healths) -> DeviceHealth:
    found = healths.of(METER)
    assert found is not None
    return found


def test_device_that_tells_is_ok() -> None:
    watch = Watch()
    healths = Healths(watch, lambda: FACTS)
    for seq in (1, 2, 4, 3):
        hear(healths, watch, seq)
    found = of(healths)
    assert (found.status, found.reasons, found.findings) == (Status.OK, (), ())
    assert (found.pod, found.kind, found.is_online, found.missing) == ("h07", "meter", None, 0)
    assert found.last_reading == a_reading(4)
    assert found.last_seen == a_reading(4).measured_at + SECOND
    assert (found.latency_us, found.clock_offset_us) == (SECOND, 0)
    assert healths.all() == [found]


def test_device_that_nothing_came_of_is_unseen() -> None:
    found = of(Healths(Watch(), lambda: FACTS))
    assert (found.status, found.reasons) == (Status.UNSEEN, ("no reading came yet",))
    told = (found.last_seen, found.latency_us, found.period_us, found.last_reading)
    assert told == (None, None, None, None)


def test_device_that_is_not_enrolled_has_no_health_and_takes_no_place() -> None:
    healths = Healths(Watch(), dict)
    healths.said(METER, is_online=True)
    healths.refused(METER, "wrong form", 3)
    assert healths.of(METER) is None
    assert healths.all() == []


def test_hard_finding_makes_it_faulty_until_it_is_closed() -> None:
    watch = Watch()
    healths = Healths(watch, lambda: FACTS)
    hear(healths, watch, 1)
    healths.found([a_finding(Anomaly.TAMPER), a_finding(Anomaly.REPLAY)])
    found = of(healths)
    assert found.status is Status.FAULTY
    assert found.reasons == ("replay: so it is", "tamper: so it is")
    healths.closed(METER, Anomaly.REPLAY)
    assert of(healths).status is Status.ATTENTION
    healths.closed(METER, Anomaly.TAMPER)
    healths.closed(METER, Anomaly.TAMPER)
    assert of(healths).status is Status.OK


def test_device_that_fell_silent_says_so_until_it_tells_again() -> None:
    watch = Watch()
    healths = Healths(watch, lambda: FACTS)
    hear(healths, watch, 1)
    hear(healths, watch, 2)
    healths.found(watch.silent(Instant(MIDNIGHT + HOUR)))
    found = of(healths)
    assert found.status is Status.SILENT
    assert found.reasons == ("silent: no reading for 58 min; usually one every 60 s",)
    hear(healths, watch, 3)
    for device, anomaly in watch.ended():
        healths.closed(device, anomaly)
    assert of(healths).status is Status.OK


def test_offline_device_gets_attention() -> None:
    watch = Watch()
    healths = Healths(watch, lambda: FACTS)
    hear(healths, watch, 1)
    healths.said(METER, is_online=False)
    assert (of(healths).status, of(healths).reasons) == (Status.ATTENTION, ("it is offline",))
    healths.said(METER, is_online=True)
    assert of(healths).status is Status.OK


def test_clock_that_is_ahead_is_told_though_no_reading_was_odd() -> None:
    watch = Watch()
    healths = Healths(watch, lambda: FACTS)
    hear(healths, watch, 1)
    hear(healths, watch, 2, delay=-40 * SECOND)
    healths.closed(METER, Anomaly.CLOCK_DRIFT)
    found = of(healths)
    assert found.clock_offset_us == 40 * SECOND
    assert found.reasons == ("its clock is 40 s ahead of ours",)


def test_clock_that_is_steadily_behind_is_told() -> None:
    watch = Watch()
    healths = Healths(watch, lambda: FACTS)
    for seq in range(1, 8):
        hear(healths, watch, seq, delay=6 * MINUTE)
    found = of(healths)
    assert found.clock_offset_us == -6 * MINUTE
    assert found.reasons == ("its clock is 360 s behind ours",)


def test_reading_that_took_long_is_told() -> None:
    watch = Watch()
    healths = Healths(watch, lambda: FACTS)
    hear(healths, watch, 1)
    hear(healths, watch, 2, delay=20 * MINUTE)
    assert of(healths).reasons == ("its last reading took 20 min to come",)


def test_flags_and_missing_numbers_are_told() -> None:
    watch = Watch()
    healths = Healths(watch, lambda: FACTS)
    hear(healths, watch, 1)
    hear(healths, watch, 4, flags=Flag.TAMPER | Flag.LOW_BATTERY)
    found = of(healths)
    assert (found.is_tampered, found.is_battery_low, found.missing) == (True, True, 2)
    assert found.status is Status.ATTENTION


def test_refusals_are_counted_by_so_many_kinds_at_most() -> None:
    healths = Healths(Watch(), lambda: FACTS)
    for number in range(KINDS_MAX + 5):
        healths.refused(METER, f"kind {number}", 2)
    healths.refused(METER, "kind 0", 1)
    found = of(healths).refusals
    assert (found["kind 0"], found["other"], len(found)) == (3, 10, KINDS_MAX + 1)


def test_device_that_is_forgotten_begins_anew() -> None:
    watch = Watch()
    healths = Healths(watch, lambda: FACTS)
    hear(healths, watch, 1)
    healths.found([a_finding(Anomaly.REPLAY)])
    healths.refused(METER, "altered", 1)
    watch.forget(METER)
    healths.forget(METER)
    assert of(healths) == of(Healths(Watch(), lambda: FACTS))
