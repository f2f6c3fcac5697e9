"""Figures over a span of deliveries: yield, use of one's own energy, errors of forecasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from wattbay.adapters.api.energynet.amounts import kwh
from wattbay.adapters.api.energynet.forecasts import Kept, errors
from wattbay.adapters.api.energynet.measured import Known
from wattbay.adapters.api.energynet.models import Analytics, DeviceAnalytics, ForecastError
from wattbay.core.facts import DeviceKind
from wattbay.ids import PodId
from wattbay.periods import Instant, to_text
from wattbay.views.production import Source

_NO_CO2 = "CO2: no source tells how much carbon a kWh of the grid bears."


class Figures(NamedTuple):
    """What is known of a device over a span."""

    source: Source
    known: Mapping[Instant, Known]
    forecast_errors: tuple[ForecastError, ...]


def figures_of(source: Source, known: Mapping[Instant, Known], kept: Sequence[Kept]) -> Figures:
    """Return what is known of a device, with its forecasts compared."""
    energies = {start: max(0, one.export_wh) for start, one in known.items()}
    return Figures(source, known, errors(kept, energies))


class OwnUse(NamedTuple):
    """Energy of pods in the deliveries in which inverter and meter are both known. [Wh]"""

    made_wh: int
    given_wh: int
    """Into the grid."""
    taken_wh: int
    """From the grid."""

    @property
    def self_consumption(self) -> float | None:
        """Share of what was made that was not given away; None where nothing was made."""
        return None if self.made_wh <= 0 else round(self._kept_wh / self.made_wh, 6)

    @property
    def self_sufficiency(self) -> float | None:
        """Share of what was used that was made; None where nothing was used."""
        used_wh = self._kept_wh + self.taken_wh
        return None if used_wh <= 0 or self.made_wh <= 0 else round(self._kept_wh / used_wh, 6)

    @property
    def _kept_wh(self) -> int:
        # A battery may give at night what it took by day: then less than nothing is kept.
        return max(0, self.made_wh - self.given_wh)


def own_use(figures: Sequence[Figures]) -> OwnUse:
    """Return what pods made, gave and took, in the deliveries of which all of that is known."""
    meters = {one.source.pod: one.known for one in figures if one.source.kind is DeviceKind.METER}
    makers: dict[PodId, list[Mapping[Instant, Known]]] = {}
    for one in figures:
        if one.source.is_maker:
            makers.setdefault(one.source.pod, []).append(one.known)
    made = given = taken = 0
    for pod, known in makers.items():
        meter = meters.get(pod, {})
        for start in sorted(set(meter).intersection(*known)):
            made += sum(each[start].export_wh for each in known)
            given += meter[start].export_wh
            taken += meter[start].import_wh
    return OwnUse(made, given, taken)


def analytics_told(
    start: Instant, end: Instant, count: int, figures: Sequence[Figures]
) -> Analytics:
    """Return figures as they are told, with what is not known."""
    use = own_use(figures)
    not_known = [
        f"{one.source.device}: {count - len(one.known)} of {count} deliveries."
        for one in figures
        if len(one.known) < count
    ]
    if use.self_consumption is None:
        not_known.append(
            "Use of one's own energy: no pod has both a meter and an inverter or turbine that"
            " reports what was made."
        )
    elif any(one.source.kind is DeviceKind.BATTERY for one in figures):
        not_known.append("What a battery holds at the end of the span: it counts as used.")
    return Analytics(
        start=to_text(start),
        end=to_text(end),
        devices=tuple(_device_told(one, count) for one in figures),
        self_consumption=use.self_consumption,
        self_sufficiency=use.self_sufficiency,
        co2_kg=None,
        not_known=(*not_known, _NO_CO2),
    )


def _device_told(figures: Figures, count: int) -> DeviceAnalytics:
    """Return the figures of one device."""
    source, known = figures.source, figures.known
    out = sum(one.export_wh for one in known.values()) if known else None
    taken = sum(one.import_wh for one in known.values()) if known else None
    is_maker = source.is_maker
    return DeviceAnalytics(
        device=source.device,
        kind=source.kind.value,
        pod=source.pod,
        periods=count,
        periods_known=len(known),
        produced=kwh(out) if is_maker and out is not None else None,
        exported=kwh(out) if not is_maker and out is not None else None,
        imported=kwh(taken) if not is_maker and taken is not None else None,
        yield_kwh_per_kw=(
            round(out / source.power_max_w, 6) if is_maker and out is not None else None
        ),
        forecast_errors=figures.forecast_errors,
    )
