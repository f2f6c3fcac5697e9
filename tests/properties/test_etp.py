"""Laws of the Energy Trading Protocol: what is written is read, and nothing else is."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import TypeVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wattbay.adapters.etp.envelope import (
    SIZES,
    Identity,
    Opener,
    Scheme,
    Sealer,
    head_of,
    inner,
    key_of,
)
from wattbay.adapters.etp.frames import PREFIX, Frames, framed
from wattbay.adapters.etp.messages import (
    FIELDS,
    IS_INTEGER,
    SIZE,
    Amiss,
    BadMessage,
    Message,
    bid,
    check,
    decode,
    encode,
    from_text,
    to_text,
)
from wattbay.periods import instant

G = TypeVar("G")
T = TypeVar("T")

NOON = instant("2026-05-01T12:00Z")
KEYS = {scheme: Identity(201, scheme, bytes(range(32))) for scheme in Scheme}

octets = st.integers(0, 255)
longs = st.integers(0, (1 << 64) - 1)
numbers = st.floats(allow_nan=False, allow_infinity=False)
amounts = st.floats(0, allow_infinity=False)
messages = st.builds(
    Message,
    st.integers(0, 9), longs, longs, st.integers(1, 255),
    numbers, numbers, amounts, st.floats(0, 100), amounts, octets, amounts, octets,
    numbers, numbers,
)  # fmt: skip
# Such as meters and people make: text of them fits, and keeps them to the hundredth.
hundredths = st.integers(0, 10**9).map(lambda number: number / 100)
plain_messages = st.builds(
    Message,
    st.integers(0, 9), longs, longs, st.integers(1, 255),
    hundredths, hundredths, hundredths, st.integers(0, 10_000).map(lambda number: number / 100),
    hundredths, octets, hundredths, octets, hundredths, hundredths,
)  # fmt: skip
anything = st.builds(
    Message, octets, longs, longs, octets, *[st.floats()] * 5, octets, st.floats(), octets,
    st.floats(), st.floats(),
)  # fmt: skip


def tried(turn: Callable[[G], T], given: G) -> T | BadMessage:
    """Return what comes of something, or why it is refused; anything else is raised."""
    try:
        return turn(given)
    except BadMessage as error:
        return error


@given(messages)
def test_message_is_read_as_it_was_written(message: Message) -> None:
    data = encode(message)
    assert len(data) == SIZE
    assert decode(data) == message
    assert encode(decode(data)) == data


@given(st.binary(max_size=200) | st.binary(min_size=SIZE, max_size=SIZE))
@example(b"\xff" * SIZE)
@example(bytes(SIZE))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    found = tried(decode, data)
    if isinstance(found, BadMessage):
        assert found.amiss in Amiss
        return
    assert encode(found) == data
    check(found)


@given(anything)
def test_message_is_read_exactly_if_its_fields_can_be(message: Message) -> None:
    """Decode takes a short way for what is right; the long way must agree."""
    can_be = (
        message.message_type <= 9
        and message.ttl > 0
        and all(math.isfinite(value) for value in message)
        and message.energy_total >= 0
        and 0 <= message.percentage_for_sale <= 100
        and message.required_energy_amount >= 0
        and message.remaining_battery_energy >= 0
    )
    if can_be:
        assert decode(encode(message)) == message
        return
    with pytest.raises(BadMessage):
        decode(encode(message))
    with pytest.raises(BadMessage):
        check(message)


wild = st.integers() | st.floats() | st.text(max_size=5) | st.none() | st.booleans() | st.binary()


@given(st.tuples(*[wild] * len(FIELDS)))
def test_whatever_is_given_is_written_or_refused(values: tuple[object, ...]) -> None:
    message = Message(*values)  # type: ignore[arg-type] # on purpose
    found = tried(encode, message)
    if isinstance(found, BadMessage):
        assert found.amiss is Amiss.RANGE
        assert len(str(found)) < 200
    else:
        assert len(found) == SIZE


# --- text ------------------------------------------------------------------------------------


@given(plain_messages)
def test_text_of_hundredths_is_read_as_it_was_written(message: Message) -> None:
    text = to_text(message)
    assert len(text.split(b" ")) == len(FIELDS)
    assert from_text(text) == message


@given(messages)
def test_text_keeps_whole_numbers_and_rounds_others_once(message: Message) -> None:
    text = to_text(message)
    if len(text) > 1_024:
        with pytest.raises(BadMessage):
            from_text(text)
        return
    found = from_text(text)
    assert to_text(found) == text
    for value, read, is_integer in zip(message, found, IS_INTEGER, strict=True):
        off = abs(read - value)
        assert off == 0 if is_integer else off <= 0.005 + math.ulp(value)


words = st.from_regex(rb"[-+0-9.eENaInf_x ]{0,12}", fullmatch=True) | st.binary(max_size=12)


@given(st.binary(max_size=200) | st.lists(words, min_size=14, max_size=14).map(b" ".join))
def test_any_text_is_a_message_or_refused(data: bytes) -> None:
    found = tried(from_text, data)
    if isinstance(found, BadMessage):
        assert found.amiss in Amiss
        assert len(str(found)) < 200
    else:
        assert decode(encode(found)) == found


# --- frames ----------------------------------------------------------------------------------

payloads = st.sampled_from([SIZE, *SIZES.values()]).flatmap(
    lambda size: st.binary(min_size=size, max_size=size)
)


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    """Return a stream in pieces."""
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[at:to] for at, to in pairwise(edges)]


@given(st.lists(payloads, max_size=6), st.lists(st.integers(0, 2_000), max_size=20))
def test_frames_are_the_same_wherever_the_stream_is_cut(
    sent: list[bytes], places: list[int]
) -> None:
    frames = Frames()
    pieces = cut(b"".join(map(framed, sent)), places)
    assert [payload for piece in pieces for payload in frames.feed(piece)] == sent
    assert not frames.is_amid


def fed(pieces: list[bytes]) -> tuple[list[bytes], str]:
    """Return the payloads that come out of pieces, and why they end."""
    frames, found = Frames(), list[bytes]()
    try:
        for piece in pieces:
            for payload in frames.feed(piece):
                found.append(payload)
    except BadMessage as error:
        return found, str(error)
    return found, ""


@given(
    st.lists(payloads, max_size=3),
    st.binary(max_size=300),
    st.lists(st.integers(0, 2_000), max_size=20),
)
def test_any_stream_ends_alike_wherever_it_is_cut(
    sent: list[bytes], noise: bytes, places: list[int]
) -> None:
    stream = b"".join(map(framed, sent)) + noise
    whole = fed([stream])
    assert fed(cut(stream, places)) == whole
    assert whole[0][: len(sent)] == sent
    assert sum(PREFIX + len(payload) for payload in whole[0]) <= len(stream)


# --- envelopes -------------------------------------------------------------------------------


def opened(scheme: Scheme, data: bytes, *, is_group: bool = False) -> Message:
    opener = Opener(101, {201: key_of(KEYS[scheme])}, lambda: NOON)
    return opener.open(data, is_group=is_group).message


@given(messages, st.sampled_from(Scheme), st.sampled_from((0, 101)))
def test_message_comes_out_of_its_envelope(
    message: Message, scheme: Scheme, recipient: int
) -> None:
    message = message._replace(device_id=201)
    data = Sealer(KEYS[scheme], lambda: NOON).seal(encode(message), recipient)
    assert opened(scheme, data, is_group=recipient == 0) == message
    assert inner(data) == encode(message)
    assert head_of(data).recipient == recipient


@given(st.sampled_from(Scheme), st.data())
def test_any_flipped_bit_is_refused(scheme: Scheme, data: st.DataObject) -> None:
    sealer = Sealer(KEYS[scheme], lambda: NOON)
    sealed = bytearray(sealer.seal(encode(bid(7, 201, 15.5, 10)), 101))
    bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadMessage) as caught:
        opened(scheme, bytes(sealed))
    assert caught.value.amiss is Amiss.FORGED


def noise_like(head: bytes) -> st.SearchStrategy[bytes]:
    """Return bytes that begin like an envelope."""
    return st.sampled_from(list(SIZES.values())).flatmap(
        lambda size: st.binary(min_size=size - len(head), max_size=size - len(head)).map(
            lambda rest: head + rest
        )
    )


@given(
    st.sampled_from(Scheme),
    st.binary(max_size=200)
    | noise_like(b"")
    | noise_like(b"\x01\x01" + (201).to_bytes(8, "little"))
    | noise_like(b"\x01\x02" + (201).to_bytes(8, "little")),
)
def test_noise_is_no_envelope(scheme: Scheme, data: bytes) -> None:
    with pytest.raises(BadMessage):
        opened(scheme, data)
