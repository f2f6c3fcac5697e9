"""The fold behind a history: what each entry adds and changes, whatever keeps the rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush

from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core import registry as rg
from wattbay.core.devices import PodDisconnected, RegisterDevice, RevokeDevice, RotateKey
from wattbay.core.facts import Meter, PodFacts
from wattbay.core.ledger import ENERGY, MOVING, Posting, postings
from wattbay.core.market.allocation import NO_ORDER
from wattbay.core.market.product import Phase, gate_closes, gate_opens
from wattbay.core.products import BLOCK
from wattbay.core.registry import Registry
from wattbay.core.sales import ConcludeSale
from wattbay.ids import MeterId, PodId, ProductId
from wattbay.kernel.codec import Entry
from wattbay.kernel.singles import singles
from wattbay.periods import Instant
from wattbay.views.changes import Changes, Kept, LiveDelivery
from wattbay.views.orderlife import LiveOrder, Orders, refused_order
from wattbay.views.retail import Cell, price_rows, response_row
from wattbay.views.rows import (
    Cells,
    Months,
    Priced,
    imbalance_rows,
    price_row,
    receipt_row,
    refusal_row,
    statement_rows,
    subject_of,
)
from wattbay.views.tables import ALL_ZONES


class LiveRows:
    """Folds entries into changes of rows."""

    def __init__(
        self,
        numbers: Mapping[str, int],
        kept: Iterable[Kept] = (),
        orders: Iterable[LiveOrder] = (),
        deliveries: Iterable[LiveDelivery] = (),
    ) -> None:
        """Go on from where the rows stand.

        Parameters
        ----------
        numbers
            Of the last row of each table; 0 where there is none.
        kept
            What was kept of all entries before.
        orders
            Those that are open.
        deliveries
            Those that are not final.
        """
        self._numbers = dict(numbers)
        self._registry = Registry()
        self._months = Months()
        self._meters: dict[MeterId, PodId] = {}
        self._orders = Orders(orders)
        self._deliveries: dict[Instant, dict[ProductId, LiveDelivery]] = {}
        self._opening: list[tuple[Instant, int]] = []
        """When the gates of listed deliveries open, and their numbers: a heap."""
        self._listed: dict[int, LiveDelivery] = {}
        self._changes = Changes()
        self._new: dict[str, list[Cells]] = {name: [] for name in numbers}
        for event in kept:
            self._keep(event)
        for one in deliveries:
            self._stand(one)
        heapify(self._opening)

    @property
    def isp_us(self) -> int:
        """Length of a delivery; 0 before there is a community. [µs]"""
        return self._registry.isp_us

    def take(self) -> Changes:
        """Hand out what changed since the last time."""
        taken, self._changes = self._changes, Changes()
        taken.new, self._new = self._new, {name: [] for name in self._new}
        return taken

    def fold(self, entry: Entry) -> None:
        """Take the next entry; of a batch, step by step."""
        while self._opening and self._opening[0][0] <= entry.at:
            opened = self._listed.pop(heappop(self._opening)[1])
            if opened.state == Phase.LISTED:
                self._enter(opened, Phase.OPEN)
        self._entry(entry)
        if type(entry.command) is c.EnterOrders:
            for one in singles(entry):
                self._fold(one)
        else:
            self._fold(entry)

    def _number(self, table: str) -> int:
        number = self._numbers[table] = self._numbers[table] + 1
        return number

    def _entry(self, entry: Entry) -> None:
        """Note an entry itself."""
        command, events = entry.command, entry.events
        first = events[0] if events else None
        reason = first.reason.value if type(first) is e.Rejected else None
        row = (
            entry.seq,
            entry.seq,
            entry.at,
            type(command).__name__,
            self._pod_of(command),
            subject_of(command),
            reason,
            len(events),
        )
        self._new["entries"].append(row)

    def _pod_of(self, command: c.Command) -> str | None:
        """Return the pod that a command concerns; None for none, or one that nobody knows."""
        if type(command) is c.SubmitReading:
            return self._meters.get(command.meter)
        match command:
            case c.RegisterPod() | c.ChangePod():
                return command.facts.pod
            case RegisterDevice():
                return command.device.pod
            case RotateKey() | RevokeDevice():
                return self._meters.get(command.device)
            case ConcludeSale():
                return command.seller
            case _:
                pod = getattr(command, "pod", None)
                return pod if isinstance(pod, str) else None

    def _fold(self, entry: Entry) -> None:
        seq, at, registry = entry.seq, entry.at, self._registry
        cleared: list[e.AuctionCleared] = []
        for event in entry.events:
            if type(event) in MOVING and (moves := postings(registry, event)):
                self._post(seq, at, moves)
            if type(event) is e.AuctionCleared:
                cleared.append(event)
            self._event(entry, event)
        for auction in cleared:
            # Its trades follow it in the same entry.
            for order in self._orders.clear(auction.product, auction.delivery):
                self._changes.orders[order.number] = order

    def _event(self, entry: Entry, event: e.Event) -> None:
        """Take one event of an entry; the commonest stand first."""
        match event:
            case e.ReceiptIssued():
                self._receipt(entry, event)
            case e.EnergyMetered():
                self._metered(entry, event)
            case e.ReadingAccepted():
                self._reading(entry, event)
            case e.OrderPlaced():
                self._order(self._orders.place(entry, event))
            case e.Traded():
                self._traded(entry, event)
            case e.OrderAmended() | e.OrderCancelled() | e.OrderCurtailed():
                changed = self._orders.change(event)
                self._changes.orders[changed.number] = changed
            case e.OrderReleased() | e.OrderSuspended():
                changed = self._orders.remark(event)
                self._changes.orders[changed.number] = changed
            case e.Rejected():
                self._rejected(entry, event)
            case e.PeriodSettled() | e.DeliveryCorrected() | e.DeliveryFinal():
                self._settled(entry, event)
            case e.GateClosed() | e.AuctionCleared() | e.AllocationAccepted() | e.TradingClosed():
                self._gated(entry, event)
            case e.TradeCancelled(traded=trade):
                self._changes.cancelled.append((trade.trade,))
            case e.StatementIssued():
                self._statement(entry, event)
            case e.PricesPublished():
                for row in price_rows(entry.seq, event, self._registry.isp_us, ALL_ZONES):
                    self._add("retail_prices", entry, row[1:])
            case e.ResponseSettled():
                row = response_row(entry.seq, event, self._registry.isp_us)
                self._add("responses", entry, row[1:])
            case PodDisconnected():
                self._changes.facts.append((event.until, event.pod, self._numbers["pods"] + 1))
            case _ if isinstance(event, Kept):
                self._registered(entry, event)
            case _:
                pass

    def _add(self, table: str, entry: Entry, row: Cells) -> int:
        """Let there be a row; return its number."""
        number = self._number(table)
        self._new[table].append((number, entry.seq, entry.at, *row))
        return number

    def _post(self, seq: int, at: Instant, moves: Sequence[Posting]) -> None:
        """Let there be postings, with the pods whose accounts they are on."""
        pods, number, add = (
            self._registry.pods,
            self._numbers["postings"],
            self._new["postings"].append,
        )
        for asset, start, debit, credit, amount, kind in moves:
            number += 1
            if asset == ENERGY:
                debited = debit if debit in pods else None
                credited = credit if credit in pods else None
            else:
                debited, credited = _pod_of(debit), _pod_of(credit)
            add((number, seq, at, start, asset, debit, credit, amount, kind, debited, credited))
        self._numbers["postings"] = number

    # --- orders and trades ---

    def _order(self, order: LiveOrder) -> None:
        """Let there be an order; its row is written as it stands then."""
        order.number = self._number("orders")
        self._changes.orders[order.number] = order

    def _traded(self, entry: Entry, event: e.Traded) -> None:
        """Let a trade stand; of what is allocated after the fact there are no orders."""
        self._new["trades"].append(
            (
                event.trade,
                entry.seq,
                entry.at,
                event.trade,
                event.buy_order,
                event.sell_order,
                event.delivery,
                event.delivery + self._registry.isp_us,
                event.product,
                event.buyer,
                event.seller,
                event.quantity_wh,
                None,
                event.buy_price,
                "open",
                event.sell_price,
            )
        )
        if event.buy_order != NO_ORDER:
            mechanism = self._registry.products[event.product].mechanism
            for order in self._orders.fill(event, mechanism):
                self._changes.orders[order.number] = order

    def _rejected(self, entry: Entry, event: e.Rejected) -> None:
        """Keep every refusal; one of an order stands among the orders, too."""
        command = entry.command
        self._add("refusals", entry, (self._pod_of(command), *refusal_row(entry, event)[2:]))
        if isinstance(command, c.PlaceOrder):
            self._order(refused_order(entry.seq, entry.at, command, event.reason.value))

    # --- energy ---

    def _reading(self, entry: Entry, event: e.ReadingAccepted) -> None:
        row = (
            event.pod,
            event.meter,
            event.boot,
            event.seq,
            event.measured_at,
            event.boundary,
            event.import_register,
            event.export_register,
            event.import_wh,
            event.export_wh,
            event.quality.value,
        )
        self._add("readings", entry, row)

    def _metered(self, entry: Entry, event: e.EnergyMetered) -> None:
        start = event.delivery
        row = (
            start,
            start + self._registry.isp_us,
            event.pod,
            event.import_wh,
            event.export_wh,
            event.quality.value,
            True,
        )
        number = self._add("meters", entry, row)
        self._changes.meters.append((event.pod, start, number))

    # --- settlement ---

    def _receipt(self, entry: Entry, event: e.ReceiptIssued) -> None:
        receipt, old = event.receipt, event.corrects
        row = (
            *receipt_row(receipt, Instant(receipt.delivery + self._registry.isp_us)),
            receipt.activated_wh,
            receipt.taxable_nano,
            receipt.quality.value,
            None if old is None else old.version,
            True,
        )
        self._add("receipts", entry, row)
        if old is not None:
            self._changes.receipts.append((receipt.pod, receipt.delivery, receipt.version))

    def _settled(
        self, entry: Entry, event: e.PeriodSettled | e.DeliveryCorrected | e.DeliveryFinal
    ) -> None:
        """Take what a run came to: energies that were delivered, imbalances, the pool price."""
        listed = self._deliveries.get(event.delivery, {})
        if isinstance(event, e.DeliveryFinal):
            for one in listed.values():
                self._enter(one, Phase.FINAL)
            self._deliveries.pop(event.delivery, None)
            return
        self._changes.delivered += [(one.delivered_wh, one.trade) for one in event.delivered]
        run = "correction"
        if isinstance(event, e.PeriodSettled):
            run = event.run
            self._changes.pool_prices.append((event.pool_price, event.delivery))
            for one in listed.values():
                one.run, one.pool_price = run, event.pool_price
                self._enter(one, Phase.SETTLED)
        if event.imbalances:
            first = self._numbers["imbalances"] + 1
            self._changes.imbalances.append((event.delivery, first))
        for row in imbalance_rows(event.delivery, run, event.imbalances):
            self._add("imbalances", entry, (*row, True))

    def _statement(self, entry: Entry, event: e.StatementIssued) -> None:
        span = self._months.span(event.statement.month)
        for row in statement_rows(entry.seq, event, *span):
            self._add("statements", entry, (event.statement.month, *row[:-1]))

    # --- deliveries ---

    def _gated(self, entry: Entry, event: e.GateClosed | Priced) -> None:
        """Let a gate close, or the trading of a delivery come to its price."""
        one = self._deliveries.get(event.delivery, {}).get(event.product)
        if isinstance(event, e.GateClosed):
            if one is not None:
                self._enter(one, Phase.GATE_CLOSED)
            return
        if not isinstance(event, e.AuctionCleared):
            self._orders.close(event.product, event.delivery)
        product = self._registry.products[event.product]
        self._add("prices", entry, price_row(event, product, ALL_ZONES, None))
        if one is not None:
            one.price, one.volume_wh = event.price, event.volume_wh
            self._enter(one, Phase.CLEARED)

    def _enter(self, one: LiveDelivery, phase: Phase) -> None:
        """Let a delivery be in another phase."""
        one.state = phase.value
        self._changes.deliveries[one.number] = one

    def _stand(self, one: LiveDelivery) -> None:
        """Follow a delivery until it is final."""
        self._deliveries.setdefault(one.start, {})[one.product] = one
        if one.state == Phase.LISTED:
            self._listed[one.number] = one
            heappush(self._opening, (one.gate_opens, one.number))

    def _list(self, entry: Entry, event: e.DeliveriesListed) -> None:
        """Let there be the deliveries of a day; a gate that is open already opens at once."""
        product, isp_us = self._registry.products[event.product], self._registry.isp_us
        for place in range(event.count):
            start = Instant(event.start + place * isp_us)
            gate = event.start if product.rule == BLOCK else start
            opens = gate_opens(product, gate)
            one = LiveDelivery(
                self._number("deliveries"),
                entry.seq,
                entry.at,
                start,
                Instant(start + isp_us),
                event.product,
                event.day,
                (Phase.LISTED if entry.at < opens else Phase.OPEN).value,
                None,
                opens,
                gate_closes(product, gate),
            )
            self._stand(one)
            self._changes.deliveries[one.number] = one

    # --- what is registered ---

    def _registered(self, entry: Entry, event: Kept) -> None:
        """Take in what is registered, and show it where it has a table."""
        match event:
            case e.PartyRegistered():
                self._party(entry, event)
            case e.PodRegistered():
                self._facts(entry, event.facts, event.meter)
            case e.PodChanged(facts=facts):
                number = self._facts(entry, facts, None)
                self._changes.facts.append((facts.since, facts.pod, number))
            case e.MeterExchanged():
                self._changes.exchanged.append((event.meter.meter, event.pod))
            case e.DeliveriesListed():
                self._list(entry, event)
            case _:
                pass
        self._keep(event)
        self._changes.kept.append(event)

    def _keep(self, event: Kept) -> None:
        """Let it be so for the rows to come."""
        match event:
            case e.DeliveriesListed():
                self._months.listed(event, self._registry.isp_us)
            case e.MeterExchanged():
                self._meters[event.meter.meter] = event.pod
            case e.PodRegistered():
                self._meters[event.meter.meter] = event.facts.pod
                rg.apply(self._registry, event)
            case _:
                rg.apply(self._registry, event)

    def _party(self, entry: Entry, event: e.PartyRegistered) -> None:
        party = event.party
        row: list[Cell] = [
            ",".join(party.roles),
            party.funding.value,
            party.credit_limit_nano,
            party.named,
            party.tax_from,
        ]
        if party.party in self._registry.parties:
            self._changes.parties.append((*row, party.party))
        else:
            self._add("parties", entry, (party.party, *row))

    def _facts(self, entry: Entry, facts: PodFacts, meter: Meter | None) -> int:
        row = (
            facts.pod,
            facts.since,
            None,
            facts.party,
            facts.zone,
            facts.supplier,
            facts.brp,
            facts.tariff,
            facts.import_profile,
            facts.export_profile,
            facts.yearly_import_wh,
            facts.yearly_export_wh,
            self._meter_of(facts.pod) if meter is None else meter.meter,
        )
        return self._add("pods", entry, row)

    def _meter_of(self, pod: PodId) -> MeterId | None:
        """Return the meter that a pod got last."""
        return next((one for one, of in reversed(self._meters.items()) if of == pod), None)


def _pod_of(account: str) -> str | None:
    """Return the pod of an account of money; None where it is no pod's."""
    pod, slash, _ = account.partition("/")
    return pod if slash else None
