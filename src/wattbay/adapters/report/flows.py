"""Where the energy came from and went: flows, self-sufficiency, peaks and carbon."""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple

import polars as pl

from wattbay.adapters.report.run import Run
from wattbay.adapters.report.series import Json, chart_by_day, chart_over_time, has_days
from wattbay.adapters.report.tags import Section, behind, chart, table
from wattbay.adapters.report.words import MINUS, fixed, kwh, kwh_exact, percent

SOLAR, FROM_BATTERY, SUPPLIER = "solar", "from_battery", "supplier"
TRADED, SHARED = "traded", "shared"
HOMES, INTO_BATTERY, EXPORT = "homes", "into_battery", "export"
NODES = MappingProxyType(
    {
        SOLAR: "Solar panels",
        FROM_BATTERY: "From batteries",
        SUPPLIER: "From suppliers",
        TRADED: "Traded",
        SHARED: "Shared",
        HOMES: "Used in homes",
        INTO_BATTERY: "Into batteries",
        EXPORT: "To suppliers",
    }
)

c = pl.col


class Link(NamedTuple):
    """Energy that flowed from one node to another. [Wh]"""

    source: str
    target: str
    energy_wh: int


def links(run: Run) -> list[Link]:
    """Return every flow of the run; each node's ends add up, but for what batteries keep.

    Per delivery, with E and I the summed export and import of the homes and D the delivered
    trades: D flowed by trade, min(E, I) - D between neighbours without an order, the rest of E to
    and the rest of I from the suppliers. Solar and battery have a part in each of the three ways
    out in proportion to what each exported, and homes and batteries a part in each of the three
    ways in to what each imported.
    """
    exported, imported = (
        c.pv_export_wh + c.discharge_export_wh,
        c.import_load_wh + c.import_charge_wh,
    )
    traded = pl.min_horizontal(c.delivered_in_wh, exported, imported)
    local = pl.min_horizontal(exported, imported)
    ways = {
        TRADED: traded, SHARED: local - traded, EXPORT: exported - local,
        SUPPLIER: imported - local,
    }  # fmt: skip
    parts: dict[tuple[str, str], pl.Expr] = {}
    for way in (TRADED, SHARED, EXPORT):
        parts[SOLAR, way] = ways[way] * c.pv_export_wh / exported
        parts[FROM_BATTERY, way] = ways[way] * c.discharge_export_wh / exported
    for way in (TRADED, SHARED, SUPPLIER):
        parts[way, HOMES] = ways[way] * c.import_load_wh / imported
        parts[way, INTO_BATTERY] = ways[way] * c.import_charge_wh / imported
    sums = run.deliveries.select(
        c.pv_load_wh.sum().alias(f"{SOLAR}>{HOMES}"),
        c.pv_charge_wh.sum().alias(f"{SOLAR}>{INTO_BATTERY}"),
        c.discharge_load_wh.sum().alias(f"{FROM_BATTERY}>{HOMES}"),
        *(e.fill_nan(0).sum().alias(f"{a}>{b}") for (a, b), e in parts.items()),
    ).row(0, named=True)
    ends = (name.split(">") for name in sums)
    named = [
        Link(source, target, round(energy or 0))
        for (source, target), energy in zip(ends, sums.values(), strict=True)
    ]
    return [link for link in named if link.energy_wh > 0]


def flows(run: Run) -> tuple[Section, Json] | None:
    """Write the flows as a Sankey diagram; None where nothing is known behind the meters."""
    if "load_wh" not in run.deliveries.columns:
        return None
    known = links(run)
    load, solar = run.total("load_wh"), run.total("pv_wh")
    local = sum(link.energy_wh for link in known if link.target in (TRADED, SHARED))
    kept = run.total("charge_wh") - run.total("discharge_wh")
    finding = (
        f"The homes used {kwh(load)}. Their panels made {kwh(solar)}, of which "
        f"{kwh(run.total('pv_load_wh'))} served the roof's own home at once; "
        f"{kwh(local)} flowed between neighbours."
    )
    notes = [
        (
            f"Traded: {run.way.traded}. Shared: a neighbour's surplus met a neighbour's need in "
            f"the same {run.place.span}, but nobody had traded it; the community settles it first."
        ),
    ]
    if run.total("charge_wh"):
        notes.append(
            f"Batteries took in {kwh(run.total('charge_wh'))} and gave back "
            f"{kwh(run.total('discharge_wh'))}; the {'rest' if kept >= 0 else 'excess'} of "
            f"{kwh(abs(kept))} was {'lost or is still in them' if kept >= 0 else 'in them before'}."
        )
    numbers: Json = {"nodes": dict(NODES), "links": [list(link) for link in known]}
    total = sum(link.energy_wh for link in known) or 1
    rows = (
        (NODES[link.source], NODES[link.target], kwh_exact(link.energy_wh),
         percent(link.energy_wh, total))
        for link in known
    )  # fmt: skip
    body = chart("sankey", "flows", "Energy flows", height=360) + behind(
        "energy flows",
        table("Energy flows over the run", ["From", "To", "Energy [kWh]", "Share"], rows, texts=2),
    )
    return Section("flows", "Where the energy went", finding, tuple(notes), body), numbers


