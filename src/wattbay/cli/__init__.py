"""The command line: what a person types, and how the answer looks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Local energy markets, from reading to receipt.")


@app.callback()
def wattbay() -> None:
    """Run, check and explain local energy markets."""


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For a program to read.")] = False,
) -> None:
    """Tell whether this machine has what Wattbay needs."""
    from wattbay.cli.doctor import report

    raise typer.Exit(report(Path.cwd(), as_json=as_json))


def main() -> None:
    """Enter the command line."""
    app()
