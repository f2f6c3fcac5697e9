"""`etp`: the Energy Trading Protocol, from one message to a street that trades by it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wattbay.cli import etp_nodes

app = typer.Typer(
    no_args_is_help=True,
    help="""Speak the Energy Trading Protocol: batteries sell, aggregators bid.

    \b
    Examples:
      wattbay etp demo                  three batteries, five aggregators, live
      wattbay etp bess 101 --plain --bidder 201
      wattbay etp aggregator 201 --plain
      echo '{"message_type": "Query", "message_id": 200, "device_id": 99}' |
        wattbay etp encode              one message as bytes, in hex
      wattbay etp decode capture.txt    what was said, a line of JSON each

    A message is 84 bytes; what they mean is in the protocol's reference.
    """,
)

Text = Annotated[
    bool, typer.Option("--text", help="The text of the first prototype in place of hex.")
]


@app.callback()
def etp() -> None:
    """Hold the commands together, however few they are."""


@app.command()
def encode(
    file: Annotated[
        str, typer.Argument(help="Messages, a line of JSON each; - for standard input.")
    ] = "-",
    text: Text = False,
) -> None:
    """Write messages as bytes: a line of JSON in, a line of hex out.

    `message_type` is a name (Register, Query, QueryResponse, Bid, BidAccept,
    BidConfirm, BidReject, Terminate, DeviceFailure, BESSStatus) or a number
    of 0 to 9. Other fields may be left out: they are 0, and `ttl` is 5.

    What is at fault is named by its line on standard error, and the others
    are written all the same. Exit status 1 where any was at fault.

    \b
    Examples:
      echo '{"message_type": "Terminate", "message_id": 7}' | wattbay etp encode
      wattbay etp encode messages.jsonl --text
    """
    from wattbay.cli.etp_codec import encode_lines

    raise typer.Exit(encode_lines(file, text=text))


@app.command()
def decode(
    file: Annotated[str, typer.Argument(help="Lines of hex; - for standard input.")] = "-",
    text: Text = False,
) -> None:
    """Read messages: a line of hex in, a line of JSON out.

    A line is a message of 84 bytes, one in an envelope (150 or 182), or
    either with its four bytes of length before it. What an envelope says of
    itself is told under `envelope`; its tag is not checked here.

    What is at fault is named by its line on standard error, and the others
    are written all the same. Exit status 1 where any was at fault.

    \b
    Examples:
      wattbay etp encode messages.jsonl | wattbay etp decode
      echo '3 7 201 5 15.50 0.00 0.00 0.00 10.00 0 0.00 0 0.00 0.00' |
        wattbay etp decode --text
    """
    from wattbay.cli.etp_codec import decode_lines

    raise typer.Exit(decode_lines(file, text=text))


@app.command()
def keys(
    device: Annotated[int, typer.Argument(help="Whose keys: the id of a device.")],
    out: Annotated[Path, typer.Option(help="The file to make.")],
) -> None:
    """Draw keys for a device, and print what others know it by.

    The file is for the eyes of its owner alone (mode 600), and none is ever
    overwritten. What is printed is no secret: it goes into the files of
    those with whom the device speaks, and theirs into this one.

    \b
    Examples:
      wattbay etp keys 101 --out battery.toml > battery.peer
      wattbay etp keys 201 --out aggregator.toml > aggregator.peer
      cat aggregator.peer >> battery.toml
      cat battery.peer >> aggregator.toml
    """
    from wattbay.cli.etp_discover import draw

    draw(device, out)


@app.command()
def discover(  # noqa: PLR0913, PLR0917 - one parameter an option
    keys: Annotated[
        Path | None, typer.Option(help="A file of keys: only those who are in it count.")
    ] = None,
    plain: Annotated[
        bool,
        typer.Option("--plain", help="No envelopes: anybody can then say to be anybody."),
    ] = False,
    group: Annotated[str, typer.Option(help="A multicast address.")] = "239.192.84.1",
    port: Annotated[int, typer.Option(help="Of the group.")] = 8888,
    interface: Annotated[
        str, typer.Option(help="Address or name of one, such as eth0. (otherwise all)")
    ] = "",
    ttl: Annotated[int, typer.Option(help="Networks that a question may cross.")] = 1,
    seconds: Annotated[float, typer.Option(help="How long to wait for answers.")] = 3.0,
    as_json: Annotated[bool, typer.Option("--json", help="For a program to read.")] = False,
) -> None:
    """Look for batteries in a group, and list who answers.

    Told is where a battery can be called (TCP), what it holds and which share
    of it is for sale. Exit status 1 where nobody answered.

    \b
    Examples:
      wattbay etp discover --keys aggregator.toml
      wattbay etp discover --plain --seconds 1
    """
    from wattbay.adapters.etp.datagrams import Group
    from wattbay.cli.etp_discover import discover as look

    where = Group(group, port, interface, ttl)
    raise typer.Exit(look(where, seconds, keys, plain=plain, as_json=as_json))


etp_nodes.join(app)
