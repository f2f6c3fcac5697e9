"""Passwords: which are taken, how they are kept, and that a stranger costs as much as a member.

References
----------
.. [1] A. Biryukov, D. Dinu, D. Khovratovich, S. Josefsson, "Argon2 Memory-Hard Function for
   Password Hashing and Proof-of-Work Applications," RFC 9106, section 4.
.. [2] NIST, "Digital Identity Guidelines: Authentication and Authenticator Management,"
   SP 800-63B, section 3.1.1: length counts, rules of composition do not.
"""

from __future__ import annotations

import unicodedata
from base64 import b64encode

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from wattbay.access.chance import secret_bytes
from wattbay.access.denial import AccessDenied, Denial

CHARACTERS_MIN = 12
CHARACTERS_MAX = 256
DIFFERENT_CHARACTERS_MIN = 5
GUESSED_FIRST = frozenset(
    {
        "123456789012", "1234567890123", "administrator", "administrator1", "changemechangeme",
        "correcthorsebatterystaple", "iloveyouiloveyou", "letmeinletmein", "passwordpassword",
        "password1234", "password12345", "password123456", "qwertyuiop12", "qwertyuiop123",
        "qwertyuiopasdf", "wattbaywattbay", "welcome12345", "welcome123456",
    }
)  # fmt: skip
"""Passwords that are long enough and guessed first."""

MEMORY_KIB = 65_536
PASSES = 3
LANES = 1
"""One thread a hash: two are made at once, and the cores belong to the market."""


def the_hasher() -> PasswordHasher:
    """Return argon2id as RFC 9106 advises for machines that do other work, too [1]_."""
    return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)


class Passwords:
    """Makes and verifies hashes of passwords. Each call takes about a fifth of a second of CPU."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """Take a hasher, or the default, for argon2id."""
        self._hasher = the_hasher() if hasher is None else hasher
        self._nobodys = _nobodys(self._hasher)

    def hash(self, password: str) -> str:
        """Return what is kept of a password."""
        return self._hasher.hash(_normal(password))

    def is_right(self, password: str, password_hash: str | None) -> bool:
        """Tell whether a password is the one; where there is none to compare with, take as long."""
        try:
            self._hasher.verify(password_hash or self._nobodys, _normal(password))
        except (VerificationError, InvalidHashError):
            return False
        return password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        """Tell whether a hash was made with other parameters than new ones are."""
        return self._hasher.check_needs_rehash(password_hash)


def _nobodys(hasher: PasswordHasher) -> str:
    """Return a hash that no password has, and that takes as long to verify as any."""
    salt, digest = (
        b64encode(secret_bytes()[:size]).rstrip(b"=").decode()
        for size in (hasher.salt_len, hasher.hash_len)
    )
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${digest}"


def _normal(password: str) -> bytes:
    """Return one form of a password that keyboards may write differently.

    One that is too long has none that could be right: it is not cut short.
    """
    plain = "" if len(password) > CHARACTERS_MAX else unicodedata.normalize("NFKC", password)
    return plain.encode("utf-8", "surrogatepass")


def check_strength(password: str, login: str) -> None:
    """Refuse a password that would be guessed; length is what counts [2]_.

    Raises
    ------
    AccessDenied
        If it is too short or long, repeats few characters, is common, or is the login's name.
    """
    plain = unicodedata.normalize("NFKC", password[: CHARACTERS_MAX + 1]).casefold()
    if len(plain) < CHARACTERS_MIN:
        what = f"a password has {CHARACTERS_MIN} characters or more"
    elif len(password) > CHARACTERS_MAX:
        what = f"a password has at most {CHARACTERS_MAX} characters"
    elif len(set(plain)) < DIFFERENT_CHARACTERS_MIN:
        what = f"a password has {DIFFERENT_CHARACTERS_MIN} different characters or more"
    elif (
        plain in GUESSED_FIRST or plain.replace(login.casefold(), "").strip("0123456789_-.! ") == ""
    ):
        what = "this password would be guessed first"
    else:
        return
    raise AccessDenied(Denial.WEAK_PASSWORD, what)
