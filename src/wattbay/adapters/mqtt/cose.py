"""Readings as COSE_Sign1 messages with a SenML body in CBOR: the form that small devices speak.

In the diagnostic notation of CBOR::

    18([h'a10127',                            protected header: EdDSA, or h'a10126' for ES256
        {4: 'm07'},                           key id: the meter, as bytes
        << [{0: "1-0:1.8.0", 2: 48213,        OBIS: active energy drawn, total; the register
             -2: "m07/", -3: 1370820600},     base name and base time, UTC seconds
            {0: "1-0:2.8.0", 2: 9120},        OBIS: active energy injected, total
            {0: "boot", 2: 1},
            {0: "seq", 2: 337},
            {0: "flags", 2: 1},               may be left out, as the next two may
            {0: "1-0:16.7.0", 1: "W", 2: -250},    OBIS: active power, drawn less injected
            {0: "1-0:32.7.0", 1: "mV", 2: 230100}] >>,
        h'…64 bytes…'])

The topic is the external data of the signature, so a reading cannot be moved to another one. Keys
of maps and lengths of integers follow the core deterministic encoding of CBOR, so a reading has
exactly one form; every other one is refused.
"""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from wattbay.errors import WireError
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.evidence import Reading
from wattbay.periods import SECOND, Instant
from wattbay.units import SAFE_INTEGER_MAX

READING_BYTES_MAX = 512
"""Twice the longest reading; what is longer is not looked at."""
MEASURED_AT_MIN = Instant(2**28 * SECOND)
"""1978-07-04T21:24:16Z: SenML counts smaller numbers of seconds from now, not from 1970."""
FLAGS_MAX = 255
DEVICES_KEPT_MAX = 65_536
"""Devices whose part of a message is kept ready."""
SIGNATURE_BYTES = 64
FIRST_BYTE = 0xD2
"""Tag 18, COSE_Sign1: by this a reading is told from one in JWS."""

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT = 0x00, 0x20, 0x40, 0x60
"""Major types of CBOR, in place in the first byte."""
_ARRAY_4 = b"\x84"
_PROTECTED = MappingProxyType({32: b"\x43\xa1\x01\x27", 33: b"\x43\xa1\x01\x26"})
"""``<<{1: -8}>>``, EdDSA, and ``<<{1: -7}>>``, ES256, by the length of the public key."""
_BEGIN = b"\xd2" + _ARRAY_4
_BODY_HEAD = b"\x58"
"""A byte string of 24 to 255 bytes, whose length follows: every body is one."""
_SIGNATURE_HEAD = b"\x58\x40"
_SIGNED = _ARRAY_4 + b"\x6aSignature1"
"""How the Sig_structure of RFC 9052 (section 4.4) begins."""
_RECORDS = 4
_RECORDS_MAX = 7
_IMPORT = b"\xa4\x00\x691-0:1.8.0\x02"
_BASE_NAME = b"\x21"
_BASE_TIME = b"\x22"
_MICROSECONDS = b"\xc4\x82\x25"
"""A decimal fraction ``4([-6, …])``."""
_EXPORT = b"\xa2\x00\x691-0:2.8.0\x02"
_BOOT = b"\xa2\x00\x64boot\x02"
_SEQ = b"\xa2\x00\x63seq\x02"
_FLAGS = b"\xa2\x00\x65flags\x02"
_POWER = b"\xa3\x00\x6a1-0:16.7.0\x01\x61W\x02"
_VOLTAGE = b"\xa3\x00\x6a1-0:32.7.0\x01\x62mV\x02"
_NO_NUMBER = 28
"""First bytes from here on begin no unsigned integer."""
_SHORTEST = (24, 1 << 8, 1 << 16, 1 << 32)
"""The least number that needs 1, 2, 4, 8 bytes after its first."""


class Signed(NamedTuple):
    """A message that was taken apart, to be verified and then read."""

    message: bytes
    """What the signature covers."""
    signature: bytes
    body: bytes


def body(reading: Reading) -> bytes:
    """Return the body of a reading, with the head of its byte string."""
    device = reading.device
    records = [
        _IMPORT,
        _head(_UNSIGNED, reading.import_register),
        _BASE_NAME,
        _head(_TEXT, len(device) + 1),
        device.encode(),
        b"/",
        _BASE_TIME,
        _time(reading.measured_at),
        _EXPORT,
        _head(_UNSIGNED, reading.export_register),
        _BOOT,
        _head(_UNSIGNED, reading.boot),
        _SEQ,
        _head(_UNSIGNED, reading.seq),
    ]
    count = _RECORDS
    if reading.flags:
        records += (_FLAGS, _head(_UNSIGNED, reading.flags))
        count += 1
    if reading.power_w is not None:
        records += (_POWER, _integer(-reading.power_w))
        count += 1
    if reading.voltage_mv is not None:
        records += (_VOLTAGE, _head(_UNSIGNED, reading.voltage_mv))
        count += 1
    whole = b"".join((bytes((0x80 | count,)), *records))
    return _BODY_HEAD + bytes((len(whole),)) + whole


