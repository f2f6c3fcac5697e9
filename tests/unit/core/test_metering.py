"""From registers to the energy of a period, whatever is lost, late, doubled or exchanged."""

from __future__ import annotations

import pytest
from msgspec import structs

from tests.builders import ISP_US, MIDNIGHT, a_meter, a_party, a_town, pod_facts
from tests.play import Play, energies, of, reason
from wattbay.core import commands as c
from wattbay.core.commands import Command
from wattbay.core.events import EnergyMetered, MeterExchanged, ReadingAccepted
from wattbay.core.facts import Meter, Quality, Role
from wattbay.core.meters import READINGS_REMEMBERED_MAX
from wattbay.core.reasons import Reason
from wattbay.ids import MeterId, PartyId, PodId
from wattbay.periods import MINUTE, SECOND, Instant

METER = "m-h01"
POD = PodId("h01")
MDR = PartyId("mdr")


def at(half_hours: float, seconds: int = 0) -> Instant:
    """Return an instant, counted from midnight."""
    return Instant(MIDNIGHT + int(half_hours * ISP_US) + seconds * SECOND)


def a_street(meter: Meter | None = None, *, yearly_import_wh: int = 3_000_000) -> Play:
    """Return a street of one pod, connected at midnight when its deliveries begin."""
    facts = pod_facts(party="p01", since=MIDNIGHT)
    facts = structs.replace(facts, yearly_import_wh=yearly_import_wh)
    commands: list[Command] = [
        c.RegisterPod(facts=facts, meter=a_meter() if meter is None else meter)
        if isinstance(command, c.RegisterPod)
        else command
        for command in a_town(1)
    ]
    responsible = a_party(MDR, roles=(Role.METERED_DATA_RESPONSIBLE,))
    return Play([*commands, c.RegisterParty(party=responsible)])


def known(street: Play) -> dict[int, tuple[int, int, str]]:
    """Return what is known of each half-hour from midnight on."""
    return {
        (delivery - MIDNIGHT) // ISP_US: (told.import_wh, told.export_wh, told.quality.value)
        for delivery, pods in sorted(street.exchange.state.metering.energy.items())
        for told in pods.values()
    }


def substitution(delivery: int, import_wh: int, export_wh: int = 0) -> c.SubstituteEnergy:
    return c.SubstituteEnergy(
        responsible=MDR,
        pod=POD,
        delivery=Instant(delivery),
        import_wh=import_wh,
        export_wh=export_wh,
        reason="photograph of the display",
    )


# --- neighbouring registers ------------------------------------------------------------------


def test_energy_of_a_period_is_the_difference_of_its_registers() -> None:
    street = a_street()
    accepted, metered = street.read(METER, at(1), 300, 20)
    assert isinstance(accepted, ReadingAccepted)
    assert accepted.boundary == at(1)
    assert (accepted.import_wh, accepted.export_wh) == (300, 20)
    assert isinstance(metered, EnergyMetered)
    assert metered.delivery == MIDNIGHT
    assert energies(street.read(METER, at(2), 700, 20)) == [(400, 0, "measured")]


def test_a_register_unit_of_ten_watt_hours_is_multiplied() -> None:
    street = a_street(structs.replace(a_meter(), unit_wh=10, import_register=5))
    assert energies(street.read(METER, at(1), 35)) == [(300, 0, "measured")]


def test_a_register_that_rolls_over_goes_on() -> None:
    street = a_street(structs.replace(a_meter(), digits=6, import_register=999_900))
    assert energies(street.read(METER, at(1), 50)) == [(150, 0, "measured")]
    assert energies(street.read(METER, at(2), 350)) == [(300, 0, "measured")]


def test_a_register_that_rolls_over_twice_is_followed_from_turn_to_turn() -> None:
    street = a_street(structs.replace(a_meter(), digits=4, power_max_w=3_000))
    told = [energies(street.read(METER, at(i), i * 3_000 % 10_000)) for i in range(1, 9)]
    assert told == [[(3_000, 0, "measured")]] * 8


