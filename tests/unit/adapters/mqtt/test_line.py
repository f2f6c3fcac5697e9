"""What devices say of themselves, what they are told, and what they answer."""

from __future__ import annotations

import asyncio

import pytest

from tests.builders import EVE
from wattbay.adapters.mqtt.broker import MemoryBroker
from wattbay.adapters.mqtt.commands import (
    Answer,
    Ping,
    SetPoint,
    decode_command,
    encode_answer,
)
from wattbay.adapters.mqtt.line import ANSWERS_MAX, DeviceLine
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
        self.line = DeviceLine(
            LONDON, self.broker.client(), self.clock, lambda device: device == M07,
            lambda device, is_online: self.heard.append((device, is_online)),
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


def test_answer_of_a_device_stands_beside_its_command() -> None:
    scene = Scene()
    number = scene.tell(Ping(number=0, expires_at=SOON))
    answer = Answer(number=number, at=EVE, refused="not now")
    scene.say("em/v1/london/m07/evt", encode_answer(answer))
    scene.say("em/v1/london/m07/evt", b"{")
    (told,) = scene.line.told(M07)
    assert told.answer == answer
    assert scene.line.counts == {"sent": 1, "answers": 1, "wrong form": 1}


def test_what_is_kept_of_a_device_is_bounded() -> None:
    scene = Scene()
    for _ in range(ANSWERS_MAX + 5):
        scene.tell(Ping(number=0, expires_at=SOON))
    assert len(scene.line.told(M07)) == ANSWERS_MAX


def test_what_is_no_command_is_not_sent() -> None:
    with pytest.raises(WireError, match="is no command"):
        Scene().tell("hello")


@pytest.mark.parametrize("topic", ["em/v1/london/m07/cmd", "$SYS/broker"])
def test_topics_that_are_somebody_s_are_not_published_on(topic: str) -> None:
    scene = Scene()
    with pytest.raises(WireError, match="wrong topic"):
        scene.line.publish(topic, b"{}")
    scene.line.publish("INFO", b"{}")
    assert scene.broker.published == [("INFO", b"{}")]
