"""Standard profiles: how the energy of a day is spread over its periods, as whole weights."""

from __future__ import annotations

import csv
from pathlib import Path

from wattbay.errors import Fault
from wattbay.ids import ProfileId, is_id
from wattbay.simulation.scenario_facts import Profiles

FIRST_COLUMN = "local_time"


def read_profiles(path: Path, periods: int) -> tuple[Profiles, list[Fault]]:
    """Read a CSV file of profiles: ``local_time``, then a column of whole weights a profile.

    Parameters
    ----------
    periods
        Rows that a day of 24 hours has.

    Returns
    -------
    tuple
        The profiles in the order of the file, and everything that is wrong with it.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        return (), [Fault(str(path), f"cannot be read: {fault}")]
    head = [name.strip() for name in lines[0]] if lines else []
    if head[:1] != [FIRST_COLUMN] or head == [FIRST_COLUMN]:
        return (), [Fault(f"{path}:1", f"the header is not {FIRST_COLUMN},<profile>,...")]
    faults = [Fault(f"{path}:1", f"{name!r} is no identifier") for name in head if not is_id(name)]
    if len(lines) != periods + 1:
        what = f"{len(lines) - 1} rows of weights; a day has {periods} periods"
        faults.append(Fault(f"{path}:{len(lines)}", what))
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(head) or not all(cell.strip().isdecimal() for cell in line[1:]):
            what = "a weight is missing, or no whole number"
            faults.append(Fault(f"{path}:{number}", what, "0 or more"))
    if faults:
        return (), faults
    weights = [tuple(int(line[at]) for line in lines[1:]) for at in range(1, len(head))]
    empty = [
        Fault(f"{path}:1", f"all weights of {name} are zero")
        for name, column in zip(head[1:], weights, strict=True)
        if not any(column)
    ]
    return tuple(zip(map(ProfileId, head[1:]), weights, strict=True)), empty
