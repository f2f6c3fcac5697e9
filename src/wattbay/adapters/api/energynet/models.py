"""EnergyNet's trade model, with what this market adds to it: extra fields, all of them optional.

Its documents name fields and no units. Here an `amount` is kWh, a `price` currency per kWh, an
address the pseudonym of a party, a frequency Hz, a voltage V, and a stability the share of voltages
within their band. Numbers that end in a unit are exact: `energyWh`, `priceNanoPerWh`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from wattbay.adapters.api.energynet.amounts import AMOUNT_KWH_MAX, PRICE_PER_KWH_MAX
from wattbay.adapters.api.forms import Id, InstantText, whole

DURATION_S_MAX = 31 * 86_400
TRADE_ID_PATTERN = r"^(order|trade)-[1-9][0-9]{0,15}$"
OFFER_ID_MAX = 2**53 - 1

Amount = Annotated[float, Meta(gt=0, le=AMOUNT_KWH_MAX)]
"""[kWh]"""
Price = Annotated[float, Meta(ge=-PRICE_PER_KWH_MAX, le=PRICE_PER_KWH_MAX)]
"""[currency per kWh]"""


# --- trades ----------------------------------------------------------------------------------


class Executes(StrEnum):
    """When an offer becomes a trade."""

    WHEN_TAKEN = "when_taken"
    """It stands until somebody takes it, wholly or in part."""
    AT_ONCE = "at_once"
    """It trades as soon as another order meets it; what is left of it rests."""
    AT_GATE_CLOSURE = "at_gate_closure"
    """All orders of its delivery are cleared together when the gate has closed."""


class OfferWanted(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """An offer to sell energy, or to buy some."""

    amount: Amount
    """How much. [kWh]"""
    price: Price
    """The least to be got, or the most to be paid. [currency per kWh]"""
    is_selling: bool | None = None
    """False to buy. Left out: true, unless `buyer` alone is named and is yours."""
    duration: Annotated[int, Meta(ge=1, le=DURATION_S_MAX)] | None = None
    """How long the offer stands at most; left out: until its gate closes. [s]"""
    seller: Id | None = None
    """Who sells. Of an offer to buy: the one party that may take it."""
    buyer: Id | None = None
    """Who buys. Of an offer to sell: the one party that may take it."""
    pod: Id | None = None
    """Where the energy is measured; may be left out where you have one pod."""
    product: Id | None = None
    """In which product; left out: one with offers, else the one whose gate closes next."""
    delivery: InstantText | None = None
    """Start of the delivery; left out: the next whose gate is open."""


class ExecutionWanted(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """Which offer to take, and how much of it; or what to trade at the next gate."""

    trade_id: Annotated[str, whole(TRADE_ID_PATTERN, max_length=22)] | None = None
    """Of an offer that is available, such as ``order-12``."""
    offer_id: Annotated[int, Meta(ge=1, le=OFFER_ID_MAX)] | None = None
    """The same as a number, as in `executeTrade`; one of the two, or neither."""
    amount: Amount | None = None
    """How much; left out: all that is open of the offer. [kWh]"""
    pod: Id | None = None
    product: Id | None = None
    """Where no offer is named: an auction product, in which an order is placed that crosses."""
    delivery: InstantText | None = None
    is_selling: bool | None = None
    """Where no offer is named."""
    price: Price | None = None
    """Where no offer is named: the worst price; left out, any. [currency per kWh]"""


class GridMetrics(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is measured of the grid where the energy is measured; null where nobody does."""

    frequency: float | None = None
    """[Hz]"""
    voltage: float | None = None
    """The last that the pod's meter told lately. [V]"""
    stability: float | None = None
    """Share of the last voltages in the pod's zone that are within their band. [0 to 1]"""


