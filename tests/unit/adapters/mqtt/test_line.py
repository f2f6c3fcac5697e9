"""What devices say of themselves, what they are told, and what they answer."""

from __future__ import annotations

import asyncio

import pytest

from tests.api_node import TOWN, a_node
from tests.builders import EVE
from wattbay.adapters.mqtt.broker import MemoryBroker
from wattbay.adapters.mqtt.commands import (
    Answer,
    Ping,
    SetPoint,
    ShowTariff,
    decode_command,
    encode_answer,
)
from wattbay.adapters.mqtt.line import ANSWERS_MAX, REASON_CHARACTERS_MAX, DeviceLine, Told
from wattbay.assembly.device_wire import DeviceWire
from wattbay.errors import WireError
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.clock import SimulatedClock
from wattbay.periods import MINUTE, Instant

LONDON, M07 = CommunityId("london"), MeterId("m07")
SOON = Instant(EVE + MINUTE)


class Scene:
    def __init__(self) -> None:
        self.broker = MemoryBroker()
        self.clock = SimulatedClock(EVE)
        self.heard: list[tuple[MeterId, bool]] = []
        self.answered: list[tuple[MeterId, Told]] = []
        self.line = DeviceLine(
            LONDON, self.broker.client(), self.clock, lambda device: device == M07,
            lambda device, is_online: self.heard.append((device, is_online)),
            lambda device, told: self.answered.append((device, told)),
        )  # fmt: skip
        asyncio.run(self.line.open())

    def say(self, topic: str, payload: bytes) -> None:
        self.broker.say(topic, payload)
        self.broker.deliver()

    def tell(self, order: object) -> int:
        return asyncio.run(self.line.tell_device(M07, order))


def test_status_of_a_known_device_is_heard_and_nothing_else() -> None:
    scene = Scene()
    scene.say("em/v1/london/m07/status", b"online")
    scene.say("em/v1/london/m07/status", b"offline")
    scene.say("em/v1/london/m07/status", b"on holiday")
    scene.say("em/v1/london/ghost/status", b"online")
    assert scene.heard == [(M07, True), (M07, False)]
    assert scene.line.counts == {"status": 2, "wrong form": 1, "unknown device": 1}
    assert scene.broker.unacknowledged == {}


def test_commands_bear_rising_numbers_though_the_clock_stands_still() -> None:
    scene = Scene()
    first = scene.tell(Ping(number=0, expires_at=SOON))
    second = scene.tell(SetPoint(number=0, expires_at=SOON, power_w=-500, start=EVE, end=SOON))
    assert first < second
    topic, payload = scene.broker.published[-1]
    assert topic == "em/v1/london/m07/cmd"
    assert decode_command(payload).number == second


def test_commands_that_come_over_rest_are_those_that_go_out() -> None:
    broker, clock = MemoryBroker(), SimulatedClock(EVE)
    line = DeviceLine(TOWN, broker.client(), clock, lambda _: True, lambda _device, _is: None)
    asyncio.run(line.open())
    bench = a_node(wire=DeviceWire(line))
    path = "/api/v1/devices/m-h01/commands"
    span = {"start": "2013-06-09T12:00Z", "end": "2013-06-09T12:30Z"}
    price = {**span, "import_nano_per_wh": 140_000, "export_nano_per_wh": 40_000}
    for body in (
        {"cmd": "ping"},
        {"cmd": "set_point", "power_w": -2_000, **span},
        {"cmd": "tariff", "currency": "GBP", "prices": [price]},
    ):
        sent = bench.call("p01", "POST", path, body)
        assert sent.status_code == 202, sent.text
        topic, payload = broker.published[-1]
        assert topic == "em/v1/town/m-h01/cmd"
        assert decode_command(payload).number == sent.json()["number"]
    shown = decode_command(broker.published[-1][1])
    assert isinstance(shown, ShowTariff)
    assert shown.prices[0].export_nano_per_wh == 40_000


@pytest.mark.parametrize("order", [{"cmd": "explode"}, {"cmd": "ping", "expires_at": {1, 2}}, 7])
def test_what_is_no_command_is_not_sent(order: object) -> None:
    scene = Scene()
    with pytest.raises(WireError, match="wrong form"):
        scene.tell(order)
    assert scene.broker.published == []


def test_answer_of_a_device_stands_beside_its_command() -> None:
    scene = Scene()
    number = scene.tell(Ping(number=0, expires_at=SOON))
    answer = Answer(number=number, at=EVE, refused="not now")
    scene.say("em/v1/london/m07/evt", encode_answer(answer))
    scene.say("em/v1/london/m07/evt", b"{")
    (told,) = scene.line.told(M07)
    assert (told.answer, told.sent_at, told.answered_at) == (answer, EVE, EVE)
    assert scene.answered == [(M07, told)]
    assert scene.line.counts == {"sent": 1, "answers": 1, "wrong form": 1}


def test_first_answer_stands_where_a_command_came_twice() -> None:
    scene = Scene()
    number = scene.tell(Ping(number=0, expires_at=SOON))
    scene.clock.advance(SOON)
    for refused in ("", "repeated"):
        answer = Answer(number=number, at=EVE, refused=refused)
        scene.say("em/v1/london/m07/evt", encode_answer(answer))
    (told,) = scene.line.told(M07)
    assert told.answer == Answer(number=number, at=EVE)
    assert (told.sent_at, told.answered_at) == (EVE, SOON)
    assert len(scene.answered) == 1


def test_answer_to_what_nobody_asked_is_not_kept() -> None:
    scene = Scene()
    scene.say("em/v1/london/m07/evt", encode_answer(Answer(number=7, at=EVE)))
    number = scene.tell(Ping(number=0, expires_at=SOON))
    scene.say("em/v1/london/m07/evt", encode_answer(Answer(number=number + 1, at=EVE)))
    assert [told.answer for told in scene.line.told(M07)] == [None]
    assert scene.answered == []


def test_what_is_kept_of_a_device_is_bounded() -> None:
    scene = Scene()
    for _ in range(ANSWERS_MAX + 5):
        scene.tell(Ping(number=0, expires_at=SOON))
    assert len(scene.line.told(M07)) == ANSWERS_MAX
    last = scene.line.told(M07)[-1].command.number
    long = encode_answer(Answer(number=last, at=EVE, refused="x" * 9_000))
    scene.say("em/v1/london/m07/evt", long)
    answer = scene.line.told(M07)[-1].answer
    assert answer is not None
    assert answer.refused == "x" * REASON_CHARACTERS_MAX


@pytest.mark.parametrize("topic", ["em/v1/london/m07/cmd", "$SYS/broker"])
def test_topics_that_are_somebody_s_are_not_published_on(topic: str) -> None:
    scene = Scene()
    with pytest.raises(WireError, match="wrong topic"):
        scene.line.publish(topic, b"{}")
    scene.line.publish("INFO", b"{}")
    assert scene.broker.published == [("INFO", b"{}")]
