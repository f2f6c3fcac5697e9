from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api_node import a_node
from tests.builders import EVE
from tests.listeners import Follower, MemoryConnection, somebody
from tests.servers import until_async
from wattbay.access.denial import AccessDenied, Denial
from wattbay.access.identity import Identity
from wattbay.access.roles import AccessRole
from wattbay.adapters.api.stream.hub import Hub
from wattbay.adapters.api.stream.mailbox import BYTES_MAX, MESSAGES_MAX, Mailbox
from wattbay.adapters.api.stream.messages import CLIENT_BYTES_MAX, SUBSCRIPTIONS_MAX
from wattbay.adapters.api.stream.session import FAULTS_MAX, Code, Session
from wattbay.adapters.api.stream.sources import Sources
from wattbay.adapters.api.stream.streams import PER_LOGIN_MAX, STRANGERS_MAX, Streams
from wattbay.adapters.api.stream.topics import EVERYBODY, Kind
from wattbay.errors import AdapterError
from wattbay.kernel.clock import SimulatedClock

P01 = somebody(AccessRole.PROSUMER, "p01")


class Stage:
    """A hub, its clients, and what each of them was sent."""

    def __init__(self, *, streams_max: int = 2_000, slow_s: float = 30.0) -> None:
        bench = a_node()
        self.hub = Hub(Sources(state=bench.node.state), "e1", EVE)
        self.streams = Streams(
            self.hub, SimulatedClock(EVE), speed=1.0, streams_max=streams_max, slow_s=slow_s
        )
        self.tasks: list[asyncio.Task[None]] = []

    def come(
        self,
        who: Identity = P01,
        look: Callable[[], Identity] | None = None,
        *,
        is_reading: bool = True,
        messages_max: int = MESSAGES_MAX,
    ) -> tuple[MemoryConnection, Session]:
        connection = MemoryConnection(is_reading=is_reading)
        session = Session(
            self.hub, who, connection, lambda wake: Mailbox(wake, messages_max, BYTES_MAX)
        )
        serving = self.streams.serve(session, look or (lambda: session.who))
        self.tasks.append(asyncio.get_running_loop().create_task(serving))
        return connection, session

    def trade(self, count: int = 1) -> None:
        for _ in range(count):
            self.hub.board.say(
                Kind.TRADES, EVERYBODY, "trade", lambda: {"price": 5}, at=EVE, entry=1
            )


def staged(test: Callable[[Stage], Awaitable[None]], **options: float) -> None:
    """Run a test with a stage in an event loop, and see that nobody is left on it."""

    @contextlib.asynccontextmanager
    async def stage() -> AsyncIterator[Stage]:
        made = Stage(**options)  # type: ignore[arg-type]
        yield made
        for task in made.tasks:
            task.cancel()
        await asyncio.gather(*made.tasks, return_exceptions=True)
        assert len(made.streams) == 0

    async def run() -> None:
        async with stage() as made:
            await test(made)

    asyncio.run(run())


def has_heard(connection: MemoryConnection, count: int) -> bool:
    return len(connection.sent) == count


def has_come(stage: Stage, count: int) -> bool:
    return len(stage.streams) == count


def heard(connection: MemoryConnection) -> Follower:
    follower = Follower()
    for text in connection.sent:
        follower.hear(text)
    return follower


def subscribe(*topics: str) -> str:
    return json.dumps({"op": "subscribe", "topics": [{"topic": topic} for topic in topics]})


def test_a_client_is_greeted_answered_given_a_snapshot_and_then_what_happens() -> None:
    async def test(stage: Stage) -> None:
        connection, _ = stage.come()
        connection.say(subscribe("trades"), '{"op":"ping"}')
        await until_async(lambda: len(connection.sent) == 4, "greeted and answered")
        stage.trade(2)
        await until_async(lambda: len(connection.sent) == 6, "told")
        told = [json.loads(text) for text in connection.sent]
        assert [one["type"] for one in told] == [
            "hello", "subscribed", "snapshot", "pong", "trade", "trade",
        ]  # fmt: skip
        assert told[0] == {
            "type": "hello",
            "epoch": "e1",
            "ts": "2013-06-09T00:00Z",
            "login": "somebody",
            "parties": ["p01"],
            "heartbeat_s": 5.0,
        }
        assert told[1]["form"] == "events"
        connection.go()
        await until_async(lambda: len(stage.streams) == 0, "gone")
        assert connection.closed is None

    staged(test)


