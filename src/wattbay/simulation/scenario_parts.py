"""The parts of a scenario file, each read from its table: community, tariffs, product, faults."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from wattbay.agents.operator import RuleTerms
from wattbay.core.facts import (
    Deviations,
    Margin,
    Mechanism,
    Netting,
    Party,
    Pricing,
    Product,
    Role,
    SettlementRun,
)
from wattbay.core.registry import RUNS_MAX
from wattbay.ids import CommunityId, PartyId, PodId, ProductId, RunName
from wattbay.periods import HOUR, MINUTE, Calendar, Instant, Period
from wattbay.simulation.homes import BatteryTerms
from wattbay.simulation.scenario_facts import FaultPlan
from wattbay.simulation.scenario_file import Table
from wattbay.simulation.scenario_rule import read_mechanism, read_rule
from wattbay.simulation.scenario_tariffs import Retail, read_tariffs
from wattbay.simulation.scenario_trading import read_trading
from wattbay.units import PPM, SAFE_INTEGER_MAX

_CURRENCY = re.compile(r"[A-Z]{3}")
DAYS_MAX = 3660
"""Ten years of local days."""


class Head(NamedTuple):
    """What a scenario says of itself."""

    id: str
    title: str
    description: str
    attribution: tuple[str, ...]


def read_head(root: Table) -> Head:
    """Read the first keys of a scenario."""
    return Head(
        id=root.identifier("id"),
        title=root.text("title"),
        description=root.text("description"),
        attribution=root.texts("attribution", ()),
    )


class Community(NamedTuple):
    """Who runs the market, and in which currency."""

    id: CommunityId
    currency: str
    minor_digits: int
    operators: tuple[Party, ...]


def read_community(table: Table) -> Community:
    """Read ``[community]``: its currency and its operators."""
    currency = table.text("currency")
    if currency and not _CURRENCY.fullmatch(currency):
        table.fault("currency", f"{currency!r} is no currency", "three capitals, as GBP")
    named = (
        (Role.MARKET_OPERATOR, table.identifier("market_operator", "market-operator")),
        (Role.METERED_DATA_RESPONSIBLE, table.identifier("metered_data_responsible", "metering")),
        (Role.GRID_OPERATOR, table.identifier("grid_operator", "")),
    )
    return Community(
        id=CommunityId(table.identifier("id")),
        currency=currency,
        minor_digits=table.integer("minor_digits", 2, most=6),
        operators=tuple(Party(party=PartyId(name), roles=(role,)) for role, name in named if name),
    )


def read_calendar(table: Table) -> Calendar:
    """Read the time zone of ``[time]``; UTC where it is wrong."""
    zone = table.text("zone")
    try:
        ZoneInfo(zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        table.fault("zone", f"{zone!r} is no time zone", "an IANA name, as Europe/London")
        return Calendar("UTC")
    return Calendar(zone or "UTC")


def read_isp(table: Table) -> int | None:
    """Read the length of a delivery period; it divides an hour, so that every day tiles. [µs]

    None where it is wrong: whatever depends on it cannot be judged then.
    """
    isp_us = table.minutes("isp_minutes", least=MINUTE)
    if isp_us <= 0 or HOUR % isp_us:
        table.fault("isp_minutes", "periods do not divide an hour", "60, 30, 15, 10 or 5")
        return None
    return isp_us


def read_days(table: Table, calendar: Calendar) -> list[tuple[date, Period]]:
    """Read the ranges of local days of ``[[time.days]]``, first and last included."""
    days: list[tuple[date, Period]] = []
    for span in table.tables("days", least=1):
        first, last = span.day("first"), span.day("last")
        if first is None or last is None:
            continue
        if last < first:
            span.fault("last", f"{last} is before {first}", "the last day comes last")
        elif (last - first).days >= DAYS_MAX:
            span.fault("last", f"more than {DAYS_MAX} days", "a shorter range")
        elif days and first <= days[-1][0]:
            remedy = f"start after {days[-1][0]}"
            span.fault("first", f"{first} is not after the range before", remedy)
        else:
            days.extend(calendar.days(first, (last - first).days + 1))
    return days


class Zones(NamedTuple):
    """The parts of the network, and what is known of how they are loaded."""

    names: list[str]
    limits_w: dict[str, int]
    """Of those that have one: the most that they may draw. [W]"""
    load_series: dict[str, str]
    """Of those: the column of the signals file that says what they are expected to draw."""


def read_zones(root: Table) -> Zones:
    """Read ``[[zone]]``."""
    tables = root.tables("zone", least=1)
    zones = Zones(_unique(tables, "zone"), {}, {})
    for name, table in zip(zones.names, tables, strict=True):
        limit, series = table.integer("limit_w", 0), table.text("load_series", "")
        if bool(limit) != bool(series):
            table.fault("limit_w", "limit_w and load_series go together", "give both or none")
        elif limit:
            zones.limits_w[name], zones.load_series[name] = limit, series
    return zones


def _unique(tables: Sequence[Table], noun: str) -> list[str]:
    """Read the identifiers of tables, each there once."""
    names: list[str] = []
    for table in tables:
        name = table.identifier("id")
        if name in names:
            table.fault("id", f"{noun} {name} is there twice", "one identifier each")
        names.append(name)
    return names


def merged(parties: Iterable[Party]) -> tuple[Party, ...]:
    """Return each party once, with all its roles and its largest credit limit."""
    found: dict[PartyId, Party] = {}
    for party in parties:
        known = found.get(party.party, party)
        found[party.party] = Party(
            party=party.party,
            roles=tuple(dict.fromkeys((*known.roles, *party.roles))),
            credit_limit_nano=max(known.credit_limit_nano, party.credit_limit_nano),
        )
    return tuple(found.values())


def read_suppliers(root: Table) -> tuple[list[Party], dict[str, str]]:
    """Read ``[[supplier]]``: their parties, and the balance responsible party of each."""
    tables = root.tables("supplier", least=1)
    names = _unique(tables, "supplier")
    roles: dict[str, list[Role]] = {name: [Role.SUPPLIER] for name in names}
    limits: dict[str, int] = {}
    brps: dict[str, str] = {}
    for name, table in zip(names, tables, strict=True):
        brps[name] = table.identifier("brp", name)
        limits[name] = table.cents("credit_limit_cents", 10**15)
        roles.setdefault(brps[name], [])
        if Role.BALANCE_RESPONSIBLE not in roles[brps[name]]:
            roles[brps[name]].append(Role.BALANCE_RESPONSIBLE)
    parties = [
        Party(party=PartyId(name), roles=tuple(held), credit_limit_nano=limits.get(name, 0))
        for name, held in roles.items()
    ]
    return parties, brps


def read_product(table: Table) -> Product:
    """Read ``[product]``: what can be traded, when, and how deviations are settled."""
    faults = table.source.faults
    tick = table.integer("price_tick_nano_per_wh", 10, least=1)
    before = len(faults)
    least, most = (
        table.price("price_min_cents_per_kwh", least=-(10**9), tick=tick),
        table.price("price_max_cents_per_kwh", least=-(10**9), tick=tick),
    )
    if least >= most and len(faults) == before:
        table.fault("price_max_cents_per_kwh", "the highest price is not above the lowest")
    before = len(faults)
    opens = table.hours("opens_before_hours")
    closes = table.minutes("closes_before_minutes", least=-(10**12))
    if opens <= closes and len(faults) == before:
        table.fault("opens_before_hours", "gates open after they close", "open them earlier")
    quantity_max_wh = table.integer("quantity_max_wh", 1_000_000, least=1)
    if quantity_max_wh * max(abs(least), abs(most)) > SAFE_INTEGER_MAX:
        table.fault("quantity_max_wh", "the largest order is worth more than 2^53 nano", "less")
    deviations = Deviations(table.choice("deviations", tuple(Deviations), Deviations.POOLED))
    prices: dict[str, int | None] = {}
    for name in ("pool_price", "single_price", "short_price", "long_price", "reference"):
        key = f"{name}_cents_per_kwh"
        prices[name] = table.price(key, 0, least=-(10**9), tick=tick) if key in table else None
        table.known(key)
    for kind, needed in (
        (Deviations.SINGLE, ("single_price",)),
        (Deviations.DUAL, ("short_price", "long_price")),
    ):
        for name in needed:
            if deviations is kind and prices[name] is None:
                table.fault("deviations", f"{kind} deviations need {name}_cents_per_kwh")
    return Product(
        product=ProductId(table.identifier("id")),
        price_tick=tick,
        energy_tick=table.integer("energy_tick_wh", 1, least=1),
        price_min=least,
        price_max=most,
        quantity_max_wh=quantity_max_wh,
        opens_before_us=opens,
        closes_before_us=closes,
        network_check_us=table.minutes("network_check_minutes", 0),
        orders_per_pod_max=table.integer("orders_per_pod_max", 8, least=1, most=1000),
        pricing=Pricing(table.choice("pricing", tuple(Pricing), Pricing.UNIFORM)),
        margin=Margin(table.choice("margin", tuple(Margin), Margin.PRO_RATA)),
        reference=prices["reference"],
        network_fee=table.price("network_fee_cents_per_kwh", 0, tick=tick),
        deviations=deviations,
        pool_price=prices["pool_price"],
        single_price=prices["single_price"],
        short_price=prices["short_price"],
        long_price=prices["long_price"],
        netting=Netting(table.choice("netting", tuple(Netting), Netting.NONE)),
    )


def read_runs(root: Table) -> tuple[SettlementRun, ...]:
    """Read ``[[run]]``: the settlement runs, earliest first; the last is final."""
    runs: list[SettlementRun] = []
    tables = root.tables("run", least=1)
    if len(tables) > RUNS_MAX:
        tables[RUNS_MAX].fault("name", f"more than {RUNS_MAX} runs", "fewer")
    for table in tables:
        name, after_us = table.identifier("name"), table.hours("after_hours")
        if any(run.name == name for run in runs):
            table.fault("name", f"run {name} is there twice", "one name each")
        if runs and after_us <= runs[-1].after_us:
            table.fault("after_hours", f"run {name} is not after the one before", "earliest first")
        runs.append(SettlementRun(name=RunName(name), after_us=after_us))
    return tuple(runs)


class Market(NamedTuple):
    """Everything of a scenario but its homes and days."""

    community: Community
    grid: Zones
    suppliers: list[Party]
    """And the balance responsible parties."""
    brps: dict[str, str]
    """Balance responsible party of each supplier."""
    retail: Retail
    product: Product
    runs: tuple[SettlementRun, ...]
    rule_terms: RuleTerms
    """What the market operator's rule asks for besides."""

    @property
    def zones(self) -> list[str]:
        """The identifiers of the zones."""
        return self.grid.names

    @property
    def tariff_names(self) -> list[str]:
        """The identifiers of the tariffs."""
        return [tariff.tariff for tariff in self.retail.tariffs]


