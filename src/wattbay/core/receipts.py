"""Receipts of a settlement run, booked together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from wattbay.core import events as e
from wattbay.core.deliveries import Deliveries
from wattbay.core.ledger import Ledger, charge
from wattbay.core.registry import Registry, facts_then
from wattbay.core.statements import Statements, accrue
from wattbay.periods import Instant


def book_receipts(
    known: Registry,
    ledger: Ledger,
    deliveries: Deliveries,
    stated: Statements,
    events: Sequence[e.ReceiptIssued],
) -> None:
    """Post receipts, accrue them, and keep them while their delivery is open."""
    for start, together in groupby(events, key=_delivery_of):
        batch = list(together)
        dated = [facts_then(known, event.receipt.pod, start) for event in batch]
        charge(ledger, start, dated, batch)
        delivery = deliveries.open.get(start)
        if delivery is None:
            day = deliveries.final[start].day
        else:
            day = delivery.day
            for event in batch:
                delivery.receipts[event.receipt.pod] = event.receipt
        accrue(stated, known, start, day, dated, batch)


def _delivery_of(event: e.ReceiptIssued) -> Instant:
    return event.receipt.delivery
