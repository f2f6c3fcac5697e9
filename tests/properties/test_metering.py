"""Whatever becomes of the readings of a rising register: no watt-hour is lost, none is made up."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from tests.builders import ISP_US, MIDNIGHT, a_meter, a_town, pod_facts
from tests.play import Play, of, with_runs
from wattbay.core import commands as c
from wattbay.core.commands import Command
from wattbay.core.events import EnergyMetered, ReadingAccepted
from wattbay.core.facts import Quality
from wattbay.core.meters import Total
from wattbay.ids import MeterId, PodId, ProfileId
from wattbay.periods import DAY, SECOND, Instant

PERIODS = 10
METER, POD = MeterId("m-h01"), PodId("h01")


class Arrival(NamedTuple):
    """A reading of a boundary, and how long it is under way."""

    boundary: int
    late: int
    """[periods]"""
    off_s: int = 0
    """How far its stamp is off the boundary. [s]"""


class Life(NamedTuple):
    """What a meter measured, and which of its readings arrive when."""

    unit_wh: int
    digits: int
    initial: int
    drawn: list[int]
    """In each period. [register units]"""
    injected: list[int]
    arrivals: list[Arrival]
    weights: tuple[int, ...]

    def registers(self, boundary: int, off_s: int) -> tuple[int, int]:
        """Return what the meter shows near a boundary, energy flowing evenly in each period."""
        shown = []
        for flow in (self.drawn, self.injected):
            period = boundary if off_s >= 0 else boundary - 1
            share = flow[period] * abs(off_s) * SECOND // ISP_US
            total = sum(flow[:boundary]) + (share if off_s >= 0 else -share)
            shown.append((self.initial + total) % 10**self.digits)
        return shown[0], shown[1]


energies = st.lists(st.integers(0, 900), min_size=PERIODS + 1, max_size=PERIODS + 1)


@st.composite
def lives(draw: st.DrawFn, *, off_s: int = 0) -> Life:
    """Draw what is lost, late, doubled and reordered."""
    arrivals = draw(
        st.lists(
            st.builds(
                Arrival,
                st.integers(1, PERIODS),
                st.integers(0, 8),
                st.integers(-min(off_s, 120), off_s),
            ),
            min_size=1,
            max_size=14,
        )
    )
    return Life(
        unit_wh=draw(st.sampled_from([1, 10])),
        digits=draw(st.sampled_from([5, 9])),
        initial=draw(st.integers(0, 10**5 - 1)),
        drawn=draw(energies),
        injected=draw(energies),
        arrivals=arrivals,
        weights=draw(st.tuples(*[st.integers(1, 9)] * PERIODS)),
    )


def a_street(life: Life, *, final: int) -> Play:
    """Return a street of one pod, whose runs come one period and `final` after a delivery."""
    meter = structs.replace(
        a_meter(),
        unit_wh=life.unit_wh,
        digits=life.digits,
        import_register=life.initial,
        export_register=life.initial,
        power_max_w=20_000,
    )
    facts = structs.replace(
        pod_facts(party="p01", since=MIDNIGHT),
        import_profile=ProfileId("home"),
        export_profile=ProfileId("home"),
        yearly_import_wh=900_000,
        yearly_export_wh=400_000,
    )
    founding: list[Command] = [
        c.RegisterPod(facts=facts, meter=meter) if isinstance(one, c.RegisterPod) else one
        for one in a_town(1, deliveries=PERIODS)
    ]
    founding.insert(1, c.DefineProfile(profile=ProfileId("home"), weights=life.weights))
    return Play(with_runs(founding, initial=ISP_US, final=final))


class Watch:
    """Checks the laws after each reading."""

    def __init__(self, life: Life, street: Play) -> None:
        self.life, self.street, self.seen = life, street, 0
        self.totals: dict[Instant, Total] = {}
        self.known: dict[Instant, EnergyMetered] = {}
        self.look()

    def take(self, arrival: Arrival, number: int) -> None:
        """Let a reading arrive, and look."""
        stamp = MIDNIGHT + arrival.boundary * ISP_US + arrival.off_s * SECOND
        at = max(self.street.at, MIDNIGHT + (arrival.boundary + arrival.late) * ISP_US, stamp)
        self.street.until(at)
        self.look()
        drawn, injected = self.life.registers(arrival.boundary, arrival.off_s)
        self.street.read(METER, stamp, drawn, injected, seq=number, at=at)
        accepted = of(ReadingAccepted, self.street.history[self.seen :])
        before = dict(self.totals)
        self.look()
        told = {total: self.totals[total] for total in before if total in self.totals}
        assert told == {at: before[at] for at in told}, "a known boundary changed"
        assert all(one.boundary not in before for one in accepted)

    def look(self) -> None:
        """Remember what is known; between any two known totals it sums to the advance."""
        for event in of(EnergyMetered, self.street.history[self.seen :]):
            self.known[event.delivery] = event
        self.seen = len(self.street.history)
        for total in self.street.exchange.state.metering.pods[POD].totals:
            self.totals[total.at] = total
        boundaries = sorted(self.totals)
        for start, end in pairwise(boundaries):
            periods = [self.known[Instant(at)] for at in range(start, end, ISP_US)]
            advance = self.totals[end].import_wh - self.totals[start].import_wh
            assert sum(one.import_wh for one in periods) == advance
            advance = self.totals[end].export_wh - self.totals[start].export_wh
            assert sum(one.export_wh for one in periods) == advance


def in_order_of_arrival(arrivals: list[Arrival]) -> list[Arrival]:
    return sorted(arrivals, key=lambda one: one.boundary + one.late)


def lived(life: Life, *, final: int) -> Watch:
    watch = Watch(life, a_street(life, final=final))
    for number, arrival in enumerate(in_order_of_arrival(life.arrivals)):
        watch.take(arrival, number)
    return watch


@given(lives())
def test_energies_sum_to_the_advance_at_all_times(life: Life) -> None:
    watch = lived(life, final=5 * DAY)
    for boundary in {arrival.boundary for arrival in life.arrivals}:
        total = watch.totals[Instant(MIDNIGHT + boundary * ISP_US)]
        assert total.import_wh == sum(life.drawn[:boundary]) * life.unit_wh
        assert total.export_wh == sum(life.injected[:boundary]) * life.unit_wh
    assert all(min(one.import_wh, one.export_wh) >= 0 for one in watch.known.values())


@given(lives())
def test_energies_sum_to_the_advance_even_where_estimates_were_final(life: Life) -> None:
    lived(life, final=4 * ISP_US)


@given(lives(off_s=1_679))
def test_energies_sum_to_the_advance_whatever_the_stamps(life: Life) -> None:
    lived(life, final=5 * DAY)


@given(lives(off_s=1_679))
def test_energies_sum_to_the_advance_whatever_the_stamps_and_the_runs(life: Life) -> None:
    lived(life, final=4 * ISP_US)


@given(lives(), st.data())
def test_the_order_of_arrival_changes_nothing_in_the_end(life: Life, data: st.DataObject) -> None:
    """Where all arrive before the final run; the estimates of the first run may come between."""
    lateness = st.integers(0, 8)
    other = [one._replace(late=data.draw(lateness)) for one in life.arrivals]
    results = []
    for arrivals in (life.arrivals, data.draw(st.permutations(other))):
        watch = lived(life._replace(arrivals=list(arrivals)), final=5 * DAY)
        last = Instant(max(watch.totals))
        results.append(
            {
                delivery: (one.import_wh, one.export_wh, one.quality)
                for delivery, one in watch.known.items()
                if delivery < last and one.quality is not Quality.ESTIMATED
            }
        )
    assert results[0] == results[1]