class Rounded(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was made of the numbers that were named: ticks, never to your disadvantage."""

    amount_named: float | None
    """[kWh]"""
    amount_made: float
    """[kWh]"""
    price_named: float | None
    """[currency per kWh]"""
    price_made: float | None
    """[currency per kWh]"""


class TradeTold(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An offer or a trade."""

    trade_id: str
    """``order-`` and the order's number while it is an offer, ``trade-`` and the trade's after."""
    seller: str | None
    """Null where nobody has sold yet, or the party does not consent to be named."""
    buyer: str | None
    amount: float
    """Of an offer: what of it is open. [kWh]"""
    price: float | None
    """What you pay or get; null where the order names none. [currency per kWh]"""
    timestamp: str | None
    """When it was placed or traded."""
    status: str
    """Of an offer: ``open``, ``waiting``, ``filled``, ``cancelled``, ``expired`` and so on. Of a
    trade: ``open`` until its delivery is settled; then ``delivered``, ``partly_delivered`` or
    ``undelivered``; or ``cancelled`` by the grid operator."""
    grid_metrics: GridMetrics
    is_selling: bool | None = None
    """Your side of it, if you are one; of an available offer: its own side."""
    offer_id: int | None = None
    """The order's number."""
    pod: str | None = None
    """Yours."""
    product: str | None = None
    delivery: str | None = None
    """Start of the delivery."""
    gate_closes: str | None = None
    executes: Executes | None = None
    energy_wh: int | None = None
    """[Wh]"""
    price_nano_per_wh: int | None = None
    """[nano-currency per Wh]"""
    delivered_wh: int | None = None
    """What of a settled trade was delivered. [Wh]"""
    entry: int | None = None
    """Number of the journal's entry that made it."""
    trades: tuple[str, ...] = ()
    """Numbers of the trades that came of it at once."""
    rounded: Rounded | None = None
    remark: str = ""
    """What happens next, in words."""


class OpenGate(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A delivery of an auction for which orders can be placed now; they trade all at once."""

    product: str
    delivery: str
    gate_closes: str


class Available(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What can be taken now."""

    offers: tuple[TradeTold, ...]
    """The dearest to sell to first, then the cheapest to buy from, delivery by delivery."""
    auctions: tuple[OpenGate, ...]
    """The next deliveries of auctions: their orders are nobody's to take before the gate closes."""
    is_complete: bool
    """Whether these are all; else ask for one product or delivery."""


class TradesTold(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Trades, newest first."""

    trades: tuple[TradeTold, ...]
    next: str | None = None
    """Path of the next page; null on the last."""


# --- production ------------------------------------------------------------------------------

KNOWN_PERIODS_MAX = 672
"""A week of quarter-hours."""


class DeviceNow(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a device told last, and its energy since local midnight."""

    device: str
    kind: str
    pod: str
    measured_at: str | None
    """Of its last reading; null where it never sent one."""
    age_s: float | None
    power_w: int | None
    """Into the grid is positive. [W]"""
    voltage: float | None
    """[V]"""
    produced_today: float | None
    """What an inverter or turbine made. Null for a meter: it counts what crosses it. [kWh]"""
    exported_today: float | None
    """What a meter counted into the grid. [kWh]"""
    imported_today: float | None
    """[kWh]"""


class ProductionNow(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Own devices now."""

    at: str
    devices: tuple[DeviceNow, ...]
    power_w: int | None
    """Sum of what inverters and turbines make; of pods without any, what their meters give. [W]"""
    not_known: tuple[str, ...]
    """What is missing, in words."""


class QuantileWanted(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """A quantile of a forecast."""

    level: Annotated[float, Meta(gt=0, lt=1)]
    amount: Annotated[float, Meta(ge=0, le=AMOUNT_KWH_MAX)]
    """[kWh]"""


class PeriodForecast(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """What is expected of one delivery."""

    start: InstantText
    """Of the delivery."""
    amount: Annotated[float, Meta(ge=0, le=AMOUNT_KWH_MAX)]
    """Mean. [kWh]"""
    quantiles: Annotated[tuple[QuantileWanted, ...], Meta(max_length=20)] = ()
    """By level, rising."""


class ForecastWanted(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """Your own forecast to keep, or the wish for one."""

    device: Id | None = None
    """An inverter, a turbine or a meter; may be left out where you have one of them."""
    periods: Annotated[tuple[PeriodForecast, ...], Meta(max_length=KNOWN_PERIODS_MAX)] = ()
    """Your forecast. Left out: one is made from what was measured."""
    hours: Annotated[int, Meta(ge=1, le=168)] = 24
    """How far to forecast, where none is sent. [h]"""


class QuantileTold(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A quantile of a forecast."""

    level: float
    amount: float
    """[kWh]"""


class ForecastPeriodTold(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is expected of one delivery, and what was measured since."""

    start: str
    amount: float
    """Mean. [kWh]"""
    quantiles: tuple[QuantileTold, ...]
    measured: float | None = None
    """[kWh]"""


class ForecastTold(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A forecast that is kept."""

    device: str
    issued_at: str
    source: str
    """``caller``, or the model that made it."""
    basis: str
    """Of what it tells: ``produced`` by an inverter or turbine, or ``exported`` by a meter."""
    periods: tuple[ForecastPeriodTold, ...]
    known_periods: int | None
    """How many measured deliveries a model had; null for a caller's own."""
    remark: str


class ProductionPeriod(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a device or pod did in one delivery."""

    start: str
    end: str
    device: str
    pod: str
    produced: float | None
    """By an inverter or turbine; null where it is not known. [kWh]"""
    exported: float | None
    """By the meter. [kWh]"""
    imported: float | None
    quality: str
    """As history says of a pod; ``measured`` or ``not_known`` of an inverter."""


class ProductionHistory(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What devices did, newest delivery first."""

    periods: tuple[ProductionPeriod, ...]
    next: str | None = None
    """Path of the next page; null on the last."""


class ForecastError(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How good the kept forecasts of a device were, over the deliveries that are known now."""

    source: str
    periods: int
    mean_absolute_error: float
    """[kWh]"""
    mean_error: float
    """Positive: too much was forecast. [kWh]"""
    crps: float | None
    """Continuous ranked probability score, where quantiles were told. [kWh]"""


class DeviceAnalytics(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Figures of one device over a span."""

    device: str
    kind: str
    pod: str
    periods: int
    """Deliveries of the span."""
    periods_known: int
    produced: float | None
    """[kWh]"""
    exported: float | None
    imported: float | None
    yield_kwh_per_kw: float | None
    """Energy made for each kW that the device can make at most."""
    forecast_errors: tuple[ForecastError, ...]


class Analytics(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Figures of own devices over a span."""

    start: str
    end: str
    devices: tuple[DeviceAnalytics, ...]
    self_consumption: float | None
    """Share of what was made that its pod used itself, where inverter and meter both are known."""
    self_sufficiency: float | None
    """Share of what those pods used that they made themselves."""
    co2_kg: float | None
    """Null: no source here tells how much carbon a kWh of the grid bears."""
    not_known: tuple[str, ...]
