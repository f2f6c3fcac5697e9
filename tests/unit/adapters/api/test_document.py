"""The OpenAPI document: it teaches, its examples are true, and it says what is answered."""

from __future__ import annotations

import re
from typing import Any

import jsonschema_rs
import pytest

from tests.api_node import a_node
from tests.house.tree import ROOT
from wattbay.adapters.api.offered import sections
from wattbay.adapters.api.problems import PROBLEM_JSON

JSON = "application/json"
Operation = tuple[str, str, dict[str, Any]]


def the_document() -> dict[str, Any]:
    found: dict[str, Any] = a_node().call(None, "GET", "/openapi.json").json()
    return found


DOCUMENT = the_document()
OPERATIONS: list[Operation] = [
    (method, path, told)
    for path, operations in DOCUMENT["paths"].items()
    for method, told in operations.items()
]
NAMES = [told["operationId"] for _, _, told in OPERATIONS]


def check(example: object, schema: dict[str, Any]) -> None:
    """Hold an example to a schema of the document."""
    whole = {**schema, "components": DOCUMENT["components"]}
    jsonschema_rs.Draft202012Validator(whole).validate(example)


def test_the_document_is_of_its_version_and_names_each_operation_once() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    assert len(NAMES) == len({*NAMES})
    assert len(NAMES) == sum(len(section.operations) for section in sections())
    assert {*DOCUMENT["components"]["securitySchemes"]} == {"token", "key", "session"}


@pytest.mark.parametrize(("method", "path", "told"), OPERATIONS, ids=NAMES)
def test_an_operation_teaches(method: str, path: str, told: dict[str, Any]) -> None:
    assert told["summary"]
    assert told["description"]
    tags = {tag["name"]: tag["description"] for tag in DOCUMENT["tags"]}
    assert tags[told["tags"][0]]
    for parameter in told.get("parameters", []):
        assert parameter["description"], parameter["name"]
        assert {*re.findall(r"\{(\w+)\}", path)} >= (
            {parameter["name"]} if parameter["in"] == "path" else set()
        )
    is_read = method == "get"
    assert ("requestBody" not in told) or not is_read


OURS = [one for one in OPERATIONS if one[2]["tags"] != ["open-elecbay"]]
"""All but those whose contract tells faults in a form of its own."""


@pytest.mark.parametrize(
    ("method", "path", "told"), OURS, ids=[told["operationId"] for _, _, told in OURS]
)
def test_every_problem_is_told_as_one(method: str, path: str, told: dict[str, Any]) -> None:
    del method, path
    for status, answer in told["responses"].items():
        if status >= "400":
            assert {*answer["content"]} == {PROBLEM_JSON}
            assert answer["content"][PROBLEM_JSON]["schema"]["$ref"].endswith("/ProblemTold")
    assert {"429", "500", "503"} <= {*told["responses"]}
    if told["security"] and {} not in told["security"]:
        assert {"401", "403"} <= {*told["responses"]}


@pytest.mark.parametrize(("method", "path", "told"), OPERATIONS, ids=NAMES)
def test_examples_are_what_the_schemas_say(method: str, path: str, told: dict[str, Any]) -> None:
    del method, path
    body = told.get("requestBody", {}).get("content", {}).get(JSON)
    if body is not None:
        check(body["example"], body["schema"])
    for status, answer in told["responses"].items():
        content = answer.get("content", {}).get(JSON)
        if status < "400" and content is not None and "$ref" in str(content["schema"]):
            check(content["example"], content["schema"])


def test_numbers_of_ours_fit_every_reader_of_json() -> None:
    order = DOCUMENT["components"]["schemas"]["NewOrder"]["properties"]
    assert order["quantity_wh"]["maximum"] == 2**53 - 1
    assert order["delivery"]["pattern"].startswith("^")
    assert DOCUMENT["components"]["schemas"]["NewOrder"]["additionalProperties"] is False


def test_no_schema_of_a_fault_that_is_not_told_is_left() -> None:
    assert "HTTPValidationError" not in DOCUMENT["components"]["schemas"]
    assert "422" not in next(
        told["responses"] for _, path, told in OPERATIONS if path == "/api/v1/products"
    )


def test_the_reference_names_what_is_offered_and_nothing_else() -> None:
    page = (ROOT / "docs" / "reference" / "rest.md").read_text(encoding="utf-8")
    named = {*re.findall(r"^\| `([A-Z]+ /\S*)` \|", page, re.MULTILINE)}
    offered = {
        f"{method.upper()} {path}"
        for method, path, told in OPERATIONS
        if not told["tags"][0].startswith(("EnergyNet", "open-elecbay"))
    }
    assert named == offered
