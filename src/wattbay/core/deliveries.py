"""The life of a delivery after its gate: trades, activations, settlement runs, the archive.

A delivery leaves the core's state with its final run. What stays is a hash: a later correction
brings the archived record, and the hash tells whether it is the true one.
"""

from __future__ import annotations

from datetime import date

from msgspec import Struct, field

from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core import metering as mt
from wattbay.core import settlement
from wattbay.core.events import DeliveredTrade, EnergyMetered, Imbalance
from wattbay.core.facts import Mechanism, Product, Quality, Receipt, Role
from wattbay.core.ledger import Ledger, hold
from wattbay.core.market.allocation import Metered, allocate
from wattbay.core.market.product import gate_closes
from wattbay.core.meters import Metering
from wattbay.core.reasons import Reason
from wattbay.core.registry import (
    Registry,
    facts_at,
    facts_then,
    has_role,
    pool_price,
    refuse,
    tariff_at,
)
from wattbay.core.settlement import Deal, Seat, Settlement
from wattbay.core.statements import Statements, close_month, month_of
from wattbay.ids import PodId, ProductId, RunName, TradeId
from wattbay.periods import Instant
from wattbay.units import SAFE_INTEGER_MAX

COUNT_MAX = 24 * 60
"""Deliveries of one day: minutes are the finest."""
OPEN_MAX = 500_000
"""Deliveries from listing to final run."""
FINAL_MAX = 1_000_000
"""Final deliveries that can still be corrected; the oldest are forgotten first."""
CORRECTION = RunName("correction")


class Delivery(Struct):
    """A delivery from its listing to its final run."""

    day: str
    products: list[ProductId] = field(default_factory=list)
    trades: dict[TradeId, e.Traded] = field(default_factory=dict)
    activated: dict[PodId, int] = field(default_factory=dict)
    """Net energy instructed by the grid operator. [Wh]"""
    receipts: dict[PodId, Receipt] = field(default_factory=dict)
    holds: dict[str, int] = field(default_factory=dict)
    """By money account: sellers' exposure to being short. [nano-currency]"""
    runs_done: int = 0
    dirty: bool = False
    """Whether anything was learnt since the last run."""
    allocated: list[ProductId] = field(default_factory=list)
    """Community products whose energy is allocated."""


class FinalDelivery(Struct, frozen=True):
    """What the core keeps of a final delivery."""

    day: str
    record_hash: bytes


class Deliveries(Struct):
    """All deliveries that are not final, and the hashes of those that are."""

    open: dict[Instant, Delivery] = field(default_factory=dict)
    final: dict[Instant, FinalDelivery] = field(default_factory=dict)
    listed_until: Instant = Instant(-SAFE_INTEGER_MAX)


# --- listing ---------------------------------------------------------------------------------


def list_deliveries(
    registry: Registry,
    deliveries: Deliveries,
    statements: Statements,
    command: c.ListDeliveries,
    at: Instant,
) -> list[e.Event]:
    """List the deliveries of a local day, before the first of their gates closes."""
    product = registry.products.get(command.product)
    if product is None:
        return refuse(Reason.UNKNOWN_PRODUCT, f"product {command.product}")
    if command.start % registry.isp_us or not 1 <= command.count <= COUNT_MAX:
        return refuse(Reason.BAD_VALUE, f"1 to {COUNT_MAX} deliveries, from a boundary on")
    if not _is_date(command.day) or month_of(command.day) <= statements.closed:
        return refuse(Reason.BAD_VALUE, "a local date of a month whose statements are not out")
    if gate_closes(product, command.start) <= at:
        return refuse(Reason.GATE_CLOSED, "deliveries are listed before their gates close")
    if len(deliveries.open) + command.count > OPEN_MAX:
        return refuse(Reason.TOO_MANY, f"{OPEN_MAX} open deliveries are the most")
    for i in range(command.count):
        known = deliveries.open.get(Instant(command.start + i * registry.isp_us))
        if known is not None and (command.product in known.products or known.day != command.day):
            return refuse(Reason.ALREADY_KNOWN, "listed before, or under another day")
    return [
        e.DeliveriesListed(
            product=command.product, day=command.day, start=command.start, count=command.count
        )
    ]


