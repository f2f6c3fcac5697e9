"""Measure, and print each figure beside its bound; fails where a bound is not kept."""

from __future__ import annotations

import argparse
import json
import sys

from rich.console import Console

from benchmarks.machine import description, reference_loop_s
from benchmarks.measures import Figure, measures


def shown(value: float) -> str:
    """Write a figure with as many digits as mean something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def line(figure: Figure) -> str:
    """Write a figure as a line of the table; one without a bound just tells."""
    told = f"{figure.what:<38}{shown(figure.value):>10} {figure.unit:<14}"
    if figure.bound is None or figure.aim is None:
        return told.rstrip()
    sign = "≥" if figure.is_more_better else "≤"
    kept = "kept" if figure.is_kept else "MISSED"
    return f"{told}{sign} {shown(figure.bound):<9}{shown(figure.aim):<9}{kept}"


def main() -> int:
    """Measure what was named, or everything, and return the exit status."""
    known = measures()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}")
    parser.add_argument("--json", action="store_true", help="for a program to read")
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.names if name not in known]:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")

    console = Console(highlight=False, width=120, stderr=chosen.json)
    loop_s = reference_loop_s()
    console.print(f"{description()}\nreference loop: {loop_s:.3f} CPU s\n")
    console.print(f"{'':<38}{'measured':>10} {'':<14}{'bound':<11}{'aim':<9}")
    figures = []
    for name in chosen.names or known:
        for figure in known[name]():
            console.print(line(figure))
            figures.append(figure)
    if chosen.json:
        rows = [{**figure._asdict(), "is_kept": figure.is_kept} for figure in figures]
        answer = {"machine": description(), "reference_loop_s": loop_s, "figures": rows}
        print(json.dumps(answer, indent=2))
    return 0 if all(figure.is_kept for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