def read_market(root: Table, calendar: Calendar, isp_us: int | None) -> Market:
    """Read who is there, which tariffs hold, what is traded and when it is settled."""
    zones = read_zones(root)
    suppliers, brps = read_suppliers(root)
    terms = root.table("product")
    product, runs = read_mechanism(terms, read_product(terms)), read_runs(root)
    product = read_trading(terms, product, zones.names)
    if product.mechanism is Mechanism.COMMUNITY and runs and runs[0].after_us == 0:
        what = f"run {runs[0].name} would settle a delivery before it is allocated"
        terms.fault("mechanism", what, "settle later")
    if runs and isp_us is not None:
        checked_us = product.network_check_us + product.clearing_us
        cleared_us = checked_us - product.closes_before_us
        if cleared_us > isp_us + runs[0].after_us:
            what = f"run {runs[0].name} would settle a delivery before it is cleared"
            terms.fault("closes_before_minutes", what, "close earlier, or settle later")
    return Market(
        community=read_community(root.table("community")),
        grid=zones,
        suppliers=suppliers,
        brps=brps,
        retail=_read_retail(root, zones, list(brps), calendar),
        product=product,
        runs=runs,
        rule_terms=read_rule(root, product),
    )


def _read_retail(root: Table, zones: Zones, suppliers: Sequence[str], calendar: Calendar) -> Retail:
    """Read the tariffs; where one heeds the grid, each zone needs a limit and its load."""
    retail = read_tariffs(root, zones.names, suppliers, calendar)
    if retail.heeds_grid:
        for place, name in enumerate(zones.names):
            if name not in zones.limits_w:
                what = f"zone {name} has no limit_w, and a tariff asks how strained it is"
                root.source.fault(f"zone[{place}]", what, "limit_w and load_series")
    return retail


