"""Signed readings: what a device publishes, and the command that it becomes.

A reading comes in one of two envelopes, told apart by their first byte: COSE_Sign1 [1]_ in CBOR
(`wattbay.adapters.mqtt.cose`) or JWS (`wattbay.adapters.mqtt.jws`). In either it is signed with
Ed25519 or P-256, and its body is a SenML pack [2]_: two registers with their OBIS names, how often
the device was started and how many readings it has made since; flags, power and voltage where it
tells them. The signature covers the topic, so a reading cannot be moved to another one.

Registers bear no unit: what one of their units means [Wh] is a fact of the meter in the registry,
and so is its key, which is never taken from the message. The key's length tells the algorithm.

References
----------
.. [1] J. Schaad, "CBOR Object Signing and Encryption (COSE): Structures and Process," RFC 9052.
.. [2] C. Jennings et al., "Sensor Measurement Lists (SenML)," RFC 8428.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec.structs import replace
from nacl.bindings import crypto_sign, crypto_sign_open
from nacl.exceptions import BadSignatureError

from wattbay.adapters.mqtt import cose, jws
from wattbay.adapters.mqtt.cose import MEASURED_AT_MIN, READING_BYTES_MAX
from wattbay.adapters.mqtt.topics import Channel, device_topic, parse_device_topic
from wattbay.core.commands import SubmitReading
from wattbay.core.facts import FormerKey
from wattbay.errors import WireError
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.evidence import Reading
from wattbay.periods import Instant

if TYPE_CHECKING:
    from wattbay.adapters.mqtt.keys import Signer

_ED25519_KEY_BYTES = 32
_P256_KEY_BYTES = 33
KeyOf = Callable[[MeterId], bytes | None]
"""Public key of a device; None for an unknown one. [32 bytes Ed25519, 33 bytes P-256]"""

FormerKeyOf = Callable[[MeterId], FormerKey | None]
"""The key before it, and until when; None where it was never rotated."""


def _no_key(_: MeterId) -> None:
    """Know no key."""


class Form(StrEnum):
    """The envelope of a reading."""

    COSE = "cose"
    """CBOR, about 150 bytes."""
    JWS = "jws"
    """Text, about 400 bytes."""


def topic(community: CommunityId, meter: MeterId) -> str:
    """Return the topic on which a meter publishes its readings."""
    return device_topic(community, meter, Channel.READINGS)


def kind(error: WireError) -> str:
    """Return what is wrong in two or three words, fit to be counted by.

    One of ``wrong topic``, ``unknown meter``, ``wrong form``, ``wrong key id``, ``bad signature``,
    ``out of range``, ``altered command``.
    """
    return str(error).partition(":")[0]


def sign(reading: Reading, signer: Signer, form: Form = Form.COSE) -> bytes:
    """Return the signed bytes of a reading, whose own proof is left out of account.

    Raises
    ------
    WireError
        If a number does not fit the wire.
    """
    jws.check_range(reading)
    where = topic(reading.community, reading.device)
    key_bytes = len(signer.public_key)
    if form is Form.JWS:
        signed = jws.to_sign(where, reading, key_bytes)
        return jws.message(signed, signer.sign(signed))
    payload = cose.body(reading)
    signature = signer.sign(cose.to_sign(where, payload, key_bytes))
    return cose.message(reading.device, payload, signature, key_bytes)


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
    """Return the signed bytes of a reading of registers alone, in COSE with Ed25519.

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
    reading = Reading(
        community, meter, boot, seq, measured_at, import_register, export_register,
        flags=0, power_w=None, voltage_mv=None, proof=b"",
    )  # fmt: skip
    jws.check_range(reading)
    payload = cose.body(reading)
    signed = cose.to_sign(topic(community, meter), payload, _ED25519_KEY_BYTES)
    signature = crypto_sign(signed, signing_key)[: cose.SIGNATURE_BYTES]
    return cose.message(meter, payload, signature, _ED25519_KEY_BYTES)


