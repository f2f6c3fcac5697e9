"""The document offers EnergyNet's twelve endpoints, each with examples that hold."""

from __future__ import annotations

import json

import msgspec
import pytest

from tests.api_node import a_node
from tests.energynet_calls import call
from wattbay.adapters.api import elecbay, energynet
from wattbay.adapters.api.sections import Operation

TWELVE = {
    ("POST", "/api/v1/trades/offer"),
    ("GET", "/api/v1/trades/available"),
    ("PUT", "/api/v1/trades/execute"),
    ("GET", "/api/v1/trades/history"),
    ("GET", "/api/v1/production/current"),
    ("POST", "/api/v1/production/forecast"),
    ("GET", "/api/v1/production/history"),
    ("GET", "/api/v1/production/analytics"),
    ("GET", "/api/v1/grid/status"),
    ("POST", "/api/v1/grid/balance"),
    ("PUT", "/api/v1/grid/demand"),
    ("GET", "/api/v1/grid/stability"),
}
OPERATIONS = [one for section in energynet.sections for one in section.operations]
ALL = [*OPERATIONS, *elecbay.section.operations]


def test_the_twelve_endpoints_are_offered_and_no_other() -> None:
    assert {(one.method, one.path) for one in OPERATIONS} == TWELVE


@pytest.mark.parametrize("operation", ALL, ids=lambda one: one.name)
def test_examples_are_of_the_kind_that_they_show(operation: Operation) -> None:
    for kind, example in ((operation.body, operation.sends), (operation.answer, operation.gives)):
        assert (kind is None) == (example is None)
        if kind is not None:
            plain = msgspec.to_builtins(example)
            assert msgspec.to_builtins(msgspec.convert(plain, kind)) == plain


def test_the_document_shows_the_examples() -> None:
    document = call(a_node(), "GET", "/openapi.json", None).json()
    for operation in OPERATIONS:
        told = document["paths"][operation.path][operation.method.lower()]
        content = told["responses"][str(operation.status)]["content"]["application/json"]
        assert content["example"] == json.loads(msgspec.json.encode(operation.gives))


def test_the_trade_model_bears_the_fields_of_its_documents() -> None:
    document = call(a_node(), "GET", "/openapi.json", None).json()
    schemas = document["components"]["schemas"]
    fields = {
        "tradeId",
        "seller",
        "buyer",
        "amount",
        "price",
        "timestamp",
        "status",
        "gridMetrics",
    }
    assert fields <= set(schemas["TradeTold"]["properties"])
    assert {"frequency", "voltage", "stability"} == set(schemas["GridMetrics"]["properties"])
