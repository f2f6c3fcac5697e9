"""Without the extra `live`: what needs none of it works, the rest says what is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

MISSING = ("amqtt", "cryptography", "gmqtt", "paho", "psycopg")


def python(folder: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code where the libraries of the extra are not there."""
    hidden = f"import sys; sys.modules.update(dict.fromkeys({MISSING!r}, None))"
    return subprocess.run(
        [sys.executable, "-c", f"{hidden}\n{code}", *arguments], cwd=folder, text=True,
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip


def test_readings_of_a_simulated_community_need_no_extra(tmp_path: Path) -> None:
    code = "import sys; from wattbay.cli import main; main()"
    arguments = ("run", "street", "--days", "1", "--out", "street", "--journal", "sqlite")
    run = python(tmp_path, code, *arguments)
    assert run.returncode == 0, run.stderr
    verified = python(tmp_path, code, "verify", "street")
    assert verified.returncode == 0, verified.stderr


@pytest.mark.parametrize("arguments", [("keys", "m07.pem"), ("simulate", "london")])
def test_device_says_what_is_missing(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code = "from wattbay.cli import main; main()"
    run = python(tmp_path, code, "device", *arguments)
    assert run.returncode == 2
    assert "cryptography is not installed (pip install 'wattbay[live]')" in run.stderr


def test_help_needs_no_extra(tmp_path: Path) -> None:
    run = python(tmp_path, "from wattbay.cli import main; main()", "device", "--help")
    assert run.returncode == 0
    assert "simulate" in run.stdout
