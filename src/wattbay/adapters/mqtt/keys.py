"""Keys of devices: Ed25519 by libsodium and P-256 by OpenSSL, one library a curve.

Two libraries may differ on a malformed signature. What has to be verified again, years later and
to the same verdict, is therefore always verified by the same one. A public key tells its curve by
its length: 32 bytes are Ed25519 [1]_, 33 bytes a compressed point of P-256 [2]_.

References
----------
.. [1] S. Josefsson, I. Liusvaara, "Edwards-Curve Digital Signature Algorithm," RFC 8032.
.. [2] NIST, "Digital Signature Standard," FIPS 186-5; points as in SEC 1, section 2.3.3.
"""

from __future__ import annotations

import os
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from nacl.bindings import crypto_sign, crypto_sign_BYTES, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

from wattbay.errors import AdapterError, WireError

ED25519_KEY_BYTES = 32
P256_KEY_BYTES = 33
SIGNATURE_BYTES: int = crypto_sign_BYTES
"""Of either curve: R and S, 32 bytes each."""
KEYS_CACHED_MAX = 65_536
"""Points of P-256 that are kept ready: decompressing one takes as long as a signature."""
_P256_NUMBER_BYTES = 32
_P256 = ec.SECP256R1()
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the group of points: where S signs, so does the order less S. Only the smaller is taken."""
_ECDSA = ec.ECDSA(hashes.SHA256())
_OWNER_ONLY = 0o600


class Algorithm(StrEnum):
    """How a device signs."""

    ED25519 = "ed25519"
    P256 = "p256"


class Signer(Protocol):
    """A private key that signs, wherever it is held: in a file, or in hardware that keeps it."""

    @property
    def algorithm(self) -> Algorithm:
        """How it signs."""

    @property
    def public_key(self) -> bytes:
        """What others verify with. [32 bytes Ed25519, 33 bytes P-256]"""

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message. [64 bytes]"""


class Ed25519Signer:
    """An Ed25519 key in memory."""

    __slots__ = ("_signing_key", "public_key")

    def __init__(self, seed: bytes) -> None:
        """Derive both keys from a seed. [32 bytes]"""
        self.public_key, self._signing_key = crypto_sign_seed_keypair(seed)

    @property
    def algorithm(self) -> Algorithm:
        """Ed25519."""
        return Algorithm.ED25519

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message. [64 bytes]"""
        return bytes(crypto_sign(message, self._signing_key)[:SIGNATURE_BYTES])


class P256Signer:
    """A P-256 key in memory; it signs deterministically (RFC 6979) where OpenSSL can."""

    __slots__ = ("_key", "public_key")

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        """Take a private key of that curve."""
        self._key = key
        self.public_key = key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)

    @property
    def algorithm(self) -> Algorithm:
        """P-256."""
        return Algorithm.P256

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message, R before S. [64 bytes]"""
        r, s = decode_dss_signature(self._key.sign(message, _deterministic()))
        s = min(s, _P256_ORDER - s)
        size = _P256_NUMBER_BYTES
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")


@lru_cache(maxsize=1)
def _deterministic() -> ec.ECDSA:
    """Return ECDSA that draws no random number, or the usual one where OpenSSL is too old."""
    try:
        return ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    except UnsupportedAlgorithm:
        return _ECDSA


def algorithm_of(public_key: bytes) -> Algorithm | None:
    """Return the algorithm of a public key by its length; None where there is none such."""
    match len(public_key):
        case 32:
            return Algorithm.ED25519
        case 33:
            return Algorithm.P256
        case _:
            return None


def is_signed(message: bytes, signature: bytes, public_key: bytes) -> bool:
    """Tell whether a signature of a message is by the holder of a key."""
    if len(public_key) == ED25519_KEY_BYTES:
        try:
            crypto_sign_open(signature + message, public_key)
        except (BadSignatureError, ValueError):
            return False
        return True
    if len(signature) != SIGNATURE_BYTES:
        return False
    numbers = (
        int.from_bytes(signature[:_P256_NUMBER_BYTES], "big"),
        int.from_bytes(signature[_P256_NUMBER_BYTES:], "big"),
    )
    if 2 * numbers[1] > _P256_ORDER:
        return False
    try:
        _point(public_key).verify(encode_dss_signature(*numbers), message, _ECDSA)
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(maxsize=KEYS_CACHED_MAX)
def _point(public_key: bytes) -> ec.EllipticCurvePublicKey:
    """Return a public key of P-256, ready to verify with."""
    return ec.EllipticCurvePublicKey.from_encoded_point(_P256, public_key)


# --- keys in files ---------------------------------------------------------------------------


def write_key(path: Path, algorithm: Algorithm) -> Signer:
    """Make a key, write it as PEM (PKCS #8) for its owner's eyes alone, and return its signer.

    Raises
    ------
    AdapterError
        If there is a file already: a key is never overwritten.
    """
    made: Ed25519PrivateKey | ec.EllipticCurvePrivateKey
    signer: Signer
    if algorithm is Algorithm.ED25519:
        made = Ed25519PrivateKey.generate()
        signer = _of_seed(made)
    else:
        made = ec.generate_private_key(_P256)
        signer = P256Signer(made)
    pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    except FileExistsError:
        msg = f"{path} is there already; a key is not overwritten"
        raise AdapterError(msg) from None
    with os.fdopen(number, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return signer


def read_key(path: Path) -> Signer:
    """Read the private key of a PEM file, as `write_key` or ``openssl genpkey`` writes it.

    Raises
    ------
    AdapterError
        If the file holds no unencrypted key of one of the two curves, or others may read it.
    """
    try:
        pem = path.read_bytes()
        mode = path.stat().st_mode
    except OSError as error:
        msg = f"{path}: {error.strerror}"
        raise AdapterError(msg) from error
    if os.name == "posix" and mode & 0o077:
        msg = f"{path} can be read by others; chmod 600 {path}"
        raise AdapterError(msg)
    try:
        found = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        msg = f"{path} is no unencrypted private key in PEM"
        raise AdapterError(msg) from error
    if isinstance(found, ec.EllipticCurvePrivateKey) and isinstance(found.curve, ec.SECP256R1):
        return P256Signer(found)
    if isinstance(found, Ed25519PrivateKey):
        return _of_seed(found)
    msg = f"{path} holds another kind of key; Ed25519 and P-256 are known"
    raise AdapterError(msg)


def read_public_key(text: str) -> bytes:
    """Read a public key as hexadecimal digits.

    Raises
    ------
    WireError
        If it is none of the two curves.
    """
    try:
        key = bytes.fromhex(text.strip())
        if algorithm_of(key) is Algorithm.P256:
            _point(key)
    except ValueError:
        key = b""
    if algorithm_of(key) is None:
        msg = f"a public key has 64 hex digits (Ed25519) or 66 (P-256); got {text.strip()[:80]!r}"
        raise WireError(msg)
    return key


def _of_seed(key: Ed25519PrivateKey) -> Signer:
    """Return the signer of an Ed25519 key: read by one library, used by the other."""
    return Ed25519Signer(key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))


__all__ = [
    "Algorithm",
    "Ed25519Signer",
    "P256Signer",
    "Signer",
    "algorithm_of",
    "is_signed",
    "read_key",
    "read_public_key",
    "write_key",
]
