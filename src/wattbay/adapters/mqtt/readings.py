"""The bytes of a signed reading: what a meter publishes, and the command that it becomes.

A reading is a COSE_Sign1 message [1]_ (Ed25519 [2]_) whose payload is a SenML pack in CBOR [3]_.
In the diagnostic notation of CBOR::

    18([h'a10127',                            protected header: alg EdDSA
        {4: 'm07'},                           key id: the meter, as bytes
        << [{0: "1-0:1.8.0", 2: 48213,        OBIS: active energy drawn, total; the register
             -2: "m07/", -3: 1370820600},     base name and base time, UTC seconds
            {0: "1-0:2.8.0", 2: 9120},        OBIS: active energy injected, total
            {0: "boot", 2: 1},
            {0: "seq", 2: 337}] >>,
        h'…64 bytes…'])

The topic is the external data of the signature, so a reading cannot be moved to another one. Keys
of maps and lengths of integers follow the core deterministic encoding of CBOR [4]_, so a reading
has exactly one form; every other one is refused. A time between two seconds is a decimal fraction
of microseconds, tag 4 with exponent -6. Registers bear no unit: what one of their units means [Wh]
is a fact of the meter in the registry, and so is its key, which is never taken from the message.

References
----------
.. [1] J. Schaad, "CBOR Object Signing and Encryption (COSE): Structures and Process," RFC 9052.
.. [2] S. Josefsson, I. Liusvaara, "Edwards-Curve Digital Signature Algorithm," RFC 8032.
.. [3] C. Jennings et al., "Sensor Measurement Lists (SenML)," RFC 8428.
.. [4] C. Bormann, P. Hoffman, "Concise Binary Object Representation (CBOR)," RFC 8949, 4.2.1.
"""

from __future__ import annotations

from collections.abc import Callable

from nacl.bindings import crypto_sign, crypto_sign_BYTES, crypto_sign_open
from nacl.bindings import crypto_sign_PUBLICKEYBYTES as KEY_BYTES
from nacl.exceptions import BadSignatureError

from wattbay.core.commands import SubmitReading
from wattbay.errors import WireError
from wattbay.ids import CommunityId, MeterId, is_id
from wattbay.periods import SECOND, Instant
from wattbay.units import SAFE_INTEGER_MAX

READING_BYTES_MAX = 512
"""Twice the longest reading; what is longer is not looked at."""
MEASURED_AT_MIN = Instant(2**28 * SECOND)
"""1978-07-04T21:24:16Z: SenML counts smaller numbers of seconds from now, not from 1970."""

_UNSIGNED, _BYTES, _TEXT = 0x00, 0x40, 0x60
"""Major types of CBOR, in place in the first byte."""
_ARRAY_4 = b"\x84"
_PROTECTED = b"\x43\xa1\x01\x27"
"""``<<{1: -8}>>``: the algorithm is EdDSA."""
_ENVELOPE = b"\xd2" + _ARRAY_4 + _PROTECTED + b"\xa1\x04"
"""Tag 18, the array, the protected header, and up to the key id."""
_BODY_HEAD = b"\x58"
"""A byte string of 24 to 255 bytes, whose length follows: every body is one."""
_SIGNATURE_HEAD = b"\x58\x40"
_SIGNATURE_BYTES: int = crypto_sign_BYTES
_SIGNED = _ARRAY_4 + b"\x6aSignature1" + _PROTECTED
"""How the Sig_structure of RFC 9052 (section 4.4) begins."""
_IMPORT = _ARRAY_4 + b"\xa4\x00\x691-0:1.8.0\x02"
_BASE_NAME = b"\x21"
_BASE_TIME = b"\x22"
_MICROSECONDS = b"\xc4\x82\x25"
"""A decimal fraction ``4([-6, …])``."""
_EXPORT = b"\xa2\x00\x691-0:2.8.0\x02"
_BOOT = b"\xa2\x00\x64boot\x02"
_SEQ = b"\xa2\x00\x63seq\x02"
_NO_NUMBER = 28
"""First bytes from here on begin no unsigned integer."""
_SHORTEST = (24, 1 << 8, 1 << 16, 1 << 32)
"""The least number that needs 1, 2, 4, 8 bytes after its first."""


