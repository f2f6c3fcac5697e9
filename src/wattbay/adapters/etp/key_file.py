"""The file of a node's keys: who it is, and by what it knows its peers.

::

    [me]
    device = 101
    scheme = "ed25519"  # or "hmac": a secret that both ends share
    secret = "…"  # hexadecimal; or secret_file = "…", a file that holds it

    [[peers]]
    device = 201
    scheme = "ed25519"
    key = "…"  # their public key, or the shared secret

Whatever file bears a secret may be read by its owner alone.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from nacl.signing import SigningKey

from wattbay.adapters.etp.envelope import (
    EVERYBODY,
    Identity,
    Key,
    Opener,
    Scheme,
    Sealer,
    check_key,
    check_secret,
    key_of,
)
from wattbay.adapters.etp.link import Guard
from wattbay.errors import ConfigError, Fault
from wattbay.kernel.clock import Clock, SystemClock

PEERS_MAX = 10_000
DEVICE_MAX = (1 << 64) - 1
"""The largest device id that a message can bear."""
SCHEMES: Final = MappingProxyType({"ed25519": Scheme.ED25519, "hmac": Scheme.HMAC})
"""How a file names them."""
FILE_BYTES_MAX = 4_000_000
"""Of a file of keys: more than so many peers need."""
_OWNER_ONLY = 0o600
_NAMES: Final = MappingProxyType({scheme: name for name, scheme in SCHEMES.items()})
_ME: Final = frozenset({"device", "scheme", "secret", "secret_file"})
_PEER: Final = frozenset({"device", "scheme", "key"})


class Keys(NamedTuple):
    """Who a node is, and by what it knows its peers."""

    me: Identity
    peers: dict[int, Key]

    def guard(self, clock: Clock | None = None, *, allows_plain: bool = False) -> Guard:
        """Return a new guard: one for the links of a node, and another for its datagrams.

        Each remembers what it has read. Links and datagrams overtake each other, and one guard
        for both would take what comes later for a repetition.

        Parameters
        ----------
        clock
            Tells the date; otherwise the machine's.
        """
        now = (SystemClock() if clock is None else clock).now
        opener = Opener(self.me.device_id, self.peers, now)
        return Guard(opener, Sealer(self.me, now), allows_plain)


# --- reading ---------------------------------------------------------------------------------


def read_keys(path: Path) -> Keys:
    """Read a file of keys.

    Raises
    ------
    ConfigError
        If it is none; lists everything that is wrong with it.
    """
    found = _File(path)
    keys = found.keys()
    if keys is None or found.faults:
        raise ConfigError(*found.faults)
    return keys


class _File:
    """A file that is being read, and what was found wrong so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.faults: list[Fault] = []
        self._has_secret = False

    def keys(self) -> Keys | None:
        """Return what the file holds; None where it has no `me` that could be read."""
        text = self._text(self.path)
        if text is None:
            return None
        try:
            told = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            self._fault("", f"is no TOML: {error}")
            return None
        for name in sorted(told.keys() - {"me", "peers"}):
            self._fault(name, "is not known", "me and peers are")
        me, peers = self._me(told.get("me")), self._peers(told.get("peers", []))
        if self._has_secret:
            self._check_private(self.path)
        return None if me is None else Keys(me, peers)

    def _fault(self, where: str, what: str, remedy: str = "") -> None:
        place = f"{self.path}, {where}" if where else str(self.path)
        self.faults.append(Fault(place, what, remedy))

    def _text(self, path: Path) -> str | None:
        try:
            with path.open("rb") as file:
                found = file.read(FILE_BYTES_MAX + 1)
            if len(found) > FILE_BYTES_MAX:
                self.faults.append(Fault(str(path), f"has more than {FILE_BYTES_MAX:,} bytes"))
                return None
            return found.decode()
        except OSError as error:
            self.faults.append(Fault(str(path), f"cannot be read: {error.strerror}"))
        except UnicodeDecodeError:
            self.faults.append(Fault(str(path), "is no text in UTF-8"))
        return None

    def _check_private(self, path: Path) -> None:
        try:
            mode = path.stat().st_mode
        except OSError:
            return  # It was read a moment ago, or is told as unreadable already.
        if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
            fault = Fault(str(path), "others than its owner may read it", f"chmod 600 {path}")
            self.faults.append(fault)

    # --- parts -------------------------------------------------------------------------------

    def _me(self, told: object) -> Identity | None:
        """Return who we are."""
        if not isinstance(told, dict):
            self._fault("me", "who is this node?", "a table [me] with device, scheme and secret")
            return None
        self._check_names("me", told, _ME)
        device, scheme = self._device("me", told), self._scheme("me", told)
        secret = self._secret(told)
        if device is None or scheme is None or secret is None:
            return None
        try:
            check_secret(f"{self.path}, me.secret", scheme, secret)
        except ConfigError as error:
            self.faults += error.faults
            return None
        return Identity(device, scheme, secret)

    def _secret(self, told: Mapping[str, object]) -> bytes | None:
        names = [name for name in ("secret", "secret_file") if name in told]
        if len(names) != 1:
            what = "are both there" if names else "is missing"
            self._fault(
                "me.secret and me.secret_file" if names else "me.secret", what, "one of two"
            )
            return None
        if names == ["secret"]:
            self._has_secret = True
            return self._bytes("me.secret", told["secret"])
        if not isinstance(told["secret_file"], str):
            self._fault("me.secret_file", "is no path")
            return None
        path = self.path.parent / told["secret_file"]
        text = self._text(path)
        self._check_private(path)
        return None if text is None else self._bytes("me.secret_file", text.strip())

    def _peers(self, told: object) -> dict[int, Key]:
        """Return the keys of all peers."""
        if not isinstance(told, list) or not all(isinstance(one, dict) for one in told):
            self._fault("peers", "is no list of tables", "a table [[peers]] for each")
            return {}
        if len(told) > PEERS_MAX:
            self._fault("peers", f"{len(told):,} of them", f"{PEERS_MAX:,} are the most")
            return {}
        found: dict[int, Key] = {}
        for number, one in enumerate(told, 1):
            where = f"peers {number}"
            self._check_names(where, one, _PEER)
            device, key = self._device(where, one), self._key(where, one)
            if device in found:
                self._fault(where, f"device {device} was there before")
            if device is not None and key is not None:
                found[device] = key
        return found

    def _key(self, where: str, told: Mapping[str, object]) -> Key | None:
        scheme, text = self._scheme(where, told), told.get("key")
        if text is None:
            self._fault(f"{where}.key", "is missing")
            return None
        self._has_secret = self._has_secret or scheme is Scheme.HMAC
        found = self._bytes(f"{where}.key", text)
        if scheme is None or found is None:
            return None
        key = Key(scheme, found)
        try:
            check_key(f"{self.path}, {where}.key", key)
        except ConfigError as error:
            self.faults += error.faults
            return None
        return key

    def _check_names(self, where: str, told: Mapping[str, object], known: frozenset[str]) -> None:
        for name in sorted(told.keys() - known):
            self._fault(f"{where}.{name}", "is not known", f"{', '.join(sorted(known))} are")

    def _device(self, where: str, told: Mapping[str, object]) -> int | None:
        device = told.get("device")
        if isinstance(device, int) and not isinstance(device, bool):
            if EVERYBODY < device <= DEVICE_MAX:
                return device
            self._fault(f"{where}.device", f"{device} is no device", "1 to 2^64 - 1")
            return None
        what = "is missing" if device is None else "is no whole number"
        self._fault(f"{where}.device", what, "the id of a device")
        return None

    def _scheme(self, where: str, told: Mapping[str, object]) -> Scheme | None:
        name = told.get("scheme")
        scheme = SCHEMES.get(name) if isinstance(name, str) else None
        if scheme is None:
            what = "is missing" if name is None else "is not known"
            self._fault(f"{where}.scheme", what, " or ".join(SCHEMES))
        return scheme

    def _bytes(self, where: str, told: object) -> bytes | None:
        """Return bytes from hexadecimal digits; a fault tells none of them: they may be secret."""
        try:
            if isinstance(told, str):
                return bytes.fromhex(told)
        except ValueError:
            pass
        self._fault(where, "is not written in hexadecimal digits", "two for each byte")
        return None


