"""Tariffs of a scenario file that vary: read, published each day, and followed by everybody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from random import Random
from types import MappingProxyType

import numpy as np
import polars as pl
import pytest

from wattbay.agents.agent import Desk
from wattbay.agents.quantity import Alternatives
from wattbay.agents.strategies import strategy
from wattbay.clearing.retail.models import Component, GridStability, Indexed, TimeOfUse
from wattbay.core.commands import CallResponse, ListDeliveries, PlaceOrder, PublishPrices
from wattbay.core.facts import EnergyTier, MonthlyCharges, Side
from wattbay.errors import ConfigError
from wattbay.ids import PodId, TariffId, ZoneId
from wattbay.periods import Instant, instant
from wattbay.simulation.baseline import run_baseline, stored_price
from wattbay.simulation.founding import listings
from wattbay.simulation.residents import Residents
from wattbay.simulation.retail import called, held, publications, retail_of
from wattbay.simulation.scenario import PACKAGED, Scenario, load_scenario

NORTH, SOUTH = ZoneId("north"), ZoneId("south")
TOU, DYNAMIC, FLAT = TariffId("time-of-use"), TariffId("dynamic"), TariffId("flat")
WINDOW = '[[tariff.time_of_use]]\nfrom = "00:00"\nto = "07:00"\ncents_per_kwh = -4.000\n'
INDEX = '[[tariff.indexed]]\nseries = "dtou_p_per_kwh"\n'
TIERS = "{ from_kwh = 40, cents_per_kwh = 5.000 }"
CALL = """\
from = 2013-03-31T17:00:00
to = 2013-03-31T19:00:00
rebate_cents_per_kwh = 20.000
penalty_cents_per_kwh = 2.000
"""
ZONE = '[[zone]]\nid = "north"\n'

PARTS = MappingProxyType(
    {"window": WINDOW, "index": INDEX, "zone": ZONE, "tiers": TIERS, "call": CALL}
)

Written = Callable[..., Path]


@pytest.fixture(scope="module")
def london() -> Scenario:
    return load_scenario("london-tariffs")


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Write the packaged file with some texts replaced."""

    def write(**replaced: str) -> Path:
        text = (PACKAGED / "london-tariffs.toml").read_text(encoding="utf-8")
        text = text.replace('"data/', f'"{PACKAGED.as_posix()}/data/')
        for name, new in replaced.items():
            old = PARTS[name]
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "scenario.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def a_dynamic_home(scenario: Scenario) -> int:
    """Return the place of the first home on the dynamic tariff that has no panels."""
    kinds = [(home.tariff, home.pv_kwp > 0) for home in scenario.homes]
    return kinds.index((DYNAMIC, False))


