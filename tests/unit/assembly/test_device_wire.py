"""What devices answer reaches who asks over REST and who listens to the stream."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

from tests.api_node import TOWN, a_node
from tests.builders import EVE, MIDNIGHT
from tests.listeners import somebody
from wattbay.access.roles import AccessRole
from wattbay.adapters.api.stream.hub import Hub
from wattbay.adapters.api.stream.sources import Sources
from wattbay.adapters.api.stream.topics import parse
from wattbay.adapters.mqtt.broker import MemoryBroker
from wattbay.adapters.mqtt.commands import Answer, encode_answer
from wattbay.adapters.mqtt.line import DeviceLine
from wattbay.assembly.device_wire import DeviceWire, answers_to
from wattbay.ids import MeterId
from wattbay.periods import DAY, SECOND, Instant

PATH = "/api/v1/devices/m-h01/commands"


class Street:
    """A node whose devices are reached over a broker in memory."""

    def __init__(self) -> None:
        self.broker = MemoryBroker()
        plain = a_node()
        sources = Sources(
            state=plain.node.state, history=plain.history, latest=plain.latest, alerts=plain.alerts
        )
        self.hub = Hub(sources, "e1", plain.clock.now())
        self.line = DeviceLine(
            TOWN, self.broker.client(), plain.clock, lambda _: True, lambda _device, _is: None,
            answers_to(self.hub),
        )  # fmt: skip
        asyncio.run(self.line.open())
        self.bench = plain
        plain.app.state.node = replace(plain.node, wire=DeviceWire(self.line))

    def say(self, number: int, refused: str = "") -> None:
        answer = Answer(number=number, at=EVE, refused=refused)
        self.broker.say("em/v1/town/m-h01/evt", encode_answer(answer))
        self.broker.deliver()

    def devices(self, login: str) -> dict[str, dict[str, object]]:
        """Return what somebody who begins to listen hears of their devices."""
        role = AccessRole.ADMINISTRATOR if login == "boss" else AccessRole.PROSUMER
        who = somebody(role) if login == "boss" else somebody(role, login)
        topic = parse("devices" if login == "boss" else f"devices/{login}")
        told = json.loads(self.hub.snapshot(self.hub.channel(topic, who)))
        found: dict[str, dict[str, object]] = told["data"]
        return found


def test_answer_of_a_device_is_told_over_rest_and_by_the_stream() -> None:
    street = Street()
    number = street.bench.call("p01", "POST", PATH, {"cmd": "ping"}).json()["number"]
    assert street.bench.call("p01", "GET", PATH).json()[0]["answered_at"] is None
    street.bench.clock.advance(Instant(EVE + 2 * SECOND))
    street.say(number, "x" * 1_000)
    (told,) = street.bench.call("p01", "GET", PATH).json()
    assert told == {
        "number": number,
        "what": "ping",
        "sent_at": "2013-06-09T00:00Z",
        "expires_at": "2013-06-09T01:00Z",
        "answered_at": "2013-06-09T00:00:02Z",
        "refused": "x" * 200,
    }
    expected = {name: told[name] for name in ("number", "what", "answered_at", "refused")}
    for login in ("p01", "boss"):
        assert street.devices(login)["m-h01"]["answer"] == expected


def test_answer_is_not_told_to_who_moves_in_later() -> None:
    street = Street()
    bench = street.bench
    number = bench.call("p01", "POST", PATH, {"cmd": "ping"}).json()["number"]
    street.say(number)
    street.hub.device(MeterId("m-h01"), "status", {"online": True}, bench.clock.now())
    move = {"party": "p02", "since": "2013-07-03T00:00Z"}
    assert bench.call("boss", "POST", "/api/v1/pods/h01/move", move).status_code == 200
    bench.advance(MIDNIGHT + 24 * DAY)
    street.hub.memory.at = bench.clock.now()
    seen = street.devices("p02")["m-h01"]
    assert "answer" not in seen
    assert seen["online"] is True


def test_what_is_published_goes_out() -> None:
    street = Street()
    DeviceWire(street.line).publish("INFO", b"{}")
    assert street.broker.published == [("INFO", b"{}")]
