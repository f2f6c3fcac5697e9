"""The targets of fuzzing hold for what is known, and for some noise; Atheris looks further."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, seeds

known = [pytest.param(name, seed) for name in TARGETS for seed in seeds(name)]


@pytest.mark.parametrize(("name", "seed"), known)
def test_target_holds_for_its_seeds_and_their_beginnings(name: str, seed: bytes) -> None:
    for size in range(len(seed) + 1):
        TARGETS[name](seed[:size])
        TARGETS[name](seed[:size] + bytes(len(seed) - size))


@given(st.sampled_from(sorted(TARGETS)), st.binary(max_size=400))
def test_target_holds_for_noise(name: str, noise: bytes) -> None:
    TARGETS[name](noise)