@lru_cache(maxsize=DEVICES_KEPT_MAX)
def _external(topic: str, key_bytes: int) -> bytes:
    """Return the Sig_structure up to the payload."""
    external = topic.encode()
    return _SIGNED + _PROTECTED[key_bytes] + _head(_BYTES, len(external)) + external


def to_sign(topic: str, payload: bytes, key_bytes: int) -> bytes:
    """Return what the signature covers: the Sig_structure with the topic as external data.

    Parameters
    ----------
    payload
        The whole byte string of the body, its head included.
    key_bytes
        Length of the public key, which tells the algorithm.
    """
    return _external(topic, key_bytes) + payload


def message(device: MeterId, payload: bytes, signature: bytes, key_bytes: int) -> bytes:
    """Return the bytes that a device publishes."""
    return _envelope(device, key_bytes) + payload + _SIGNATURE_HEAD + signature


def take_apart(payload: bytes, topic: str, device: MeterId, key_bytes: int) -> Signed:
    """Find what is signed in a message of `device`.

    Raises
    ------
    WireError
        If the envelope is not that of a reading of `device`.
    """
    if len(payload) > READING_BYTES_MAX:
        msg = f"wrong form: {len(payload)} bytes; at most {READING_BYTES_MAX}"
        raise WireError(msg)
    envelope = _envelope(device, key_bytes)
    start = len(envelope)
    if not payload.startswith(envelope):
        if payload.startswith(_BEGIN + _PROTECTED[key_bytes] + b"\xa1\x04"):
            msg = f"wrong key id: the topic names {device}, the envelope another meter"
        else:
            name = "EdDSA" if key_bytes == min(_PROTECTED) else "ES256"
            msg = f"wrong form: not a COSE_Sign1 message signed with {name}"
        raise WireError(msg)
    end = len(payload) - SIGNATURE_BYTES - len(_SIGNATURE_HEAD)
    body_bytes = end - start - len(_BODY_HEAD) - 1
    if (
        not _SHORTEST[0] <= body_bytes < _SHORTEST[1]
        or not payload.startswith(_BODY_HEAD + bytes((body_bytes,)), start)
        or not payload.startswith(_SIGNATURE_HEAD, end)
    ):
        msg = "wrong form: payload and signature do not fill the message"
        raise WireError(msg)
    return Signed(
        to_sign(topic, payload[start:end], key_bytes),
        payload[end + len(_SIGNATURE_HEAD) :],
        payload[start + len(_BODY_HEAD) + 1 : end],
    )


def read(proof: bytes, body: bytes, community: CommunityId, device: MeterId) -> Reading:
    """Read the body of an authentic message in its one form.

    Raises
    ------
    WireError
        If it has another.
    """
    records = body[0] - 0x80
    if not _RECORDS <= records <= _RECORDS_MAX:
        msg = f"wrong form: byte 0: expected {_RECORDS} to {_RECORDS_MAX} records"
        raise WireError(msg)
    import_register, at = _number(body, _after(body, 1, _IMPORT, "1-0:1.8.0"))
    at = _after(body, at, _base(device), "base name and base time")
    measured_at, at = _instant(body, at)
    export_register, at = _number(body, _after(body, at, _EXPORT, "1-0:2.8.0"))
    boot, at = _number(body, _after(body, at, _BOOT, "boot"))
    seq, at = _number(body, _after(body, at, _SEQ, "seq"))
    flags, power_w, voltage_mv = 0, None, None
    if records > _RECORDS:
        flags, power_w, voltage_mv, at = _optional(body, at, records - _RECORDS)
    if at != len(body):
        msg = f"wrong form: byte {at}: expected the end of the body"
        raise WireError(msg)
    return Reading(
        community, device, boot, seq, measured_at, import_register, export_register,
        flags, power_w, voltage_mv, proof,
    )  # fmt: skip