def _is_date(day: str) -> bool:
    """Tell whether a text is a date as ISO 8601 writes it in full."""
    try:
        return date.fromisoformat(day).isoformat() == day
    except ValueError:
        return False


# --- the grid operator -----------------------------------------------------------------------


def activate(
    registry: Registry, deliveries: Deliveries, command: c.ActivateEnergy
) -> list[e.Event]:
    """Record instructed energy: obeying never costs."""
    if not has_role(registry, command.operator, Role.GRID_OPERATOR):
        return refuse(Reason.NOT_ALLOWED, "only the grid operator activates")
    if command.delivery not in deliveries.open:
        return refuse(Reason.UNKNOWN_DELIVERY, "no such delivery is open")
    if facts_at(registry, command.pod, command.delivery) is None:
        return refuse(Reason.UNKNOWN_POD, f"pod {command.pod} at that delivery")
    return [
        e.EnergyActivated(
            operator=command.operator,
            pod=command.pod,
            delivery=command.delivery,
            energy_wh=command.energy_wh,
            reason=command.reason,
        )
    ]


def cancel_trade(
    registry: Registry, deliveries: Deliveries, command: c.CancelTrade, at: Instant
) -> list[e.Event]:
    """Undo a trade before its delivery, without penalty to anybody."""
    if not has_role(registry, command.operator, Role.GRID_OPERATOR):
        return refuse(Reason.NOT_ALLOWED, "only the grid operator cancels trades")
    delivery = deliveries.open.get(command.delivery)
    trade = delivery.trades.get(command.trade) if delivery is not None else None
    if trade is None:
        return refuse(Reason.UNKNOWN_TRADE, f"trade {command.trade}")
    if at >= command.delivery:
        return refuse(Reason.GATE_CLOSED, "its delivery has begun; activate energy instead")
    return [e.TradeCancelled(traded=trade, reason=command.reason)]


# --- allocations ------------------------------------------------------------------------------


def submit_allocation(
    registry: Registry,
    deliveries: Deliveries,
    metering: Metering,
    first_trade: int,
    command: c.SubmitAllocation,
    at: Instant,
) -> list[e.Event]:
    """Take an allocation of a delivery that is over and not settled, or say what is wrong."""
    product = registry.products.get(command.product)
    if product is None:
        return refuse(Reason.UNKNOWN_PRODUCT, f"product {command.product}")
    if not has_role(registry, command.operator, Role.MARKET_OPERATOR):
        return refuse(Reason.NOT_ALLOWED, "only the market operator submits allocations")
    if product.mechanism is not Mechanism.COMMUNITY:
        return refuse(Reason.NOT_ALLOWED, f"{product.product} is not allocated after the fact")
    delivery = deliveries.open.get(command.delivery)
    if delivery is None or command.product not in delivery.products:
        return refuse(Reason.UNKNOWN_DELIVERY, "no such delivery is open")
    if command.product in delivery.allocated:
        return refuse(Reason.ALREADY_KNOWN, "a delivery is allocated once")
    if at < command.delivery + registry.isp_us:
        return refuse(Reason.NOT_DUE, "an allocation follows its delivery")
    if delivery.runs_done:
        return refuse(Reason.GATE_CLOSED, "an allocation comes before the first settlement run")
    known = metering.energy.get(command.delivery, {})
    metered = Metered(known, delivery.trades.values())
    return allocate(registry, product, command, metered, first_trade)


# --- statements -----------------------------------------------------------------------------


