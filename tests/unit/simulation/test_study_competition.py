"""The study of competing aggregators: its draws, its regimes, what it says."""

from __future__ import annotations

import msgspec
import numpy as np
import polars as pl
import pytest

from wattbay.adapters.etp.strategies import Strategy
from wattbay.adapters.report.competed import Estimate, Helps, Told
from wattbay.periods import DAY, HOUR, instant
from wattbay.simulation.competition.figures import Drawn, quantile
from wattbay.simulation.competition.market import Lived, live
from wattbay.simulation.competition.regimes import (
    BARE,
    BY_NAME,
    HOME,
    MIXED,
    UTILITY,
    Use,
    auctions,
)
from wattbay.simulation.competition.verdict import verdict
from wattbay.simulation.competition.world import (
    DAYS_MAX,
    FILES,
    ODD,
    PRICES_START,
    STEPS_PER_DAY,
    Places,
    Terms,
    World,
    by_step,
    draw,
    kept,
    without_extras,
)
from wattbay.simulation.study_competition import (
    CHANGES,
    Plan,
    document,
    rows,
    study,
    told,
)

TERMS = Terms()


@pytest.fixture(scope="module")
def places() -> Places:
    return Places.read()


@pytest.fixture(scope="module")
def world(places: Places) -> World:
    return draw(places, 1, 3, TERMS)


@pytest.fixture(scope="module")
def drawn() -> list[Drawn]:
    return list(study(Plan(seeds=2, days=2)))


def sums(lived: Lived) -> tuple[int, int]:
    """Return what owners have, and what they sold by auction."""
    return sum(one.net for one in lived.accounts), sum(one.sold_wh for one in lived.accounts)


def test_prices_are_those_of_the_source() -> None:
    frame = pl.read_parquet(FILES / "nsw_2025_prices.parquet")
    prices = frame["nsw1_nano_per_wh"].to_numpy()
    assert len(prices) == 59 * STEPS_PER_DAY
    assert (prices.min(), prices.max()) == (-999_990, 17_500_000)
    assert prices.mean() == pytest.approx(86_655.86, abs=0.01)
    assert prices[0] == 138_030


def test_local_midnight_is_where_the_draws_count_from(places: Places) -> None:
    # Sydney keeps summer time in January: eleven hours ahead of UTC.
    assert instant("2025-01-02T00:00+11:00") == PRICES_START
    assert not set(places.homes) & ODD
    assert len(places.homes) == 13