class Sufficiency(NamedTuple):
    """How far a community feeds itself. Energies in Wh."""

    load: int
    solar: int
    alone_import: int
    alone_export: int
    local: int
    outside_import: int
    outside_export: int


def sufficiency(run: Run) -> Sufficiency | None:
    """Return what self-sufficiency and self-consumption are made of; None without devices."""
    if "load_wh" not in run.deliveries.columns:
        return None
    outside = run.outside()
    drawn, injected = int(outside["drawn_wh"].sum()), int(outside["injected_wh"].sum())
    imports, exports = run.total("import_wh"), run.total("export_wh")
    alone_import, alone_export = imports, exports
    if run.folder.has("baseline"):
        sums = run.folder.scan("baseline").select(
            c.baseline_import_wh.sum(), c.baseline_export_wh.sum()
        )
        alone_import, alone_export = (int(x) for x in sums.collect().row(0))
    return Sufficiency(
        load=run.total("load_wh"), solar=run.total("pv_wh"), alone_import=alone_import,
        alone_export=alone_export, local=imports - drawn, outside_import=drawn,
        outside_export=injected,
    )  # fmt: skip


def self_sufficiency(run: Run) -> Section | None:
    """Write self-sufficiency and self-consumption, each home alone and the community together."""
    s = sufficiency(run)
    if s is None or not s.load:
        return None
    together, alone = s.load - s.outside_import, s.load - s.alone_import
    finding = (
        f"Together the homes covered {percent(together, s.load)} of their use themselves; each "
        f"on its own would have covered {percent(alone, s.load)}."
    )
    if s.solar:
        finding += (
            f" Of the solar energy {percent(s.solar - s.outside_export, s.solar)} stayed in the "
            "community; each on its own would have kept "
            f"{percent(s.solar - s.alone_export, s.solar)}."
        )
    notes = (
        (
            "Self-sufficiency: the part of the homes' use that was not drawn from outside. "
            "Self-consumption: the part of the solar energy that was not sent outside. Outside "
            "is what all homes together drew, or sent, in a delivery after their imports and "
            "exports are set off against each other."
        ),
        (
            "Without a market every home stands alone: what it draws comes from its supplier, "
            "even if a neighbour exports at that moment. Batteries then serve only their own "
            "home. Energy that batteries kept or lost counts as used."
        ),
    )
    bars = [
        ("Use, without a market",
         [("own", s.load - s.alone_import), ("supplier", s.alone_import)], s.load),
        ("Use, with the market",
         [("own", s.load - s.outside_import - s.local), ("neighbours", s.local),
          ("supplier", s.outside_import)], s.load),
        ("Solar, without a market",
         [("own", s.solar - s.alone_export), ("sent", s.alone_export)], s.solar),
        ("Solar, with the market",
         [("own", s.solar - s.outside_export - s.local), ("neighbours", s.local),
          ("sent", s.outside_export)], s.solar),
    ]  # fmt: skip
    drawn = "".join(_share_bar(*bar) for bar in bars if bar[2])
    rows = (
        (name, *(_part(parts, key) for key in _WAYS), kwh_exact(whole))
        for name, parts, whole in bars
        if whole
    )
    heads = ["What", *(f"{words.capitalize()} [kWh]" for words in _WAYS.values()), "In all [kWh]"]
    body = f'<div class="shares">{drawn}</div>' + behind(
        "self-sufficiency and self-consumption", table("Shares of use and of solar", heads, rows)
    )
    return Section("sufficiency", "How far the homes feed themselves", finding, notes, body)


_WAYS = MappingProxyType(
    {
        "own": "own roof and battery",
        "neighbours": "neighbours",
        "supplier": "from suppliers",
        "sent": "to suppliers",
    }
)


