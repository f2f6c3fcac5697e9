"""`archive`: what is old goes to files, and is only then taken away."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="""Closed months of a journal, and old readings, as files that can be verified.

    \b
    A journal that has grown for a year:
      wattbay archive write data --out archive --until 2013-07
      wattbay archive verify archive --journal data
      wattbay archive prune data archive
      wattbay archive readings data --before 2013-08-01 --out archive

    While a service is at work, its SQLite journal is locked, and PostgreSQL's
    can be archived and verified but not pruned: see the how-to.
    """,
)

JournalPlace = Annotated[
    str,
    typer.Argument(
        metavar="JOURNAL",
        help="A folder with a journal.sqlite, such a file, or postgresql://... for PostgreSQL.",
    ),
]
Archives = Annotated[Path, typer.Argument(help="The folder of the archive.")]
Schema = Annotated[str, typer.Option(help="Of PostgreSQL, where the tables are.")]
AsJson = Annotated[bool, typer.Option("--json", help="For a program to read.")]


@app.command()
def write(
    journal: JournalPlace,
    out: Annotated[Path, typer.Option(help="The folder of the archive.")],
    until: Annotated[
        str | None,
        typer.Option(help="The last month, such as 2013-07. (otherwise all that are closed)"),
    ] = None,
    schema: Schema = "wattbay",
    as_json: AsJson = False,
) -> None:
    """Write each closed month that is not archived yet to a file of its own.

    A month is closed when something after its end, UTC, is in the journal.
    A file is read back before it bears its name. Nothing is taken from the
    journal.

    \b
    Example:
      wattbay archive write data --out archive --until 2013-07
    """
    from wattbay.cli.archive_work import write_months

    write_months(journal, schema, out, until, as_json=as_json)


@app.command()
def verify(
    archives: Archives,
    journal: Annotated[
        str | None,
        typer.Option(metavar="JOURNAL", help="The journal that goes on from the archive."),
    ] = None,
    head: Annotated[
        str | None, typer.Option(help="What the last hash must be; 64 hex digits.")
    ] = None,
    schema: Schema = "wattbay",
    as_json: AsJson = False,
) -> None:
    """Check an archive: every byte, hash, signature and decision.

    With --journal, what follows in it is checked, too, as one history.
    Exit status 1 where anything differs.
    """
    from wattbay.cli.archive_work import verify_archive

    verify_archive(archives, journal, schema, head, as_json=as_json)


@app.command()
def prune(
    journal: JournalPlace,
    archives: Archives,
    snapshots: Annotated[
        Path | None,
        typer.Option(help="The service's snapshots. (otherwise JOURNAL/snapshots)"),
    ] = None,
    schema: Schema = "wattbay",
    as_json: AsJson = False,
) -> None:
    """Take from a journal what its archive holds.

    Whole files, as many as can be spared: the last 65,536 entries stay,
    for the service remembers by them which requests were answered. The
    archive is verified first, and a snapshot written from which the
    service starts. Keep the archive: without it the beginning of history
    is gone.

    \b
    Example:
      wattbay archive prune data archive
    """
    from wattbay.cli.archive_work import prune_journal

    prune_journal(journal, schema, archives, snapshots, as_json=as_json)


@app.command()
def readings(
    store: Annotated[
        str,
        typer.Argument(
            metavar="STORE",
            help="A folder with a readings.sqlite, such a file, or postgresql://...",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Where the Parquet files go.")],
    before: Annotated[str | None, typer.Option(help="A day, such as 2013-08-01; UTC.")] = None,
    days: Annotated[int | None, typer.Option(help="Older than so many days.")] = None,
    schema: Schema = "wattbay",
    as_json: AsJson = False,
) -> None:
    """Export old readings, week by week, and forget each week once its files are sound.

    Only while no service is at work on the store: whoever opens it is its
    writer from then on, and shuts the one before out.

    \b
    Example:
      wattbay archive readings data --before 2013-08-01 --out archive
      wattbay archive readings data --days 400 --out archive
    """
    from wattbay.cli.archive_work import retire_readings

    retire_readings(store, schema, out, before, days, as_json=as_json)