@pytest.mark.parametrize("days", [1, 7, DAYS_MAX])
def test_spans_lie_within_the_data_and_weekdays_on_each_other(places: Places, days: int) -> None:
    for seed in range(30):
        found = draw(places, seed, days, TERMS)
        assert len(found.wholesale) == len(found.known) == len(found.caps) == days * STEPS_PER_DAY
        assert all(len(one.surplus_wh) == len(one.kept_wh) == days * 288 for one in found.owners)
        prices, homes = instant(found.prices_from), instant(found.homes_from)
        # Six in the morning at both places.
        assert (prices + 11 * HOUR) % DAY == (homes - 7 * HOUR) % DAY == 6 * HOUR
        assert ((prices + 11 * HOUR) // DAY - (homes - 7 * HOUR) // DAY) % 7 == 0
        assert found.known[1:] == found.wholesale[:-1]


def test_homes_and_their_energies_are_the_real_ones(world: World) -> None:
    frame = pl.read_parquet(FILES / "fontana_2017_pv_wh.parquet")
    load = pl.read_parquet(FILES / "fontana_2017_load_wh.parquet")
    start = pl.lit(world.homes_from).str.to_datetime(time_zone="UTC")
    first = frame.with_row_index().filter(pl.col("start") == start)["index"][0]
    owner = world.owners[0]
    net = (
        np.rint(frame[owner.home].to_numpy().astype(float))
        - np.rint(load[owner.home].to_numpy().astype(float))
    )[first : first + 72]
    by_hour = np.array(owner.surplus_wh).reshape(-1, 12) - np.array(owner.lack_wh).reshape(-1, 12)
    assert by_hour.sum(axis=1).tolist() == net.tolist()


def test_tariffs_are_spread_over_their_span_and_reserves_break_even(world: World) -> None:
    tariffs = sorted(owner.tariff for owner in world.owners)
    width = (TERMS.tariff_high - TERMS.tariff_low) / len(tariffs)
    for place, tariff in enumerate(tariffs):
        assert (
            TERMS.tariff_low + place * width - 1 <= tariff <= TERMS.tariff_low + (place + 1) * width
        )
    for owner in world.owners:
        sold_wh = 9_000
        by_auction = sold_wh * (owner.reserve - TERMS.fee - TERMS.wear)
        assert 0 <= by_auction - 10_000 * owner.tariff <= sold_wh


def test_aggregators_pay_what_they_know_and_earn_besides_within_the_bounds(world: World) -> None:
    for known, caps in zip(world.known, world.caps, strict=True):
        for cap, extra in zip(caps, world.extras, strict=True):
            worth = known + extra
            assert cap == (0 if worth < TERMS.bid_low else min(worth, TERMS.bid_high))
    bare = without_extras(world, TERMS)
    assert set(bare.extras) == {0}
    assert bare.owners == world.owners


def test_hours_are_spread_over_steps_without_losing_a_watt_hour() -> None:
    found = by_step(np.array([25, 0, 12]))
    assert found[:12].tolist() == [3, *([2] * 11)]
    assert found.reshape(-1, 12).sum(axis=1).tolist() == [25, 0, 12]


def test_battery_keeps_what_the_day_before_would_have_needed() -> None:
    lack, surplus = np.zeros(2 * STEPS_PER_DAY, dtype=np.int64), np.zeros(2 * STEPS_PER_DAY)
    lack[200:210] = 90
    surplus[100:105] = 40
    found = kept(lack, surplus.astype(np.int64), 10_000, 400, TERMS)
    # 900 Wh take 1,000 out of the store; 200 come from the panels before, where it still is before.
    assert found[0] == 800
    assert found[105] == 1_000
    assert found[210] == 0
    assert kept(lack, surplus.astype(np.int64), 500, 400, TERMS)[150] == 500


def test_names_and_titles_are_unlike_each_other() -> None:
    regimes = list(BY_NAME.values())
    assert len(regimes) == len({one.title for one in regimes}) == 68
    assert BY_NAME[f"{MIXED}-8"].bidders.count(Strategy.RANDOM) == 2
    assert auctions("random", 1).title == "1 random"
    assert not any(regime.has_extras for regime in BARE)


def test_utility_pays_the_tariff_for_all_there_is(world: World) -> None:
    lived = live(world, UTILITY, TERMS)
    for owner, account in zip(world.owners, lived.accounts, strict=True):
        assert account.fed_in_wh == account.surplus_wh == sum(owner.surplus_wh)
        assert account.net == account.surplus_wh * owner.tariff


def test_home_uses_no_more_than_it_lacks(world: World) -> None:
    lived = live(world, HOME, TERMS)
    for owner, account in zip(world.owners, lived.accounts, strict=True):
        assert 0 <= account.home_wh <= sum(owner.lack_wh)
        assert account.saved == account.home_wh * TERMS.retail
        assert account.wear == account.home_wh * TERMS.wear
        assert account.sold_wh == 0


def test_wear_fee_and_losses_are_each_charged_once(world: World) -> None:
    lived = live(world, auctions(Strategy.AGGRESSIVE, 3), TERMS)
    sold = 0
    for account in lived.accounts:
        assert account.fees == account.sold_wh * TERMS.fee
        assert account.wear == account.sold_wh * TERMS.wear
        assert account.charged_wh == account.sold_wh + account.lost_wh
        # A tenth is lost, and less than a Wh by rounding at each sale.
        assert account.lost_wh == pytest.approx(account.charged_wh / 10, abs=len(world.wholesale))
        sold += account.sold_wh
    assert sold > 10_000


def test_one_conservative_aggregator_pays_just_over_the_reserve(world: World) -> None:
    lived = live(world, auctions(Strategy.CONSERVATIVE, 1), TERMS)
    for owner, account in zip(world.owners, lived.accounts, strict=True):
        assert account.sold <= account.sold_wh * (2 * owner.reserve + 501)
        assert account.sold >= account.sold_wh * (owner.reserve * 9 // 10)


def test_rational_bidders_pay_more_the_more_they_are(world: World) -> None:
    alone, two, ten = (
        sums(live(world, auctions("equilibrium", count), TERMS))[0] for count in (1, 2, 10)
    )
    assert alone < two < ten


def test_home_comes_first_where_both_are_served(world: World) -> None:
    both = live(world, auctions(Strategy.AGGRESSIVE, 10, Use.BOTH), TERMS)
    alone = live(world, HOME, TERMS)
    sold = live(world, auctions(Strategy.AGGRESSIVE, 10), TERMS)
    assert 0 < sums(both)[1] < sums(sold)[1]
    served = [sum(one.home_wh for one in lived.accounts) for lived in (both, alone, sold)]
    assert served[1] >= served[0] > served[2] == 0


def test_study_repeats_by_its_seeds_to_the_byte(drawn: list[Drawn]) -> None:
    plan = Plan(seeds=2, days=2)
    again = list(study(plan))
    first, second = (msgspec.json.encode(document(plan, each)) for each in (drawn, again))
    assert first == second
    assert rows(drawn).equals(rows(again))
    other = list(study(Plan(seeds=1, first_seed=2, days=2)))
    assert other[0].world == drawn[1].world
    assert rows(other).equals(rows(drawn[1:]))


def test_regimes_live_in_the_same_world(drawn: list[Drawn]) -> None:
    for one in drawn:
        for account in one.lived.values():
            made = [each.surplus_wh for each in account.accounts]
            assert made == [sum(owner.surplus_wh) for owner in one.world.owners]
        for change in CHANGES:
            varied = one.variants[change.name].world
            assert varied.prices_from == one.world.prices_from
            assert varied.extras == one.world.extras
            assert [o.capacity_wh for o in varied.owners] == [
                o.capacity_wh for o in one.world.owners
            ]


def test_figures_are_sums_of_the_rows(drawn: list[Drawn]) -> None:
    plan = Plan(seeds=2, days=2)
    found = document(plan, drawn)
    table = rows(drawn).group_by("regime", "seed").agg(pl.col("net_nano", "surplus_wh").sum())
    for name in ("utility", "home", "aggressive-10", "bare-random-10"):
        here = table.filter(pl.col("regime") == name).sort("seed")
        by_seed = (here["net_nano"] / here["surplus_wh"] / 10_000).to_list()
        assert found.regime(name).figures.net.mean == pytest.approx(sum(by_seed) / 2)
        assert [span.net[name] for span in found.spans] == pytest.approx(by_seed)
    ten = found.regime("aggressive-10")
    assert ten.against_one is not None
    assert ten.against_one.mean == pytest.approx(
        ten.figures.net.mean - found.regime("aggressive-1").figures.net.mean
    )
    sales = ten.figures.sales
    assert sales is not None
    assert sales.margin.mean == pytest.approx(sales.worth.mean - sales.paid.mean)
    assert found.regime("home").figures.sales is None
    with pytest.raises(KeyError):
        found.regime("nobody")


def test_share_of_owners_and_quantiles_are_ordered(drawn: list[Drawn]) -> None:
    plan = Plan(seeds=2, days=2)
    for name in plan.regimes:
        found = told(plan, drawn, name).figures
        for values, worst in (
            (found.owners.net, found.owners.worst),
            (found.owners.gain, found.owners.worst_gain),
        ):
            assert [worst, *values] == sorted([worst, *values])
        assert 0 <= found.owners.better_than_utility <= 1
    assert quantile([1.0, 2.0, 4.0], 50) == 2.0
    assert quantile([1.0, 2.0, 4.0], 75) == 3.0
    assert quantile([5.0], 95) == 5.0


def regimes_with(drawn: list[Drawn], gain: Estimate) -> list[Told]:
    """Return regimes of which all differences are one and the same."""
    plan = Plan(seeds=2, days=2)
    found = []
    for name in plan.regimes:
        one = told(plan, drawn, name)
        figures = msgspec.structs.replace(one.figures, gain=gain, gain_on_home=gain)
        against = gain if one.against_one else None
        found.append(msgspec.structs.replace(one, figures=figures, against_one=against))
    return found


@pytest.mark.parametrize(("mean", "helps"), [(1.0, Helps.YES), (-1.0, Helps.NO), (0.1, Helps.NO)])
def test_verdict_follows_the_figures(drawn: list[Drawn], mean: float, helps: Helps) -> None:
    found = {one.about: one for one in verdict(regimes_with(drawn, Estimate(mean, 0.5)))}
    first = found["Ten aggregators against one utility"]
    assert first.helps is helps
    assert first.text.startswith(f"{mean:+.2f} ± 0.50 c")
    assert ("zero lies in the interval" in first.text) is (abs(mean) < 0.5)
    assert found["Ten aggregators against use at home"].helps is helps
    assert found["One aggregator alone against one utility"].helps is Helps.NOTE


def test_one_seed_proves_nothing() -> None:
    plan = Plan(seeds=1, days=1)
    found = document(plan, list(study(plan)))
    assert all(one.helps in {Helps.NO, Helps.NOTE} for one in found.verdict)
    assert "on one seed alone" in found.verdict[0].text


def test_nothing_is_said_of_what_was_not_studied() -> None:
    plan = Plan(seeds=2, days=1, regimes=("utility", "home", "random-2"), changes=())
    found = document(plan, list(study(plan)))
    assert [one.about for one in found.verdict] == ["The utility"]
    assert verdict(found.regimes[1:]) == []


def test_seeds_and_days_are_bounded() -> None:
    with pytest.raises(ValueError, match="0 seeds"):
        next(study(Plan(seeds=0)))
    with pytest.raises(ValueError, match="29 days"):
        next(study(Plan(days=29)))
