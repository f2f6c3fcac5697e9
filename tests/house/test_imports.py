"""The contracts of imports hold, and each of them sees its breach."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import ROOT, SOURCE

# A file with one import too many, and the contract that must see it.
BREACHES = (
    pytest.param("units.py", "import wattbay.core.facts", "Floors", id="ground imports core"),
    pytest.param("core/facts.py", "import wattbay.kernel", "Floors", id="core imports kernel"),
    pytest.param("core/facts.py", "import time", "The core is pure", id="core asks the time"),
    pytest.param("periods.py", "import random", "The core is pure", id="ground draws by chance"),
    pytest.param(
        "adapters/mqtt/planted.py",
        "import wattbay.adapters.report",
        "Each wire stands alone",
        id="a wire knows a wire",
    ),
    pytest.param(
        "core/facts.py", "import wattbay.core.commands", "No circles", id="core in a circle"
    ),
    pytest.param(
        "forecasting/planted.py",
        "import wattbay.core.facts",
        "Advisors know nothing",
        id="an advisor knows the market",
    ),
    pytest.param(
        "clearing/planted.py",
        "import wattbay.core.facts",
        "Advisors know nothing",
        id="a price rule knows the market",
    ),
    pytest.param("planted.py", "import wattbay.errors", "Floors", id="a room without a floor"),
)

LINT = (
    "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
)


def lint_imports(folder: Path) -> tuple[int, str]:
    """Run import-linter on the package in a folder, with the contracts beside it."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"}
    run = subprocess.run(
        [sys.executable, "-c", LINT],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return run.returncode, run.stdout + run.stderr


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """Return a folder with a copy of the package's sources and of its contracts."""
    ignored = shutil.ignore_patterns("__pycache__", "scenarios", "static")
    shutil.copytree(SOURCE, tmp_path / "wattbay", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_import_goes_down(house: Path) -> None:
    status, output = lint_imports(house)
    assert status == 0, output


@pytest.mark.parametrize(("file", "line", "contract"), BREACHES)
def test_a_planted_breach_breaks_its_contract(
    house: Path, file: str, line: str, contract: str
) -> None:
    path = house / "wattbay" / file
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(f"{before}\n{line}\n", encoding="utf-8")
    status, output = lint_imports(house)
    assert status != 0
    broken = [text for text in output.splitlines() if text.endswith("BROKEN")]
    assert any(text.startswith(contract) for text in broken) or "exhaustive" in output, output
