"""A fleet file: a market for the Energy Trading Protocol, its batteries and its aggregators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from wattbay.adapters.etp.auctions import Rules
from wattbay.adapters.etp.bess import Bess, judge, judge_as_gateway
from wattbay.adapters.etp.desk import Member
from wattbay.adapters.etp.envelope import Key, Scheme
from wattbay.adapters.etp.proofs import signer_of
from wattbay.adapters.etp.strategies import Strategy
from wattbay.adapters.etp.trader import Plan
from wattbay.core.commands import (
    Command,
    DefineProduct,
    DefineTariff,
    OpenCommunity,
    RegisterParty,
    RegisterPod,
)
from wattbay.core.devices import RegisterDevice
from wattbay.core.facts import (
    Device,
    DeviceKind,
    Mechanism,
    Meter,
    Party,
    PodFacts,
    Product,
    Role,
)
from wattbay.errors import ConfigError, Fault
from wattbay.ids import CommunityId, MeterId, PartyId, PodId, ZoneId
from wattbay.periods import SECOND, Calendar, Instant
from wattbay.simulation import scenario_file, scenario_parts
from wattbay.simulation.meters import new_meter
from wattbay.simulation.scenario_file import Table
from wattbay.units import PPM

PACKAGED = Path(__file__).parent.parent / "scenarios" / "etp"
DEFAULT = PACKAGED / "three-batteries.toml"
DEVICE_MAX = 2**53 - 1
KWH_MAX = 1_000_000
WINDOW_MAX_MS = 900
"""A bid is answered within a second of its arrival."""
DEVICES_MAX = 10_000


class Battery(NamedTuple):
    """A battery of a fleet."""

    member: Member
    bess: Bess
    rules: Rules
    delivers_ppm: int = PPM
    """How much of what it promises it gives. [ppm]"""


class Bidder(NamedTuple):
    """An aggregator of a fleet."""

    member: Member
    plan: Plan
    credit_limit_nano: int


class Fleet(NamedTuple):
    """A market and everybody in it."""

    community: CommunityId
    calendar: Calendar
    isp_us: int
    product: Product
    batteries: list[Battery]
    bidders: list[Bidder]
    seed: int
    speed: int
    """How many seconds pass in one."""
    efficiency_ppm: int
    """What of the energy charged can be sold. [ppm]"""
    market: scenario_parts.Market

    @property
    def members(self) -> list[Member]:
        """Everybody who trades: batteries first."""
        return [one.member for one in self.batteries] + [one.member for one in self.bidders]

    def meters(self) -> list[Meter]:
        """Return the meter of each member, in their order, with keys by the seed."""
        return [new_meter(self.seed, MeterId(f"meter-{one.device}")) for one in self.members]

    def begins(self, at: Instant) -> Instant:
        """Return from when on there are pods, of a community that is founded at an instant."""
        return Instant(-(-at // self.isp_us) * self.isp_us)

    def signers(self, keys: Mapping[int, Key]) -> Iterator[Device]:
        """Yield what each member signs with, where that proves anything to a third.

        Parameters
        ----------
        keys
            Of members, by their device; a shared secret is left out.
        """
        kinds = [DeviceKind.BATTERY] * len(self.batteries)
        kinds += [DeviceKind.AGGREGATOR] * len(self.bidders)
        for kind, member in zip(kinds, self.members, strict=True):
            key = keys.get(member.device)
            if key is not None and key.scheme is Scheme.ED25519:
                name = signer_of(member.device)
                yield Device(device=name, kind=kind, key=key.key, pod=member.pod)

    def founding(self, at: Instant, keys: Mapping[int, Key]) -> list[Command]:
        """Return the commands that found the community at an instant.

        Parameters
        ----------
        keys
            Of members, by their device: history says who signs with which.
        """
        since = self.begins(at)
        market, community = self.market, self.market.community
        commands: list[Command] = [
            OpenCommunity(
                community=community.id, currency=community.currency,
                minor_digits=community.minor_digits, isp_us=self.isp_us, runs=market.runs,
            )
        ]  # fmt: skip
        parties = scenario_parts.merged((*community.operators, *market.suppliers, *self._parties()))
        commands += [RegisterParty(party=party) for party in parties]
        commands += [DefineTariff(tariff=tariff) for tariff in market.retail.tariffs]
        commands.append(DefineProduct(product=self.product))
        supplier = next(iter(market.brps))
        for member, meter in zip(self.members, self.meters(), strict=True):
            facts = PodFacts(
                pod=member.pod, since=since, party=member.party, zone=ZoneId(market.grid.names[0]),
                supplier=PartyId(supplier), brp=PartyId(market.brps[supplier]),
                tariff=market.retail.tariffs[0].tariff,
            )  # fmt: skip
            commands.append(RegisterPod(facts=facts, meter=meter))
        commands += [RegisterDevice(device=device) for device in self.signers(keys)]
        return commands

    def _parties(self) -> Sequence[Party]:
        owners = [
            Party(
                party=one.member.party, roles=(Role.PROSUMER,),
                # An owner can be short of what it sold, at most of all that the battery holds.
                credit_limit_nano=2 * one.bess.capacity_wh * self.product.price_max,
                named=True,
            )
            for one in self.batteries
        ]  # fmt: skip
        buyers = [
            Party(
                party=one.member.party, roles=(Role.AGGREGATOR,),
                credit_limit_nano=one.credit_limit_nano, named=True,
            )
            for one in self.bidders
        ]  # fmt: skip
        return owners + buyers


def read_fleet(path: Path) -> Fleet:
    """Read a fleet file.

    Raises
    ------
    ConfigError
        Bears everything that is wrong, each with file and line.
    """
    source, root = scenario_file.read(path)
    time, fleet = root.table("time"), root.table("fleet")
    calendar, isp_us = scenario_parts.read_calendar(time), scenario_parts.read_isp(time)
    market = scenario_parts.read_market(root, calendar, isp_us)
    if market.product.mechanism is not Mechanism.BILATERAL:
        root.table("product").fault(
            "mechanism", "sales of this protocol are agreed between two", "bilateral"
        )
    batteries = [_battery(table, market.product) for table in root.tables("battery", least=1)]
    bidders = [_bidder(table) for table in root.tables("aggregator")]
    seed = fleet.integer("seed", 1)
    speed = fleet.integer("speed", 1, least=1, most=3_600)
    efficiency = fleet.number("efficiency", 1.0, least=0.1, most=1.0)
    _check_devices(root, batteries, bidders)
    root.finish()
    if isp_us is None or source.faults:
        raise ConfigError(*source.faults)
    return Fleet(
        community=market.community.id, calendar=calendar, isp_us=isp_us, product=market.product,
        batteries=batteries, bidders=bidders, seed=seed, speed=speed,
        efficiency_ppm=round(efficiency * PPM), market=market,
    )  # fmt: skip


def _member(table: Table, kind: str) -> Member:
    device = table.integer("device", least=1, most=DEVICE_MAX)
    pod = table.identifier("pod", f"{kind}-{device}")
    party = table.identifier("party", f"owner-{device}" if kind == "bess" else pod)
    return Member(device, PartyId(party), PodId(pod))


def _battery(table: Table, product: Product) -> Battery:
    capacity = table.number("capacity_kwh", least=0.001, most=1e6)
    level = table.number("level_kwh", 0.8 * capacity, least=0, most=1e6)
    if level > capacity:
        table.fault("level_kwh", f"{level} kWh are more than the capacity", f"at most {capacity}")
    bess = Bess(
        device_id=0, capacity_wh=max(1, round(capacity * 1_000)), level_wh=level * 1_000,
        name=table.text("name", ""),
        reserve_price=table.price("reserve_cents_per_kwh"),
        percentage_for_sale=table.number("percentage_for_sale", 50.0, least=0, most=100),
        discharge_w=round(1_000 * table.number("discharge_kw", 5.0, least=0.001, most=1e6)),
        voltage_v=table.number("voltage", 12.6, least=0, most=1e6),
        health=table.integer("health", 1, most=3),
    )  # fmt: skip
    member = _member(table, "bess")
    bess.device_id = member.device
    policy = table.choice("policy", ("node", "gateway"), "node")
    rules = Rules(
        window_us=1_000 * table.integer("window_ms", 0, most=WINDOW_MAX_MS),
        confirm_us=1_000 * table.integer("confirm_ms", 500, least=1, most=60_000),
        pause_us=_pause(table), price_tick=product.price_tick,
        judge=judge if policy == "node" else judge_as_gateway,
    )  # fmt: skip
    return Battery(member, bess, rules, table.integer("delivers_ppm", PPM, most=PPM))


def _pause(table: Table) -> tuple[int, int]:
    """Read how long a battery rests between two auctions: at least, at most. [µs]"""
    least = table.number("pause_min_s", 0.0, least=0, most=3_600)
    most = table.number("pause_max_s", least, least=0, most=3_600)
    if most < least:
        table.fault("pause_max_s", f"{most} s is less than pause_min_s", f"at least {least}")
    return round(least * SECOND), round(most * SECOND)


def _bidder(table: Table) -> Bidder:
    member = _member(table, "aggregator")
    cap = table.price("cap_cents_per_kwh")
    plan = Plan(
        device_id=member.device,
        strategy=Strategy(table.choice("strategy", tuple(Strategy), Strategy.INTELLIGENT)),
        cap=cap,
        floor=table.price("floor_cents_per_kwh", min(cap, 10_000)),
        need_wh=round(1_000 * table.number("need_kwh", 50, least=0, most=1e9)),
        lot_wh=round(1_000 * table.number("lot_kwh", 5, least=0.001, most=1e9)),
        budget_nano=table.cents("budget_cents") if "budget_cents" in table else None,
    )
    table.known("budget_cents")
    return Bidder(member, plan, table.cents("credit_limit_cents", 1_000 * 10_000_000))


def _check_devices(root: Table, batteries: Sequence[Battery], bidders: Sequence[Bidder]) -> None:
    """Note devices and pods that are named twice."""
    seen: set[object] = set()
    places = [("battery", place, one.member) for place, one in enumerate(batteries)]
    places += [("aggregator", place, one.member) for place, one in enumerate(bidders)]
    for kind, place, member in places:
        for what in (member.device, member.pod):
            if what in seen:
                root.source.fault(f"{kind}[{place}]", f"{what} is there twice", "one name each")
            seen.add(what)


class Alone(NamedTuple):
    """A battery that sells on its own account, as options describe it."""

    device: int
    capacity_kwh: float = 15.0
    level_kwh: float | None = None
    reserve_cents: float = 8.0
    percentage: float = 80.0
    discharge_kw: float = 5.0
    window_ms: int = 300
    pause_s: tuple[float, float] = (0.0, 0.0)
    bidders: tuple[int, ...] = ()
    credit_cents: int = 100_000
    """Of each bidder."""
    speed: int = 60


def fleet_of(alone: Alone) -> Fleet:
    """Return a fleet of one battery and its bidders, in the market of the packaged fleet.

    Raises
    ------
    ConfigError
        Lists every option that makes no sense.
    """
    packaged = read_fleet(DEFAULT)
    level = 0.8 * alone.capacity_kwh if alone.level_kwh is None else alone.level_kwh
    faults = [
        Fault(name, f"is {value:,}", f"{least:,} to {most:,}")
        for name, value, least, most in (
            ("DEVICE", alone.device, 1, DEVICE_MAX),
            ("--capacity-kwh", alone.capacity_kwh, 0.001, KWH_MAX),
            ("--level-kwh", level, 0, alone.capacity_kwh),
            ("--reserve-cents", alone.reserve_cents, 0, 100),
            ("--for-sale", alone.percentage, 0, 100),
            ("--discharge-kw", alone.discharge_kw, 0.001, KWH_MAX),
            ("--window-ms", alone.window_ms, 0, WINDOW_MAX_MS),
            ("--speed", alone.speed, 1, 3_600),
            ("--credit-cents", alone.credit_cents, 1, 10**9),
        )
        if not least <= value <= most
    ]
    if alone.device in alone.bidders or len(set(alone.bidders)) < len(alone.bidders):
        faults.append(Fault("--bidder", "a device is there twice", "one id each"))
    if faults:
        raise ConfigError(*faults)
    bess = Bess(
        device_id=alone.device, capacity_wh=max(1, round(1_000 * alone.capacity_kwh)),
        level_wh=1_000 * level, reserve_price=round(10_000 * alone.reserve_cents),
        percentage_for_sale=alone.percentage, discharge_w=max(1, round(1_000 * alone.discharge_kw)),
    )  # fmt: skip
    low, high = alone.pause_s
    rules = Rules(
        window_us=1_000 * alone.window_ms, pause_us=(round(low * SECOND), round(high * SECOND)),
        price_tick=packaged.product.price_tick,
    )  # fmt: skip
    owner = Member(alone.device, PartyId(f"owner-{alone.device}"), PodId(f"bess-{alone.device}"))
    community = packaged.market.community._replace(id=CommunityId(f"bess-{alone.device}"))
    return packaged._replace(
        community=community.id, market=packaged.market._replace(community=community),
        batteries=[Battery(owner, bess, rules)], bidders=_strangers(alone), speed=alone.speed,
        seed=alone.device,
    )  # fmt: skip


def _strangers(alone: Alone) -> list[Bidder]:
    """Return bidders of whom nothing is known but their ids: how they bid is their own business."""
    found = []
    for device in alone.bidders:
        name = f"aggregator-{device}"
        plan = Plan(device, Strategy.INTELLIGENT, cap=0)
        credit_nano = alone.credit_cents * 10_000_000
        found.append(Bidder(Member(device, PartyId(name), PodId(name)), plan, credit_nano))
    return found
