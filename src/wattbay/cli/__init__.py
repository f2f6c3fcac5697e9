"""The command line: what a person types, and how the answer looks.

Each command imports what it needs when it is called, so that `--help` answers at once.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from wattbay.cli.archive import app as archive
from wattbay.cli.backup import app as backup
from wattbay.cli.bot import app as bot
from wattbay.cli.certificates import app as certificates
from wattbay.cli.config import app as config
from wattbay.cli.device import app as device
from wattbay.cli.etp import app as etp
from wattbay.cli.operator import app as operator
from wattbay.cli.show import app as show
from wattbay.cli.study import app as study

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Local energy markets, from a signed meter reading to a receipt.

    \b
    First steps:
      wattbay scenarios                   what can be simulated
      wattbay run street                  6 homes, 2 days, all that can go wrong
      wattbay show runs/street pod h01    one home's days, in words
      wattbay verify runs/street          every decision and signature, again
      wattbay serve                       a street live: MQTT, REST, a market
    """,
    epilog="Every command has its own --help with examples.",
)


class JournalKind(StrEnum):
    """Where history stands."""

    SQLITE = "sqlite"
    MEMORY = "memory"


RunFolder = Annotated[Path, typer.Argument(help="The folder of a run, such as runs/street.")]
AsJson = Annotated[bool, typer.Option("--json", help="For a program to read.")]


