"""Everything that can have happened, and every reason for refusal. Past tense; never changed.

An event says what is so from now on; whoever applies it needs no rule. Postings are not events:
they follow from events by `wattbay.core.ledger.postings`.
"""

from __future__ import annotations

from enum import StrEnum

from wattbay.core.facts import (
    Message,
    Meter,
    NetworkLimit,
    Party,
    PodFacts,
    Product,
    Quality,
    Receipt,
    Record,
    SettlementRun,
    Side,
    Statement,
    Tariff,
)
from wattbay.ids import (
    CommunityId,
    MeterId,
    OrderId,
    PartyId,
    PodId,
    ProductId,
    ProfileId,
    RunName,
    TradeId,
)
from wattbay.periods import Instant


class Reason(StrEnum):
    """Every reason for which the exchange refuses."""

    COMMUNITY_OPEN = "community_open"
    COMMUNITY_NOT_OPEN = "community_not_open"
    BAD_ID = "bad_id"
    BAD_VALUE = "bad_value"
    OUT_OF_RANGE = "out_of_range"
    UNKNOWN_PARTY = "unknown_party"
    UNKNOWN_POD = "unknown_pod"
    UNKNOWN_METER = "unknown_meter"
    UNKNOWN_TARIFF = "unknown_tariff"
    UNKNOWN_PROFILE = "unknown_profile"
    UNKNOWN_PRODUCT = "unknown_product"
    UNKNOWN_DELIVERY = "unknown_delivery"
    UNKNOWN_ORDER = "unknown_order"
    UNKNOWN_TRADE = "unknown_trade"
    UNKNOWN_RUN = "unknown_run"
    ALREADY_KNOWN = "already_known"
    NOT_ALLOWED = "not_allowed"
    TOO_MANY = "too_many"
    NOT_IN_SEQUENCE = "not_in_sequence"
    GATE_NOT_OPEN = "gate_not_open"
    GATE_CLOSED = "gate_closed"
    OFF_TICK = "off_tick"
    BAD_QUANTITY = "bad_quantity"
    PRICE_LIMIT = "price_limit"
    NO_COLLATERAL = "no_collateral"
    NOT_DUE = "not_due"
    REQUEST_REUSED = "request_reused"
    DUPLICATE_READING = "duplicate_reading"
    CONFLICTING_READING = "conflicting_reading"
    REGISTER_WENT_BACK = "register_went_back"
    IMPOSSIBLE_ENERGY = "impossible_energy"
    STAMP_IN_FUTURE = "stamp_in_future"
    STAMP_TOO_OLD = "stamp_too_old"
    METER_NOT_IN_USE = "meter_not_in_use"
    RECORD_ALTERED = "record_altered"
    DELIVERY_FINAL = "delivery_final"


class Rejected(Message, kw_only=True):
    """The command was refused and changed nothing."""

    reason: Reason
    detail: str = ""
    """What, and what would be right."""


class CommunityOpened(Message, kw_only=True):
    """A community exists."""

    community: CommunityId
    currency: str
    minor_digits: int
    isp_us: int
    runs: tuple[SettlementRun, ...]


class PartyRegistered(Message, kw_only=True):
    """A party is admitted, or has other roles, funding or consent from now on."""

    party: Party


class MoneyDeposited(Message, kw_only=True):
    """Money came in for a pod."""

    pod: PodId
    party: PartyId
    amount_nano: int


class MoneyWithdrawn(Message, kw_only=True):
    """Money was paid out of a pod's account."""

    pod: PodId
    party: PartyId
    amount_nano: int


class DebtWrittenOff(Message, kw_only=True):
    """What could not be collected stands on the loss account."""

    pod: PodId
    party: PartyId
    amount_nano: int
    reason: str


class TariffDefined(Message, kw_only=True):
    """A tariff is published."""

    tariff: Tariff


class ProfileDefined(Message, kw_only=True):
    """A standard profile is published."""

    profile: ProfileId
    weights: tuple[int, ...]


class PodRegistered(Message, kw_only=True):
    """A pod is connected."""

    facts: PodFacts
    meter: Meter


class PodChanged(Message, kw_only=True):
    """Other facts hold of a pod from an instant on."""

    facts: PodFacts


class MeterExchanged(Message, kw_only=True):
    """A pod is measured by another meter from an instant on."""

    pod: PodId
    at: Instant
    final_import: int
    final_export: int
    meter: Meter


class ProductDefined(Message, kw_only=True):
    """A product can be traded."""

    product: Product


class DeliveriesListed(Message, kw_only=True):
    """The deliveries of a local day can be traded when their gates open."""

    product: ProductId
    day: str
    start: Instant
    count: int


class OrderPlaced(Message, kw_only=True):
    """An order stands."""

    order: OrderId
    pod: PodId
    product: ProductId
    delivery: Instant
    side: Side
    quantity_wh: int
    limit: int | None
    hold_nano: int
    """Its worst case, held until it is cleared."""


class OrderAmended(Message, kw_only=True):
    """An order stands with another quantity or limit."""

    order: OrderId
    product: ProductId
    delivery: Instant
    quantity_wh: int
    limit: int | None
    hold_nano: int
    keeps_place: bool


