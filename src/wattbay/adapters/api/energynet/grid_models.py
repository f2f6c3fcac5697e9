"""What EnergyNet's grid endpoints hear and answer. Power into the grid is positive."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from wattbay.adapters.api.energynet.amounts import AMOUNT_KWH_MAX, PRICE_PER_KWH_MAX
from wattbay.adapters.api.energynet.models import Amount, Price
from wattbay.adapters.api.forms import Id, InstantText


class VoltagesTold(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Voltages as measured. [V]"""

    lowest: float
    mean: float
    highest: float
    count: int


class ZoneTold(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is reported of a zone."""

    zone: str | None
    """Null for sensors of which no zone is known."""
    pods: int
    pods_heard: int
    import_w: int | None
    """[W]"""
    export_w: int | None
    sensor_power_w: int | None
    """Into the grid is positive. [W]"""
    voltage: VoltagesTold | None
    oldest_age_s: float | None
    """Age of the oldest reading that counts here. [s]"""
    newest_age_s: float | None
    silent: tuple[str, ...]
    """Devices that told nothing lately; the first hundred by name."""
    silent_count: int


class GridStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The grid as its meters and sensors report it."""

    at: str
    frequency: float | None
    """[Hz]"""
    voltage: float | None
    """Mean of all that were measured lately. [V]"""
    demand: float | None
    """What pods draw together. [kW]"""
    supply: float | None
    """What pods give together. [kW]"""
    zones: tuple[ZoneTold, ...]
    limits: int
    """Network limits in force or to come."""
    not_known: tuple[str, ...]


class ActivationWanted(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """Energy that a pod is told to give (positive) or draw in a delivery."""

    pod: Id
    energy: Annotated[float, Meta(ge=-AMOUNT_KWH_MAX, le=AMOUNT_KWH_MAX)]
    """Whole Wh of it count. [kWh]"""


class TermWanted(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """The weight of a pod or a zone in a limit; it names one of the two."""

    coefficient: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)] = 1
    pod: Id | None = None
    zone: Id | None = None


class LimitWanted(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """A bound on what the auctions of a span may trade: sum of coefficient × (sold − bought)."""

    since: InstantText
    until: InstantText
    bound: Annotated[float, Meta(ge=0, le=AMOUNT_KWH_MAX)]
    """In each delivery; rounded down to whole Wh. [kWh]"""
    terms: Annotated[tuple[TermWanted, ...], Meta(min_length=1, max_length=1_000)]


class BalanceWanted(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """What the grid operator does for balance: activations in a delivery, or a limit."""

    reason: Annotated[str, Meta(min_length=1, max_length=200)]
    operator: Id | None = None
    """The grid operator's party; may be left out where you have one party."""
    delivery: InstantText | None = None
    """Start of the activations' delivery; left out: the one that runs now."""
    activations: Annotated[tuple[ActivationWanted, ...], Meta(max_length=100)] = ()
    limit: LimitWanted | None = None


class ActivationTold(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What became of an activation."""

    pod: str
    energy_wh: int
    """[Wh]"""
    entry: int
    refused: str = ""
    """Why not; empty where it stands."""


class BalanceTold(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was done for balance."""

    delivery: str | None
    activations: tuple[ActivationTold, ...]
    limit_entry: int | None
    """Number of the journal's entry by which the limit stands."""
    limit_bound_wh: int | None


class PricesWanted(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """Prices of a tariff in deliveries that have not begun, one each. [currency per kWh]

    At most six decimals each: whole nano-currency per Wh.
    """

    tariff: Id
    start: InstantText
    energy: Annotated[tuple[Price, ...], Meta(max_length=200)] = ()
    export: Annotated[tuple[Price, ...], Meta(max_length=200)] = ()
    zone: Id | None = None


class DemandWanted(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """Demand response: a call to draw less for a compensation, or prices that say so."""

    party: Id | None = None
    """Who calls: a grid operator or a supplier; may be left out where you have one party."""
    start: InstantText | None = None
    """Of the window; a delivery that has not begun."""
    duration: Annotated[int, Meta(ge=1, le=86_400)] | None = None
    """Of the window: whole deliveries. [s]"""
    compensation: Annotated[float, Meta(ge=0, le=PRICE_PER_KWH_MAX)] | None = None
    """For each kWh less than the baseline; at most six decimals count. [currency per kWh]"""
    penalty: Annotated[float, Meta(ge=0, le=PRICE_PER_KWH_MAX)] = 0
    """For each kWh more; likewise. [currency per kWh]"""
    reduction: Amount | None = None
    """What is hoped for, told with the call: nobody is held to it. [kWh]"""
    pods: Annotated[tuple[Id, ...], Meta(max_length=1_000)] = ()
    tariff: Id | None = None
    """All pods on it; else pods are named."""
    baseline_days: Annotated[int, Meta(ge=1, le=7)] = 7
    """The baseline is the mean of the same window of so many days before."""
    reason: Annotated[str, Meta(max_length=200)] = ""
    prices: PricesWanted | None = None


class DemandTold(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What stands of a wish for demand response."""

    request_id: str | None
    """``call-`` and the entry's number; null where prices were published."""
    entry: int
    start: str
    deliveries: int
    baseline: tuple[str, ...]
    """Starts of the windows whose mean is the baseline."""
    rebate_nano_per_wh: int | None
    penalty_nano_per_wh: int | None
    remark: str


class ViolationTold(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A voltage outside its band."""

    device: str
    zone: str | None
    at: str
    voltage: float
    """[V]"""


class Stability(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How steady the grid was over a span, as far as it was measured."""

    start: str
    end: str
    stability: float | None
    """Share of measured voltages within the band; null where none was measured. [0 to 1]"""
    band: tuple[float, float]
    """[V]"""
    samples: int
    violations: int
    worst: tuple[ViolationTold, ...]
    """The hundred furthest from the band, furthest first."""
    frequency: float | None
    """[Hz]"""
    devices: int
    devices_heard: int
    missing_share: float | None
    """Share of meters and sensors that told no voltage in the span. [0 to 1]"""
    not_known: tuple[str, ...]
