"""Sums over receipts: by home and by delivery, exact, however often a receipt is corrected."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wattbay.core.facts import Receipt, Statement
from wattbay.core.statements import COMPONENTS
from wattbay.ids import PodId
from wattbay.periods import Instant

Integers = NDArray[np.int64]

AMOUNTS = (
    "import_wh",
    "export_wh",
    "bought_wh",
    "sold_wh",
    "delivered_in_wh",
    "pooled_wh",
    "residual_wh",
    "trades_nano",
    "pool_nano",
    "supplier_nano",
    "network_nano",
    "levy_nano",
    "service_nano",
)
"""What is summed of a receipt."""
COSTS = ("trades_nano", "pool_nano", "supplier_nano", "network_nano", "levy_nano", "service_nano")
"""What a home pays before tax and standing charges is the sum of these."""
_WIDTH = 2 + len(AMOUNTS)


class Sums:
    """Receipts of a run, added up. One that is replaced is taken off again."""

    def __init__(self, pods: Sequence[PodId], deliveries: Sequence[Instant]) -> None:
        """Sum over these pods and deliveries, in their order."""
        self._homes = {pod: place for place, pod in enumerate(pods)}
        self._places = {start: place for place, start in enumerate(deliveries)}
        self._plus, self._minus = array("q"), array("q")

    def add(self, receipt: Receipt, replaced: Receipt | None = None) -> None:
        """Take a receipt, and take off the one that it replaces."""
        self._put(self._plus, receipt)
        if replaced is not None:
            self._put(self._minus, replaced)

    def _put(self, rows: array[int], receipt: Receipt) -> None:
        rows.extend(
            (
                self._places[receipt.delivery],
                self._homes[receipt.pod],
                receipt.import_wh,
                receipt.export_wh,
                receipt.bought_wh,
                receipt.sold_wh,
                receipt.delivered_in_wh,
                receipt.pooled_wh,
                receipt.residual_wh,
                receipt.trades_nano,
                receipt.pool_nano,
                receipt.supplier_nano,
                receipt.network_nano,
                receipt.levy_nano,
                receipt.service_nano,
            )
        )

    def table(self) -> dict[str, Integers]:
        """Return each amount by delivery and home. Shape of each: (n_deliveries, n_homes)."""
        shape = len(self._places), len(self._homes)
        found = {name: np.zeros(shape, np.int64) for name in AMOUNTS}
        for rows, sign in ((self._plus, 1), (self._minus, -1)):
            if not rows:
                continue
            held = np.frombuffer(rows, np.int64).reshape(-1, _WIDTH)
            where = held[:, 0], held[:, 1]
            for column, name in enumerate(AMOUNTS, start=2):
                np.add.at(found[name], where, sign * held[:, column])
        return found


def cost_nano(table: dict[str, Integers]) -> Integers:
    """Return what homes pay before tax and standing charges. Shape (n_deliveries, n_homes)."""
    total = np.zeros_like(table[COSTS[0]])
    for name in COSTS:
        total += table[name]
    return total


def energy_nano(table: dict[str, Integers]) -> Integers:
    """Return what homes pay for energy alone: trades, pool and supplier; below zero: they get."""
    return table["trades_nano"] + table["pool_nano"] + table["supplier_nano"]


class Billed(NamedTuple):
    """What a statement adds to what a home owes. [nano-currency]"""

    total: int
    charges: int
    """Standing charges, what a tariff charges by the month, and what a response is paid for."""
    tax: int
    response: int
    """Of the charges, what was paid for a response that was called; it goes by meters alone."""


def billed(statement: Statement) -> Billed:
    """Read a statement, less what it carries over and what was paid."""
    lines = {line.component: line.amount_nano for line in statement.lines}
    total = lines["closing"] - lines["opening"] - lines["payments"]
    metered = sum(lines[name] for name in (*COMPONENTS, "corrections"))
    tax = lines["tax"]
    return Billed(total, total - metered - tax, tax, lines.get("response", 0))
