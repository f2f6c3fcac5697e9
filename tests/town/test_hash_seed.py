"""The order of sets and mappings leaves no trace: the head is the same under any hash seed."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
from tests.towns import lived
from wattbay.simulation.scenario import load_scenario
print(lived(load_scenario("street", days=1)).head)
"""


def test_the_head_is_the_same_under_several_hash_seeds() -> None:
    heads = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "2013", "random")
    }
    assert len(heads) == 1
    assert len(heads.pop().strip()) == 64
