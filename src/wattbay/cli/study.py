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
      wattbay study competition           aggregators bid for home batteries
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


@app.command()
def competition(
    seeds: Annotated[int, typer.Option(help="How many spans of days to draw. 1 to 500.")] = 20,
    seed: Annotated[int, typer.Option(help="The first of them; the others follow.")] = 1,
    days: Annotated[int, typer.Option(help="How long each span is. 1 to 28.")] = 7,
    json: Annotated[
        Path | None, typer.Option("--json", help="Write every figure to this file, too.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a report to this file, too.")
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option("--table", help="Write a row an owner to this file, .csv or .parquet."),
    ] = None,
) -> None:
    """Tell whether competing aggregators pay battery owners more than a utility.

    Thirteen homes with panels and a battery live under one utility with a
    feed-in tariff, by use at home, and with one to ten aggregators of each
    strategy that bid for what is stored. Prices are real ones of New South
    Wales, homes real ones of California; what is assumed is told.

    Every regime lives in the same draws. Means over the seeds are told with
    their 95 % confidence intervals, and so is where competition does not
    help.

    \b
    Examples:
      wattbay study competition
      wattbay study competition --seeds 100 --html competition.html
    """
    from wattbay.cli.competition_tables import tell_competition

    tell_competition(seeds, seed, days, json=json, html=html, table=table)
