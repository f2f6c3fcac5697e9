"""Of each meter one reading a boundary: the nearest, and none twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import ISP_US, MIDNIGHT
from wattbay.adapters.mqtt.boundaries import Boundaries, Chosen
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.evidence import Reading
from wattbay.periods import MINUTE, SECOND, Instant

M07 = MeterId("m07")


def a_reading(offset_us: int, *, seq: int = 1, meter: MeterId = M07) -> Reading:
    return Reading(
        CommunityId("town"), meter, 1, seq, Instant(MIDNIGHT + offset_us), 0, 0, 0, None, None, b""
    )


def offsets(chosen: list[Chosen]) -> list[int]:
    return [one.reading.measured_at - MIDNIGHT for one in chosen]


def all_new() -> Boundaries:
    return Boundaries(ISP_US, lambda _meter, _boundary: False)


def test_reading_at_a_boundary_goes_at_once_and_the_ones_after_it_do_not() -> None:
    boundaries = all_new()
    assert offsets(boundaries.take(a_reading(0))) == [0]
    assert offsets(boundaries.take(a_reading(MINUTE))) == []
    assert offsets(boundaries.take(a_reading(ISP_US))) == [ISP_US]


def test_early_reading_waits_and_gives_way_to_one_at_the_boundary() -> None:
    boundaries = all_new()
    assert offsets(boundaries.take(a_reading(-90 * SECOND))) == []
    assert offsets(boundaries.take(a_reading(-30 * SECOND))) == []
    assert offsets(boundaries.take(a_reading(0))) == [0]
    assert offsets(boundaries.overdue(Instant(MIDNIGHT + ISP_US))) == []


def test_early_reading_goes_before_a_later_one_that_is_farther() -> None:
    boundaries = all_new()
    boundaries.take(a_reading(-5 * SECOND))
    assert offsets(boundaries.take(a_reading(60 * SECOND))) == [-5 * SECOND]
    assert offsets(boundaries.take(a_reading(120 * SECOND))) == []


def test_early_reading_goes_once_nothing_nearer_can_come() -> None:
    boundaries = all_new()
    boundaries.take(a_reading(-5 * SECOND))
    assert offsets(boundaries.overdue(Instant(MIDNIGHT + MINUTE))) == []
    assert offsets(boundaries.overdue(Instant(MIDNIGHT + 3 * MINUTE))) == [-5 * SECOND]
    assert offsets(boundaries.overdue(Instant(MIDNIGHT + 4 * MINUTE))) == []


def test_early_reading_goes_when_that_of_a_later_boundary_comes() -> None:
    boundaries = all_new()
    boundaries.take(a_reading(-5 * SECOND))
    assert offsets(boundaries.take(a_reading(ISP_US))) == [-5 * SECOND, ISP_US]


def test_early_reading_that_comes_late_takes_the_place_of_no_later_one() -> None:
    boundaries = all_new()
    boundaries.take(a_reading(ISP_US - 5 * SECOND))
    assert offsets(boundaries.take(a_reading(-5 * SECOND))) == [-5 * SECOND]
    late = boundaries.overdue(Instant(MIDNIGHT + ISP_US + 3 * MINUTE))
    assert offsets(late) == [ISP_US - 5 * SECOND]


def test_what_the_exchange_knows_is_not_submitted_again() -> None:
    boundaries = Boundaries(ISP_US, lambda _meter, boundary: boundary == MIDNIGHT)
    assert offsets(boundaries.take(a_reading(0))) == []
    assert offsets(boundaries.take(a_reading(ISP_US))) == [ISP_US]


def test_suspicion_goes_with_its_reading() -> None:
    (chosen,) = all_new().take(a_reading(0), "flat-line")
    assert chosen.suspicion == "flat-line"


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.integers(-3 * ISP_US, 5 * ISP_US)), max_size=60
    )
)
def test_each_boundary_of_a_meter_gets_one_reading_whatever_the_order(
    stamps: list[tuple[str, int]],
) -> None:
    boundaries = all_new()
    chosen: list[Chosen] = []
    told: set[tuple[MeterId, Instant]] = set()

    def is_known(meter: MeterId, boundary: Instant) -> bool:
        return (meter, boundary) in told

    boundaries = Boundaries(ISP_US, is_known)
    for seq, (name, offset) in enumerate(stamps):
        reading = a_reading(offset, seq=seq, meter=MeterId(name))
        found = boundaries.take(reading)
        chosen += found
        told |= {
            (one.reading.device, boundaries.boundary(one.reading.measured_at)) for one in found
        }
    chosen += boundaries.overdue(Instant(MIDNIGHT + 10 * ISP_US))
    places = [(one.reading.device, boundaries.boundary(one.reading.measured_at)) for one in chosen]
    assert len(places) == len(set(places))
    wanted = {
        (MeterId(name), boundaries.boundary(Instant(MIDNIGHT + offset))) for name, offset in stamps
    }
    assert set(places) == wanted