# --- writing ---------------------------------------------------------------------------------


def draw_keys(path: Path, device: int) -> Identity:
    """Draw an Ed25519 seed, write it to a new file for its owner's eyes alone, and return it.

    Raises
    ------
    ConfigError
        If there is a file already, for a key is never overwritten; if it cannot be written; if
        no device has this id.
    """
    if not EVERYBODY < device <= DEVICE_MAX:
        raise ConfigError(Fault("device", f"{device} is no device", "1 to 2^64 - 1"))
    identity = Identity(device, Scheme.ED25519, SigningKey.generate().encode())
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(_NEW.format(device=device, secret=identity.secret.hex()))
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        what = "is there already; a key is not overwritten"
        raise ConfigError(Fault(str(path), what)) from None
    except OSError as error:
        raise ConfigError(Fault(str(path), f"cannot be made: {error.strerror}")) from error
    return identity


def peer_text(identity: Identity) -> str:
    """Return what a node's peers write into their files, to know it by."""
    key = key_of(identity)
    return (
        f"[[peers]]\ndevice = {identity.device_id}\n"
        f'scheme = "{_NAMES[key.scheme]}"\nkey = "{key.key.hex()}"\n'
    )


_NEW: Final = """\
# Keys of device {device}. Whoever can read this file can speak for it.
[me]
device = {device}
scheme = "ed25519"
secret = "{secret}"

# Below, a table [[peers]] for each device that it speaks with, as `wattbay etp keys` prints it.
"""
