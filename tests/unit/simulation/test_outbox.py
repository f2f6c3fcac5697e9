"""What a street's meters sent is sent again until it is acknowledged."""

from __future__ import annotations

import asyncio

import msgspec

from tests.builders import MIDNIGHT
from wattbay.adapters.mqtt.broker import MemoryBroker
from wattbay.adapters.mqtt.ingest import Acknowledgement
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.evidence import Reading
from wattbay.periods import MINUTE, Instant
from wattbay.simulation.outbox import RESEND_AFTER, StreetOutbox

TOWN = CommunityId("town")


def a_reading(meter: str, seq: int) -> Reading:
    at = Instant(MIDNIGHT + seq * MINUTE)
    return Reading(
        TOWN, MeterId(meter), 1, seq, at, seq, 0, 0, None, None, f"{meter}{seq}".encode()
    )


def acknowledge(broker: MemoryBroker, meter: str, said: Acknowledgement) -> None:
    broker.say(f"em/v1/town/{meter}/ack", msgspec.json.encode(said))
    broker.deliver()


def test_readings_are_sent_again_until_they_are_acknowledged() -> None:
    broker = MemoryBroker()
    outbox = StreetOutbox(TOWN, broker.client())
    asyncio.run(outbox.open())
    outbox.put([a_reading("a", 1), a_reading("b", 1)])
    acknowledge(broker, "a", Acknowledgement(boot=1, seq=1))
    assert len(outbox) == 1
    for seq in range(2, RESEND_AFTER + 3):
        outbox.put([a_reading("a", seq)])
        acknowledge(broker, "a", Acknowledgement(boot=1, seq=seq))
    sent = [payload for topic, payload in broker.published if topic.endswith("b/data")]
    assert sent == [b"b1", b"b1"]
    acknowledge(broker, "b", Acknowledgement(boot=1, seq=0, above=[(1, 1)]))
    assert len(outbox) == 0
    asyncio.run(outbox.close())


def test_strange_acknowledgements_change_nothing() -> None:
    broker = MemoryBroker()
    outbox = StreetOutbox(TOWN, broker.client())
    asyncio.run(outbox.open())
    outbox.put([a_reading("a", 1)])
    broker.say("em/v1/town/a/ack", b"not JSON")
    acknowledge(broker, "a", Acknowledgement(refused={"bad signature": 2}))
    acknowledge(broker, "a", Acknowledgement(boot=2, seq=9))
    assert len(outbox) == 1
    asyncio.run(outbox.close())


def test_what_nobody_acknowledges_is_sent_ever_more_rarely() -> None:
    broker = MemoryBroker()
    outbox = StreetOutbox(TOWN, broker.client())
    asyncio.run(outbox.open())
    outbox.put([a_reading("a", 1)])
    for _ in range(1_000):
        outbox.put([])
    assert 10 <= len(broker.published) <= 20
    asyncio.run(outbox.close())
