"""How a device asks to be known: its public key, and the proof that it holds the private one.

A request is a JSON document that is signed by the key that it brings. Whoever admits devices checks
that, and that the device is where and what it says, by other means: the request proves only that
nobody enrols another one's key.
"""

from __future__ import annotations

import msgspec

from wattbay.adapters.mqtt.keys import Algorithm, Signer, algorithm_of, is_signed
from wattbay.adapters.mqtt.topics import is_device
from wattbay.core.facts import DeviceKind
from wattbay.errors import WireError
from wattbay.ids import CommunityId, MeterId, is_id
from wattbay.periods import Instant

FORM = "wattbay-enrolment/1"
REQUEST_BYTES_MAX = 4_096


class Enrolment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request to be known as a device of a community."""

    form: str = FORM
    community: CommunityId
    device: MeterId
    kind: DeviceKind
    algorithm: Algorithm
    public_key: str
    """Hexadecimal digits: 64 of Ed25519, 66 of P-256."""
    unit_wh: int = 1
    """What one unit of its registers means. [Wh]"""
    made_at: Instant
    """[µs of UTC]"""
    challenge: str = ""
    """What the admitting side wants to see signed, where it gave something."""
    proof: str = ""
    """Signature of everything else, in hexadecimal digits."""


_decoder = msgspec.json.Decoder(Enrolment)


def request(
    community: CommunityId,
    device: MeterId,
    kind: DeviceKind,
    signer: Signer,
    made_at: Instant,
    *,
    challenge: str = "",
) -> Enrolment:
    """Return a signed request.

    Raises
    ------
    WireError
        If community or device is no identifier.
    """
    unsigned = Enrolment(
        community=community,
        device=device,
        kind=kind,
        algorithm=signer.algorithm,
        public_key=signer.public_key.hex(),
        made_at=made_at,
        challenge=challenge,
    )
    _check_names(unsigned)
    return msgspec.structs.replace(unsigned, proof=signer.sign(_to_sign(unsigned)).hex())


def encode(enrolment: Enrolment) -> bytes:
    """Return a request as the document that is sent."""
    return msgspec.json.format(msgspec.json.encode(enrolment), indent=2) + b"\n"


def decode(document: bytes) -> Enrolment:
    """Read a request and check its proof.

    Raises
    ------
    WireError
        If it is no request, or not signed by the key that it brings.
    """
    if len(document) > REQUEST_BYTES_MAX:
        msg = f"wrong form: {len(document)} bytes; at most {REQUEST_BYTES_MAX}"
        raise WireError(msg)
    try:
        found = _decoder.decode(document)
        key = bytes.fromhex(found.public_key)
        proof = bytes.fromhex(found.proof)
    except (msgspec.DecodeError, ValueError) as error:
        msg = f"wrong form: {error}"
        raise WireError(msg) from error
    _check_names(found)
    if found.form != FORM or algorithm_of(key) is not found.algorithm:
        msg = f"wrong form: not {FORM}, or a key of another algorithm"
        raise WireError(msg)
    if not is_signed(_to_sign(found), proof, key):
        msg = "bad signature: the request is not signed by the key that it brings"
        raise WireError(msg)
    return found


def _check_names(found: Enrolment) -> None:
    if not is_id(found.community) or not is_device(found.device):
        msg = (
            "wrong form: community and device are 1 to 64 letters, digits, _ or -, and no device"
            " is called market"
        )
        raise WireError(msg)


def _to_sign(enrolment: Enrolment) -> bytes:
    """Return what the proof covers: the request without it, its fields in their order."""
    bare = msgspec.structs.replace(enrolment, proof="")
    return FORM.encode() + b"\x00" + msgspec.json.encode(bare)


__all__ = [
    "FORM",
    "REQUEST_BYTES_MAX",
    "DeviceKind",
    "Enrolment",
    "decode",
    "encode",
    "request",
]