def read_battery(table: Table) -> BatteryTerms:
    """Read ``[battery]``: what holds of every battery."""
    return BatteryTerms(
        efficiency=table.number("efficiency_round_trip", 0.9, least=0.1, most=1),
        wear_nano_per_wh=table.price("wear_cents_per_kwh", 0),
        reserve=table.number("reserve_share", 0.0, least=0, most=1),
        start=table.number("start_share", 0.5, least=0, most=1),
    )


def read_faults(
    table: Table, calendar: Calendar, homes: Collection[str], days: Sequence[tuple[date, Period]]
) -> FaultPlan:
    """Read ``[faults]``: chances per reading, meters exchanged, meters silent."""
    names = ("lost_ppm", "late_ppm", "doubled_ppm", "reordered_ppm", "flipped_ppm")
    chances = {name: table.integer(name, 0, most=PPM) for name in names}
    if sum(chances.values()) > PPM:
        table.fault("lost_ppm", "the chances sum to more than a million", "they exclude each other")
    exchanges: list[tuple[PodId, Instant]] = []
    silences: list[tuple[PodId, Period]] = []
    inside = Period(days[0][1].start, days[-1][1].end) if days else None
    for row in table.tables("exchange"):
        home, at = row.choice("home", sorted(homes)), row.moment("at", calendar)
        if at is not None and inside is not None and at not in inside:
            row.fault("at", "no meter is exchanged outside the days", "within [[time.days]]")
        if at is not None:
            exchanges.append((PodId(home), at))
    for row in table.tables("silence"):
        home = row.choice("home", sorted(homes))
        start, end = row.moment("from", calendar), row.moment("to", calendar)
        if start is None or end is None:
            continue
        if end <= start:
            row.fault("to", "the silence ends before it starts", "swap from and to")
        elif inside is not None and (start not in inside or end > inside.end):
            row.fault("from", "the silence is outside the days", "within [[time.days]]")
        else:
            silences.append((PodId(home), Period(start, end)))
    return FaultPlan(
        lost_ppm=chances["lost_ppm"],
        late_ppm=chances["late_ppm"],
        doubled_ppm=chances["doubled_ppm"],
        reordered_ppm=chances["reordered_ppm"],
        flipped_ppm=chances["flipped_ppm"],
        exchanges=tuple(sorted(exchanges, key=lambda one: (one[1], one[0]))),
        silences=tuple(sorted(silences, key=lambda one: (one[1], one[0]))),
    )


def cut_faults(plan: FaultPlan, homes: Collection[str], span: Period) -> FaultPlan:
    """Return what of a plan concerns these homes and this time."""
    return replace(
        plan,
        exchanges=tuple(one for one in plan.exchanges if one[0] in homes and one[1] in span),
        silences=tuple(
            (pod, Period(silence.start, min(silence.end, span.end)))
            for pod, silence in plan.silences
            if pod in homes and silence.start in span
        ),
    )