def topic(community: CommunityId, meter: MeterId) -> str:
    """Return the topic on which a meter publishes its readings."""
    return f"em/v1/{community}/{meter}/data"


def kind(error: WireError) -> str:
    """Return what is wrong in two or three words, fit to be counted by.

    One of ``wrong topic``, ``unknown meter``, ``wrong form``, ``wrong key id``, ``bad signature``,
    ``out of range``, ``altered command``.
    """
    return str(error).partition(":")[0]


def encode(  # noqa: PLR0913 - one keyword a field of the message
    *,
    community: CommunityId,
    meter: MeterId,
    boot: int,
    seq: int,
    measured_at: Instant,
    import_register: int,
    export_register: int,
    signing_key: bytes,
) -> bytes:
    """Return the signed bytes of a reading.

    Parameters
    ----------
    boot, seq
        How often the meter was started, and the number of the reading since; not negative.
    import_register, export_register
        Rising counters. [register units]
    signing_key
        Ed25519 seed and public key. [64 bytes]

    Raises
    ------
    WireError
        If a number does not fit the wire.
    """
    lowest = min(boot, seq, import_register, export_register)
    highest = max(boot, seq, import_register, export_register, measured_at)
    if lowest < 0 or highest > SAFE_INTEGER_MAX or measured_at < MEASURED_AT_MIN:
        msg = "out of range: a reading holds numbers from 0 to 2**53 - 1, and times since 1978"
        raise WireError(msg)
    body = b"".join(
        (
            _IMPORT,
            _head(_UNSIGNED, import_register),
            _BASE_NAME,
            _head(_TEXT, len(meter) + 1),
            meter.encode(),
            b"/",
            _BASE_TIME,
            _time(measured_at),
            _EXPORT,
            _head(_UNSIGNED, export_register),
            _BOOT,
            _head(_UNSIGNED, boot),
            _SEQ,
            _head(_UNSIGNED, seq),
        )
    )
    payload = _BODY_HEAD + bytes((len(body),)) + body
    signed = _signed(topic(community, meter), payload)
    signature = crypto_sign(signed, signing_key)[:_SIGNATURE_BYTES]
    return _envelope(meter) + payload + _SIGNATURE_HEAD + signature


def decode(
    payload: bytes, received_topic: str, key_of: Callable[[MeterId], bytes | None]
) -> SubmitReading:
    """Return the command that a published reading becomes, bearing its bytes as proof.

    Parameters
    ----------
    payload
        The bytes as received.
    received_topic
        Where they were received; names the meter.
    key_of
        Public key of a meter, None for an unknown one. [32 bytes]

    Raises
    ------
    WireError
        If the bytes are anything but an authentic reading of that meter in its one form.
    """
    meter = _meter_of(received_topic)
    key = key_of(meter)
    if key is None or len(key) != KEY_BYTES:
        msg = f"unknown meter: no key is known of {meter}"
        raise WireError(msg)
    if len(payload) > READING_BYTES_MAX:
        msg = f"wrong form: {len(payload)} bytes; at most {READING_BYTES_MAX}"
        raise WireError(msg)
    start, end = _frame(payload, meter)
    signed = _signed(received_topic, payload[start:end])
    try:
        crypto_sign_open(payload[end + len(_SIGNATURE_HEAD) :] + signed, key)
    except BadSignatureError:
        msg = f"bad signature: not signed by the key of {meter} for {received_topic}"
        raise WireError(msg) from None
    return _read(payload, payload[start + len(_BODY_HEAD) + 1 : end], meter)


def check(command: SubmitReading, community: CommunityId, key: bytes) -> None:
    """Check that the proof of a journaled reading is authentic and says what the command says.

    Parameters
    ----------
    key
        Public key of the command's meter. [32 bytes]

    Raises
    ------
    WireError
        If it is not, or does not.
    """
    told = decode(command.proof, topic(community, command.meter), lambda _: key)
    if told != command:
        msg = f"altered command: the proof of {command.meter} says otherwise, {told!r}"
        raise WireError(msg)