def _part(parts: list[tuple[str, int]], key: str) -> str:
    return kwh_exact(dict(parts)[key]) if key in dict(parts) else "—"


def _share_bar(name: str, parts: list[tuple[str, int]], whole: int) -> str:
    """Draw one bar of shares; its words stand below it, so that colour is never alone."""
    at, bars, legend = 0.0, [], []
    for key, energy in parts:
        width = max(0.0, min(100.0 - at, 100 * energy / whole))
        bars.append(f'<rect class="way {key}" x="{at:.2f}%" width="{width:.2f}%" height="26"/>')
        legend.append(
            f'<li><i class="way {key}"></i>{_WAYS[key]} <b>{percent(energy, whole)}</b></li>'
        )
        at += width
    return (
        f'<div class="share"><h3>{name} <span>{kwh(whole)}</span></h3>'
        f'<svg height="26" aria-hidden="true">{"".join(bars)}</svg><ul>{"".join(legend)}</ul></div>'
    )


def exchange(run: Run) -> tuple[Section, Json]:
    """Write what the grid outside saw: net import and export, and their peaks."""
    hours = run.isp_hours
    frame = run.outside()
    each = {"import": c.drawn_wh / hours, "export": -c.injected_wh / hours}
    series: list[Json] = [
        {"name": "import", "label": "drawn from outside", "look": "import"},
        {"name": "export", "label": "sent outside", "look": "export", "sign": -1},
    ]
    rows = [_peaks(run, "With the market", frame)]
    has_baseline = _knows_alone(run)
    lines: list[Json] = []
    if has_baseline:
        net = c.baseline_import_wh - c.baseline_export_wh
        alone = run.deliveries.select(
            drawn_wh=net.clip(lower_bound=0), injected_wh=(-net).clip(lower_bound=0)
        )
        frame = frame.with_columns(base=(alone["drawn_wh"] - alone["injected_wh"]) / hours)
        rows.append(
            _peaks(run, "Without a market", frame.with_columns(alone.to_struct().struct.unnest()))
        )
        each["base"] = c.base
        lines = [{"name": "base", "label": "without a market"}]
    daily = {
        "import": each["import"].max(),
        "export": each["export"].min(),
    } | ({"base": c.base.max()} if has_baseline else {})
    panels: list[Json] = [
        {"title": "Exchange with the grid outside", "unit": "kW", "scale": 1000, "digits": 1,
         "draw": "bars", "height": 240, "series": series, "overlays": lines}
    ]  # fmt: skip
    numbers = chart_over_time(run, frame, each, daily, panels)
    finding = (
        f"The most that the community drew at once was {rows[0][1]} kW ({rows[0][2]}); the most "
        f"that it sent, {rows[0][3]} kW ({rows[0][4]})."
    )
    if has_baseline:
        finding += f" Without a market: {rows[1][1]} kW and {rows[1][3]} kW."
    elif "baseline_import_wh" in run.deliveries.columns:
        finding += " Without a market it is the same: no home has a battery."
    notes = (
        (
            f"Mean power over a {run.place.span}, all homes together: above zero drawn from the "
            "grid outside, below zero sent to it."
        ),
    )
    body = chart("series", "exchange", "Net exchange with the grid outside", height=240)
    body += table(
        "Highest exchange with the outside",
        ["Case", "Highest import [kW]", "Highest export [kW]"],
        ((name, drawn, sent) for name, drawn, _, sent, _ in rows),
    )
    whole = [] if run.is_long else [_exchange_table(run, frame)]
    body += behind("exchange with the grid outside", "".join(whole), name="exchange")
    return Section("exchange", "What the grid outside saw", finding, notes, body), numbers


def _knows_alone(run: Run) -> bool:
    """Tell whether the case without a market is known, and can be another one.

    Without batteries the same energy flows either way: what readings that were estimated or split
    make of it would look like the market's doing.
    """
    has_battery = any(home.has_battery for home in run.homes)
    return has_battery and "baseline_import_wh" in run.deliveries.columns


def _exchange_table(run: Run, frame: pl.DataFrame) -> str:
    watts = frame.select(run.deliveries["label"], run.deliveries["utc"], c.drawn_wh, c.injected_wh)
    return table(
        f"Exchange with the grid outside in every {run.place.span}",
        [f"Start, local time ({run.place.zone})", "Start, UTC", "Drawn [kWh]", "Sent [kWh]"],
        ((label, utc, kwh_exact(drawn), kwh_exact(sent))
         for label, utc, drawn, sent in watts.iter_rows()),
        texts=2,
    )  # fmt: skip


