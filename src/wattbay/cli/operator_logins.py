"""`operator login` and `operator key`: who can come in, and the keys of their programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wattbay.cli.operator_members import AsJson, File

app = typer.Typer(no_args_is_help=True, help="Let people and programs in, and no more.")

Login = Annotated[str, typer.Argument(help="A pseudonym, such as p07.")]
PasswordFile = Annotated[
    Path | None, typer.Option(help="Its first line is the password. (otherwise it is typed)")
]
NewPasswordFile = Annotated[
    Path | None,
    typer.Option(help="Its first line takes the place of a one-time password. (otherwise typed)"),
]


@app.command()
def add(
    login: Login,
    party: Annotated[
        list[str] | None, typer.Option(help="For whom it stands; may be given again.")
    ] = None,
    role: Annotated[
        list[str],
        typer.Option(
            help="consumer, prosumer, aggregator, grid_operator, analyst, administrator or device."
        ),
    ] = ["prosumer"],  # noqa: B006 - typer copies it
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """Make a login, and print its one-time password.

    \b
    Example:
      wattbay operator login add p07 --party p07
    """
    from wattbay.cli.operator_people import add_login

    add_login(file, login, tuple(role), tuple(party or ()), as_json=as_json)


@app.command()
def reset(login: Login, file: File = None, as_json: AsJson = False) -> None:
    """Give a login another one-time password. Its sessions and tokens end, its keys do not."""
    from wattbay.cli.operator_people import reset_login

    reset_login(file, login, as_json=as_json)


@app.command("list")
def list_all(file: File = None, as_json: AsJson = False) -> None:
    """List who can come in."""
    from wattbay.cli.operator_people import list_logins

    list_logins(file, as_json=as_json)


@app.command()
def remove(login: Login, file: File = None) -> None:
    """Take a login away for good, with its keys and sessions."""
    from wattbay.cli.operator_people import remove_login

    remove_login(file, login)


def key(
    login: Login,
    out: Annotated[Path | None, typer.Option(help="(otherwise LOGIN.key)")] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="What the key is limited to, such as trade_own; may be given again."),
    ] = None,
    password_file: PasswordFile = None,
    new_password_file: NewPasswordFile = None,
    file: File = None,
) -> None:
    """Write an API key of a login to a file, by the login's password.

    For a household's own programs: `wattbay device register --to URL` takes it
    as `--key-file`, curl in the header X-API-Key.

    \b
    Example:
      wattbay operator key p07 --scope read_own --scope trade_own
    """
    from wattbay.cli.operator_access import write_key

    write_key(
        file, login, out or Path(f"{login}.key"), scopes=tuple(scope or ()),
        password_file=password_file, new_password_file=new_password_file,
    )  # fmt: skip