def faults(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_scenario(path)
    return str(caught.value)


def test_models_are_read_with_the_flat_price_that_they_add_to(london: Scenario) -> None:
    assert set(london.models) == {TOU, DYNAMIC}
    flat, windows = london.models[TOU]
    assert isinstance(windows, TimeOfUse)
    assert (flat.component, [one.nano_per_wh for one in windows.windows]) == (
        Component.ENERGY,
        [-40_000, 90_000, 40_000],
    )
    index = london.models[DYNAMIC][1]
    assert isinstance(index, Indexed)
    assert (index.series, index.factor_ppm, index.adder) == ("dtou_p_per_kwh", 952_381, -65_500)


def test_prices_of_a_day_are_published_before_it_is_listed(london: Scenario) -> None:
    for (_, period), (_, commands) in zip(london.days, listings(london), strict=True):
        listed = commands[-1]
        assert isinstance(listed, ListDeliveries)
        told = [one for one in commands if isinstance(one, PublishPrices)]
        assert [one.tariff for one in told] == [TOU, DYNAMIC]
        assert {(one.start, len(one.energy), one.zone) for one in told} == {
            (period.start, listed.count, None)
        }
        assert all(one.publisher == "market-operator" for one in told)


def test_day_on_which_the_clocks_change_has_46_prices_and_a_short_night(london: Scenario) -> None:
    tou, dynamic = publications(london)[3]
    assert (len(tou.energy), tou.energy.count(32_000)) == (46, 12)
    assert dynamic.energy == (46_500,) * 46  # the cheap band of the trial ended the day before
    eve = publications(london)[2][1].energy
    assert eve == (-27_500,) * 10 + (46_500,) * 38


def test_scenario_of_flat_tariffs_publishes_nothing() -> None:
    street = load_scenario("street")
    assert publications(street) == [[], []]
    assert held(street).at(FLAT, NORTH, street.start) is street.tariffs[0]
    assert held(street).mean(FLAT) is street.tariffs[0]


def test_tariff_holds_as_published_and_its_mean_is_rounded_down(london: Scenario) -> None:
    tariffs = held(london)
    night = Instant(london.start)
    assert tariffs.at(TOU, SOUTH, night).energy == 32_000
    assert tariffs.at(FLAT, SOUTH, night).energy == 70_000
    every = [price for day in publications(london) for price in day[1].energy]
    mean = tariffs.mean(DYNAMIC)
    assert mean.energy == sum(every) // len(every)
    assert (mean.export, mean.network_regional) == (46_400, 45_500)
    assert mean.energy > tariffs.mean(TOU).energy > 60_000  # that of the tiers
    assert stored_price(london) == (60_000 + 46_400) // 2


def test_life_without_a_market_is_paid_at_the_prices_of_each_delivery(london: Scenario) -> None:
    found = run_baseline(london)
    tariffs = held(london)
    place = next(
        i for i, home in enumerate(london.homes) if home.tariff == DYNAMIC and not home.pv_kwp
    )
    home, series = london.homes[place], london.series
    cost, register, told = 0, 0.0, 0
    for _, day in london.days:
        for start in range(day.start, day.end, london.isp_us):
            register += float(series.load_wh[series.row(Instant(start)), place])
            price = retail_of(tariffs.at(DYNAMIC, home.zone, Instant(start)))
            cost += (round(register) - told) * price
            told = round(register)
    assert found.import_wh[place] == told
    assert found.cost_nano[place] == cost


def test_homes_are_told_the_alternatives_of_the_delivery(london: Scenario) -> None:
    residents, empty = Residents(london), np.zeros(len(london.homes))
    dear, cheap = instant("2013-03-16T18:00Z"), instant("2013-03-30T03:00Z")
    assert all(london.series.row(at) >= 0 for at in (dear, cheap))
    bids = {
        at: {
            one.pod: one.limit
            for one in residents.act(at, at, london.start, empty, empty)
            if isinstance(one, PlaceOrder) and one.side is Side.BUY and one.limit is not None
        }
        for at in (dear, cheap)
    }
    dynamic = {home.pod for home in london.homes if home.tariff == DYNAMIC}
    both = dynamic & bids[dear].keys() & bids[cheap].keys()
    assert both
    assert all(bids[dear][pod] > bids[cheap][pod] for pod in both)


def test_limits_move_by_as_much_as_the_alternatives_do(london: Scenario) -> None:
    product = london.product
    usual = Alternatives(buy=92_000, sell=46_000, fees=42_750, pool=58_000)
    then = usual._replace(buy=500_000, sell=40_000)
    desk = Desk(
        PodId("h01"),
        product,
        strategy("truthful", product, Random(1)),
        usual,
        buy_limit=80_000,
        sell_limit=50_000,
    )
    short, over = [-500.0] * 9, [500.0] * 9
    limits = [
        one.limit
        for net in (short, over)
        for without in (None, then)
        for one in desk.orders(london.start, net, None, without=without)
        if isinstance(one, PlaceOrder)
    ]
    assert limits == [80_000, 488_000, 50_000, 44_000]


def test_strained_zone_is_published_by_itself(written: Written, tmp_path: Path) -> None:
    signals = pl.read_parquet(PACKAGED / "data" / "london_2013_signals.parquet")
    loads = signals.with_columns(
        north_w=pl.when(pl.col("start").dt.hour() == 18).then(9_000.0).otherwise(100.0),
        south_w=pl.lit(0.0),
    )
    loads.write_parquet(tmp_path / "signals.parquet")
    path = written(
        zone='[[zone]]\nid = "north"\nlimit_w = 10_000\nload_series = "north_w"\n',
        window="[[tariff.grid_stability]]\nsteps = [{ from_ppm = 900_000, cents_per_kwh = 3 }]\n"
        + WINDOW,
    )
    text = path.read_text(encoding="utf-8")
    south = '[[zone]]\nid = "south"\n'
    text = text.replace(south, south + 'limit_w = 10_000\nload_series = "south_w"\n')
    text = text.replace(
        f"{PACKAGED.as_posix()}/data/london_2013_signals.parquet", "signals.parquet"
    )
    path.write_text(text, encoding="utf-8")
    scenario = load_scenario(path)
    assert isinstance(scenario.models[TOU][-1], GridStability)
    told = [one for one in publications(scenario)[0] if one.tariff == TOU]
    assert [(one.zone, sorted(set(one.network))) for one in told] == [
        (NORTH, [0, 30_000]),
        (SOUTH, [0]),
    ]
    assert told[0].energy == told[1].energy
    evening = held(scenario).at(TOU, NORTH, instant("2013-03-16T18:30Z"))
    assert evening.network_regional == 75_500
    assert {fee.nano_per_wh for fee in evening.network_local} == {52_750, 64_000}


def test_critical_peak_replaces_the_price_in_its_event(written: Written) -> None:
    event = (
        "[[tariff.critical_peak]]\nfrom = 2013-03-16T18:00:00\nto = 2013-03-16T19:00:00\n"
        'cents_per_kwh = 50\nholds = "instead"\n'
    )
    scenario = load_scenario(written(window=WINDOW + event))
    prices = publications(scenario)[0][0].energy
    assert prices[35:39] == (112_000, 500_000, 500_000, 112_000)


@pytest.mark.parametrize(
    ("window", "fault"),
    [
        (WINDOW.replace("07:00", "7:00"), "is no time of the day"),
        (WINDOW.replace("00:00", "24:00"), "is no time of the day"),
        (WINDOW.replace("07:00", "16:30"), "windows 1 and 2 hold at the same time"),
        (WINDOW.replace("07:00", "06:45"), "begins or ends inside a delivery"),
        (WINDOW + 'weekdays = ["sun", "Sun"]\n', "is not some of mon"),
        (WINDOW + "months = []\n", "is not some of jan"),
        (WINDOW + 'component = "gas"\n', "component = 'gas' is unknown"),
        (WINDOW + "price = 1\n", "price is not a key of"),
        (
            WINDOW
            + "[[tariff.critical_peak]]\nfrom = 2013-03-16T18:00:00\nto = 2013-03-16T17:00:00\n"
            + "cents_per_kwh = 1\n",
            "ends before it starts",
        ),
        (
            WINDOW + "[[tariff.grid_stability]]\nsteps = [{ from_ppm = 1, cents_per_kwh = 1 }]\n",
            "zone north has no limit_w",
        ),
        (
            WINDOW
            + '[[tariff.grid_stability]]\nzones = ["west"]\n'
            + "steps = [{ from_ppm = 2, cents_per_kwh = 1 },"
            + " { from_ppm = 1, cents_per_kwh = 1 }]\n",
            "steps are not in order",
        ),
    ],
)
def test_fault_of_a_model_is_told(written: Written, window: str, fault: str) -> None:
    assert fault in faults(written(window=window))


@pytest.mark.parametrize(
    ("tiers", "fault"),
    [
        (TIERS.replace("40", "20"), "the tier is not above the one before"),
        (TIERS.replace("5.000", "200_000"), "a tier adds"),
        (TIERS.replace("from_kwh = 40, ", ""), "from_kwh is missing"),
    ],
)
def test_fault_of_a_tier_is_told(written: Written, tiers: str, fault: str) -> None:
    assert fault in faults(written(tiers=tiers))


def test_charges_of_the_month_are_read(london: Scenario) -> None:
    monthly = next(one.monthly for one in london.tariffs if one.tariff == "tiers")
    assert monthly == MonthlyCharges(
        tiers=(
            EnergyTier(from_wh=20_000, nano_per_wh=20_000),
            EnergyTier(from_wh=40_000, nano_per_wh=50_000),
        ),
        capacity_nano_per_w=200_000,
        minimum_nano=5_000_000_000,
    )


def test_response_is_called_when_its_day_is_listed(london: Scenario) -> None:
    by_day = [
        [one.call for one in commands if isinstance(one, CallResponse)]
        for _, commands in listings(london)
    ]
    assert by_day[:3] == [[], [], []]
    (call,) = by_day[3]
    assert (call.start, call.count) == (instant("2013-03-31T16:00Z"), 4)
    # The same hour of the wall's clock is an hour later in UTC before the change.
    assert call.baseline == tuple(instant(f"2013-03-{day}T17:00Z") for day in (30, 29, 28))
    assert (call.rebate, call.penalty, call.tariff) == (200_000, 20_000, "tiers")
    assert call.caller == "supplier-a"


def test_call_on_a_day_that_is_left_out_is_left_out() -> None:
    assert called(load_scenario("london-tariffs", days=2)) == [[], []]


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        (CALL.replace("17:00", "17:10"), "begins or ends inside a delivery"),
        (CALL.replace("17:00", "20:00"), "ends before it starts"),
        (CALL.replace("20.000", "-1"), "out of range"),
        (CALL + 'caller = "nobody"\n', "is unknown"),
    ],
)
def test_fault_of_a_call_is_told(written: Written, call: str, fault: str) -> None:
    assert fault in faults(written(call=call))


@pytest.mark.parametrize(
    ("index", "fault"),
    [
        (INDEX.replace("dtou", "dtuo"), "has no column dtuo_p_per_kwh"),
        (INDEX + "floor_cents_per_kwh = 2\ncap_cents_per_kwh = 1\n", "is above the cap"),
    ],
)
def test_fault_of_an_index_is_told(written: Written, index: str, fault: str) -> None:
    assert fault in faults(written(index=index))


def test_limit_of_a_zone_needs_its_load(written: Written) -> None:
    assert "go together" in faults(written(zone=ZONE + "limit_w = 10_000\n"))


def test_days_of_the_packaged_scenario_are_as_its_head_says(london: Scenario) -> None:
    days = [day for day, _ in london.days]
    assert days == [date(2013, 3, 16), date(2013, 3, 17), date(2013, 3, 30), date(2013, 3, 31)]
