"""Whatever the OpenAPI document allows, and what it does not, is asked of the whole application.

Each role asks with a token of its own. What must hold: no fault of ours, only statuses and media
that the document tells of, bodies that keep to their schemas, nothing accepted that it forbids, and
nothing refused for its form that it allows.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, CheckFunction, GenerationMode, Response
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.servers import Account, Server, folder_of, free_port, is_open

EXAMPLES = 8
"""Of each operation and mode."""
MANY = 100
"""Operations there are at least."""
ROLES = ("p01", "boss", "fleet", "grid", "analyst", "")


@pytest.fixture(scope="module")
def service() -> Iterator[tuple[str, Path]]:
    """A service on which a day was lived: its address, and where its tokens are."""
    port = free_port()
    with folder_of(Account(None, None)) as folder:
        command = [sys.executable, "-m", "tests.live.api_service", str(port), str(folder)]
        server = Server(command, Account(None, None), folder / "out.log", lambda: is_open(port))
        server.start()
        yield f"http://127.0.0.1:{port}", folder
        server.stop()


def excluded(case: Case[Any], answer: Response) -> list[CheckFunction]:
    """Return the checks that an answer is not held to.

    That a version has passed, that a key is another request's, or that somebody calls too often is
    no fault of form; nor is it where fields of EnergyNet's messages want each other, which its
    schemas do not say.
    """
    is_energynet = any(tag.startswith("EnergyNet") for tag in case.operation.tags or ())
    is_reuse = answer.status_code == 422 and answer.json().get("reason") == "request_reused"
    is_free = is_energynet or is_reuse or answer.status_code in {412, 429}
    return [positive_data_acceptance] if is_free else []


def fault_of(
    operation: APIOperation[Any, Any, Any, Any],
    mode: GenerationMode,
    turns: Iterator[Mapping[str, str]],
) -> str | None:
    """Return what is found at an operation; None where nothing is."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def call(case: Case[Any]) -> None:
        headers = dict(next(turns))
        answer = case.call(headers=headers)
        checks = excluded(case, answer)
        case.validate_response(answer, excluded_checks=checks, headers=headers)

    try:
        with suppress(Unsatisfiable):  # What takes no input has none that is wrong.
            call()
    except FailureGroup as failure:
        return f"{operation.label}: {failure}"
    return None


def headers_of(role: str, folder: Path) -> Mapping[str, str]:
    """Return what a role shows; nothing of nobody."""
    if not role:
        return {}
    token = (folder / f"{role}.token").read_text(encoding="utf-8")
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_nothing_is_found(service: tuple[str, Path], mode: GenerationMode) -> None:
    address, folder = service
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    turns = itertools.cycle(headers_of(role, folder) for role in ROLES)
    found = []
    for each in schema.get_all_operations():
        assert isinstance(each, Ok), each
        found.append(fault_of(each.ok(), mode, turns))
    faults = [fault for fault in found if fault is not None]
    assert len(found) > MANY
    assert not faults, "\n\n".join(faults)
