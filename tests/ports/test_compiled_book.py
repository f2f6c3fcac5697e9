"""The order book in both its forms: interpreted, and compiled into a wheel where it can be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from hatch_build import VARIABLE, can_compile
from tests import book_flows

ROOT = Path(__file__).parents[2]
DAYS, STEPS, SMALL_DAYS = 12, 1_500, 12
# A library brings a package of this name too, and would come first.
START = f"""
import sys, types
sys.modules["tests"] = types.ModuleType("tests")
sys.modules["tests"].__path__ = [{str(ROOT / "tests")!r}]
from tests import book_flows
book_flows.main()
"""
SUITES = ("tests/unit/core/test_book.py", "tests/properties/test_book.py")


def built(folder: Path, wish: str) -> Path:
    """Build a wheel, unpack it, and return where it is unpacked."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    environment = {**os.environ, VARIABLE: wish}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    assert ("py3-none-any" in wheel.name) == (wish == "0")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def run_on(site: Path, *arguments: str) -> str:
    """Run Python on an unpacked wheel, beside our tests."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(site), str(ROOT)))}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def days_on(site: Path) -> dict[str, object]:
    """Return what days come to on an unpacked wheel; small days are held against the slow book."""
    counts = map(str, (DAYS, STEPS, SMALL_DAYS))
    said: dict[str, object] = json.loads(run_on(site, "-c", START, *counts))
    return said


@pytest.fixture(scope="module")
def here() -> list[str]:
    """Return what days come to in the form that is tested otherwise."""
    return [book_flows.whole_day(seed, STEPS) for seed in range(DAYS)]


def test_pure_wheel_trades_alike(here: list[str], tmp_path: Path) -> None:
    assert days_on(built(tmp_path, "0")) == {"compiled": False, "prints": here}


def test_compiled_wheel_trades_alike_where_it_can_be_built(here: list[str], tmp_path: Path) -> None:
    is_compiled = can_compile()
    site = built(tmp_path, "1" if is_compiled else "0")
    assert days_on(site) == {"compiled": is_compiled, "prints": here}
    run_on(site, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SUITES)
