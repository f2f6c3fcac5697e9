"""Frames on a stream: wherever it is cut, and whatever it announces."""

from __future__ import annotations

import sys
import tracemalloc

import pytest

from wattbay.adapters.etp.envelope import SIZES, Scheme
from wattbay.adapters.etp.frames import PLAIN, PREFIX, Frames, framed
from wattbay.adapters.etp.messages import SIZE, Amiss, BadMessage, bid, encode

PLAIN_MESSAGE = encode(bid(123, 7, 15.5, 10))
PAYLOADS = [PLAIN_MESSAGE, bytes(SIZES[Scheme.HMAC]), bytes(SIZES[Scheme.ED25519]), PLAIN_MESSAGE]
STREAM = b"".join(map(framed, PAYLOADS))


def test_frame_is_the_length_and_the_message() -> None:
    assert framed(PLAIN_MESSAGE) == b"\x54\0\0\0" + PLAIN_MESSAGE
    assert len(framed(PLAIN_MESSAGE)) == 88
    assert framed(PLAIN_MESSAGE)[:PREFIX] == PLAIN


def test_stream_is_read_whole() -> None:
    frames = Frames()
    assert list(frames.feed(STREAM)) == PAYLOADS
    assert not frames.is_amid


@pytest.mark.parametrize("at", range(len(STREAM) + 1))
def test_stream_may_be_cut_anywhere(at: int) -> None:
    frames = Frames()
    found = [*frames.feed(STREAM[:at])]
    assert frames.is_amid is (at not in {0, 88, 242, 428, 516})
    found += frames.feed(STREAM[at:])
    assert found == PAYLOADS
    assert not frames.is_amid


def test_stream_may_come_byte_by_byte() -> None:
    frames = Frames()
    found = [payload for byte in STREAM for payload in frames.feed(bytes([byte]))]
    assert found == PAYLOADS


def test_half_a_frame_is_no_message_yet() -> None:
    frames = Frames()
    assert list(frames.feed(framed(PLAIN_MESSAGE)[:50])) == []
    assert list(frames.feed(b"")) == []
    assert frames.is_amid


@pytest.mark.parametrize(
    "length", [0, 1, 83, 85, 88, 149, 151, 181, 183, 1_024, 1_635_151_465, (1 << 32) - 1]
)
def test_other_length_is_refused_before_anything_of_it_comes(length: int) -> None:
    with pytest.raises(BadMessage, match=f"{length:,}") as caught:
        list(Frames().feed(length.to_bytes(4, "little")))
    assert caught.value.amiss is Amiss.SIZE


def test_text_that_announces_a_gigabyte_takes_no_memory() -> None:
    frames = Frames()
    tracemalloc.start()
    with pytest.raises(BadMessage, match="1,635,151,465"):
        list(frames.feed(b"invalid data"))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 100_000


def test_what_came_before_a_wrong_length_is_given_out() -> None:
    found = Frames().feed(framed(PLAIN_MESSAGE) + b"invalid data")
    assert next(found) == PLAIN_MESSAGE
    with pytest.raises(BadMessage):
        next(found)


def test_stream_with_a_wrong_length_is_of_no_use_ever_after() -> None:
    frames = Frames()
    for more in (b"invalid data", framed(PLAIN_MESSAGE), b""):
        with pytest.raises(BadMessage):
            list(frames.feed(more))


def test_less_than_one_frame_is_held() -> None:
    frames = Frames()
    largest = PREFIX + max(SIZES.values())
    empty_bytes = sys.getsizeof(b"")
    for at in range(0, 100 * len(STREAM), 1_000):
        list(frames.feed((STREAM * 101)[at : at + 1_000]))
        assert sys.getsizeof(frames._held) - empty_bytes < largest  # noqa: SLF001 - its memory


def test_plain_length_is_that_of_a_message() -> None:
    assert int.from_bytes(PLAIN, "little") == SIZE
