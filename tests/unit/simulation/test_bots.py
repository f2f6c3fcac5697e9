"""Bots: what they do about what the market says. No socket, and no clock."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from tests.builders import EVE, ISP_US, MIDNIGHT
from wattbay.adapters.mqtt.market.messages import (
    Answered,
    Cleared,
    ClockTold,
    Gate,
    HourlyMarketState,
    OrderEnded,
    OrderRefused,
    OrderTraded,
    ProductTerms,
    Public,
    SolarOutput,
    ToDevice,
    TypicalConsumptionCurve,
    encode,
)
from wattbay.adapters.mqtt.market.signed import SignedOrder
from wattbay.adapters.mqtt.market.topics import Subject
from wattbay.adapters.mqtt.market.trends import StandardTrends
from wattbay.core.facts import Side
from wattbay.core.reasons import Reason
from wattbay.errors import AdapterError, WireError
from wattbay.ids import MeterId, OrderId, ProductId, RequestId, TradeId
from wattbay.periods import HOUR, Instant, to_text
from wattbay.simulation.bots.at_work import read_meter
from wattbay.simulation.bots.bot import (
    RESEND_AFTER,
    Bot,
    BotKind,
    Deed,
    Line,
    Meter,
    Shown,
    Traits,
)
from wattbay.simulation.bots.household import Household, Size
from wattbay.simulation.bots.store import Cell, Store

HALF_HOUR = ProductId("halfhour")
NOON = Instant(MIDNIGHT + 12 * HOUR)
SIZES = {
    BotKind.PV: Size(4.0, 0.0),
    BotKind.CONSUMER: Size(0.0, 12.0),
    BotKind.PROSUMER: Size(4.0, 12.0),
    BotKind.BATTERY: Size(),
}
TERMS = ProductTerms(
    product=HALF_HOUR, mechanism="call_auction", delivery_us=ISP_US, price_tick=10, energy_tick=1,
    price_min=-500_000, price_max=500_000, quantity_max_wh=100_000, opens_before_us=48 * HOUR,
    closes_before_us=HOUR, retail_energy=140_000, retail_export=40_000,
)  # fmt: skip
TRENDS = StandardTrends()


def a_bot(
    kind: str = "pv", *, seed: int = 1, strategy: str = "truthful", meter: Meter | None = None
) -> Bot:
    """Return a bot that knows its product and the trends of the day."""
    of = BotKind(kind)
    traits = Traits(of, MeterId("m-h01"), SIZES[of], strategy=strategy, seed=seed)
    bot = Bot(traits, Meter() if meter is None else meter)
    at = Instant(NOON - 2 * HOUR)
    hear(bot, Subject.STATE, HourlyMarketState(seq=1, at=at, products=[TERMS], deliveries=[]))
    hear(bot, Subject.SOLAR, sun())
    hear(bot, Subject.CURVE, habits())
    return bot


def sun() -> SolarOutput:
    made = TRENDS.solar_wh_per_kwp(MIDNIGHT, ISP_US, 96)
    return SolarOutput(seq=1, at=EVE, start=MIDNIGHT, delivery_us=ISP_US, wh_per_kwp=made)


def habits() -> TypicalConsumptionCurve:
    shares = TRENDS.consumption_share_ppm(MIDNIGHT, ISP_US, 96)
    return TypicalConsumptionCurve(
        seq=1, at=EVE, start=MIDNIGHT, delivery_us=ISP_US, share_ppm=shares
    )


def hear(bot: Bot, subject: Subject, said: Public | ToDevice) -> list[Deed]:
    return bot.hear(subject, encode(said))


def tick(bot: Bot, at: int, *, delivery: int | None = None) -> list[Deed]:
    """Let the bot hear the clock; the gate an hour before `delivery` is the next one."""
    gate = None
    if delivery is not None:
        closes_at = Instant(delivery - HOUR)
        gate = Gate(product=HALF_HOUR, delivery=Instant(delivery), closes_at=closes_at)
    told = ClockTold(seq=1, at=Instant(at), utc=to_text(Instant(at)), speed=60.0, next_gate=gate)
    return hear(bot, Subject.CLOCK, told)


def orders(deeds: Sequence[Deed]) -> list[SignedOrder]:
    return [one for one in deeds if isinstance(one, SignedOrder)]


def readings(deeds: Sequence[Deed]) -> list[Shown]:
    return [one for one in deeds if isinstance(one, Shown)]


def outcomes(deeds: Sequence[Deed]) -> list[tuple[str, str]]:
    return [(one.action, one.outcome) for one in deeds if isinstance(one, Line)]


def answered(order: SignedOrder, **how: object) -> Answered:
    return msgspec.convert(
        {"seq": 2, "at": NOON, "request": order.request, "status": "accepted", "order": 1, **how},
        Answered,
    )


def traded(
    side: Side, quantity_wh: int, *, delivery: int = NOON, is_undone: bool = False
) -> OrderTraded:
    return OrderTraded(
        seq=3, at=NOON, order=OrderId(1), trade=TradeId(1), product=HALF_HOUR,
        delivery=Instant(delivery), side=side, quantity_wh=quantity_wh, price=90_000,
        is_undone=is_undone,
    )  # fmt: skip


def cleared(price: int | None, *, delivery: int = NOON) -> Cleared:
    return Cleared(
        seq=3, at=NOON, product=HALF_HOUR, delivery=Instant(delivery), price=price, volume_wh=500
    )


# --- orders ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "side"), [("pv", Side.SELL), ("consumer", Side.BUY)])
@pytest.mark.parametrize("strategy", ["truthful", "zero_intelligence", "adaptive"])
def test_home_orders_once_for_the_delivery_whose_gate_is_next(
    kind: str, side: Side, strategy: str
) -> None:
    bot = a_bot(kind, strategy=strategy)
    (order,) = orders(tick(bot, NOON - 2 * HOUR, delivery=NOON))
    assert (order.side, order.delivery, order.product) == (side, NOON, HALF_HOUR)
    assert order.expires_at == NOON - HOUR
    assert order.limit is not None
    assert 40_000 <= order.limit <= 140_000 or strategy == "zero_intelligence"
    assert orders(tick(bot, NOON - 2 * HOUR + 1, delivery=NOON)) == []


def test_panels_order_nothing_at_night() -> None:
    assert orders(tick(a_bot("pv"), MIDNIGHT - HOUR - 1, delivery=MIDNIGHT)) == []


def test_homes_that_meet_can_agree_on_a_price() -> None:
    for seed in range(1, 20):
        (sold,) = orders(tick(a_bot("pv", seed=seed), NOON - 2 * HOUR, delivery=NOON))
        (bought,) = orders(tick(a_bot("consumer", seed=seed), NOON - 2 * HOUR, delivery=NOON))
        assert sold.limit is not None
        assert bought.limit is not None
        assert sold.limit < bought.limit


def test_bot_without_the_trend_does_not_guess() -> None:
    bot = Bot(Traits(BotKind.PV, MeterId("m-h01"), Size(4.0)), Meter())
    hear(bot, Subject.STATE, HourlyMarketState(seq=1, at=NOON, products=[TERMS], deliveries=[]))
    assert orders(tick(bot, NOON - 2 * HOUR, delivery=NOON)) == []


def test_gate_that_is_closed_or_of_another_product_is_left() -> None:
    bot = a_bot()
    assert orders(tick(bot, NOON - HOUR, delivery=NOON)) == []
    other = Gate(product=ProductId("day"), delivery=NOON, closes_at=Instant(NOON + HOUR))
    told = ClockTold(seq=1, at=NOON, utc="", speed=1.0, next_gate=other)
    assert orders(hear(bot, Subject.CLOCK, told)) == []


def test_same_seed_orders_the_same_and_another_one_something_else() -> None:
    first, again, other = (
        orders(tick(a_bot("prosumer", seed=seed), NOON - 2 * HOUR, delivery=NOON))
        for seed in (5, 5, 6)
    )
    assert first == again
    assert first != other


def test_order_without_an_answer_is_sent_again_under_its_request_until_its_gate() -> None:
    bot = a_bot()
    (order,) = orders(tick(bot, NOON - 2 * HOUR, delivery=NOON))
    again = [
        orders(tick(bot, NOON - 2 * HOUR + place, delivery=NOON))
        for place in range(1, 2 * RESEND_AFTER + 1)
    ]
    assert [one for found in again for one in found] == [order, order]
    assert orders(tick(bot, NOON - HOUR)) == []
    assert hear(bot, Subject.ANSWER, answered(order)) == []


def test_answers_are_told() -> None:
    bot = a_bot()
    (order,) = orders(tick(bot, NOON - 2 * HOUR, delivery=NOON))
    refusal = answered(order, status="rejected", reason=Reason.OFF_TICK, detail="tick 10")
    assert outcomes(hear(bot, Subject.ANSWER, refusal)) == [
        ("answer", "rejected: off_tick (tick 10)")
    ]
    assert hear(bot, Subject.ANSWER, refusal) == []
    ended = OrderEnded(
        seq=4, at=NOON, order=OrderId(1), product=HALF_HOUR, delivery=NOON, quantity_wh=0,
        reason="feeder 3",
    )  # fmt: skip
    assert outcomes(hear(bot, Subject.ANSWER, ended)) == [("cut", "feeder 3")]
    wrong = OrderRefused(seq=4, at=NOON, refused={"bad signature": 2})
    assert outcomes(hear(bot, Subject.ANSWER, wrong)) == [("refused", "2 bad signature")]
    found = hear(bot, Subject.ANSWER, traded(Side.SELL, 100))
    assert outcomes(found) == [("traded", "trade 1")]
    assert outcomes(hear(bot, Subject.CLEAR, cleared(90_000))) == [("cleared", "500 Wh in all")]
    assert outcomes(hear(bot, Subject.CLEAR, cleared(None))) == [("cleared", "nothing was traded")]


def test_adaptive_bot_learns_from_prices() -> None:
    bot, delivery = a_bot("pv", strategy="adaptive"), int(NOON)
    limits = []
    for _ in range(12):
        (order,) = orders(tick(bot, delivery - 2 * HOUR, delivery=delivery))
        limits.append(order.limit or 0)
        hear(bot, Subject.CLEAR, cleared(130_000, delivery=delivery))
        delivery += ISP_US
    assert limits[-1] > limits[0] + 10_000


@pytest.mark.parametrize("subject", [Subject.CLOCK, Subject.STATE, Subject.ANSWER, Subject.CLEAR])
@pytest.mark.parametrize("payload", [b"{", b"[]", b'{"seq":1}', b"\xff"])
def test_message_that_cannot_be_read_is_refused(subject: Subject, payload: bytes) -> None:
    with pytest.raises(WireError, match="wrong form"):
        a_bot().hear(subject, payload)


def test_retained_message_that_was_taken_away_is_nothing() -> None:
    assert a_bot().hear(Subject.CLEAR, b"") == []
    assert a_bot().hear("items", b"{}") == []


def test_clock_that_goes_back_is_not_followed() -> None:
    bot = a_bot()
    tick(bot, NOON)
    assert tick(bot, NOON - HOUR, delivery=NOON + HOUR) == []
    assert bot.now == NOON


# --- the meter -------------------------------------------------------------------------------


def test_meter_is_read_at_every_boundary_from_the_first_one_on() -> None:
    bot = a_bot("pv")
    assert readings(tick(bot, NOON + 1)) == []
    assert readings(tick(bot, NOON + ISP_US)) == [Shown(Instant(NOON + ISP_US), 0, 0)]
    found = readings(tick(bot, NOON + 4 * ISP_US + 5))
    assert [one.at for one in found] == [NOON + n * ISP_US for n in (2, 3, 4)]
    assert 0 < found[0].export_register < found[1].export_register < found[2].export_register
    assert found[-1].import_register == 0


def test_meter_goes_on_where_it_ended() -> None:
    meter = Meter(import_wh=480.5, export_wh=12.0)
    bot = a_bot("consumer", meter=meter)
    tick(bot, NOON)
    first, second = readings([*tick(bot, NOON + ISP_US), *tick(bot, NOON + 2 * ISP_US)])
    assert (first.import_register, first.export_register) == (480, 12)
    assert second.import_register > 480
    assert meter.import_wh > 480.5


def test_file_that_is_no_meter_is_told(tmp_path: Path) -> None:
    assert read_meter(tmp_path / "none") == Meter()
    (tmp_path / "one").write_bytes(msgspec.json.encode(Meter(import_wh=5.0)))
    assert read_meter(tmp_path / "one") == Meter(import_wh=5.0)
    (tmp_path / "bad").write_text("{")
    with pytest.raises(AdapterError, match="holds no meter"):
        read_meter(tmp_path / "bad")


def test_what_a_home_lives_spreads_around_what_it_expects() -> None:
    home = Household(Size(4.0, 12.0), "h01", seed=3)
    home.learn(sun())
    assert home.net_wh(NOON) is None
    home.learn(habits())
    within = 0
    for place in range(96):
        delivery = Instant(MIDNIGHT + place * ISP_US)
        expected = home.net_wh(delivery)
        assert expected is not None
        assert expected == sorted(expected)
        within += expected[0] <= home.live(delivery) <= expected[-1]
        assert home.live(delivery) == home.live(delivery)
    assert within > 96 // 2
    assert home.net_wh(Instant(MIDNIGHT + 96 * ISP_US)) is None


# --- batteries -------------------------------------------------------------------------------


def test_empty_battery_buys_and_full_one_sells_within_the_retail_prices() -> None:
    cell = Cell(capacity_wh=5_000, power_w=2_000, efficiency=0.9)
    empty, full = Store(cell, 0), Store(cell, 5_000)
    buy, sell = empty.wish(NOON, TERMS), full.wish(NOON, TERMS)
    assert buy is not None
    assert sell is not None
    assert (buy.side, buy.quantity_wh) == (Side.BUY, 1_000)
    assert (sell.side, sell.quantity_wh) == (Side.SELL, 1_000)
    assert 40_000 < buy.worth < 0.9 * sell.worth < 140_000


def test_battery_never_orders_more_than_it_can_hold_or_give() -> None:
    store = Store(Cell(capacity_wh=1_500, power_w=2_000, efficiency=1.0), 0)
    found = []
    for place in range(4):
        delivery = Instant(NOON + place * ISP_US)
        wish = store.wish(delivery, TERMS)
        if wish is not None:
            store.ordered(delivery, wish.side, wish.quantity_wh)
            found.append(wish.quantity_wh)
    assert found == [1_000, 500]
    store.refused(NOON)
    again = store.wish(Instant(NOON + 9 * ISP_US), TERMS)
    assert again is not None
    assert again.quantity_wh == 1_000


def test_battery_buys_when_it_is_cheap_and_sells_when_it_is_dear() -> None:
    store = Store(Cell(), 2_500)
    for day in (1, 2):
        for place in range(48):
            delivery = Instant(MIDNIGHT - day * 24 * HOUR + place * ISP_US)
            store.learn(delivery, 60_000 if place < 24 else 120_000, ISP_US)
    night, evening = store.wish(MIDNIGHT, TERMS), store.wish(Instant(MIDNIGHT + 18 * HOUR), TERMS)
    assert night is not None
    assert evening is not None
    assert (night.side, night.worth) == (Side.BUY, 60_000)
    assert (evening.side, evening.worth) == (Side.SELL, 120_000)


def test_battery_does_what_it_traded_and_loses_what_it_must() -> None:
    meter = Meter(soc_wh=1_000)
    bot = a_bot("battery", meter=meter)
    tick(bot, NOON - ISP_US)
    hear(bot, Subject.ANSWER, traded(Side.BUY, 500))
    hear(bot, Subject.ANSWER, traded(Side.SELL, 450, delivery=NOON + ISP_US))
    hear(bot, Subject.ANSWER, traded(Side.SELL, 450, delivery=NOON + 2 * ISP_US))
    hear(bot, Subject.ANSWER, traded(Side.SELL, 450, delivery=NOON + 2 * ISP_US, is_undone=True))
    found = readings(tick(bot, NOON + 3 * ISP_US))
    assert [(one.import_register, one.export_register) for one in found] == [
        (0, 0),
        (500, 0),
        (500, 450),
        (500, 450),
    ]
    assert meter.soc_wh == pytest.approx(1_000)


def test_battery_gives_no_more_than_it_holds() -> None:
    store = Store(Cell(capacity_wh=1_000, efficiency=0.9), 500)
    assert store.settle(NOON, 900) == pytest.approx(450)
    assert store.soc_wh == pytest.approx(0)
    assert store.settle(NOON, -1_500) == pytest.approx(-1_000)
    assert store.soc_wh == pytest.approx(1_000)


def test_battery_that_knows_no_price_at_all_waits() -> None:
    lonely = msgspec.structs.replace(TERMS, retail_energy=None)
    assert Store(Cell(), 0).wish(NOON, lonely) is None
    assert RequestId("bot-1") == "bot-1"
