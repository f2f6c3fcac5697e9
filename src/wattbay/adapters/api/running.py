"""How the service is: alive, ready, counted; and the document of what it offers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Annotated, Final

import msgspec
from fastapi import Path
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from wattbay.access.roles import Permission
from wattbay.adapters.api.answers import JSON, answer
from wattbay.adapters.api.callers import caller, check, is_local, node_of
from wattbay.adapters.api.etags import tagged
from wattbay.adapters.api.problems import Flaw, Problem, not_found
from wattbay.adapters.api.sections import Section

running = Section("running", "How the service is, for whoever runs it.", prefix="")

DOCS_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
ASSETS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "docs.js": ("docs.js", "text/javascript"),
        "swagger-ui-bundle.js": ("vendor/swagger-ui-bundle.js", "text/javascript"),
        "swagger-ui.css": ("vendor/swagger-ui.css", "text/css"),
    }
)
"""What the page of the document loads: where it is, and what."""


class Alive(msgspec.Struct, frozen=True, kw_only=True):
    """The service answers."""

    status: str = "alive"


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """The service can do its work."""

    status: str = "ready"


@running.get("/healthz", is_public=True, answer=Alive, gives=Alive())
async def healthz() -> Response:
    """Tell that the service is alive.

    For whoever starts it again when it does not answer. It says nothing of broker or store.
    """
    return answer(Alive())


@running.get(
    "/readyz",
    is_public=True,
    answer=Ready,
    gives=Ready(),
    refuses=(503,),
)
async def readyz(request: Request) -> Response:
    """Tell whether the service can do its work.

    503 while something is amiss; the problem names the parts, and says on this machine alone what
    it is: words of a database tell where it is, and whose name it is asked in.
    """
    amiss = node_of(request).is_ready()
    if amiss:
        if not is_local(request):
            amiss = dict.fromkeys(amiss, "the service's own machine is told more")
        flaws = tuple(Flaw(pointer=part, detail=what) for part, what in amiss.items())
        detail = "; ".join(f"{flaw.pointer}: {flaw.detail}" for flaw in flaws)
        raise Problem(503, "not-ready", detail, flaws)
    return answer(Ready())


@running.get(
    "/metrics",
    media={"text/plain": "# HELP wattbay_http_requests_total Requests answered.\n"},
    needs=(Permission.READ_METRICS,),
    is_open_here=True,
)
async def metrics(request: Request) -> Response:
    """Count what the service did, for Prometheus.

    From the machine itself nobody need say who they are; from elsewhere, and through a proxy, it
    needs the permission.
    """
    if not is_local(request):
        check(request, caller(request), Permission.READ_METRICS)
    return Response(request.app.state.counts.text(), media_type=CONTENT_TYPE_LATEST)


@running.get("/openapi.json", is_public=True, is_tagged=True, media={"application/json": "{}"})
async def openapi(request: Request) -> Response:
    """Return the OpenAPI document of everything that is offered."""
    return tagged(request, Response(request.app.state.document(), media_type=JSON))


@running.get("/docs", is_public=True, media={"text/html": "<!doctype html>"})
async def docs() -> Response:
    """Show the document as a page in which everything can be tried."""
    headers = {"Content-Security-Policy": DOCS_POLICY, "Cache-Control": "no-cache"}
    return Response(_asset("docs.html"), media_type="text/html", headers=headers)


@running.get(
    "/docs/{asset}",
    is_public=True,
    is_tagged=True,
    refuses=(404,),
    media={"text/javascript": "", "text/css": ""},
)
async def docs_asset(
    request: Request,
    asset: Annotated[
        str, Path(pattern=r"^[a-z\-.]{1,64}$", description="A file.", examples=["docs.js"])
    ],
) -> Response:
    """Return what the page of the document loads."""
    if asset not in ASSETS:
        raise not_found("such file")
    path, media = ASSETS[asset]
    return tagged(request, Response(_asset(path), media_type=media))


@lru_cache(maxsize=8)
def _asset(path: str) -> bytes:
    return (files("wattbay.adapters.api") / "static" / path).read_bytes()