def issue_statements(
    registry: Registry, deliveries: Deliveries, known: Statements, command: c.IssueStatements
) -> list[e.Event]:
    """Close a month once each of its deliveries has had its first run."""
    if command.month not in known.days or command.month <= known.closed:
        return refuse(Reason.BAD_VALUE, f"month {command.month} is not open")
    for month in sorted(known.days):
        # A month in which nobody had a pod has no statements and waits for none.
        if month < command.month and close_month(known, registry, month):
            return refuse(Reason.NOT_IN_SEQUENCE, f"{month} comes first")
    for delivery in deliveries.open.values():
        if delivery.runs_done == 0 and month_of(delivery.day) == command.month:
            return refuse(Reason.NOT_DUE, f"a delivery of {delivery.day} is not settled")
    stated = close_month(known, registry, command.month)
    return stated or refuse(Reason.BAD_VALUE, f"nobody had a pod in {command.month}")


# --- settlement runs -------------------------------------------------------------------------


def next_run(registry: Registry, start: Instant, runs_done: int) -> tuple[Instant, RunName] | None:
    """Return when a delivery's next settlement run is due, and its name."""
    community = registry.community
    if community is None or runs_done >= len(community.runs):
        return None
    run = community.runs[runs_done]
    return Instant(start + community.isp_us + run.after_us), run.name


def settle_period(
    registry: Registry,
    deliveries: Deliveries,
    metering: Metering,
    command: c.SettlePeriod,
    at: Instant,
) -> list[e.Event]:
    """Settle a delivery in its next run. Who has no reading is estimated and blocks nobody."""
    delivery = deliveries.open.get(command.delivery)
    if delivery is None:
        return refuse(Reason.UNKNOWN_DELIVERY, "no such delivery is open")
    due = next_run(registry, command.delivery, delivery.runs_done)
    if due is None or due[1] != command.run:
        return refuse(Reason.UNKNOWN_RUN, f"run {command.run}")
    if at < due[0]:
        return refuse(Reason.NOT_DUE, "runs come by the clock")
    estimated, energies = _energies(registry, metering, command.delivery)
    product = registry.products[delivery.products[0]]
    price = pool_price(registry, product, command.delivery)
    found: list[e.Event] = [*estimated]
    final = next_run(registry, command.delivery, delivery.runs_done + 1) is None
    receipts = delivery.receipts
    delivered: tuple[DeliveredTrade, ...] = ()
    imbalances: tuple[Imbalance, ...] = ()
    issued: list[e.ReceiptIssued] = []
    trades = list(delivery.trades.values())
    if delivery.dirty or estimated or delivery.runs_done == 0:
        seats = _seats(registry, energies, delivery.activated, receipts, command.delivery)
        terms = settlement.terms_of(product, command.delivery, command.run, price)
        result = settlement.settle(terms, seats, trades)
        issued = settlement.issue(result.receipts, receipts)
        delivered, imbalances = _told(result, trades)
    found.append(
        e.PeriodSettled(
            delivery=command.delivery,
            run=command.run,
            pool_price=price,
            delivered=delivered,
            imbalances=imbalances,
        )
    )
    found += issued
    if final:
        last = {**receipts, **{event.receipt.pod: event.receipt for event in issued}}
        found.append(_final(command.delivery, delivery.products, last, trades))
    return found


def _energies(
    registry: Registry, metering: Metering, delivery: Instant
) -> tuple[list[EnergyMetered], dict[PodId, EnergyMetered]]:
    """Return the energy of every pod connected at a delivery, and which of it is estimated now."""
    known = metering.energy.get(delivery, {})
    energies: dict[PodId, EnergyMetered] = {}
    estimated: list[EnergyMetered] = []
    scale: tuple[int, int] | None = None
    for pod in registry.pods:
        energy = known.get(pod)
        if energy is None:
            facts = facts_at(registry, pod, delivery)
            if facts is None:
                continue
            if scale is None:
                scale = mt.week_scale(metering, delivery)
            import_wh, export_wh = mt.estimate(registry, metering, facts, delivery, scale)
            energy = EnergyMetered(
                pod=pod,
                delivery=delivery,
                import_wh=import_wh,
                export_wh=export_wh,
                quality=Quality.ESTIMATED,
            )
            estimated.append(energy)
        energies[pod] = energy
    return estimated, energies


