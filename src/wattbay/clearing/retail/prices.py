"""The prices of a local day, added up from models: integers per component, zone and delivery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from wattbay.clearing.retail.grid import GridSignal
from wattbay.clearing.retail.models import (
    PRICE_MOST,
    Component,
    CriticalPeak,
    Fixed,
    GridStability,
    Indexed,
    Model,
    TimeOfUse,
)
from wattbay.errors import ConfigError, Fault
from wattbay.ids import ZoneId
from wattbay.periods import MINUTE, Calendar, Instant, Period, tile, to_text
from wattbay.units import PPM, round_half_even


@dataclass(frozen=True, slots=True)
class PriceSeries:
    """Prices of equal steps of time, without gaps; they may be negative."""

    start: Instant
    step_us: int
    nano_per_wh: Sequence[int]
    """Shape (n_steps,). [nano-currency per Wh]"""

    def over(self, delivery: Period) -> int:
        """Return the price of a delivery: of the step it lies in, or the mean of those in it.

        The mean is rounded to the nearest nano-currency, halves to even.

        Raises
        ------
        ConfigError
            If the series has no price then, or its steps do not fit the delivery.
        """
        first, rest = divmod(delivery.start - self.start, self.step_us)
        count = 1
        if delivery.length_us > self.step_us:
            count, left = divmod(delivery.length_us, self.step_us)
            fits = rest == left == 0
        else:
            fits = rest + delivery.length_us <= self.step_us
        where = f"price series at {to_text(delivery.start)}"
        if not fits:
            raise ConfigError(Fault(where, "a step ends inside a delivery", "steps that fit"))
        if first < 0 or first + count > len(self.nano_per_wh):
            raise ConfigError(Fault(where, "no price is known", "a longer series"))
        return round_half_even(sum(self.nano_per_wh[first : first + count]), count)


@dataclass(frozen=True, slots=True)
class Sources:
    """What models refer to."""

    series: Mapping[str, PriceSeries] = field(default_factory=dict)
    """Price series by name."""
    grid: GridSignal | None = None


class DayPrices(NamedTuple):
    """The prices of a local day."""

    deliveries: tuple[Instant, ...]
    """Their starts: 46, 48 or 50 half-hours. Shape (n_deliveries,)."""
    nano_per_wh: Mapping[tuple[Component, ZoneId], tuple[int, ...]]
    """Of each component that a model speaks of and each zone. Shape of each: (n_deliveries,).
    [nano-currency per Wh]"""

    def differ_by_zone(self) -> bool:
        """Tell whether any component has other prices in one zone than in another."""
        found: dict[Component, tuple[int, ...]] = {}
        return any(
            found.setdefault(component, prices) != prices
            for (component, _), prices in self.nano_per_wh.items()
        )


def day_prices(
    models: Sequence[Model],
    calendar: Calendar,
    day: date,
    isp_us: int,
    zones: Sequence[ZoneId],
    sources: Sources | None = None,
) -> DayPrices:
    """Return the prices of every delivery of a local day.

    A component is the sum of its models; one that no model speaks of is left out. Local time is
    that of each delivery's own start, so a day on which the clocks change has what the clock on the
    wall shows: an hour that is skipped has no prices, one that is shown twice has them twice.

    Parameters
    ----------
    isp_us
        Length of a delivery; divides the day. [µs]
    zones
        Those that prices are wanted of.
    sources
        The series and the grid that the models refer to.

    Raises
    ------
    ConfigError
        If a model refers to what is not there, a window or event begins or ends inside a delivery,
        two prices replace the others at once, or a sum is out of range.
    """
    if sources is None:
        sources = Sources()
    _check_bounds(models, isp_us)
    deliveries = tuple(tile(calendar.day(day), isp_us))
    found: dict[tuple[Component, ZoneId], tuple[int, ...]] = {}
    for component in Component:
        mine = [model for model in models if model.component is component]
        if not mine:
            continue
        for zone in zones:
            found[component, zone] = tuple(
                _price(mine, calendar, delivery, zone, sources) for delivery in deliveries
            )
    return DayPrices(tuple(delivery.start for delivery in deliveries), found)


def _check_bounds(models: Sequence[Model], isp_us: int) -> None:
    """Refuse windows and events that begin or end inside a delivery.

    Days start with a delivery and the clocks change by whole deliveries, so it is enough to look at
    the clock on the wall.
    """
    faults = []
    for model in models:
        match model:
            case TimeOfUse(windows=windows):
                faults += [
                    Fault(
                        f"time of use of {model.component}",
                        f"window {number} begins or ends inside a delivery",
                        f"times on whole deliveries of {isp_us // MINUTE} minutes",
                    )
                    for number, window in enumerate(windows, 1)
                    if any((minute * MINUTE) % isp_us for span in window.spans for minute in span)
                ]
            case CriticalPeak(events=events):
                faults += [
                    Fault(
                        f"critical peak of {model.component}",
                        f"the event of {to_text(event.start)} begins or ends inside a delivery",
                        f"times on whole deliveries of {isp_us // MINUTE} minutes",
                    )
                    for event in events
                    if event.start % isp_us or event.end % isp_us
                ]
            case _:
                pass
    if faults:
        raise ConfigError(*faults)


def _price(
    models: Sequence[Model], calendar: Calendar, delivery: Period, zone: ZoneId, sources: Sources
) -> int:
    """Return the price of one component in one zone and delivery."""
    start = delivery.start
    total = 0
    instead: list[int] = []
    for model in models:
        match model:
            case Fixed(nano_per_wh=price):
                total += price
            case TimeOfUse():
                total += model.at(calendar.local(start))
            case Indexed():
                total += _indexed(model, delivery, sources)
            case CriticalPeak(nano_per_wh=price, replaces=replaces):
                if model.holds(start):
                    if replaces:
                        instead.append(price)
                    else:
                        total += price
            case GridStability():
                if sources.grid is None:
                    where = f"grid stability of {model.component}"
                    raise ConfigError(Fault(where, "nobody tells how strained the grid is"))
                total += model.at(zone, sources.grid.strain_ppm(zone, start))
    where = f"{models[0].component} at {to_text(start)}"
    if len(instead) > 1:
        raise ConfigError(Fault(where, "two prices replace the others at once", "one of them"))
    price = instead[0] if instead else total
    if not -PRICE_MOST <= price <= PRICE_MOST:
        what = f"its models sum to {price}"
        raise ConfigError(Fault(where, what, f"{-PRICE_MOST} to {PRICE_MOST} nano per Wh"))
    return price


def _indexed(model: Indexed, delivery: Period, sources: Sources) -> int:
    """Return what an indexed model adds."""
    series = sources.series.get(model.series)
    if series is None:
        known = ", ".join(sorted(sources.series)) or "none"
        where = f"{model.component} indexed to {model.series}"
        raise ConfigError(Fault(where, "there is no such price series", f"known: {known}"))
    price = round_half_even(series.over(delivery) * model.factor_ppm, PPM) + model.adder
    if model.floor is not None:
        price = max(price, model.floor)
    return price if model.cap is None else min(price, model.cap)
