"""The whole state of an exchange and its two doors.

`decide` may refuse and changes nothing; `apply` changes and refuses nothing.
"""

from __future__ import annotations

from typing import assert_never

from msgspec import Struct, field

from wattbay.core import commands as c
from wattbay.core import deliveries as dl
from wattbay.core import events as e
from wattbay.core import flow, funds, ledger, metering, meters, registry, statements
from wattbay.core.commands import Command
from wattbay.core.deliveries import Deliveries
from wattbay.core.events import Event, Reason
from wattbay.core.facts import Role
from wattbay.core.flow import Agenda
from wattbay.core.ledger import Ledger
from wattbay.core.market import orders, session
from wattbay.core.market.orders import Book, Market
from wattbay.core.meters import Metering
from wattbay.core.registry import Registry
from wattbay.core.statements import Statements
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


class Exchange:
    """An exchange: a state, what it decides, and how it changes."""

    def __init__(self, state: State | None = None) -> None:
        """Start empty, or from a snapshot."""
        self.state = State() if state is None else state

    def due(self) -> tuple[Instant, Command] | None:
        """Return the next command that the clock asks for, and its instant."""
        return flow.due(self.state.registry, self.state.agenda, self.state.deliveries)

    def decide(self, command: Command, at: Instant) -> list[Event]:
        """Return what a command comes to at an instant; changes nothing."""
        state = self.state
        if state.registry.community is None and not isinstance(command, c.OpenCommunity):
            return registry.refuse(Reason.COMMUNITY_NOT_OPEN, "open the community first")
        decided = _decide(state, command, at)
        if len(decided) == 1 and type(decided[0]) is e.GateClosed:
            decided += flow.follow(state.registry, state.market, decided[0])
        return decided

    def apply(self, event: Event) -> None:
        """Let an event be so; refuses nothing."""
        _apply(self.state, event)


def _decide(state: State, command: Command, at: Instant) -> list[Event]:
    """Ask the room that a command belongs to; those asked most come first."""
    known, market, book = state.registry, state.market, state.ledger
    match command:
        case c.PlaceOrder():
            return orders.place(known, market, book, command, at)
        case c.SubmitReading():
            return metering.submit_reading(known, state.metering, command, at)
        case c.CloseGate():
            return session.close_gate(known, market, command, at)
        case c.ClearAuction():
            return session.clear_auction(known, market, command, at)
        case c.SettlePeriod():
            return dl.settle_period(known, state.deliveries, state.metering, command, at)
        case c.AmendOrder():
            return orders.amend(known, market, book, command, at)
        case c.CancelOrder():
            return orders.cancel(known, market, command, at)
        case c.CurtailOrder():
            return orders.curtail(known, market, command)
        case c.SubmitLimit():
            return orders.limit(known, market, command)
        case c.CancelTrade():
            return dl.cancel_trade(known, state.deliveries, command, at)
        case c.ActivateEnergy():
            return dl.activate(known, state.deliveries, command)
        case c.SubstituteEnergy():
            return _substitute(state, command)
        case c.CorrectDelivery():
            return dl.correct(known, state.deliveries, state.metering, command)
        case c.ListDeliveries():
            return dl.list_deliveries(known, state.deliveries, state.statements, command, at)
        case c.ExchangeMeter():
            return metering.exchange_meter(state.metering, command, at)
        case c.IssueStatements():
            return _issue_statements(state, command)
        case c.DepositMoney():
            return funds.deposit(book, command)
        case c.WithdrawMoney():
            return funds.withdraw(known, book, command)
        case c.WriteOff():
            return funds.write_off(book, command)
        case c.RegisterPod():
            return _register_pod(state, command, at)
        case c.ChangePod():
            return registry.change_pod(known, command, at, state.deliveries.listed_until)
        case c.RegisterParty():
            return registry.register_party(known, command)
        case c.DefineTariff():
            return registry.define_tariff(known, command)
        case c.DefineProfile():
            return registry.define_profile(known, command)
        case c.DefineProduct():
            return registry.define_product(known, command)
        case c.OpenCommunity():
            return registry.open_community(known, command)
        case _:
            assert_never(command)


def _register_pod(state: State, command: c.RegisterPod, at: Instant) -> list[Event]:
    """Connect a pod whose meter is new, from now on or later."""
    if command.meter.meter in state.metering.meters:
        return registry.refuse(Reason.ALREADY_KNOWN, f"meter {command.meter.meter}")
    if command.facts.since < at:
        return registry.refuse(Reason.NOT_IN_SEQUENCE, "a pod is connected from now on or later")
    return registry.register_pod(state.registry, command)


def _substitute(state: State, command: c.SubstituteEnergy) -> list[Event]:
    """Let the metered data responsible set an energy."""
    if not registry.has_role(state.registry, command.responsible, Role.METERED_DATA_RESPONSIBLE):
        return registry.refuse(Reason.NOT_ALLOWED, "only the metered data responsible substitutes")
    return metering.substitute(state.registry, state.metering, command)


def _issue_statements(state: State, command: c.IssueStatements) -> list[Event]:
    """Close a month once each of its deliveries has had its first run."""
    known = state.statements
    if command.month not in known.days or command.month <= known.closed:
        return registry.refuse(Reason.BAD_VALUE, f"month {command.month} is not open")
    for month in sorted(known.days):
        # A month in which nobody had a pod has no statements and waits for none.
        if month < command.month and statements.close_month(known, state.registry, month):
            return registry.refuse(Reason.NOT_IN_SEQUENCE, f"{month} comes first")
    for delivery in state.deliveries.open.values():
        if delivery.runs_done == 0 and statements.month_of(delivery.day) == command.month:
            return registry.refuse(Reason.NOT_DUE, f"a delivery of {delivery.day} is not settled")
    stated = statements.close_month(known, state.registry, command.month)
    return stated or registry.refuse(Reason.BAD_VALUE, f"nobody had a pod in {command.month}")


