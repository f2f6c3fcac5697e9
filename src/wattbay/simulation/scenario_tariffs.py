"""The tariffs of a scenario file: flat components, and the models that vary them by delivery."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from wattbay.clearing.retail.grid import Step
from wattbay.clearing.retail.models import (
    ALL_MONTHS,
    ALL_WEEKDAYS,
    WEEKDAYS,
    Component,
    CriticalPeak,
    Fixed,
    GridStability,
    Indexed,
    Model,
    TimeOfUse,
    Window,
)
from wattbay.clearing.retail.response import DAYS_MAX
from wattbay.core.facts import EnergyTier, LocalFee, MonthlyCharges, Tariff, TaxRate
from wattbay.core.monthly import fault
from wattbay.errors import ConfigError, Fault
from wattbay.ids import PartyId, TariffId, ZoneId
from wattbay.periods import Calendar, Instant, Period
from wattbay.simulation.scenario_file import Table
from wattbay.units import PPM

PRICE_LEAST = -(10**9)
"""No price is further below zero. [nano-currency per Wh]"""
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CLOCK = re.compile(r"([01]\d|2[0-4]):([0-5]\d)")
_COMPONENTS = tuple(Component)
_HOLDS = ("on_top", "instead")


class CallPlan(NamedTuple):
    """A window in which the pods of a tariff are called to draw less."""

    caller: PartyId
    tariff: TariffId
    window: Period
    rebate: int
    """[nano-currency per Wh]"""
    penalty: int
    days: int
    """What the baseline is the mean of."""


class Retail(NamedTuple):
    """The tariffs of a scenario."""

    tariffs: tuple[Tariff, ...]
    models: Mapping[TariffId, tuple[Model, ...]]
    """Of each tariff whose prices vary: all that its components are the sum of."""

    calls: tuple[CallPlan, ...]
    """By time."""

    @property
    def series(self) -> list[str]:
        """The price series that the models name, each once."""
        named = [
            model.series
            for models in self.models.values()
            for model in models
            if isinstance(model, Indexed)
        ]
        return list(dict.fromkeys(named))

    @property
    def heeds_grid(self) -> bool:
        """Whether a model asks how strained the grid is."""
        return any(isinstance(one, GridStability) for each in self.models.values() for one in each)


def read_tariffs(
    root: Table, zones: Collection[str], suppliers: Sequence[str], calendar: Calendar
) -> Retail:
    """Read ``[[tariff]]``: the components of the retail price, before tax."""
    tariffs: list[Tariff] = []
    models: dict[TariffId, tuple[Model, ...]] = {}
    calls: list[CallPlan] = []
    for table in root.tables("tariff", least=1):
        tariff = _tariff(table, zones, calendar)
        if any(known.tariff == tariff.tariff for known in tariffs):
            table.fault("id", f"tariff {tariff.tariff} is there twice", "one identifier each")
        tariffs.append(tariff)
        varying = _models(table, zones, calendar)
        if varying:
            models[tariff.tariff] = (*_flat(tariff, varying), *varying)
        calls += _calls(table, tariff.tariff, suppliers, calendar)
    return Retail(tuple(tariffs), models, tuple(sorted(calls, key=lambda one: one.window)))


def _tariff(table: Table, zones: Collection[str], calendar: Calendar) -> Tariff:
    """Read the flat components of one tariff."""
    local: list[LocalFee] = []
    for fee in table.tables("local"):
        before = len(fee.source.faults)
        pair = (fee.choice("from", sorted(zones)), fee.choice("to", sorted(zones)))
        price = fee.price("cents_per_kwh")
        sound = len(fee.source.faults) == before
        if sound and any((known.from_zone, known.to_zone) == pair for known in local):
            fee.fault("from", f"the fee from {pair[0]} to {pair[1]} is there twice", "one a pair")
        elif sound:
            local.append(
                LocalFee(from_zone=ZoneId(pair[0]), to_zone=ZoneId(pair[1]), nano_per_wh=price)
            )
    taxes: list[TaxRate] = []
    for tax in table.tables("tax"):
        since, ppm = tax.day("since"), tax.integer("ppm", most=PPM)
        at = calendar.midnight(since) if since is not None else Instant(0)
        if taxes and since is not None and at <= taxes[-1].since:
            tax.fault("since", f"{since} is not after the tax before", "earliest first")
        taxes.append(TaxRate(since=at, ppm=ppm))
    # A negative export price is what the supplier charges for surplus.
    export = table.price("export_cents_per_kwh", least=PRICE_LEAST)
    return Tariff(
        tariff=TariffId(table.identifier("id")),
        energy=table.price("energy_cents_per_kwh"),
        network_regional=table.price("network_regional_cents_per_kwh"),
        network_local=tuple(local),
        levy=table.price("levy_cents_per_kwh"),
        export=export,
        service=table.price("service_cents_per_kwh", 0),
        standing_nano_per_day=table.cents("standing_cents_per_day", 0),
        tax=tuple(taxes),
        monthly=_monthly(table),
    )


def _monthly(table: Table) -> MonthlyCharges | None:
    """Read what a tariff charges by the local month; None where that is nothing."""
    tiers: list[EnergyTier] = []
    for row in table.tables("tiers"):
        bound = row.integer("from_kwh", most=10**9) * 1_000
        if tiers and bound <= tiers[-1].from_wh:
            row.fault("from_kwh", "the tier is not above the one before", "lowest first")
        tiers.append(EnergyTier(from_wh=bound, nano_per_wh=_price(row)))
    monthly = MonthlyCharges(
        tiers=tuple(tiers),
        capacity_nano_per_w=table.price("capacity_cents_per_kw", 0),
        minimum_nano=table.cents("minimum_cents_per_month", 0),
    )
    wrong = fault(monthly)
    if wrong:
        table.fault("tiers", wrong)
    return None if monthly == MonthlyCharges() else monthly


def _flat(tariff: Tariff, varying: Sequence[Model]) -> list[Model]:
    """Return the flat parts of the components that vary; a network fee stays, and is added to."""
    flat = {
        Component.ENERGY: tariff.energy,
        Component.EXPORT: tariff.export,
        Component.LEVY: tariff.levy,
    }
    spoken_of = {model.component for model in varying}
    return [Fixed(component, price) for component, price in flat.items() if component in spoken_of]


def _models(table: Table, zones: Collection[str], calendar: Calendar) -> list[Model]:
    """Read the models of a tariff, in the order of this list."""
    return [
        *_times_of_use(table),
        *_indexed(table),
        *_critical_peaks(table, calendar),
        *_grid_stability(table, zones),
    ]


def _made(table: Table, key: str, make: Callable[[], Model]) -> list[Model]:
    """Make a record; what it finds wrong with itself is noted where it stands in the file."""
    try:
        return [make()]
    except ConfigError as error:
        where = table.source.where(table.key(key))
        table.source.faults.extend(
            Fault(where, f"{fault.where}: {fault.what}", fault.remedy) for fault in error.faults
        )
        return []


def _component(table: Table, default: Component = Component.ENERGY) -> Component:
    return Component(table.choice("component", _COMPONENTS, default))


def _price(table: Table, key: str = "cents_per_kwh", default: int | None = None) -> int:
    return table.price(key, default, least=PRICE_LEAST)


def _optional_price(table: Table, key: str) -> int | None:
    """Read a price that may be missing."""
    table.known(key)
    return _price(table, key) if key in table else None


def _times_of_use(table: Table) -> list[Model]:
    """Read ``[[tariff.time_of_use]]``, a window each; those of a component are one model."""
    windows: dict[Component, list[Window]] = {}
    before = len(table.source.faults)
    for row in table.tables("time_of_use"):
        component, price = _component(row), _price(row)
        span = _clock(row, "from"), _clock(row, "to")
        weekdays = _places(row, "weekdays", WEEKDAYS, 0, ALL_WEEKDAYS)
        months = _places(row, "months", MONTHS, 1, ALL_MONTHS)
        if len(table.source.faults) == before:
            windows.setdefault(component, []).append(Window(price, *span, weekdays, months))
    found: list[Model] = []
    for component, mine in windows.items():
        found += _made(table, "time_of_use", partial(TimeOfUse, component, tuple(mine)))
    return found


def _clock(row: Table, key: str) -> int:
    """Read a time of the local day, ``16:30``. [minutes]"""
    text = row.text(key)
    found = _CLOCK.fullmatch(text)
    minute = 60 * int(found[1]) + int(found[2]) if found else 0
    last = 24 * 60 if key == "to" else 24 * 60 - 1
    if text and (found is None or minute > last):
        row.fault(key, f"{row.key(key)} = {text!r} is no time of the day", "as 16:30")
        return 0
    return minute


def _places(
    row: Table, key: str, words: Sequence[str], first: int, default: tuple[int, ...]
) -> tuple[int, ...]:
    """Read some of these words as their places, counted from `first`."""
    if key not in row:
        row.known(key)
        return default
    told = row.texts(key)
    unknown = [word for word in told if word not in words]
    if unknown or len(set(told)) < len(told) or not told:
        row.fault(key, f"{row.key(key)} is not some of {', '.join(words)}", "each at most once")
        return default
    return tuple(first + words.index(word) for word in told)


def _indexed(table: Table) -> list[Model]:
    """Read ``[[tariff.indexed]]``: prices that follow a column of the signals file."""
    found: list[Model] = []
    for row in table.tables("indexed"):
        component, series = _component(row), row.text("series")
        factor = row.integer("factor_ppm", PPM, least=-1_000 * PPM, most=1_000 * PPM)
        adder = _price(row, "adder_cents_per_kwh", 0)
        floor = _optional_price(row, "floor_cents_per_kwh")
        cap = _optional_price(row, "cap_cents_per_kwh")
        made = partial(Indexed, component, series, factor, adder, floor, cap)
        found += _made(row, "series", made)
    return found


def _critical_peaks(table: Table, calendar: Calendar) -> list[Model]:
    """Read ``[[tariff.critical_peak]]``: called events, each with its price."""
    found: list[Model] = []
    for row in table.tables("critical_peak"):
        component, price = _component(row), _price(row)
        instead = row.choice("holds", _HOLDS, "on_top") == "instead"
        window = _window(row, calendar)
        if window is not None:
            made = partial(CriticalPeak, component, (window,), price, instead)
            found += _made(row, "cents_per_kwh", made)
    return found


def _window(row: Table, calendar: Calendar) -> Period | None:
    """Read when an event begins and ends."""
    start, end = row.moment("from", calendar), row.moment("to", calendar)
    if start is None or end is None:
        return None
    if end <= start:
        row.fault("to", "the event ends before it starts", "swap from and to")
        return None
    return Period(start, end)


def _calls(
    table: Table, tariff: TariffId, suppliers: Sequence[str], calendar: Calendar
) -> list[CallPlan]:
    """Read ``[[tariff.response]]``: when the pods of the tariff are called to draw less."""
    found: list[CallPlan] = []
    for row in table.tables("response"):
        caller = row.choice("caller", suppliers, next(iter(suppliers), ""))
        rebate = row.price("rebate_cents_per_kwh")
        penalty = row.price("penalty_cents_per_kwh", 0)
        days = row.integer("days", 5, least=1, most=DAYS_MAX)
        window = _window(row, calendar)
        if window is not None:
            found.append(CallPlan(PartyId(caller), tariff, window, rebate, penalty, days))
    return found


def _grid_stability(table: Table, zones: Collection[str]) -> list[Model]:
    """Read ``[[tariff.grid_stability]]``: adders that rise with the strain of a zone."""
    found: list[Model] = []
    for row in table.tables("grid_stability"):
        component = _component(row, Component.NETWORK)
        names = row.texts("zones", ())
        for name in names:
            if name not in zones:
                row.fault("zones", f"zone {name} is unknown", f"one of {', '.join(sorted(zones))}")
        steps = tuple(
            Step(step.integer("from_ppm", most=1_000 * PPM), _price(step))
            for step in row.tables("steps", least=1)
        )
        if steps:
            made = partial(GridStability, component, steps, tuple(map(ZoneId, names)))
            found += _made(row, "steps", made)
    return found
