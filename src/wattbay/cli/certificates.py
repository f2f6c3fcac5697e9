"""`certificates`: by which a broker and a service know each other and their devices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="""Make the certificates of a community: an authority, and whom it vouches for.

    Mosquitto with our configuration lets in whoever bears a certificate of
    the community's authority, under the name in it, and nobody on its list
    of revoked ones. An authority that you have already does as well.

    \b
    From nothing to a broker that knows its clients:
      wattbay certificates authority pki --name "Elm Street"
      wattbay certificates issue pki server --host broker.example
      wattbay certificates issue pki wattbay-service
      wattbay certificates issue pki m07
    """,
)

Folder = Annotated[Path, typer.Argument(help="Where certificates and keys are kept.")]
Name = Annotated[str, typer.Argument(help="The device; `wattbay-service` is the service.")]


@app.command()
def authority(
    folder: Folder,
    name: Annotated[str, typer.Option(help="As it calls itself.")] = "Wattbay",
) -> None:
    """Make an authority, and a list of revoked certificates with nobody on it.

    authority.key signs certificates: keep it where no service can read it.

    \b
    Example:
      wattbay certificates authority pki --name "Elm Street"
    """
    from wattbay.cli.certificates_work import make_authority

    make_authority(folder, name)


@app.command()
def issue(
    folder: Folder,
    name: Name,
    host: Annotated[
        list[str] | None, typer.Option(help="A name or address of a server: makes it a server's.")
    ] = None,
) -> None:
    """Issue a certificate to a device, to the service, or with --host to a server.

    \b
    Examples:
      wattbay certificates issue pki m07
      wattbay certificates issue pki server --host broker.example --host 10.0.0.5
    """
    from wattbay.cli.certificates_work import issue_certificate

    issue_certificate(folder, name, host or [])


@app.command()
def revoke(
    folder: Folder,
    names: Annotated[list[str] | None, typer.Argument(help="Devices.")] = None,
) -> None:
    """Put certificates on the list of those that are not let in any more.

    The broker reads the list again on SIGHUP. The list is good for 30 days:
    without names it is made anew, with the same ones on it.

    \b
    Example:
      wattbay certificates revoke pki m07 && systemctl reload mosquitto
    """
    from wattbay.cli.certificates_work import revoke_certificates

    revoke_certificates(folder, names or [])
