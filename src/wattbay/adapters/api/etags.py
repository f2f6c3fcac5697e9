"""Which version of a thing somebody holds: it is not sent twice, and not changed unseen."""

from __future__ import annotations

from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response

from wattbay.adapters.api.problems import Problem

TAG_CHARACTERS = 32


def etag_of(body: bytes) -> str:
    """Return the tag of a body: a share of its SHA-256, quoted."""
    return f'"{sha256(body).hexdigest()[:TAG_CHARACTERS]}"'


def _names(header: str, tag: str) -> bool:
    """Tell whether a list of tags names one, weakly or strongly."""
    named = {part.strip().removeprefix("W/") for part in header.split(",")}
    return tag in named or "*" in named


def tagged(request: Request, response: Response) -> Response:
    """Return an answer with its tag; 304 without a body where the caller holds it already."""
    tag = etag_of(bytes(response.body))
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
    if _names(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return response


def must_match(request: Request, body: bytes) -> None:
    """Make sure that a change is made to the version that its author saw.

    Parameters
    ----------
    body
        What a GET of the thing answers now.

    Raises
    ------
    Problem
        412 if it was changed since, 428 if no version is named.
    """
    header = request.headers.get("if-match")
    if header is None:
        detail = "send If-Match with the ETag of the version that you saw"
        raise Problem(428, "version-wanted", detail)
    if not _names(header, etag_of(body)):
        detail = "it was changed since: GET it again, and change that"
        raise Problem(412, "version-passed", detail, headers={"ETag": etag_of(body)})
