"""Clients of the stream, for tests: one that follows the protocol, and a wire in memory."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from wattbay.access.identity import Identity, Means
from wattbay.access.roles import AccessRole
from wattbay.adapters.api.stream.session import GoneError
from wattbay.ids import PartyId


def somebody(
    role: AccessRole = AccessRole.PROSUMER, *parties: str, login: str = "somebody"
) -> Identity:
    """Return who is listening."""
    named = frozenset(PartyId(party) for party in parties)
    return Identity(login, named, frozenset({role}), Means.TOKEN)


class Follower:
    """Does what the protocol asks of a client, and knows what each topic comes to."""

    def __init__(self) -> None:
        self.epoch = ""
        self.known: dict[str, Any] = {}
        """By topic: a list of events, rows by key, or one value."""
        self.seqs: dict[str, int] = {}
        self.forms: dict[str, str] = {}
        self.gaps: list[str] = []
        """Topics of which something is missing: to be asked for again from the beginning."""
        self.other: list[dict[str, Any]] = []
        """What was said besides."""
        self.snapshots = 0
        self.overflows = 0

    def hear(self, text: str) -> None:
        """Take a message."""
        told = json.loads(text)
        if "seq" not in told or told["type"] == "subscribed":
            self._greeted(told)
            return
        topic, seq = told["topic"], told["seq"]
        if told["type"] == "snapshot":
            self.snapshots += 1
            self.overflows += told.get("because") == "overflow"
            self.known[topic] = told["data"]
        elif self.forms[topic] == "events":
            if seq != self.seqs[topic] + 1:
                self.gaps.append(topic)
                return
            self.known[topic].append(
                {key: told[key] for key in ("ts", "entry", "type", "data") if key in told}
            )
        elif self.forms[topic] == "state":
            assert seq > self.seqs[topic]
            self.known[topic][told["key"]] = told["data"]
        else:
            assert seq > self.seqs[topic]
            self.known[topic] = told["data"]
        self.seqs[topic] = seq

    def _greeted(self, told: dict[str, Any]) -> None:
        if told["type"] == "hello":
            self.epoch = told["epoch"]
        elif told["type"] == "subscribed":
            self.forms[told["topic"]] = told["form"]
        self.other.append(told)

    def wish(self, *topics: str) -> str:
        """Return how it asks for topics, going on where it has some of them."""
        wishes: list[dict[str, Any]] = []
        for topic in topics:
            goes_on = topic in self.seqs
            wishes.append({"topic": topic} | ({"last_seq": self.seqs[topic]} if goes_on else {}))
        return json.dumps({"op": "subscribe", "epoch": self.epoch, "topics": wishes})

    def errors(self) -> list[dict[str, Any]]:
        """Return what was refused."""
        return [told for told in self.other if told["type"] == "error"]


class MemoryConnection:
    """A wire whose other end is a test: it says what a client would, and reads what it is sent."""

    def __init__(self, *, is_reading: bool = True) -> None:
        self.sent: list[str] = []
        self.closed: tuple[int, str] | None = None
        self.is_aborted = False
        self._said: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self._reads = asyncio.Event()
        if is_reading:
            self._reads.set()

    def say(self, *texts: str | bytes) -> None:
        """Say something to the server."""
        for text in texts:
            self._said.put_nowait(text)

    def go(self) -> None:
        """Go away."""
        self._said.put_nowait(None)

    def read_on(self) -> None:
        """Read from now on."""
        self._reads.set()

    def stop_reading(self) -> None:
        """Read no more."""
        self._reads.clear()

    async def receive(self) -> str | bytes:
        said = await self._said.get()
        if said is None:
            raise GoneError
        return said

    async def send(self, text: str) -> None:
        await self._reads.wait()
        self.sent.append(text)

    async def close(self, code: int, reason: str) -> None:
        await self._reads.wait()
        self.closed = (code, reason)

    def abort(self) -> None:
        self.is_aborted = True
