"""The homes of a scenario: read from a table, and drawn by seed where the table is silent."""

from __future__ import annotations

import csv
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple

from wattbay.core.facts import Funding
from wattbay.errors import Fault
from wattbay.ids import MeterId, PartyId, PodId, ProfileId, TariffId, ZoneId, is_id
from wattbay.periods import Instant
from wattbay.simulation.scenario_facts import Battery, Home
from wattbay.units import share

HOMES_MAX = 10_000
"""More homes than this in one file are a mistake."""
HOME_CHARACTERS_MAX = 48
"""Its party, its meters and its copies are named after a home, and must be identifiers as well."""
_AMOUNTS = ("pv_kwp", "battery_kwh", "battery_kw", "yearly_import_kwh", "yearly_export_kwh")


class HomeRow(NamedTuple):
    """A home as its file tells it. Blank amounts are 0."""

    home: str
    pv_kwp: Decimal
    battery_kwh: Decimal
    battery_kw: Decimal
    yearly_import_kwh: Decimal
    yearly_export_kwh: Decimal


def read_homes(path: Path) -> tuple[dict[str, HomeRow], list[Fault]]:
    """Read a CSV file of homes: column ``home`` and amounts; other columns are left alone.

    Returns
    -------
    tuple
        The homes by identifier, in the order of the file, and everything that is wrong with it.
    """
    homes: dict[str, HomeRow] = {}
    faults: list[Fault] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if "home" not in (reader.fieldnames or ()):
                return {}, [Fault(f"{path}:1", "has no column home")]
            for row in reader:
                _read_row(row, f"{path}:{reader.line_num}", homes, faults)
                if len(homes) > HOMES_MAX:
                    what = f"more than {HOMES_MAX} homes"
                    return {}, [Fault(f"{path}:{reader.line_num}", what)]
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        faults.append(Fault(str(path), f"cannot be read: {fault}"))
    return homes, faults


def is_home(text: str) -> bool:
    """Tell whether a text may name a home."""
    return is_id(text) and len(text) <= HOME_CHARACTERS_MAX


def _read_row(
    row: Mapping[str, str | None], where: str, homes: dict[str, HomeRow], faults: list[Fault]
) -> None:
    home = (row.get("home") or "").strip()
    if not is_home(home):
        remedy = f"1 to {HOME_CHARACTERS_MAX} letters, digits, _ or -"
        faults.append(Fault(where, f"{home!r} is no identifier of a home", remedy))
        return
    if home in homes:
        faults.append(Fault(where, f"{home} is there twice"))
        return
    amounts: list[Decimal] = []
    for name in _AMOUNTS:
        text = (row.get(name) or "").strip()
        try:
            amount = Decimal(text or 0)
        except InvalidOperation:
            amount = Decimal(-1)
        if not (amount.is_finite() and 0 <= amount < 10**9):
            faults.append(Fault(where, f"{name} of {home} is {text!r}", "a number, 0 or more"))
            amount = Decimal(0)
        amounts.append(amount)
    found = HomeRow(home, *amounts)
    if (found.battery_kwh > 0) != (found.battery_kw > 0):
        remedy = "give both battery_kwh and battery_kw, or neither"
        faults.append(Fault(where, f"{home} has half a battery", remedy))
    homes[home] = found


@dataclass(frozen=True, slots=True)
class BatteryTerms:
    """What holds of every battery of a scenario; capacity and power are each home's own."""

    efficiency: float
    wear_nano_per_wh: int
    reserve: float
    """Share of the capacity."""
    start: float
    """Share of the capacity."""


@dataclass(frozen=True, slots=True)
class Draw:
    """What is drawn by seed: shares of homes, and ranges of limits on a tick."""

    seed: int
    zones: tuple[tuple[str, int], ...]
    suppliers: tuple[tuple[str, int], ...]
    tariffs: tuple[tuple[str, int], ...]
    strategies: tuple[tuple[str, int], ...]
    buy_limits: tuple[int, int]
    sell_limits: tuple[int, int]
    tick: int


class Choice(NamedTuple):
    """What a file sets for one home; None leaves it to the draw, or to what is said of all."""

    zone: str | None = None
    supplier: str | None = None
    tariff: str | None = None
    strategy: str | None = None
    buy_limit: int | None = None
    sell_limit: int | None = None
    funding: Funding | None = None
    deposit_nano: int | None = None
    tax_from: Instant | None = None
    """Since when what it sells bears tax."""


