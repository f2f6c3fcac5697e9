"""`backup`: copies of a live community, checked and restored."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="""Check and restore backups of a live community that stands on files.

    A running service makes them itself: every so many hours, as [backup] in
    its settings says, and whenever an administrator asks it to over REST
    (POST /api/v1/backups). What stands in PostgreSQL is pg_dump's.
    """,
)

Backup = Annotated[Path, typer.Argument(help="The folder of a backup.")]


@app.command()
def check(backup: Backup) -> None:
    """Make sure that a backup is whole and its journal what the rules make of it.

    \b
    Example:
      wattbay backup check backups/20260501T120000Z-000000037523
    """
    from wattbay.cli.backup_work import check_backup

    check_backup(backup)


@app.command()
def restore(
    backup: Backup,
    folder: Annotated[Path, typer.Argument(help="The service's folder; empty, or not there.")],
) -> None:
    """Make a service's folder of a backup, once it is checked.

    \b
    Example:
      wattbay backup restore backups/20260501T120000Z-000000037523 data
      wattbay serve --config wattbay.toml --folder data
    """
    from wattbay.cli.backup_work import restore_backup

    restore_backup(backup, folder)
