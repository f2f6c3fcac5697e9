"""How our values are written on this wire: texts, whole numbers, and the patterns they keep to."""

from __future__ import annotations

from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from fastapi import Depends, Path, Query

from wattbay.periods import Calendar, Instant, from_datetime, to_text
from wattbay.units import NANO, SAFE_INTEGER_MAX

ID_PATTERN: Final = r"^[A-Za-z0-9_\-]{1,64}$"
INSTANT_PATTERN: Final = (
    r"^(?:20[0-9]{2}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    r"|20(?:[02468][048]|[13579][26])-02-29)"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?"
    r"(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])$"
)
"""RFC 3339 of this century, with an offset; days that are, leap years included."""
MONTH_PATTERN: Final = r"^20[0-9]{2}-(?:0[1-9]|1[0-2])$"
MONEY_PATTERN: Final = r"^-?[0-9]+\.[0-9]{2,9}$"
WORDS_PATTERN: Final = r"^[^\x00-\x1f\x7f]*$"
REASON_CHARACTERS_MAX: Final = 200
MINOR_DECIMALS: Final = 2
ORDER_MAX: Final = SAFE_INTEGER_MAX


def whole(pattern: str, **more: Any) -> msgspec.Meta:  # noqa: ANN401 - what `Meta` takes
    """Return that a text keeps to a pattern to its very end: `$` lets a newline follow in Python.

    The document says it with `$`, as JSON Schema has it.
    """
    return msgspec.Meta(pattern=pattern.removesuffix("$") + r"\Z", **more)


_IDENTIFIER = whole(ID_PATTERN, description="1 to 64 letters, digits, _ or -.")
Id = Annotated[str, _IDENTIFIER]
"""An identifier of ours."""
InstantText = Annotated[
    str,
    whole(
        INSTANT_PATTERN,
        description="An instant, RFC 3339 with an offset.",
        examples=["2026-05-01T12:00Z"],
    ),
]
"""An instant as somebody sends it."""
Number = Annotated[int, msgspec.Meta(ge=-SAFE_INTEGER_MAX, le=SAFE_INTEGER_MAX)]
"""A whole number that every reader of JSON holds exactly."""
Amount = Annotated[int, msgspec.Meta(ge=0, le=SAFE_INTEGER_MAX)]
"""One that is not negative."""
Positive = Annotated[int, msgspec.Meta(ge=1, le=SAFE_INTEGER_MAX)]
"""One that is at least 1."""
Words = Annotated[str, whole(WORDS_PATTERN, max_length=REASON_CHARACTERS_MAX)]
"""A line of text."""
MoneyText = Annotated[str, whole(MONEY_PATTERN, examples=["0.1234"])]
"""Money as people read it, exactly, in the community's currency."""

# --- paths and queries -----------------------------------------------------------------------

_id: Any = MappingProxyType({"pattern": ID_PATTERN})
_when: Any = MappingProxyType({"pattern": INSTANT_PATTERN, "examples": ["2026-05-01T12:00Z"]})
PodPath = Annotated[str, Path(**_id, description="A point of delivery.", examples=["h01"])]
PartyPath = Annotated[str, Path(**_id, description="A party.", examples=["p01"])]
ProductPath = Annotated[str, Path(**_id, description="A product.", examples=["halfhour"])]
TariffPath = Annotated[str, Path(**_id, description="A tariff.", examples=["flat"])]
DevicePath = Annotated[str, Path(**_id, description="A device or meter.", examples=["m-h01"])]
DeliveryPath = Annotated[str, Path(**_when, description="Start of a delivery.")]
LoginPath = Annotated[str, Path(**_id, description="A login.", examples=["p01"])]
LoginQuery = Annotated[str | None, Query(**_id, description="Of this login alone.")]
NumberPath = Annotated[int, Path(ge=1, le=SAFE_INTEGER_MAX, description="Its number.")]
MonthPath = Annotated[
    str, Path(pattern=MONTH_PATTERN, description="A local month.", examples=["2026-05"])
]
PodQuery = Annotated[str | None, Query(**_id, description="Of this pod alone.")]
PartyQuery = Annotated[str | None, Query(**_id, description="Of this party alone.")]
ProductQuery = Annotated[str | None, Query(**_id, description="Of this product alone.")]
DeviceQuery = Annotated[str | None, Query(**_id, description="Of this device alone.")]
BrpQuery = Annotated[
    str | None, Query(**_id, description="Of this balance responsible party alone.")
]
TariffQuery = Annotated[str | None, Query(**_id, description="Of this tariff alone.")]
DeliveryQuery = Annotated[str | None, Query(**_when, description="Of this delivery alone.")]
SinceQuery = Annotated[str | None, Query(**_when, description="From this instant on.")]
UntilQuery = Annotated[str | None, Query(**_when, description="Before this instant.")]


def instant_of(text: str) -> Instant:
    """Return the instant of a text that keeps to `INSTANT_PATTERN`."""
    return from_datetime(datetime.fromisoformat(text))


def maybe_instant(text: str | None) -> Instant | None:
    """Return the instant of a text, if there is one."""
    return None if text is None else instant_of(text)


def maybe_text(at: Instant | None) -> str | None:
    """Return the text of an instant, if there is one."""
    return None if at is None else to_text(at)


def local_text(calendar: Calendar, at: Instant) -> str:
    """Return the community's own time of an instant, with its offset."""
    return calendar.local(at).isoformat()


def money_text(amount_nano: int) -> str:
    """Return an amount as people read it: exactly, with two decimals or more, and never -0."""
    whole, rest = divmod(abs(amount_nano), NANO)
    decimals = f"{rest:09d}".rstrip("0").ljust(MINOR_DECIMALS, "0")
    return f"{'-' if amount_nano < 0 else ''}{whole}.{decimals}"


class Span(NamedTuple):
    """From when until when, half-open; None for ever."""

    since: Instant | None
    until: Instant | None


async def spanning(since: SinceQuery = None, until: UntilQuery = None) -> Span:
    """Return what a query says, as a dependency."""
    return Span(maybe_instant(since), maybe_instant(until))


Spanned = Annotated[Span, Depends(spanning)]
