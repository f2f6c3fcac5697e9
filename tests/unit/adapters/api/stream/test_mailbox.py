from __future__ import annotations

from tests.builders import EVE
from wattbay.adapters.api.stream.channel import Channel, Form, Message
from wattbay.adapters.api.stream.mailbox import Because, Due, Mailbox, Reply


def a_channel(topic: str = "trades", form: Form = Form.EVENTS) -> Channel:
    return Channel(topic, form, list)


def a_mailbox(*, messages_max: int = 100, bytes_max: int = 100_000) -> tuple[Mailbox, list[None]]:
    woken: list[None] = []
    return Mailbox(lambda: woken.append(None), messages_max, bytes_max), woken


def taken(mailbox: Mailbox) -> list[object]:
    """Return all that waits, in short: numbers, answers, and topics whose snapshots are due."""
    found: list[object] = []
    while (waiting := mailbox.take()) is not None:
        match waiting:
            case Message():
                found.append(waiting.seq)
            case Reply():
                found.append(waiting.text)
            case Due():
                found.append((waiting.channel.topic, waiting.because))
    return found


def test_events_are_taken_in_order() -> None:
    channel = a_channel()
    mailbox, woken = a_mailbox()
    channel.hearers[mailbox] = None
    for number in range(3):
        channel.publish("trade", EVE, 1, number)
    assert taken(mailbox) == [1, 2, 3]
    assert len(woken) == 1
    assert mailbox.size_bytes == 0


def test_of_a_state_the_last_of_each_key_is_taken_and_numbers_rise() -> None:
    channel = a_channel("orders/h01", Form.STATE)
    mailbox, _ = a_mailbox()
    channel.hearers[mailbox] = None
    for key in ("a", "b", "a", "c", "a", "b"):
        channel.publish("order", EVE, 1, {}, key)
    assert taken(mailbox) == [4, 5, 6]


def test_a_book_waits_once_however_often_it_changes() -> None:
    channel = a_channel("book/p/2026-05-01T12:00Z", Form.WHOLE)
    mailbox, _ = a_mailbox()
    channel.hearers[mailbox] = None
    for _ in range(10_000):
        channel.publish("book", EVE, 1, {"buy": []})
        assert len(mailbox) == 1
    assert taken(mailbox) == [10_000]
    assert mailbox.size_bytes == 0


def test_overflow_drops_what_waits_and_owes_snapshots_of_what_lost_something() -> None:
    trades, prices, quiet = a_channel(), a_channel("prices"), a_channel("market")
    mailbox, _ = a_mailbox(messages_max=5)
    for channel in (trades, prices, quiet):
        channel.hearers[mailbox] = None
    mailbox.reply("pong")
    for number in range(10):
        (trades if number % 2 else prices).publish("x", EVE, 1, number)
    assert len(mailbox) == 3
    assert mailbox.overflows == 1
    assert taken(mailbox) == ["pong", ("prices", Because.OVERFLOW), ("trades", Because.OVERFLOW)]
    trades.publish("x", EVE, 1, 0)
    assert taken(mailbox) == [6]


def test_bytes_are_bounded_as_well_as_messages() -> None:
    channel = a_channel()
    mailbox, _ = a_mailbox(bytes_max=10_000)
    channel.hearers[mailbox] = None
    largest = 0
    for _ in range(1_000):
        channel.publish("trade", EVE, 1, "x" * 1_000)
        largest = max(largest, mailbox.size_bytes)
    assert largest <= 10_000
    assert len(mailbox) == 1


def test_while_a_snapshot_is_due_nothing_else_waits_of_its_topic() -> None:
    channel = a_channel()
    mailbox, _ = a_mailbox()
    channel.hearers[mailbox] = None
    channel.publish("trade", EVE, 1, 0)
    mailbox.put_snapshot(channel)
    channel.publish("trade", EVE, 1, 1)
    assert taken(mailbox) == [("trades", Because.SUBSCRIBED)]
    channel.publish("trade", EVE, 1, 2)
    assert taken(mailbox) == [3]


def test_what_waits_of_a_topic_can_be_forgotten() -> None:
    trades, prices = a_channel(), a_channel("prices")
    mailbox, _ = a_mailbox()
    for channel in (trades, prices):
        channel.hearers[mailbox] = None
        channel.publish("x", EVE, 1, "x")
    mailbox.forget(trades)
    assert mailbox.size_bytes == prices.ring_bytes
    assert taken(mailbox) == [1]
    assert mailbox.size_bytes == 0


def test_equal_answers_wait_each_for_itself() -> None:
    mailbox, _ = a_mailbox()
    mailbox.reply("pong")
    mailbox.reply("pong")
    assert mailbox.replies == 2
    assert taken(mailbox) == ["pong", "pong"]
    assert mailbox.replies == 0
