"""Authenticity: an envelope around a message that says who sent it, to whom, when, and once.

The plain form of the protocol tells nobody who speaks. A peer that registers in an envelope has all
of its link in envelopes; what is inside is the plain message, byte for byte::

    offset  bytes
    0       1      version, 1
    1       1      scheme: 1 HMAC-SHA-256 (RFC 2104), 2 Ed25519 (RFC 8032)
    2       8      sender: device id whose key it is
    10      8      recipient: device id; 0 for a group
    18      8      stamp: microseconds of UTC since 1970
    26      8      nonce: rises from message to message of a sender
    34      84     the message
    118     32/64  tag over everything before it
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Callable, Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

from wattbay.adapters.etp.messages import SIZE, Amiss, BadMessage, Message, decode
from wattbay.errors import ConfigError, Fault, ensure
from wattbay.periods import SECOND

VERSION = 1
HEAD: Final = struct.Struct("<BBQQQQ")
BODY = HEAD.size + SIZE
"""Bytes that the tag is over."""
STAMP_OFF_MAX_US = 30 * SECOND
"""How far a stamp may be from the clock of whoever reads it. [µs]"""
SECRET_BYTES_MIN = 16
KEY_BYTES = 32
"""Of an Ed25519 seed or public key (RFC 8032)."""
EVERYBODY = 0
"""The recipient of what is sent to a group."""


class Scheme(IntEnum):
    """How a message is signed."""

    HMAC = 1
    """A secret that both ends share: quick, and proves nothing to a third."""
    ED25519 = 2
    """A key of the sender's own: anybody can check it again."""


TAG_BYTES: Final = MappingProxyType({Scheme.HMAC: 32, Scheme.ED25519: 64})
SIZES: Final = MappingProxyType({scheme: BODY + tag for scheme, tag in TAG_BYTES.items()})
"""Of an envelope with its message, by scheme: 150 and 182 bytes."""


class Key(NamedTuple):
    """What a peer's envelopes are checked by."""

    scheme: Scheme
    key: bytes
    """The shared secret, or the public key. [at least 16 bytes; 32 bytes]"""


class Identity(NamedTuple):
    """Who we are, and what we sign with."""

    device_id: int
    scheme: Scheme
    secret: bytes
    """The shared secret, or the seed of our key. [at least 16 bytes; 32 bytes]"""


class Sealed(NamedTuple):
    """A message that was taken out of its envelope, and is authentic."""

    message: Message
    sender: int


def key_of(identity: Identity) -> Key:
    """Return what others check our envelopes by: the public key, or the secret that they share."""
    if identity.scheme is Scheme.HMAC:
        return Key(Scheme.HMAC, identity.secret)
    public, _ = crypto_sign_seed_keypair(identity.secret)
    return Key(Scheme.ED25519, public)


class Sealer:
    """Puts our messages into envelopes, with a nonce that only rises."""

    def __init__(self, identity: Identity, clock: Callable[[], int]) -> None:
        """Sign as somebody, by a clock of microseconds of UTC since 1970.

        Raises
        ------
        ConfigError
            If the secret is too short to be one.
        """
        check_secret(f"secret of device {identity.device_id}", identity.scheme, identity.secret)
        self._identity, self._clock = identity, clock
        # It begins with the time, so that it rises over restarts without being written down.
        self._nonce = clock()
        self._signing = b""
        if identity.scheme is Scheme.ED25519:
            _, self._signing = crypto_sign_seed_keypair(identity.secret)

    @property
    def device_id(self) -> int:
        """Who signs."""
        return self._identity.device_id

    def seal(self, message: bytes, recipient: int) -> bytes:
        """Return a message of 84 bytes in an envelope to a device, or to everybody."""
        ensure(len(message) == SIZE, "what is sealed is one message")
        scheme, now = self._identity.scheme, self._clock()
        self._nonce = max(self._nonce + 1, now)
        head = HEAD.pack(VERSION, scheme, self._identity.device_id, recipient, now, self._nonce)
        body = head + message
        if scheme is Scheme.HMAC:
            return body + hmac.digest(self._identity.secret, body, "sha256")
        return body + crypto_sign(body, self._signing)[:64]


