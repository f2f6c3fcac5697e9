"""Who has no reading is estimated; what the estimate missed is made good where it still can be."""

from __future__ import annotations

import pytest
from msgspec import structs

from tests.builders import ISP_US, MIDNIGHT, a_meter, a_party, a_town, list_deliveries, pod_facts
from tests.play import Play, energies, of, receipts, with_runs
from wattbay.core import commands as c
from wattbay.core.events import EnergyMetered
from wattbay.core.facts import Role
from wattbay.core.metering import estimate, week_scale
from wattbay.ids import PartyId, PodId, ProfileId
from wattbay.periods import DAY, WEEK, Instant
from wattbay.units import PPM

METER = "m-h01"


def at(half_hours: float) -> Instant:
    return Instant(MIDNIGHT + int(half_hours * ISP_US))


def a_street(pods: int = 1, *, deliveries: int = 48, final: int = 3) -> Play:
    """Return a street whose runs are due some half-hours after a delivery's end."""
    commands = with_runs(a_town(pods, deliveries=deliveries), initial=ISP_US, final=final * ISP_US)
    street = Play(commands)
    street.read(METER, MIDNIGHT, 0)
    return street


def totals(street: Play, pod: str = "h01") -> list[tuple[int, int]]:
    """Return the last known energy of a pod in each of its deliveries."""
    last = {
        told.delivery: (told.import_wh, told.export_wh)
        for told in of(EnergyMetered, street.history)
        if told.pod == pod
    }
    return [last[delivery] for delivery in sorted(last)]


def drawn(street: Play, half_hours: int) -> int:
    """Return what a pod drew in its first half-hours, as it is known."""
    return sum(import_wh for import_wh, _ in totals(street)[:half_hours])


# --- by profile ------------------------------------------------------------------------------


def profiled(weights: tuple[int, ...], count: int) -> Play:
    """Return a street whose pod has profiles for both ways, on a day of `count` periods."""
    facts = structs.replace(
        pod_facts("h09", party="p01", since=MIDNIGHT),
        import_profile=ProfileId("home"),
        export_profile=ProfileId("home"),
        yearly_import_wh=365_000,
        yearly_export_wh=36_500,
    )
    return Play(
        [
            *a_town(1)[:-1],
            c.DefineProfile(profile=ProfileId("home"), weights=weights),
            c.RegisterPod(facts=facts, meter=a_meter("m-h09")),
            list_deliveries(count=count),
        ]
    )


def estimated(street: Play, half_hour: int) -> tuple[int, int]:
    state = street.exchange.state
    facts = state.registry.pods[PodId("h09")][0]
    return estimate(state.registry, state.metering, facts, at(half_hour))


def test_without_an_earlier_week_the_yearly_energy_follows_the_profile() -> None:
    street = profiled((1, 2, 2, 5), count=4)
    assert [estimated(street, i) for i in range(4)] == [
        (100, 10),
        (200, 20),
        (200, 20),
        (500, 50),
    ]


def test_a_gap_is_split_by_the_profile_of_each_way() -> None:
    street = profiled((1, 2, 2, 5), count=4)
    sunny = c.DefineProfile(profile=ProfileId("sun"), weights=(0, 3, 1, 0))
    facts = structs.replace(
        street.exchange.state.registry.pods[PodId("h09")][0],
        pod=PodId("h08"),
        export_profile=ProfileId("sun"),
    )
    street.do(sunny)
    street.do(c.RegisterPod(facts=facts, meter=a_meter("m-h08")))
    told = energies(street.read("m-h08", at(4), 1_000, 400))
    assert [(drawn, injected) for drawn, injected, _ in told] == [
        (100, 0),
        (200, 300),
        (200, 100),
        (500, 0),
    ]


@pytest.mark.parametrize("count", [46, 50])
def test_on_the_days_of_the_clock_changes_the_profile_is_stretched(count: int) -> None:
    street = profiled(tuple(range(48)), count=count)
    shape = [estimated(street, i)[0] for i in range(count)]
    assert shape == sorted(shape)
    assert shape[0] == 0
    assert shape[-1] == 1_000 * (47 if count == 50 else 46) // sum(range(48))


def test_without_a_profile_the_yearly_energy_is_spread_evenly() -> None:
    street = a_street()
    assert energies(street.settle(at(0), "initial")) == [(171, 0, "estimated")]


def test_who_is_expected_to_use_nothing_is_estimated_at_nothing() -> None:
    street = profiled((1,), count=4)
    facts = structs.replace(street.exchange.state.registry.pods[PodId("h09")][0])
    idle = structs.replace(facts, yearly_import_wh=0, yearly_export_wh=0)
    state = street.exchange.state
    assert estimate(state.registry, state.metering, idle, at(0)) == (0, 0)


# --- by last week ----------------------------------------------------------------------------


def two_weeks(then: tuple[int, int], now: tuple[int, int], silent: tuple[int, int]) -> Play:
    """Return a street in which h02 is silent in the first half-hour of the second week.

    `then` and `now` are import and export of h01 in the two weeks, `silent` those of h02 in the
    first.
    """
    street = a_street(2, deliveries=1)
    street.read("m-h02", MIDNIGHT, 0)
    street.read("m-h01", at(1), *then)
    street.read("m-h02", at(1), *silent)
    street.until(at(2))
    later = MIDNIGHT + WEEK
    street.do(list_deliveries(day="2013-06-17", start=later, count=1), later - DAY)
    street.read("m-h01", later, *then)
    street.read("m-h01", later + ISP_US, then[0] + now[0], then[1] + now[1])
    return street