def _seats(
    registry: Registry,
    energies: dict[PodId, EnergyMetered],
    activated: dict[PodId, int],
    receipts: dict[PodId, Receipt],
    delivery: Instant,
) -> list[Seat]:
    """Gather what settlement needs to know of each pod, in order of registration."""
    tariffs = registry.tariffs
    parties = registry.parties
    is_priced = delivery in registry.prices
    seats = []
    for pod, energy in energies.items():
        facts = facts_then(registry, pod, delivery)
        taxed = parties[facts.party].tax_from
        before = receipts.get(pod)
        seats.append(
            Seat(
                facts,
                tariff_at(registry, facts, delivery) if is_priced else tariffs[facts.tariff],
                energy,
                activated.get(pod, 0),
                taxed is not None and taxed <= delivery,
                before.version + 1 if before is not None else 1,
            )
        )
    return seats


def _told(
    result: Settlement, trades: list[e.Traded] | tuple[Deal, ...]
) -> tuple[tuple[DeliveredTrade, ...], tuple[Imbalance, ...]]:
    """Return delivered energies and imbalances as events tell them."""
    delivered = tuple(
        DeliveredTrade(trade=TradeId(trade.trade), delivered_wh=energy)
        for trade, energy in zip(trades, result.delivered, strict=True)
    )
    imbalances = tuple(
        Imbalance(brp=brp, energy_wh=energy) for brp, energy in sorted(result.imbalances.items())
    )
    return delivered, imbalances


def _final(
    delivery: Instant,
    products: list[ProductId],
    receipts: dict[PodId, Receipt],
    trades: list[e.Traded],
) -> e.DeliveryFinal:
    """Return the event with which a delivery leaves, bearing the hash of its record."""
    record = settlement.archive(delivery, products, receipts.values(), trades)
    return e.DeliveryFinal(delivery=delivery, record_hash=settlement.record_hash(record))


def correct(
    registry: Registry, deliveries: Deliveries, metering: Metering, command: c.CorrectDelivery
) -> list[e.Event]:
    """Settle a final delivery again with one pod's energy corrected, at its own prices."""
    if not has_role(registry, command.responsible, Role.METERED_DATA_RESPONSIBLE):
        return refuse(Reason.NOT_ALLOWED, "only the metered data responsible corrects")
    record = command.record
    final = deliveries.final.get(record.delivery)
    if final is None:
        return refuse(Reason.UNKNOWN_DELIVERY, "no such delivery is final")
    if settlement.record_hash(record) != final.record_hash:
        return refuse(Reason.RECORD_ALTERED, "this is not the record that was archived")
    if record.delivery < registry.prices_since and record.delivery not in registry.prices:
        return refuse(Reason.UNKNOWN_DELIVERY, "its published prices are no longer kept")
    receipts = {receipt.pod: receipt for receipt in record.receipts}
    old = receipts.get(command.pod)
    if old is None:
        return refuse(Reason.UNKNOWN_POD, f"pod {command.pod} at that delivery")
    fault = mt.check_energy(registry, metering, command.pod, command.import_wh, command.export_wh)
    if fault is not None:
        return fault
    corrected = EnergyMetered(
        pod=command.pod,
        delivery=record.delivery,
        import_wh=command.import_wh,
        export_wh=command.export_wh,
        quality=Quality.SUBSTITUTED,
        before_import_wh=old.import_wh,
        before_export_wh=old.export_wh,
    )
    energies = {pod: _archived(receipt) for pod, receipt in receipts.items()}
    energies[command.pod] = corrected
    activated = {pod: receipt.activated_wh for pod, receipt in receipts.items()}
    product: Product = registry.products[record.products[0]]
    price = pool_price(registry, product, record.delivery)
    terms = settlement.terms_of(product, record.delivery, CORRECTION, price)
    seats = _seats(registry, energies, activated, receipts, record.delivery)
    result = settlement.settle(terms, seats, record.trades)
    issued = settlement.issue(result.receipts, receipts)
    delivered, imbalances = _told(result, record.trades)
    last = {**receipts, **{event.receipt.pod: event.receipt for event in issued}}
    archived = settlement.archive(record.delivery, record.products, last.values(), record.trades)
    return [
        corrected,
        e.DeliveryCorrected(
            responsible=command.responsible,
            delivery=record.delivery,
            pod=command.pod,
            reason=command.reason,
            delivered=delivered,
            imbalances=imbalances,
        ),
        *issued,
        e.DeliveryFinal(delivery=record.delivery, record_hash=settlement.record_hash(archived)),
    ]


