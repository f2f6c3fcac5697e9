"""Everything that can be asked of the exchange. Imperative names; each bears all it needs.

A command that comes from outside may bear a `request`: sent again, it gets its first answer.
"""

from __future__ import annotations

from wattbay.core.devices import DeviceCommand
from wattbay.core.facts import (
    ArchivedDelivery,
    Message,
    Meter,
    NetworkLimit,
    Party,
    PodFacts,
    Product,
    Record,
    ResponseCall,
    SettlementRun,
    Side,
    Tariff,
    TradingPhase,
)
from wattbay.core.sales import ConcludeSale
from wattbay.core.terms import OrderTerms
from wattbay.ids import (
    CommunityId,
    MeterId,
    OrderId,
    PartyId,
    PodId,
    ProductId,
    ProfileId,
    RequestId,
    RunName,
    SignalId,
    TariffId,
    TradeId,
    ZoneId,
)
from wattbay.periods import Instant


class OpenCommunity(Message, kw_only=True):
    """Found a community: always the first entry."""

    community: CommunityId
    currency: str
    """ISO 4217 code; one exchange, one currency."""
    minor_digits: int
    """Decimals of the payable unit: 2 for pence."""
    isp_us: int
    """Length of the imbalance settlement period; every delivery is one. [µs]"""
    runs: tuple[SettlementRun, ...]
    """By date; the last is final."""


class RegisterParty(Message, kw_only=True):
    """Admit a party, or change its roles, funding or consent."""

    party: Party


class DepositMoney(Message, kw_only=True):
    """Book money that a party has paid in for a pod."""

    pod: PodId
    party: PartyId
    amount_nano: int
    request: RequestId | None = None


class WithdrawMoney(Message, kw_only=True):
    """Pay money out of a pod's account; never what is held."""

    pod: PodId
    party: PartyId
    amount_nano: int
    request: RequestId | None = None


class WriteOff(Message, kw_only=True):
    """Move what cannot be collected from an account to the named loss account."""

    pod: PodId
    party: PartyId
    amount_nano: int
    reason: str


class DefineTariff(Message, kw_only=True):
    """Publish a tariff. A tariff never changes; a pod changes tariff."""

    tariff: Tariff


class PublishPrices(Message, kw_only=True):
    """Publish what a tariff costs in deliveries that have not begun. It never changes after.

    Of each component there is one price a delivery, from the first on, or none at all: then the
    tariff's own holds. [nano-currency per Wh]
    """

    publisher: PartyId
    """A supplier or the market operator."""
    tariff: TariffId
    start: Instant
    """Of the first delivery."""
    energy: tuple[int, ...] = ()
    export: tuple[int, ...] = ()
    levy: tuple[int, ...] = ()
    network: tuple[int, ...] = ()
    """Added to every network fee of the tariff, regional and local."""
    zone: ZoneId | None = None
    """Where its pods pay this; None for every zone."""


class CallResponse(Message, kw_only=True):
    """Call pods to draw less in a window that has not begun."""

    call: ResponseCall


class DefineProfile(Message, kw_only=True):
    """Publish a standard profile: the share of a day's energy in each of its periods."""

    profile: ProfileId
    weights: tuple[int, ...]


class RegisterPod(Message, kw_only=True):
    """Connect a pod with its first facts and its meter."""

    facts: PodFacts
    meter: Meter


class ChangePod(Message, kw_only=True):
    """Let other facts hold of a pod from an instant on (party, supplier, tariff, zone)."""

    facts: PodFacts


class ExchangeMeter(Message, kw_only=True):
    """Replace a pod's meter: final registers of the old one, a new one with its initial ones."""

    pod: PodId
    at: Instant
    final_import: int
    """[register units of the old meter]"""
    final_export: int
    meter: Meter


class DefineProduct(Message, kw_only=True):
    """Offer a product for trade."""

    product: Product


