"""Why did I pay this: a receipt of a live system, with every sum that it is made of."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from wattbay.core.registry import Registry, facts_then, tariff_at
from wattbay.ids import PodId, ProductId
from wattbay.periods import Instant
from wattbay.views.history import Answered, History, Want
from wattbay.views.receipt_lines import (
    Ground,
    Line,
    ReceiptRow,
    TradeRow,
    disagreements,
    explain,
    parts_of,
    rules_of,
    without_market,
)


class Explained(NamedTuple):
    """Everything that explains a receipt. Positive money: the party pays, before tax."""

    receipt: Answered
    versions: list[Answered]
    """All there are, first to last."""
    metered: Answered | None
    """What was known of the pod's energy when it was issued; receipts net it where products do."""
    lines: list[Line]
    """What it comes to, energy by energy and price by price."""
    without_market: list[Line]
    """What the same meters would have come to without a market."""
    disagreements: dict[str, tuple[int, int]]
    """Components whose lines do not come to what the receipt says; none, as long as it is sound."""


def explained(
    history: History, registry: Registry, pod: PodId, delivery: Instant, version: int | None = None
) -> Explained | None:
    """Return what explains a receipt: the newest, or a version; None where there is none.

    Parameters
    ----------
    registry
        What is registered, with published prices: that of the running exchange.
    """
    within = Want("receipts", since=delivery, until=Instant(delivery + 1))
    versions = list(history.all(within._replace(pods=frozenset({pod}))))
    told = [row for row in versions if version in (None, row["version"])]
    if not told:
        return None
    receipt = told[-1]
    until = _number(receipt, "entry")
    met = _met(history, within._replace(table="trades"), pod)
    sellers = (str(trade["seller_pod"]) for trade in met if trade["buyer_pod"] == pod)
    pods = frozenset({str(pod), *sellers})
    issued = history.all(within._replace(pods=pods))
    standing = {row["pod"]: row for row in issued if _number(row, "entry") <= until}
    rows = msgspec.convert(list(standing.values()), list[ReceiptRow])
    shown = msgspec.convert(receipt, ReceiptRow)
    ground = _ground(history, registry, shown, rows)
    lines = explain(shown, msgspec.convert(met, list[TradeRow]), ground)
    without = without_market(shown, ground.tariff)
    known = [
        row
        for row in history.all(within._replace(table="meters", pods=frozenset({pod})))
        if _number(row, "entry") <= until
    ]
    return Explained(
        receipt,
        versions,
        known[-1] if known else None,
        lines,
        without,
        disagreements(shown, lines, without),
    )


def _met(history: History, within: Want, pod: str) -> list[Answered]:
    """Return the trades of a pod, and all those of whoever sold to it, in their order.

    What of a purchase was delivered depends on what else its seller had sold.
    """
    mine = history.all(within._replace(pods=frozenset({pod})))
    sellers = {str(trade["seller_pod"]) for trade in mine if trade["buyer_pod"] == pod}
    return list(history.all(within._replace(pods=frozenset({pod, *sellers}))))


def _ground(
    history: History, registry: Registry, shown: ReceiptRow, receipts: list[ReceiptRow]
) -> Ground:
    """Gather what a receipt rests on besides trades."""
    delivery = shown.delivery_start
    facts = facts_then(registry, PodId(shown.pod), delivery)
    # It is settled by the rules of the product that listed it first.
    want = Want("deliveries", since=delivery, until=Instant(delivery + 1))
    listed = next(history.all(want))
    product = registry.products[ProductId(str(listed["product"]))]
    return Ground(
        tariff=parts_of(tariff_at(registry, facts, delivery)),
        rules=rules_of(product),
        pool_price=_number(listed, "pool_price_nano_per_wh"),
        supplier=facts.supplier,
        receipts={row.pod: row for row in receipts},
        zones={row.pod: facts_then(registry, PodId(row.pod), delivery).zone for row in receipts},
    )


def _number(row: Answered, column: str) -> int:
    """Return a number of a row; 0 where it is empty."""
    found = row[column]
    return found if isinstance(found, int) else 0