def _archived(receipt: Receipt) -> EnergyMetered:
    """Return the energy that an archived receipt was settled with."""
    return EnergyMetered(
        pod=receipt.pod,
        delivery=receipt.delivery,
        import_wh=receipt.import_wh,
        export_wh=receipt.export_wh,
        quality=receipt.quality,
    )


# --- changes ---------------------------------------------------------------------------------


def listed(deliveries: Deliveries, event: e.DeliveriesListed, isp_us: int) -> list[Instant]:
    """Open the deliveries of a day; return those that no product had listed before."""
    new = []
    for i in range(event.count):
        start = Instant(event.start + i * isp_us)
        delivery = deliveries.open.get(start)
        if delivery is None:
            delivery = deliveries.open[start] = Delivery(day=event.day)
            new.append(start)
        delivery.products.append(event.product)
    end = Instant(event.start + event.count * isp_us)
    deliveries.listed_until = max(deliveries.listed_until, end)
    return new


def closed(deliveries: Deliveries, event: e.DeliveryFinal) -> bool:
    """Let a delivery leave; tell whether it was open, and not final before."""
    delivery = deliveries.open.pop(event.delivery, None)
    day = delivery.day if delivery is not None else deliveries.final[event.delivery].day
    deliveries.final[event.delivery] = FinalDelivery(day, event.record_hash)
    if len(deliveries.final) > FINAL_MAX:
        del deliveries.final[next(iter(deliveries.final))]
    return delivery is not None


def learnt(deliveries: Deliveries, delivery: Instant) -> None:
    """Note that something is known of a delivery that its last run did not know."""
    found = deliveries.open.get(delivery)
    if found is not None:
        found.dirty = True


def traded(deliveries: Deliveries, book: Ledger, event: e.Traded, seller: str) -> None:
    """Keep a trade, and hold what its seller may lose by being short."""
    delivery = deliveries.open[event.delivery]
    delivery.trades[event.trade] = event
    if event.hold_nano:
        delivery.holds[seller] = delivery.holds.get(seller, 0) + event.hold_nano
        hold(book, seller, event.hold_nano)


def untraded(deliveries: Deliveries, book: Ledger, trade: e.Traded, seller: str) -> None:
    """Forget a trade and release its hold."""
    delivery = deliveries.open[trade.delivery]
    del delivery.trades[trade.trade]
    if trade.hold_nano:
        delivery.holds[seller] -= trade.hold_nano
        hold(book, seller, -trade.hold_nano)
    delivery.dirty = True


def allocated(deliveries: Deliveries, event: e.AllocationAccepted) -> None:
    """Note that a delivery is allocated."""
    deliveries.open[event.delivery].allocated.append(event.product)


def activated(deliveries: Deliveries, event: e.EnergyActivated) -> None:
    """Add instructed energy to a pod's."""
    delivery = deliveries.open[event.delivery]
    before = delivery.activated.get(event.pod, 0)
    delivery.activated[event.pod] = before + event.energy_wh
    delivery.dirty = True


def settled(deliveries: Deliveries, book: Ledger, start: Instant) -> None:
    """Note a run; with the first, what sellers had at risk is known and released."""
    delivery = deliveries.open[start]
    delivery.runs_done += 1
    delivery.dirty = False
    for name, amount in delivery.holds.items():
        hold(book, name, -amount)
    delivery.holds.clear()
