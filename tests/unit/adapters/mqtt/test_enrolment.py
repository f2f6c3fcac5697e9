"""Requests to be known, and commands: documents that come over the wire."""

from __future__ import annotations

import json

import pytest

from wattbay.adapters.mqtt.commands import (
    COMMAND_BYTES_MAX,
    Answer,
    Ping,
    SetPoint,
    ShowTariff,
    TariffPeriod,
    decode_answer,
    decode_command,
    encode_answer,
    encode_command,
)
from wattbay.adapters.mqtt.enrolment import DeviceKind, decode, encode, request
from wattbay.adapters.mqtt.keys import Ed25519Signer
from wattbay.adapters.mqtt.topics import (
    Channel,
    channel_filter,
    is_device,
    market_topic,
    parse_device_topic,
)
from wattbay.errors import WireError
from wattbay.ids import CommunityId, MeterId
from wattbay.periods import Instant, instant

NOON = instant("2026-05-01T12:00Z")
LATER = instant("2026-05-01T13:00Z")
LONDON = CommunityId("london")
SIGNER = Ed25519Signer(bytes(32))


def a_document(**changes: object) -> bytes:
    found = json.loads(
        encode(request(LONDON, MeterId("m07"), DeviceKind.BATTERY, SIGNER, NOON, challenge="x"))
    )
    return json.dumps(found | changes).encode()


def test_request_proves_that_its_key_is_held() -> None:
    found = decode(a_document())
    assert found.device == "m07"
    assert found.kind is DeviceKind.BATTERY
    assert bytes.fromhex(found.public_key) == SIGNER.public_key


@pytest.mark.parametrize(
    "changes",
    [
        {"device": "m08"},
        {"community": "paris"},
        {"kind": "meter"},
        {"unit_wh": 1_000},
        {"made_at": LATER},
        {"challenge": "y"},
        {"public_key": Ed25519Signer(b"1" * 32).public_key.hex()},
    ],
    ids=str,
)
def test_request_that_was_changed_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(WireError, match="bad signature"):
        decode(a_document(**changes))


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"\xff",
        a_document(form="wattbay-enrolment/2"),
        a_document(algorithm="p256"),
        a_document(public_key="zz"),
        a_document(device="market"),
        a_document(device="m/07"),
        a_document(more=1),
        a_document(challenge="x" * 5_000),
    ],
)
def test_what_is_no_request_is_refused(document: bytes) -> None:
    with pytest.raises(WireError, match="wrong form"):
        decode(document)


def test_nobody_enrols_as_the_market() -> None:
    with pytest.raises(WireError, match="no device is called market"):
        request(LONDON, MeterId("market"), DeviceKind.METER, SIGNER, NOON)


PRICE = TariffPeriod(start=NOON, end=LATER, import_nano_per_wh=280_000, export_nano_per_wh=80_000)


@pytest.mark.parametrize(
    "command",
    [
        Ping(number=1, expires_at=NOON),
        SetPoint(number=2, expires_at=NOON, power_w=-1_500, start=NOON, end=LATER),
        ShowTariff(number=3, expires_at=NOON, currency="GBP", prices=[PRICE]),
    ],
)
def test_command_is_read_as_it_was_written(command: Ping | SetPoint | ShowTariff) -> None:
    assert decode_command(encode_command(command)) == command


@pytest.mark.parametrize(
    ("payload", "what"),
    [
        (b"", "wrong form"),
        (b'{"cmd":"explode","number":1,"expires_at":1}', "wrong form"),
        (b'{"cmd":"ping","number":0,"expires_at":1}', "out of range"),
        (b'{"cmd":"ping","number":1,"expires_at":-1}', "out of range"),
        (b"[" * 10_000, "wrong form"),
        (b" " * (COMMAND_BYTES_MAX + 1), "wrong form"),
        (
            encode_command(SetPoint(number=1, expires_at=NOON, power_w=1, start=NOON, end=NOON)),
            "out of range",
        ),
        (
            encode_command(
                SetPoint(number=1, expires_at=NOON, power_w=10**8, start=NOON, end=LATER)
            ),
            "out of range",
        ),
        (
            encode_command(
                ShowTariff(number=1, expires_at=NOON, currency="GBP", prices=[PRICE] * 201)
            ),
            "out of range",
        ),
    ],
)
def test_what_is_no_command_is_refused(payload: bytes, what: str) -> None:
    with pytest.raises(WireError, match=what):
        decode_command(payload)


def test_answer_is_read_as_it_was_written() -> None:
    answer = Answer(number=1, at=Instant(NOON), refused="expired")
    assert decode_answer(encode_answer(answer)) == answer
    with pytest.raises(WireError):
        decode_answer(b"no answer")


def test_topics_of_a_device_and_of_the_market() -> None:
    assert channel_filter(LONDON, Channel.READINGS) == "em/v1/london/+/data"
    assert market_topic(LONDON, "clear") == "em/v1/london/market/clear"
    found = parse_device_topic("em/v1/london/m07/ack")
    assert found == (LONDON, MeterId("m07"), Channel.ACKNOWLEDGED)
    assert not is_device("market")


@pytest.mark.parametrize("parts", [(), ("a b",), ("a", "b", "c", "d", "e")])
def test_market_topic_of_other_parts_is_refused(parts: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="one to four parts"):
        market_topic(LONDON, *parts)


@pytest.mark.parametrize(
    "topic",
    ["", "em/v1/london/m07", "em/v1/london/m07/dada", "em/v2/london/m07/data",
     "em/v1/london/market/data", "em/v1/london/m.7/data", "em/v1//m07/data"],
)  # fmt: skip
def test_what_is_no_topic_of_a_device_is_refused(topic: str) -> None:
    with pytest.raises(WireError, match="wrong topic"):
        parse_device_topic(topic)
