"""What the operator's commands do with logins, and with what is kept of persons."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from wattbay.adapters.rest.client import Json, Refused, path_of
from wattbay.cli.operator_access import entrance
from wattbay.cli.operator_work import NOT_FOUND, console, show_facts, show_json
from wattbay.errors import ConfigError, Fault

# --- logins ----------------------------------------------------------------------------------


def add_login(
    file: Path | None,
    login: str,
    roles: tuple[str, ...],
    parties: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    """Make a login, and tell its one-time password."""
    body = {"login": login, "roles": roles, "parties": parties}
    made = entrance(file).client().post(path_of("logins"), body, Json)
    _tell_password(made, as_json=as_json)


def reset_login(file: Path | None, login: str, *, as_json: bool) -> None:
    """Give a login another one-time password."""
    made = entrance(file).client().post(path_of("logins", login, "password"), {}, Json)
    _tell_password(made, as_json=as_json)


def _tell_password(made: Json, *, as_json: bool) -> None:
    if as_json:
        show_json(made)
        return
    print(f"{made['login']}: one-time password {made['one_time_password']}")
    print("it is told this once, and changed at the first sign-in")


def list_logins(file: Path | None, *, as_json: bool) -> None:
    """List who can come in."""
    found = list(entrance(file).client().items(path_of("logins"), Json))
    if as_json:
        show_json(found)
        return
    table = Table("login", "roles", "parties", "", title="Logins", title_justify="left", box=None)
    for one in found:
        state = "let in no more" if one["is_disabled"] else ""
        if one["must_change"]:
            state = state or "one-time password"
        table.add_row(one["login"], ", ".join(one["roles"]), ", ".join(one["parties"]), state)
    console.print(table)


def remove_login(file: Path | None, login: str) -> None:
    """Take a login away for good."""
    entrance(file).client().delete(path_of("logins", login))
    print(f"{login} is gone, with its keys and sessions")


# --- persons ---------------------------------------------------------------------------------


def show_person(file: Path | None, party: str, *, as_json: bool) -> None:
    """Tell what is kept of a party's person."""
    client = entrance(file).client()
    try:
        kept = client.get(path_of("parties", party, "particulars"), Json)["particulars"]
    except Refused as refused:
        if refused.status != NOT_FOUND:
            raise
        kept = {}
    if as_json:
        show_json(kept)
    elif kept:
        show_facts(party, kept)
    else:
        print(f"nothing is kept of {party}")


def keep_person(file: Path | None, party: str, said: Sequence[str], *, as_json: bool) -> None:
    """Keep particulars of a party's person, beside those that are kept already.

    Raises
    ------
    ConfigError
        If something is said otherwise than as NAME=TEXT.
    """
    told = dict(one.split("=", 1) for one in said if "=" in one)
    if wrong := [one for one in said if "=" not in one]:
        remedy = "such as name='A. Household'"
        raise ConfigError(*(Fault("--keep", repr(one), remedy) for one in wrong))
    client = entrance(file).client()
    where = path_of("parties", party, "particulars")
    try:
        before = client.get(where, Json)["particulars"]
    except Refused as refused:
        if refused.status != NOT_FOUND:
            raise
        before = {}
    kept = client.put(where, {"particulars": {**before, **told}}, Json)["particulars"]
    if as_json:
        show_json(kept)
    else:
        show_facts(party, kept)


def erase_person(file: Path | None, party: str) -> None:
    """Erase what is kept of a party's person without a trace."""
    entrance(file).client().delete(path_of("parties", party, "particulars"))
    print(f"nothing is kept of {party} any more; its pseudonym stays in history")
