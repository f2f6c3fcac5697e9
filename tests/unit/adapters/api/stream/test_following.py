"""However messages and absences fall, who follows the protocol ends where all others do."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tests.builders import EVE
from tests.listeners import Follower
from wattbay.adapters.api.stream.board import Board
from wattbay.adapters.api.stream.channel import Form, Whole
from wattbay.adapters.api.stream.mailbox import Due, Mailbox
from wattbay.adapters.api.stream.topics import EVERYBODY, FORMS, Topic, parse
from wattbay.periods import to_text

TOPICS = ("trades", "prices", "book/p/2026-05-01T12:00Z")
KEYS = ("a", "b", "c")


class Server:
    """A board and what its topics come to: events, rows by key, a value."""

    def __init__(self, number: int, idle_max: int, truth: dict[str, Any]) -> None:
        self.epoch = f"e{number}"
        self.truth = truth
        self.board = Board(self._whole, idle_max=idle_max, rings_bytes_max=2_000)

    def _whole(self, topic: Topic, _heard_as: str) -> Whole:
        return lambda: self.truth[topic.name]

    def publish(self, name: str, key: str, value: int) -> None:
        form = FORMS[parse(name).kind]
        if form is Form.EVENTS:
            self.truth[name].append({"ts": to_text(EVE), "type": "x", "data": value})
        elif form is Form.STATE:
            self.truth[name][key] = value
        else:
            self.truth[name] = value
        self.board.say(name, EVERYBODY, "x", lambda: value, at=EVE, key=key)


class Link:
    """A connection of a follower: what was not read when it breaks is lost."""

    def __init__(self, server: Server, follower: Follower, messages_max: int) -> None:
        self.server, self.follower = server, follower
        self.mailbox = Mailbox(lambda: None, messages_max)
        follower.hear(json.dumps({"type": "hello", "epoch": server.epoch}))

    def subscribe(self, wish: str, epoch_before: str) -> None:
        """Do what a session does with a wish."""
        for asked in json.loads(wish)["topics"]:
            channel = self.server.board.open(parse(asked["topic"]), EVERYBODY)
            last_seq = asked.get("last_seq") if epoch_before == self.server.epoch else None
            told = {"type": "subscribed", "topic": channel.topic, "form": channel.form}
            self.mailbox.forget(channel)
            self.mailbox.reply(json.dumps(told))
            self.server.board.join(self.mailbox, channel, last_seq)

    def read(self, count: int) -> None:
        """Let the follower read so many messages, and ask again where it finds a gap."""
        for _ in range(count):
            waiting = self.mailbox.take()
            if waiting is None:
                break
            if isinstance(waiting, Due):
                self.follower.hear(waiting.channel.snapshot(EVE, waiting.because))
            else:
                self.follower.hear(waiting.text)
        assert self.follower.gaps == []

    def cut(self) -> None:
        for name in TOPICS:
            self.server.board.leave(self.mailbox, self.server.board.open(parse(name), EVERYBODY))


class World:
    """A server, a follower that comes and goes, and one that never leaves."""

    def __init__(self, messages_max: int, idle_max: int) -> None:
        self.truth: dict[str, Any] = {TOPICS[0]: [], TOPICS[1]: {}, TOPICS[2]: 0}
        self.idle_max, self.messages_max = idle_max, messages_max
        self.starts = 0
        self.value = 0
        self.follower, self.constant = Follower(), Follower()
        self.start()

    def start(self) -> None:
        """Start the server, again: nothing of its numbers is left."""
        self.starts += 1
        self.server = Server(self.starts, self.idle_max, self.truth)
        self.link: Link | None = None
        self.steady = Link(self.server, self.constant, 10_000)
        self.steady.subscribe(self.constant.wish(*TOPICS), "")

    def publish(self, place: int) -> None:
        self.value += 1
        name, key = TOPICS[place % 3], KEYS[place % len(KEYS) if place < 6 else 0]
        self.server.publish(name, key, self.value)

    def burst(self, count: int) -> None:
        for place in range(count):
            self.publish(place)

    def come(self) -> None:
        if self.link is None:
            before = self.follower.epoch
            wish = self.follower.wish(*TOPICS)
            self.link = Link(self.server, self.follower, self.messages_max)
            self.link.subscribe(wish, before)

    def go(self) -> None:
        if self.link is not None:
            self.link.cut()
            self.link = None

    def read(self, count: int) -> None:
        if self.link is not None:
            self.link.read(count)


Step = tuple[str, int]
steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(0, 8)),
        st.tuples(st.just("read"), st.integers(1, 6)),
        st.tuples(st.sampled_from(["come", "go", "start"]), st.just(0)),
        st.tuples(st.just("burst"), st.integers(1, 300)),
    ),
    max_size=60,
)


@given(steps, st.integers(1, 8), st.integers(0, 3))
@example([("come", 0), ("burst", 2), ("read", 9), ("go", 0), ("burst", 300), ("come", 0)], 8, 3)
@example([("come", 0), ("read", 9), ("go", 0), ("start", 0), ("burst", 9), ("come", 0)], 8, 0)
@example([("come", 0), ("burst", 40), ("read", 1), ("go", 0), ("come", 0), ("burst", 1)], 4, 0)
def test_who_follows_the_protocol_ends_with_the_state_of_who_never_left(
    taken: list[Step], messages_max: int, idle_max: int
) -> None:
    world = World(messages_max, idle_max)
    acts: dict[str, Callable[[int], None]] = {
        "publish": world.publish,
        "read": world.read,
        "come": lambda _: world.come(),
        "go": lambda _: world.go(),
        "start": lambda _: world.start(),
        "burst": world.burst,
    }
    for act, number in taken:
        acts[act](number)
        world.steady.read(10_000)
    world.come()
    world.read(10_000)
    world.publish(0)
    world.publish(1)
    world.read(10_000)
    world.steady.read(10_000)
    assert world.follower.known == world.truth
    assert world.constant.known == world.truth
    assert world.constant.overflows == 0