def _head(major: int, number: int) -> bytes:
    """Return the first bytes of a data item: its type, and a number in the shortest form."""
    if number < _SHORTEST[0]:
        return bytes((major | number,))
    for code, width in ((24, 1), (25, 2), (26, 4)):
        if number < 1 << (8 * width):
            return bytes((major | code,)) + number.to_bytes(width, "big")
    return bytes((major | 27,)) + number.to_bytes(8, "big")


def _time(at: Instant) -> bytes:
    """Return an instant as SenML writes it: seconds, or a decimal fraction of microseconds."""
    seconds, rest = divmod(at, SECOND)
    if rest:
        return _MICROSECONDS + _head(_UNSIGNED, at)
    return _head(_UNSIGNED, seconds)


def _envelope(meter: MeterId) -> bytes:
    """Return how a reading of `meter` begins, up to its payload."""
    return _ENVELOPE + _head(_BYTES, len(meter)) + meter.encode()


def _signed(received_topic: str, payload: bytes) -> bytes:
    """Return what the signature covers: the Sig_structure with the topic as external data.

    `payload` is the whole byte string, its head included.
    """
    external = received_topic.encode()
    return b"".join((_SIGNED, _head(_BYTES, len(external)), external, payload))


def _meter_of(received_topic: str) -> MeterId:
    """Return the meter that a topic names.

    Raises
    ------
    WireError
        If it is no topic of readings.
    """
    match received_topic.split("/"):
        case ["em", "v1", community, meter, "data"] if is_id(community) and is_id(meter):
            return MeterId(meter)
        case _:
            msg = f"wrong topic: {received_topic!r}; not em/v1/{{community}}/{{meter}}/data"
            raise WireError(msg)


def _frame(payload: bytes, meter: MeterId) -> tuple[int, int]:
    """Return where the payload of the envelope starts (its head) and where it ends.

    Raises
    ------
    WireError
        If the envelope is not that of a reading of `meter`.
    """
    envelope = _envelope(meter)
    start = len(envelope)
    if not payload.startswith(envelope):
        if payload.startswith(_ENVELOPE):
            msg = f"wrong key id: the topic names {meter}, the envelope another meter"
        else:
            msg = "wrong form: not a COSE_Sign1 message signed with EdDSA"
        raise WireError(msg)
    end = len(payload) - _SIGNATURE_BYTES - len(_SIGNATURE_HEAD)
    body_bytes = end - start - len(_BODY_HEAD) - 1
    if (
        not _SHORTEST[0] <= body_bytes < _SHORTEST[1]
        or not payload.startswith(_BODY_HEAD + bytes((body_bytes,)), start)
        or not payload.startswith(_SIGNATURE_HEAD, end)
    ):
        msg = "wrong form: payload and signature do not fill the message"
        raise WireError(msg)
    return start, end


def _read(proof: bytes, body: bytes, meter: MeterId) -> SubmitReading:
    """Read the body of an authentic message in its one form."""
    import_register, at = _number(body, _after(body, 0, _IMPORT, "1-0:1.8.0"))
    name = _head(_TEXT, len(meter) + 1) + meter.encode() + b"/"
    at = _after(body, at, _BASE_NAME + name + _BASE_TIME, "base name and base time")
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
    export_register, at = _number(body, _after(body, at, _EXPORT, "1-0:2.8.0"))
    boot, at = _number(body, _after(body, at, _BOOT, "boot"))
    seq, at = _number(body, _after(body, at, _SEQ, "seq"))
    if at != len(body):
        msg = f"wrong form: byte {at}: expected the end of the body"
        raise WireError(msg)
    return SubmitReading(
        meter=meter,
        boot=boot,
        seq=seq,
        measured_at=Instant(measured_at),
        import_register=import_register,
        export_register=export_register,
        proof=proof,
    )


def _after(body: bytes, at: int, expected: bytes, what: str) -> int:
    """Return the place after `expected`, which stands at `at`."""
    if not body.startswith(expected, at):
        msg = f"wrong form: byte {at}: expected {what}"
        raise WireError(msg)
    return at + len(expected)


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
