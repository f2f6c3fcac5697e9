"""The one door to HiGHS: arrays in, a solution out; one thread, a fixed seed, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import highspy
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int32]

INFINITY: float = highspy.kHighsInf

_SEED = 0
_WHOLE = np.int32(1)


@dataclass(frozen=True, slots=True)
class Program:
    """A linear program, some of whose variables may be whole numbers; it is minimised."""

    cost: Floats
    """Shape: (n_columns,)."""
    lower: Floats
    upper: Floats
    row_lower: Floats
    """Shape: (n_rows,)."""
    row_upper: Floats
    starts: Integers
    """Where each row starts among the entries. Shape: (n_rows,)."""
    columns: Integers
    """Of each entry. Shape: (n_entries,)."""
    entries: Floats
    whole: NDArray[np.bool_]
    """Which variables are whole numbers. Shape: (n_columns,)."""
    offset: float = 0.0
    """What is added to the cost."""


class Solution(NamedTuple):
    """What the solver found."""

    values: Floats | None
    """Shape: (n_columns,); None where it found none."""
    duals: Floats
    """Of the rows, where nothing need be whole. Shape: (n_rows,)."""
    bound: float
    """No values whatever cost less; minus infinity where it knows none."""
    nodes: int
    """Of branch and bound that were looked at."""


def solve(program: Program, *, node_limit: int = 1, gap: float = 0.0) -> Solution:
    """Minimise a program.

    Parameters
    ----------
    node_limit
        Nodes of branch and bound after which the best so far is taken. Never a time: the same
        program has the same solution on a slower machine.
    gap
        Relative distance of cost and bound at which the search may end.
    """
    solver = highspy.Highs()  # type: ignore[no-untyped-call] # brings no types here
    options: dict[str, bool | int | float | str] = {
        "output_flag": False,
        "threads": 1,
        "parallel": "off",
        "random_seed": _SEED,
        "mip_max_nodes": node_limit,
        "mip_rel_gap": gap,
        "mip_abs_gap": 0.0,
    }
    for name, value in options.items():
        solver.setOptionValue(name, value)
    is_mixed = bool(program.whole.any())
    solver.passModel(
        len(program.cost),
        len(program.row_lower),
        len(program.entries),
        int(highspy.MatrixFormat.kRowwise),
        int(highspy.ObjSense.kMinimize),
        program.offset,
        program.cost,
        program.lower,
        program.upper,
        program.row_lower,
        program.row_upper,
        program.starts,
        program.columns,
        program.entries,
        np.where(program.whole, _WHOLE, np.int32(0)).astype(np.int32),
    )
    is_sound = solver.run() != highspy.HighsStatus.kError
    found = solver.getInfo()
    solution = solver.getSolution()
    status = found.primal_solution_status
    has_values = is_sound and status == highspy.SolutionStatus.kSolutionStatusFeasible
    bound = found.mip_dual_bound if is_mixed else found.objective_function_value
    return Solution(
        values=np.asarray(solution.col_value) if has_values else None,
        duals=np.asarray(solution.row_dual),
        bound=bound if is_sound else -INFINITY,
        nodes=max(1, found.mip_node_count),
    )
