"""The nouns of a scenario: what a simulated community is before anything happens in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from wattbay.agents.operator import RuleTerms
from wattbay.clearing.retail.models import Model
from wattbay.clearing.retail.prices import Sources
from wattbay.core.facts import Party, Product, Role, SettlementRun, Tariff
from wattbay.ids import CommunityId, MeterId, PartyId, PodId, ProfileId, TariffId, ZoneId
from wattbay.periods import Calendar, Instant, Period
from wattbay.simulation.scenario_tariffs import CallPlan
from wattbay.simulation.series import Series

STRATEGIES = ("truthful", "adaptive", "zero_intelligence")
"""How an agent chooses the limit of an order; see `wattbay.agents`."""


Profiles = tuple[tuple[ProfileId, tuple[int, ...]], ...]
"""Standard profiles: the weights of the periods of a local day of 24 hours."""


@dataclass(frozen=True, slots=True)
class Battery:
    """A home battery. Physics, so floats."""

    capacity_wh: float
    """What it holds when full. [Wh]"""
    power_w: float
    """The most that it takes from the home, or gives to it. [W, alternating current]"""
    efficiency: float
    """Round trip, above 0 to 1; applied once, when discharging."""
    wear_nano_per_wh: int
    """What a discharged Wh costs its owner in life of the battery. [nano-currency per Wh]"""
    reserve_wh: float
    """Kept for backup; never discharged. [Wh]"""
    start_wh: float
    """State of charge before the first delivery. [Wh]"""


@dataclass(frozen=True, slots=True)
class Home:
    """A home of the community: its point of delivery, what stands behind it, how it trades."""

    pod: PodId
    party: PartyId
    meter: MeterId
    zone: ZoneId
    tariff: TariffId
    supplier: PartyId
    """Residual supplier."""
    brp: PartyId
    """Balance responsible party."""
    pv_kwp: float
    """Peak power of the panels; 0 for none. [kW]"""
    battery: Battery | None
    strategy: str
    """One of `STRATEGIES`."""
    buy_limit: int
    """The most it would pay for energy, fees apart. [nano-currency per Wh, on the tick]"""
    sell_limit: int
    """The least it would sell for. [nano-currency per Wh, on the tick]"""
    yearly_import_wh: int
    """What its supplier expects it to draw in a year; for estimates. [Wh]"""
    yearly_export_wh: int
    import_profile: ProfileId | None
    export_profile: ProfileId | None


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """What goes wrong between the meters and the exchange.

    Chances are per reading, in parts per million, and exclude each other.
    """

    lost_ppm: int
    late_ppm: int
    doubled_ppm: int
    reordered_ppm: int
    flipped_ppm: int
    exchanges: tuple[tuple[PodId, Instant], ...]
    """Whose meter is exchanged, and when; by instant."""
    silences: tuple[tuple[PodId, Period], ...]
    """Whose meter sends nothing, and for how long; by start."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A community, its homes, its days and everything that is drawn by its seed."""

    id: str
    title: str
    description: str
    seed: int
    community: CommunityId
    currency: str
    minor_digits: int
    calendar: Calendar
    isp_us: int
    days: tuple[tuple[date, Period], ...]
    """Local days in order; there may be gaps between them."""
    tariffs: tuple[Tariff, ...]
    profiles: Profiles
    product: Product
    runs: tuple[SettlementRun, ...]
    parties: tuple[Party, ...]
    """All of them: operators, suppliers, balance responsible parties, then the homes'."""
    homes: tuple[Home, ...]
    deposits: tuple[tuple[PodId, int], ...]
    """What is paid in for prepaid homes when the community is founded. [nano-currency]"""
    faults: FaultPlan
    series: Series
    order_lead_us: int
    """How long before gate closure agents place their orders. [µs]"""
    attribution: tuple[str, ...]
    """Lines that must go wherever results of this scenario go."""
    zones: tuple[ZoneId, ...] = ()
    models: Mapping[TariffId, tuple[Model, ...]] = field(default_factory=dict)
    """Of each tariff whose prices vary by delivery."""
    calls: tuple[CallPlan, ...] = ()
    """When pods are called to draw less, by time."""
    sources: Sources = field(default_factory=Sources)
    """What the models refer to."""
    rule_terms: RuleTerms = field(default_factory=RuleTerms)
    """What the market operator's rule asks for besides what the product says."""

    @property
    def operator(self) -> PartyId:
        """The market operator."""
        return next(one.party for one in self.parties if Role.MARKET_OPERATOR in one.roles)

    @property
    def has_grid_operator(self) -> bool:
        """Whether anybody checks the network."""
        return any(Role.GRID_OPERATOR in one.roles for one in self.parties)

    @property
    def start(self) -> Instant:
        """Start of the first day."""
        return self.days[0][1].start

    @property
    def end(self) -> Instant:
        """End of the last day."""
        return self.days[-1][1].end
