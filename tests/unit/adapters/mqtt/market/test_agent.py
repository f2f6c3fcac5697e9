"""The market agent: the clock, the four periods, and what it says about them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence

from msgspec import structs

from tests import builders
from tests.builders import (
    EVE,
    ISP_US,
    MIDNIGHT,
    a_party,
    a_product,
    a_reading,
    a_town,
    open_community,
)
from tests.unit.adapters.mqtt.market.scene import GATE, Scene, an_order, play
from wattbay.adapters.mqtt.market.loading import load_periods
from wattbay.adapters.mqtt.market.messages import Cleared, Severity
from wattbay.adapters.mqtt.market.periods import Act, Build, Place, Say, Sight
from wattbay.adapters.mqtt.market.standard import GateClosure
from wattbay.core.commands import CancelTrade, Command, CurtailOrder, RegisterParty, SubmitLimit
from wattbay.core.facts import LimitTerm, Mechanism, NetworkLimit, Role, Side
from wattbay.ids import MeterId, PartyId, PodId
from wattbay.periods import DAY, HOUR, MINUTE, Instant

BOOK = "orders/halfhour/2013-06-10T0000Z"


def settling(first_run_us: int = HOUR) -> list[Command]:
    return [open_community(first_run_us=first_run_us), *a_town()[1:]]


def checked(mechanism: Mechanism = Mechanism.CALL_AUCTION) -> list[Command]:
    """Return a town whose grid operator has half an hour to check what is placed."""
    product = structs.replace(a_product(), network_check_us=30 * MINUTE, mechanism=mechanism)
    operator = RegisterParty(party=a_party("dso", roles=(Role.GRID_OPERATOR,)))
    return [*a_town(product=product), operator]


def limit_of(bound_wh: int) -> SubmitLimit:
    """Return a limit on what the second pod may inject."""
    return SubmitLimit(
        operator=PartyId("dso"),
        limit=NetworkLimit(
            since=MIDNIGHT,
            until=Instant(MIDNIGHT + DAY),
            terms=(LimitTerm(coefficient=1, pod=PodId("h02")),),
            bound_wh=bound_wh,
            reason="feeder 3",
        ),
    )


# --- the clock and the state -----------------------------------------------------------------


def test_clock_tells_the_time_the_speed_and_the_next_gate() -> None:
    async def story(scene: Scene) -> None:
        scene.advance(GATE - 1)
        scene.advance(GATE)

    first, _, last = [*play(story).said("clock"), None][-3:]
    assert first["utc"] == "2013-06-09T22:59:59.999999Z"
    assert first["speed"] == 60.0
    assert first["next_gate"] == {
        "product": "halfhour", "delivery": MIDNIGHT, "closes_at": GATE,
    }  # fmt: skip
    assert last is None


def test_gate_that_closed_is_not_the_next_one() -> None:
    async def story(scene: Scene) -> None:
        scene.advance(GATE)

    (*_, last) = play(story).said("clock")
    assert last["next_gate"]["delivery"] == MIDNIGHT + ISP_US


def test_delivery_goes_through_all_phases() -> None:
    found: list[tuple[str, str | None]] = []

    async def story(scene: Scene) -> None:
        first_run = MIDNIGHT + ISP_US + HOUR
        for at in (EVE, GATE, MIDNIGHT, MIDNIGHT + ISP_US, first_run, first_run + 5 * DAY):
            scene.advance(at)
            told = scene.said("state")[-1]["deliveries"]
            mine = [one for one in told if one["delivery"] == MIDNIGHT]
            found.extend((one["phase"], one.get("run")) for one in mine)

    play(story, Scene(settling()))
    # Five days later it is too long ago to be told of.
    assert found == [
        ("bidding", None),
        ("gate_closed", None),
        ("exchanging", None),
        ("metered", None),
        ("settled", "initial"),
    ]


def test_state_names_gates_bill_dates_and_what_orders_must_keep_to() -> None:
    async def story(scene: Scene) -> None:
        scene.open_agent.turn()

    state = play(story, Scene(settling())).said("state")[-1]
    first = next(one for one in state["deliveries"] if one["delivery"] == MIDNIGHT)
    assert first["gate_closes_at"] == GATE
    assert first["bill_date"] == MIDNIGHT + ISP_US + HOUR
    (terms,) = state["products"]
    assert (terms["price_tick"], terms["retail_energy"], terms["retail_export"]) == (
        10, 140_000, 40_000,
    )  # fmt: skip


def test_a_catch_up_of_a_day_is_told_in_order() -> None:
    async def story(scene: Scene) -> None:
        scene.advance(MIDNIGHT + DAY)

    scene = play(story)
    closed = [one["delivery"] for one in scene.said("bidding") if not one["is_open"]]
    assert closed == [MIDNIGHT + place * ISP_US for place in range(48)]
    assert len(scene.said("clear/halfhour")) == 48


# --- bidding ---------------------------------------------------------------------------------


def test_bidding_is_announced_when_it_opens_and_closes() -> None:
    product = a_product(opens_before_us=2 * HOUR)

    async def story(scene: Scene) -> None:
        for at in (MIDNIGHT - 2 * HOUR, GATE):
            scene.advance(at)

    told = play(story, Scene(a_town(product=product))).said("bidding")
    mine = [one for one in told if one["delivery"] == MIDNIGHT]
    assert [(one["at"], one["is_open"]) for one in mine] == [
        (MIDNIGHT - 2 * HOUR, True),
        (GATE, False),
    ]


def test_what_stands_is_told_by_price_and_without_names_until_it_is_cleared() -> None:
    async def story(scene: Scene) -> None:
        await scene.order(an_order("a", limit=120_000))
        await scene.order(an_order("b", limit=120_000, quantity_wh=100))
        await scene.order(an_order("c", limit=110_000))
        await scene.order(an_order("d", side=Side.SELL, limit=130_000), "m-h02")
        scene.open_agent.turn()
        assert scene.broker.retained[f"em/v1/town/market/{BOOK}"]
        scene.advance(GATE)

    scene = play(story)
    (book,) = scene.said(BOOK)
    assert book["buy"] == [[120_000, 350, 2], [110_000, 250, 1]]
    assert book["sell"] == [[130_000, 250, 1]]
    assert (book["buy_orders"], book["sell_wh"]) == (3, 250)
    items = scene.said("items")[0]["items"]
    assert [(one["side"], one["quantity_wh"], one["limit"]) for one in items] == [
        ("buy", 250, 120_000),
        ("buy", 100, 120_000),
        ("buy", 250, 110_000),
        ("sell", 250, 130_000),
    ]
    assert all("h0" not in json.dumps(one) for one in (book, items))


def test_book_is_taken_away_once_it_is_cleared() -> None:
    async def story(scene: Scene) -> None:
        await scene.order(an_order())
        scene.open_agent.turn()
        scene.advance(GATE)
        scene.open_agent._due["books"] = 0.0  # noqa: SLF001 - a second later
        scene.open_agent.turn()

    scene = play(story)
    assert scene.broker.retained[f"em/v1/town/market/{BOOK}"] == b""
    assert scene.said("items")[-1]["items"] == []


def test_books_of_an_earlier_start_are_taken_away() -> None:
    scene = Scene()
    stale = "em/v1/town/market/orders/halfhour/2013-06-08T1200Z"
    scene.broker.say(stale, b"{}", retain=True)

    async def story(scene: Scene) -> None:
        assert scene.broker.retained[stale] == b""

    play(story, scene)


# --- gate closure ----------------------------------------------------------------------------


def in_breach(mechanism: Mechanism) -> Callable[[Scene], Awaitable[None]]:
    """Tell of sales of 500 and then 400 Wh, where 600 are the most; and of the check."""

    async def story(scene: Scene) -> None:
        if mechanism is Mechanism.CALL_AUCTION:
            await scene.market.submit(limit_of(600))
        for place, quantity_wh in enumerate((500, 400)):
            buy = an_order(f"b{place}", quantity_wh=quantity_wh)
            sell = an_order(f"s{place}", side=Side.SELL, limit=90_000, quantity_wh=quantity_wh)
            await scene.order(buy)
            await scene.order(sell, "m-h02")
        if mechanism is not Mechanism.CALL_AUCTION:
            await scene.market.submit(limit_of(600))
        scene.advance(GATE)
        await scene.settled()
        scene.open_agent.turn()

    return story


def test_orders_that_the_network_does_not_bear_are_dropped_last_on_first_off() -> None:
    scene = play(in_breach(Mechanism.CALL_AUCTION), Scene(checked()))
    reason = "feeder 3: 900 Wh; 600 Wh is the most"
    dropped = [one for one in scene.heard if isinstance(one, CurtailOrder)]
    assert [(one.order, one.quantity_wh, one.reason) for one in dropped] == [(4, 0, reason)]
    alert = next(one for one in scene.said("alert") if one["what"] == "network limit")
    assert (alert["order"], alert["severity"], alert["detail"]) == (4, "warning", reason)
    ended = scene.answers("m-h02")[-1]
    assert (ended["is"], ended["order"], ended["reason"]) == ("ended", 4, reason)
    assert scene.open_agent.counts["commands done"] == 1


def test_trades_that_the_network_does_not_bear_are_undone_last_on_first_off() -> None:
    scene = play(in_breach(Mechanism.CONTINUOUS), Scene(checked(Mechanism.CONTINUOUS)))
    undone = [one for one in scene.heard if isinstance(one, CancelTrade)]
    assert [one.trade for one in undone] == [2]
    assert scene.answers("m-h01")[-1]["is_undone"]
    assert scene.answers("m-h02")[-1]["trade"] == 2
    trades = scene.kernel.exchange.state.deliveries.open[MIDNIGHT].trades
    assert list(trades) == [1]


def test_what_the_network_bears_stays() -> None:
    async def story(scene: Scene) -> None:
        await scene.market.submit(limit_of(600))
        await scene.order(an_order())
        await scene.order(an_order("s", side=Side.SELL, limit=90_000), "m-h02")
        scene.advance(GATE)
        await scene.settled()
        scene.advance(GATE + 30 * MINUTE)

    scene = play(story, Scene(checked()))
    assert not any(isinstance(one, CurtailOrder) for one in scene.heard)
    (cleared,) = [one for one in scene.said("clear/halfhour") if one["delivery"] == MIDNIGHT]
    assert cleared["volume_wh"] == 250


def test_what_a_delivery_came_to_is_retained_by_product() -> None:
    async def story(scene: Scene) -> None:
        await scene.order(an_order(limit=120_000))
        await scene.order(an_order("s", side=Side.SELL, limit=120_000), "m-h02")
        scene.advance(GATE)

    scene = play(story)
    told = json.loads(scene.broker.retained["em/v1/town/market/clear/halfhour"])
    assert (told["delivery"], told["price"], told["volume_wh"]) == (MIDNIGHT, 120_000, 250)


# --- exchange and settlement -----------------------------------------------------------------


def test_exchange_is_told_with_what_was_traded_and_metered() -> None:
    async def story(scene: Scene) -> None:
        await scene.order(an_order())
        await scene.order(an_order("s", side=Side.SELL, limit=90_000), "m-h02")
        scene.advance(MIDNIGHT)
        scene.advance(MIDNIGHT + ISP_US)
        for seq, (at, register) in enumerate(((MIDNIGHT, 0), (MIDNIGHT + ISP_US, 240)), 1):
            reading = a_reading("m-h01", seq=seq, measured_at=at, import_register=register)
            await scene.market.submit(reading)
        scene.open_agent.turn()

    scene = play(story)
    began, ended, _, metered = scene.said("slot")[-4:]
    assert (began["current"]["delivery"], began["current"]["traded_wh"]) == (MIDNIGHT, 250)
    assert ended["last"]["delivery"] == MIDNIGHT
    last = metered["last"]
    assert (last["metered_pods"], last["pods"], last["import_wh"]) == (1, 2, 240)


def test_settlement_runs_are_told_with_receipts_and_the_bill_date() -> None:
    first_run = MIDNIGHT + ISP_US + HOUR

    async def story(scene: Scene) -> None:
        scene.advance(first_run)
        scene.advance(first_run + 5 * DAY)

    told = play(story, Scene(settling())).said("settle")
    first = told[0]
    assert (first["delivery"], first["run"], first["receipts"]) == (MIDNIGHT, "initial", 2)
    assert (first["bill_date"], first["next_run_at"]) == (
        first_run,
        first_run + 5 * DAY,
    )
    final = next(one for one in told if one["is_final"])
    assert (final["run"], final["next_run_at"]) == ("final", None)


# --- the rest --------------------------------------------------------------------------------


def test_alert_is_told_to_all() -> None:
    async def story(scene: Scene) -> None:
        scene.open_agent.alert("meter amiss", "m-h01 is silent", severity=Severity.WARNING)

    (alert,) = play(story).said("alert")
    assert (alert["what"], alert["detail"], alert["severity"]) == (
        "meter amiss", "m-h01 is silent", "warning",
    )  # fmt: skip


def test_info_is_passed_on_to_metrics() -> None:
    async def story(scene: Scene) -> None:
        for said in (b'{"message": "20 kW"}', b"{}", b"[", b'{"message": "' + b"x" * 20_000):
            scene.broker.say("INFO", said)
        scene.broker.deliver()

    scene = play(story)
    assert [said for topic, said in scene.broker.published if topic == "METRICS"] == [b"20 kW"]
    assert scene.open_agent.counts == {"INFO passed on": 1, "INFO of wrong form": 3}
    assert not scene.broker.unacknowledged


def test_what_is_retained_is_said_again_for_a_broker_that_forgot_it() -> None:
    async def story(scene: Scene) -> None:
        scene.open_agent.turn()
        before = len(scene.said("solar"))
        scene.open_agent._due["repeat"] = 0.0  # noqa: SLF001 - a minute later
        scene.open_agent.turn()
        assert len(scene.said("solar")) == before + 1

    play(story)


def test_messages_name_the_last_entry_and_are_short_enough_for_any_broker() -> None:
    async def story(scene: Scene) -> None:
        for number in range(8):
            await scene.order(an_order(f"r{number}", limit=120_000 + 10 * number))
        scene.advance(MIDNIGHT + DAY)

    scene = play(story)
    assert all(len(said) < 65_536 for _, said in scene.broker.published)
    assert scene.said("clock")[-1]["seq"] == scene.kernel._seq  # noqa: SLF001 - no other way


class SilentGates(GateClosure):
    """Checks nothing, and tells prices on a topic of its own."""

    def closed(self, sight: Sight, product: object, delivery: Instant) -> Sequence[Act]:
        del sight, product, delivery
        return []

    def cleared(
        self, sight: Sight, place: Place, price: int | None, volume_wh: int
    ) -> Sequence[Act]:
        told = Cleared(
            seq=sight.seq, at=sight.now, product=place[0], delivery=place[1], price=price,
            volume_wh=volume_wh,
        )  # fmt: skip
        return [Say(("prices",), told)]


def test_agent_of_a_period_can_be_replaced() -> None:
    name = f"{__name__}:{SilentGates.__name__}"
    periods = load_periods({"gate_closure": name}, Build("town"))

    async def story(scene: Scene) -> None:
        scene.advance(GATE)

    scene = play(story, Scene(periods=periods))
    assert len(scene.said("prices")) == 1
    assert scene.said("clear/halfhour") == []
    assert scene.said("bidding")


class FailingGates(SilentGates):
    """Has a bug."""

    def cleared(
        self, sight: Sight, place: Place, price: int | None, volume_wh: int
    ) -> Sequence[Act]:
        raise ZeroDivisionError(f"{sight.seq} {place} {price} {volume_wh}")


def test_agent_that_fails_is_told_of_once_and_the_market_goes_on() -> None:
    periods = load_periods({"gate_closure": f"{__name__}:FailingGates"}, Build("town"))

    async def story(scene: Scene) -> None:
        scene.advance(GATE + HOUR)

    scene = play(story, Scene(periods=periods))
    assert scene.open_agent.counts == {"faults of agents": 3}
    assert [one["what"] for one in scene.said("alert")] == ["fault of an agent"]
    assert scene.said("clock")[-1]["at"] == GATE + HOUR


def test_orders_that_stand_at_a_restart_are_told_to_the_meters_of_their_pods() -> None:
    async def story(scene: Scene) -> None:
        scene.advance(GATE)

    scene = Scene()
    for pod, side, limit in (("h01", Side.BUY, 120_000), ("h02", Side.SELL, 90_000)):
        scene.kernel.submit(builders.an_order(pod, side=side, limit=limit))
    play(story, scene)
    assert scene.answers(MeterId("m-h01"))[-1]["is"] == "traded"
