"""What snapshots are made of: the running exchange and what is kept beside it.

Everything is bounded: a snapshot is where somebody begins to listen, not an archive. What is older
is asked for over REST.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from wattbay.adapters.api.node import Latest
from wattbay.adapters.api.stream.messages import plain
from wattbay.adapters.api.stream.topics import STAFF, pod_of
from wattbay.core.exchange import State
from wattbay.core.facts import Statement
from wattbay.core.registry import facts_at
from wattbay.ids import MeterId, PartyId, PodId
from wattbay.kernel.evidence import Reading
from wattbay.periods import Instant, to_text
from wattbay.views.history import History, Want
from wattbay.watch.alerts import Alert, AlertStore

RECEIPTS_MAX = 96
"""Of a pod, the newest."""
DELIVERIES_LOOKED_AT_MAX = 1_000
"""In which they are looked for."""
STATEMENTS_MAX = 12
LINES_MAX = 500
ALERTS_MAX = 100
DEVICES_MAX = 1_000
TRADES_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a hub looks at."""

    state: Callable[[], State]
    history: History | None = None
    latest: Latest | None = None
    alerts: AlertStore | None = None


class Remark(NamedTuple):
    """Something that a topic of events told, kept for its snapshots."""

    kind: str
    at: Instant
    entry: int | None
    body: object


def remark_row(remark: Remark) -> Mapping[str, object]:
    """Return what was told, as a message without topic and number."""
    told: dict[str, object] = {"ts": to_text(remark.at)}
    if remark.entry is not None:
        told["entry"] = remark.entry
    return {**told, "type": remark.kind, "data": remark.body}


def trade_row(
    trade: int, product: str, delivery: Instant, quantity_wh: int, price: int
) -> Mapping[str, object]:
    """Return a trade as everybody is told of it: nobody's name.

    Parameters
    ----------
    price
        What the seller gets. [nano-currency per Wh]
    """
    return {
        "trade": trade,
        "product": product,
        "delivery": to_text(delivery),
        "quantity_wh": quantity_wh,
        "price_nano_per_wh": price,
    }


def last_trades(history: History | None) -> Iterator[Remark]:
    """Yield the last trades that history knows, oldest first."""
    if history is None:
        return
    for row in reversed(history.find(Want("trades", limit=TRADES_MAX)).rows):
        if row.get("state") != "cancelled":
            body = trade_row(
                _whole(row["trade"]),
                str(row["product"]),
                Instant(_whole(row["delivery_start"])),
                _whole(row["quantity_wh"]),
                _whole(row["seller_price_nano_per_wh"]),
            )
            yield Remark("trade", Instant(_whole(row["at"])), _whole(row["entry"]), body)


def last_prices(
    history: History | None, since: Instant, until: Instant
) -> Iterator[tuple[str, Instant, int | None, int | None]]:
    """Yield product, delivery, price and volume of the deliveries of a span that were cleared."""
    if history is None:
        return
    wanted = Want("deliveries", since=since, until=until, limit=LINES_MAX)
    for row in reversed(history.find(wanted).rows):
        price, volume = row["price_nano_per_wh"], row["volume_wh"]
        if volume is not None:
            start = Instant(_whole(row["delivery_start"]))
            yield (
                str(row["product"]),
                start,
                None if price is None else _whole(price),
                _whole(volume),
            )


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


# --- what is one party's ---------------------------------------------------------------------


def receipts(sources: Sources, pod: PodId, audience: str) -> Mapping[str, object]:
    """Return the newest receipts of a pod for an audience, by delivery, the newest first."""
    found: dict[str, object] = {}
    deliveries = sources.state().deliveries.open
    for delivery in islice(sorted(deliveries, reverse=True), DELIVERIES_LOOKED_AT_MAX):
        receipt = deliveries[delivery].receipts.get(pod)
        if receipt is not None and audience in {STAFF, receipt.party}:
            found[to_text(delivery)] = plain(receipt)
            if len(found) >= RECEIPTS_MAX:
                break
    return found


def statement_row(statement: Statement) -> Mapping[str, object]:
    """Return a statement as it is told."""
    return {
        "pod": statement.pod,
        "party": statement.party,
        "month": statement.month,
        "lines": plain(statement.lines),
        "payable_minor": statement.payable_minor,
    }


def statements(sources: Sources, pod: PodId, audience: str) -> Mapping[str, object]:
    """Return the newest statements of a pod for an audience, by month, the newest first."""
    if sources.history is None:
        return {}
    wanted = Want("statements", pods=frozenset({pod}), limit=LINES_MAX)
    months: dict[str, dict[str, object]] = {}
    lines: dict[str, list[object]] = {}
    for row in sources.history.find(wanted).rows:
        party, month = str(row["party"]), str(row["month"])
        if audience not in {STAFF, party} or (
            month not in months and len(months) >= STATEMENTS_MAX
        ):
            continue
        line = {"component": row["component"], "amount_nano": row["amount_nano"]}
        lines.setdefault(month, []).insert(0, line)
        months[month] = {
            "pod": pod,
            "party": party,
            "month": month,
            "lines": lines[month],
            "payable_minor": row["payable_minor"],
        }
    return months


