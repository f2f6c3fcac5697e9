from __future__ import annotations

import json

import pytest

from tests.builders import EVE
from wattbay.adapters.api.stream.board import Board
from wattbay.adapters.api.stream.channel import RING_MAX, Channel, Whole
from wattbay.adapters.api.stream.mailbox import Due, Mailbox
from wattbay.adapters.api.stream.topics import EVERYBODY, STAFF, Kind, Topic, parse
from wattbay.periods import Instant

TRADES = Topic(Kind.TRADES)


def nothing(_topic: Topic, _heard_as: str) -> Whole:
    return list


def a_board(*, idle_max: int = 10, rings_bytes_max: int = 1_000_000) -> Board:
    return Board(nothing, idle_max=idle_max, rings_bytes_max=rings_bytes_max)


def a_mailbox() -> Mailbox:
    return Mailbox(lambda: None)


def say(board: Board, count: int = 1) -> None:
    for _ in range(count):
        board.say("trades", EVERYBODY, "x", lambda: {"energy": 5}, at=EVE, entry=7)


def numbers(mailbox: Mailbox) -> list[int]:
    found = []
    while (waiting := mailbox.take()) is not None:
        assert not isinstance(waiting, Due)
        found.append(json.loads(waiting.text)["seq"])
    return found


def joined(board: Board, topic: Topic = TRADES) -> tuple[Mailbox, Channel]:
    mailbox = a_mailbox()
    channel = board.open(topic, EVERYBODY)
    assert not board.join(mailbox, channel)
    assert isinstance(mailbox.take(), Due)
    return mailbox, channel


def test_what_nobody_hears_is_never_made() -> None:
    board = a_board()
    board.say("trades", EVERYBODY, "x", lambda: pytest.fail("asked for"), at=EVE)
    assert len(board) == 0


def test_a_message_bears_topic_number_instant_kind_and_entry() -> None:
    board = a_board()
    mailbox, _ = joined(board)
    say(board)
    waiting = mailbox.take()
    assert waiting is not None
    assert not isinstance(waiting, Due)
    assert json.loads(waiting.text) == {
        "topic": "trades",
        "seq": 1,
        "ts": "2013-06-09T00:00Z",
        "entry": 7,
        "type": "x",
        "data": {"energy": 5},
    }


def test_a_message_is_written_once_for_all() -> None:
    board = a_board()
    boxes = [joined(board)[0] for _ in range(10)]
    say(board)
    assert len({id(box.take()) for box in boxes}) == 1


def test_who_comes_back_in_time_goes_on_without_loss_or_repetition() -> None:
    board = a_board()
    mailbox, channel = joined(board)
    say(board, 5)
    assert numbers(mailbox) == [1, 2, 3, 4, 5]
    board.leave(mailbox, channel)
    say(board, 3)
    again = a_mailbox()
    assert board.join(again, board.open(TRADES, EVERYBODY), 5)
    say(board, 2)
    assert numbers(again) == [6, 7, 8, 9, 10]


@pytest.mark.parametrize("last_seq", [0, 43, 301, -1, 2**60])
def test_who_was_away_too_long_or_makes_numbers_up_gets_a_snapshot(last_seq: int) -> None:
    board = a_board()
    joined(board)
    say(board, RING_MAX + 44)
    again = a_mailbox()
    assert not board.join(again, board.open(TRADES, EVERYBODY), last_seq)
    assert isinstance(again.take(), Due)


def test_numbers_of_a_channel_that_is_gone_are_never_given_again() -> None:
    board = a_board(idle_max=0)
    mailbox, channel = joined(board)
    say(board, 5)
    board.leave(mailbox, channel)
    assert len(board) == 0
    reopened = board.open(TRADES, EVERYBODY)
    assert reopened is not channel
    other, _ = joined(board)
    say(board, 7)
    assert numbers(other) == [6, 7, 8, 9, 10, 11, 12]
    # Somebody who had 1 to 3 would miss 4 and 5, which nobody has any more.
    assert not board.join(a_mailbox(), reopened, 3)


def test_channels_that_nobody_hears_are_bounded() -> None:
    board = a_board(idle_max=10)
    for number in range(100):
        topic = parse(f"orders/h{number}")
        mailbox = a_mailbox()
        channel = board.open(topic, "p01")
        board.join(mailbox, channel)
        board.leave(mailbox, channel)
    assert len(board) == 10
    assert board.has("orders/h99")
    assert not board.has("orders/h00")
    assert board.has_any(Kind.ORDERS)


def test_kept_messages_are_bounded_in_bytes() -> None:
    board = a_board(rings_bytes_max=10_000)
    mailbox, channel = joined(board)
    say(board, 1_000)
    assert channel.ring_bytes <= 10_000
    board.leave(mailbox, channel)
    assert not board.join(a_mailbox(), channel, 1)


def test_a_party_and_who_sees_all_hear_what_is_the_partys_and_another_party_does_not() -> None:
    board = a_board()
    topic = parse("orders/h01")
    boxes = {heard_as: a_mailbox() for heard_as in ("p01", "p02", STAFF)}
    for heard_as, mailbox in boxes.items():
        board.join(mailbox, board.open(topic, heard_as))
        mailbox.take()
    board.say("orders/h01", "p01", "order", dict, at=EVE, key="1")
    board.say("orders/h01", STAFF, "order", dict, at=EVE, key="2")
    assert {heard_as: numbers(box) for heard_as, box in boxes.items()} == {
        "p01": [1],
        "p02": [],
        STAFF: [1, 2],
    }


def test_a_snapshot_is_made_once_an_instant_however_many_begin_to_listen() -> None:
    made: list[int] = []

    def whole() -> object:
        made.append(len(made))
        return made

    def counted(_topic: Topic, _heard_as: str) -> Whole:
        return whole

    board = Board(counted)
    channel = board.open(TRADES, EVERYBODY)
    assert len({channel.snapshot(EVE) for _ in range(100)}) == 1
    assert len(made) == 1
    say(board)
    channel.snapshot(EVE)
    channel.snapshot(Instant(EVE + 1))
    assert len(made) == 3
