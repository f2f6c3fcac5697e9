"""Orders over MQTT: what is answered, what is counted, what is acknowledged."""

from __future__ import annotations

from random import Random

import pytest

from tests.builders import MIDNIGHT, a_party, a_town, list_deliveries, pod_facts
from tests.servers import until_async
from tests.unit.adapters.mqtt.market.scene import (
    GATE,
    SIGNERS,
    TOWN,
    Scene,
    an_order,
    play,
    signed,
)
from wattbay.adapters.mqtt.broker import Message
from wattbay.adapters.mqtt.market.orders import WAITING_PER_DEVICE_MAX
from wattbay.adapters.mqtt.market.signed import SignedOrder
from wattbay.adapters.mqtt.market.topics import order_topic
from wattbay.adapters.mqtt.readings import Form
from wattbay.core.commands import CancelOrder, ChangePod, PlaceOrder, RegisterParty
from wattbay.core.facts import Side
from wattbay.ids import MeterId, OrderId, PodId, ProductId, RequestId
from wattbay.periods import DAY, Instant

TOPIC = "em/v1/town/market/order/m-h01"


@pytest.mark.parametrize("form", list(Form))
def test_signed_order_is_placed_for_the_device_s_pod_and_answered(form: Form) -> None:
    async def story(scene: Scene) -> None:
        await scene.order(an_order(), form=form)

    scene = play(story)
    assert scene.heard == [
        PlaceOrder(
            pod=PodId("h01"),
            product=ProductId("halfhour"),
            delivery=MIDNIGHT,
            side=Side.BUY,
            quantity_wh=250,
            limit=120_000,
            request=RequestId("r1"),
        )
    ]
    (answer,) = scene.answers()
    assert answer["status"] == "accepted"
    assert (answer["request"], answer["order"]) == ("r1", 1)
    assert answer["seq"] == scene.kernel.exchange.state.market.next_order + 8
    assert not scene.broker.unacknowledged


def test_refused_order_hears_the_reason() -> None:
    async def story(scene: Scene) -> None:
        await scene.order(an_order(limit=123))

    (answer,) = play(story).answers()
    assert answer["status"] == "rejected"
    assert answer["reason"] == "off_tick"
    assert "multiples of 10" in answer["detail"]


def test_order_is_withdrawn_under_its_number() -> None:
    async def story(scene: Scene) -> None:
        await scene.order(an_order())
        withdrawal = SignedOrder(v=1, request=RequestId("r2"), cancel=OrderId(1), expires_at=GATE)
        await scene.order(withdrawal)

    scene = play(story)
    assert scene.heard[1] == CancelOrder(
        order=OrderId(1), pod=PodId("h01"), request=RequestId("r2")
    )
    assert [one["status"] for one in scene.answers()] == ["accepted", "accepted"]
    assert not scene.kernel.exchange.state.market.places


def test_replayed_order_gets_its_first_answer_and_makes_no_entry() -> None:
    async def story(scene: Scene) -> None:
        for _ in range(3):
            await scene.order(an_order())

    scene = play(story)
    first, *others = scene.answers()
    assert [(one["seq"], one["order"]) for one in others] == [(first["seq"], first["order"])] * 2
    assert scene.open_agent.counts == {"accepted": 1, "repeated": 2}
    assert len(scene.kernel.exchange.state.market.places) == 1


def test_request_that_is_used_for_another_order_is_refused() -> None:
    async def story(scene: Scene) -> None:
        await scene.order(an_order())
        await scene.order(an_order(quantity_wh=300))

    assert play(story).answers()[1]["reason"] == "request_reused"


def _flip(payload: bytes) -> bytes:
    return payload[:-1] + bytes((payload[-1] ^ 1,))


WRONG = (
    pytest.param(TOPIC, _flip(signed(an_order())), "bad signature", id="altered"),
    pytest.param(TOPIC, signed(an_order(), "m-h02"), "wrong key id", id="signed by another"),
    pytest.param(TOPIC, b"", "wrong form", id="empty"),
    pytest.param(TOPIC, b"no order", "wrong form", id="no order"),
    pytest.param(TOPIC, b"e" * 70_000, "too long", id="oversize"),
    pytest.param(
        "em/v1/town/market/order/m-h02", signed(an_order()), "wrong key id", id="moved elsewhere"
    ),
    pytest.param(
        "em/v1/town/market/order/stranger", signed(an_order()), "unknown device", id="stranger"
    ),
    pytest.param(
        "em/v1/city/market/order/m-h01", signed(an_order()), "wrong topic", id="another community"
    ),
    pytest.param(TOPIC, signed(an_order(expires_at=MIDNIGHT - DAY)), "expired", id="expired"),
    pytest.param(
        TOPIC, signed(an_order(expires_at=MIDNIGHT + 9 * DAY)), "out of range", id="never expires"
    ),
)


