"""What a device is told to do, and what it answers: JSON on its `cmd` and `evt` topics.

A command bears a number that rises from command to command of a device, and an instant from which
on it is not to be carried out: one that comes again, or late, changes nothing. Commands are not
signed; that nobody but the service publishes them is for the broker's access rules to hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from wattbay.errors import WireError
from wattbay.periods import Instant
from wattbay.units import SAFE_INTEGER_MAX

COMMAND_BYTES_MAX = 16_384
PRICES_MAX = 200
"""Two days of quarter-hours, and some."""
POWER_W_MAX = 10_000_000


class Ping(msgspec.Struct, frozen=True, kw_only=True, tag="ping", tag_field="cmd"):
    """Answer, to show that you are there."""

    number: int
    expires_at: Instant
    """[µs of UTC]"""


class SetPoint(msgspec.Struct, frozen=True, kw_only=True, tag="set_point", tag_field="cmd"):
    """Inject or draw so much, from an instant until another."""

    number: int
    expires_at: Instant
    power_w: int
    """Into the grid is positive. [W]"""
    start: Instant
    end: Instant


class TariffPeriod(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a kilowatt-hour costs in a span, for a display."""

    start: Instant
    end: Instant
    import_nano_per_wh: int
    export_nano_per_wh: int


class ShowTariff(msgspec.Struct, frozen=True, kw_only=True, tag="tariff", tag_field="cmd"):
    """Show what energy costs."""

    number: int
    expires_at: Instant
    currency: str
    prices: list[TariffPeriod]


Command = Ping | SetPoint | ShowTariff


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a command."""

    number: int
    at: Instant
    refused: str = ""
    """Why it was not carried out; empty where it was."""


REPEATED: Final = "repeated"
EXPIRED: Final = "expired"

_command: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)
_answer = msgspec.json.Decoder(Answer)


def encode_command(command: Command) -> bytes:
    """Return the bytes of a command."""
    return msgspec.json.encode(command)


def decode_command(payload: bytes) -> Command:
    """Read a command.

    Raises
    ------
    WireError
        If it is none, or out of range.
    """
    if len(payload) > COMMAND_BYTES_MAX:
        msg = f"wrong form: {len(payload)} bytes; at most {COMMAND_BYTES_MAX}"
        raise WireError(msg)
    try:
        command = _command.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"wrong form: {error}"
        raise WireError(msg) from error
    if not 0 < command.number <= SAFE_INTEGER_MAX or command.expires_at < 0:
        msg = "out of range: number and expiry of a command are positive"
        raise WireError(msg)
    match command:
        case SetPoint() if abs(command.power_w) > POWER_W_MAX or command.start >= command.end:
            msg = f"out of range: a set-point is at most {POWER_W_MAX} W, and ends after it starts"
            raise WireError(msg)
        case ShowTariff() if len(command.prices) > PRICES_MAX:
            msg = f"out of range: {len(command.prices)} prices; at most {PRICES_MAX}"
            raise WireError(msg)
        case _:
            return command


def command_of(told: Mapping[str, object], number: int) -> Command:
    """Return the command of plain values, as it is on the wire but for its number.

    Raises
    ------
    WireError
        If it is none, or out of range.
    """
    try:
        return decode_command(msgspec.json.encode({**told, "number": number}))
    except TypeError as error:
        msg = f"wrong form: {error}"
        raise WireError(msg) from error


def encode_answer(answer: Answer) -> bytes:
    """Return the bytes of an answer."""
    return msgspec.json.encode(answer)


def decode_answer(payload: bytes) -> Answer:
    """Read an answer.

    Raises
    ------
    WireError
        If it is none.
    """
    try:
        return _answer.decode(payload[:COMMAND_BYTES_MAX])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        msg = f"wrong form: {error}"
        raise WireError(msg) from error
