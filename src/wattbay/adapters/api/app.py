"""The application: every section of the interface before one node."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache, partial
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

import msgspec
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from wattbay.access.denial import AccessDenied
from wattbay.access.records import PeopleError
from wattbay.adapters.api import offered
from wattbay.adapters.api.callers import denied, is_local, request_id_of
from wattbay.adapters.api.counts import Counts
from wattbay.adapters.api.document import TITLE, document
from wattbay.adapters.api.node import Node
from wattbay.adapters.api.problems import Flaw, Problem, tell
from wattbay.adapters.api.rates import Pace
from wattbay.adapters.api.repeats import Repeats
from wattbay.adapters.api.sections import Section
from wattbay.adapters.api.wire import Wire
from wattbay.errors import AdapterError, JournalError, WireError

_log: structlog.stdlib.BoundLogger = structlog.get_logger("wattbay.api")
_KINDS: Mapping[int, str] = MappingProxyType({404: "not-found", 405: "method-not-allowed"})


def create_app(
    node: Node,
    *,
    sections: Sequence[Section] | None = None,
    registry: CollectorRegistry | None = None,
) -> FastAPI:
    """Return the application of a node.

    Parameters
    ----------
    sections
        What is offered; everything, if nothing is named.
    registry
        Where its metrics are kept, beside those of other parts; one of its own, if none is given.
    """
    chosen = offered.sections() if sections is None else tuple(sections)
    app = FastAPI(
        title=TITLE,
        version=version("wattbay"),
        routes=list(_routes(chosen)),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.node = node
    app.state.counts = Counts(registry)
    app.state.pace = Pace(node.limits, node.wall)
    app.state.repeats = Repeats()
    app.state.document = partial(_document, chosen)
    for error, teller in _TELLERS:
        app.add_exception_handler(error, teller)
    app.add_middleware(Wire, node=node, counts=app.state.counts)
    return app


@lru_cache(maxsize=4)
def _routes(sections: tuple[Section, ...]) -> tuple[BaseRoute, ...]:
    """Return the routes of sections. They know no node: that is their application's."""
    return tuple(route for section in sections for route in section.routes())


@lru_cache(maxsize=4)
def _document(sections: tuple[Section, ...]) -> bytes:
    """Return the OpenAPI document of sections, which is long in the making."""
    return msgspec.json.encode(document(_routes(sections), sections, version("wattbay")))


# --- what is raised, as problems -------------------------------------------------------------

Teller = Callable[[Request, Any], Awaitable[Response]]


async def _problem(request: Request, error: Problem) -> Response:
    return tell(request, error)


async def _denied(request: Request, error: AccessDenied) -> Response:
    return tell(request, denied(error))


async def _people(request: Request, error: PeopleError) -> Response:
    return tell(request, Problem(409, "not-possible", str(error)))


async def _unwritable(request: Request, error: WireError) -> Response:
    return tell(request, Problem(422, "wrong-form", str(error)))


async def _stopped(request: Request, error: JournalError) -> Response:
    del error  # It says no more than that.
    detail = (
        "the exchange stopped before it could answer: what was asked may or may not be history;"
        " send it again with the same Idempotency-Key"
    )
    return tell(request, Problem(503, "stopped", detail, headers={"Retry-After": "2"}))


async def _outside(request: Request, error: AdapterError) -> Response:
    detail = str(error) if is_local(request) else "what this needs does not answer: come again"
    problem = Problem(503, "not-reachable", detail, headers={"Retry-After": "2"})
    _log.warning("not reachable", request_id=request_id_of(request), error=str(error))
    return tell(request, problem)


async def _http(request: Request, error: HTTPException) -> Response:
    kind = _KINDS.get(error.status_code, "refused")
    detail = str(error.detail)
    if error.status_code == 404:  # noqa: PLR2004 - a status
        detail = "nothing is offered under this path; /docs shows what is"
    elif error.headers is not None and "Allow" in error.headers:
        detail = f"this path hears {error.headers['Allow']}"
    problem = Problem(error.status_code, kind, detail, headers=error.headers)
    return tell(request, problem)


async def _form(request: Request, error: RequestValidationError) -> Response:
    flaws = tuple(
        Flaw(pointer="/".join(map(str, one["loc"])), detail=one["msg"]) for one in error.errors()
    )
    detail = "; ".join(f"{flaw.pointer}: {flaw.detail}" for flaw in flaws)
    return tell(request, Problem(422, "wrong-form", detail, flaws))


_TELLERS: tuple[tuple[type[Exception], Teller], ...] = (
    (Problem, _problem),
    (AccessDenied, _denied),
    (PeopleError, _people),
    (WireError, _unwritable),
    (JournalError, _stopped),
    (AdapterError, _outside),
    (HTTPException, _http),
    (RequestValidationError, _form),
)
