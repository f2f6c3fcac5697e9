"""`show`: why did I pay this, told in sentences with the arithmetic, from a run folder alone.

The terminal application; each command imports what it needs when it is called.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from wattbay.cli.show.folder import Run

app = typer.Typer(
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _pods(context: typer.Context, typed: str) -> list[str]:
    """Complete the name of a pod, for the shell."""
    from wattbay.errors import WattbayError

    try:
        return [pod for pod in _opened(context).tariffs.pods if pod.startswith(typed)]
    except WattbayError:
        return []


Pod = Annotated[str, typer.Argument(metavar="POD", help="A home.", autocompletion=_pods)]
Time = Annotated[
    str,
    typer.Argument(metavar="TIME", help="When it starts: local time, or with an offset or Z."),
]
AsJson = Annotated[bool, typer.Option("--json", help="For a program to read.")]
Exact = Annotated[bool, typer.Option("--exact", help="Amounts with every digit there is.")]


def _opened(context: typer.Context) -> Run:
    """Open the run folder that was named before the command."""
    from wattbay.cli.show.folder import Run

    parent = context.parent
    params = context.params if parent is None or "run" in context.params else parent.params
    return Run(Path(params["run"]))


def _run_first(run: Path) -> Path:
    """Say so where the run folder does not stand first."""
    kinds = [
        str(command.callback.__name__)
        for command in app.registered_commands
        if command.callback is not None
    ]
    if str(run) in kinds and not run.is_dir():
        msg = f"the run folder comes first: wattbay show runs/street {run} ..."
        raise typer.BadParameter(msg)
    return run


@app.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="The folder of a run, such as runs/street.", callback=_run_first
        ),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="The overview for a program; stands before RUN.")
    ] = False,
) -> None:
    """Explain a run: why did I pay this, and what became of my order?

    \b
    Every amount stands with what it is the product of; every sum adds up.
    Times are local to the place of the run, or bear an offset or Z.

    \b
    Examples:
      wattbay show runs/street                              what is there?
      wattbay show runs/street pod h07                      how is my home doing?
      wattbay show runs/street receipt h07 2013-06-14T18:30 why did I pay this?
      wattbay show runs/street order h07 2013-06-14T18:30   why was I not filled?
      wattbay show runs/street delivery 2013-06-14T18:30    why that price?
      wattbay show runs/street statement h07 2013-06        what is on the bill?
      wattbay show runs/street entry 25                     what was written down?
      wattbay show runs/street receipt --help               more on each of these
    """
    del run  # Each command takes it from the context, so that their --help needs no folder.
    if context.invoked_subcommand is not None:
        return
    from wattbay.cli.show import overview
    from wattbay.cli.show.page import print_json

    opened = _opened(context)
    if as_json:
        print_json(overview.tell(opened))
    else:
        overview.page(opened, overview.tell(opened)).print()


@app.command()
def receipt(
    context: typer.Context,
    pod: Pod,
    time: Time,
    version: Annotated[
        int | None, typer.Option(help="An earlier version. (otherwise the last)")
    ] = None,
    exact: Exact = False,
    as_json: AsJson = False,
) -> None:
    """Tell why a home paid what it paid for a delivery: metered, traded, left over, fees.

    \b
    Examples:
      wattbay show runs/street receipt h07 2013-06-14T18:30
      wattbay show runs/street receipt h07 2013-06-14T17:30Z --exact
      wattbay show runs/street receipt h07 2013-06-14T18:30 --version 1

    \b
    Any time inside the delivery will do. Amounts are before tax.
    Exit status 1: the files of the run do not agree with each other.
    """
    from wattbay.cli.show import receipts
    from wattbay.cli.show.page import print_json

    run = _opened(context)
    name = run.pod(pod)
    start, remark = run.delivery(time)
    story = receipts.tell(run, name, start, version)
    if as_json:
        print_json(story)
    else:
        receipts.page(run, story, start, remark, exact=exact).print()
    raise typer.Exit(1 if story.disagreements else 0)


@app.command()
def statement(
    context: typer.Context,
    pod: Pod,
    month: Annotated[
        str | None,
        typer.Argument(
            metavar="MONTH", help="A local month, 2013-06; otherwise all that were issued."
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", help="First local day, or time, of a span.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="Where the span ends; that day is not in it.")
    ] = None,
    exact: Exact = False,
    as_json: AsJson = False,
) -> None:
    """Tell what a home pays for a month, as issued, or for any span, from its receipts.

    \b
    Examples:
      wattbay show runs/street statement h07
      wattbay show runs/street statement h07 2013-06
      wattbay show runs/street statement h07 --from 2013-06-14 --to 2013-06-15
    """
    from wattbay.cli.show import statements
    from wattbay.cli.show.page import print_json

    run = _opened(context)
    told = statements.tell(run, run.pod(pod), month, since, until)
    if as_json:
        print_json(told)
        return
    for shown in statements.pages(run, told, exact=exact):
        shown.print()


@app.command()
def order(
    context: typer.Context,
    key: Annotated[
        str,
        typer.Argument(
            metavar="ORDER|POD",
            help="The number of an order's entry, or a home.",
            autocompletion=_pods,
        ),
    ],
    time: Annotated[
        str | None, typer.Argument(metavar="TIME", help="With a home: the delivery.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell what became of an order, and why: filled, shared, beaten by price, or refused.

    \b
    Examples:
      wattbay show runs/street order h07 2013-06-14T18:30
      wattbay show runs/street order 172
    """
    from wattbay.cli.show import orders
    from wattbay.cli.show.page import print_json

    run = _opened(context)
    told, remark = orders.find(run, key, time)
    if as_json:
        print_json(told)
        return
    orders.page(run, told, remark).print()


@app.command()
def pod(context: typer.Context, pod: Pod, as_json: AsJson = False) -> None:
    """Tell of a home at a glance: energy, trades, savings, estimates, best and worst moments.

    \b
    Example:
      wattbay show runs/street pod h07
    """
    from wattbay.cli.show import pods
    from wattbay.cli.show.page import print_json

    run = _opened(context)
    told = pods.tell(run, run.pod(pod))
    if as_json:
        print_json(told)
    else:
        pods.page(run, told).print()


@app.command()
def delivery(
    context: typer.Context,
    time: Time,
    share: Annotated[
        bool, typer.Option("--share", help="Name no home, and show no group below five.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tell of one auction: bids, offers, the price and why it was that, and what was left over.

    \b
    Examples:
      wattbay show runs/street delivery 2013-06-14T18:30
      wattbay show runs/street delivery 2013-06-14T18:30 --share

    \b
    Homes and their orders are personal: what you give to others, make with --share.
    """
    from wattbay.cli.show import deliveries
    from wattbay.cli.show.page import print_json

    run = _opened(context)
    start, remark = run.delivery(time)
    told = deliveries.tell(run, start, share=share)
    if as_json:
        print_json(told)
    else:
        deliveries.page(run, told, start, remark).print()


@app.command()
def entry(
    context: typer.Context,
    number: Annotated[int, typer.Argument(metavar="N", help="From 1.", min=1)],
    as_json: AsJson = False,
) -> None:
    """Show an entry of the journal: a command and the events that came of it, named.

    \b
    Example:
      wattbay show runs/street entry 25
    """
    from wattbay.cli.show import entries
    from wattbay.cli.show.page import print_json

    run = _opened(context)
    told = entries.tell(run, number)
    if as_json:
        print_json(told)
    else:
        entries.page(run, number, told).print()
