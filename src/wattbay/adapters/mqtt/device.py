"""The device's end of the wire: it signs, keeps, sends, and obeys.

What runs in a meter or beside it. A reading is signed and kept in the outbox before it is sent, and
sent again until the service says that it is stored. The connection is one thread's business: it
comes back by itself, after pauses that grow and differ from device to device, so that thousands of
them do not come back in the same second.
"""

from __future__ import annotations

import random
import ssl
import threading
import time  # noqa: TID251 - how long an answer takes; nothing is stamped with it
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from wattbay.adapters.mqtt.commands import (
    EXPIRED,
    REPEATED,
    Answer,
    Command,
    Ping,
    decode_command,
    encode_answer,
)
from wattbay.adapters.mqtt.ingest import Acknowledgement
from wattbay.adapters.mqtt.keys import Signer
from wattbay.adapters.mqtt.outbox import Outbox
from wattbay.adapters.mqtt.readings import Form, sign
from wattbay.adapters.mqtt.topics import Channel, device_topic
from wattbay.errors import AdapterError, WireError
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.clock import Clock
from wattbay.kernel.evidence import Reading
from wattbay.periods import Instant

WINDOW = 90
"""Readings that are under way without an acknowledgement, at most: some brokers bear a hundred
messages, and status and answers are such, too."""
RESEND_S = 30.0
"""How long a device waits for an acknowledgement before it sends again. [s]"""
PAUSE_FIRST_S, PAUSE_MAX_S = 0.5, 120.0
"""Between attempts to connect: twice as long each time, less up to half by chance. [s]"""
TURN_S = 0.05
KEEPALIVE_S = 60

_acknowledgement = msgspec.json.Decoder(Acknowledgement)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Where a device's broker is, and how it comes in."""

    host: str = "127.0.0.1"
    port: int = 1883
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None
    window: int = WINDOW
    resend_s: float = RESEND_S
    pause_first_s: float = PAUSE_FIRST_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Registers:
    """What a device measured at an instant."""

    measured_at: Instant
    import_register: int
    export_register: int
    flags: int = 0
    power_w: int | None = None
    voltage_mv: int | None = None


Obey = Callable[[Command], str]
"""Carries a command out and returns nothing, or returns why not."""


def refuse_all(_command: Command) -> str:
    """Refuse every command but a ping: what a plain meter does."""
    return "not known to this device"


