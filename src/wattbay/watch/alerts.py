"""Alerts: findings with a life. They are opened, seen by somebody, and closed.

A device that goes on being odd in the same way is one alert, however often it is found: there is at
most one open alert for each device and anomaly. The port stands here; what outlives the process is
`wattbay.adapters.stores.alerts`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec
from msgspec.structs import replace

from wattbay.ids import MeterId
from wattbay.periods import Instant
from wattbay.watch.findings import Anomaly, Finding, Severity

ALERTS_MAX = 100_000
"""Alerts that are kept; then the oldest go, closed ones first."""
NOTE_CHARACTERS_MAX = 1_000
BY_CHARACTERS_MAX = 200


class Alert(msgspec.Struct, frozen=True):
    """A finding, how often it was found again, and who has seen it."""

    number: int
    """From 1, in the order in which they were opened."""
    device: MeterId
    anomaly: Anomaly
    severity: Severity
    boot: int | None
    seq: int | None
    measured_at: Instant | None
    """Of the reading in which it was found last."""
    detail: str
    """What was found last."""
    opened_at: Instant
    last_at: Instant
    count: int
    """How often it was found."""
    acknowledged_by: str | None = None
    acknowledged_at: Instant | None = None
    closed_by: str | None = None
    closed_at: Instant | None = None
    note: str = ""
    """What was said last by whoever acknowledged or closed it."""


class AlertStore(Protocol):
    """Alerts, whatever holds them."""

    def add(self, finding: Finding) -> Alert:
        """Open an alert, or count the finding to the one that is open.

        Raises
        ------
        AdapterError
            If what holds them does not answer; as every method here.
        """

    def add_all(self, findings: Iterable[Finding]) -> list[Alert]:
        """Do the same with many, in one durable write; one alert a finding."""

    def acknowledge(self, number: int, by: str, at: Instant, note: str = "") -> Alert | None:
        """Say that somebody has seen an alert; None where there is none of that number.

        Who was first stays; a later note takes the place of an earlier one.
        """

    def close(self, number: int, by: str, at: Instant, note: str = "") -> Alert | None:
        """Close an alert: what is found from now on opens another. None where there is none.

        One that is closed stays as it is.
        """

    def end(self, device: MeterId, anomaly: Anomaly, at: Instant, note: str = "") -> Alert | None:
        """Close the open alert of a device and anomaly by itself; None where there is none."""

    def of(self, number: int) -> Alert | None:
        """Return an alert."""

    def find(
        self,
        device: MeterId | None = None,
        *,
        open_only: bool = False,
        after: int | None = None,
        limit: int = 100,
    ) -> list[Alert]:
        """Return alerts, the one that was opened last first.

        Parameters
        ----------
        device
            Whose; None for all.
        open_only
            Leave out what is closed.
        after
            Go on after this number, that is below it: the last one of the page before.
        limit
            How many at most; not negative.
        """

    def close_store(self) -> None:
        """Let go of what holds them."""


ITSELF = "watch"
"""Who closes an alert whose cause ended by itself."""


def opened(number: int, finding: Finding) -> Alert:
    """Return the alert that a finding opens."""
    return Alert(
        number, finding.device, finding.anomaly, finding.severity, finding.boot, finding.seq,
        finding.measured_at, finding.detail, finding.found_at, finding.found_at, 1,
    )  # fmt: skip


def again(alert: Alert, finding: Finding) -> Alert:
    """Return an alert to which a finding was counted."""
    return replace(
        alert,
        boot=finding.boot,
        seq=finding.seq,
        measured_at=finding.measured_at,
        detail=finding.detail,
        last_at=max(alert.last_at, finding.found_at),
        count=alert.count + 1,
    )


def acknowledged(alert: Alert, by: str, at: Instant, note: str) -> Alert:
    """Return an alert that somebody has seen."""
    if alert.acknowledged_at is None:
        alert = replace(alert, acknowledged_by=by[:BY_CHARACTERS_MAX], acknowledged_at=at)
    return replace(alert, note=note[:NOTE_CHARACTERS_MAX] or alert.note)


def closed(alert: Alert, by: str, at: Instant, note: str) -> Alert:
    """Return an alert that was closed."""
    if alert.closed_at is not None:
        return alert
    return replace(
        alert,
        closed_by=by[:BY_CHARACTERS_MAX],
        closed_at=at,
        note=note[:NOTE_CHARACTERS_MAX] or alert.note,
    )


class MemoryAlertStore:
    """Alerts in memory, gone with the process."""

    def __init__(self, alerts_max: int = ALERTS_MAX) -> None:
        """Hold nothing yet, and never more than so many."""
        self._alerts_max = alerts_max
        self._alerts: dict[int, Alert] = {}
        self._open: dict[tuple[MeterId, Anomaly], int] = {}
        self._last = 0

    def add(self, finding: Finding) -> Alert:
        """Open an alert, or count the finding to the one that is open."""
        key = (finding.device, finding.anomaly)
        number = self._open.get(key)
        if number is not None:
            alert = self._alerts[number] = again(self._alerts[number], finding)
            return alert
        self._last += 1
        alert = self._alerts[self._last] = opened(self._last, finding)
        self._open[key] = self._last
        if len(self._alerts) > self._alerts_max:
            self._drop_oldest()
        return alert

    def _drop_oldest(self) -> None:
        numbers = (one.number for one in self._alerts.values() if one.closed_at is not None)
        gone = self._alerts.pop(next(numbers, next(iter(self._alerts))))
        if gone.closed_at is None:
            del self._open[gone.device, gone.anomaly]

    def add_all(self, findings: Iterable[Finding]) -> list[Alert]:
        """Do the same with many."""
        return [self.add(finding) for finding in findings]

    def acknowledge(self, number: int, by: str, at: Instant, note: str = "") -> Alert | None:
        """Say that somebody has seen an alert."""
        alert = self._alerts.get(number)
        if alert is not None:
            alert = self._alerts[number] = acknowledged(alert, by, at, note)
        return alert

    def close(self, number: int, by: str, at: Instant, note: str = "") -> Alert | None:
        """Close an alert."""
        alert = self._alerts.get(number)
        if alert is not None:
            if alert.closed_at is None:
                del self._open[alert.device, alert.anomaly]
            alert = self._alerts[number] = closed(alert, by, at, note)
        return alert

    def end(self, device: MeterId, anomaly: Anomaly, at: Instant, note: str = "") -> Alert | None:
        """Close the open alert of a device and anomaly by itself."""
        number = self._open.get((device, anomaly))
        return None if number is None else self.close(number, ITSELF, at, note)

    def of(self, number: int) -> Alert | None:
        """Return an alert."""
        return self._alerts.get(number)

    def find(
        self,
        device: MeterId | None = None,
        *,
        open_only: bool = False,
        after: int | None = None,
        limit: int = 100,
    ) -> list[Alert]:
        """Return alerts, the one that was opened last first."""
        found: list[Alert] = []
        for number in reversed(self._alerts):
            alert = self._alerts[number]
            if len(found) >= limit:
                break
            if (
                (device is None or alert.device == device)
                and (after is None or number < after)
                and not (open_only and alert.closed_at is not None)
            ):
                found.append(alert)
        return found

    def close_store(self) -> None:
        """Do nothing."""