def test_a_topic_that_is_not_for_the_client_is_refused_and_the_connection_stays() -> None:
    async def test(stage: Stage) -> None:
        connection, session = stage.come()
        connection.say(subscribe("orders/h02", "orders/h99", "weather", "orders/h01"))
        await until_async(lambda: len(connection.sent) == 6, "answered")
        follower = heard(connection)
        assert [(one["topic"], one["code"]) for one in follower.errors()] == [
            ("orders/h02", "not-for-you"), ("orders/h99", "not-for-you"), ("weather", "no-topic"),
        ]  # fmt: skip
        assert session.topics == ("orders/h01",)
        assert len(stage.streams) == 1

    staged(test)


def test_numbers_count_only_within_the_epoch_in_which_they_were_given() -> None:
    async def test(stage: Stage) -> None:
        connection, _ = stage.come()
        connection.say(subscribe("trades"))
        await until_async(lambda: len(connection.sent) == 3, "listening")
        stage.trade(3)
        for epoch, is_resumed in (("e1", True), ("e0", False), (None, False)):
            again, _ = stage.come()
            wish = {"op": "subscribe", "topics": [{"topic": "trades", "last_seq": 1}]}
            again.say(json.dumps(wish if epoch is None else wish | {"epoch": epoch}))
            await until_async(partial(has_heard, again, 4 if is_resumed else 3), "answered")
            told = [json.loads(text) for text in again.sent]
            assert told[1]["resumed"] is is_resumed
            assert [one.get("seq") for one in told[2:]] == ([2, 3] if is_resumed else [3])

    staged(test)


def test_a_client_that_stops_reading_delays_nobody_and_gets_a_snapshot_when_it_reads_on() -> None:
    async def test(stage: Stage) -> None:
        slow, session = stage.come(messages_max=50)
        quick, _ = stage.come()
        for connection in (slow, quick):
            connection.say(subscribe("trades"))
        await until_async(lambda: len(slow.sent) == len(quick.sent) == 3, "both listen")
        slow.stop_reading()
        for _ in range(100):
            stage.trade(10)
            await asyncio.sleep(0)
            assert len(session.mailbox) <= 51
        await until_async(lambda: len(quick.sent) == 1_003, "the quick one has all")
        assert session.mailbox.overflows > 0
        slow.read_on()
        await until_async(lambda: heard(slow).overflows > 0, "the slow one is told")
        stage.trade()
        await until_async(lambda: heard(slow).seqs["trades"] == 1_001, "and goes on")
        assert heard(slow).gaps == []

    staged(test)


def test_a_client_that_reads_nothing_for_too_long_is_cut_off() -> None:
    async def test(stage: Stage) -> None:
        connection, session = stage.come(is_reading=False)
        running = asyncio.create_task(stage.streams.run())
        await until_async(lambda: session.sending_since_s is not None, "it is sent something")
        assert stage.streams.sessions == (session,)
        stage.streams.cut_off(asyncio.get_running_loop().time() + 31.0)
        await until_async(lambda: connection.is_aborted, "it is cut off")
        await until_async(lambda: len(stage.streams) == 0, "it is gone")
        running.cancel()

    staged(test)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "\x00", "subscribe", '{"op":"subscribe"}', '{"op":"fly"}',
     '{"op":"ping","more":1}', "[" * 20_000, '{"op":"ping"}' + " " * CLIENT_BYTES_MAX,
     b"\xff\xfe", '{"op":"subscribe","topics":[{"topic":5}]}', '{"ticket":"x"}',
     '{"op":"subscribe","topics":[{"topic":"trades","last_seq":1e9}]}'],
)  # fmt: skip
def test_ten_thousand_messages_that_are_none_are_answered_a_few_times_and_end_it(
    text: str | bytes,
) -> None:
    async def test(stage: Stage) -> None:
        connection, session = stage.come()
        other, _ = stage.come()
        connection.say(*[text] * 10_000)
        await until_async(lambda: connection.closed is not None, "it is over")
        assert connection.closed is not None
        assert connection.closed[0] == Code.POLICY
        assert len(heard(connection).errors()) <= FAULTS_MAX + 1
        assert len(session.mailbox) <= FAULTS_MAX + 1
        other.say('{"op":"ping"}')
        await until_async(lambda: '"pong"' in other.sent[-1], "the other is served")

    staged(test)


def test_good_messages_that_come_too_fast_are_faults_as_well() -> None:
    async def test(stage: Stage) -> None:
        connection, _ = stage.come()
        connection.say(*['{"op":"ping"}'] * 10_000)
        await until_async(lambda: connection.closed is not None, "it is over")
        assert len(connection.sent) < 200

    staged(test)


