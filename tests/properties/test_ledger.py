"""A market to which anything happens: whatever moves, every asset sums to zero."""

from __future__ import annotations

from collections import defaultdict
from contextlib import redirect_stdout
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec import structs

from tests.builders import (
    EVE,
    MIDNIGHT,
    a_deposit,
    a_meter,
    a_party,
    a_product,
    a_tariff,
    a_town,
    an_order,
    list_deliveries,
    open_community,
    pod_facts,
)
from tests.independent.recompute import main
from tests.play import Play, of, statements, with_runs
from wattbay.adapters.files.run_folder import frame, write_json
from wattbay.adapters.files.tariffs import tariffs_document
from wattbay.core import commands as c
from wattbay.core.commands import Command
from wattbay.core.events import (
    DeliveryFinal,
    Event,
    MeterExchanged,
    ReceiptIssued,
    StatementIssued,
    TradeCancelled,
    Traded,
)
from wattbay.core.facts import (
    Deviations,
    Funding,
    LimitTerm,
    Netting,
    NetworkLimit,
    Pricing,
    Role,
    Side,
    TaxRate,
)
from wattbay.core.ledger import Ledger, post, postings
from wattbay.core.settlement import archive
from wattbay.ids import MeterId, OrderId, PartyId, PodId, ProductId
from wattbay.periods import DAY, HOUR, Instant
from wattbay.views.tables import TABLES, Tables

ISP_US = 4 * HOUR
PER_DAY = 6
FIRST = date(2013, 6, 29)
START = Instant(MIDNIGHT + 19 * DAY)
"""Of the deliveries; soon the month changes."""
DSO, MDR = PartyId("dso"), PartyId("mdr")

places = st.integers(0, 59)
"""The place of something in a list of whatever there is, counted round."""
tenants = st.integers(1, 6).map(lambda number: PartyId(f"p{number:02d}"))
sides = st.sampled_from(list(Side))
quantities = st.integers(1, 900)
limits = st.one_of(st.none(), st.integers(-2_000, 20_000).map(lambda price: price * 10))
periods = st.integers(0, 8)
amounts = st.integers(1, 10**9)
energies = st.integers(0, 1_500)


def flow(pod: PodId, period: int) -> tuple[int, int]:
    """Return what a pod really draws and injects in a period, counted from `EVE`. [Wh]"""
    number = int(pod[1:])
    drawn = (number * 7_919 + period * 104_729) % 700
    return drawn, (number * 15_485_863 + period * 32_452_843) % 500 if number > 2 else 0


