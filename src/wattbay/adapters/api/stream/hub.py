"""What happens becomes messages: entries of the journal, verified readings and alerts, by topic.

The hub is a reader of the kernel's and knows nothing of sockets: who listens gives it a mailbox. A
topic that nobody hears costs nothing. A message is written once, however many hear it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wattbay.access.identity import Identity
from wattbay.adapters.api.stream import sources as src
from wattbay.adapters.api.stream.board import Board
from wattbay.adapters.api.stream.channel import Channel
from wattbay.adapters.api.stream.memory import Memory
from wattbay.adapters.api.stream.orders import Place, Standing, row
from wattbay.adapters.api.stream.sources import Sources
from wattbay.adapters.api.stream.telling import Teller
from wattbay.adapters.api.stream.topics import (
    EVERYBODY,
    STAFF,
    Kind,
    Topic,
    audience,
    book_name,
    pod_of,
)
from wattbay.core.registry import facts_at
from wattbay.ids import MeterId
from wattbay.kernel.codec import Entry
from wattbay.kernel.evidence import Reading
from wattbay.periods import Instant, to_text
from wattbay.watch.alerts import Alert


class Hub:
    """All topics, and who hears them."""

    def __init__(self, sources: Sources, epoch: str, at: Instant) -> None:
        """Take up what stands at an instant.

        Parameters
        ----------
        epoch
            Names this start of the server: numbers of another mean nothing here.
        """
        self.epoch = epoch
        self.memory = Memory(sources, at)
        self.board = Board(self.memory.whole)
        self._sources = sources
        self._teller = Teller(self.board, self.memory)
        self._changed: dict[Place, int] = {}
        """Books that changed since they were told last, with the entry that changed them."""

    def channel(self, topic: Topic, who: Identity) -> Channel:
        """Return the channel on which somebody hears a topic.

        Raises
        ------
        NotForYouError
            If they may not.
        """
        return self.board.open(topic, audience(topic, who, self._sources.state()))

    def snapshot(self, channel: Channel, because: str = "") -> str:
        """Return all there is to say of a channel's topic now."""
        return channel.snapshot(self.memory.at, because)

    # --- what is heard -----------------------------------------------------------------------

    def fold(self, entry: Entry) -> None:
        """Take the next entry of history; see `wattbay.kernel.kernel.Reader`."""
        self.memory.at = max(self.memory.at, entry.at)
        for standing in self.memory.orders.fold(entry.events):
            self._changed[standing.product, standing.delivery] = entry.seq
            if self.board.has(f"{Kind.ORDERS}/{standing.pod}"):
                self._order(standing, entry)
        self._teller.tell(entry)

    def _order(self, standing: Standing, entry: Entry) -> None:
        self.board.say(
            f"{Kind.ORDERS}/{standing.pod}",
            self.memory.party_of(standing.pod, standing.delivery),
            "order",
            lambda: row(standing),
            at=entry.at,
            entry=entry.seq,
            key=str(standing.order),
        )

    def flush(self) -> bool:
        """Tell how the books stand that have changed; tell whether there were any."""
        changed, self._changed = self._changed, {}
        for place, entry in changed.items():
            self._book(place, entry)
        return bool(changed)

    def _book(self, place: Place, entry: int) -> None:
        self.board.say(
            book_name(*place),
            EVERYBODY,
            "book",
            lambda: self.memory.orders.depth(place),
            at=self.memory.at,
            entry=entry,
        )

    def readings(self, batch: Sequence[Reading]) -> None:
        """Take readings that are verified and stored; the last of each device is told.

        One that comes late, or from tomorrow, takes the place of none, as in a snapshot.
        """
        if not self.board.has_any(Kind.READINGS):
            return
        latest = self._sources.latest
        for reading in batch:
            if latest is not None and latest.of(reading.device) is reading:
                self._reading(reading)

    def _reading(self, reading: Reading) -> None:
        state = self._sources.state()
        pod = pod_of(reading.device, state)
        facts = None if pod is None else facts_at(state.registry, pod, reading.measured_at)
        names = {f"{Kind.READINGS}/{reading.device}": None, str(Kind.READINGS): None}
        if pod is not None:
            names[f"{Kind.READINGS}/{pod}"] = None
        for name in names:
            if self.board.has(name):
                self.board.say(
                    name,
                    STAFF if facts is None else facts.party,
                    "reading",
                    lambda: src.reading_row(reading, pod),
                    at=reading.measured_at,
                    key=reading.device,
                )

    def alert(self, alert: Alert, kind: str = "alert") -> None:
        """Take an alert that was opened, found again, seen or closed."""
        if self.board.has_any(Kind.ALERTS):
            body = src.alert_row(alert)
            key = str(alert.number)
            self._of_a_party(Kind.ALERTS, alert.device, kind, body, at=alert.last_at, key=key)

    def device(self, device: MeterId, kind: str, said: Mapping[str, object], at: Instant) -> None:
        """Take what was heard of a device on the wire, such as that it is online."""
        if not src.is_known(device, self._sources.state()):
            return
        self.memory.hear(device, said, at)
        if self.board.has_any(Kind.DEVICES):
            body = self.memory.device(device)
            self._of_a_party(Kind.DEVICES, device, kind, body, at=at, key=device)

    def _of_a_party(
        self, topic: Kind, device: MeterId, kind: str, body: object, *, at: Instant, key: str
    ) -> None:
        party = src.party_of(device, at, self._sources.state())
        if party is not None:
            self.board.say(f"{topic}/{party}", party, kind, lambda: body, at=at, key=key)
        self.board.say(topic, STAFF, kind, lambda: body, at=at, key=key)

    # --- time --------------------------------------------------------------------------------

    def turn(self, now: Instant) -> None:
        """Let it be `now` at the exchange: tell which gates have opened."""
        self._teller.turn(now)

    def beat(self, now: Instant, speed: float) -> None:
        """Tell what time it is at the exchange, and how fast its clock goes."""
        self.turn(now)
        self.memory.clock = {"now": to_text(now), "speed": speed}
        self.board.say(Kind.CLOCK, EVERYBODY, "clock", lambda: self.memory.clock, at=now)
