"""The OpenAPI document: from operations as they are offered, and from the types they speak of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

import msgspec
from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from wattbay.adapters.api.callers import SESSION_COOKIE
from wattbay.adapters.api.problems import PROBLEM_JSON, ProblemTold
from wattbay.adapters.api.repeats import HEADER, KEY_PATTERN
from wattbay.adapters.api.sections import Operation, Section

Json = dict[str, Any]

TITLE: Final = "Wattbay"
ABOUT: Final = """\
A local energy market: orders, meters, receipts.

**Units.** Energies are whole watt-hours (`_wh`), prices whole nano-currency per Wh
(`_nano_per_wh`: 10,000 are one cent or penny per kWh), money whole nano-currency (`_nano`); where
people read, a decimal text stands beside. Positive money is to be paid, positive energy flows into
the grid. Instants are RFC 3339 in UTC; `local` is the community's own time.

**Who may what.** Send a token (`Authorization: Bearer`), an API key (`X-API-Key`), or the session
cookie of our own pages. Each login sees what belongs to its parties, and what is the same for all.

**Twice is once.** What makes or changes something hears an `Idempotency-Key`. **Problems** are
`application/problem+json`: 422 is a fault of form, 409 a refusal of the market with its `reason`.
**Lists** come newest first; `next` is the path of the next page.
"""
EVERYWHERE: Final = (401, 403, 429, 500, 503)
_REF: Final = "#/components/schemas/{name}"
_SCHEMES: Final[Mapping[str, Json]] = MappingProxyType(
    {
        "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        "session": {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE},
    }
)


def document(routes: Sequence[BaseRoute], sections: Sequence[Section], version: str) -> Json:
    """Return the OpenAPI document of sections and their routes."""
    operations = [one for section in sections for one in section.operations]
    made = get_openapi(
        title=TITLE,
        version=version,
        description=ABOUT,
        routes=routes,
        tags=[
            {"name": tag, "description": about}
            for tag, about in {one.tag: one.about for one in sections}.items()
        ],
    )
    types = _types(operations)
    refs, components = _as_json_schema(msgspec.json.schema_components(types, ref_template=_REF))
    schemas = dict(zip(map(_key, types), refs, strict=True))
    paths = made["paths"]
    for one in operations:
        _complete(paths[one.path][one.method.lower()], one, schemas)
    made["components"] = {
        "schemas": {**_kept_schemas(made), **components},
        "securitySchemes": dict(_SCHEMES),
    }
    return made


def _types(operations: Iterable[Operation]) -> list[object]:
    found: dict[str, object] = {_key(ProblemTold): ProblemTold}
    for one in operations:
        for kind in (one.body, one.answer, one.fault):
            if kind is not None:
                found[_key(kind)] = kind
    return list(found.values())


def _key(kind: object) -> str:
    return repr(kind)


def _as_json_schema(schemas: tuple[Any, Any]) -> tuple[list[Json], Json]:
    """Return schemas with patterns that end as JSON Schema has it; see `forms.whole`."""
    told = msgspec.json.encode(schemas).replace(rb'\\Z"', b'$"')
    return msgspec.json.decode(told, type=tuple[list[Json], Json])


def _kept_schemas(made: Json) -> Json:
    """Return the schemas of pydantic that are still spoken of: those of its faults are not."""
    schemas: Json = made.get("components", {}).get("schemas", {})
    gone = {"HTTPValidationError", "ValidationError"}
    return {name: schema for name, schema in schemas.items() if name not in gone}


def _complete(told: Json, one: Operation, schemas: Json) -> None:
    """Add to an operation what FastAPI cannot know of it."""
    if one.body is not None:
        content: Json = {"schema": schemas[_key(one.body)]}
        if one.sends is not None:
            content["example"] = _plain(one.sends)
        told["requestBody"] = {"required": True, "content": {"application/json": content}}
    told["responses"] = {
        **_answers(one, schemas),
        **_problems(one, told.get("parameters", []), schemas),
    }
    parameters = told.setdefault("parameters", [])
    if one.is_repeatable:
        parameters.append(
            _header(HEADER, "Sent again with it, the request happens once.", KEY_PATTERN)
        )
    if one.is_conditional:
        about = "ETag of the version that is changed."
        parameters.append({**_header("If-Match", about, None), "required": True})
    if one.is_tagged:
        parameters.append(_header("If-None-Match", "ETag of the version that you hold.", None))
    if not parameters:
        del told["parameters"]
    told["security"] = [] if one.is_public else [{"token": []}, {"key": []}, {"session": []}]
    if one.is_open_here:
        told["security"].insert(0, {})
    if one.needs:
        wanted = " or ".join(f"`{permission.value}`" for permission in one.needs)
        told["description"] = f"{told['description']}\n\nNeeds {wanted}."


def _answers(one: Operation, schemas: Json) -> Json:
    content: Json = {}
    if one.answer is not None:
        content["application/json"] = {"schema": schemas[_key(one.answer)]}
        if one.gives is not None:
            content["application/json"]["example"] = _plain(one.gives)
    for media, example in (one.media or {}).items():
        content[media] = {"schema": {"type": "string"}, "example": example}
    told: Json = {"description": HTTPStatus(one.status).phrase}
    if content:
        told["content"] = content
    answers = {str(one.status): told}
    if one.is_tagged:
        answers["304"] = {"description": "You hold this version already"}
    return answers


def _problems(one: Operation, parameters: Sequence[Json], schemas: Json) -> Json:
    statuses = {*EVERYWHERE, *one.refuses}
    if one.is_public:
        statuses -= {401, 403}
        statuses |= {*one.refuses}
    if any(parameter["name"] == "cursor" for parameter in parameters):
        statuses.add(404)
    if parameters or one.body is not None or one.is_repeatable:
        statuses.add(422)
    if one.body is not None:
        statuses |= {413, 415}
    if one.is_repeatable:
        statuses.add(409)
    if one.is_conditional:
        statuses |= {412, 428}
    content = {PROBLEM_JSON: {"schema": schemas[_key(ProblemTold)]}}
    if one.fault is not None:
        content["application/json"] = {"schema": schemas[_key(one.fault)]}
    return {
        str(status): {"description": HTTPStatus(status).phrase, "content": content}
        for status in sorted(statuses)
    }


def _header(name: str, about: str, pattern: str | None) -> Json:
    schema: Json = {"type": "string"} if pattern is None else {"type": "string", "pattern": pattern}
    return {"name": name, "in": "header", "required": False, "description": about, "schema": schema}


def _plain(example: object) -> object:
    """Return an example as JSON has it."""
    return msgspec.to_builtins(example, enc_hook=_unfrozen)


def _unfrozen(value: Mapping[str, object]) -> dict[str, object]:
    """Return a mapping that nobody can change as one that can be written."""
    return dict(value)