def _peaks(run: Run, name: str, frame: pl.DataFrame) -> tuple[str, str, str, str, str]:
    """Return the highest import and export of a case, and when. [kW]"""
    cells = [name]
    for column in ("drawn_wh", "injected_wh"):
        top = frame.sort(column, "delivery_start", descending=[True, False]).row(0, named=True)
        cells.append(fixed(round(top[column] / run.isp_hours), 1000, 1))
        cells.append(run.place.delivery(top["delivery_start"]) if top[column] else "never")
    return cells[0], cells[1], cells[2], cells[3], cells[4]


def carbon(run: Run) -> tuple[Section, Json] | None:
    """Write the carbon of imported energy; None where its intensity is not known."""
    if "carbon_g_per_kwh" not in run.deliveries.columns:
        return None
    if run.deliveries["carbon_g_per_kwh"].is_null().all():
        return None
    frame = run.outside().with_columns(
        carbon_g=c.drawn_wh / 1000 * run.deliveries["carbon_g_per_kwh"].fill_null(0),
        local_wh=run.deliveries["import_wh"] - c.drawn_wh,
    )
    grams, drawn = float(frame["carbon_g"].sum()), int(frame["drawn_wh"].sum())
    imports = run.total("import_wh")
    mean = run.deliveries["carbon_g_per_kwh"].mean()
    finding = f"What was drawn from outside stands for {_kg(grams)} kg of CO₂"
    finding += f", {grams / drawn * 1000:.0f} g for each kWh." if drawn else "."
    if imports and drawn:
        finding += (
            " Per kWh that homes imported, neighbours' energy included: "
            f"{grams / imports * 1000:.0f} g."
        )
    notes = [
        (
            "Energy drawn from outside in each delivery times the grid's carbon intensity then. "
            "Neighbours' solar energy counts as free of carbon; energy sent outside earns no "
            "credit."
        ),
    ]
    if isinstance(mean, float):
        notes.append(f"The grid's mean intensity over the run was {mean:.0f} g/kWh.")
    if _knows_alone(run):
        notes.append(_carbon_alone(run, grams))
    numbers = chart_by_day(
        run, frame, {"carbon": c.carbon_g.sum()},
        [{"title": "Carbon of imported energy", "unit": "kg", "scale": 1000, "digits": 1,
          "draw": "bars", "height": 130,
          "series": [{"name": "carbon", "label": "CO₂", "look": "load"}]}],
    )  # fmt: skip
    body = chart("series", "carbon", "Carbon of imported energy", height=120) + behind(
        "carbon", _carbon_table(run, frame)
    )
    return Section("carbon", "Carbon", finding, tuple(notes), body), numbers


def _carbon_alone(run: Run, grams: float) -> str:
    net = (c.baseline_import_wh - c.baseline_export_wh).clip(lower_bound=0)
    alone = float(run.deliveries.select((net / 1000 * c.carbon_g_per_kwh).sum()).item() or 0)
    more = alone - grams
    word = "more" if more >= 0 else "less"
    return (
        f"Without a market, the same homes would have drawn {_kg(alone)} kg: {_kg(abs(more))} kg "
        f"{word}. Only batteries make a difference; neighbours' surplus flows next door either way."
    )


def _carbon_table(run: Run, frame: pl.DataFrame) -> str:
    if has_days(run):
        days = frame.group_by("day", maintain_order=True).agg(c.drawn_wh.sum(), c.carbon_g.sum())
        named = ((f"{d:%a} {d.day} {d:%b %Y}", wh, g) for d, wh, g in days.iter_rows())
    else:
        labels = run.deliveries["label"]
        sums = zip(labels, frame["drawn_wh"], frame["carbon_g"], strict=True)
        named = ((str(label), wh, g) for label, wh, g in sums)
    return table(
        "Energy drawn from outside and its carbon",
        ["When", "Drawn from outside [kWh]", "CO₂ [kg]", "Intensity [g/kWh]"],
        ((name, kwh_exact(wh), _kg(g, 3), f"{g / wh * 1000:.0f}" if wh else "—")
         for name, wh, g in named),
    )  # fmt: skip


def _kg(grams: float, decimals: int = 1) -> str:
    text = f"{abs(grams) / 1000:,.{decimals}f}"
    return MINUS + text if grams < 0 and float(text.replace(",", "")) else text
