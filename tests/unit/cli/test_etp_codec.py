"""`wattbay etp encode` and `decode`: lines in, lines out, and faults by their line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from wattbay.adapters.etp.envelope import Identity, Scheme, Sealer
from wattbay.adapters.etp.frames import framed
from wattbay.adapters.etp.messages import FIELDS, NAMES, Message, bid, encode, query, to_text
from wattbay.cli.etp import app
from wattbay.errors import ConfigError

BID = bid(7, 201, 15.5, 10)
SAID = {"message_type": "Bid", "message_id": 7, "device_id": 201} | {
    "bid_price": 15.5,
    "required_energy_amount": 10,
}


class Answer:
    """What a command printed."""

    def __init__(self, given: bytes | str, *words: str) -> None:
        ran = CliRunner().invoke(app, list(words), input=given)
        if ran.exception and not isinstance(ran.exception, SystemExit):
            raise ran.exception
        self.status = ran.exit_code
        self.lines = ran.stdout.splitlines()
        self.faults = ran.stderr.splitlines()


def line(**fields: object) -> str:
    return json.dumps(fields) + "\n"


def test_message_is_written_as_hex() -> None:
    answer = Answer(line(**SAID), "encode")
    assert (answer.lines, answer.faults, answer.status) == ([encode(BID).hex()], [], 0)


def test_message_is_written_as_text() -> None:
    assert Answer(line(**SAID), "encode", "--text").lines == [to_text(BID).decode()]


def test_message_is_read_from_hex() -> None:
    answer = Answer(encode(BID).hex().upper() + "\r\n", "decode")
    assert answer.status == 0
    (read,) = map(json.loads, answer.lines)
    assert tuple(read) == FIELDS
    assert read == BID._asdict() | {"message_type": "Bid"}


def test_message_is_read_from_text() -> None:
    answer = Answer(to_text(BID) + b"\r\n" + to_text(BID), "decode", "--text")
    assert [json.loads(one)["bid_price"] for one in answer.lines] == [15.5, 15.5]


@pytest.mark.parametrize("text", [(), ("--text",)], ids=["hex", "text"])
def test_what_is_decoded_can_be_encoded_again(text: tuple[str, ...]) -> None:
    messages = [Message(kind, 1 << 60, 42, bid_price=-1.5) for kind in range(10)]
    lines = "".join(line(**message._asdict()) for message in messages)
    once = Answer(lines, "encode", *text)
    read = Answer("\n".join(once.lines), "decode", *text)
    assert [json.loads(one)["message_type"] for one in read.lines] == list(NAMES.values())
    assert Answer("\n".join(read.lines), "encode", *text).lines == once.lines


def test_type_may_be_a_number_and_the_rest_left_out() -> None:
    assert Answer(line(message_type=1), "encode").lines == [encode(query(0, 0)).hex()]


def test_faults_are_named_by_line_and_the_others_are_written() -> None:
    given = [
        line(message_type="Bid", percentage_for_sale=50),
        "\n",
        line(message_type="Bid", percentage_for_sale=120),
        "no JSON\n",
        line(message_type="Query"),
    ]
    answer = Answer("".join(given), "encode")
    assert answer.status == 1
    assert len(answer.lines) == 2
    assert answer.faults[0] == "line 3: percentage_for_sale is 120, of 0 to 100"
    assert answer.faults[1].startswith("line 4: no JSON: ")


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ('{"message_type": "Bidd"}', "message_type is 'Bidd'; is Bid meant?"),
        ('{"message_type": "Offer"}', "message_type is 'Offer'; there are Register, Query,"),
        ('{"message_type": 10}', "message_type is 10, of 0 to 9"),
        ('{"message_type": -1}', "message_type is -1, of 0 to 9"),
        ('{"message_type": true}', "message_type is true; a whole number is wanted"),
        ('{"message_type": null}', "message_type is null; a whole number is wanted"),
        ('{"message_id": 1}', "message_type is missing"),
        ('{"message_type": 1, "bid_prize": 1}', "'bid_prize' is no field of a message; is bid_pri"),
        ('{"message_type": 1, "ttl": 0}', "ttl is 0: "),
        ('{"message_type": 1, "ttl": 300}', "ttl is 300; 0 to 255 is wanted"),
        ('{"message_type": 1, "ttl": "5"}', 'ttl is "5"; a whole number is wanted'),
        ('{"message_type": 1, "ttl": 5.0}', "ttl is 5.0; a whole number is wanted"),
        ('{"message_type": 1, "message_id": 18446744073709551616}', "message_id is 1844674407370"),
        ('{"message_type": 1, "bid_price": "1"}', 'bid_price is "1"; a number is wanted'),
        ('{"message_type": 1, "bid_price": 1e999}', "no JSON: Number out of range"),
        (f'{{"message_type": 1, "bid_price": {"9" * 400}}}', "bid_price is a number of 1,329 bits"),
        (f'{{"message_type": 1, "bid_price": {"[" * 3_000}', "no JSON: "),
        ('{"message_type": 1, "energy_total": -1}', "energy_total is negative: -1"),
        ('{"message_type": 1, "envelope": {}}', "an envelope needs a key"),
        ("[]", "an object with the fields of a message is wanted"),
        ('{"message_type": 1}'.ljust(5_000), "longer than 4,096 bytes"),
        ('"\\ud800"', "no JSON: "),
    ],
    ids=lambda value: value[:30],
)
def test_fault_is_told_in_words(said: str, fault: str) -> None:
    answer = Answer(f"{said}\n" + line(message_type=1), "encode")
    assert answer.status == 1
    assert answer.lines == [encode(query(0, 0)).hex()]
    assert answer.faults[0].startswith(f"line 1: {fault}")
    assert len(answer.faults) == 1


def test_bytes_that_are_no_text_are_a_fault() -> None:
    answer = Answer(b'{"message_type": "\xff"}\n', "encode")
    assert (answer.status, answer.lines) == (1, [])


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ("invalid", "hex digits are wanted, two a byte"),
        ("424242", "3 bytes are no message; a message has 84"),
        (encode(BID).hex()[1:], "hex digits are wanted, two a byte"),
        (encode(BID._replace(ttl=0)).hex(), "ttl is 0: "),
        (framed(encode(BID)).hex()[:-2], "87 bytes are no message"),
        ("00" * 150, "version 0 of the envelope is not known"),
        ("ÿ", "hex digits are wanted"),
        ("00" * 5_000, "longer than 4,096 bytes"),
    ],
    ids=lambda value: value[:30],
)
def test_what_cannot_be_read_is_told_in_words(given: str, fault: str) -> None:
    answer = Answer(f"{given}\n{encode(BID).hex()}", "decode")
    assert answer.status == 1
    assert len(answer.lines) == 1
    assert answer.faults[0].startswith(f"line 1: {fault}")


@pytest.mark.parametrize("scheme", Scheme, ids=lambda scheme: scheme.name)
def test_frames_and_envelopes_are_told_from_messages(scheme: Scheme) -> None:
    sealer = Sealer(Identity(201, scheme, bytes(32)), lambda: 1_777_636_800_000_000)
    sealed = sealer.seal(encode(BID), 101)
    forms = (encode(BID), framed(encode(BID)), sealed, framed(sealed))
    answer = Answer("\n".join(form.hex() for form in forms), "decode")
    plain, in_frame, *both = map(json.loads, answer.lines)
    assert plain == in_frame == BID._asdict() | {"message_type": "Bid"}
    envelope = {
        "scheme": scheme.name.lower(),
        "sender": 201,
        "recipient": 101,
        "stamp": 1_777_636_800_000_000,
        "nonce": 1_777_636_800_000_001,
        "is_checked": False,
    }
    assert both == [plain | {"envelope": envelope}] * 2


def test_file_is_read_where_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "messages.jsonl"
    file.write_text(line(**SAID) * 3, encoding="utf-8")
    assert Answer("", "encode", str(file)).lines == [encode(BID).hex()] * 3


def test_file_that_is_not_there_is_a_fault_of_what_was_asked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        Answer("", "decode", str(tmp_path / "none"))


def test_nothing_in_is_nothing_out() -> None:
    answer = Answer("", "decode")
    assert (answer.lines, answer.faults, answer.status) == ([], [], 0)