def pod_ids(homes: Sequence[str], count: int) -> list[tuple[PodId, int, int]]:
    """Name so many homes: those of the data, then copy after copy of them.

    The first are the data's own; the second appearance of ``h01`` is ``h01-2``. A home keeps its
    name whatever the count.

    Returns
    -------
    list
        Pod, index of the home in `homes`, number of the copy (0 is the original).
    """
    named: list[tuple[PodId, int, int]] = []
    for at in range(count):
        copy, home = divmod(at, len(homes))
        name = homes[home] if copy == 0 else f"{homes[home]}-{copy + 1}"
        named.append((PodId(name), home, copy))
    return named


def home_party(pod: PodId) -> PartyId:
    """Return the pseudonym of who lives there."""
    return PartyId(f"party-{pod}")


def weeks_of_copy(copy: int) -> int:
    """Return by how many weeks a copy is shifted: 0, 1, -1, 2, -2: near seasons first."""
    return (copy + 1) // 2 * (1 if copy % 2 else -1)


def _allotted(
    draw: Draw, what: str, options: Sequence[tuple[str, int]], size: int, copy: int
) -> list[str]:
    """Allot options to the homes of one copy: exact shares, in an order drawn by seed."""
    counts = share(size, [weight for _, weight in options])
    allotted = [
        name for (name, _), count in zip(options, counts, strict=True) for _ in range(count)
    ]
    random.Random(f"{draw.seed}/{what}/{copy}").shuffle(allotted)
    return allotted


def draw_homes(
    rows: Sequence[HomeRow],
    count: int,
    draw: Draw,
    battery: BatteryTerms,
    choices: Mapping[str, Choice],
    brps: Mapping[str, str],
    profiles: tuple[ProfileId | None, ProfileId | None],
) -> tuple[Home, ...]:
    """Make the homes of a scenario.

    What is drawn depends on the seed, the homes of the data and the number of the copy alone, so
    that a home is the same in a larger town.

    Parameters
    ----------
    choices
        What is set instead of drawn, by home of the data; its copies are drawn.
    brps
        Balance responsible party of each supplier.
    profiles
        For estimates of import and export.
    """
    made: list[Home] = []
    drawn: dict[str, list[str]] = {}
    for pod, index, copy in pod_ids([row.home for row in rows], count):
        if index == 0:
            drawn = {
                what: _allotted(draw, what, options, len(rows), copy)
                for what, options in (
                    ("zone", draw.zones),
                    ("supplier", draw.suppliers),
                    ("tariff", draw.tariffs),
                    ("strategy", draw.strategies),
                )
            }
        row = rows[index]
        chosen = choices.get(row.home, Choice()) if copy == 0 else Choice()
        limits = random.Random(f"{draw.seed}/limits/{pod}")
        buy = _drawn_limit(limits, draw.buy_limits, draw.tick)
        sell = _drawn_limit(limits, draw.sell_limits, draw.tick)
        supplier = chosen.supplier or drawn["supplier"][index]
        made.append(
            Home(
                pod=pod,
                party=home_party(pod),
                meter=MeterId(f"{pod}-m1"),
                zone=ZoneId(chosen.zone or drawn["zone"][index]),
                tariff=TariffId(chosen.tariff or drawn["tariff"][index]),
                supplier=PartyId(supplier),
                brp=PartyId(brps.get(supplier, supplier)),
                pv_kwp=float(row.pv_kwp),
                battery=_battery(row, battery),
                strategy=chosen.strategy or drawn["strategy"][index],
                buy_limit=buy if chosen.buy_limit is None else chosen.buy_limit,
                sell_limit=sell if chosen.sell_limit is None else chosen.sell_limit,
                yearly_import_wh=int(row.yearly_import_kwh * 1000),
                yearly_export_wh=int(row.yearly_export_kwh * 1000),
                import_profile=profiles[0],
                export_profile=profiles[1],
            )
        )
    return tuple(made)


def _drawn_limit(chance: random.Random, bounds: tuple[int, int], tick: int) -> int:
    least, most = bounds
    return least + tick * chance.randrange((most - least) // tick + 1)


def _battery(row: HomeRow, terms: BatteryTerms) -> Battery | None:
    if row.battery_kwh == 0:
        return None
    capacity_wh = float(row.battery_kwh) * 1000
    return Battery(
        capacity_wh=capacity_wh,
        power_w=float(row.battery_kw) * 1000,
        efficiency=terms.efficiency,
        wear_nano_per_wh=terms.wear_nano_per_wh,
        reserve_wh=terms.reserve * capacity_wh,
        start_wh=terms.start * capacity_wh,
    )
