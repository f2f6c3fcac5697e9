"""`etp`: the Energy Trading Protocol, from one message to a street that trades by it."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="""Speak the Energy Trading Protocol: batteries sell, aggregators bid.

    \b
    Examples:
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
