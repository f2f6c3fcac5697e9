"""The nouns that commands bring and events keep: parties, pods, meters, tariffs, products.

Plain frozen records. Energies are Wh, prices nano-currency per Wh, money nano-currency,
instants microseconds of UTC, shares parts per million; each name ends in its unit.
"""

from __future__ import annotations

from enum import StrEnum
from typing import dataclass_transform

from msgspec import Struct

from wattbay.ids import (
    MeterId,
    PartyId,
    PodId,
    ProductId,
    ProfileId,
    RunName,
    TariffId,
    ZoneId,
)
from wattbay.periods import Instant


@dataclass_transform(frozen_default=True)
class Record(Struct, frozen=True, array_like=True, gc=False):
    """The form of every noun: frozen, by keyword, an array on the wire."""


@dataclass_transform(frozen_default=True)
class Message(Struct, frozen=True, array_like=True, tag=True, gc=False):
    """The form of every command and event: as a record, with its name first."""


class Role(StrEnum):
    """What a party may do (harmonised role model of ENTSO-E, ebIX and EFET)."""

    CONSUMER = "consumer"
    PRODUCER = "producer"
    PROSUMER = "prosumer"
    AGGREGATOR = "aggregator"
    SUPPLIER = "supplier"
    BALANCE_RESPONSIBLE = "balance_responsible"
    GRID_OPERATOR = "grid_operator"
    MARKET_OPERATOR = "market_operator"
    METERED_DATA_RESPONSIBLE = "metered_data_responsible"


class Funding(StrEnum):
    """How a party pays for what it orders."""

    PREPAID = "prepaid"
    CREDIT_LIMIT = "credit_limit"


class Side(StrEnum):
    """Which way an order trades."""

    BUY = "buy"
    SELL = "sell"


class Mechanism(StrEnum):
    """How orders of a product become trades."""

    CALL_AUCTION = "call_auction"
    """All at once, when the gate closes, by the core's own auction."""
    CONTINUOUS = "continuous"
    """One by one, in an order book of each delivery, until the gate closes."""
    SUBMITTED = "submitted"
    """All at once, after the gate closes, by a result that the market operator submits."""
    BILATERAL = "bilateral"
    """Offers that stand until a buyer takes them, wholly or in part."""
    COMMUNITY = "community"
    """Without orders: metered energy is allocated after the fact, as the operator submits."""


class TradingPhase(StrEnum):
    """What may happen in an order book."""

    PRE_OPEN = "pre_open"
    """Orders come, change and go; none trades before the opening auction."""
    CONTINUOUS = "continuous"
    HALTED = "halted"
    """Orders can be withdrawn, and nothing else."""
    CLOSED = "closed"


class SelfTrade(StrEnum):
    """Who gives way where an order meets one of its own party."""

    NEWEST = "newest"
    OLDEST = "oldest"
    BOTH = "both"
    DECREMENT = "decrement"
    """Both, by the smaller of the two quantities."""


class Pricing(StrEnum):
    """What a trade of an auction pays."""

    UNIFORM = "uniform"
    PAY_AS_BID = "pay_as_bid"


class Margin(StrEnum):
    """How the last price level is shared."""

    PRO_RATA = "pro_rata"
    TIME = "time"


class Deviations(StrEnum):
    """How what was metered otherwise than traded is settled."""

    POOLED = "pooled"
    INDIVIDUAL = "individual"
    SINGLE = "single"
    DUAL = "dual"


class Netting(StrEnum):
    """Whether import and export of one pod within one delivery are set off."""

    NONE = "none"
    PERIOD = "period"


class Quality(StrEnum):
    """Where the energy of a period comes from."""

    MEASURED = "measured"
    """Difference of two registers at its boundaries."""
    INTERPOLATED = "interpolated"
    """A register was stamped off the boundary."""
    SPLIT = "split"
    """A share of the exact advance over several periods."""
    ESTIMATED = "estimated"
    """No register yet; replaced when one arrives."""
    SUSPECT = "suspect"
    """Measured, with a soft anomaly, neither confirmed nor substituted."""
    SUBSTITUTED = "substituted"
    """Set or confirmed by the metered data responsible."""


class SettlementRun(Record, kw_only=True):
    """A named, dated pass over a delivery. The last one of a community is final."""

    name: RunName
    after_us: int
    """How long after the end of the delivery. [µs]"""


class Party(Record, kw_only=True):
    """A legal or natural person in the market, by pseudonym."""

    party: PartyId
    roles: tuple[Role, ...]
    funding: Funding = Funding.CREDIT_LIMIT
    credit_limit_nano: int = 0
    """What it may owe and have at risk together. Prepaid parties have none."""
    named: bool = False
    """Whether it consents to be named to those it trades with."""
    tax_from: Instant | None = None
    """Since when its sales bear tax; None for never."""


