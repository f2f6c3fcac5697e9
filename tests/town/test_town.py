"""Whole towns, by seed and with every fault: what holds after each entry, and at the end."""

from __future__ import annotations

import os
from collections import defaultdict
from itertools import pairwise

import pytest

from tests.towns import lived
from wattbay.core.events import (
    DeliveryFinal,
    EnergyMetered,
    PeriodSettled,
    ReadingAccepted,
    ReceiptIssued,
)
from wattbay.core.exchange import Exchange
from wattbay.kernel.codec import Entry
from wattbay.periods import Instant
from wattbay.simulation.scenario import load_scenario


def seeds() -> list[int]:
    """Return the seeds to live through: one by name, or so many."""
    one = os.environ.get("WATTBAY_SEED")
    return [int(one)] if one else list(range(1, 1 + int(os.environ.get("WATTBAY_SEEDS") or 20)))


class Auditor:
    """A second exchange, fed with the entries, looked at after each."""

    def __init__(self) -> None:
        self.exchange = Exchange()
        self.metered: dict[int, dict[str, tuple[int, int]]] = defaultdict(dict)
        self.finals = 0
        self.totals: dict[str, dict[int, tuple[int, int]]] = defaultdict(dict)
        """By pod and boundary."""
        self.energies: dict[str, dict[int, tuple[int, int]]] = defaultdict(dict)
        """By pod and delivery, as last known."""

    def fold(self, entry: Entry) -> None:
        """Apply an entry, and look whether anything was lost."""
        for event in entry.events:
            if isinstance(event, DeliveryFinal):
                self._closed(event)
            self.exchange.apply(event)
            if isinstance(event, EnergyMetered):
                energy = (event.import_wh, event.export_wh)
                self.metered[event.delivery][event.pod] = energy
                self.energies[event.pod][event.delivery] = energy
            if isinstance(event, ReadingAccepted):
                total = (event.import_wh, event.export_wh)
                self.totals[event.pod][event.boundary] = total
        ledger = self.exchange.state.ledger
        assert sum(ledger.money.values()) == 0, entry.seq
        assert min(ledger.held.values(), default=1) > 0, entry.seq
        for balances in ledger.energy.values():
            assert sum(balances.values()) == 0, entry.seq
        for event in entry.events:
            if isinstance(event, PeriodSettled) and event.delivery in self.metered:
                self._settled(event.delivery)
            if isinstance(event, ReceiptIssued):
                receipt = event.receipt
                assert receipt.pooled_wh + receipt.residual_wh == receipt.deviation_wh

    def _settled(self, delivery: Instant) -> None:
        """After a run each pod's account is closed, and the grid has what was metered."""
        balances = self.exchange.state.ledger.energy[delivery]
        metered = self.metered[delivery]
        assert [balances.get(pod, 0) for pod in metered] == [0] * len(metered)
        net = sum(injected - drawn for drawn, injected in metered.values())
        assert balances.get("grid", 0) == -net
        assert balances.get("pool", 0) == 0

    def _closed(self, event: DeliveryFinal) -> None:
        self._settled(event.delivery)
        self.finals += 1
        self.metered.pop(event.delivery)


@pytest.mark.parametrize("seed", seeds())
def test_nothing_is_lost_whatever_goes_wrong(seed: int) -> None:
    scenario = load_scenario("street", seed=seed)
    auditor = Auditor()
    town = lived(scenario, [auditor])
    state = town.kernel.exchange.state
    assert auditor.finals == 96
    assert not state.ledger.held
    assert not state.ledger.energy
    assert not state.deliveries.open
    assert state.ledger.money.get("pool", 0) == 0
    _statements_close_the_accounts(town.rows["statements"], state.ledger.money)
    _periods_sum_to_the_advance(auditor)


def _statements_close_the_accounts(
    rows: list[tuple[int | float | str | bool | None, ...]], money: dict[str, int]
) -> None:
    """The last closing balance of each account is what the ledger says it owes."""
    closing = {f"{row[0]}/{row[1]}": row[5] for row in rows if row[4] == "closing"}
    assert len(closing) == 6
    for name, owed in closing.items():
        assert owed == -money.get(name, 0), name


def _periods_sum_to_the_advance(auditor: Auditor) -> None:
    """Between two registers that were accepted, periods sum to their difference, always."""
    assert len(auditor.totals) == 6
    for pod, totals in auditor.totals.items():
        known = sorted(totals.items())
        for (start, before), (end, after) in pairwise(known):
            inside = [
                energy
                for delivery, energy in auditor.energies[pod].items()
                if start <= delivery < end
            ]
            assert sum(drawn for drawn, _ in inside) == after[0] - before[0], (pod, start)
            assert sum(injected for _, injected in inside) == after[1] - before[1], (pod, start)


def test_the_same_seed_gives_the_same_head_and_another_one_another() -> None:
    heads = [lived(load_scenario("street", days=1, seed=seed)).head for seed in (7, 7, 8)]
    assert heads[0] == heads[1]
    assert heads[0] != heads[2]


def test_homes_are_as_they_are_whoever_else_is_there() -> None:
    some = load_scenario("london-week", days=1, pods=10)
    more = load_scenario("london-week", days=1, pods=20)
    assert some.homes == more.homes[:10]