@app.command()
def run(  # noqa: PLR0913, PLR0917 - one parameter an option
    scenario: Annotated[
        str, typer.Argument(help="A name that `wattbay scenarios` lists, a TOML file or a folder.")
    ],
    days: Annotated[int | None, typer.Option(help="Only the first so many days.")] = None,
    pods: Annotated[
        int | None,
        typer.Option(help="So many homes; more than there are: real ones, shifted by weeks."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Draw limits, strategies and faults anew.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The run folder. (otherwise runs/SCENARIO)")
    ] = None,
    journal: Annotated[
        JournalKind, typer.Option(help="`memory` is not kept: it cannot be verified later.")
    ] = JournalKind.SQLITE,
    force: Annotated[bool, typer.Option("--force", help="Replace a run that is there.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue a run that was broken off.")
    ] = False,
    csv: Annotated[
        bool, typer.Option("--csv", help="Tables as CSV, too, with local times.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Simulate a community: trade, meter, settle, and write a report.

    \b
    Examples:
      wattbay run london-week             60 homes, a week: runs/london-week
      wattbay run london-week --days 1 --pods 600 --out runs/large
      wattbay run street --force --csv
    """
    from wattbay.cli.run import run_scenario

    run_scenario(
        scenario,
        days=days,
        pods=pods,
        seed=seed,
        out=out,
        in_memory=journal is JournalKind.MEMORY,
        force=force,
        resume=resume,
        csv=csv,
        as_json=as_json,
    )


@app.command()
def scenarios(as_json: AsJson = False) -> None:
    """List the scenarios that come with Wattbay."""
    from wattbay.cli.run import list_scenarios

    list_scenarios(as_json=as_json)


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(help="Where to make the scenario.")],
    meters: Annotated[Path, typer.Option(help="A CSV file of their readings.")],
    timezone: Annotated[
        str, typer.Option(help="Of the days, and of times without offset: Europe/London.")
    ] = "UTC",
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")] = "EUR",
) -> None:
    """Make a scenario of your own meters.

    Two forms of CSV are read, both in kWh of each period:

    \b
      home,start,import_kwh,export_kwh    a row for each home and period
      start,home1,home2,...               a column for each home, import only

    \b
    Example:
      wattbay new my-street --meters meters.csv --timezone Europe/London
      wattbay run my-street
    """
    from wattbay.cli.run import new_from_meters

    new_from_meters(folder, meters, timezone, currency)


@app.command()
def clear(
    file: Annotated[str, typer.Argument(help="A market file (JSON); - for standard input.")],
    out: Annotated[
        Path | None, typer.Option(help="Write the result here. (otherwise standard output)")
    ] = None,
    pretty: Annotated[bool, typer.Option("--pretty", help="Tables for people.")] = False,
) -> None:
    """Clear one market file: one document in, one result out.

    \b
    Mechanisms:
      call_auction    one price for all, or as bid
      continuous      an order book, step by step: every type of order
      truthful        by the rule huang or muda
      block_auction   several periods at once, with blocks

    All are cleared by the very code that communities trade with.

    Exit status 0: cleared; orders that the market refuses are under `rejected`.
    Exit status 2: the document is malformed; every fault is listed.

    \b
    Example:
      echo '{"mechanism": "call_auction", "orders": [
        {"id": 1, "side": "buy", "limit": 9, "quantity": 2},
        {"id": 2, "side": "sell", "limit": 5, "quantity": 3}]}' |
        wattbay clear - --pretty
    """
    from wattbay.adapters.market_file import clear_file

    clear_file(file, out, pretty=pretty)


@app.command()
def replay(run: RunFolder, as_json: AsJson = False) -> None:
    """Rebuild the state of a run from its journal, and tell what it holds."""
    from wattbay.cli.check import replay_run

    replay_run(run, as_json=as_json)


@app.command()
def verify(
    run: RunFolder,
    head: Annotated[
        str | None,
        typer.Option(help="What the last hash must be. (otherwise summary.json)"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a journal: every hash, every signature, every decision.

    Each command is decided again and must come to the same events. The signed
    bytes that a reading or a sale bears must be of a key in the journal, and
    say what the entry says; sales that were agreed without signatures are
    counted. The last hash is compared with that of summary.json, or with one
    that you kept elsewhere: only this tells a journal that was cut short, or
    written anew, from the true one. Exit status 1 where anything differs.
    """
    from wattbay.cli.check import verify_run

    verify_run(run, head, as_json=as_json)


@app.command()
def diff(first: RunFolder, second: RunFolder, as_json: AsJson = False) -> None:
    """Tell at which entry two journals part, and what differs there."""
    from wattbay.cli.check import diff_runs

    diff_runs(first, second, as_json=as_json)


@app.command(context_settings={"allow_extra_args": True})
def compare(  # noqa: PLR0913, PLR0917 - one parameter an option
    context: typer.Context,
    scenario: Annotated[
        str, typer.Argument(help="A name that `wattbay scenarios` lists, a TOML file or a folder.")
    ],
    rules: Annotated[
        str | None, typer.Option(help="Some of them, by name, with commas between. (otherwise all)")
    ] = None,
    days: Annotated[int | None, typer.Option(help="Only the first so many days.")] = None,
    pods: Annotated[
        int | None,
        typer.Option(help="So many homes; more than there are: real ones, shifted by weeks."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Draw limits and strategies anew.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write a page here, and what every home pays as tables.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a comparison that is there.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare ways to trade: one community, the same meters, rule by rule.

    Every rule is tried on the same homes, days and meters, so that only the
    money differs. Three tables tell what homes save against a life without a
    market, who gets what they pay, and what energy costs.

    \b
    Rules, as --rules names them:
      none                                            alone with the supplier
      fixed, time_of_use, dynamic                     alone, other prices
      mid_market, supply_demand_ratio, bill_sharing   community prices
      static_key, dynamic_key, hierarchical_key       energy sharing
      uniform, pay_as_bid, continuous, huang, muda    order markets

    \b
    Examples:
      wattbay compare london-week                     all rules, a minute
      wattbay compare street --rules uniform,mid_market
      wattbay compare london-week --out runs/rules    with a page to look at

    Two runs of one scenario are compared by `wattbay diff RUN RUN`.
    """
    from wattbay.cli.compare import compare_rules, compare_runs

    if context.args:
        compare_runs(Path(scenario), *map(Path, context.args), as_json=as_json)
        return
    compare_rules(
        scenario,
        rules=rules,
        days=days,
        pods=pods,
        seed=seed,
        out=out,
        force=force,
        as_json=as_json,
    )


@app.command()
def report(
    run: RunFolder,
    share: Annotated[
        bool,
        typer.Option("--share", help="To be given to others: homes in groups of five or more."),
    ] = False,
) -> None:
    """Write the report of a run again, or one that may be shared.

    Half-hours of a household are personal data, even under a pseudonym:
    a report made with `--share` shows no home alone.
    """
    from wattbay.adapters.report import build

    print(build(run, share=share))


@app.command()
def serve(
    config: Annotated[
        Path | None, typer.Option("--config", help="Settings (TOML). (otherwise a made-up street)")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where everything is kept, whatever the settings say.")
    ] = None,
    speed: Annotated[
        int | None,
        typer.Option(help="Of the made-up street: seconds that pass in one. 1 to 3,600."),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Stand by until the present service gives up.")
    ] = False,
) -> None:
    """Run a live community: broker, journal, market agent and API in one process.

    Without --config it serves a made-up street at 60 times real time, which
    begins ten seconds before a gate closes, and prints one command to try
    each way in. Ctrl-C stops it cleanly; started again it goes on.

    \b
    Examples:
      wattbay serve                          a street to look at, in live/live-street
      wattbay serve --config wattbay.toml    the real thing
      wattbay config check wattbay.toml      are the settings right?
    """
    from wattbay.cli.live import needed

    needed("wattbay serve")
    from wattbay.cli.serve import serve as run_service

    run_service(config, folder=folder, speed=speed, wait=wait)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Tell whether this machine has what Wattbay needs."""
    from wattbay.cli.doctor import report as tell

    raise typer.Exit(tell(Path.cwd(), as_json=as_json))


app.add_typer(archive, name="archive")
app.add_typer(backup, name="backup")
app.add_typer(bot, name="bot")
app.add_typer(certificates, name="certificates")
app.add_typer(config, name="config")
app.add_typer(device, name="device")
app.add_typer(etp, name="etp")
app.add_typer(operator, name="operator")
app.add_typer(show, name="show")
app.add_typer(study, name="study")


def main() -> None:
    """Enter the command line; what goes wrong is told in words."""
    from wattbay.errors import ConfigError, WattbayError

    try:
        app()
    except ConfigError as error:
        for fault in error.faults:
            print(fault, file=sys.stderr)
        sys.exit(2)
    except WattbayError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        # A disk that is full or cannot be written, wherever it is noticed.
        where = "" if error.filename is None else f"{error.filename}: "
        print(f"{where}{error.strerror or error}", file=sys.stderr)
        sys.exit(1)
