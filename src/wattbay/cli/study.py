"""`study`: experiments with published rules, on profiles of ours, with their uncertainty."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="""Repeat a published experiment, with draws of our own and their uncertainty.

    \b
    Example:
      wattbay study bidding-game          ten homes heat water by a game
    """,
)


@app.callback()
def study() -> None:
    """Repeat a published experiment, with draws of our own and their uncertainty."""


@app.command("bidding-game")
def bidding_game(
    seeds: Annotated[int, typer.Option(help="How many days to draw. 1 to 10,000.")] = 20,
    seed: Annotated[int, typer.Option(help="The first of them; the others follow.")] = 1,
    summer: Annotated[
        bool, typer.Option("--summer", help="Days from May to August alone. (otherwise all 2013)")
    ] = False,
    json: Annotated[
        Path | None, typer.Option("--json", help="Write every figure to this file, too.")
    ] = None,
) -> None:
    """Let ten homes choose when to heat water, by the bidding game of Elecbay.

    Ten homes and shops have panels (case 1), or three of them turbines
    instead (case 2). Each day is lived by thermostats and by the game:
    every half-hour all come to a Nash equilibrium of who heats. What the
    community exchanges with the grid should fall, and more so in case 2.

    Ratings and rules are the published ones. Profiles are not published:
    here they are London half-hours of 2013, with random shops, wind and
    hot water. Compare signs and sizes with the publication, not kWh.
    The mean over the seeds is told with its 95 % confidence interval.

    \b
    Examples:
      wattbay study bidding-game
      wattbay study bidding-game --seeds 100 --summer --json game.json
    """
    from wattbay.cli.study_tables import tell_bidding_game

    tell_bidding_game(seeds, seed, summer=summer, out=json)