# --- devices ---------------------------------------------------------------------------------


def party_of(device: MeterId, at: Instant, state: State) -> PartyId | None:
    """Return whose device it is at an instant; None where it is nobody's."""
    pod = pod_of(device, state)
    facts = None if pod is None else facts_at(state.registry, pod, at)
    return None if facts is None else facts.party


def devices_of(state: State, pod: PodId | None = None) -> Iterator[MeterId]:
    """Yield the devices of a pod, or all, by name."""
    meters, others = state.metering.meters, state.registry.devices
    if pod is None:
        yield from sorted({*meters, *others})
        return
    behind = {device for device, use in meters.items() if use.pod == pod}
    behind |= {device for device, known in others.items() if known.pod == pod}
    yield from sorted(behind)


def device_row(device: MeterId, state: State, said: Mapping[str, object]) -> Mapping[str, object]:
    """Return a device as it is told.

    Parameters
    ----------
    said
        What was heard of it on the wire, such as its status.
    """
    known = state.registry.devices.get(device)
    return {
        "device": device,
        "kind": "meter" if known is None else known.kind,
        "pod": pod_of(device, state),
        "revoked": state.registry.revoked.get(device),
        **said,
    }


def is_known(device: MeterId, state: State) -> bool:
    """Tell whether there is a device of that name."""
    return device in state.metering.meters or device in state.registry.devices


def devices(sources: Sources, audience: str, at: Instant) -> Iterator[MeterId]:
    """Yield the devices of a party, or all, by name."""
    state = sources.state()
    found = (
        device for device in devices_of(state) if audience in {STAFF, party_of(device, at, state)}
    )
    return islice(found, DEVICES_MAX)


def reading_row(reading: Reading, pod: PodId | None) -> Mapping[str, object]:
    """Return a reading as it is told."""
    return {
        "device": reading.device,
        "pod": pod,
        "boot": reading.boot,
        "seq": reading.seq,
        "measured_at": to_text(reading.measured_at),
        "import_register": reading.import_register,
        "export_register": reading.export_register,
        "power_w": reading.power_w,
        "voltage_mv": reading.voltage_mv,
        "flags": reading.flags,
    }


def readings(sources: Sources, subject: str, audience: str) -> Mapping[str, object]:
    """Return the last readings of a pod's devices, of a device, or of all, by device."""
    if sources.latest is None:
        return {}
    state = sources.state()
    if not subject:
        names: Iterator[MeterId] = devices_of(state)
    elif PodId(subject) in state.registry.pods:
        names = devices_of(state, PodId(subject))
    else:
        names = iter((MeterId(subject),))
    found: dict[str, object] = {}
    for device in islice(names, DEVICES_MAX):
        reading = sources.latest.of(device)
        if reading is not None and (
            audience in {STAFF, party_of(device, reading.measured_at, state)}
        ):
            found[device] = reading_row(reading, pod_of(device, state))
    return found


def alert_row(alert: Alert) -> Mapping[str, object]:
    """Return an alert as it is told."""
    return {
        "number": alert.number,
        "device": alert.device,
        "anomaly": alert.anomaly,
        "severity": alert.severity,
        "detail": alert.detail,
        "measured_at": None if alert.measured_at is None else to_text(alert.measured_at),
        "opened_at": to_text(alert.opened_at),
        "last_at": to_text(alert.last_at),
        "count": alert.count,
        "acknowledged_at": None
        if alert.acknowledged_at is None
        else to_text(alert.acknowledged_at),
        "closed_at": None if alert.closed_at is None else to_text(alert.closed_at),
        "note": alert.note,
    }


def alerts(sources: Sources, audience: str, at: Instant) -> Mapping[str, object]:
    """Return the open alerts about the devices of a party, or of all, by number.

    What was found last when a device was another party's is for that one.
    """
    if sources.alerts is None:
        return {}
    if audience == STAFF:
        found = sources.alerts.find(open_only=True, limit=ALERTS_MAX)
    else:
        found = [
            alert
            for device in devices(sources, audience, at)
            for alert in sources.alerts.find(device, open_only=True, limit=ALERTS_MAX)
            if party_of(device, alert.last_at, sources.state()) == audience
        ]
    ordered = sorted(found, key=lambda alert: alert.number)[-ALERTS_MAX:]
    return {str(alert.number): alert_row(alert) for alert in ordered}