def test_who_says_much_and_reads_nothing_is_not_heard() -> None:
    async def test(stage: Stage) -> None:
        connection, session = stage.come(is_reading=False)
        connection.say(*[subscribe("nothing", "nothing", "nothing")] * 50)
        await until_async(lambda: session.mailbox.replies >= 60, "answers wait")
        for _ in range(50):
            await asyncio.sleep(0)
        assert session.mailbox.replies <= 64
        connection.read_on()
        await until_async(lambda: len(connection.sent) == 151, "heard once it reads")

    staged(test)


def test_topics_of_one_client_are_bounded_even_in_one_message() -> None:
    async def test(stage: Stage) -> None:
        connection, session = stage.come(somebody(AccessRole.ADMINISTRATOR))
        days = [
            f"book/halfhour/2013-06-10T{hour:02}:{m}Z" for hour in range(24) for m in ("00", "30")
        ]
        pods = [f"{kind}/h0{n}" for n in range(1, 7) for kind in ("orders", "receipts", "readings")]
        connection.say(subscribe(*days, *pods))
        await until_async(lambda: len(session.topics) == 66, "listening")
        connection.say(subscribe(*["trades"] * 300))
        connection.say(json.dumps({"op": "unsubscribe", "topics": [*days, "weather"]}))
        await until_async(lambda: len(session.topics) == 19, "listening to less")
        assert len(session.topics) <= SUBSCRIPTIONS_MAX

    staged(test)


def test_who_is_not_known_any_more_is_told_so_and_it_is_over() -> None:
    async def test(stage: Stage) -> None:
        def nobody() -> Identity:
            raise AccessDenied(Denial.EXPIRED, "the token is over")

        connection, _ = stage.come(look=nobody)
        other, _ = stage.come()
        await until_async(lambda: len(stage.streams) == 2, "both are there")
        await stage.streams.look_again()
        await until_async(lambda: connection.closed == (4401, "the token is over"), "told")
        await until_async(lambda: len(stage.streams) == 1, "one is left")
        assert other.closed is None

    staged(test)


def test_store_of_people_that_does_not_answer_ends_no_connection() -> None:
    async def test(stage: Stage) -> None:
        def away() -> Identity:
            raise AdapterError("the store of people does not answer")

        connection, _ = stage.come(look=away)
        await until_async(lambda: len(stage.streams) == 1, "it is there")
        await stage.streams.look_again()
        assert connection.closed is None
        assert len(stage.streams) == 1

    staged(test)


def test_who_may_less_than_before_hears_less_from_then_on() -> None:
    async def test(stage: Stage) -> None:
        fleet = somebody(AccessRole.AGGREGATOR, "p01", "p02")
        connection, session = stage.come(fleet, look=lambda: P01)
        connection.say(subscribe("orders/h01", "orders/h02", "trades"))
        await until_async(lambda: len(session.topics) == 3, "listening")
        await stage.streams.look_again()
        await until_async(lambda: heard(connection).errors() != [], "told")
        assert session.topics == ("orders/h01", "trades")
        assert heard(connection).errors()[0]["topic"] == "orders/h02"

    staged(test)


def test_there_is_room_for_so_many_clients_and_so_many_of_one_login() -> None:
    async def test(stage: Stage) -> None:
        for number in range(3):
            assert stage.streams.has_room("x")
            stage.come(somebody(login=f"l{number}"))
            await until_async(partial(has_come, stage, number + 1), "come")
        assert not stage.streams.has_room("x")
        assert not stage.streams.let_stranger_in()

    staged(test, streams_max=3)

    async def one_login(stage: Stage) -> None:
        for _ in range(PER_LOGIN_MAX):
            stage.come()
        await until_async(lambda: len(stage.streams) == PER_LOGIN_MAX, "come")
        assert not stage.streams.has_room("somebody")
        assert stage.streams.has_room("else")
        assert [stage.streams.let_stranger_in() for _ in range(STRANGERS_MAX + 1)].count(False) == 1

    staged(one_login)


def test_time_is_told_while_the_clients_are_run() -> None:
    async def test(stage: Stage) -> None:
        connection, _ = stage.come()
        connection.say(subscribe("clock"))
        await until_async(lambda: len(connection.sent) == 3, "listening")
        running = asyncio.create_task(stage.streams.run())
        await until_async(lambda: '"type":"clock"' in connection.sent[-1], "told")
        running.cancel()

    staged(test)


@settings(max_examples=30)
@given(st.lists(st.text(max_size=30) | st.binary(max_size=30), max_size=15))
def test_whatever_a_client_says_the_session_answers_or_ends(said: list[str | bytes]) -> None:
    async def test(stage: Stage) -> None:
        connection, _ = stage.come()
        connection.say(*said, '{"op":"ping"}')
        await until_async(
            lambda: bool(connection.sent) and '"pong"' in connection.sent[-1], "heard"
        )
        assert len(connection.sent) == len(said) + 2

    staged(test)
