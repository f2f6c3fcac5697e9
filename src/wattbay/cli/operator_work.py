"""What the operator's commands do with members and their money."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from wattbay.adapters.rest.client import Json, Refused, RestClient, path_of
from wattbay.cli.operator_access import entrance
from wattbay.errors import AdapterError, ConfigError, Fault
from wattbay.periods import Instant, instant, to_text
from wattbay.units import NANO, NANO_PER_WH_IN_CENT_PER_KWH, SAFE_INTEGER_MAX

W_PER_KW = WH_PER_KWH = 1_000
NOT_FOUND = 404
TOO_EARLY = "not-in-sequence"
LISTED_MAX = 500
"""As many deliveries as a page holds: those that were listed last come first."""

console = Console(highlight=False)


class Terms(NamedTuple):
    """By whom and for what a pod is supplied; None: not said."""

    zone: str | None = None
    supplier: str | None = None
    brp: str | None = None
    tariff: str | None = None


class Joining(NamedTuple):
    """A member that is to join."""

    pod: str
    party: str
    request: Path
    terms: Terms
    since: str | None
    roles: tuple[str, ...]
    credit_limit: str
    import_register: int = 0
    export_register: int = 0
    yearly_kwh: int = 3_000
    power_max_kw: int = 100


class Community(msgspec.Struct, frozen=True):
    """What the service says of the community."""

    community: str
    currency: str
    isp_us: int
    zone: str
    now: str
    now_local: str
    entry: int


class PodFacts(msgspec.Struct, frozen=True):
    """What holds of a pod."""

    pod: str
    since: str
    party: str
    zone: str
    supplier: str
    brp: str
    tariff: str
    meter: str
    entry: int


class Party(msgspec.Struct, frozen=True):
    """A party."""

    party: str
    roles: tuple[str, ...]


class Named(msgspec.Struct, frozen=True):
    """A tariff's name."""

    tariff: str


class Ending(msgspec.Struct, frozen=True):
    """When a delivery ends."""

    delivery_end: str


# --- members ---------------------------------------------------------------------------------


def join_member(file: Path | None, joining: Joining, *, as_json: bool) -> None:
    """Let a member join, and say what comes next."""
    limit_nano = nano(joining.credit_limit, "--credit-limit")
    request = _request_of(joining.request)
    client = entrance(file).client()
    since = joining.since or next_boundary(client.get(path_of("community"), Community))
    pod = {
        "pod": joining.pod,
        "since": since,
        "party": joining.party,
        **_usual(client, joining.terms)._asdict(),
        "yearly_import_wh": joining.yearly_kwh * WH_PER_KWH,
        "meter": {
            "request": request,
            "import_register": joining.import_register,
            "export_register": joining.export_register,
            "power_max_w": joining.power_max_kw * W_PER_KW,
        },
    }
    if _is_admitted(client, joining.party):
        done = client.post(path_of("pods"), pod, Json)
    else:
        party = {
            "party": joining.party,
            "facts": {"roles": joining.roles, "credit_limit_nano": limit_nano},
        }
        done = client.post(path_of("members"), {"party": party, "pod": pod}, Json)
    if as_json:
        show_json({**done, **pod})
        return
    told = {name: pod[name] for name in ("party", "zone", "supplier", "brp", "tariff")}
    show_facts(
        f"{joining.pod} joins at {since}",
        {**told, "meter": request.get("device"), "entries": done["entries"]},
    )
    print(f"next: wattbay operator login add {joining.party} --party {joining.party}")


def move_in(
    file: Path | None,
    pod: str,
    party: str,
    since: str | None,
    *,
    roles: tuple[str, ...],
    credit_limit: str,
    as_json: bool,
) -> None:
    """Let another party move in, which is admitted first where it is new."""
    limit_nano = nano(credit_limit, "--credit-limit")
    client = entrance(file).client()
    earliest = first_free(client, pod)
    since = since or earliest
    if not _is_admitted(client, party):
        facts = {"roles": roles, "credit_limit_nano": limit_nano}
        client.post(path_of("parties"), {"party": party, "facts": facts}, Json)
    with _told_when(earliest):
        done = client.post(path_of("pods", pod, "move"), {"party": party, "since": since}, Json)
    _tell_change(done, f"{party} has {pod} from {since} on", as_json=as_json)