def silent_one(street: Play) -> tuple[int, int]:
    """Return what h02 is estimated at."""
    (told,) = of(EnergyMetered, street.settle(MIDNIGHT + WEEK, "initial"))
    assert told.quality.value == "estimated"
    return told.import_wh, told.export_wh


@pytest.mark.parametrize(
    ("then", "now", "silent", "told"),
    [
        ((400, 100), (500, 80), (300, 50), (375, 40)),  # 1.25 and 0.8 times
        ((400, 100), (4_000, 8), (300, 50), (600, 25)),  # held between one half and two
        ((0, 0), (500, 80), (300, 50), (300, 50)),  # nothing to compare with: as last week
        ((400, 1), (0, 1), (301, 0), (150, 0)),  # nobody drew anything: one half
    ],
)
def test_who_is_silent_is_estimated_by_last_week_scaled_by_the_others(
    then: tuple[int, int], now: tuple[int, int], silent: tuple[int, int], told: tuple[int, int]
) -> None:
    assert silent_one(two_weeks(then, now, silent)) == told


def test_last_week_is_known_for_as_long_as_it_is_needed() -> None:
    # Where the first run is the final one, a week is all that is kept.
    street = Play(with_runs(a_town(1, deliveries=2), only=ISP_US))
    street.read(METER, at(0), 0)
    street.read(METER, at(1), 300)
    street.read(METER, at(2), 700)
    later = MIDNIGHT + WEEK
    street.do(list_deliveries(day="2013-06-17", start=later, count=2), later - DAY)
    assert energies(street.settle(later, "only")) == [(300, 0, "estimated")]
    assert energies(street.settle(later + ISP_US, "only")) == [(400, 0, "estimated")]


def test_estimates_and_newcomers_are_not_compared() -> None:
    street = two_weeks((400, 100), (500, 80), (300, 50))
    later = Instant(MIDNIGHT + WEEK)
    metering = street.exchange.state.metering
    assert week_scale(metering, later) == (1_250_000, 800_000)
    silent_one(street)
    assert week_scale(metering, later) == (1_250_000, 800_000)
    del metering.energy[MIDNIGHT][PodId("h01")]
    assert week_scale(metering, later) == (PPM, PPM)


# --- silence ---------------------------------------------------------------------------------


def test_an_estimate_is_replaced_by_the_exact_advance_before_the_final_run() -> None:
    street = a_street()
    first = receipts(street.settle(at(0), "initial"))["h01"]
    assert (first.import_wh, first.quality.value, first.version) == (171, "estimated", 1)
    assert energies(street.read(METER, at(1), 300, at=street.at)) == [(300, 0, "measured")]
    last = receipts(street.settle(at(0), "final"))["h01"]
    assert (last.import_wh, last.quality.value, last.version) == (300, "measured", 2)


def test_silence_beyond_the_final_run_is_made_good_in_the_periods_still_open() -> None:
    street = a_street()
    street.settle(at(1), "final")
    # Two half-hours are final at 171 Wh each; of 1,600 Wh the other three get what is left.
    told = energies(street.read(METER, at(5), 1_600, 30, at=at(5.5)))
    assert told == [(420, 10, "split"), (419, 10, "split"), (419, 10, "split")]
    assert drawn(street, 5) == 1_600


def test_what_was_estimated_too_high_comes_back_even_below_zero() -> None:
    street = a_street()
    street.settle(at(2), "final")
    told = energies(street.read(METER, at(4), 100, at=street.at))
    assert told == [(100 - 3 * 171, 0, "split")]
    receipt = receipts(street.settle(at(3), "final"))["h01"]
    assert receipt.import_wh == -413
    assert receipt.network_nano == -413 * 30_000
    assert receipt.delivered_in_wh == 0
    assert drawn(street, 4) == 100


def test_a_late_reading_within_a_gap_that_is_partly_final_keeps_the_sum() -> None:
    street = a_street(final=6)
    street.settle(at(1), "final")
    street.read(METER, at(6), 3_000, at=street.at)
    assert drawn(street, 6) == 3_000
    told = energies(street.read(METER, at(4), 1_000, at=street.at))
    # 1,000 less the two final ones of 171 in two half-hours, then 2,000 in two.
    assert told == [(329, 0, "split"), (329, 0, "split"), (1_000, 0, "split"), (1_000, 0, "split")]
    assert drawn(street, 6) == 3_000


def test_a_split_that_turns_final_piece_by_piece_keeps_the_sum() -> None:
    street = a_street(final=9)
    street.read(METER, at(6), 1_200, at=at(6))
    street.settle(at(2), "final")
    told = energies(street.read(METER, at(5), 1_100, at=street.at))
    assert told == [(250, 0, "split"), (250, 0, "split"), (100, 0, "measured")]
    assert drawn(street, 6) == 1_200


def test_where_all_periods_of_a_gap_are_substituted_nothing_is_split() -> None:
    responsible = with_mdr(a_street())
    for i in range(3):
        responsible.do(substitution(i, 100))
    assert energies(responsible.read(METER, at(3), 900)) == []


def with_mdr(street: Play) -> Play:
    role = Role.METERED_DATA_RESPONSIBLE
    street.do(c.RegisterParty(party=a_party("mdr", roles=(role,))))
    return street


def substitution(half_hour: int, import_wh: int) -> c.SubstituteEnergy:
    return c.SubstituteEnergy(
        responsible=PartyId("mdr"),
        pod=PodId("h01"),
        delivery=at(half_hour),
        import_wh=import_wh,
        export_wh=0,
        reason="read by hand",
    )