def read(
    payload: bytes,
    received_topic: str,
    key_of: KeyOf,
    former_key_of: FormerKeyOf = _no_key,
) -> Reading:
    """Return the reading that authentic bytes hold, with these bytes as its proof.

    Parameters
    ----------
    payload
        The bytes as received, in either envelope.
    received_topic
        Where they were received; names the meter.
    key_of
        Public key of a meter, None for an unknown one. [32 bytes Ed25519, 33 bytes P-256]
    former_key_of
        The key before it, if the meter's key was rotated: what was measured earlier bears that.

    Raises
    ------
    WireError
        If the bytes are anything but an authentic reading of that meter in its one form.
    """
    community, meter, channel = parse_device_topic(received_topic)
    if channel is not Channel.READINGS:
        msg = f"wrong topic: readings are published on …/data, not on …/{channel}"
        raise WireError(msg)
    key = key_of(meter)
    if key is None or len(key) not in {_ED25519_KEY_BYTES, _P256_KEY_BYTES}:
        msg = f"unknown meter: no key is known of {meter}"
        raise WireError(msg)
    is_jws = payload[:1] == b"e"
    try:
        body = _verified(payload, received_topic, meter, key, is_jws=is_jws)
    except WireError:
        former = former_key_of(meter)
        if former is None:
            raise
        body = _verified(payload, received_topic, meter, former.key, is_jws=is_jws)
        reading = (jws.read if is_jws else cose.read)(payload, body, community, meter)
        if reading.measured_at >= former.until:
            raise
        return reading
    return (jws.read if is_jws else cose.read)(payload, body, community, meter)


def _verified(
    payload: bytes, received_topic: str, meter: MeterId, key: bytes, *, is_jws: bool
) -> bytes:
    """Return the body of an envelope that is signed with a key.

    Raises
    ------
    WireError
        If it is not.
    """
    take_apart = jws.take_apart if is_jws else cose.take_apart
    signed, signature, body = take_apart(payload, received_topic, meter, len(key))
    if not _is_signed(signed, signature, key):
        msg = f"bad signature: not signed by the key of {meter} for {received_topic}"
        raise WireError(msg)
    return body


def decode(payload: bytes, received_topic: str, key_of: KeyOf) -> SubmitReading:
    """Return the command that a published reading becomes, bearing its bytes as proof.

    Parameters
    ----------
    payload
        The bytes as received.
    received_topic
        Where they were received; names the meter.
    key_of
        Public key of a meter, None for an unknown one. [32 bytes Ed25519, 33 bytes P-256]

    Raises
    ------
    WireError
        If the bytes are anything but an authentic reading of that meter in its one form.
    """
    return to_command(read(payload, received_topic, key_of))


def to_command(reading: Reading, suspicion: str = "") -> SubmitReading:
    """Return the command that brings a verified reading to the exchange, and what is odd of it."""
    return SubmitReading(
        meter=reading.device,
        boot=reading.boot,
        seq=reading.seq,
        measured_at=reading.measured_at,
        import_register=reading.import_register,
        export_register=reading.export_register,
        proof=reading.proof,
        suspicion=suspicion,
    )


def check(
    command: SubmitReading, community: CommunityId, key: bytes, former: FormerKey | None = None
) -> None:
    """Check that the proof of a journaled reading is authentic and says what the command says.

    Parameters
    ----------
    key, former
        Public key of the command's meter, and the one before. [32 bytes Ed25519, 33 bytes P-256]

    Raises
    ------
    WireError
        If it is not, or does not.
    """
    where = topic(community, command.meter)
    told = to_command(read(command.proof, where, lambda _: key, lambda _: former))
    # What was odd about it stands beside the proof.
    if replace(told, suspicion=command.suspicion) != command:
        msg = f"altered command: the proof of {command.meter} says otherwise, {told!r}"
        raise WireError(msg)


def _is_signed(message: bytes, signature: bytes, key: bytes) -> bool:
    """Tell whether a message is signed by the holder of a key."""
    if len(key) == _ED25519_KEY_BYTES:
        try:
            crypto_sign_open(signature + message, key)
        except (BadSignatureError, ValueError):
            return False
        return True
    # P-256 needs a library that only live communities have.
    from wattbay.adapters.mqtt.keys import is_signed  # noqa: PLC0415 - see above

    return is_signed(message, signature, key)


__all__ = [
    "MEASURED_AT_MIN",
    "READING_BYTES_MAX",
    "Form",
    "check",
    "decode",
    "encode",
    "kind",
    "read",
    "sign",
    "to_command",
    "topic",
]
