"""The keys of this installation: with which tokens and cursors are signed and API keys hashed.

They stand in a file that only the owner can read, or come from the environment; never in a
database, so that whoever steals one can make no credential and test none.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wattbay.access.chance import SECRET_BYTES, secret_bytes
from wattbay.errors import ConfigError, Fault

KEPT_MAX = 3
"""The present key and two before it: what they signed and hashed is still good."""
SIGNING_VARIABLE = "WATTBAY_SIGNING_KEYS"
PEPPER_VARIABLE = "WATTBAY_PEPPERS"
_OWNER_ONLY = 0o600
_REMEDY = f"{SECRET_BYTES} bytes in hexadecimal each, the present one first"


@dataclass(frozen=True, slots=True)
class Secrets:
    """Keys, the present one first; those before it still verify."""

    signing: tuple[bytes, ...] = field(repr=False)
    peppers: tuple[bytes, ...] = field(repr=False)
    token_keys: tuple[bytes, ...] = field(init=False, repr=False)
    """With which tokens are signed."""
    cursor_keys: tuple[bytes, ...] = field(init=False, repr=False)
    """With which cursors of pages are signed."""

    def __post_init__(self) -> None:
        """Derive a key for each purpose, so that none can be used for another."""
        object.__setattr__(
            self, "token_keys", tuple(_derive(key, b"token") for key in self.signing)
        )
        object.__setattr__(
            self, "cursor_keys", tuple(_derive(key, b"cursor") for key in self.signing)
        )

    @classmethod
    def drawn(cls) -> Secrets:
        """Return new keys."""
        return cls((secret_bytes(),), (secret_bytes(),))

    def rotated(self) -> Secrets:
        """Return new keys that still verify what these, and those before them, made."""
        return Secrets(
            (secret_bytes(), *self.signing)[:KEPT_MAX], (secret_bytes(), *self.peppers)[:KEPT_MAX]
        )

    def key_hash(self, clear: str, pepper: int = 0) -> str:
        """Return what is kept of an API key; by the present pepper or one before it. [hex]"""
        return hmac.digest(self.peppers[pepper], clear.encode(), "sha256").hex()

    def name_hash(self, name: str) -> str:
        """Return what is kept of a name that somebody typed: it may be a password. [hex]"""
        typed = b"name/" + name.encode("utf-8", "surrogatepass")
        return hmac.digest(self.peppers[0], typed, "sha256").hex()


def _derive(key: bytes, purpose: bytes) -> bytes:
    return hmac.digest(key, b"wattbay/" + purpose, "sha256")


def hash_of(token: str) -> str:
    """Return what is kept of a session's token, whose 256 bits nobody can guess. [hex]"""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def secrets_from(environment: Mapping[str, str]) -> Secrets | None:
    """Return the keys that the environment bears; None where it bears none.

    Raises
    ------
    ConfigError
        If it bears something else, or only one of the two kinds.
    """
    texts = {name: environment.get(name, "") for name in (SIGNING_VARIABLE, PEPPER_VARIABLE)}
    if not any(texts.values()):
        return None
    faults: list[Fault] = []
    keys = [_read(name, text.split(","), faults) for name, text in texts.items()]
    if faults:
        raise ConfigError(*faults)
    return Secrets(*keys)


def secrets_in(path: Path) -> Secrets:
    """Return the keys in a file; where there is none yet, draw them and make it.

    Raises
    ------
    ConfigError
        If it is no such file, or others can read it.
    """
    try:
        return _load(path)
    except FileNotFoundError:
        drawn = Secrets.drawn()
    try:
        _write(path, drawn)
    except FileExistsError:  # Another program was quicker.
        return _load(path)
    except OSError as error:
        raise ConfigError(Fault(str(path), f"cannot be made: {error}")) from error
    return drawn


def rotate(path: Path) -> Secrets:
    """Put new keys in front of those in a file; running programs take them at their next start."""
    rotated = secrets_in(path).rotated()
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    _write(beside, rotated)
    beside.replace(path)
    return rotated


def _write(path: Path, secrets: Secrets) -> None:
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    with os.fdopen(number, "w", encoding="utf-8") as file:
        kept = {"signing": secrets.signing, "peppers": secrets.peppers}
        json.dump({name: [key.hex() for key in keys] for name, keys in kept.items()}, file)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())


def _load(path: Path) -> Secrets:
    try:
        if os.name == "posix" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            fault = Fault(str(path), "others than its owner may read it", f"chmod 600 {path}")
            raise ConfigError(fault)
        kept = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise ConfigError(Fault(str(path), f"is no file of keys: {error}")) from error
    names = ("signing", "peppers")
    if not isinstance(kept, dict) or not all(isinstance(kept.get(name), list) for name in names):
        raise ConfigError(
            Fault(str(path), "is no file of keys", "an object of signing and peppers")
        )
    faults: list[Fault] = []
    keys = [_read(f"{path}, {name}", [str(one) for one in kept[name]], faults) for name in names]
    if faults:
        raise ConfigError(*faults)
    return Secrets(*keys)


def _read(where: str, texts: list[str], faults: list[Fault]) -> tuple[bytes, ...]:
    try:
        keys = tuple(bytes.fromhex(text.strip()) for text in texts)
    except ValueError:
        keys = ()
    if not 0 < len(keys) <= KEPT_MAX or any(len(key) != SECRET_BYTES for key in keys):
        faults.append(Fault(where, f"are not 1 to {KEPT_MAX} keys", _REMEDY))
    return keys
