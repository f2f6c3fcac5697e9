"""What the interface offers, told once: for the one who is called and for the OpenAPI document.

A section holds operations of one subject. Bodies and answers are msgspec Structs: their fields,
bounds and docstrings are the schemas. Paths and queries are FastAPI's own parameters. An endpoint
begins with who is calling (`wattbay.adapters.api.callers`), reads its body (`answers.read`) and
ends in an answer (`answers.answer`) or a `Problem`. `wattbay.adapters.api.offered` lists sections.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.responses import Response
from starlette.routing import BaseRoute

from wattbay.access.roles import Permission

PREFIX = "/api/v1"

Endpoint = TypeVar("Endpoint", bound=Callable[..., Awaitable[Response]])
Socket = TypeVar("Socket", bound=Callable[..., Awaitable[None]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What is told of an operation besides its parameters."""

    method: str
    path: str
    tag: str
    name: str
    """Its operationId."""
    needs: tuple[Permission, ...] = ()
    """One of these the caller must have; none where anybody who is known may."""
    is_public: bool = False
    """Whether nobody need say who they are."""
    is_open_here: bool = False
    """Whether nobody need, who calls from the machine itself."""
    body: object = None
    """The type of what is sent."""
    sends: object = None
    """An example of it."""
    answer: object = None
    """The type of what comes back, as JSON."""
    gives: object = None
    """An example of it."""
    media: Mapping[str, str] | None = None
    """Other forms in which it comes back: media type and an example."""
    status: int = 200
    refuses: tuple[int, ...] = ()
    """Problems besides those that every operation may have."""
    fault: object = None
    """The type of what is answered instead of a problem, as JSON; None where problems are."""
    is_repeatable: bool = False
    """Whether an Idempotency-Key is heard."""
    is_conditional: bool = False
    """Whether If-Match must say which version is changed."""
    is_tagged: bool = False
    """Whether it bears an ETag, and If-None-Match is heard."""


class Section:
    """Operations of one subject."""

    def __init__(self, tag: str, about: str, prefix: str = PREFIX) -> None:
        """Begin without operations.

        Parameters
        ----------
        about
            What the subject is, in a sentence or two: it heads the section in the document.
        """
        self.tag = tag
        self.about = about
        self._prefix = prefix
        self._offered: list[tuple[Operation, Callable[..., Any]]] = []
        self._sockets: list[tuple[str, Callable[..., Any]]] = []

    @property
    def operations(self) -> list[Operation]:
        """Return what is told of each operation."""
        return [operation for operation, _ in self._offered]

    def get(self, path: str, **told: Any) -> Callable[[Endpoint], Endpoint]:  # noqa: ANN401 - fields of `Operation`
        """Offer to read."""
        return self.offer("GET", path, **told)

    def post(self, path: str, **told: Any) -> Callable[[Endpoint], Endpoint]:  # noqa: ANN401 - likewise
        """Offer to make."""
        return self.offer("POST", path, **told)

    def put(self, path: str, **told: Any) -> Callable[[Endpoint], Endpoint]:  # noqa: ANN401 - likewise
        """Offer to set."""
        return self.offer("PUT", path, **told)

    def patch(self, path: str, **told: Any) -> Callable[[Endpoint], Endpoint]:  # noqa: ANN401 - likewise
        """Offer to change."""
        return self.offer("PATCH", path, **told)

    def delete(self, path: str, **told: Any) -> Callable[[Endpoint], Endpoint]:  # noqa: ANN401 - likewise
        """Offer to end."""
        return self.offer("DELETE", path, **told)

    def offer(self, method: str, path: str, **told: Any) -> Callable[[Endpoint], Endpoint]:  # noqa: ANN401 - likewise
        """Offer an operation; its name, summary and description are the function's."""

        def keep(endpoint: Endpoint) -> Endpoint:
            operation = Operation(
                method=method,
                path=self._prefix + path,
                tag=self.tag,
                name=endpoint.__name__,
                **told,
            )
            self._offered.append((operation, endpoint))
            return endpoint

        return keep

    def socket(self, path: str) -> Callable[[Socket], Socket]:
        """Offer a WebSocket."""

        def keep(endpoint: Socket) -> Socket:
            self._sockets.append((self._prefix + path, endpoint))
            return endpoint

        return keep

    def routes(self) -> Iterator[BaseRoute]:
        """Yield the route of each operation and WebSocket."""
        for operation, endpoint in self._offered:
            text = inspect.cleandoc(endpoint.__doc__ or "")
            summary, _, description = text.partition("\n")
            yield APIRoute(
                operation.path,
                endpoint,
                methods=[operation.method],
                tags=[operation.tag],
                operation_id=operation.name,
                summary=summary.rstrip("."),
                description=description.strip() or summary,
                status_code=operation.status,
                response_class=Response,
                response_model=None,
            )
        for path, endpoint in self._sockets:
            yield APIWebSocketRoute(path, endpoint)