@pytest.mark.parametrize(("topic", "payload", "what"), WRONG)
def test_what_is_no_order_is_counted_acknowledged_and_not_entered(
    topic: str, payload: bytes, what: str
) -> None:
    async def story(scene: Scene) -> None:
        scene.open_agent._take([Message(topic, payload, (1, 1))])  # noqa: SLF001 - as a broker brings it
        await scene.open_agent.close()

    scene = play(story)
    assert scene.open_agent.counts == {what: 1}
    assert scene.heard == []
    device = topic.rpartition("/")[2]
    told = [one["refused"] for one in scene.answers(device)]
    is_known = MeterId(device) in SIGNERS and topic.startswith("em/v1/town/")
    assert told == ([{what: 1}] if is_known else [])


def test_mangled_orders_leave_nothing() -> None:
    chance = Random(7)
    good = [signed(an_order(form), form=form) for form in Form]

    async def story(scene: Scene) -> None:
        for number in range(1_000):
            payload = bytearray(good[number % 2])
            for _ in range(chance.randint(1, 3)):
                payload[chance.randrange(len(payload))] ^= 1 << chance.randrange(8)
            scene.broker.say(TOPIC, bytes(payload[: chance.randint(1, len(payload))]))
        scene.broker.deliver()
        await scene.open_agent.close()

    scene = play(story)
    assert sum(scene.open_agent.counts.values()) == 1_000
    assert set(scene.open_agent.counts) <= {"wrong form", "bad signature", "wrong key id"}
    assert scene.heard == []
    assert not scene.broker.unacknowledged
    (told,) = scene.answers()
    assert sum(told["refused"].values()) == 1_000


def test_device_without_a_pod_may_not_order() -> None:
    async def story(scene: Scene) -> None:
        scene.pods.clear()
        await scene.order(an_order())

    scene = play(story)
    assert scene.answers()[0]["reason"] == "not_allowed"
    assert scene.heard == []


def test_device_with_too_many_orders_under_way_is_told_so() -> None:
    async def story(scene: Scene) -> None:
        for number in range(WAITING_PER_DEVICE_MAX + 5):
            scene.broker.say(TOPIC, signed(an_order(f"r{number}")))
        scene.broker.deliver()
        await until_async(
            lambda: len(scene.answers()) == WAITING_PER_DEVICE_MAX + 5, "all are answered"
        )

    scene = play(story)
    reasons = [one["reason"] for one in scene.answers() if one["status"] == "rejected"]
    assert scene.open_agent.counts["too many"] == 5
    assert reasons.count("too_many") >= 5
    assert not scene.broker.unacknowledged


def test_order_is_not_acknowledged_before_the_exchange_has_answered() -> None:
    async def story(scene: Scene) -> None:
        scene.broker.say(TOPIC, signed(an_order()))
        scene.broker.deliver()
        assert len(scene.broker.unacknowledged) == 1
        await scene.settled()
        assert not scene.broker.unacknowledged

    play(story)


def test_orders_of_a_stopped_exchange_stay_with_the_broker() -> None:
    async def story(scene: Scene) -> None:
        scene.intake._is_open = False  # noqa: SLF001 - as after a failed write
        scene.broker.say(TOPIC, signed(an_order()))
        scene.broker.deliver()
        await scene.settled()

    scene = play(story)
    assert len(scene.broker.unacknowledged) == 1
    assert scene.answers() == []
    assert scene.open_agent.counts == {"exchange does not answer": 1}


def test_devices_hear_of_their_own_trades_alone() -> None:
    async def story(scene: Scene) -> None:
        await scene.order(an_order(), "m-h01")
        await scene.order(an_order("r2", side=Side.SELL, limit=100_000), "m-h02")
        scene.advance(GATE)

    scene = play(story)
    bought, sold = scene.answers("m-h01")[1], scene.answers("m-h02")[1]
    assert (bought["is"], bought["side"], bought["quantity_wh"]) == ("traded", "buy", 250)
    assert (sold["is"], sold["side"], sold["trade"]) == ("traded", "sell", bought["trade"])
    assert order_topic(TOWN, MeterId("m-h01")) == TOPIC
    assert bought["delivery"] == Instant(MIDNIGHT)


def test_device_orders_nothing_for_whoever_moves_in_next() -> None:
    later = Instant(MIDNIGHT + DAY)
    facts = pod_facts("h01", party="next", since=later)
    moves = (RegisterParty(party=a_party("next")), ChangePod(facts=facts))
    town = [*a_town(), *moves, list_deliveries(day="2013-06-11", start=later)]

    async def story(scene: Scene) -> None:
        theirs = PlaceOrder(
            pod=PodId("h01"), product=ProductId("halfhour"), delivery=later, side=Side.SELL,
            quantity_wh=100, limit=80_000,
        )  # fmt: skip
        scene.kernel.submit(theirs)
        (number,) = scene.kernel.exchange.state.market.places
        await scene.order(an_order("r1", delivery=later))
        withdrawal = SignedOrder(v=1, request=RequestId("r2"), cancel=number, expires_at=GATE)
        await scene.order(withdrawal)
        await scene.order(an_order("r3"))

    scene = play(story, Scene(town))
    answers = [(one["status"], one.get("reason")) for one in scene.answers()]
    assert answers == [("rejected", "not_allowed")] * 2 + [("accepted", None)]
    assert len(scene.kernel.exchange.state.market.places) == 2
