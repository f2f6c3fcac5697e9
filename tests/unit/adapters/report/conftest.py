"""Made-up runs that several tests read; made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.made_run import MadeRun, make_run


@pytest.fixture(scope="session")
def week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A week of sixty homes."""
    return make_run(tmp_path_factory.mktemp("week") / "run")


@pytest.fixture(scope="session")
def three_weeks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run long enough to be told by days."""
    made = MadeRun(homes=6, days=21)
    return make_run(tmp_path_factory.mktemp("long") / "run", made)