class PodFacts(Record, kw_only=True):
    """What holds of a point of delivery from an instant on, until the next facts."""

    pod: PodId
    since: Instant
    party: PartyId
    zone: ZoneId
    supplier: PartyId
    """Residual supplier: buys and sells what is left."""
    brp: PartyId
    """Balance responsible party."""
    tariff: TariffId
    import_profile: ProfileId | None = None
    export_profile: ProfileId | None = None
    yearly_import_wh: int = 0
    """For estimates where no earlier week is known."""
    yearly_export_wh: int = 0


class Meter(Record, kw_only=True):
    """A meter, its key and its registers."""

    meter: MeterId
    key: bytes
    """Public key. [32 bytes Ed25519, 33 bytes P-256]"""
    import_register: int = 0
    """Register A+ (OBIS 1.8.0) when it was put in. [register units]"""
    export_register: int = 0
    """Register A- (OBIS 2.8.0) when it was put in. [register units]"""
    digits: int = 9
    """Width of the registers; they roll over at 10**digits."""
    unit_wh: int = 1
    """Energy of one register unit, transformer ratio included. [Wh]"""
    power_max_w: int = 100_000
    """More than this through the meter is impossible. [W]"""


class DeviceKind(StrEnum):
    """What a device is."""

    METER = "meter"
    PV_INVERTER = "pv-inverter"
    WIND_TURBINE = "wind-turbine"
    BATTERY = "battery"
    HOME_DISPLAY = "home-display"
    GRID_SENSOR = "grid-sensor"
    POWER_UNIT = "power-unit"
    AGGREGATOR = "aggregator"
    """An agent that trades: it signs what it agrees to, and measures nothing."""


class Device(Record, kw_only=True):
    """What signs and is no meter of a pod: an inverter, a battery, a sensor, a trading agent."""

    device: MeterId
    """Devices and meters share one space of names."""
    kind: DeviceKind
    key: bytes
    """Public key. [32 bytes Ed25519, 33 bytes P-256]"""
    pod: PodId | None = None
    """Behind which it stands; None for a sensor of the grid."""
    zone: ZoneId | None = None
    """Of a sensor of the grid: what it watches."""
    unit_wh: int = 1
    """Energy of one register unit. [Wh]"""
    power_max_w: int = 100_000
    """More than this is impossible. [W]"""


class FormerKey(Record, kw_only=True):
    """With which a device signed before its key was rotated."""

    key: bytes
    """Public key. [32 bytes Ed25519, 33 bytes P-256]"""
    until: Instant
    """Only what was measured earlier may bear it."""


class LocalFee(Record, kw_only=True):
    """Network fee for delivered energy traded from one zone to another."""

    from_zone: ZoneId
    to_zone: ZoneId
    nano_per_wh: int


class TaxRate(Record, kw_only=True):
    """A rate of tax from an instant on."""

    since: Instant
    ppm: int


class EnergyTier(Record, kw_only=True):
    """What energy from the supplier costs besides, beyond an amount bought in a local month."""

    from_wh: int
    nano_per_wh: int
    """Added to the energy component, in place of what the tier below adds; may be negative."""


class MonthlyCharges(Record, kw_only=True):
    """What a tariff charges by the local month, on the statement."""

    tiers: tuple[EnergyTier, ...] = ()
    """By energy; below the first nothing is added."""
    capacity_nano_per_w: int = 0
    """Per W of the highest mean import of a delivery. [nano-currency per W]"""
    minimum_nano: int = 0
    """What a month's charges of supplier, network, levy and service come to at least."""


class Tariff(Record, kw_only=True):
    """The components of a retail price, before tax. [nano-currency per Wh unless named]"""

    tariff: TariffId
    energy: int
    network_regional: int
    network_local: tuple[LocalFee, ...]
    """Zone pairs that are not listed pay the regional fee."""
    levy: int
    export: int
    service: int = 0
    """Service charge on traded energy."""
    standing_nano_per_day: int = 0
    tax: tuple[TaxRate, ...] = ()
    """By date, earliest first."""
    monthly: MonthlyCharges | None = None


class ResponseCall(Record, kw_only=True):
    """A window in which pods get a rebate below their baseline and pay a penalty above."""

    caller: PartyId
    """A supplier or the grid operator; pays the rebate, gets the penalty."""
    start: Instant
    count: int
    """Deliveries of the window."""
    baseline: tuple[Instant, ...]
    """Starts of the same window on earlier days, within a week and without calls."""
    rebate: int
    """For each Wh less than the baseline. [nano-currency per Wh]"""
    penalty: int = 0
    """For each Wh more. [nano-currency per Wh]"""
    tariff: TariffId | None = None
    """For all pods on it; else `pods` are named."""
    pods: tuple[PodId, ...] = ()
    reason: str = ""