class ListDeliveries(Message, kw_only=True):
    """List the deliveries of a local day. The core knows days only from here."""

    product: ProductId
    day: str
    """Local date, ``2013-06-10``."""
    start: Instant
    count: int
    """46, 48 or 50 half-hours, for instance."""


class PlaceOrder(Message, kw_only=True):
    """Bid for energy or offer it. Without a limit it is a market order."""

    pod: PodId
    product: ProductId
    delivery: Instant
    side: Side
    quantity_wh: int
    limit: int | None
    """The worst price it accepts. [nano-currency per Wh]"""
    request: RequestId | None = None
    terms: OrderTerms | None = None
    """Whatever else it says; None for a plain limit or market order."""


class AmendOrder(Message, kw_only=True):
    """Change an open order; a larger quantity or another limit loses its place in time."""

    order: OrderId
    pod: PodId
    quantity_wh: int
    limit: int | None
    request: RequestId | None = None


class CancelOrder(Message, kw_only=True):
    """Withdraw an open order."""

    order: OrderId
    pod: PodId
    request: RequestId | None = None


class CancelOrders(Message, kw_only=True):
    """Withdraw all open orders of a pod, of one delivery or of all."""

    pod: PodId
    product: ProductId
    delivery: Instant | None = None
    request: RequestId | None = None


class EnterOrders(Message, kw_only=True):
    """Take many plain steps in the order book of a delivery: what single commands would come to.

    One after the other, with nothing between them; a step may be refused and the next one not.
    Where a stop is reached the batch ends: the stop acts, and who sent the batch sends the rest
    again.
    """

    product: ProductId
    delivery: Instant
    pods: tuple[PodId, ...]
    """Whose orders they are; steps name them by their places."""
    steps: bytes
    """Rows of numbers, as `wattbay.core.batches` says."""
    request: RequestId | None = None


class TakeOffer(Message, kw_only=True):
    """Take a bilateral offer, wholly or in part, at its price."""

    order: OrderId
    pod: PodId
    quantity_wh: int
    request: RequestId | None = None


class ReleaseOrder(Message, kw_only=True):
    """Let an order act that waited: for its stop, its condition or its instant. By the clock."""

    order: OrderId
    product: ProductId
    delivery: Instant


class ExpireOrder(Message, kw_only=True):
    """End an order whose time is over. By the clock."""

    order: OrderId
    product: ProductId
    delivery: Instant


class OpenTrading(Message, kw_only=True):
    """Open continuous trading of a delivery with an auction. By the clock."""

    product: ProductId
    delivery: Instant


class ChangePhase(Message, kw_only=True):
    """Halt the trading of a delivery, or let it go on."""

    operator: PartyId
    """The market operator or the grid operator."""
    product: ProductId
    delivery: Instant
    phase: TradingPhase
    reason: str


class GiveSignal(Message, kw_only=True):
    """Tell a number that orders may wait for: the grid operator's, or a pod's state of charge."""

    party: PartyId
    signal: SignalId
    value: int
    pod: PodId | None = None
    """Of a state of charge, told by the pod's own party. [Wh]"""


class SubmittedTrade(Record, kw_only=True):
    """A trade of a submitted result."""

    delivery: Instant
    buy_order: OrderId
    sell_order: OrderId
    quantity_wh: int
    buy_price: int
    sell_price: int


class SubmitClearing(Message, kw_only=True):
    """Bring the result of an auction that a solver cleared; the core verifies it."""

    operator: PartyId
    """The market operator."""
    product: ProductId
    delivery: Instant
    """The first, of an auction of several."""
    rule: str
    prices: tuple[int | None, ...]
    """Of each delivery, from the first on."""
    trades: tuple[SubmittedTrade, ...]
    bound_nano: int | None = None
    """What no other result can exceed in welfare, as the solver proved."""


class AllocatedTrade(Record, kw_only=True):
    """Metered energy that one pod is said to have had from another."""

    buyer: PodId
    seller: PodId
    quantity_wh: int
    buy_price: int
    sell_price: int