class OrderCancelled(Message, kw_only=True):
    """An order was withdrawn; its hold is released."""

    order: OrderId
    product: ProductId
    delivery: Instant


class OrderCurtailed(Message, kw_only=True):
    """The grid operator reduced an order, or cancelled it (zero)."""

    order: OrderId
    product: ProductId
    delivery: Instant
    quantity_wh: int
    hold_nano: int
    reason: str


class LimitSubmitted(Message, kw_only=True):
    """A network limit binds the auctions of the deliveries in its span."""

    limit: NetworkLimit


class GateClosed(Message, kw_only=True):
    """No order for the delivery is taken from now on."""

    product: ProductId
    delivery: Instant
    clears_at: Instant | None
    """When the network check ends; None where nobody checks and the auction follows at once."""


class AuctionCleared(Message, kw_only=True):
    """The auction of a delivery is over; what was not traded has expired, holds are released."""

    product: ProductId
    delivery: Instant
    price: int | None
    volume_wh: int
    surplus_nano: int
    surplus_maximum_nano: int


class Traded(Message, kw_only=True):
    """Energy of a delivery changed hands, financially firm."""

    trade: TradeId
    product: ProductId
    delivery: Instant
    buyer: PodId
    seller: PodId
    buy_order: OrderId
    sell_order: OrderId
    quantity_wh: int
    buy_price: int
    sell_price: int
    hold_nano: int
    """The seller's exposure to being short, held until the delivery is settled."""


class TradeCancelled(Message, kw_only=True):
    """The grid operator undid a trade; nobody owes anything for it."""

    traded: Traded
    reason: str


class EnergyActivated(Message, kw_only=True):
    """A pod was instructed to inject (positive) or draw; that is no deviation."""

    operator: PartyId
    pod: PodId
    delivery: Instant
    energy_wh: int
    reason: str


class ReadingAccepted(Message, kw_only=True):
    """A register value stands.

    Its energies are the pod's since it was connected, whichever meters measured them.
    """

    pod: PodId
    meter: MeterId
    boot: int
    seq: int
    measured_at: Instant
    boundary: Instant
    """The delivery boundary it tells of."""
    import_register: int
    export_register: int
    import_wh: int
    export_wh: int
    quality: Quality


class EnergyMetered(Message, kw_only=True):
    """A pod's energy of a period is known, estimated, or known better."""

    pod: PodId
    delivery: Instant
    import_wh: int
    export_wh: int
    quality: Quality
    before_import_wh: int = 0
    """What was known before; the ledger posts the differences."""
    before_export_wh: int = 0


class DeliveredTrade(Record, kw_only=True):
    """How much of a trade was delivered."""

    trade: TradeId
    delivered_wh: int


class Imbalance(Record, kw_only=True):
    """What the pods of a balance responsible party were long (positive) or short together."""

    brp: PartyId
    energy_wh: int


class PeriodSettled(Message, kw_only=True):
    """A delivery was settled in a run; the receipts that changed follow in the same entry."""

    delivery: Instant
    run: RunName
    pool_price: int
    delivered: tuple[DeliveredTrade, ...]
    """All trades of the delivery, in order of trade; empty where nothing changed since the run
    before."""
    imbalances: tuple[Imbalance, ...]
    """All balance responsible parties, by name; empty where nothing changed."""


class ReceiptIssued(Message, kw_only=True):
    """A pod's receipt for a delivery. A later version replaces an earlier one, which is kept."""

    receipt: Receipt
    corrects: Receipt | None = None
    """The version that it replaces; the ledger posts the differences."""


class DeliveryFinal(Message, kw_only=True):
    """A delivery left the core's state."""

    delivery: Instant
    record_hash: bytes
    """SHA-256 of the archived record's canonical bytes."""


class DeliveryCorrected(Message, kw_only=True):
    """A final delivery was corrected; the receipts that changed follow in the same entry."""

    responsible: PartyId
    delivery: Instant
    pod: PodId
    reason: str
    delivered: tuple[DeliveredTrade, ...]
    imbalances: tuple[Imbalance, ...]


class StatementIssued(Message, kw_only=True):
    """A pod's statement for a local month."""

    statement: Statement


Event = (
    Rejected
    | CommunityOpened
    | PartyRegistered
    | MoneyDeposited
    | MoneyWithdrawn
    | DebtWrittenOff
    | TariffDefined
    | ProfileDefined
    | PodRegistered
    | PodChanged
    | MeterExchanged
    | ProductDefined
    | DeliveriesListed
    | OrderPlaced
    | OrderAmended
    | OrderCancelled
    | OrderCurtailed
    | LimitSubmitted
    | GateClosed
    | AuctionCleared
    | Traded
    | TradeCancelled
    | EnergyActivated
    | ReadingAccepted
    | EnergyMetered
    | PeriodSettled
    | ReceiptIssued
    | DeliveryFinal
    | DeliveryCorrected
    | StatementIssued
)
"""Any event."""