def switch_terms(
    file: Path | None, pod: str, terms: Terms, since: str | None, *, as_json: bool
) -> None:
    """Let a pod have another supplier, balance responsible party or tariff."""
    changed = {name: value for name, value in terms._asdict().items() if value is not None}
    if not changed:
        remedy = "--supplier, --brp or --tariff"
        raise ConfigError(Fault("switch", "nothing is to be switched", remedy))
    client = entrance(file).client()
    earliest = first_free(client, pod)
    since = since or earliest
    with _told_when(earliest):
        done = client.post(path_of("pods", pod, "supplier"), {"since": since, **changed}, Json)
    words = ", ".join(f"{name} {value}" for name, value in changed.items())
    _tell_change(done, f"{pod} has {words} from {since} on", as_json=as_json)


def let_leave(file: Path | None, pod: str, until: str | None, *, as_json: bool) -> None:
    """Let a pod leave."""
    client = entrance(file).client()
    earliest = first_free(client, pod)
    until = until or earliest
    with _told_when(earliest):
        done = client.post(path_of("pods", pod, "leave"), {"until": until}, Json)
    _tell_change(done, f"{pod} has no part in deliveries from {until} on", as_json=as_json)


def _tell_change(done: Json, words: str, *, as_json: bool) -> None:
    if as_json:
        show_json(done)
        return
    print(f"{words}; {numbered(done)}")


def numbered(done: Mapping[str, Any]) -> str:
    """Return in which entries of the journal something stands."""
    entries = done.get("entries") or [done["entry"]]
    return f"entr{'y' if len(entries) == 1 else 'ies'} {', '.join(map(str, entries))}"