def test_readings_for_periods_that_are_not_listed_are_kept_and_tell_of_none() -> None:
    street = a_street()
    street.read(METER, at(48), 9_600)
    assert street.read(METER, at(49), 9_900)[1:] == []
    assert street.read(METER, at(52), 10_900)[1:] == []


# --- stamps off the boundary -----------------------------------------------------------------


def test_a_stamp_after_the_boundary_is_interpolated_and_flagged() -> None:
    street = a_street()
    # 400 Wh in 40 minutes, of which 30 minutes before the boundary.
    assert energies(street.read(METER, at(1, 600), 400)) == [(300, 0, "interpolated")]
    assert energies(street.read(METER, at(2), 900)) == [(600, 0, "interpolated")]
    assert energies(street.read(METER, at(3), 1_000)) == [(100, 0, "measured")]


def test_a_stamp_hardly_before_the_boundary_tells_of_it() -> None:
    street = a_street()
    assert energies(street.read(METER, at(1, -120), 300)) == [(300, 0, "interpolated")]


def test_a_stamp_within_a_period_waits_for_nobody_and_leaves_the_next_boundary_free() -> None:
    street = a_street()
    street.read(METER, at(1), 300)
    # The meter starts anew fourteen minutes before half past and publishes at once.
    assert reason(street.read(METER, at(2, -840), 460)) is Reason.DUPLICATE_READING
    assert energies(street.read(METER, at(2), 600)) == [(300, 0, "measured")]


def test_a_meter_that_publishes_at_a_quarter_past_is_interpolated_between_its_readings() -> None:
    street = a_street()
    told = [energies(street.read(METER, at(i, 900), i * 600 + 300)) for i in range(1, 4)]
    assert told == [
        [(600, 0, "interpolated")],
        [(600, 0, "interpolated")],
        [(600, 0, "interpolated")],
    ]


def test_a_late_reading_above_an_interpolated_one_is_held_below_it() -> None:
    street = a_street()
    # All of it flowed in the first half-hour; the second boundary is interpolated low.
    street.read(METER, at(2, 600), 700)
    assert known(street) == {0: (300, 0, "split"), 1: (300, 0, "split")}
    assert energies(street.read(METER, at(1), 700)) == [
        (600, 0, "interpolated"),
        (0, 0, "interpolated"),
    ]


def test_very_short_periods_have_boundaries_of_their_own() -> None:
    founding: list[Command] = [
        structs.replace(command, isp_us=MINUTE) if isinstance(command, c.OpenCommunity) else command
        for command in a_town(1, deliveries=60)
    ]
    street = Play(founding)
    street.read(METER, MIDNIGHT, 0)
    early = MIDNIGHT + MINUTE - 31 * SECOND
    assert reason(street.read(METER, early, 2)) is Reason.DUPLICATE_READING
    assert energies(street.read(METER, early + SECOND, 4)) == [(4, 0, "interpolated")]


# --- gaps ------------------------------------------------------------------------------------


def test_a_gap_is_split_and_loses_nothing() -> None:
    street = a_street()
    street.read(METER, at(1), 100)
    told = energies(street.read(METER, at(4), 1_101, 10))
    assert told == [(334, 4, "split"), (334, 3, "split"), (333, 3, "split")]


def test_a_late_reading_within_a_gap_tells_both_its_sides_anew() -> None:
    street = a_street()
    street.read(METER, at(4), 1_200)
    assert energies(street.read(METER, at(1), 100, at=at(5))) == [
        (100, 0, "measured"),
        (367, 0, "split"),
        (367, 0, "split"),
        (366, 0, "split"),
    ]
    assert energies(street.read(METER, at(3), 900, at=at(5))) == [
        (400, 0, "split"),
        (400, 0, "split"),
        (300, 0, "measured"),
    ]


def test_a_late_reading_that_changes_no_energy_tells_no_energy() -> None:
    street = a_street()
    street.read(METER, at(3), 900)
    # 600 of two half-hours are 300 each, as the split had it: only what is now measured changes.
    assert energies(street.read(METER, at(1), 300, at=at(4))) == [(300, 0, "measured")]