def _optional(body: bytes, at: int, count: int) -> tuple[int, int | None, int | None, int]:
    """Read what may be left out: flags, power and voltage, and the place after them."""
    flags, power_w, voltage_mv, found = 0, None, None, 0
    if body.startswith(_FLAGS, at):
        flags, at = _number(body, at + len(_FLAGS))
        if not 0 < flags <= FLAGS_MAX:
            msg = f"out of range: byte {at}: flags are 1 to {FLAGS_MAX}, or left out"
            raise WireError(msg)
        found += 1
    if body.startswith(_POWER, at):
        drawn_w, at = _signed_number(body, at + len(_POWER))
        power_w = -drawn_w
        found += 1
    if body.startswith(_VOLTAGE, at):
        voltage_mv, at = _number(body, at + len(_VOLTAGE))
        found += 1
    if found != count:
        msg = f"wrong form: byte {at}: expected flags, 1-0:16.7.0, 1-0:32.7.0, in this order"
        raise WireError(msg)
    return flags, power_w, voltage_mv, at


def _head(major: int, number: int) -> bytes:
    """Return the first bytes of a data item: its type, and a number in the shortest form."""
    if number < _SHORTEST[0]:
        return bytes((major | number,))
    for code, width in ((24, 1), (25, 2), (26, 4)):
        if number < 1 << (8 * width):
            return bytes((major | code,)) + number.to_bytes(width, "big")
    return bytes((major | 27,)) + number.to_bytes(8, "big")


def _integer(number: int) -> bytes:
    """Return an integer of either sign."""
    return _head(_UNSIGNED, number) if number >= 0 else _head(_NEGATIVE, -1 - number)


def _time(at: Instant) -> bytes:
    """Return an instant as SenML writes it: seconds, or a decimal fraction of microseconds."""
    seconds, rest = divmod(at, SECOND)
    if rest:
        return _MICROSECONDS + _head(_UNSIGNED, at)
    return _head(_UNSIGNED, seconds)


@lru_cache(maxsize=DEVICES_KEPT_MAX)
def _envelope(device: MeterId, key_bytes: int) -> bytes:
    """Return how a reading of `device` begins, up to its payload."""
    head = _BEGIN + _PROTECTED[key_bytes] + b"\xa1\x04"
    return head + _head(_BYTES, len(device)) + device.encode()


@lru_cache(maxsize=DEVICES_KEPT_MAX)
def _base(device: MeterId) -> bytes:
    """Return the base name of a device, and what begins the base time after it."""
    name = _head(_TEXT, len(device) + 1) + device.encode() + b"/"
    return _BASE_NAME + name + _BASE_TIME


def _after(body: bytes, at: int, expected: bytes, what: str) -> int:
    """Return the place after `expected`, which stands at `at`."""
    if not body.startswith(expected, at):
        msg = f"wrong form: byte {at}: expected {what}"
        raise WireError(msg)
    return at + len(expected)


def _instant(body: bytes, at: int) -> tuple[Instant, int]:
    """Return the base time at `at`, and the place after it."""
    if body.startswith(_MICROSECONDS, at):
        measured_at, at = _number(body, at + len(_MICROSECONDS))
        if measured_at % SECOND == 0:
            msg = f"wrong form: byte {at}: a whole number of seconds is written as such"
            raise WireError(msg)
    else:
        seconds, at = _number(body, at)
        measured_at = seconds * SECOND
    if not MEASURED_AT_MIN <= measured_at <= SAFE_INTEGER_MAX:
        msg = f"out of range: the time {measured_at} µs is before 1978 or after 2255"
        raise WireError(msg)
    return Instant(measured_at), at


def _signed_number(body: bytes, at: int) -> tuple[int, int]:
    """Return the integer of either sign at `at`, and the place after it."""
    first = body[at] if at < len(body) else _NO_NUMBER
    if not _NEGATIVE <= first < _BYTES:
        return _number(body, at)
    number, end = _number(bytes((first - _NEGATIVE,)) + body[at + 1 : at + 9], 0)
    if number == SAFE_INTEGER_MAX:
        msg = f"out of range: byte {at}: below 1 - 2**53"
        raise WireError(msg)
    return -1 - number, at + end


def _number(body: bytes, at: int) -> tuple[int, int]:
    """Return the unsigned integer at `at`, and the place after it."""
    first = body[at] if at < len(body) else _NO_NUMBER
    if first < _SHORTEST[0]:
        return first, at + 1
    end = at + 1 + (1 << (first - 24) if first < _NO_NUMBER else 0)
    if first >= _NO_NUMBER or end > len(body):
        msg = f"wrong form: byte {at}: expected an unsigned integer"
        raise WireError(msg)
    number = int.from_bytes(body[at + 1 : end], "big")
    if number < _SHORTEST[first - 24]:
        msg = f"wrong form: byte {at}: {number} is not written in its shortest form"
        raise WireError(msg)
    if number > SAFE_INTEGER_MAX:
        msg = f"out of range: byte {at}: {number} is above 2**53 - 1"
        raise WireError(msg)
    return number, end
