"""`config`: the settings of a service, checked and shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="""Check and show the settings of a live community.

    A file in TOML says what differs from the defaults, and the environment
    what differs from the file: WATTBAY_HTTP__PORT=9000 is port in [http].
    """,
)


@app.command()
def check(
    file: Annotated[Path | None, typer.Argument(help="Settings (TOML).")] = None,
) -> None:
    """Say whether settings can be used, and what they come to. Exit status 2 where they cannot.

    \b
    Example:
      wattbay config check wattbay.toml
    """
    from wattbay.cli.live import needed

    needed("wattbay config")
    from wattbay.cli.serve import check_config

    check_config(file)


@app.command()
def show() -> None:
    """List every setting, its default and what it means, as a file to begin with.

    \b
    Example:
      wattbay config show > wattbay.toml
    """
    from wattbay.cli.live import needed

    needed("wattbay config")
    from wattbay.cli.settings_file import settings_file

    print(settings_file(), end="")