class Product(Record, kw_only=True):
    """What can be traded, when, in which steps, and how deviations from it are settled."""

    product: ProductId
    price_tick: int = 10
    """[nano-currency per Wh]"""
    energy_tick: int = 1
    """[Wh]"""
    price_min: int
    price_max: int
    quantity_max_wh: int = 1_000_000
    opens_before_us: int
    """Gate opening before the start of the delivery. [µs]"""
    closes_before_us: int
    """Gate closure before the start of the delivery; negative: inside or after it. [µs]"""
    network_check_us: int = 0
    """How long the grid operator has after gate closure, where there is one. [µs]"""
    orders_per_pod_max: int = 8
    """Open orders of one pod for one delivery."""
    pricing: Pricing = Pricing.UNIFORM
    margin: Margin = Margin.PRO_RATA
    reference: int | None = None
    network_fee: int = 0
    """Fee per Wh added once to what the buyer pays: buy limits are all-in. Default none."""
    deviations: Deviations = Deviations.POOLED
    pool_price: int | None = None
    """None: the middle between the lowest retail energy component and the highest export price."""
    single_price: int | None = None
    short_price: int | None = None
    long_price: int | None = None
    netting: Netting = Netting.NONE
    mechanism: Mechanism = Mechanism.CALL_AUCTION
    rule: str = ""
    """Of a submitted or community product: by what the operator clears it, ``huang`` for one."""
    clearing_us: int = 0
    """How long the operator has to submit a result after gate closure and network check. [µs]"""
    self_trade: SelfTrade | None = None
    """Who gives way in continuous trading; None lets a party meet itself."""
    position_max_wh: int | None = None
    """The most that a pod may have bought, or sold, of a delivery, its open orders included."""
    opening_before_us: int | None = None
    """Continuous trading opens with an auction so long before the delivery; None: at once. [µs]"""
    network_fees: tuple[LocalFee, ...] = ()
    """Of continuous trading, by zone of seller and buyer; a pair that is missing cannot trade."""


class LimitTerm(Record, kw_only=True):
    """The integer coefficient of one pod or zone in a network limit; it names one of the two.

    That of a zone holds for each pod that is in it at the delivery, unless the pod has its own.
    """

    coefficient: int
    pod: PodId | None = None
    zone: ZoneId | None = None


class NetworkLimit(Record, kw_only=True):
    """A linear constraint on traded net injections: sum of coefficient x (sold - bought).

    The sum must be at most `bound_wh`; for the other direction the coefficients are negative.
    It binds the auctions of all deliveries that start in [`since`, `until`).
    """

    since: Instant
    until: Instant
    terms: tuple[LimitTerm, ...]
    bound_wh: int
    reason: str


class Receipt(Record, kw_only=True):
    """What one pod sold, bought, delivered and owes for one delivery, before tax.

    Positive money: the party pays. Positive energy: into the grid, long.
    """

    delivery: Instant
    pod: PodId
    party: PartyId
    run: RunName
    version: int
    bought_wh: int
    sold_wh: int
    delivered_in_wh: int
    delivered_out_wh: int
    import_wh: int
    export_wh: int
    activated_wh: int
    pooled_wh: int
    residual_wh: int
    trades_nano: int
    pool_nano: int
    supplier_nano: int
    network_nano: int
    levy_nano: int
    service_nano: int
    same_meters_nano: int
    taxable_nano: int
    """What bears tax: what the pod buys, and what it sells once its party's sales are taxed."""
    quality: Quality

    @property
    def deviation_wh(self) -> int:
        """Metered minus traded minus activated; positive is long. [Wh]"""
        return self.export_wh - self.import_wh - self.sold_wh + self.bought_wh - self.activated_wh

    @property
    def total_nano(self) -> int:
        """What the party pays before tax. [nano-currency]"""
        return (
            self.trades_nano
            + self.pool_nano
            + self.supplier_nano
            + self.network_nano
            + self.levy_nano
            + self.service_nano
        )


class StatementLine(Record, kw_only=True):
    """One component of a statement. Positive: the party pays."""

    component: str
    amount_nano: int


class StandingCharge(Record, kw_only=True):
    """What a supplier charges for the local days on which it supplied a pod."""

    supplier: PartyId
    amount_nano: int


class StatementCharge(Record, kw_only=True):
    """A charge of the month, and whom it goes to."""

    component: str
    supplier: PartyId | None
    """None: the network."""
    amount_nano: int


class Statement(Record, kw_only=True):
    """Receipts, charges and tax of a pod over a local month, rounded once."""

    pod: PodId
    party: PartyId
    standing: tuple[StandingCharge, ...]
    """Whom the standing charges go to, by name; they sum to their line."""
    month: str
    """Local month, ``2013-06``."""
    lines: tuple[StatementLine, ...]
    """Opening balance first, closing balance last; what stands between sums to the difference."""
    payable_minor: int
    """In payable units (cents, pence), rounded half to even. Negative: a credit note."""
    carried_nano: int
    """What rounding left on the account."""
    charges: tuple[StatementCharge, ...] = ()
    """Tiers by tariff and supplier, then capacity, then the minimum; each sums to its line."""


class ArchivedTrade(Record, kw_only=True):
    """A trade of a final delivery."""

    trade: int
    buyer: PodId
    seller: PodId
    quantity_wh: int
    buy_price: int
    sell_price: int


class ArchivedDelivery(Record, kw_only=True):
    """The record of a final delivery. The core keeps only its hash."""

    delivery: Instant
    products: tuple[ProductId, ...]
    receipts: tuple[Receipt, ...]
    trades: tuple[ArchivedTrade, ...]
