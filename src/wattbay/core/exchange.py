"""The whole state of an exchange and its two doors.

`decide` may refuse and changes nothing; `apply` changes and refuses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, assert_never, get_args

from msgspec import Struct, field

from wattbay.core import commands as c
from wattbay.core import deliveries as dl
from wattbay.core import devices as d
from wattbay.core import (
    enrolment,
    entered,
    entering,
    flow,
    funds,
    ledger,
    metering,
    meters,
    registry,
    statements,
)
from wattbay.core import events as e
from wattbay.core.batches import OrdersEntered
from wattbay.core.commands import Command
from wattbay.core.deliveries import Deliveries
from wattbay.core.events import Event, ReceiptIssued
from wattbay.core.facts import TradingPhase
from wattbay.core.flow import Agenda
from wattbay.core.ledger import Ledger
from wattbay.core.market import (
    desk,
    folding,
    network,
    offers,
    opening,
    orders,
    phases,
    release,
    session,
    standby,
    submitted,
    trading,
)
from wattbay.core.market.orders import Market
from wattbay.core.meters import Metering
from wattbay.core.pending import ALOOF, Pending
from wattbay.core.reasons import Reason
from wattbay.core.receipts import book_receipts
from wattbay.core.registry import Registry
from wattbay.core.response import Responses, call, called, settle
from wattbay.core.sales import ConcludeSale
from wattbay.core.statements import Statements
from wattbay.core.tariffs import publish, published
from wattbay.errors import ensure
from wattbay.periods import Instant


class State(Struct):
    """Everything that the exchange knows; its bytes are a snapshot."""

    registry: Registry = field(default_factory=Registry)
    market: Market = field(default_factory=Market)
    deliveries: Deliveries = field(default_factory=Deliveries)
    metering: Metering = field(default_factory=Metering)
    ledger: Ledger = field(default_factory=Ledger)
    statements: Statements = field(default_factory=Statements)
    agenda: Agenda = field(default_factory=Agenda)
    responses: Responses = field(default_factory=Responses)


class Exchange:
    """An exchange: a state, what it decides, and how it changes."""

    def __init__(self, state: State | None = None) -> None:
        """Start empty, or from a snapshot."""
        self._state = State() if state is None else state
        self._pending = Pending()
        self._changes = dict(_CHANGES)  # Looked up twice an entry: a plain mapping is quicker.

    @property
    def state(self) -> State:
        """Return all that it knows."""
        if self._pending:
            self._pending.settle(_rooms(self._state))
        return self._state

    def due(self) -> tuple[Instant, Command] | None:
        """Return the next command that the clock asks for, and its instant."""
        state = self._state
        return flow.due(state.registry, state.agenda, state.deliveries, state.market)

    def decide(self, command: Command, at: Instant) -> list[Event]:
        """Return what a command comes to at an instant; changes nothing."""
        state = self._state
        if type(command) is c.EnterOrders:
            # Of the other deliveries it looks at nothing.
            self._pending.settle_orders(_rooms(state), (command.product, command.delivery))
        elif self._pending and type(command) is not c.SubmitReading:
            state = self.state
        if state.registry.community is None and not isinstance(command, c.OpenCommunity):
            return registry.refuse(Reason.COMMUNITY_NOT_OPEN, "open the community first")
        decided = _decide(state, command, at)
        if len(decided) == 1 and type(decided[0]) is e.GateClosed:
            decided += flow.follow(state.registry, state.market, decided[0])
        return decided

    def apply(self, event: Event) -> None:
        """Let the one event of an entry be so; those of several are applied together."""
        self.apply_all((event,))

    def apply_all(self, events: Sequence[Event]) -> None:
        """Let the events of an entry be so, in order."""
        if len(events) == 1 and type(events[0]) is OrdersEntered and events[0].is_plain:
            self._pending.fold(_rooms(self._state), events[0])
        else:
            self._apply_all(events)
        if self._state.market.reached:
            folding.complete(self._state.market)

    def _apply_all(self, events: Sequence[Event]) -> None:
        """Change one thing after the other.

        Receipts, which come by the dozen, are booked together: what they have in common is looked
        up once.
        """
        state, changes = self._state, self._changes
        if self._pending and not ALOOF.issuperset(map(type, events)):
            state = self.state
        receipts: list[e.ReceiptIssued] | None = None
        for event in events:
            if type(event) is ReceiptIssued:
                if receipts is None:
                    receipts = []
                receipts.append(event)
                continue
            if receipts is not None:
                _receipts(state, receipts)
                receipts = None
            changes[type(event)](state, event)
        if receipts is not None:
            _receipts(state, receipts)


def _decide(state: State, command: Command, at: Instant) -> list[Event]:
    """Ask the room that a command belongs to; those asked most come first."""
    known, market, book = state.registry, state.market, state.ledger
    match command:
        case c.PlaceOrder():
            return release.place(known, market, book, state.metering, command, at)
        case c.SubmitReading():
            return metering.submit_reading(known, state.metering, command, at)
        case c.CancelOrder():
            return desk.cancel(known, market, command, at)
        case c.CloseGate():
            return session.close_gate(known, market, command, at)
        case c.ClearAuction():
            return session.clear_auction(known, market, command, at)
        case c.SettlePeriod():
            ran = dl.settle_period(known, state.deliveries, state.metering, command, at)
            return ran + settle(known, state.responses, state.metering, ran)
        case c.AmendOrder():
            return desk.amend(known, market, book, command, at)
        case c.CancelOrders():
            return desk.cancel_all(known, market, command, at)
        case c.EnterOrders():
            return entering.enter(known, market, book, command, at)
        case c.CurtailOrder():
            return desk.curtail(known, market, command)
        case c.SubmitClearing():
            return submitted.submit(known, market, command, at)
        case c.SubmitAllocation():
            return dl.submit_allocation(
                known, state.deliveries, state.metering, market.next_trade, command, at
            )
        case c.SubmitLimit():
            return release.submit_limit(known, market, command)
        case c.ReleaseOrder():
            if trading.is_stop(market, command):
                return trading.release(known, market, command)
            return release.release(known, market, command, at)
        case c.ExpireOrder():
            return release.expire(market, command, at)
        case c.GiveSignal():
            return release.give_signal(known, market, command, at)
        case c.CancelTrade():
            return dl.cancel_trade(known, state.deliveries, command, at)
        case c.ActivateEnergy():
            return dl.activate(known, state.deliveries, command)
        case c.SubstituteEnergy():
            return metering.substitute(known, state.metering, command)
        case c.CorrectDelivery():
            return dl.correct(known, state.deliveries, state.metering, command)
        case c.ChangePhase():
            return phases.change_phase(known, market, command, at)
        case c.OpenTrading():
            return opening.open_trading(known, market, command, at)
        case c.TakeOffer():
            return offers.take(known, market, book, command, at)
        case ConcludeSale():
            return offers.conclude(known, market, book, command, at)
        case _:
            return _register(state, command, at)


def _register(state: State, command: c.Registering, at: Instant) -> list[Event]:
    """Ask the rooms that found and keep the community."""
    known, book = state.registry, state.ledger
    match command:
        case c.ListDeliveries():
            return dl.list_deliveries(known, state.deliveries, state.statements, command, at)
        case c.ExchangeMeter():
            return metering.exchange_meter(state.metering, command, at)
        case c.IssueStatements():
            return dl.issue_statements(known, state.deliveries, state.statements, command)
        case c.DepositMoney():
            return funds.deposit(book, command)
        case c.WithdrawMoney():
            return funds.withdraw(known, book, command)
        case c.WriteOff():
            return funds.write_off(book, command)
        case c.RegisterPod():
            return metering.register_pod(known, state.metering, command, at)
        case c.ChangePod():
            return registry.change_pod(known, command, at, state.deliveries.listed_until)
        case c.RegisterParty():
            return registry.register_party(known, command, at)
        case c.DefineTariff():
            return registry.define_tariff(known, command)
        case c.PublishPrices():
            return publish(known, state.deliveries, command, at)
        case c.CallResponse():
            return call(known, state.responses, state.metering, command, at)
        case c.DefineProfile():
            return registry.define_profile(known, command)
        case c.DefineProduct():
            return registry.define_product(known, command)
        case c.OpenCommunity():
            return registry.open_community(known, command)
        case d.RegisterDevice() | d.RotateKey() | d.RevokeDevice() | d.DisconnectPod():
            until = state.deliveries.listed_until
            return enrolment.decide(known, state.metering, command, at, until)
        case _:
            assert_never(command)


# --- changes: one function an event, and the table that says which ---------------------------


def _order_placed(state: State, event: e.OrderPlaced) -> None:
    folding.placed(state.registry, state.market, state.ledger, event)
    if event.terms is not None:
        release.placed(state.registry, state.market, state.metering, event)


def _reading_accepted(state: State, event: e.ReadingAccepted) -> None:
    meters.accept(state.metering, event)


def _energy_metered(state: State, event: e.EnergyMetered) -> None:
    ledger.take_up(state.ledger, event)
    meters.meter_energy(state.metering, event)
    standby.meter(state.market.standby, event)
    dl.learnt(state.deliveries, event.delivery)


def _traded(state: State, event: e.Traded) -> None:
    entered.traded(_rooms(state), event)


def _rooms(state: State) -> entered.Rooms:
    return entered.Rooms(state.registry, state.market, state.deliveries, state.ledger)


def _allocated(state: State, event: e.AllocationAccepted) -> None:
    dl.allocated(state.deliveries, event)


def _orders_entered(state: State, event: OrdersEntered) -> None:
    entered.fold(_rooms(state), event)


def _trade_cancelled(state: State, event: e.TradeCancelled) -> None:
    entered.untraded(_rooms(state), event)


def _phase_changed(state: State, event: e.PhaseChanged) -> None:
    venue = state.market.books[event.product][event.delivery].venue
    if venue is not None and venue.phase is TradingPhase.PRE_OPEN:
        flow.opened(state.agenda, event.delivery)
    folding.phase_changed(state.market, event)
    release.phase_changed(state.registry, state.market, event)


def _trading_closed(state: State, event: e.TradingClosed) -> None:
    folding.closed(state.market, event)
    standby.clear_at(state.market.standby, event.product, event.delivery, event.price)
    network.drop_passed(state.registry, state.market, event.product, event.delivery)


def _energy_activated(state: State, event: e.EnergyActivated) -> None:
    ledger.post(state.ledger, ledger.postings(state.registry, event))
    dl.activated(state.deliveries, event)


def _gate_closed(state: State, event: e.GateClosed) -> None:
    state.market.books[event.product][event.delivery].clears_at = event.clears_at
    flow.schedule(state.registry, state.agenda, state.deliveries, event, [])


def _auction_cleared(state: State, event: e.AuctionCleared) -> None:
    book = state.market.books[event.product][event.delivery]
    if book.clears_at is not None:
        flow.cleared(state.agenda, event.product, event.delivery, book.clears_at)
    orders.cleared(state.market, state.ledger, event.product, event.delivery)
    standby.clear_at(state.market.standby, event.product, event.delivery, event.price)
    gate = book.gate_of(event.delivery)
    network.drop_passed(state.registry, state.market, event.product, gate)


def _period_settled(state: State, event: e.PeriodSettled) -> None:
    dl.settled(state.deliveries, state.ledger, event.delivery)
    flow.schedule(state.registry, state.agenda, state.deliveries, event, [])


def _delivery_final(state: State, event: e.DeliveryFinal) -> None:
    if dl.closed(state.deliveries, event):
        meters.close_delivery(state.metering, event.delivery, state.registry.isp_us)
    ledger.close_energy(state.ledger, event.delivery)


def _order_amended(state: State, event: e.OrderAmended) -> None:
    folding.amended(state.market, state.ledger, event)
    standby.amend(state.market.standby, event)


def _order_cancelled(state: State, event: e.OrderCancelled) -> None:
    folding.cancelled(state.market, state.ledger, event)


def _order_curtailed(state: State, event: e.OrderCurtailed) -> None:
    folding.curtailed(state.market, state.ledger, event)


def _limit_submitted(state: State, event: e.LimitSubmitted) -> None:
    network.submitted(state.market, event)
    release.limit_submitted(state.registry, state.market, event)


def _signal_given(state: State, event: e.SignalGiven) -> None:
    standby.give_signal(state.market.standby, event)


def _order_released(state: State, event: e.OrderReleased) -> None:
    release.released(state.market, event)
    folding.released(state.registry, state.market, event)


def _order_suspended(state: State, event: e.OrderSuspended) -> None:
    folding.suspended(state.market, event)
    release.suspended(state.market, event)


def _meter_exchanged(state: State, event: e.MeterExchanged) -> None:
    meters.exchanged(state.metering, event)


def _statement_issued(state: State, event: e.StatementIssued) -> None:
    ledger.post(state.ledger, ledger.postings(state.registry, event))
    statements.issued(state.statements, event.statement)


def _money_moved(
    state: State, event: e.MoneyDeposited | e.DebtWrittenOff | e.MoneyWithdrawn
) -> None:
    ledger.post(state.ledger, ledger.postings(state.registry, event))
    paid_nano = event.amount_nano if type(event) is not e.MoneyWithdrawn else -event.amount_nano
    statements.pay(state.statements, ledger.account(event.pod, event.party), paid_nano)


def _pod_registered(state: State, event: e.PodRegistered) -> None:
    registry.apply(state.registry, event)
    meters.connect(state.metering, event.facts, event.meter)
    ledger.open_account(state.ledger, event.facts.pod, event.facts.party)


def _pod_changed(state: State, event: e.PodChanged) -> None:
    registry.apply(state.registry, event)
    ledger.open_account(state.ledger, event.facts.pod, event.facts.party)


def _product_defined(state: State, event: e.ProductDefined) -> None:
    registry.apply(state.registry, event)
    state.market.books[event.product.product] = {}


def _registered(state: State, event: Event) -> None:
    registry.apply(state.registry, event)


def _enrolled(state: State, event: d.DeviceEvent) -> None:
    enrolment.apply(state.registry, state.metering, event)


def _prices_published(state: State, event: e.PricesPublished) -> None:
    published(state.registry, event)


def _response_called(state: State, event: e.ResponseCalled) -> None:
    called(state.registry, state.responses, state.metering, event)


def _response_settled(state: State, event: e.ResponseSettled) -> None:
    ledger.post(state.ledger, ledger.responded(state.registry, event))
    statements.respond(state.statements, state.deliveries.final[event.delivery].day, event)


def _nothing(state: State, event: Event) -> None:
    """Change nothing: what was refused, or is told for the readers alone."""


def _receipts(state: State, events: Sequence[e.ReceiptIssued]) -> None:
    book_receipts(state.registry, state.ledger, state.deliveries, state.statements, events)


def _deliveries_listed(state: State, event: e.DeliveriesListed) -> None:
    """Open books and deliveries of a day."""
    isp = state.registry.isp_us
    new = dl.listed(state.deliveries, event, isp)
    session.open_books(state.market, state.registry.products[event.product], event, isp)
    for i in range(event.count):
        state.metering.seats[Instant(event.start + i * isp)] = (i, event.count)
    days = state.statements.days.setdefault(statements.month_of(event.day), {})
    days[event.day] = min(event.start, days.get(event.day, event.start))
    standby.list_day(state.market.standby, event.day, event.start)
    flow.schedule(state.registry, state.agenda, state.deliveries, event, new)


_CHANGES: Mapping[type[Event], Callable[[State, Any], None]] = MappingProxyType(
    {
        e.OrderPlaced: _order_placed,
        e.ReadingAccepted: _reading_accepted,
        e.EnergyMetered: _energy_metered,
        e.Traded: _traded,
        OrdersEntered: _orders_entered,
        e.TradeCancelled: _trade_cancelled,
        e.EnergyActivated: _energy_activated,
        e.GateClosed: _gate_closed,
        e.AuctionCleared: _auction_cleared,
        e.PeriodSettled: _period_settled,
        e.DeliveryFinal: _delivery_final,
        e.OrderAmended: _order_amended,
        e.OrderCancelled: _order_cancelled,
        e.OrderCurtailed: _order_curtailed,
        e.LimitSubmitted: _limit_submitted,
        e.DeliveriesListed: _deliveries_listed,
        e.MeterExchanged: _meter_exchanged,
        e.StatementIssued: _statement_issued,
        e.MoneyDeposited: _money_moved,
        e.MoneyWithdrawn: _money_moved,
        e.DebtWrittenOff: _money_moved,
        e.PodRegistered: _pod_registered,
        e.PodChanged: _pod_changed,
        e.ProductDefined: _product_defined,
        e.CommunityOpened: _registered,
        e.PartyRegistered: _registered,
        e.TariffDefined: _registered,
        e.PricesPublished: _prices_published,
        e.ResponseCalled: _response_called,
        e.ResponseSettled: _response_settled,
        e.ProfileDefined: _registered,
        e.Rejected: _nothing,
        e.DeliveryCorrected: _nothing,
        e.OrderReleased: _order_released,
        e.OrderSuspended: _order_suspended,
        e.PhaseChanged: _phase_changed,
        e.SignalGiven: _signal_given,
        e.TradingClosed: _trading_closed,
        e.AllocationAccepted: _allocated,
        **dict.fromkeys(get_args(d.DeviceEvent), _enrolled),
    }
)
"""Which change each event makes. A table and no `match`: at thirty events a table is seven times
quicker, and a replay is little else. That it names every event is tested when it is loaded."""
ensure(
    {*_CHANGES, e.ReceiptIssued} == set(get_args(Event)),
    "every event has its change; receipts are booked together",
)
