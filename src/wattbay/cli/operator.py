"""`operator`: what whoever runs a community does with a running service."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from wattbay.cli.operator_logins import NewPasswordFile, PasswordFile, key
from wattbay.cli.operator_logins import app as logins
from wattbay.cli.operator_members import AsJson, File, Pod
from wattbay.cli.operator_members import app as members

app = typer.Typer(
    no_args_is_help=True,
    help="""Run a community: members, money, devices, files, over a service's REST interface.

    \b
    From the first sign-in to a member that trades:
      wattbay operator sign-in https://market.example:8443
      wattbay operator status
      wattbay operator join --pod h07 --party p07 --request m07.json
      wattbay operator login add p07 --party p07
      wattbay operator devices
    """,
)


class Sheet(StrEnum):
    """A file that the operator hands on."""

    ALLOCATION = "allocation"
    IMBALANCES = "imbalances"
    TAX = "tax"
    EXPOSURE = "exposure"
    MISSING = "missing"
    LEDGER = "ledger"


@app.command("sign-in")
def sign_in(
    url: Annotated[str, typer.Argument(help="Of the service: https://market.example:8443.")],
    login: Annotated[str, typer.Option(help="Who signs in.")] = "admin",
    password_file: PasswordFile = None,
    new_password_file: NewPasswordFile = None,
    authority: Annotated[
        Path | None,
        typer.Option(help="PEM of who signed its certificate, where that is not publicly known."),
    ] = None,
    file: File = None,
) -> None:
    """Sign in once; from then on a key in a file lets you in.

    A one-time password is changed first. The file is readable by its owner
    alone; signing in again revokes the key before.

    \b
    Example:
      wattbay operator sign-in http://127.0.0.1:8080
    """
    from wattbay.adapters.rest.client import checked_url
    from wattbay.cli.operator_access import Entrance
    from wattbay.cli.operator_access import sign_in as enter

    where = "" if authority is None else str(authority.absolute())
    entering = Entrance(url=checked_url(url), login=login, key="", authority=where)
    enter(entering, file, password_file=password_file, new_password_file=new_password_file)


@app.command("sign-out")
def sign_out(file: File = None) -> None:
    """Revoke the key that lets you in, and forget it."""
    from wattbay.cli.operator_access import sign_out as leave

    leave(file)


@app.command(rich_help_panel="Looking")
def status(file: File = None, as_json: AsJson = False) -> None:
    """Tell how the service and the community are. Exit status 1 where something is amiss."""
    from wattbay.cli.operator_tables import show_status

    raise typer.Exit(show_status(file, as_json=as_json))


@app.command(rich_help_panel="Looking")
def devices(file: File = None, as_json: AsJson = False) -> None:
    """List all devices and meters: how each does, and why where it is not ok."""
    from wattbay.cli.operator_tables import show_devices

    show_devices(file, as_json=as_json)


@app.command(rich_help_panel="Looking")
def alerts(
    every: Annotated[bool, typer.Option("--all", help="Those that are closed, too.")] = False,
    device: Annotated[str | None, typer.Option(help="Of this device alone.")] = None,
    acknowledge: Annotated[
        int | None, typer.Option(help="The number of one that you have seen.")
    ] = None,
    close: Annotated[int | None, typer.Option(help="The number of one that is over.")] = None,
    note: Annotated[str, typer.Option(help="What is to be said of it.")] = "",
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """List what is odd about devices; or say that one is seen, or over.

    \b
    Example:
      wattbay operator alerts
      wattbay operator alerts --close 3 --note "the meter was replaced"
    """
    from wattbay.cli.operator_tables import act_on_alert, show_alerts

    if acknowledge is not None:
        act_on_alert(file, acknowledge, "acknowledge", note, as_json=as_json)
    if close is not None:
        act_on_alert(file, close, "close", note, as_json=as_json)
    if acknowledge is None and close is None:
        show_alerts(file, device, open_only=not every, as_json=as_json)


@app.command(rich_help_panel="Looking")
def receipts(
    pod: Pod,
    delivery: Annotated[
        str | None, typer.Argument(help="Explain this one: 2026-05-01T12:00Z.")
    ] = None,
    count: Annotated[int, typer.Option(help="So many, the last ones. 1 to 500.")] = 10,
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """List the last receipts of a pod, or explain one in words.

    \b
    Example:
      wattbay operator receipts h07
      wattbay operator receipts h07 2026-05-01T12:00Z
    """
    from wattbay.cli.operator_tables import show_receipts

    show_receipts(file, pod, delivery, count, as_json=as_json)


@app.command(rich_help_panel="Looking")
def files(  # noqa: PLR0913, PLR0917 - one parameter an option
    sheet: Annotated[Sheet, typer.Argument(help="Which.")],
    out: Annotated[Path | None, typer.Option(help="Write it here. (otherwise SHEET.csv)")] = None,
    since: Annotated[str | None, typer.Option(help="(otherwise a month before the end)")] = None,
    until: Annotated[str | None, typer.Option(help="(otherwise now)")] = None,
    month: Annotated[str | None, typer.Option(help="Of `tax`: a local month, 2026-05.")] = None,
    brp: Annotated[
        str | None, typer.Option(help="Of `imbalances`: this balance responsible party alone.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON instead of CSV.")] = False,
    file: File = None,
) -> None:
    """Take away a file of the operator's as CSV, of any length.

    \b
      allocation   energy of each pod in each delivery, for the grid operator
      imbalances   what each balance responsible party was long or short
      tax          what each statement of a month comes to
      exposure     what each party has and has at risk, now
      missing      deliveries of which no reading tells
      ledger       every posting

    \b
    Example:
      wattbay operator files allocation --since 2026-05-01T00:00Z --until 2026-06-01T00:00Z
    """
    from wattbay.cli.operator_tables import Wanted, take_away

    wanted = Wanted(str(sheet), since=since, until=until, month=month, brp=brp)
    take_away(file, wanted, out, force=force, is_json=as_json)


@app.command(rich_help_panel="Looking")
def backup(file: File = None, as_json: AsJson = False) -> None:
    """Let the service make a backup now, where its settings say."""
    from wattbay.cli.operator_tables import back_up

    back_up(file, as_json=as_json)


app.add_typer(members)
app.add_typer(logins, name="login")
app.command()(key)
