"""The bytes of the Energy Trading Protocol: fourteen fields, 84 bytes, ten types.

Little-endian, without padding, tags or a version byte. What a byte means is told in
docs/reference/etp.md. Nothing here opens a socket or asks a clock.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple

from wattbay.errors import WireError

SIZE = 84
"""Bytes of a message: 4 of one byte, 2 and 8 of eight bytes."""
TTL = 5
"""Hops that a message begins with."""
TEXT_BYTES_MAX = 1_024
"""Of the text form: as much as its readers take at once."""
SHOWN_MAX = 60
"""Characters of a value that a fault tells."""
SHOWN_BITS_MAX = 128
DEADLINE_MS = 1_000
"""Of a type that names none."""
PRIORITY = 50
"""Of a type that names none."""


class Kind(IntEnum):
    """What a message is; the first byte on the wire."""

    REGISTER = 0
    QUERY = 1
    QUERY_RESPONSE = 2
    BID = 3
    BID_ACCEPT = 4
    BID_CONFIRM = 5
    BID_REJECT = 6
    TERMINATE = 7
    DEVICE_FAILURE = 8
    BESS_STATUS = 9


NAMES: Final = {kind: kind.name.title().replace("_", "") for kind in Kind} | {
    Kind.BESS_STATUS: "BESSStatus"
}
"""How the protocol writes its types."""

PRIORITIES: Final = (80, 50, 50, 50, 5, 5, 5, 50, 0, 60)
"""By type: the lower goes first."""
DEADLINES_MS: Final = (5_000, 1_000, 500, 1_000, 500, 500, 500, 1_000, 200, 2_000)
"""By type: from the arrival of a message to its answer, at most. [ms]"""
CRITICAL: Final = frozenset(
    {Kind.BID_ACCEPT, Kind.BID_CONFIRM, Kind.BID_REJECT, Kind.DEVICE_FAILURE}
)
"""Types on which energy or safety depends: accept, confirm, reject and failure."""


class RejectCode(IntEnum):
    """Why a bid is rejected: `termination_code` of a BidReject. From 4 on they are ours."""

    PRICE_TOO_LOW = 1
    INSUFFICIENT_ENERGY = 2
    OFFLINE = 3
    OUTBID = 4
    """Another bid of the same auction was higher, or as high and earlier."""
    NO_AUCTION = 5
    """The battery pauses between two auctions."""
    MARKET_REFUSED = 6
    """The market would not take the sale: no collateral, an unknown party, a price too far off."""
    TOO_MANY = 7
    """More bids wait than the battery keeps."""
    NOTHING_ASKED = 8
    """Less than one watt-hour."""
    ID_REUSED = 9
    """Another bid of the same sender had this id."""


class TerminateCode(IntEnum):
    """Why an auction ends: `termination_code` of a Terminate. From 1 on they are ours."""

    NORMAL = 0
    EXPIRED = 1
    """The confirmation came too late, and the energy was released; or the answer to a bid did."""
    UNKNOWN_BID = 2
    """No such bid was accepted, or that was before the battery restarted."""
    MARKET_REFUSED = 3
    """The market did not take the confirmed sale; nothing was sold."""
    MISMATCH = 4
    """Price or amount is not what was accepted."""
    SHUTDOWN = 5


class FailureCode(IntEnum):
    """What failed: `termination_code` of a DeviceFailure. From 3 on they are ours."""

    UNSPECIFIED = 1
    BATTERY = 2
    INVERTER = 3
    METER = 4
    COMMUNICATION = 5
    OVERHEATED = 6


class Health(IntEnum):
    """How a battery is: `battery_health_status_code`."""

    EXCELLENT = 0
    GOOD = 1
    FAIR = 2
    POOR = 3


class Amiss(StrEnum):
    """What may be wrong with bytes, for counting."""

    SIZE = "size"
    TYPE = "type"
    TTL = "ttl"
    NEGATIVE = "negative"
    PERCENTAGE = "percentage"
    NOT_FINITE = "not_finite"
    RANGE = "range"
    TEXT = "text"
    UNSIGNED = "unsigned"
    """Plain where a signed envelope is asked for."""
    FORGED = "forged"
    STALE = "stale"
    """Stamped too long ago, or ahead."""
    REPLAYED = "replayed"


class BadMessage(WireError):
    """Bytes that are no message of this protocol; bears what is amiss."""

    def __init__(self, amiss: Amiss, what: str) -> None:
        """Keep the kind for counting, and the words for people."""
        self.amiss = amiss
        super().__init__(what)


class Message(NamedTuple):
    """A message. Prices in ¢/kWh, energy in kWh, power in kW, voltage in V."""

    message_type: int
    message_id: int
    """Given by who asks; an answer repeats it."""
    device_id: int
    """Of the sender."""
    ttl: int = TTL
    bid_price: float = 0.0
    """[¢/kWh]"""
    sale_price: float = 0.0
    """Final. [¢/kWh]"""
    energy_total: float = 0.0
    """[kWh]"""
    percentage_for_sale: float = 0.0
    """0 to 100. [%]"""
    required_energy_amount: float = 0.0
    """[kWh]"""
    termination_code: int = 0
    remaining_battery_energy: float = 0.0
    """[kWh]"""
    battery_health_status_code: int = 0
    battery_voltage: float = 0.0
    """[V]"""
    discharge_rate: float = 0.0
    """[kW]"""


FIELDS: Final = Message._fields
LAYOUT: Final = struct.Struct("<BQQBdddddBdBdd")
OFFSETS: Final = tuple(
    struct.calcsize("<" + LAYOUT.format[1 : 1 + place]) for place in range(len(FIELDS))
)
"""Where each field begins. [bytes]"""
IS_INTEGER: Final = tuple(code in "BQ" for code in LAYOUT.format[1:])
"""Of each field: whether it is a whole number."""

_pack, _unpack, _new = LAYOUT.pack, LAYOUT.unpack, tuple.__new__


# --- making ----------------------------------------------------------------------------------


def register(message_id: int, device_id: int) -> Message:
    """Return what a device says when it comes."""
    return Message(Kind.REGISTER, message_id, device_id)


def query(message_id: int, device_id: int) -> Message:
    """Return the question what a battery has for sale."""
    return Message(Kind.QUERY, message_id, device_id)


def query_response(
    message_id: int, device_id: int, energy_total: float, percentage_for_sale: float
) -> Message:
    """Return what a battery holds [kWh], and the share of it that is for sale. [%]"""
    return Message(
        Kind.QUERY_RESPONSE, message_id, device_id,
        energy_total=energy_total, percentage_for_sale=percentage_for_sale,
    )  # fmt: skip


def bid(message_id: int, device_id: int, bid_price: float, energy: float) -> Message:
    """Return a bid for energy [kWh] at a price. [¢/kWh]"""
    return Message(
        Kind.BID, message_id, device_id, bid_price=bid_price, required_energy_amount=energy
    )


def bid_accept(message_id: int, device_id: int, sale_price: float, energy: float) -> Message:
    """Return the promise of energy [kWh] at a price [¢/kWh], until it is confirmed or expires."""
    return Message(
        Kind.BID_ACCEPT, message_id, device_id, sale_price=sale_price, required_energy_amount=energy
    )


def bid_confirm(message_id: int, device_id: int, sale_price: float, energy: float) -> Message:
    """Return the confirmation of what was accepted."""
    return Message(
        Kind.BID_CONFIRM, message_id, device_id,
        sale_price=sale_price, required_energy_amount=energy,
    )  # fmt: skip


def bid_reject(message_id: int, device_id: int, code: int) -> Message:
    """Return the refusal of a bid, with its reason."""
    return Message(Kind.BID_REJECT, message_id, device_id, termination_code=code)


def terminate(message_id: int, device_id: int, code: int = TerminateCode.NORMAL) -> Message:
    """Return the end of an auction."""
    return Message(Kind.TERMINATE, message_id, device_id, termination_code=code)


def device_failure(message_id: int, device_id: int, code: int) -> Message:
    """Return the news that a device failed."""
    return Message(Kind.DEVICE_FAILURE, message_id, device_id, termination_code=code)


def bess_status(
    message_id: int, device_id: int, energy: float, health: int, voltage: float, rate: float
) -> Message:
    """Return how a battery is: energy left [kWh], health, voltage [V], discharge rate. [kW]"""
    return Message(
        Kind.BESS_STATUS, message_id, device_id, remaining_battery_energy=energy,
        battery_health_status_code=health, battery_voltage=voltage, discharge_rate=rate,
    )  # fmt: skip


def hopped(message: Message) -> Message:
    """Return a message after one hop: its time to live less by one, and never below zero."""
    return message._replace(ttl=max(0, message.ttl - 1))


# --- bytes -----------------------------------------------------------------------------------


def encode(message: Message) -> bytes:
    """Return the 84 bytes of a message.

    Raises
    ------
    BadMessage
        If a field does not fit its place on the wire; names the field.
    """
    try:
        return _pack(*message)
    except (struct.error, TypeError, OverflowError) as error:
        raise _unfit(message) from error


def decode(data: bytes | bytearray | memoryview) -> Message:
    """Return the message that bytes are, checked.

    In this order: the size, the type, the time to live, amounts below zero, percentages above a
    hundred, numbers that are none. A negative price is a message: to refuse it is business.

    Raises
    ------
    BadMessage
        If they are not exactly 84 bytes, or a field cannot be.
    """
    try:
        fields = _unpack(data)
    except struct.error as error:
        raise BadMessage(
            Amiss.SIZE, f"{len(data)} bytes are no message; a message has {SIZE}"
        ) from error
    kind, _, _, ttl, bid, sale, total, percent, required, _, remaining, _, volts, rate = fields
    every = bid + sale + total + percent + required + remaining + volts + rate
    if (
        kind > 9  # noqa: PLR2004 - the last type
        or not ttl
        # A sum that is not finite has a part that is not, or parts beyond all measure.
        or every - every != 0.0
        or total < 0
        or percent < 0
        or required < 0
        or remaining < 0
        or percent > 100  # noqa: PLR2004 - per cent
    ):
        check(Message._make(fields))
    return _new(Message, fields)


def check(message: Message) -> None:
    """Do nothing if the fields of a message can be.

    Raises
    ------
    BadMessage
        If one cannot; names it, and what would be right.
    """
    if not 0 <= message.message_type <= max(Kind):
        what = f"message_type is {_shown(message.message_type)}, of 0 to {max(Kind)}"
        raise BadMessage(Amiss.TYPE, what)
    if message.ttl <= 0:
        what = f"ttl is {_shown(message.ttl)}: the message has expired on its way"
        raise BadMessage(Amiss.TTL, what)
    for name in AMOUNTS:
        if getattr(message, name) < 0:
            what = f"{name} is negative: {_shown(getattr(message, name))}"
            raise BadMessage(Amiss.NEGATIVE, what)
    if message.percentage_for_sale > 100:  # noqa: PLR2004 - per cent
        what = f"percentage_for_sale is {_shown(message.percentage_for_sale)}, of 0 to 100"
        raise BadMessage(Amiss.PERCENTAGE, what)
    for name, value in zip(FIELDS, message, strict=True):
        # Zero, unless it is infinite or no number.
        if value - value != 0:
            raise BadMessage(Amiss.NOT_FINITE, f"{name} is {_shown(value)}; a number is wanted")


AMOUNTS: Final = (
    "energy_total", "percentage_for_sale", "required_energy_amount", "remaining_battery_energy"
)  # fmt: skip
"""What is never below zero."""


def _unfit(message: Iterable[object]) -> BadMessage:
    """Return which field does not fit its place."""
    for name, value, code in zip(FIELDS, message, LAYOUT.format[1:], strict=False):
        try:
            struct.pack("<" + code, value)
        except (struct.error, TypeError, OverflowError):
            range_ = {"B": "0 to 255", "Q": "0 to 2^64 - 1", "d": "a number"}[code]
            return BadMessage(Amiss.RANGE, f"{name} is {_shown(value)}; {range_} is wanted")
    return BadMessage(Amiss.RANGE, f"a message has {len(FIELDS)} fields")


def _shown(value: object) -> str:
    """Return a value as it is told: never long, whatever was sent."""
    if isinstance(value, int) and value.bit_length() > SHOWN_BITS_MAX:
        return f"a number of {value.bit_length():,} bits"
    text = repr(value)
    if isinstance(value, float):
        return text.removesuffix(".0")
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"


# --- the text of the first prototype ---------------------------------------------------------


def to_text(message: Message) -> bytes:
    """Return the text form: fourteen values between single spaces, numbers with two decimals.

    Raises
    ------
    BadMessage
        If a field does not fit its place on the wire; names the field.
    """
    return TEXT % _unpack(encode(message))


TEXT: Final = b" ".join(b"%d" if is_integer else b"%.2f" for is_integer in IS_INTEGER)
"""As the Go prototype writes it with ``%d`` and ``%0.2f``; nothing ends it."""


def from_text(data: bytes) -> Message:
    """Return the message that a text is, checked as `decode` does.

    Raises
    ------
    BadMessage
        If it is none; names the field.
    """
    if len(data) > TEXT_BYTES_MAX:
        raise BadMessage(Amiss.SIZE, f"{len(data)} bytes of text; {TEXT_BYTES_MAX} are the most")
    words = data.split(b" ")
    if len(words) != len(FIELDS):
        raise BadMessage(
            Amiss.TEXT, f"{len(words)} values between single spaces; {len(FIELDS)} are wanted"
        )
    message = Message._make(
        _number(name, word, is_integer=is_integer)
        for name, word, is_integer in zip(FIELDS, words, IS_INTEGER, strict=True)
    )
    check(message)
    encode(message)
    return message


def _number(name: str, word: bytes, *, is_integer: bool) -> int | float:
    """Return the value of a word."""
    try:
        # Python would take spaces around a number, and underscores in it.
        if b"_" not in word and word.strip() == word:
            return int(word) if is_integer else float(word)
    except ValueError:
        pass
    wanted = "a whole number" if is_integer else "a number"
    raise BadMessage(Amiss.TEXT, f"{name} is {_shown(word)}; {wanted} is wanted")
