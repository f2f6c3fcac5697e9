"""Rules that need no orders: settled after the fact, on the meters of a life without a market.

Each rule says, delivery by delivery, which energy is counted as having gone from one home to
another, and at which price. The very code of the exchange makes receipts and statements of that:
what a home drew beyond meets its supplier, and shared energy pays the local network fee.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec import structs

from wattbay.core import events as e
from wattbay.core import statements as st
from wattbay.core.facts import ArchivedTrade, Deviations, PodFacts, Quality, Receipt, Tariff
from wattbay.core.registry import facts_then, pool_price, tariff_at
from wattbay.core.settlement import Seat, settle, terms_of
from wattbay.core.statements import Statements
from wattbay.ids import PartyId, RunName, ZoneId
from wattbay.periods import Instant, tile
from wattbay.simulation.comparison.lived import Life, deliveries_of, pods_of
from wattbay.simulation.comparison.outcome import Deal, Outcome
from wattbay.simulation.comparison.sums import Sums, billed
from wattbay.simulation.scenario_facts import Scenario

AFTERWARDS = RunName("afterwards")


class Delivery(NamedTuple):
    """What is known of a delivery when it is over. Homes are in the order of the scenario."""

    place: int
    """From 0."""
    start: Instant
    import_wh: list[int]
    export_wh: list[int]
    tariffs: list[Tariff]
    """What holds of each home then."""
    zones: list[ZoneId]


class Given(NamedTuple):
    """Energy that a rule counts as given by one home to another."""

    buyer: int
    seller: int
    quantity_wh: int
    buy_price: int
    """[nano-currency per Wh]"""
    sell_price: int


Sharing = Callable[[Delivery], list[Given]]
"""What a rule makes of a delivery. Nobody is given more than it drew, or gives more than it
injected."""
Repricing = Callable[[Delivery], list[Tariff]]
"""What a rule lets suppliers charge each home in a delivery."""


class Afterwards:
    """Settles the meters of a life anew, by another rule."""

    def __init__(self, scenario: Scenario, life: Life) -> None:
        """Settle what was metered in a life without a market."""
        self._scenario = scenario
        self._registry = life.registry
        self.pods = pods_of(scenario)
        """In the order of the homes."""
        self._starts = deliveries_of(scenario)
        self._days = [
            (date.isoformat(), delivery.start)
            for date, period in scenario.days
            for delivery in tile(period, scenario.isp_us)
        ]
        self._response_nano = life.response_nano
        self._import_wh = life.outcome.table["import_wh"].tolist()
        self._export_wh = life.outcome.table["export_wh"].tolist()

    def deliveries(self) -> list[Delivery]:
        """Return what is known of every delivery, in order."""
        found = []
        for place, start in enumerate(self._starts):
            dated = self._facts(start)
            found.append(
                Delivery(
                    place,
                    start,
                    self._import_wh[place],
                    self._export_wh[place],
                    [tariff_at(self._registry, facts, start) for facts in dated],
                    [facts.zone for facts in dated],
                )
            )
        return found

    def sells_taxed(self, party: PartyId, start: Instant) -> bool:
        """Tell whether what a party sells bears tax in a delivery."""
        since = self._registry.parties[party].tax_from
        return since is not None and since <= start

    def _facts(self, start: Instant) -> list[PodFacts]:
        return [facts_then(self._registry, pod, start) for pod in self.pods]

    def settle(
        self,
        sharing: Sharing,
        *,
        repricing: Repricing | None = None,
        amend: Callable[[list[Receipt]], list[Receipt]] | None = None,
    ) -> Outcome:
        """Let a rule share every delivery, and write receipts and statements.

        Parameters
        ----------
        repricing
            Other prices of the suppliers than the tariffs'.
        amend
            Changes all receipts of all deliveries before statements are written, for a rule that
            knows its prices only at the end.
        """
        receipts: list[Receipt] = []
        deals: list[Deal] = []
        for known in self.deliveries():
            given = sharing(known)
            deals += [Deal(known.place, one.quantity_wh, *one[3:]) for one in given]
            tariffs = known.tariffs if repricing is None else repricing(known)
            receipts += self._receipts(known, tariffs, given)
        if amend is not None:
            receipts = amend(receipts)
        sums = Sums(self.pods, self._starts)
        for receipt in receipts:
            sums.add(receipt)
        bill, standing, tax = self._state(receipts)
        return Outcome(sums.table(), bill, standing, tax, deals, None)

    def _receipts(
        self,
        known: Delivery,
        tariffs: Sequence[Tariff],
        given: Sequence[Given],
    ) -> list[Receipt]:
        """Settle one delivery as the exchange does."""
        registry = self._registry
        seats = []
        columns = zip(
            self._facts(known.start), tariffs, known.import_wh, known.export_wh, strict=True
        )
        for facts, tariff, drawn, injected in columns:
            energy = e.EnergyMetered(
                pod=facts.pod,
                delivery=known.start,
                import_wh=drawn,
                export_wh=injected,
                quality=Quality.MEASURED,
            )
            taxed = self.sells_taxed(facts.party, known.start)
            seats.append(Seat(facts, tariff, energy, 0, taxed, 1))
        trades = [
            ArchivedTrade(
                trade=number,
                buyer=self.pods[one.buyer],
                seller=self.pods[one.seller],
                quantity_wh=one.quantity_wh,
                buy_price=one.buy_price,
                sell_price=one.sell_price,
            )
            for number, one in enumerate(given)
        ]
        product = structs.replace(self._scenario.product, deviations=Deviations.INDIVIDUAL)
        price = pool_price(registry, product, known.start)
        terms = terms_of(product, known.start, AFTERWARDS, price)
        return settle(terms, seats, trades).receipts

    def _state(self, receipts: Sequence[Receipt]) -> tuple[list[int], list[int], list[int]]:
        """Write statements; return bill, standing charges and tax by home. [nano-currency]

        What a response is paid for goes by meters alone, so it is that of the life alone.
        """
        registry, homes = self._registry, len(self.pods)
        statements = Statements()
        for place, (local, start) in enumerate(self._days):
            events = [
                e.ReceiptIssued(receipt=receipt)
                for receipt in receipts[place * homes : (place + 1) * homes]
            ]
            st.accrue(statements, registry, start, local, self._facts(start), events)
        for date, period in self._scenario.days:
            local = date.isoformat()
            statements.days.setdefault(st.month_of(local), {})[local] = period.start
        columns = {
            pod: [paid, paid, 0] for pod, paid in zip(self.pods, self._response_nano, strict=True)
        }
        for month in sorted(statements.days):
            for event in st.close_month(statements, registry, month):
                if not isinstance(event, e.StatementIssued):
                    continue
                total, charges, tax, _ = billed(event.statement)
                for at, amount in enumerate((total, charges, tax)):
                    columns[event.statement.pod][at] += amount
        bill, standing_nano, tax_nano = ([columns[pod][at] for pod in self.pods] for at in range(3))
        return bill, standing_nano, tax_nano


def nobody(_: Delivery) -> list[Given]:
    """Share nothing: each home alone with its supplier."""
    return []
