"""Which numbers of a device are accounted for."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from wattbay.kernel.evidence import RUNS_MAX, Runs


@given(st.permutations(range(1, 40)), st.integers(0, 39))
def test_numbers_in_any_order_leave_the_stretches_that_a_set_would(
    order: list[int], count: int
) -> None:
    runs, seen = Runs(), set[int]()
    for seq in order[:count]:
        assert seq not in runs
        assert runs.add(seq)
        seen.add(seq)
        assert seq in runs
    covered = {seq for first, last in runs for seq in range(first, last + 1)}
    assert covered == seen
    pairs = list(runs)
    assert all(a[1] + 1 < b[0] for a, b in pairwise(pairs))
    upto = next(seq for seq in range(1, 41) if seq not in seen) - 1
    assert runs.contiguous == upto
    assert list(Runs(pairs)) == pairs


def test_number_zero_belongs_to_the_beginning() -> None:
    runs = Runs()
    runs.add(0)
    assert runs.contiguous == 0
    runs.add(1)
    assert runs.contiguous == 1


def test_gaps_are_bounded() -> None:
    runs = Runs((2 * number, 2 * number) for number in range(1, RUNS_MAX + 1))
    assert not runs.add(10_000)
    assert 10_000 not in runs
    assert runs.add(3)
    assert runs.add(10_000)
