"""Try a target with bytes that Atheris finds: those that reach new code are kept and changed on."""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path

BYTES_MAX = 600


def main() -> None:
    """Fuzz one target for so many seconds; what breaks it is kept in the folder."""
    try:
        atheris = importlib.import_module("atheris")
    except ImportError:
        sys.exit("atheris is not here: .venv/bin/python -m pip install atheris")
    # What is imported here is watched, so it must not be imported before.
    with atheris.instrument_imports(include=["wattbay"]):
        targets = importlib.import_module("tests.fuzz.targets")

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=targets.TARGETS)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--folder", type=Path, help="where findings are kept; otherwise here")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(targets.seeds(chosen.target)):
            (Path(corpus) / f"{number:03}").write_bytes(seed)
        folder = chosen.folder or Path()
        folder.mkdir(parents=True, exist_ok=True)
        words = [
            sys.argv[0],
            f"-max_total_time={chosen.seconds}",
            f"-max_len={BYTES_MAX}",
            f"-artifact_prefix={folder / chosen.target}-",
            corpus,
        ]
        atheris.Setup(words, targets.TARGETS[chosen.target])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