def _request_of(path: Path) -> Json:
    """Return a device's request, as it was written; the service checks it."""
    try:
        found: Json = msgspec.json.decode(path.read_bytes(), type=Json)
    except OSError as error:
        remedy = "wattbay device register writes it"
        raise ConfigError(Fault(str(path), f"cannot be read: {error.strerror}", remedy)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        remedy = "wattbay device register writes one"
        raise ConfigError(Fault(str(path), f"is no request: {error}", remedy)) from error
    return found


def _is_admitted(client: RestClient, party: str) -> bool:
    try:
        client.get(path_of("parties", party), Party)
    except Refused as refused:
        if refused.status == NOT_FOUND:
            return False
        raise
    return True


def _usual(client: RestClient, said: Terms) -> Terms:
    """Return terms, where they were not said as with the pod that joined last.

    Raises
    ------
    ConfigError
        Names everything that has to be said, because nothing here tells it.
    """
    last = None
    for one in client.items(path_of("pods"), PodFacts):
        if last is None or one.entry > last.entry:
            last = one
    suppliers = [one for one in client.items(path_of("parties"), Party) if "supplier" in one.roles]
    supplier = said.supplier or (suppliers[0].party if suppliers else None)
    tariffs = client.get(path_of("tariffs"), list[Named])
    found = Terms(
        zone=said.zone or (None if last is None else last.zone),
        supplier=supplier,
        brp=said.brp or _responsible(suppliers, supplier, last),
        tariff=said.tariff or (tariffs[0].tariff if tariffs else None),
    )
    missing = [name for name, value in found._asdict().items() if value is None]
    if missing:
        raise ConfigError(
            *(Fault(f"--{name}", "nothing here tells which", f"--{name} NAME") for name in missing)
        )
    return found


def _responsible(suppliers: list[Party], supplier: str | None, last: PodFacts | None) -> str | None:
    """Return the balance responsible party: the supplier where it is one, or as with the last."""
    for one in suppliers:
        if one.party == supplier and "balance_responsible" in one.roles:
            return one.party
    return None if last is None else last.brp


def next_boundary(community: Community) -> str:
    """Return the start of the next delivery."""
    isp_us = community.isp_us
    return to_text(Instant((instant(community.now) // isp_us + 1) * isp_us))


def first_free(client: RestClient, pod: str) -> str:
    """Return from when on something may change at a pod.

    It is the first instant for which no delivery is listed, and after what was changed last.
    """
    community = client.get(path_of("community"), Community)
    facts = client.get(path_of("pods", pod), list[PodFacts])
    ends = [
        instant(one.delivery_end)
        for one in client.items(path_of("deliveries"), Ending, most=LISTED_MAX, limit=LISTED_MAX)
    ]
    changed = [instant(one.since) + community.isp_us for one in facts]
    return to_text(Instant(max([instant(next_boundary(community)), *ends, *changed])))


@contextmanager
def _told_when(earliest: str) -> Iterator[None]:
    """Say from when on a change may be, where it was wanted too early."""
    try:
        yield
    except Refused as refused:
        if refused.kind != TOO_EARLY:
            raise
        raise AdapterError(f"{refused}\n  the earliest is {earliest}") from refused


# --- money -----------------------------------------------------------------------------------


def nano(text: str, where: str = "AMOUNT") -> int:
    """Return an amount of money in nano-currency, exactly.

    Raises
    ------
    ConfigError
        If it is none.
    """
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    found = amount * NANO if amount.is_finite() else None
    if found is None or found != found.to_integral_value() or not 0 <= found <= SAFE_INTEGER_MAX:
        remedy = "such as 50.00, with nine decimals at most"
        raise ConfigError(Fault(where, f"{text!r} is no amount", remedy))
    return int(found)


def book(
    file: Path | None,
    what: str,
    pod: str,
    amount: str,
    party: str | None,
    *,
    once: str,
    as_json: bool,
) -> None:
    """Book a deposit or withdrawal."""
    amount_nano = nano(amount)
    client = entrance(file).client()
    if party is None:
        now = instant(client.get(path_of("community"), Community).now)
        facts = client.get(path_of("pods", pod), list[PodFacts])
        party = next((one.party for one in facts if instant(one.since) <= now), facts[-1].party)
    body = {"party": party, "amount_nano": amount_nano}
    done = client.post(path_of("pods", pod, what), body, Json, once=once)
    if as_json:
        show_json(done)
        return
    way = "in" if what == "deposits" else "out"
    print(f"{done['amount']} paid {way}: {done['party']} at {done['pod']}; {numbered(done)}")


def set_credit(file: Path | None, party: str, amount: str, *, as_json: bool) -> None:
    """Say what a party may owe and have at risk."""
    body = {"credit_limit_nano": nano(amount)}
    client = entrance(file).client()
    _, tag = client.tagged(path_of("parties", party), Json)
    done = client.put(path_of("parties", party, "credit-limit"), body, Json, tag=tag)
    if as_json:
        show_json(done)
        return
    limit = done["party"]["credit_limit"]
    print(f"{party} may owe and have at risk {limit} together; {numbered(done)}")


def tariffs(file: Path | None, document: Path | None, *, as_json: bool) -> None:
    """Publish a tariff, or list those there are."""
    client = entrance(file).client()
    if document is not None:
        done = client.post(path_of("tariffs"), _request_of(document), Json)
        if as_json:
            show_json(done)
        else:
            print(f"tariff {done['tariff']} is published; {numbered(done)}")
        return
    found = client.get(path_of("tariffs"), list[Json])
    if as_json:
        show_json(found)
        return
    table = Table(title="Tariffs, in cents per kWh before tax", title_justify="left", box=None)
    names = ("energy", "export", "network_regional", "levy", "service")
    table.add_column("tariff")
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for one in found:
        prices = [one[f"{name}_nano_per_wh"] / NANO_PER_WH_IN_CENT_PER_KWH for name in names]
        table.add_row(one["tariff"], *(f"{price:.3f}" for price in prices))
    console.print(table)


# --- how it looks ----------------------------------------------------------------------------


def show_json(told: object) -> None:
    """Print something for a program."""
    print(json.dumps(told, indent=2))


def show_facts(title: str, facts: Mapping[str, object]) -> None:
    """Print a few facts for people."""
    console.print(f"[bold]{escape(title)}[/]", soft_wrap=True)
    table = Table(show_header=False, box=None)
    for name, value in facts.items():
        words = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        table.add_row(name, value if isinstance(value, Text) else escape(words))
    console.print(table)
