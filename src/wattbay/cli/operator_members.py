"""`operator join`, `leave`, `move`, `switch`, and what a member pays in, takes out and may owe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()

File = Annotated[
    Path | None,
    typer.Option(
        envvar="WATTBAY_OPERATOR_FILE",
        help="Where address and key are kept. (otherwise wattbay/operator.json in ~/.config)",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="For a program to read.")]
Pod = Annotated[str, typer.Argument(help="A point of delivery, such as h07.")]
PartyName = Annotated[str, typer.Option(help="A pseudonym, such as p07; never a person's name.")]
Roles = Annotated[
    list[str], typer.Option("--role", help="Of a party that is new here; may be given again.")
]
CreditLimit = Annotated[
    str, typer.Option(help="What it may owe and have at risk together, such as 50.00.")
]
Since = Annotated[
    str | None,
    typer.Option(help="A delivery boundary. (otherwise the first for which nothing is listed)"),
]
Amount = Annotated[str, typer.Argument(help="In the community's currency, such as 50.00.")]
Once = Annotated[
    str,
    typer.Option(help="Such as the bank's reference: however often it is sent, it is booked once."),
]
PRIVATE_ROLE = "prosumer"


@app.command(rich_help_panel="Members")
def join(  # noqa: PLR0913, PLR0917 - one parameter an option
    pod: Annotated[str, typer.Option(help="The point of delivery, such as h07.")],
    party: PartyName,
    request: Annotated[
        Path, typer.Option(help="What `wattbay device register` wrote for its meter.")
    ],
    zone: Annotated[str | None, typer.Option(help="(otherwise that of the pod before)")] = None,
    supplier: Annotated[str | None, typer.Option(help="(otherwise the first there is)")] = None,
    brp: Annotated[
        str | None, typer.Option(help="Balance responsible party. (otherwise the supplier)")
    ] = None,
    tariff: Annotated[str | None, typer.Option(help="(otherwise the first there is)")] = None,
    since: Annotated[
        str | None, typer.Option(help="A delivery boundary. (otherwise the next)")
    ] = None,
    role: Roles = [PRIVATE_ROLE],  # noqa: B006 - typer copies it
    credit_limit: CreditLimit = "50.00",
    import_register: Annotated[int, typer.Option(help="Of its meter at that boundary.")] = 0,
    export_register: Annotated[int, typer.Option(help="Of its meter at that boundary.")] = 0,
    yearly_kwh: Annotated[int, typer.Option(help="Drawn, for estimates.")] = 3_000,
    power_max_kw: Annotated[int, typer.Option(help="More through the meter is impossible.")] = 100,
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """Let a member join: a party, its point of delivery and its meter.

    What is left out is as with the pod that joined last. A party that is
    here already gets another pod.

    \b
    Example:
      wattbay operator join --pod h07 --party p07 --request m07.json
      wattbay operator join --pod h08 --party p08 --request m08.json --zone south \\
        --tariff flat --credit-limit 80.00 --import-register 48213
    """
    from wattbay.cli.operator_work import Joining, Terms, join_member

    terms = Terms(zone=zone, supplier=supplier, brp=brp, tariff=tariff)
    joining = Joining(
        pod, party, request, terms, since,
        roles=tuple(role), credit_limit=credit_limit,
        import_register=import_register, export_register=export_register,
        yearly_kwh=yearly_kwh, power_max_kw=power_max_kw,
    )  # fmt: skip
    join_member(file, joining, as_json=as_json)


@app.command(rich_help_panel="Members")
def move(
    pod: Pod,
    party: PartyName,
    since: Since = None,
    role: Roles = [PRIVATE_ROLE],  # noqa: B006 - typer copies it
    credit_limit: CreditLimit = "50.00",
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """Let another party move in. It inherits no debt; who was there is billed to the date.

    \b
    Example:
      wattbay operator move h07 --party p31 --since 2026-06-01T00:00Z
    """
    from wattbay.cli.operator_work import move_in

    move_in(file, pod, party, since, roles=tuple(role), credit_limit=credit_limit, as_json=as_json)


@app.command(rich_help_panel="Members")
def switch(
    pod: Pod,
    supplier: Annotated[str | None, typer.Option(help="Another supplier.")] = None,
    brp: Annotated[str | None, typer.Option(help="Another balance responsible party.")] = None,
    tariff: Annotated[str | None, typer.Option(help="Another tariff.")] = None,
    since: Since = None,
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """Let a pod have another supplier or tariff from a date.

    \b
    Example:
      wattbay operator switch h07 --tariff green --since 2026-06-01T00:00Z
    """
    from wattbay.cli.operator_work import Terms, switch_terms

    terms = Terms(zone=None, supplier=supplier, brp=brp, tariff=tariff)
    switch_terms(file, pod, terms, since, as_json=as_json)


@app.command(rich_help_panel="Members")
def leave(
    pod: Pod,
    until: Annotated[
        str | None,
        typer.Option(
            help="The first delivery without it. (otherwise the first that is not listed)"
        ),
    ] = None,
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """Let a pod leave the community. Its last month is stated as any other.

    \b
    Example:
      wattbay operator leave h07 --until 2026-06-01T00:00Z
    """
    from wattbay.cli.operator_work import let_leave

    let_leave(file, pod, until, as_json=as_json)


@app.command(rich_help_panel="Money")
def deposit(
    pod: Pod,
    amount: Amount,
    party: Annotated[
        str | None, typer.Option(help="Whose. (otherwise the party that has the pod now)")
    ] = None,
    once: Once = "",
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """Book money that a member has paid in.

    \b
    Example:
      wattbay operator deposit h07 50.00 --once bank-2026-0419
    """
    from wattbay.cli.operator_work import book

    book(file, "deposits", pod, amount, party, once=once, as_json=as_json)


@app.command(rich_help_panel="Money")
def withdraw(
    pod: Pod,
    amount: Amount,
    party: Annotated[
        str | None, typer.Option(help="Whose. (otherwise the party that has the pod now)")
    ] = None,
    once: Once = "",
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """Book money that was paid out to a member: what is its own, and not at risk.

    \b
    Example:
      wattbay operator withdraw h07 12.50 --once bank-2026-0733
    """
    from wattbay.cli.operator_work import book

    book(file, "withdrawals", pod, amount, party, once=once, as_json=as_json)


@app.command(rich_help_panel="Money")
def credit(
    party: Annotated[str, typer.Argument(help="A party, such as p07.")],
    amount: Amount,
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """Say what a party may owe and have at risk together. Orders that stand go on standing.

    \b
    Example:
      wattbay operator credit p07 80.00
    """
    from wattbay.cli.operator_work import set_credit

    set_credit(file, party, amount, as_json=as_json)


@app.command(rich_help_panel="Members")
def tariff(
    document: Annotated[
        Path | None, typer.Argument(help="A tariff as JSON, to publish. (otherwise: list them)")
    ] = None,
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """List the tariffs, or publish another. One that is published never changes.

    \b
    Example:
      wattbay operator tariff --json > tariffs.json
      wattbay operator tariff green.json
    """
    from wattbay.cli.operator_work import tariffs

    tariffs(file, document, as_json=as_json)


@app.command(rich_help_panel="Members")
def person(
    party: Annotated[str, typer.Argument(help="A party, such as p07.")],
    keep: Annotated[
        list[str] | None,
        typer.Option(help="NAME=TEXT: name, street, postcode, city, email; may be given again."),
    ] = None,
    erase: Annotated[
        bool, typer.Option("--erase", help="Forget all of it, without a trace.")
    ] = False,
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """Tell what is kept of a party's person; keep more of it, or erase it.

    It is kept apart from the market's history, and stands on printed
    statements. What is erased is still in backups that were made before.

    \b
    Example:
      wattbay operator person p07 --keep name="A. Household" --keep street="Elm Street 7"
      wattbay operator person p07 --erase
    """
    from wattbay.cli.operator_people import erase_person, keep_person, show_person

    if erase:
        erase_person(file, party)
    elif keep:
        keep_person(file, party, keep, as_json=as_json)
    else:
        show_person(file, party, as_json=as_json)
