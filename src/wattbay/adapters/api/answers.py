"""Bytes to bodies and answers to bytes: strict on the way in, one form on the way out."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from wattbay.adapters.api.etags import tagged
from wattbay.adapters.api.problems import Flaw, Problem

Body = TypeVar("Body")

_encoder = msgspec.json.Encoder()
_DECODERS_MAX = 256
DIGITS_MAX = 18
"""Of a whole number that is written with a point or an exponent; we know none that has more."""
_WHERE = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<where>[^`]*)`)?$", re.DOTALL)
_PART = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")


JSON = "application/json"


@lru_cache(maxsize=_DECODERS_MAX)
def _decoder(kind: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def encoded(value: object) -> bytes:
    """Return the bytes of an answer."""
    return _encoder.encode(value)


def answer(value: object, status: int = 200, *, entry: int | None = None) -> Response:
    """Return an answer.

    Parameters
    ----------
    entry
        The entry of the journal in which the command stands that it comes of.
    """
    headers = {} if entry is None else {"X-Journal-Entry": str(entry)}
    return Response(_encoder.encode(value), status, headers, JSON)


def settled(request: Request, value: object) -> Response:
    """Return an answer that bears a tag, and is not sent to who holds it already."""
    return tagged(request, answer(value))


async def read(request: Request, kind: type[Body]) -> Body:
    """Return the body of a request.

    Raises
    ------
    Problem
        415 if it is no JSON by its own words, 422 if it is not of the kind.
    """
    content = request.headers.get("content-type", "")
    if content != JSON and content.partition(";")[0].strip() != JSON:
        raise Problem(415, "not-json", "send JSON, and say so: Content-Type: application/json")
    return understood(await request.body(), kind)


def understood(body: bytes, kind: type[Body]) -> Body:
    """Return what a JSON text says.

    Raises
    ------
    Problem
        If it is not of the kind.
    """
    decoder = _decoder(cast("Hashable", kind))
    try:
        found: Body = decoder.decode(body)
    except msgspec.ValidationError as error:
        if "got `float`" in str(error) and (whole := _with_whole_numbers(body)) is not None:
            return understood(whole, kind)
        flaw = _flaw(str(error))
        raise Problem(422, "wrong-form", f"{flaw.pointer}: {flaw.detail}", (flaw,)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(422, "not-json", f"the body is no JSON: {error}") from error
    return found


def _with_whole_numbers(body: bytes) -> bytes | None:
    """Return a JSON text in which 304.0 is written 304, as JSON Schema has it; None if none is."""
    count = 0

    def number(text: str) -> int | float:
        nonlocal count
        exact = Decimal(text)
        if exact.adjusted() > DIGITS_MAX or exact != exact.to_integral_value():
            return float(text)
        count += 1
        return int(exact)

    try:
        plain = json.loads(body, parse_float=number)
    except (ValueError, RecursionError, ArithmeticError):
        return None
    return json.dumps(plain).encode() if count else None


def _flaw(text: str) -> Flaw:
    """Return where and what, of what msgspec says."""
    found = _WHERE.match(text)
    what = (text if found is None else found["what"]).replace(r"\\Z'", "$'")
    where = "" if found is None else found["where"] or ""
    parts = [name or place for name, place in _PART.findall(where)]
    return Flaw(pointer="".join(f"/{part}" for part in parts) or "/", detail=what)
