"""Packaged scenarios say what they promise, and a draw depends on the seed alone."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from wattbay.core.facts import Funding, Role
from wattbay.ids import PodId, is_id
from wattbay.periods import DAY, HOUR, WEEK, Instant, instant
from wattbay.simulation.baseline import stored_price
from wattbay.simulation.homes import home_party
from wattbay.simulation.scenario import PACKAGED, Scenario, load_scenario, scenarios

NAMES = (
    "fontana-week",
    "live-street",
    "london-dst",
    "london-tariffs",
    "london-week",
    "london-year",
    "street",
)


def test_packaged_scenarios_are_listed_with_homes_and_days() -> None:
    listed = {one.name: (one.homes, one.days) for one in scenarios()}
    assert listed == {
        "fontana-week": (17, 7),
        "live-street": (24, 199),
        "london-dst": (60, 6),
        "london-tariffs": (12, 4),
        "london-week": (60, 7),
        "london-year": (60, 365),
        "street": (6, 2),
    }


def test_packaged_scenarios_tell_what_they_are_in_a_line() -> None:
    for one in scenarios():
        assert one.title
        assert 0 < len(one.description) <= 100, one.name


@pytest.mark.parametrize("name", NAMES)
def test_packaged_scenario_loads_and_its_homes_refer_to_what_is_there(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario.id == name
    parties = {party.party for party in scenario.parties}
    tariffs = {tariff.tariff for tariff in scenario.tariffs}
    zones = {fee.from_zone for tariff in scenario.tariffs for fee in tariff.network_local}
    profiles = dict(scenario.profiles)
    for home in scenario.homes:
        assert all(map(is_id, (home.pod, home.party, home.meter)))
        assert {home.party, home.supplier, home.brp} <= parties
        assert home.tariff in tariffs
        assert home.zone in zones
        assert home.import_profile in profiles
        assert home.yearly_import_wh > 0
    assert len({home.pod for home in scenario.homes}) == len(scenario.homes)
    assert all(len(weights) == DAY // scenario.isp_us for weights in profiles.values())
    assert scenario.attribution


@pytest.mark.parametrize("name", NAMES)
def test_series_covers_all_days_with_finite_energies(name: str) -> None:
    scenario = load_scenario(name)
    series = scenario.series
    for array in (series.load_wh, series.pv_wh):
        assert array.shape == (series.rows, len(scenario.homes))
        assert np.isfinite(array).all()
        assert (array >= 0).all()
    assert series.carbon_g_per_kwh is not None
    assert series.carbon_g_per_kwh.shape == (series.rows,)
    for _, period in scenario.days:
        first = series.row(period.start)
        assert first + period.length_us // series.isp_us <= series.rows
    assert series.start + series.rows * series.isp_us == scenario.end
    for at, home in enumerate(scenario.homes):
        assert bool(series.pv_wh[:, at].any()) == (home.pv_kwp > 0)


def test_london_week_is_ten_to_sixteen_june_in_local_time_with_five_weeks_before() -> None:
    week = load_scenario("london-week")
    assert [day for day, _ in week.days] == [date(2013, 6, number) for number in range(10, 17)]
    assert week.start == instant("2013-06-10T00:00+01:00")
    assert week.end == instant("2013-06-17T00:00+01:00")
    assert week.series.start == week.start - 5 * WEEK
    assert sum(home.pv_kwp > 0 for home in week.homes) == 36
    assert sum(home.battery is not None for home in week.homes) == 16


def test_london_tariff_has_the_components_of_the_retail_price() -> None:
    (tariff,) = load_scenario("london-week").tariffs
    assert tariff.energy + tariff.network_regional + tariff.levy == 135_500
    assert (tariff.energy, tariff.network_regional, tariff.levy) == (70_000, 45_500, 20_000)
    assert tariff.export == 46_400
    assert tariff.service == 0
    assert [tax.ppm for tax in tariff.tax] == [50_000]
    local = {f"{fee.from_zone}>{fee.to_zone}": fee.nano_per_wh for fee in tariff.network_local}
    assert local["north>north"] == local["south>south"] == 22_750
    assert local["north>south"] == local["south>north"] == 34_000


def test_london_gates_open_a_day_and_close_an_hour_before() -> None:
    product = load_scenario("london-week").product
    assert (product.opens_before_us, product.closes_before_us) == (24 * HOUR, HOUR)


def test_days_of_clock_changes_have_46_and_50_half_hours() -> None:
    changes = load_scenario("london-dst")
    lengths = {day: period.length_us // changes.isp_us for day, period in changes.days}
    assert lengths[date(2013, 3, 31)] == 46
    assert lengths[date(2013, 10, 27)] == 50
    assert sorted(lengths.values()) == [46, 48, 48, 48, 48, 50]


def test_london_year_is_the_whole_year_and_nothing_more() -> None:
    year = load_scenario("london-year")
    assert year.series.rows == 17_520
    assert year.start == year.series.start == instant("2013-01-01T00:00Z")
    assert round(year.series.load_wh.sum() / 1000, 1) == 240_635.6
    assert round(year.series.pv_wh.sum() / 1000, 1) == 98_464.4


def test_californian_panels_rest_at_night_by_the_clock_of_california() -> None:
    week = load_scenario("fontana-week")
    hours = np.array(
        [
            week.calendar.local(Instant(week.series.start + row * HOUR)).hour
            for row in range(week.series.rows)
        ]
    )
    by_hour = [week.series.pv_wh[hours == hour].sum() for hour in range(24)]
    assert not any(by_hour[hour] for hour in (0, 1, 2, 3, 4, 20, 21, 22, 23))
    assert max(by_hour) in by_hour[12:15]  # solar noon is at 12:55 in July


def test_street_has_every_kind_of_home_and_every_fault() -> None:
    street = load_scenario("street")
    kinds = Counter((home.pv_kwp > 0, home.battery is not None) for home in street.homes)
    assert kinds == {(True, True): 2, (True, False): 2, (False, False): 2}
    plan = street.faults
    chances = (plan.lost_ppm, plan.late_ppm, plan.doubled_ppm, plan.reordered_ppm)
    assert all((*chances, plan.flipped_ppm))
    assert len(plan.exchanges) == len(plan.silences) == 1


def test_parties_have_roles_and_homes_have_credit() -> None:
    street = load_scenario("street")
    roles = {str(party.party): party.roles for party in street.parties}
    assert roles["supplier-a"] == (Role.SUPPLIER, Role.BALANCE_RESPONSIBLE)
    assert roles["party-h01"] == (Role.PROSUMER,)
    assert roles["party-h03"] == (Role.CONSUMER,)
    assert Role.MARKET_OPERATOR in roles["market-operator"]
    assert all(p.credit_limit_nano > 0 for p in street.parties if p.party.startswith("party-"))


def test_party_with_several_roles_is_registered_once(tmp_path: Path) -> None:
    text = (PACKAGED / "street.toml").read_text(encoding="utf-8")
    text = text.replace('"data/', f'"{PACKAGED.as_posix()}/data/')
    text = text.replace("minor_digits = 2", 'market_operator = "supplier-a"')
    (tmp_path / "scenario.toml").write_text(text, encoding="utf-8")
    (party,) = (one for one in load_scenario(tmp_path).parties if one.party == "supplier-a")
    assert party.roles == (Role.MARKET_OPERATOR, Role.SUPPLIER, Role.BALANCE_RESPONSIBLE)
    assert party.credit_limit_nano > 0


def test_home_that_is_set_is_not_drawn(tmp_path: Path) -> None:
    text = (PACKAGED / "street.toml").read_text(encoding="utf-8")
    text = text.replace('"data/', f'"{PACKAGED.as_posix()}/data/')
    told = '[[homes.set]]\nhome = "h06"\nzone = "south"\nstrategy = "adaptive"\n'
    told += "sell_limit_cents_per_kwh = 0\n[battery]"
    (tmp_path / "scenario.toml").write_text(text.replace("[battery]", told), encoding="utf-8")
    home = load_scenario(tmp_path).homes[2]
    assert (home.pod, home.zone, home.strategy, home.sell_limit) == ("h06", "south", "adaptive", 0)
    assert home.buy_limit == load_scenario("street").homes[2].buy_limit
    others = [one for one in load_scenario(tmp_path).homes if one.pod != "h06"]
    assert others == [one for one in load_scenario("street").homes if one.pod != "h06"]


def street_with(folder: Path, *changes: tuple[str, str], pods: int | None = None) -> Scenario:
    """Load the street with some of its text replaced."""
    text = (PACKAGED / "street.toml").read_text(encoding="utf-8")
    text = text.replace('"data/', f'"{PACKAGED.as_posix()}/data/')
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    (folder / "scenario.toml").write_text(text, encoding="utf-8")
    return load_scenario(folder, pods=pods)


def test_homes_of_packaged_scenarios_are_post_paid_and_their_sales_untaxed() -> None:
    for name in NAMES:
        scenario = load_scenario(name, days=1)
        assert scenario.deposits == ()
        assert {party.funding for party in scenario.parties} == {Funding.CREDIT_LIMIT}
        assert {party.tax_from for party in scenario.parties} == {None}


def test_prepaid_homes_have_a_deposit_and_no_credit(tmp_path: Path) -> None:
    told = '[[homes.set]]\nhome = "h03"\nfunding = "prepaid"\ndeposit_cents = 2.5\n'
    more = '[[homes.set]]\nhome = "h06"\nfunding = "prepaid"\n'
    none = '[[homes.set]]\nhome = "h08"\nfunding = "prepaid"\ndeposit_cents = 0\n'
    scenario = street_with(
        tmp_path,
        ("credit_limit_cents = 500_000", "credit_limit_cents = 500_000\ndeposit_cents = 1_000"),
        ("[battery]", f"{told}{more}{none}[battery]"),
    )
    assert scenario.deposits == (("h03", 25_000_000), ("h06", 10_000_000_000))
    parties = {party.party: party for party in scenario.parties}
    for pod in ("h03", "h06", "h08"):
        party = parties[home_party(PodId(pod))]
        assert (party.funding, party.credit_limit_nano) == (Funding.PREPAID, 0)
    assert parties[home_party(PodId("h01"))].funding is Funding.CREDIT_LIMIT
    assert scenario.homes == load_scenario("street").homes


def test_copies_pay_as_is_said_of_all_and_not_as_is_set_for_the_original(tmp_path: Path) -> None:
    scenario = street_with(
        tmp_path,
        ("= 500_000", '= 500_000\nfunding = "prepaid"\ndeposit_cents = 1'),
        ("[battery]", '[[homes.set]]\nhome = "h01"\nfunding = "credit_limit"\n[battery]'),
        pods=7,
    )
    assert [pod for pod, _ in scenario.deposits] == ["h03", "h06", "h07", "h08", "h11", "h01-2"]
    first, copy = scenario.parties[-7], scenario.parties[-1]
    assert (first.funding, copy.funding) == (Funding.CREDIT_LIMIT, Funding.PREPAID)
    assert first.credit_limit_nano == 5_000_000_000_000


def test_sales_are_taxed_from_a_local_midnight_on(tmp_path: Path) -> None:
    scenario = street_with(
        tmp_path,
        ("= 500_000", "= 500_000\nsales_taxed_since = 2013-06-15"),
        ("[battery]", '[[homes.set]]\nhome = "h06"\nsales_taxed_since = 2013-06-14\n[battery]'),
    )
    taxed = {party.party: party.tax_from for party in scenario.parties if party.tax_from}
    assert len(taxed) == 6
    assert taxed.pop(home_party(PodId("h06"))) == instant("2013-06-14T00:00+01:00")
    assert set(taxed.values()) == {instant("2013-06-15T00:00+01:00")}


def test_export_price_may_be_negative_and_the_pool_price_falls_with_it(tmp_path: Path) -> None:
    scenario = street_with(tmp_path, ("h = 4.640", "h = -8.640"))
    (tariff,) = scenario.tariffs
    assert tariff.export == -86_400
    assert stored_price(scenario) == -8_200


def test_strategies_and_zones_are_allotted_in_exact_shares() -> None:
    week = load_scenario("london-week")
    strategies = Counter(home.strategy for home in week.homes)
    assert strategies == {"truthful": 36, "adaptive": 15, "zero_intelligence": 9}
    assert Counter(home.zone for home in week.homes) == {"north": 30, "south": 30}


def test_limits_differ_lie_in_their_range_and_on_the_tick() -> None:
    homes = load_scenario("london-week").homes
    for limits, least, most in (
        ([home.buy_limit for home in homes], 60_000, 96_000),
        ([home.sell_limit for home in homes], 43_000, 75_000),
    ):
        assert least <= min(limits) < max(limits) <= most
        assert not any(limit % 10 for limit in limits)
        assert len(set(limits)) > 50


def test_same_seed_draws_the_same_and_another_seed_does_not() -> None:
    assert load_scenario("street").homes == load_scenario("street").homes
    assert load_scenario("street", seed=7).homes != load_scenario("street").homes
    assert load_scenario("street", seed=7).seed == 7


def test_fewer_days_are_the_first_ones_and_leave_later_faults_out() -> None:
    day = load_scenario("london-week", days=1)
    assert [one for one, _ in day.days] == [date(2013, 6, 10)]
    assert day.series.rows == 5 * 7 * 48 + 48
    assert day.faults.exchanges == ()
    assert day.faults.silences == ()


def test_silence_is_cut_where_the_days_end() -> None:
    silences = load_scenario("london-week", days=2).faults.silences
    assert [(pod, period.end) for pod, period in silences] == [
        ("h21", instant("2013-06-12T00:00+01:00"))
    ]


def test_fewer_homes_are_the_first_ones_drawn_as_before() -> None:
    whole = load_scenario("london-week")
    few = load_scenario("london-week", pods=5)
    assert few.homes == whole.homes[:5]
    assert np.array_equal(few.series.load_wh, whole.series.load_wh[:, :5])


def test_more_homes_keep_the_first_and_draw_copies_of_their_own() -> None:
    whole = load_scenario("london-week")
    many = load_scenario("london-week", pods=150)
    assert many.homes[:60] == whole.homes
    assert [many.homes[at].pod for at in (60, 119, 120, 149)] == [
        "h01-2",
        "h60-2",
        "h01-3",
        "h30-3",
    ]
    assert many.homes[60].battery == whole.homes[0].battery
    assert many.homes[60].buy_limit != whole.homes[0].buy_limit
    assert len({home.meter for home in many.homes}) == 150
    strategies = Counter(home.strategy for home in many.homes[60:120])
    assert strategies == {"truthful": 36, "adaptive": 15, "zero_intelligence": 9}


def test_copies_draw_what_the_original_drew_a_week_away_under_the_same_sun() -> None:
    many = load_scenario("london-week", pods=180).series
    week = WEEK // many.isp_us
    assert np.array_equal(many.load_wh[week:, 60], many.load_wh[:-week, 0])  # a week earlier
    assert np.array_equal(many.load_wh[:-week, 120], many.load_wh[week:, 0])  # a week later
    assert np.array_equal(many.pv_wh[:, 60], many.pv_wh[:, 0])


def test_copies_of_a_year_wrap_by_whole_weeks() -> None:
    year = load_scenario("london-year", pods=61).series
    week, whole = 336, 52 * 336
    assert np.array_equal(year.load_wh[:week, 60], year.load_wh[whole - week : whole, 0])
    assert np.array_equal(year.load_wh[week:, 60], year.load_wh[:-week, 0])


def test_packaged_files_are_small_and_their_values_are_whole_tenths_of_a_wh() -> None:
    files = sorted((PACKAGED / "data").iterdir())
    assert sum(path.stat().st_size for path in files) < 3_000_000
    load = pl.read_parquet(PACKAGED / "data" / "london_2013_load_wh.parquet", columns=["h01"])
    tenths = load["h01"].to_numpy().astype(np.float64) * 10
    assert np.allclose(tenths, np.round(tenths), atol=1e-2)


def test_sources_name_every_packaged_file_and_attribution() -> None:
    sources = (PACKAGED / "SOURCES.md").read_text(encoding="utf-8")
    for path in sorted((PACKAGED / "data").glob("*.parquet")):
        assert f"`{path.name}`" in sources
    for name in NAMES:
        for line in load_scenario(name, days=1).attribution:
            assert line in sources


def test_scenario_of_a_folder_is_its_scenario_toml(tmp_path: Path) -> None:
    text = (PACKAGED / "street.toml").read_text(encoding="utf-8")
    (tmp_path / "scenario.toml").write_text(
        text.replace('"data/', f'"{PACKAGED.as_posix()}/data/'), encoding="utf-8"
    )
    assert load_scenario(tmp_path).homes == load_scenario("street").homes
    assert load_scenario(tmp_path / "scenario.toml").homes == load_scenario("street").homes
