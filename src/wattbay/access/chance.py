"""The one place that draws what nobody may guess: keys, tokens, one-time passwords."""

from __future__ import annotations

import secrets  # noqa: TID251 - a credential that a seed could repeat would be none

SECRET_BYTES = 32
"""Of every credential that a program keeps."""
ONE_TIME_BYTES = 18
"""Of a one-time password, 144 bits: 24 letters that can be typed."""
KEY_ID_BYTES = 6


def secret_bytes() -> bytes:
    """Return bytes for a key. [32 bytes]"""
    return secrets.token_bytes(SECRET_BYTES)


def secret_text() -> str:
    """Return a secret as letters, digits, ``-`` and ``_``. [43 characters, 256 bits]"""
    return secrets.token_urlsafe(SECRET_BYTES)


def one_time_password() -> str:
    """Return a password that stands until it is changed. [24 characters, 144 bits]"""
    return secrets.token_urlsafe(ONE_TIME_BYTES)


def key_id() -> str:
    """Return the public part of an API key. [12 hexadecimal digits]"""
    return secrets.token_hex(KEY_ID_BYTES)