class SubmitAllocation(Message, kw_only=True):
    """Bring an allocation of a delivery's metered energy, after the fact; the core verifies it."""

    operator: PartyId
    """The market operator."""
    product: ProductId
    delivery: Instant
    rule: str
    trades: tuple[AllocatedTrade, ...]


class CurtailOrder(Message, kw_only=True):
    """Let the grid operator reduce or cancel (to zero) an order for as long as it stands."""

    operator: PartyId
    order: OrderId
    quantity_wh: int
    reason: str


class SubmitLimit(Message, kw_only=True):
    """Let the grid operator bound what the auctions of a span may trade."""

    operator: PartyId
    limit: NetworkLimit


class CancelTrade(Message, kw_only=True):
    """Let the grid operator undo a trade before its delivery, without penalty to anybody."""

    operator: PartyId
    delivery: Instant
    trade: TradeId
    reason: str


class ActivateEnergy(Message, kw_only=True):
    """Record energy that the grid operator instructed a pod to inject (positive) or draw."""

    operator: PartyId
    pod: PodId
    delivery: Instant
    energy_wh: int
    reason: str


class SubmitReading(Message, kw_only=True):
    """Bring the registers of a meter at an instant, with the bytes as signed."""

    meter: MeterId
    boot: int
    seq: int
    measured_at: Instant
    import_register: int
    export_register: int
    proof: bytes
    """The signed bytes, so that anybody can check them again."""
    suspicion: str = ""
    """What is odd about it, in words: its energy is suspect until confirmed or substituted."""


class SubstituteEnergy(Message, kw_only=True):
    """Let the metered data responsible set (or confirm) the energy of a pod's period."""

    responsible: PartyId
    pod: PodId
    delivery: Instant
    import_wh: int
    export_wh: int
    reason: str


class CorrectDelivery(Message, kw_only=True):
    """Correct a final delivery; brings the archived record, whose hash the core knows."""

    responsible: PartyId
    record: ArchivedDelivery
    pod: PodId
    import_wh: int
    export_wh: int
    reason: str


class CloseGate(Message, kw_only=True):
    """Close the gate of a delivery. Asked by the clock."""

    product: ProductId
    delivery: Instant


class ClearAuction(Message, kw_only=True):
    """Clear a delivery after the network check. Asked by the clock."""

    product: ProductId
    delivery: Instant


class SettlePeriod(Message, kw_only=True):
    """Settle a delivery in a run. Asked by the clock."""

    delivery: Instant
    run: RunName


class IssueStatements(Message, kw_only=True):
    """Close a local month for every pod."""

    month: str


Command = (
    OpenCommunity
    | RegisterParty
    | DepositMoney
    | WithdrawMoney
    | WriteOff
    | DefineTariff
    | PublishPrices
    | CallResponse
    | DefineProfile
    | RegisterPod
    | ChangePod
    | ExchangeMeter
    | DefineProduct
    | ListDeliveries
    | PlaceOrder
    | AmendOrder
    | CancelOrder
    | CancelOrders
    | EnterOrders
    | TakeOffer
    | ConcludeSale
    | ReleaseOrder
    | ExpireOrder
    | OpenTrading
    | ChangePhase
    | GiveSignal
    | SubmitClearing
    | SubmitAllocation
    | CurtailOrder
    | SubmitLimit
    | CancelTrade
    | ActivateEnergy
    | SubmitReading
    | SubstituteEnergy
    | CorrectDelivery
    | CloseGate
    | ClearAuction
    | SettlePeriod
    | IssueStatements
    | DeviceCommand
)
"""Any command."""

Registering = (
    ListDeliveries
    | ExchangeMeter
    | IssueStatements
    | DepositMoney
    | WithdrawMoney
    | WriteOff
    | RegisterPod
    | ChangePod
    | RegisterParty
    | DefineTariff
    | PublishPrices
    | CallResponse
    | DefineProfile
    | DefineProduct
    | OpenCommunity
    | DeviceCommand
)
"""The commands that found and keep the community, none of them often."""