def _apply(state: State, event: Event) -> None:
    """Let each room that an event touches change; those that come most often first."""
    known, market, book = state.registry, state.market, state.ledger
    match event:
        case e.OrderPlaced():
            orders.placed(known, market, book, event)
        case e.ReadingAccepted():
            meters.accept(state.metering, event)
        case e.EnergyMetered():
            ledger.post(book, ledger.metered(event))
            meters.meter_energy(state.metering, event)
            dl.learnt(state.deliveries, event.delivery)
        case e.ReceiptIssued():
            _receipt(state, event)
        case e.Traded():
            ledger.post(book, ledger.traded(known, event))
            seller = ledger.account_at(known, event.seller, event.delivery)
            market.next_trade = event.trade + 1
            dl.traded(state.deliveries, book, event, seller)
        case e.TradeCancelled():
            ledger.post(book, ledger.postings(known, event))
            seller = ledger.account_at(known, event.traded.seller, event.traded.delivery)
            dl.untraded(state.deliveries, book, event.traded, seller)
        case e.EnergyActivated():
            ledger.post(book, ledger.postings(known, event))
            dl.activated(state.deliveries, event)
        case e.GateClosed():
            market.books[event.product][event.delivery].clears_at = event.clears_at
            flow.schedule(known, state.agenda, state.deliveries, event, [])
        case e.AuctionCleared():
            if market.books[event.product][event.delivery].clears_at is not None:
                flow.cleared(state.agenda, event.delivery)
            orders.cleared(market, book, event.product, event.delivery)
        case e.PeriodSettled():
            dl.settled(state.deliveries, book, event.delivery)
            flow.schedule(known, state.agenda, state.deliveries, event, [])
        case e.DeliveryFinal():
            if dl.closed(state.deliveries, event):
                meters.close_delivery(state.metering, event.delivery, known.isp_us)
            ledger.close_energy(book, event.delivery)
        case e.OrderAmended():
            orders.amended(market, book, event)
        case e.OrderCancelled():
            orders.gone(market, book, event.product, event.delivery, event.order)
        case e.OrderCurtailed():
            orders.curtailed(market, book, event)
        case e.LimitSubmitted():
            for books in market.books.values():
                if event.limit.delivery in books:
                    books[event.limit.delivery].limits.append(event.limit)
        case e.DeliveriesListed():
            _listed(state, event)
        case e.MeterExchanged():
            meters.exchanged(state.metering, event)
        case e.StatementIssued():
            ledger.post(book, ledger.postings(known, event))
            statements.issued(state.statements, event.statement)
        case e.MoneyDeposited():
            ledger.post(book, ledger.postings(known, event))
            name = ledger.account(event.pod, event.party)
            statements.pay(state.statements, name, event.amount_nano)
        case e.MoneyWithdrawn():
            ledger.post(book, ledger.postings(known, event))
            name = ledger.account(event.pod, event.party)
            statements.pay(state.statements, name, -event.amount_nano)
        case e.DebtWrittenOff():
            ledger.post(book, ledger.postings(known, event))
            name = ledger.account(event.pod, event.party)
            statements.pay(state.statements, name, event.amount_nano)
        case e.PodRegistered():
            registry.apply(known, event)
            meters.connect(state.metering, event.facts, event.meter)
            ledger.open_account(book, event.facts.pod, event.facts.party)
        case e.PodChanged():
            registry.apply(known, event)
            ledger.open_account(book, event.facts.pod, event.facts.party)
        case e.ProductDefined():
            registry.apply(known, event)
            market.books[event.product.product] = {}
        case e.CommunityOpened() | e.PartyRegistered() | e.TariffDefined() | e.ProfileDefined():
            registry.apply(known, event)
        case e.Rejected() | e.DeliveryCorrected():
            pass
        case _:
            assert_never(event)


def _receipt(state: State, event: e.ReceiptIssued) -> None:
    """Post a receipt, accrue it, and keep it while its delivery is open."""
    receipt, known = event.receipt, state.registry
    facts = registry.facts_then(known, receipt.pod, receipt.delivery)
    ledger.charge(state.ledger, facts, receipt, event.corrects)
    delivery = state.deliveries.open.get(receipt.delivery)
    if delivery is None:
        day = state.deliveries.final[receipt.delivery].day
    else:
        day = delivery.day
        delivery.receipts[receipt.pod] = receipt
    rate = registry.tax_ppm(known.tariffs[facts.tariff], receipt.delivery)
    statements.accrue(state.statements, day, rate, receipt, event.corrects)


def _listed(state: State, event: e.DeliveriesListed) -> None:
    """Open books and deliveries of a day."""
    isp = state.registry.isp_us
    new = dl.listed(state.deliveries, event, isp)
    books = state.market.books[event.product]
    for i in range(event.count):
        start = Instant(event.start + i * isp)
        books[start] = Book()
        state.metering.seats[start] = (i, event.count)
    days = state.statements.days.setdefault(statements.month_of(event.day), {})
    days[event.day] = min(event.start, days.get(event.day, event.start))
    flow.schedule(state.registry, state.agenda, state.deliveries, event, new)