def test_a_gap_is_split_by_what_was_estimated() -> None:
    street = a_street()
    street.settle(at(1), "initial")
    assert known(street) == {0: (171, 0, "estimated"), 1: (171, 0, "estimated")}
    street.do(substitution(at(0), 1_000))
    told = energies(street.read(METER, at(4), 1_600, at=street.at))
    # The substituted energy stays; the rest is shared by the estimates of the other three.
    assert told == [(200, 0, "split")] * 3


# --- refusals --------------------------------------------------------------------------------


def test_the_same_reading_again_is_a_duplicate_and_another_under_its_number_a_conflict() -> None:
    street = a_street()
    street.read(METER, at(1), 300, seq=7)
    assert reason(street.read(METER, at(1), 300, seq=7)) is Reason.DUPLICATE_READING
    assert reason(street.read(METER, at(2), 500, seq=7)) is Reason.CONFLICTING_READING


def test_a_second_register_at_a_boundary_is_a_duplicate_or_a_conflict() -> None:
    street = a_street()
    street.read(METER, at(1), 300, seq=7)
    assert reason(street.read(METER, at(1), 300, seq=8)) is Reason.DUPLICATE_READING
    assert reason(street.read(METER, at(1), 301, seq=9)) is Reason.CONFLICTING_READING


def test_the_register_at_which_a_pod_was_connected_is_known() -> None:
    street = a_street()
    assert reason(street.read(METER, at(0), 0)) is Reason.DUPLICATE_READING
    assert reason(street.read(METER, at(0), 5, seq=2)) is Reason.CONFLICTING_READING
    assert reason(street.read(METER, at(0, 60), 5)) is Reason.DUPLICATE_READING


def test_an_unknown_meter_is_refused() -> None:
    assert reason(a_street().read("m-h99", at(1), 300)) is Reason.UNKNOWN_METER


@pytest.mark.parametrize("changed", [{"boot": -1}, {"boot": 2**20}, {"seq": -1}, {"seq": 2**32}])
def test_boot_and_number_have_bounds(changed: dict[str, int]) -> None:
    street = a_street()
    reading = c.SubmitReading(
        meter=MeterId(METER),
        boot=1,
        seq=1,
        measured_at=at(1),
        import_register=1,
        export_register=0,
        proof=b"",
    )
    refused = street.submit(structs.replace(reading, **changed), at(1))
    assert reason(refused) is Reason.OUT_OF_RANGE


def test_a_stamp_from_the_future_is_refused_beyond_two_minutes() -> None:
    street = a_street()
    assert reason(street.read(METER, at(1), 300, at=at(1, -121))) is Reason.STAMP_IN_FUTURE
    assert reason(street.read(METER, at(1), 300, at=at(1, -120))) is None


def test_a_stamp_from_before_the_meter_was_put_in_is_refused() -> None:
    refused = a_street().read(METER, at(-1), 300, seq=1, at=at(1))
    assert reason(refused) is Reason.METER_NOT_IN_USE


def test_a_stamp_whose_delivery_is_final_is_too_old() -> None:
    street = a_street()
    street.settle(at(1), "final")
    assert reason(street.read(METER, at(2), 300, at=street.at)) is Reason.STAMP_TOO_OLD
    assert reason(street.read(METER, at(3), 300, at=street.at)) is None


@pytest.mark.parametrize("register", [-1, 10**9])
def test_a_register_wider_than_its_meter_is_out_of_range(register: int) -> None:
    assert reason(a_street().read(METER, at(1), register)) is Reason.OUT_OF_RANGE
    assert reason(a_street().read(METER, at(1), 0, register)) is Reason.OUT_OF_RANGE


def test_a_register_below_the_one_before_went_back() -> None:
    street = a_street()
    street.read(METER, at(1), 300, 300)
    assert reason(street.read(METER, at(2), 299, 300)) is Reason.REGISTER_WENT_BACK
    assert reason(street.read(METER, at(2), 300, 299)) is Reason.REGISTER_WENT_BACK