class Opener:
    """Takes messages out of envelopes: those of known keys, to us, fresh, and each once."""

    def __init__(self, device_id: int, keys: Mapping[int, Key], clock: Callable[[], int]) -> None:
        """Read as somebody; `keys` may grow.

        What is remembered is one number for each key: the highest nonce of its device. It is gone
        with a restart; so what was sealed before we began is refused, as it may have been opened
        before.
        """
        self._device_id, self._keys, self._clock = device_id, keys, clock
        self._begun = clock()
        self._highest: dict[int, int] = {}

    def knows(self, device_id: int) -> bool:
        """Tell whether a device has a key here, and so need not be believed without an envelope."""
        return device_id in self._keys

    def open(self, data: bytes, *, is_group: bool = False) -> Sealed:
        """Return the message that an envelope bears.

        Parameters
        ----------
        is_group
            Whether it may be to everybody: what is sent to a group must not open a link.

        Raises
        ------
        BadMessage
            If it is none, or not authentic, stale or repeated; says which.
        """
        sender, nonce = self._authentic(data, is_group=is_group)
        message = decode(data[HEAD.size : BODY])
        if message.device_id != sender:
            raise BadMessage(
                Amiss.FORGED, f"device {sender} signed a message of device {message.device_id}"
            )
        self._highest[sender] = nonce
        return Sealed(message, sender)

    def _authentic(self, data: bytes, *, is_group: bool) -> tuple[int, int]:
        """Return who sealed an envelope, and its nonce; raise unless both can be trusted."""
        scheme, sender, recipient, stamp, nonce = head_of(data)
        key = self._keys.get(sender)
        if key is None or scheme is not key.scheme:
            what = f"no key of scheme {scheme.name} is known for device {sender}"
            raise BadMessage(Amiss.FORGED, what)
        if not is_authentic(data, key):
            raise BadMessage(Amiss.FORGED, f"the tag is not that of device {sender}")
        if recipient != self._device_id and not (is_group and recipient == EVERYBODY):
            raise BadMessage(Amiss.FORGED, f"it is to device {recipient}, not to us")
        off_us = stamp - self._clock()
        if abs(off_us) > STAMP_OFF_MAX_US:
            what = f"stamped {off_us / SECOND:+,.1f} s from our clock; 30 s are the most"
            raise BadMessage(Amiss.STALE, what)
        if stamp < self._begun:
            raise BadMessage(Amiss.STALE, "stamped before we began: it may have been opened then")
        if nonce <= self._highest.get(sender, -1):
            raise BadMessage(Amiss.REPLAYED, f"nonce {nonce} of device {sender} was there before")
        return sender, nonce


def is_authentic(data: bytes, key: Key) -> bool:
    """Tell whether an envelope's tag is that of a key, whenever it was sealed."""
    if len(data) != SIZES[key.scheme] or not _is_whole(key):
        return False
    body, tag = data[:BODY], data[BODY:]
    if key.scheme is Scheme.HMAC:
        return hmac.compare_digest(hmac.digest(key.key, body, "sha256"), tag)
    try:
        crypto_sign_open(tag + body, key.key)
    except (BadSignatureError, ValueError):
        return False
    return True


class Head(NamedTuple):
    """What an envelope says of itself; true only if its tag is."""

    scheme: Scheme
    sender: int
    recipient: int
    stamp: int
    """Microseconds of UTC since 1970. [µs]"""
    nonce: int


def head_of(data: bytes) -> Head:
    """Return what an envelope says of itself; its tag is not checked.

    Raises
    ------
    BadMessage
        If it is no envelope by its size, version and scheme.
    """
    if len(data) not in SIZES.values():
        raise BadMessage(Amiss.SIZE, f"{len(data)} bytes are no envelope; 150 or 182 are")
    version, scheme, *rest = HEAD.unpack_from(data)
    if version != VERSION:
        raise BadMessage(Amiss.FORGED, f"version {version} of the envelope is not known")
    if scheme not in SIZES or len(data) != SIZES[scheme]:
        raise BadMessage(Amiss.FORGED, f"no envelope of scheme {scheme} has {len(data)} bytes")
    return Head(Scheme(scheme), *rest)


def inner(data: bytes) -> bytes:
    """Return the 84 bytes of a message, from its plain form or its envelope; checks nothing."""
    return data if len(data) == SIZE else data[HEAD.size : BODY]


def check_key(where: str, key: Key) -> None:
    """Do nothing if a peer's key is one of its scheme.

    Raises
    ------
    ConfigError
        If it is not.
    """
    if key.scheme is Scheme.HMAC:
        check_secret(where, key.scheme, key.key)
    elif not _is_whole(key):
        what = f"{len(key.key)} bytes are no Ed25519 public key"
        raise ConfigError(Fault(where, what, f"{KEY_BYTES} bytes"))


def _is_whole(key: Key) -> bool:
    """Tell whether a key is long enough: of Ed25519, libsodium reads 32 bytes whatever is there."""
    if key.scheme is Scheme.HMAC:
        return len(key.key) >= SECRET_BYTES_MIN
    return len(key.key) == KEY_BYTES


def check_secret(where: str, scheme: Scheme, secret: bytes) -> None:
    """Do nothing if a secret is long enough for its scheme.

    Raises
    ------
    ConfigError
        If it is not.
    """
    if scheme is Scheme.HMAC and len(secret) < SECRET_BYTES_MIN:
        what = f"{len(secret)} bytes are too short for a shared secret"
        raise ConfigError(Fault(where, what, f"at least {SECRET_BYTES_MIN}"))
    if scheme is Scheme.ED25519 and len(secret) != KEY_BYTES:
        what = f"{len(secret)} bytes are no Ed25519 seed"
        raise ConfigError(Fault(where, what, f"{KEY_BYTES} bytes"))
