"""What an aggregator bids: within its need, its lot, its cap and its budget."""

from __future__ import annotations

from random import Random

import pytest

from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.auctions import Ended, Stage
from wattbay.adapters.etp.messages import RejectCode
from wattbay.adapters.etp.strategies import STEP, Strategy
from wattbay.adapters.etp.trader import Plan, Trader, Wanted

FIRST, SECOND = 101, 102
CAP = 300_000


def a_trader(
    *,
    strategy: Strategy = Strategy.CONSERVATIVE,
    cap: int = CAP,
    floor: int = 100_000,
    need_wh: int = 10_000,
    lot_wh: int = 4_000,
    budget_nano: int | None = None,
) -> Trader:
    plan = Plan(201, strategy, cap, floor, need_wh, lot_wh, budget_nano)
    return Trader(plan, Random(7))


def tell(trader: Trader, bess: int, kwh: float, percentage: float = 100.0) -> None:
    trader.told(bess, m.query_response(1, bess, kwh, percentage))


def what_became(
    wanted: Wanted, stage: Stage = Stage.SETTLED, *, code: int = 0, price: int | None = None
) -> Ended:
    return Ended(
        wanted.bess, 1, stage, code, wanted.price if price is None else price, wanted.energy_wh
    )


def end(trader: Trader, wanted: Wanted, ended: Ended) -> None:
    trader.ended(ended, wanted.price)


def test_nothing_is_bid_before_a_battery_told_what_it_has() -> None:
    assert a_trader().bids() == []


def test_lot_is_spread_over_batteries() -> None:
    trader = a_trader()
    tell(trader, FIRST, 5, 50)
    tell(trader, SECOND, 80, 50)
    bids = trader.bids()
    assert [(one.bess, one.energy_wh) for one in bids] == [(FIRST, 2_500), (SECOND, 1_500)]
    assert trader.is_waiting


def test_what_is_at_stake_is_not_bid_again() -> None:
    trader = a_trader(need_wh=5_000)
    tell(trader, FIRST, 80)
    assert sum(one.energy_wh for one in trader.bids()) == 4_000
    assert sum(one.energy_wh for one in trader.bids()) == 1_000
    assert trader.bids() == []


def test_budget_is_kept_though_all_bids_win() -> None:
    trader = a_trader(strategy=Strategy.AGGRESSIVE, budget_nano=1_000 * CAP, lot_wh=10_000)
    tell(trader, FIRST, 80)
    for _ in range(3):
        for wanted in trader.bids():
            end(trader, wanted, what_became(wanted))
    assert 0 < trader.figures.spent_nano <= 1_000 * CAP
    assert trader.is_done


def test_supplies_of_the_round_before_do_not_count() -> None:
    trader = a_trader()
    tell(trader, FIRST, 80)
    trader.forget_supplies()
    assert trader.bids() == []


@pytest.mark.parametrize("stage", [Stage.REJECTED, Stage.EXPIRED, Stage.TERMINATED, Stage.FAILED])
def test_bid_without_a_sale_frees_what_was_at_stake(stage: Stage) -> None:
    trader = a_trader()
    tell(trader, FIRST, 80)
    (wanted,) = trader.bids()
    end(trader, wanted, what_became(wanted, stage))
    assert not trader.is_waiting
    assert (trader.figures.settled, trader.figures.spent_nano) == (0, 0)
    (again,) = trader.bids()
    assert again.energy_wh == wanted.energy_wh


def test_sale_below_the_bid_frees_the_difference() -> None:
    trader = a_trader(need_wh=4_000)
    tell(trader, FIRST, 80)
    (wanted,) = trader.bids()
    end(trader, wanted, what_became(wanted, price=wanted.price - STEP))
    figures = trader.figures
    assert (figures.settled, figures.bought_wh) == (1, 4_000)
    assert figures.spent_nano == 4_000 * (wanted.price - STEP)
    assert not trader.is_waiting
    assert trader.is_done


@pytest.mark.parametrize("code", [RejectCode.PRICE_TOO_LOW, RejectCode.OUTBID])
def test_rejected_price_leads_to_a_higher_bid_up_to_the_cap(code: RejectCode) -> None:
    trader = a_trader()
    prices = []
    for _ in range(40):
        trader.forget_supplies()
        tell(trader, FIRST, 80)
        for wanted in trader.bids():
            prices.append(wanted.price)
            end(trader, wanted, what_became(wanted, Stage.REJECTED, code=code))
    assert len(prices) > 5
    assert prices == sorted(prices)
    assert CAP - STEP <= prices[-1] <= CAP


def test_rejection_for_another_reason_changes_no_price() -> None:
    trader = a_trader()
    tell(trader, FIRST, 80)
    (wanted,) = trader.bids()
    end(trader, wanted, what_became(wanted, Stage.REJECTED, code=RejectCode.OFFLINE))
    assert trader.reserve_of(FIRST) == 100_000


def test_battery_that_wants_more_than_the_cap_gets_no_bid() -> None:
    trader = a_trader(cap=90_000, floor=100_000)
    tell(trader, FIRST, 80)
    assert trader.bids() == []


def test_bid_that_could_not_be_made_is_nothing() -> None:
    trader = a_trader()
    tell(trader, FIRST, 80)
    (wanted,) = trader.bids()
    assert trader.figures.bids == 1
    trader.take_back(wanted)
    assert trader.figures.bids == 0
    assert not trader.is_waiting


def test_bid_from_before_a_restart_is_at_stake_until_it_ends() -> None:
    trader = a_trader(need_wh=4_000)
    trader.restored(3_000, 150_000)
    tell(trader, FIRST, 80)
    (wanted,) = trader.bids()
    assert wanted.energy_wh == 1_000
    trader.ended(Ended(FIRST, 9, Stage.SETTLED, 0, 150_000, 3_000), 150_000)
    end(trader, wanted, what_became(wanted))
    assert trader.is_done


@pytest.mark.parametrize("kwh", [1e308, 1e18, 1e-9, 0.0])
def test_whatever_a_battery_says_to_have_bids_stay_within_the_lot(kwh: float) -> None:
    trader = a_trader()
    tell(trader, FIRST, kwh)
    assert sum(one.energy_wh for one in trader.bids()) <= 4_000


def test_trader_without_a_need_is_done() -> None:
    assert a_trader(need_wh=0).is_done
    assert not a_trader().is_done
