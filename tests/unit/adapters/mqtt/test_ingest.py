"""Readings that come in: what is stored, what is told, what is counted; with a broker in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

import pytest

from tests.builders import MIDNIGHT
from tests.servers import until_async
from wattbay.adapters.mqtt.broker import MemoryBroker, Message, matches
from wattbay.adapters.mqtt.ingest import WAITING_MAX, Community, Ingest
from wattbay.adapters.mqtt.keys import Ed25519Signer
from wattbay.adapters.mqtt.readings import Form, sign
from wattbay.errors import AdapterError
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.evidence import MemoryReadingStore, Outcome, Reading, ReadingStore, Source
from wattbay.periods import MINUTE, Instant

LONDON = CommunityId("london")
SIGNERS = {MeterId(name): Ed25519Signer(name.encode() * 8) for name in ("m007", "m008")}


def a_reading(seq: int = 1, *, device: str = "m007", register: int | None = None) -> Reading:
    return Reading(
        LONDON, MeterId(device), 1, seq, Instant(MIDNIGHT + seq * MINUTE),
        48_000 + seq if register is None else register, 9_120, 0, None, None, b"",
    )  # fmt: skip


def bytes_of(reading: Reading, form: Form = Form.COSE, *, by: str | None = None) -> bytes:
    return sign(reading, SIGNERS[MeterId(by or reading.device)], form)


def data(device: str = "m007") -> str:
    return f"em/v1/london/{device}/data"


class Failing:
    """A store that does not answer so many times, and then does."""

    def __init__(self, times: int) -> None:
        self._times = times
        self._store = MemoryReadingStore()
        self.runs = self._store.runs
        self.of_device, self.at, self.alarms, self.within = (
            self._store.of_device,
            self._store.at,
            self._store.alarms,
            self._store.within,
        )
        self.forget, self.close = self._store.forget, self._store.close

    def add(self, batch: Sequence[Reading]) -> list[Outcome]:
        self._times -= 1
        if self._times >= 0:
            raise AdapterError("away")
        return self._store.add(batch)


class Scene:
    """A broker, a store, and what came of what was said."""

    def __init__(self, store: ReadingStore | None = None) -> None:
        self.broker = MemoryBroker()
        self.store: ReadingStore = store or MemoryReadingStore()
        self.accepted: list[Reading] = []
        self.alarmed: list[Reading] = []
        self.keys = {device: signer.public_key for device, signer in SIGNERS.items()}
        self.ingest = Ingest(
            Community(
                community=LONDON,
                key_of=self.keys.get,
                accepted=self.accepted.extend,
                alarmed=self.alarmed.append,
            ),
            self.store,
            self.broker.client(),
        )

    def say(self, *said: tuple[str, bytes]) -> None:
        for topic, payload in said:
            self.broker.say(topic, payload)
        self.broker.deliver()

    def told(self, device: str = "m007") -> list[Any]:
        topic = f"em/v1/london/{device}/ack"
        return [json.loads(payload) for said, payload in self.broker.published if said == topic]


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def test_reading_is_stored_acknowledged_and_told() -> None:
    async def story() -> None:
        scene = Scene()
        await scene.ingest.open()
        scene.say((data(), bytes_of(a_reading(1))), (data(), bytes_of(a_reading(2), Form.JWS)))
        assert [one.seq for one in scene.accepted] == [1, 2]
        assert scene.broker.unacknowledged == {}
        assert scene.told() == []
        scene.ingest.tell()
        assert scene.told() == [{"boot": 1, "seq": 2}]
        assert scene.ingest.counts == {"stored": 2}

    play(story())


def test_gap_is_told_with_what_stands_beyond_it() -> None:
    async def story() -> None:
        scene = Scene()
        await scene.ingest.open()
        scene.say(*((data(), bytes_of(a_reading(seq))) for seq in (1, 3, 4)))
        scene.ingest.tell()
        assert scene.told() == [{"boot": 1, "seq": 1, "above": [[3, 4]]}]
        scene.say((data(), bytes_of(a_reading(2))))
        scene.ingest.tell()
        assert scene.told()[-1] == {"boot": 1, "seq": 4}

    play(story())


def test_repeated_reading_is_told_again_and_stored_once() -> None:
    async def story() -> None:
        scene = Scene()
        await scene.ingest.open()
        scene.say((data(), bytes_of(a_reading(1))))
        scene.say((data(), bytes_of(a_reading(1))))
        scene.ingest.tell()
        assert len(scene.accepted) == 1
        assert scene.told() == [{"boot": 1, "seq": 1}]
        assert scene.ingest.counts == {"stored": 1, "repeated": 1}

    play(story())


def test_other_bytes_under_the_same_counters_are_an_alarm() -> None:
    async def story() -> None:
        scene = Scene()
        await scene.ingest.open()
        scene.say((data(), bytes_of(a_reading(1))), (data(), bytes_of(a_reading(1, register=7))))
        scene.ingest.tell()
        assert [one.import_register for one in scene.alarmed] == [7]
        assert [one.import_register for one in scene.accepted] == [48_001]
        assert scene.told() == [{"boot": 1, "seq": 1, "refused": {"altered": 1}}]

    play(story())


GOOD = bytes_of(a_reading(1))


@pytest.mark.parametrize(
    ("topic", "payload", "what", "is_told"),
    [
        (data(), b"", "wrong form", True),
        (data(), b"\xd2" + bytes(60_000), "wrong form", True),
        (data(), b"e" + b"." * 5_000, "wrong form", True),
        (data(), GOOD[:-1] + bytes([GOOD[-1] ^ 1]), "bad signature", True),
        (data(), bytes_of(a_reading(1), by="m008"), "bad signature", True),
        (data("m008"), GOOD, "wrong key id", True),
        (data("stranger"), GOOD, "unknown meter", False),
        ("em/v1/paris/m007/data", GOOD, "bad signature", False),
    ],
)
def test_anything_else_is_counted_and_stored_nowhere(
    topic: str, payload: bytes, what: str, is_told: bool
) -> None:
    async def story() -> None:
        scene = Scene()
        await scene.ingest.open()
        scene.broker.say(topic, payload)
        scene.broker.deliver()
        if topic.startswith("em/v1/paris"):
            # Not subscribed to; a broker that brings it all the same is not believed.
            scene.ingest.take([Message(topic, payload)])
        scene.ingest.tell()
        assert scene.ingest.counts == {what: 1}
        assert scene.accepted == []
        assert scene.broker.unacknowledged == {}
        device = topic.split("/")[3]
        assert scene.told(device) == ([{"refused": {what: 1}}] if is_told else [])

    play(story())


def test_reading_of_another_community_is_refused_though_its_signature_is_good() -> None:
    async def story() -> None:
        scene = Scene()
        foreign = a_reading(1)._replace(community=CommunityId("paris"))
        scene.ingest.take([Message("em/v1/paris/m007/data", bytes_of(foreign))])
        assert scene.ingest.counts == {"wrong topic": 1}
        assert scene.accepted == []
        await scene.ingest.close()

    play(story())


def test_revoked_device_is_unknown_from_then_on() -> None:
    async def story() -> None:
        scene = Scene()
        await scene.ingest.open()
        scene.say((data(), bytes_of(a_reading(1))))
        del scene.keys[MeterId("m007")]
        scene.say((data(), bytes_of(a_reading(2))))
        assert scene.ingest.counts == {"stored": 1, "unknown meter": 1}

    play(story())


def test_nothing_is_acknowledged_while_the_store_does_not_answer() -> None:
    async def story() -> None:
        scene = Scene(Failing(2))
        await scene.ingest.open()
        scene.say((data(), bytes_of(a_reading(1))))
        assert len(scene.broker.unacknowledged) == 1
        scene.ingest.tell()
        assert scene.told() == []
        scene.say((data(), bytes_of(a_reading(2))))
        await until_async(lambda: not scene.broker.unacknowledged, "the store answers again")
        assert [one.seq for one in scene.accepted] == [1, 2]
        assert scene.ingest.counts["store does not answer"] == 2
        await scene.ingest.close()

    play(story())


def test_whoever_hears_of_readings_and_fails_brings_none_in_again() -> None:
    async def story() -> None:
        scene, heard = Scene(), []

        def fail_once(readings: Sequence[Reading]) -> None:
            heard.append([one.seq for one in readings])
            if len(heard) == 1:
                raise RuntimeError("a fault of whoever hears")

        community = Community(community=LONDON, key_of=scene.keys.get, accepted=fail_once)
        ingest = Ingest(community, scene.store, scene.broker.client())
        with pytest.raises(RuntimeError, match="whoever hears"):
            ingest.take([Message(data(), bytes_of(a_reading(1)))])
        ingest.take([Message(data(), bytes_of(a_reading(2)))])
        assert heard == [[1], [2]]
        assert ingest.counts == {"stored": 2}
        ingest.tell()
        assert scene.told() == [{"boot": 1, "seq": 2}]
        await ingest.close()

    play(story())


def test_what_waits_for_the_store_is_bounded() -> None:
    async def story() -> None:
        scene = Scene(Failing(1))
        await scene.ingest.open()
        payload = bytes_of(a_reading(1))
        scene.say((data(), payload))
        scene.say(*((data(), payload) for _ in range(WAITING_MAX)))
        assert scene.ingest.counts["left to the broker"] == WAITING_MAX
        assert len(scene.broker.unacknowledged) == WAITING_MAX + 1
        await scene.ingest.close()

    play(story())


def test_ten_thousand_bad_messages_leave_nothing_but_numbers() -> None:
    async def story() -> None:
        scene = Scene()
        await scene.ingest.open()
        kinds: list[tuple[str, bytes]] = [
            (data(), b"no reading"),
            (data(), GOOD[:-1]),
            (data(), bytes_of(a_reading(1), by="m008")),
            (data("stranger"), GOOD),
            (data("m008"), GOOD),
        ]
        for _ in range(20):
            scene.say(*(kinds[number % 5] for number in range(500)))
            scene.broker.published.clear()
        assert sum(scene.ingest.counts.values()) == 10_000
        assert len(scene.ingest.counts) == 4
        assert scene.accepted == []
        assert list(scene.store.runs(Source(LONDON, MeterId("m007"), 1))) == []
        scene.ingest.tell()
        assert len(scene.broker.published) == 2
        await scene.ingest.close()

    play(story())


@pytest.mark.parametrize(
    ("pattern", "topics"),
    [
        ("em/v1/london/+/data", {"em/v1/london/m07/data"}),
        ("em/v1/london/#", {"em/v1/london/m07/data", "em/v1/london/m07/ack"}),
        ("em/v1/+/m07/ack", {"em/v1/london/m07/ack"}),
        ("em/v1/london", set()),
    ],
)
def test_filter_names_what_mqtt_says(pattern: str, topics: Iterable[str]) -> None:
    known = {"em/v1/london/m07/data", "em/v1/london/m07/ack", "em/v1/paris/m08/data"}
    assert {topic for topic in known if matches(topic, pattern)} == topics
