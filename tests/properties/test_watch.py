"""Laws of watching: order does not matter, honest registers are not odd, restarts do not show."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.evidence import Reading
from wattbay.periods import DAY, HOUR, MINUTE, SECOND, WEEK, Instant, instant
from wattbay.units import SAFE_INTEGER_MAX
from wattbay.watch.anomalies import Anomaly, DeviceFacts, Limits, Watch, is_hard
from wattbay.watch.sun import elevation_deg, night_of
from wattbay.watch.track import GAPS_MAX, RECENT_MAX

START = instant("2013-06-10T00:00Z")
METER = MeterId("m07")
FACTS = DeviceFacts(METER, power_max_w=20_000)
WIDTH = 10**FACTS.digits
PATIENT = Limits(ahead_max_us=2 * DAY, behind_max_us=2 * DAY)

seeds = st.integers(0, 2**32)
numbers = st.integers(0, SAFE_INTEGER_MAX)
small = st.integers(0, 50)
wild = st.builds(
    Reading,
    community=st.just(CommunityId("london")),
    device=st.just(METER),
    boot=st.integers(0, 3) | numbers,
    seq=small | numbers,
    measured_at=(st.integers(0, 400).map(lambda n: START + n * HOUR) | numbers).map(Instant),
    import_register=small | numbers,
    export_register=small | numbers,
    flags=st.integers(0, 255),
    power_w=st.none() | st.integers(-SAFE_INTEGER_MAX, SAFE_INTEGER_MAX),
    voltage_mv=st.none(),
    proof=st.just(b""),
)
facts = st.builds(
    DeviceFacts,
    device=st.just(METER),
    unit_wh=st.sampled_from([1, 10, 1_000]),
    digits=st.integers(1, 15),
    power_max_w=st.none() | st.integers(1, 10**9),
    is_solar=st.booleans(),
    is_exporting_allowed=st.booleans(),
    latitude_deg=st.none() | st.floats(-90, 90),
    longitude_deg=st.none() | st.floats(-180, 180),
)


@st.composite
def honest(draw: st.DrawFn) -> list[Reading]:
    """Draw readings of registers that rise as they can, and roll over."""
    every = draw(st.sampled_from([5 * SECOND, MINUTE, 15 * MINUTE, HOUR]))
    most = 20_000 * every // HOUR
    steps = draw(st.lists(st.tuples(st.integers(0, most), st.integers(0, most)), max_size=30))
    drew, made, found = draw(st.integers(0, WIDTH - 1)), WIDTH - 5, []
    for seq, (drawn, injected) in enumerate(steps, 1):
        drew, made = (drew + drawn) % WIDTH, (made + injected) % WIDTH
        at = Instant(START + seq * every)
        found.append(Reading(CommunityId("a"), METER, 1, seq, at, drew, made, 0, None, None, b""))
    return found


@given(honest(), seeds)
def test_honest_readings_are_not_odd_in_any_order(readings: list[Reading], seed: int) -> None:
    random.Random(seed).shuffle(readings)
    watch = Watch(PATIENT)
    come = Instant(START + DAY)
    assert [odd for one in readings for odd in watch.judge(one, come, FACTS)] == []


@given(honest(), st.data())
def test_reading_below_an_earlier_one_is_hard(readings: list[Reading], data: st.DataObject) -> None:
    watch = Watch(PATIENT)
    come = Instant(START + DAY)
    for one in readings:
        watch.judge(one, come, FACTS)
    if not readings or not readings[-1].import_register:
        return
    last = readings[-1]
    most = min(last.import_register, WIDTH // 2 - 1)
    lower = last.import_register - data.draw(st.integers(1, most))
    later = Instant(last.measured_at + HOUR)
    back = last._replace(seq=last.seq + 1, measured_at=later, import_register=lower)
    found = watch.judge(back, come, FACTS)
    assert [one.anomaly for one in found] == [Anomaly.REGISTER_WENT_BACK]
    assert is_hard(found)
    assert watch.tracks[METER].at == last.measured_at


@given(st.lists(st.tuples(wild, numbers), max_size=60), facts)
def test_whatever_comes_is_judged_and_what_is_kept_is_bounded(
    coming: list[tuple[Reading, int]], known: DeviceFacts
) -> None:
    watch = Watch()
    for reading, received_at in coming:
        watch.judge(reading, Instant(received_at), known)
        watch.silent(Instant(received_at))
        for track in watch.tracks.values():
            assert len(track.recent) <= RECENT_MAX
            assert len(track.gaps) <= GAPS_MAX
            stamps = [stamp for stamp, _, _ in track.recent]
            assert stamps == sorted(set(stamps))
            assert all(stamp < track.at for stamp in stamps)
    watch.snapshot()


@given(st.lists(wild, min_size=1, max_size=40), st.data())
def test_restart_does_not_show(readings: list[Reading], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(readings)))
    whole, part = Watch(PATIENT), Watch(PATIENT)
    come = Instant(START + WEEK)
    for one in readings[:cut]:
        assert whole.judge(one, come, FACTS) == part.judge(one, come, FACTS)
    part = Watch.restored(part.snapshot(), come, {METER: FACTS}, PATIENT)
    for one in readings[cut:]:
        assert whole.judge(one, come, FACTS) == part.judge(one, come, FACTS)
    assert whole.ended() == part.ended()
    assert whole.snapshot() == part.snapshot()


@given(
    st.integers(instant("1990-01-01T00:00Z"), instant("2040-01-01T00:00Z")).map(Instant),
    st.floats(-89, 89),
    st.floats(-180, 180),
    st.floats(0, 1),
)
def test_sun_is_down_where_it_is_called_dark(
    at: Instant, latitude_deg: float, longitude_deg: float, share: float
) -> None:
    night = night_of(at, latitude_deg, longitude_deg)
    assert night.start - 5 * MINUTE <= at <= night.end + 5 * MINUTE
    if night.dark_until > night.dark_from:
        inside = night.dark_from + round(share * (night.dark_until - night.dark_from))
        assert elevation_deg(Instant(inside), latitude_deg, longitude_deg) < -5.5