def test_a_register_below_the_initial_one_went_back() -> None:
    street = a_street(structs.replace(a_meter(), import_register=500))
    assert reason(street.read(METER, at(1), 499)) is Reason.REGISTER_WENT_BACK


def test_a_late_register_above_a_later_one_went_back() -> None:
    street = a_street()
    street.read(METER, at(2), 300)
    assert reason(street.read(METER, at(1), 301, at=at(2))) is Reason.REGISTER_WENT_BACK


def test_more_than_the_fuses_let_through_is_impossible() -> None:
    # Twice the half-hour and an hour more: 200 kWh at 100 kW.
    assert reason(a_street().read(METER, at(1), 200_001)) is Reason.IMPOSSIBLE_ENERGY
    assert reason(a_street().read(METER, at(1), 200_000)) is None


def test_a_reading_is_remembered_for_as_long_as_there_is_room() -> None:
    street = a_street()
    use = street.exchange.state.metering.meters[MeterId(METER)]
    use.seen = dict.fromkeys(range(-READINGS_REMEMBERED_MAX, 0), (0, 0, 0))
    street.read(METER, at(1), 300)
    assert len(use.seen) == READINGS_REMEMBERED_MAX
    assert -READINGS_REMEMBERED_MAX not in use.seen


# --- suspect and substituted energy ----------------------------------------------------------


def test_an_import_sixty_times_the_yearly_mean_is_suspect() -> None:
    # 3,000 kWh a year are 171.2 Wh a half-hour; sixty times that is 10,274 Wh.
    street = a_street()
    assert energies(street.read(METER, at(1), 10_273)) == [(10_273, 0, "measured")]
    assert energies(street.read(METER, at(2), 20_548)) == [(10_275, 0, "suspect")]
    unknown = a_street(yearly_import_wh=0)
    assert energies(unknown.read(METER, at(1), 10_275)) == [(10_275, 0, "measured")]


def test_what_is_suspect_is_confirmed_by_the_metered_data_responsible() -> None:
    street = a_street()
    street.read(METER, at(1), 20_000)
    (told,) = of(EnergyMetered, street.do(substitution(at(0), 20_000)))
    assert told.quality is Quality.SUBSTITUTED
    assert (told.before_import_wh, told.import_wh) == (20_000, 20_000)


def test_substituted_energy_stays_when_a_register_arrives() -> None:
    street = a_street()
    street.do(substitution(at(0), 250), at(1))
    assert energies(street.read(METER, at(1), 300)) == []
    assert known(street)[0] == (250, 0, "substituted")


def test_what_is_substituted_within_a_gap_leaves_the_rest_of_the_advance_to_the_others() -> None:
    street = a_street()
    street.read(METER, at(1), 100)
    street.read(METER, at(4), 1_000)
    assert energies(street.do(substitution(at(2), 500))) == [
        (500, 0, "substituted"),
        (200, 0, "split"),
        (200, 0, "split"),
    ]
    street.do(substitution(at(1), 200))
    street.do(substitution(at(3), 200))
    assert sum(told[0] for told in known(street).values()) == 1_000


def test_what_is_substituted_after_the_pod_was_connected_leaves_the_rest_as_well() -> None:
    street = a_street()
    street.read(METER, at(3), 900)
    assert energies(street.do(substitution(at(0), 500))) == [
        (500, 0, "substituted"),
        (200, 0, "split"),
        (200, 0, "split"),
    ]


def test_nothing_and_as_much_as_the_fuses_let_through_can_be_substituted() -> None:
    street = a_street()
    assert energies(street.do(substitution(at(9), 0, 200_000))) == [(0, 200_000, "substituted")]