def truth(pod: PodId, at: int) -> tuple[int, int]:
    """Return what a pod has really drawn and injected since `EVE`. [Wh]"""
    flows = [flow(pod, period) for period in range((at - EVE) // ISP_US)]
    return sum(drawn for drawn, _ in flows), sum(injected for _, injected in flows)


class Market(RuleBasedStateMachine):
    """Three to five pods, and whatever people, meters, operators and the clock do."""

    play: Play

    @initialize(
        number=st.integers(3, 5),
        deviations=st.sampled_from(list(Deviations)),
        netting=st.sampled_from(list(Netting)),
        pricing=st.sampled_from(list(Pricing)),
        network_fee=st.sampled_from([0, 5_000]),
        check=st.sampled_from([0, ISP_US]),
    )
    def found(
        self,
        number: int,
        deviations: Deviations,
        netting: Netting,
        pricing: Pricing,
        network_fee: int,
        check: int,
    ) -> None:
        product = structs.replace(
            a_product(),
            deviations=deviations,
            netting=netting,
            pricing=pricing,
            network_fee=network_fee,
            network_check_us=check,
            closes_before_us=2 * ISP_US,
            opens_before_us=4 * DAY,
        )
        tariff = structs.replace(
            a_tariff(),
            standing_nano_per_day=123_456_789,
            service=100,
            tax=(TaxRate(since=EVE, ppm=50_000),),
        )
        instead: dict[type[Command], Command] = {
            c.OpenCommunity: open_community(isp_us=ISP_US),
            c.DefineTariff: c.DefineTariff(tariff=tariff),
            c.ListDeliveries: list_deliveries(day=FIRST.isoformat(), start=START, count=PER_DAY),
        }
        town = [instead.get(type(one), one) for one in a_town(number, product=product)]
        runs = {"initial": ISP_US, "r1": 3 * ISP_US, "final": 6 * ISP_US}
        self.play = Play(with_runs(town, **runs))
        self.number = number
        for party, role in ((DSO, Role.GRID_OPERATOR), (MDR, Role.METERED_DATA_RESPONSIBLE)):
            self.play.do(c.RegisterParty(party=a_party(party, roles=(role,))))
        self.play.do(c.RegisterParty(party=a_party("p06")))
        self.meters = {
            PodId(f"h{i:02d}"): (MeterId(f"m-h{i:02d}"), 0, 0) for i in range(1, number + 1)
        }
        self.days = 1
        self.seen = 0
        self.shadow = Ledger()
        self.receipts: dict[Instant, dict[PodId, ReceiptIssued]] = defaultdict(dict)
        self.play.until(START - 4 * ISP_US)

    def pod(self, place: int) -> PodId:
        """Return some pod."""
        return PodId(f"h{place % self.number + 1:02d}")

    def tradable(self, place: int) -> Instant:
        """Return the start of some delivery whose auction is still to come, the next first."""
        books = sorted(self.play.exchange.state.market.books[ProductId("halfhour")])
        return books[place % min(4, len(books))] if books else START

    def an_open_delivery(self, place: int) -> Instant:
        """Return some delivery that is not final."""
        known = sorted(self.play.exchange.state.deliveries.open)
        return known[place % len(known)] if known else START

    def standing(self, place: int) -> tuple[OrderId, PodId]:
        """Return some order that stands, and whose it is."""
        books = self.play.exchange.state.market.books[ProductId("halfhour")]
        known = [
            (number, order.pod) for book in books.values() for number, order in book.orders.items()
        ]
        return known[place % len(known)] if known else (OrderId(1), PodId("h01"))

    def an_account(self, place: int) -> tuple[PodId, PartyId]:
        """Return some account of money."""
        accounts = self.play.exchange.state.ledger.accounts
        known = sorted(name for names in accounts.values() for name in names)
        pod, _, party = known[place % len(known)].partition("/")
        return PodId(pod), PartyId(party)

    # --- people ---

    @rule(pod=places, side=sides, quantity=quantities, limit=limits, delivery=places)
    def order(self, pod: int, side: Side, quantity: int, limit: int | None, delivery: int) -> None:
        self.play.submit(
            an_order(
                self.pod(pod),
                side=side,
                quantity_wh=quantity,
                limit=limit,
                delivery=self.tradable(delivery),
            )
        )

    @rule(buyer=places, seller=places, quantity=quantities, price=limits, delivery=places)
    def agree(
        self, buyer: int, seller: int, quantity: int, price: int | None, delivery: int
    ) -> None:
        """Let two pods order what the other one wants."""
        start = self.tradable(delivery)
        bid = an_order(self.pod(buyer), quantity_wh=quantity, limit=price, delivery=start)
        self.play.submit(bid)
        offer = structs.replace(bid, pod=self.pod(seller), side=Side.SELL)
        self.play.submit(offer)

    @rule(place=places, quantity=quantities, limit=limits)
    def amend(self, place: int, quantity: int, limit: int | None) -> None:
        order, pod = self.standing(place)
        self.play.submit(c.AmendOrder(order=order, pod=pod, quantity_wh=quantity, limit=limit))

    @rule(place=places)
    def cancel(self, place: int) -> None:
        order, pod = self.standing(place)
        self.play.submit(c.CancelOrder(order=order, pod=pod))

    @rule(place=places, amount=amounts)
    def pay_in(self, place: int, amount: int) -> None:
        pod, party = self.an_account(place)
        self.play.submit(a_deposit(pod, party=party, amount_nano=amount))

    @rule(place=places, amount=amounts)
    def pay_out(self, place: int, amount: int) -> None:
        pod, party = self.an_account(place)
        self.play.submit(c.WithdrawMoney(pod=pod, party=party, amount_nano=amount))

    @rule(place=places, amount=amounts)
    def write_off(self, place: int, amount: int) -> None:
        pod, party = self.an_account(place)
        self.play.submit(c.WriteOff(pod=pod, party=party, amount_nano=amount, reason="gone"))

    @rule(party=tenants, funding=st.sampled_from(list(Funding)), taxed=st.booleans())
    def fund_otherwise(self, party: PartyId, funding: Funding, taxed: bool) -> None:
        since = Instant(START + PER_DAY * ISP_US) if taxed else None
        changed = structs.replace(a_party(party, funding=funding), tax_from=since)
        self.play.submit(c.RegisterParty(party=changed))

    @rule(pod=places, party=tenants)
    def move_in(self, pod: int, party: PartyId) -> None:
        since = self.play.exchange.state.deliveries.listed_until
        facts = pod_facts(self.pod(pod), party=party, since=since)
        self.play.submit(c.ChangePod(facts=facts))

    # --- meters ---

    @rule(ago=st.integers(0, 2))
    def read_all(self, ago: int) -> None:
        """Bring a reading of every meter."""
        for place in range(self.number):
            self.read(place, ago, 0)

    @rule(place=places, ago=periods, lie=st.sampled_from([0, 0, 0, 0, -5, 7, 500_000]))
    def read(self, place: int, ago: int, lie: int) -> None:
        """Bring a reading, late perhaps, twice perhaps, and seldom a wrong one."""
        pod = self.pod(place)
        meter, drawn_before, injected_before = self.meters[pod]
        boundary = (self.play.at // ISP_US - ago) * ISP_US
        if boundary < EVE:
            return
        drawn, injected = truth(pod, boundary)
        self.play.read(
            meter,
            boundary,
            (drawn - drawn_before + lie) % 10**9,
            (injected - injected_before) % 10**9,
            at=self.play.at,
        )

    @rule(place=places)
    def exchange(self, place: int) -> None:
        """Put in a new meter, whose registers begin at zero."""
        pod = self.pod(place)
        at = self.play.at // ISP_US * ISP_US
        _, drawn_before, injected_before = self.meters[pod]
        drawn, injected = truth(pod, at)
        new = MeterId(f"{pod}-{at // ISP_US}")
        events = self.play.submit(
            c.ExchangeMeter(
                pod=pod,
                at=Instant(at),
                final_import=drawn - drawn_before,
                final_export=injected - injected_before,
                meter=a_meter(new),
            )
        )
        if of(MeterExchanged, events):
            self.meters[pod] = (new, drawn, injected)

    @rule(place=places, delivery=places, import_wh=energies, export_wh=energies)
    def substitute(self, place: int, delivery: int, import_wh: int, export_wh: int) -> None:
        self.play.submit(
            c.SubstituteEnergy(
                responsible=MDR,
                pod=self.pod(place),
                delivery=self.an_open_delivery(delivery),
                import_wh=import_wh,
                export_wh=export_wh,
                reason="by hand",
            )
        )

    @rule(pod=places, place=places, import_wh=energies, export_wh=energies)
    def correct(self, pod: int, place: int, import_wh: int, export_wh: int) -> None:
        """Correct a final delivery with its archived record."""
        final = sorted(self.play.exchange.state.deliveries.final)
        if not final:
            return
        delivery = final[place % len(final)]
        cancelled = {told.traded.trade for told in of(TradeCancelled, self.play.history)}
        trades = [
            one
            for one in of(Traded, self.play.history)
            if one.delivery == delivery and one.trade not in cancelled
        ]
        last = [told.receipt for told in self.receipts[delivery].values()]
        events = self.play.submit(
            c.CorrectDelivery(
                responsible=MDR,
                record=archive(delivery, [ProductId("halfhour")], last, trades),
                pod=self.pod(pod),
                import_wh=import_wh,
                export_wh=export_wh,
                reason="slow meter",
            )
        )
        assert of(DeliveryFinal, events), events

    # --- the grid operator ---

    @rule(place=places, quantity=st.sampled_from([0, 0, 5, 100]))
    def curtail(self, place: int, quantity: int) -> None:
        order, _ = self.standing(place)
        self.play.submit(
            c.CurtailOrder(operator=DSO, order=order, quantity_wh=quantity, reason="cable")
        )

    @rule(pod=places, coefficient=st.sampled_from([-1, 1, 3]), bound=periods, delivery=places)
    def bound(self, pod: int, coefficient: int, bound: int, delivery: int) -> None:
        since, term = self.tradable(delivery), LimitTerm(pod=self.pod(pod), coefficient=coefficient)
        until, most = Instant(since + 1), bound * 100
        limit = NetworkLimit(since=since, until=until, terms=(term,), bound_wh=most, reason="cable")
        self.play.submit(c.SubmitLimit(operator=DSO, limit=limit))

    @rule(place=places)
    def undo(self, place: int) -> None:
        """Cancel some trade, of the last ones."""
        trades = self.play.trades()[-4:]
        if trades:
            one = trades[place % len(trades)]
            self.play.submit(
                c.CancelTrade(operator=DSO, delivery=one.delivery, trade=one.trade, reason="cable")
            )

    @rule(pod=places, delivery=places, energy=st.integers(-300, 300))
    def activate(self, pod: int, delivery: int, energy: int) -> None:
        self.play.submit(
            c.ActivateEnergy(
                operator=DSO,
                pod=self.pod(pod),
                delivery=self.an_open_delivery(delivery),
                energy_wh=energy,
                reason="T1",
            )
        )

    # --- the clock ---

    @rule(steps=st.integers(1, 3))
    def wait(self, steps: int) -> None:
        """Let time pass; after each settlement its delivery is closed."""
        until = self.play.at + steps * ISP_US
        while (due := self.play.exchange.due()) is not None and due[0] <= until:
            command = self.play.step()[1]
            if isinstance(command, c.SettlePeriod):
                self.look_at(command.delivery)
        self.play.until(until)

    @rule()
    def list_more(self) -> None:
        """List another day."""
        start = self.play.exchange.state.deliveries.listed_until
        day = (FIRST + timedelta(days=self.days)).isoformat()
        if start - self.play.at > 2 * ISP_US and self.days < 8:
            self.play.submit(list_deliveries(day=day, start=start, count=PER_DAY))
            self.days += 1

    @rule()
    def state_month(self) -> None:
        for month in sorted(self.play.exchange.state.statements.days)[:1]:
            self.play.submit(c.IssueStatements(month=month))

    # --- laws ---

    def look_at(self, delivery: Instant) -> None:
        """Check a delivery that was just settled."""
        state = self.play.exchange.state
        balances = state.ledger.energy.get(delivery)
        if balances is None:
            return  # Final: that its accounts are closed is checked by the core itself.
        assert all(balances.get(pod, 0) == 0 for pod in self.meters)
        assert balances.get("pool", 0) == 0
        metered = state.metering.energy[delivery].values()
        net = sum(one.export_wh - one.import_wh for one in metered)
        assert balances.get("grid", 0) == -net

    @invariant()
    def balances(self) -> None:
        """Every asset sums to zero, and the balances are those of the postings."""
        if not hasattr(self, "play"):
            return
        state = self.play.exchange.state
        for event in self.play.history[self.seen :]:
            self.remember(event)
        self.seen = len(self.play.history)
        ledger = state.ledger
        assert sum(ledger.money.values()) == 0
        assert without_zeros(ledger.money) == without_zeros(self.shadow.money)
        for delivery, balances in ledger.energy.items():
            assert sum(balances.values()) == 0
            assert without_zeros(balances) == without_zeros(self.shadow.energy.get(delivery, {}))

    def remember(self, event: Event) -> None:
        """Keep what the laws need of an event."""
        post(self.shadow, postings(self.play.exchange.state.registry, event))
        if isinstance(event, ReceiptIssued):
            self.receipts[event.receipt.delivery][event.receipt.pod] = event

    @invariant()
    def holds(self) -> None:
        """What is held is what orders and sellers have at risk, to the nano; never negative."""
        if not hasattr(self, "play"):
            return
        state = self.play.exchange.state
        at_risk: dict[str, int] = defaultdict(int)
        for books in state.market.books.values():
            for book in books.values():
                for order in book.orders.values():
                    at_risk[order.account] += order.hold_nano
        for delivery in state.deliveries.open.values():
            for name, amount in delivery.holds.items():
                at_risk[name] += amount
        assert state.ledger.held == without_zeros(at_risk)
        assert all(amount > 0 for amount in state.ledger.held.values())

    def teardown(self) -> None:
        """Let everything become final, and state it."""
        if not hasattr(self, "play"):
            return
        self.play.until(self.play.at + 20 * DAY)
        self.balances()
        state = self.play.exchange.state
        assert state.ledger.held == {}
        assert state.ledger.energy == {}
        assert state.deliveries.open == {}
        for month in sorted(state.statements.days):
            self.play.do(c.IssueStatements(month=month))
        self.balances()
        closings = {
            name: told.lines[-1].amount_nano
            for name, told in statements(of(StatementIssued, self.play.history)).items()
        }
        accounts = {name: balance for name, balance in state.ledger.money.items() if "/" in name}
        waiting = state.statements
        for name, balance in accounts.items():
            # What came after the last statement waits for the next.
            late = waiting.corrections[name].corrections if name in waiting.corrections else 0
            paid = waiting.payments.get(name, 0)
            assert closings.get(name, 0) + late - paid == -balance
        assert state.ledger.money.get("pool", 0) == 0
        self.recompute()

    def recompute(self) -> None:
        """Let the script that knows nothing of us say the same."""
        tables = Tables()
        for entry in self.play.entries:
            tables.fold(entry)
        tables.finish()
        registry = self.play.exchange.state.registry
        with TemporaryDirectory() as name:
            folder = Path(name)
            for table, rows in tables.take().items():
                frame(TABLES[table], rows).write_parquet(folder / f"{table}.parquet")
            contracts = tariffs_document(registry, registry.products[ProductId("halfhour")])
            write_json(folder / "tariffs.json", contracts)
            write_json(folder / "scenario.json", {"time_zone": "UTC"})
            told = StringIO()
            with redirect_stdout(told):
                status = main([name])
        assert status == 0, told.getvalue()


def without_zeros(balances: dict[str, int]) -> dict[str, int]:
    return {name: balance for name, balance in balances.items() if balance}


Market.TestCase.settings = settings(stateful_step_count=60)
test_a_market_to_which_anything_happens_keeps_its_books = Market.TestCase
