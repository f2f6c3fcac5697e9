"""What goes wrong between the meters and the exchange."""

from dataclasses import replace

import pytest

from tests.builders import ISP_US, MIDNIGHT
from wattbay.ids import MeterId, PodId
from wattbay.periods import DAY, HOUR, Instant, Period
from wattbay.simulation.faults import LATE_HOURS_MAX, LATENCY_US, RESEND_US, Wire, flip
from wattbay.simulation.meters import Publication
from wattbay.simulation.scenario_facts import FaultPlan
from wattbay.units import PPM

NOTHING = FaultPlan(
    lost_ppm=0,
    late_ppm=0,
    doubled_ppm=0,
    reordered_ppm=0,
    flipped_ppm=0,
    exchanges=(),
    silences=(),
)
SOME = replace(
    NOTHING,
    lost_ppm=50_000,
    late_ppm=50_000,
    doubled_ppm=50_000,
    reordered_ppm=50_000,
    flipped_ppm=50_000,
)


def a_publication(seq: int = 1, *, meter: str = "m1", pod: str = "h1") -> Publication:
    payload = f"{meter} {seq:05}".encode()
    return Publication(PodId(pod), MeterId(meter), 1, seq, f"topic of {meter}", payload)


def arrived(wire: Wire) -> list[tuple[int, bytes]]:
    """Everything that arrives, with when it does after midnight."""
    found = []
    while (at := wire.next_arrival) is not None:
        found += [(at - MIDNIGHT, payload) for _, payload in wire.arrivals(at)]
    return found


def sent(plan: FaultPlan, readings: int = 1, *, seed: int = 1) -> Wire:
    """A wire on which one meter sent its readings, one a delivery."""
    wire = Wire(plan, seed, ISP_US)
    for seq in range(readings):
        wire.send(Instant(MIDNIGHT + seq * ISP_US), [a_publication(seq)])
    return wire


def test_reading_arrives_a_moment_later_where_nothing_is_wrong() -> None:
    wire = sent(NOTHING)
    assert wire.arrivals(Instant(MIDNIGHT + LATENCY_US - 1)) == []
    assert wire.arrivals(Instant(MIDNIGHT + LATENCY_US)) == [("topic of m1", b"m1 00000")]
    assert wire.next_arrival is None
    assert sum(wire.injected.values()) == 0


def test_lost_reading_never_arrives() -> None:
    wire = sent(replace(NOTHING, lost_ppm=PPM), 3)
    assert arrived(wire) == []
    assert wire.injected["lost"] == 3


def test_late_reading_arrives_whole_hours_later() -> None:
    wire = sent(replace(NOTHING, late_ppm=PPM), 50)
    late = [
        (after - LATENCY_US - int(payload[3:]) * ISP_US) / HOUR for after, payload in arrived(wire)
    ]
    assert len(late) == wire.injected["late"] == 50
    assert set(late) <= set(range(1, LATE_HOURS_MAX + 1))
    assert len(set(late)) > 10


def test_doubled_reading_arrives_twice() -> None:
    wire = sent(replace(NOTHING, doubled_ppm=PPM))
    assert arrived(wire) == [(LATENCY_US, b"m1 00000")] * 2
    assert wire.injected["doubled"] == 1


def test_reordered_reading_arrives_after_the_next_one() -> None:
    wire = Wire(replace(NOTHING, reordered_ppm=PPM), 1, ISP_US)
    wire.send(MIDNIGHT, [a_publication(1)])
    # The next one is carried by a wire without faults, as far as this test sees.
    calm = Wire(NOTHING, 1, ISP_US)
    calm.send(Instant(MIDNIGHT + ISP_US), [a_publication(2)])
    assert arrived(wire) == [(LATENCY_US + ISP_US, b"m1 00001")]
    assert arrived(calm) == [(LATENCY_US + ISP_US, b"m1 00002")]


def test_overtaken_reading_comes_last_in_its_batch() -> None:
    wire = sent(replace(NOTHING, reordered_ppm=PPM // 4), 40)
    order = [int(payload[3:]) for _, payload in arrived(wire)]
    overtaken = [seq for place, seq in enumerate(order[1:]) if seq < order[place]]
    assert sorted(order) == list(range(40))
    assert 0 < len(overtaken) <= wire.injected["reordered"]


def test_flipped_reading_arrives_with_one_wrong_bit_and_whole_when_sent_again() -> None:
    wire = sent(replace(NOTHING, flipped_ppm=PPM))
    (first, garbage), (second, good) = arrived(wire)
    assert (first, second) == (LATENCY_US, LATENCY_US + RESEND_US)
    assert good == b"m1 00000"
    wrong = int.from_bytes(garbage, "big") ^ int.from_bytes(good, "big")
    assert wrong.bit_count() == 1


def test_bits_are_counted_from_the_first_byte() -> None:
    assert flip(b"\x00\x00", 0) == b"\x01\x00"
    assert flip(b"\x00\x00", 9) == b"\x00\x02"


def test_silent_meter_sends_nothing_and_nothing_of_it_arrives() -> None:
    silence = Period(Instant(MIDNIGHT + ISP_US), Instant(MIDNIGHT + 10 * ISP_US))
    wire = sent(replace(NOTHING, silences=((PodId("h1"), silence),)), 12)
    assert [int(payload[3:]) for _, payload in arrived(wire)] == [0, 10, 11]
    assert wire.injected["silent"] == 9


def test_late_reading_waits_for_the_end_of_a_silence() -> None:
    silence = Period(Instant(MIDNIGHT + LATENCY_US + 1), Instant(MIDNIGHT + 3 * DAY))
    wire = sent(replace(NOTHING, late_ppm=PPM, silences=((PodId("h1"), silence),)))
    assert arrived(wire) == [(3 * DAY + LATENCY_US, b"m1 00000")]


def test_silence_of_one_meter_is_not_that_of_another() -> None:
    silence = Period(MIDNIGHT, Instant(MIDNIGHT + DAY))
    wire = Wire(replace(NOTHING, silences=((PodId("h1"), silence),)), 1, ISP_US)
    wire.send(MIDNIGHT, [a_publication(), a_publication(meter="m2", pod="h2")])
    assert arrived(wire) == [(LATENCY_US, b"m2 00001")]


def test_faults_come_as_often_as_planned() -> None:
    wire = sent(SOME, 20_000)
    for kind in ("lost", "late", "doubled", "reordered", "flipped"):
        assert wire.injected[kind] == pytest.approx(1_000, abs=150), kind


def test_faults_do_not_depend_on_the_order_in_which_readings_are_made() -> None:
    readings = [a_publication(seq, meter=meter) for seq in range(50) for meter in ("m1", "m2")]
    one, other = Wire(SOME, 1, ISP_US), Wire(SOME, 1, ISP_US)
    one.send(MIDNIGHT, readings)
    other.send(MIDNIGHT, reversed(readings))
    assert one.injected == other.injected
    assert sorted(arrived(one)) == sorted(arrived(other))


def test_another_seed_has_other_faults() -> None:
    assert arrived(sent(SOME, 100)) == arrived(sent(SOME, 100))
    assert arrived(sent(SOME, 100)) != arrived(sent(SOME, 100, seed=2))