def test_energy_after_the_last_register_can_be_substituted() -> None:
    street = a_street()
    street.read(METER, at(1), 100)
    assert energies(street.do(substitution(at(1), 500), at(2))) == [(500, 0, "substituted")]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"responsible": PartyId("p01")}, Reason.NOT_ALLOWED),
        ({"pod": PodId("nobody")}, Reason.UNKNOWN_POD),
        ({"delivery": at(48)}, Reason.UNKNOWN_DELIVERY),
        ({"delivery": at(0)}, Reason.DELIVERY_FINAL),
        ({"import_wh": -1}, Reason.IMPOSSIBLE_ENERGY),
        ({"export_wh": 200_001}, Reason.IMPOSSIBLE_ENERGY),
    ],
)
def test_a_substitution_that_cannot_be_is_refused(changed: dict[str, object], why: Reason) -> None:
    street = a_street()
    street.settle(at(0), "final")
    command = structs.replace(substitution(at(9), 100), **changed)
    assert reason(street.submit(command)) is why


# --- the exchange of a meter -----------------------------------------------------------------


def exchange(moment: int, final: int = 250, **meter: object) -> c.ExchangeMeter:
    new = structs.replace(a_meter("m-new"), import_register=9_000, export_register=70)
    return c.ExchangeMeter(
        pod=POD,
        at=Instant(moment),
        final_import=final,
        final_export=0,
        meter=structs.replace(new, **meter),
    )


def test_a_meter_exchanged_within_a_period_loses_nothing() -> None:
    street = a_street()
    street.read(METER, at(1), 200)
    (told,) = of(MeterExchanged, street.do(exchange(at(1.5)), at(1.5)))
    assert (told.final_import, told.final_export) == (250, 0)
    # 50 Wh by the old meter and 60 Wh by the new one.
    assert energies(street.read("m-new", at(2), 9_060, 75)) == [(110, 5, "measured")]
    assert energies(street.read("m-new", at(3), 9_160, 75)) == [(100, 0, "measured")]


def test_readings_of_the_old_meter_may_be_late_and_end_with_it() -> None:
    street = a_street()
    street.do(exchange(at(1.5)), at(1.5))
    street.read("m-new", at(2), 9_050, 70)
    assert energies(street.read(METER, at(1), 200, at=at(3))) == [
        (200, 0, "measured"),
        (100, 0, "measured"),
    ]
    assert reason(street.read(METER, at(2), 300, at=at(3))) is Reason.METER_NOT_IN_USE
    early = street.read("m-new", at(1), 9_000, seq=1, at=at(3))
    assert reason(early) is Reason.METER_NOT_IN_USE


def test_a_meter_exchanged_at_a_boundary_is_read_by_either() -> None:
    street = a_street()
    street.do(exchange(at(1)), at(1))
    assert energies(street.read("m-new", at(1), 9_000, 70)) == [(250, 0, "measured")]
    assert reason(street.read(METER, at(1), 250, at=at(2))) is Reason.DUPLICATE_READING


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (structs.replace(exchange(at(2)), pod=PodId("nobody")), Reason.UNKNOWN_POD),
        (exchange(at(2), digits=0), Reason.BAD_VALUE),
        (exchange(at(2), meter=MeterId(METER)), Reason.ALREADY_KNOWN),
        (exchange(at(2, 121)), Reason.STAMP_IN_FUTURE),
        (exchange(at(0.5)), Reason.NOT_IN_SEQUENCE),
        (exchange(at(2), final=199), Reason.REGISTER_WENT_BACK),
        (exchange(at(2), final=10**9), Reason.OUT_OF_RANGE),
    ],
)
def test_an_exchange_that_cannot_be_is_refused(command: c.ExchangeMeter, why: Reason) -> None:
    street = a_street()
    street.read(METER, at(1), 200)
    assert reason(street.submit(command, at(2))) is why


def test_an_exchanged_meter_that_comes_back_is_refused() -> None:
    street = a_street()
    street.do(exchange(at(1)), at(1))
    back = structs.replace(exchange(at(2), final=9_000), meter=a_meter())
    assert reason(street.submit(back, at(2))) is Reason.ALREADY_KNOWN
