"""The market's time, for devices of a made-up street: its days pass faster than the machine's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from wattbay.adapters.mqtt.market.messages import ClockTold
from wattbay.adapters.mqtt.market.topics import Subject
from wattbay.adapters.mqtt.topics import market_topic
from wattbay.cli.device_work import Place
from wattbay.errors import AdapterError
from wattbay.ids import CommunityId
from wattbay.kernel.clock import Clock, SimulatedClock
from wattbay.periods import Instant

_told = msgspec.json.Decoder(ClockTold)


@contextmanager
def market_clock(community: str, name: str, place: Place, wait_s: float) -> Iterator[Clock]:
    """Yield a clock that stands at what the market said last: never ahead of it.

    Raises
    ------
    AdapterError
        If nothing is heard of the market's time.
    """
    clock, heard = SimulatedClock(Instant(0)), threading.Event()
    topic = market_topic(CommunityId(community), Subject.CLOCK)

    def on_connect(client: paho.Client, *_: object) -> None:
        client.subscribe(topic)

    def on_message(_client: object, _userdata: object, message: paho.MQTTMessage) -> None:
        try:
            at = _told.decode(message.payload).at
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        if at > clock.now():
            clock.advance(at)
        heard.set()

    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"{name}-clock")
    client.on_connect, client.on_message = on_connect, on_message
    context = place.tls()
    if context is not None:
        client.tls_set_context(context)
    host, port = place.address()
    try:
        client.connect(host, port)
    except OSError as error:
        raise AdapterError(f"{host}:{port} does not answer: {error}") from error
    client.loop_start()
    try:
        if not heard.wait(wait_s):
            raise AdapterError(f"{host}:{port} says nothing on {topic}: is the service at work?")
        yield clock
    finally:
        client.disconnect()
        client.loop_stop()
