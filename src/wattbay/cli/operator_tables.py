"""What the operator's commands look at: the service, devices, alerts, files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import msgspec
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from wattbay.adapters.rest.client import Json, Refused, RestClient, path_of
from wattbay.cli.operator_access import entrance
from wattbay.cli.operator_work import Community, console, show_facts, show_json
from wattbay.errors import AdapterError, ConfigError, Fault
from wattbay.periods import SECOND, Instant, instant, to_text

NOT_READY = 503
STYLES: Mapping[str, str] = MappingProxyType(
    {
        "ok": "green",
        "attention": "yellow",
        "faulty": "red",
        "silent": "yellow",
        "unseen": "dim",
        "notice": "dim",
        "soft": "yellow",
        "hard": "red",
    }
)


class Wanted(NamedTuple):
    """A file that is wanted, and of what."""

    sheet: str
    since: str | None = None
    until: str | None = None
    month: str | None = None
    brp: str | None = None


class Health(msgspec.Struct, frozen=True):
    """How a device does."""

    device: str
    pod: str | None
    kind: str
    status: str
    reasons: tuple[str, ...]
    last_seen: str | None
    is_online: bool | None


class Alert(msgspec.Struct, frozen=True):
    """What is odd about a device."""

    number: int
    device: str
    anomaly: str
    severity: str
    detail: str
    last_at: str
    count: int
    acknowledged_by: str | None
    closed_at: str | None


def show_status(file: Path | None, *, as_json: bool) -> int:
    """Tell how the service is; return the exit status."""
    known = entrance(file)
    client = known.client()
    amiss = _amiss(client)
    community = client.get(path_of("community"), Community)
    pods = {str(one["pod"]) for one in client.items(path_of("pods"), Json)}
    parties = sum(1 for _ in client.items(path_of("parties"), Json))
    health = Counter(one.status for one in client.items(path_of("device-health"), Health))
    alerts = Counter(
        one.severity for one in client.items(path_of("alerts"), Alert, open_only="true")
    )
    if as_json:
        show_json({
            **msgspec.to_builtins(community), "amiss": amiss, "pods": len(pods),
            "parties": parties, "devices": dict(health), "open_alerts": dict(alerts),
        })  # fmt: skip
        return 1 if amiss else 0
    show_facts(
        f"{community.community} at {known.url}",
        {
            "service": Text("not ready", "red") if amiss else Text("ready", "green"),
            **amiss,
            "its time": f"{community.now_local} ({community.zone})",
            "journal": f"entry {community.entry:,}",
            "members": f"{parties:,} parties, {len(pods):,} pods",
            "devices": _counted(health),
            "open alerts": _counted(alerts),
        },
    )
    return 1 if amiss else 0


def _amiss(client: RestClient) -> dict[str, str]:
    """Return what is amiss with a service, by part."""
    try:
        client.get("/readyz", Json)
    except Refused as refused:
        if refused.status != NOT_READY:
            raise
        return {flaw.pointer: flaw.detail for flaw in refused.problem.errors} or {
            "service": refused.problem.detail
        }
    return {}


def _seconds(at: str) -> str:
    """Return an instant as people read it, without its fraction."""
    return to_text(Instant(instant(at) // SECOND * SECOND))


def _counted(counts: Counter[str]) -> Text:
    words = [f"{count:,} {_styled(name)}" for name, count in sorted(counts.items())]
    return Text.from_markup(", ".join(words) or "none")


def _styled(word: str) -> str:
    style = STYLES.get(word)
    return escape(word) if style is None else f"[{style}]{escape(word)}[/]"


def show_devices(file: Path | None, *, as_json: bool) -> None:
    """List devices, and how each does."""
    client = entrance(file).client()
    if as_json:
        show_json(list(client.items(path_of("device-health"), Json)))
        return
    table = Table("device", "kind", "pod", "status", "last seen", "why", box=None, pad_edge=False)
    for one in client.items(path_of("device-health"), Health):
        seen = "never" if one.last_seen is None else _seconds(one.last_seen)
        online = " (offline)" if one.is_online is False else ""
        why = escape("; ".join(one.reasons))
        table.add_row(one.device, one.kind, one.pod or "", _styled(one.status), seen + online, why)
    console.print(table)


def show_alerts(file: Path | None, device: str | None, *, open_only: bool, as_json: bool) -> None:
    """List alerts."""
    client = entrance(file).client()
    is_open = str(open_only).lower()
    told = list(client.items(path_of("alerts"), Json, device=device, open_only=is_open))
    if as_json:
        show_json(told)
        return
    found = msgspec.convert(told, list[Alert])
    if not found:
        print("nothing is odd" if open_only else "nothing was ever odd")
        return
    table = Table("no", "device", "severity", "what", "times", "last", "", box=None, pad_edge=False)
    for one in found:
        state = "closed" if one.closed_at else f"seen by {one.acknowledged_by}"
        table.add_row(
            str(one.number), one.device, _styled(one.severity),
            escape(f"{one.anomaly}: {one.detail}"), str(one.count), _seconds(one.last_at),
            state if one.closed_at or one.acknowledged_by else "",
        )  # fmt: skip
    console.print(table)


def show_receipts(
    file: Path | None, pod: str, delivery: str | None, count: int, *, as_json: bool
) -> None:
    """List the last receipts of a pod, or explain one."""
    client = entrance(file).client()
    if delivery is not None:
        found = client.get(path_of("receipts", pod, delivery), Json)
        if as_json:
            show_json(found)
            return
        receipt = found["receipt"]
        print(f"{pod}, {receipt['delivery_local']}, {receipt['run']} ({receipt['quality']})")
        for line in found["words"]:
            print(f"  {line}")
        return
    told = list(client.items(path_of("receipts"), Json, most=count, pod=pod, limit=count))
    if as_json:
        show_json(told)
        return
    if not told:
        print(f"{pod} has no receipt yet: the first run comes some time after a delivery")
        return
    table = Table("delivery", "run", "read", box=None, pad_edge=False)
    for name in ("bought", "sold", "in", "out", "pays"):
        table.add_column(name, justify="right")
    for one in told:
        amounts = (one["bought_wh"], one["sold_wh"], one["import_wh"], one["export_wh"])
        table.add_row(
            one["delivery"], one["run"], one["quality"], *(f"{each:,}" for each in amounts),
            f"{Decimal(one['total']):.4f}",
        )  # fmt: skip
    console.print(table)


def act_on_alert(file: Path | None, number: int, act: str, note: str, *, as_json: bool) -> None:
    """Say that an alert is seen, or over."""
    client = entrance(file).client()
    done = client.post(path_of("alerts", str(number), act), {"note": note}, Json)
    if as_json:
        show_json(done)
        return
    what = "closed" if act == "close" else "acknowledged"
    print(f"alert {number} of {done['device']} ({done['anomaly']}) is {what}")


def take_away(
    file: Path | None, wanted: Wanted, out: Path | None, *, force: bool, is_json: bool
) -> None:
    """Write one of the operator's files."""
    form = "json" if is_json else "csv"
    path = out or Path(f"{wanted.sheet}.{form}")
    if path.exists() and not force:
        raise AdapterError(f"{path} is there already; --force replaces it")
    query = {"since": wanted.since, "until": wanted.until, "brp": wanted.brp, "form": form}
    name = {"missing": "missing-readings"}.get(wanted.sheet, wanted.sheet)
    parts = ["files", name]
    if wanted.sheet == "tax":
        if wanted.month is None:
            raise ConfigError(Fault("--month", "of which month?", "--month 2026-05"))
        parts.append(wanted.month)
    size = entrance(file).client().save(path_of(*parts), path, **query)
    print(f"{path}: {size:,} bytes")


def back_up(file: Path | None, *, as_json: bool) -> None:
    """Let the service make a backup."""
    made = entrance(file).client().post(path_of("backups"), {}, Json)
    if as_json:
        show_json(made)
        return
    show_facts("backed up", made)