class Device:
    """A device that is at work from `start` to `stop`."""

    def __init__(
        self,
        *,
        community: CommunityId,
        device: MeterId,
        signer: Signer,
        outbox: Outbox,
        clock: Clock,
        link: Link,
        obey: Obey = refuse_all,
    ) -> None:
        """Put a device together; it says nothing before `start`."""
        self.community, self.device = community, device
        self._signer, self._outbox, self._clock = signer, outbox, clock
        self._link, self._obey = link, obey
        self._topics = {one: device_topic(community, device, one) for one in Channel}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._chance = random.Random(f"{device}/{outbox.boot}")
        self._sent = (0, 0)
        self._oldest = (0, 0)
        self._oldest_since_s = 0.0
        self._client = self._new_client()
        self.is_connected = False
        self.is_subscribed = False
        """Whether the broker lets it listen to its acknowledgements and commands."""
        self.acknowledged = 0
        """Readings so far that the service has told to be stored."""
        self.refused: dict[str, int] = {}
        """What the service would not take, and how often."""
        self.fault = ""
        """What went wrong last with the connection."""

    # --- for the one who measures --------------------------------------------------------------

    def measured(self, registers: Registers, form: Form = Form.COSE) -> Reading:
        """Sign and keep what was measured; it is sent as soon as there is a connection.

        Raises
        ------
        AdapterError
            If it could not be kept.
        WireError
            If a number does not fit the wire.
        """
        with self._lock:
            seq = self._outbox.seq + 1
            reading = Reading(
                self.community, self.device, self._outbox.boot, seq, registers.measured_at,
                registers.import_register, registers.export_register, registers.flags,
                registers.power_w, registers.voltage_mv, b"",
            )  # fmt: skip
            reading = reading._replace(proof=sign(reading, self._signer, form))
            self._outbox.put(seq, reading.proof)
        return reading

    @property
    def waiting(self) -> int:
        """How many readings are not acknowledged yet."""
        with self._lock:
            return len(self._outbox)

    @property
    def is_all_sent(self) -> bool:
        """Tell whether nothing waits that was not sent yet on this connection."""
        with self._lock:
            return self.is_connected and not self._outbox.after(*self._sent, 1)

    def start(self) -> None:
        """Begin to connect and send, in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name=f"device {self.device}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Say goodbye, disconnect and wait for the thread; what waits stays in the outbox."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    # --- the thread ------------------------------------------------------------------------------

    def _new_client(self) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=self.device, clean_session=False,
            manual_ack=True,
        )  # fmt: skip
        client.max_inflight_messages_set(0)
        client.will_set(self._topics[Channel.STATUS], b"offline", qos=1, retain=True)
        if self._link.username is not None:
            client.username_pw_set(self._link.username, self._link.password)
        if self._link.tls is not None:
            client.tls_set_context(self._link.tls)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        return client

    def _run(self) -> None:
        pause_s = self._link.pause_first_s
        while not self._stopping.is_set():
            if self._connect():
                pause_s = self._link.pause_first_s
                self._stay()
            if self._stopping.is_set():
                break
            self._stopping.wait(pause_s * self._chance.uniform(0.5, 1.0))
            pause_s = min(2 * pause_s, PAUSE_MAX_S)
        if self.is_connected:
            self._client.publish(self._topics[Channel.STATUS], b"offline", qos=0, retain=True)
        self._client.disconnect()

    def _connect(self) -> bool:
        """Open a connection and wait until the broker has let us in, or not."""
        try:
            self._client.connect(self._link.host, self._link.port, keepalive=KEEPALIVE_S)
        except OSError as error:
            self.fault = str(error)
            return False
        deadline = time.monotonic() + self._link.resend_s
        while not self.is_connected and time.monotonic() < deadline:
            if self._client.loop(TURN_S) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return False
            if self._stopping.is_set():
                return False
        return self.is_connected

    def _stay(self) -> None:
        """Send and listen until the connection breaks or the device is to stop."""
        while self.is_connected and not self._stopping.is_set():
            self._send()
            if self._client.loop(TURN_S) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                self.is_connected = False

    def _send(self) -> None:
        """Send what was not sent yet, as far as the window reaches.

        Where the oldest reading has waited too long for its acknowledgement, all are sent again.
        """
        now_s = time.monotonic()
        with self._lock:
            window = self._outbox.after(0, 0, self._link.window)
        if not window:
            return
        oldest = (window[0].boot, window[0].seq)
        if oldest != self._oldest:
            self._oldest, self._oldest_since_s = oldest, now_s
        elif now_s - self._oldest_since_s > self._link.resend_s:
            self._sent, self._oldest_since_s = (0, 0), now_s
        for one in window:
            if (one.boot, one.seq) <= self._sent:
                continue
            sent = self._client.publish(self._topics[Channel.READINGS], one.payload, qos=1)
            if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return
            self._sent = (one.boot, one.seq)

    # --- what the broker brings ------------------------------------------------------------------

    def _on_connect(
        self, client: paho.Client, _userdata: object, _flags: object, reason: ReasonCode, *_: object
    ) -> None:
        if reason.is_failure:
            self.fault = str(reason)
            return
        self.is_connected, self.fault = True, ""
        self._sent = (0, 0)
        client.subscribe(
            [(self._topics[one], 1) for one in (Channel.ACKNOWLEDGED, Channel.COMMANDS)]
        )
        client.publish(self._topics[Channel.STATUS], b"online", qos=1, retain=True)

    def _on_subscribe(
        self, _client: object, _userdata: object, _mid: int, reasons: list[ReasonCode], *_: object
    ) -> None:
        self.is_subscribed = not any(reason.is_failure for reason in reasons)

    def _on_disconnect(
        self, _client: object, _userdata: object, _flags: object, reason: ReasonCode, *_: object
    ) -> None:
        self.is_connected = False
        self.fault = str(reason)

    def _on_message(
        self, client: paho.Client, _userdata: object, message: paho.MQTTMessage
    ) -> None:
        try:
            if message.topic == self._topics[Channel.ACKNOWLEDGED]:
                self._on_acknowledged(bytes(message.payload))
            elif message.topic == self._topics[Channel.COMMANDS]:
                self._on_command(bytes(message.payload))
        except (AdapterError, WireError) as error:
            self.fault = str(error)
        client.ack(message.mid, message.qos)

    def _on_acknowledged(self, payload: bytes) -> None:
        """Take away what is stored for good."""
        try:
            said = _acknowledgement.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            msg = f"wrong form: an acknowledgement: {error}"
            raise WireError(msg) from error
        for what, count in sorted(said.refused.items()):
            self.refused[what] = self.refused.get(what, 0) + count
        if said.boot is None or said.seq is None:
            return
        with self._lock:
            gone = self._outbox.acknowledged(said.boot, [(0, said.seq), *said.above])
        self.acknowledged += gone

    def _on_command(self, payload: bytes) -> None:
        """Carry a command out, once and in time, and answer."""
        command = decode_command(payload)
        now = self._clock.now()
        if command.number <= self._outbox.command:
            refused = REPEATED
        elif command.expires_at <= now:
            refused = EXPIRED
        else:
            # Remembered first: better not at all than twice.
            with self._lock:
                self._outbox.carried_out(command.number)
            refused = "" if isinstance(command, Ping) else self._obey(command)
        answer = Answer(number=command.number, at=now, refused=refused)
        self._client.publish(self._topics[Channel.EVENTS], encode_answer(answer), qos=1)
