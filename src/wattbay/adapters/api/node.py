"""What the interface stands on: the running exchange, as seen from this wire."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from wattbay.access.door import Door
from wattbay.access.people import People
from wattbay.core.commands import Command
from wattbay.core.exchange import State
from wattbay.core.sales import ConcludeSale
from wattbay.ids import CommunityId, MeterId, PodId, RequestId
from wattbay.kernel.clock import Clock
from wattbay.kernel.evidence import Reading, ReadingStore
from wattbay.kernel.kernel import Answer
from wattbay.periods import Calendar, Instant
from wattbay.views.history import History
from wattbay.watch.alerts import AlertStore
from wattbay.watch.health import Healths


class Latest(Protocol):
    """The last verified reading of each device."""

    def of(self, device: MeterId) -> Reading | None:
        """Return the last reading of a device by its stamp; None where there was none yet."""

    def all(self) -> Mapping[MeterId, Reading]:
        """Return the last reading of every device."""


class ToldCommand(NamedTuple):
    """What a device was told, and what it answered."""

    number: int
    what: str
    """``ping``, ``set_point`` or ``tariff``."""
    sent_at: Instant
    expires_at: Instant
    answered_at: Instant | None = None
    """When its answer came; None while there is none."""
    refused: str = ""
    """Why it was not carried out, in the device's words; empty where it was."""


class Wire(Protocol):
    """What can be said to devices and to the market's topics over MQTT."""

    async def tell_device(self, device: MeterId, order: object) -> int:
        """Send a command of `wattbay.adapters.mqtt.commands` without its number; return that.

        Parameters
        ----------
        order
            Plain values, as the command is on the wire but for ``number``: a mapping with ``cmd``.

        Raises
        ------
        AdapterError
            If the broker is gone.
        """

    def told(self, device: MeterId) -> Sequence[ToldCommand]:
        """Return the last commands of a device and their answers, oldest first."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish on a topic that does not begin with ``em/``."""


class Consents(Protocol):
    """How a sale that was agreed elsewhere shows that its buyer agreed to it."""

    def buyer_of(self, request: RequestId | None) -> PodId | None:
        """Return for which pod somebody buys in the sale that a request names; None if unknown."""

    def check(self, sale: ConcludeSale, now: Instant) -> None:
        """Do nothing if devices of both pods agreed to a sale, just now and to nothing else.

        Parameters
        ----------
        now
            By the day's clock, as devices stamp what they sign.

        Raises
        ------
        WireError
            If that is not shown.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A device that asked to be known, and showed that it holds its key."""

    device: MeterId
    kind: str
    algorithm: str
    public_key: bytes
    unit_wh: int
    """What one unit of its registers means. [Wh]"""


class BackedUp(NamedTuple):
    """A backup that was made."""

    name: str
    entries: int
    """Number of its journal's last entry."""
    head: str
    """Hash of that entry. [64 hex digits]"""
    size_bytes: int


class KeptEntry(NamedTuple):
    """An entry of the journal as it stands there."""

    previous_hash: bytes
    """Of the entry before it; of the first one, 32 zero bytes."""
    data: bytes
    """Its canonical bytes."""
    hash: bytes


class Head(NamedTuple):
    """Where the journal ends."""

    entry: int
    """Number of the last entry; 0 where there is none."""
    hash: bytes
    """Of that entry: it names all that is before it, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much anybody may ask."""

    requests_per_minute: int = 1_200
    """Of one caller, by login or, where there is none, by address."""
    sign_ins_per_minute: int = 20
    """Of one address."""
    body_bytes_max: int = 262_144
    streams_max: int = 2_000
    """WebSocket clients at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """The running exchange. One a process."""

    community: CommunityId
    calendar: Calendar
    clock: Clock
    """The exchange's; may run faster than the day."""
    wall: Clock
    """By which sessions and tokens end."""
    submit: Callable[[Command], Awaitable[Answer]]
    state: Callable[[], State]
    """What holds now. Read, never changed."""
    entry: Callable[[int], KeptEntry | None]
    """Returns an entry of the journal by its number; None where the journal does not hold it."""
    head: Callable[[], Head]
    history: History
    readings: ReadingStore
    latest: Latest
    alerts: AlertStore
    health: Healths
    people: People
    door: Door
    wire: Wire
    admit_device: Callable[[bytes], Awaitable[Admission]]
    """Checks form and proof of a request for enrolment, as a device sent it; changes nothing.
    `WireError` where it is not in order."""
    consents: Consents
    is_ready: Callable[[], Mapping[str, str]]
    """What is amiss, by part; empty where all is well."""
    back_up: Callable[[], Awaitable[BackedUp]] | None = None
    """Makes a backup; None where none is wanted."""
    limits: Limits = field(default_factory=Limits)
    origins: tuple[str, ...] = ()
    """Whose pages may ask from elsewhere (CORS)."""
    cursor_key: bytes = b""
    """With which cursors are signed."""
