"""Everything that can have happened; past tense, never changed.

Whoever applies an event needs no rule. Postings follow by `wattbay.core.ledger.postings`.
"""

from __future__ import annotations

from wattbay.core.batches import OrdersEntered
from wattbay.core.devices import DeviceEvent
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
    ResponseCall,
    SettlementRun,
    Side,
    Statement,
    Tariff,
    TradingPhase,
)
from wattbay.core.reasons import Reason
from wattbay.core.terms import Ended, OrderTerms
from wattbay.ids import (
    CommunityId,
    MeterId,
    OrderId,
    PartyId,
    PodId,
    ProductId,
    ProfileId,
    RunName,
    SignalId,
    TariffId,
    TradeId,
    ZoneId,
)
from wattbay.periods import Instant


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


class PricesPublished(Message, kw_only=True):
    """What a tariff costs in some deliveries is known, for good. [nano-currency per Wh]"""

    publisher: PartyId
    tariff: TariffId
    start: Instant
    energy: tuple[int, ...] = ()
    export: tuple[int, ...] = ()
    levy: tuple[int, ...] = ()
    network: tuple[int, ...] = ()
    zone: ZoneId | None = None


class ResponseCalled(Message, kw_only=True):
    """Pods are called to draw less in a window."""

    call: ResponseCall


class ResponseSettled(Message, kw_only=True):
    """What a called pod drew in a delivery, what it would have drawn, and what that comes to."""

    delivery: Instant
    pod: PodId
    party: PartyId
    supplier: PartyId | None
    """With whom it is settled; None: the network."""
    baseline_wh: int
    import_wh: int
    amount_nano: int
    """Positive: the party pays."""


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
    terms: OrderTerms | None = None
    rests_wh: int | None = None
    """In a book: what of it rests once its trades of the same entry are done; None elsewhere."""
    waits: bool = False
    """For its stop, its condition or its instant: it cannot trade yet."""
    limits_in_force: int | None = None
    """Of a grid-balanced order: how many network limits bind its delivery; 0, and it is plain."""


class OrderAmended(Message, kw_only=True):
    """An order stands with another quantity or limit."""

    order: OrderId
    product: ProductId
    delivery: Instant
    quantity_wh: int
    limit: int | None
    hold_nano: int
    keeps_place: bool
    rests_wh: int | None = None
    """In a book: what of it rests once its trades of the same entry are done; None elsewhere."""


class OrderCancelled(Message, kw_only=True):
    """An order was withdrawn or ended unfilled; its hold is released."""

    order: OrderId
    product: ProductId
    delivery: Instant
    reason: Ended = Ended.USER
    quantity_wh: int | None = None
    """What was open of it; None for all of an order that no book keeps."""
    is_over: bool = True
    """Whether nothing of it is left open; under self-trade prevention a part may be."""


class OrderReleased(Message, kw_only=True):
    """An order that waited acts from now on."""

    order: OrderId
    product: ProductId
    delivery: Instant
    rests_wh: int | None = None
    """In a book: what of it rests once its trades of the same entry are done; None elsewhere."""


class OrderSuspended(Message, kw_only=True):
    """A grid-balanced order cannot trade for now: a network limit forbids it."""

    order: OrderId
    product: ProductId
    delivery: Instant
    reason: str


class PhaseChanged(Message, kw_only=True):
    """The trading of a delivery is in another phase."""

    product: ProductId
    delivery: Instant
    phase: TradingPhase
    reason: str = ""


class SignalGiven(Message, kw_only=True):
    """A number that orders may wait for is known."""

    party: PartyId
    signal: SignalId
    value: int
    pod: PodId | None = None


class TradingClosed(Message, kw_only=True):
    """Continuous or bilateral trading of a delivery is over."""

    product: ProductId
    delivery: Instant
    price: int | None
    """Mean of what sellers got, by energy, rounded down; None where nothing was traded."""
    volume_wh: int


class AllocationAccepted(Message, kw_only=True):
    """Metered energy was allocated after the fact; its trades follow in the same entry."""

    product: ProductId
    delivery: Instant
    rule: str
    price: int | None
    """Mean of what sellers get, by energy, rounded down; None where nothing was allocated."""
    volume_wh: int


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
    rule: str = ""
    """By what a submitted result was found; empty for the core's own auction."""
    bound_nano: int | None = None
    """What no other result can exceed in welfare, as the solver said."""


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
    maker: OrderId | None = None
    """Of continuous trading: the one that rested; None where both did, or no book keeps them."""
    buy_release_nano: int = 0
    """What is released of the buy order's hold, where that is not cleared at once."""
    sell_release_nano: int = 0
    """Likewise of the sell order's."""


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
    """All trades, in order of trade; empty where nothing changed since the run before."""
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
    | PricesPublished
    | ResponseCalled
    | ResponseSettled
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
    | OrderReleased
    | OrderSuspended
    | OrdersEntered
    | PhaseChanged
    | SignalGiven
    | TradingClosed
    | AllocationAccepted
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
    | DeviceEvent
)
