"""The files of a run folder, as rows folded from the journal.

Rows are handed out as they become final, so that a year needs no more memory than the deliveries
that are still open. What the columns mean is the reference of the run folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from msgspec import Struct, field

from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core import registry as rg
from wattbay.core.facts import Receipt
from wattbay.core.ledger import MOVING, postings
from wattbay.core.market.allocation import NO_ORDER
from wattbay.core.registry import Registry
from wattbay.ids import PodId, TradeId
from wattbay.kernel.codec import Entry
from wattbay.kernel.singles import singles
from wattbay.periods import Instant
from wattbay.views.orderlife import OPEN, LiveOrder, Orders, refused_order
from wattbay.views.retail import price_rows, response_row
from wattbay.views.rows import (
    Months,
    Priced,
    imbalance_rows,
    price_row,
    receipt_row,
    refusal_row,
    statement_rows,
    trade_state,
)

Row = tuple[int | float | str | bool | None, ...]
"""One row of a table: instants and amounts as integers, floats only for what is estimated."""


class Column(NamedTuple):
    """A column: its name and what it holds."""

    name: str
    holds: str
    """``instant``, ``int``, ``float``, ``text`` or ``bool``."""


def columns(spec: str) -> tuple[Column, ...]:
    """Read ``seq:int pod:text …``."""
    return tuple(Column(*part.split(":")) for part in spec.split())


TABLES: Mapping[str, tuple[Column, ...]] = MappingProxyType(
    {
        "trades": columns(
            "seq:int delivery_start:instant delivery_end:instant product:text buyer_pod:text"
            " seller_pod:text quantity_wh:int delivered_wh:int price_nano_per_wh:int state:text"
            " seller_price_nano_per_wh:int"
        ),
        "meters": columns(
            "delivery_start:instant delivery_end:instant pod:text import_wh:int export_wh:int"
            " quality:text run:text version:int activated_wh:int"
        ),
        "orders": columns(
            "seq:int at:instant delivery_start:instant pod:text side:text quantity_wh:int"
            " limit_nano_per_wh:int type:text state:text filled_wh:int reason:text"
        ),
        "postings": columns(
            "seq:int at:instant delivery_start:instant asset:text debit:text credit:text"
            " amount:int kind:text"
        ),
        "receipts": columns(
            "delivery_start:instant delivery_end:instant pod:text party:text run:text version:int"
            " bought_wh:int sold_wh:int delivered_in_wh:int delivered_out_wh:int import_wh:int"
            " export_wh:int deviation_wh:int pooled_wh:int residual_wh:int trades_nano:int"
            " pool_nano:int supplier_nano:int network_nano:int levy_nano:int service_nano:int"
            " total_nano:int same_meters_nano:int estimated:bool"
        ),
        "prices": columns(
            "delivery_start:instant product:text zone:text price_nano_per_wh:int volume_wh:int"
            " surplus_nano:int surplus_maximum_nano:int pool_price_nano_per_wh:int"
            " rule:text"
        ),
        "statements": columns(
            "pod:text party:text from:instant to:instant component:text amount_nano:int"
            " payable_minor:int seq:int"
        ),
        "retail_prices": columns(
            "seq:int delivery_start:instant delivery_end:instant tariff:text zone:text"
            " energy_nano_per_wh:int export_nano_per_wh:int levy_nano_per_wh:int"
            " network_adder_nano_per_wh:int"
        ),
        "responses": columns(
            "seq:int delivery_start:instant delivery_end:instant pod:text party:text supplier:text"
            " baseline_wh:int import_wh:int amount_nano:int"
        ),
        "imbalances": columns("delivery_start:instant brp:text run:text energy_wh:int"),
        "refusals": columns("seq:int at:instant command:text subject:text reason:text detail:text"),
    }
)
"""The tables, in the order in which they are written; columns are only ever added at the end."""

ALL_ZONES = "all"
"""An auction without network limits has one price everywhere."""


class _TradeRow(Struct):
    seq: int
    traded: e.Traded
    delivered_wh: int | None = None
    cancelled: bool = False


class _Open(Struct):
    """What is pending of one delivery."""

    trades: dict[TradeId, _TradeRow] = field(default_factory=dict)
    energy: dict[PodId, e.EnergyMetered] = field(default_factory=dict)
    auctions: list[Priced] = field(default_factory=list)


class Tables:
    """Folds entries into rows."""

    def __init__(self) -> None:
        """Start before the first entry."""
        self._registry = Registry()
        self._rows: dict[str, list[Row]] = {name: [] for name in TABLES}
        self._orders = Orders()
        self._open: dict[Instant, _Open] = {}
        self._months = Months()

    def take(self) -> dict[str, list[Row]]:
        """Hand out the rows that became final since the last time."""
        taken = self._rows
        self._rows = {name: [] for name in TABLES}
        return taken

    def finish(self) -> None:
        """Let what is still open stand as it is: the run is over."""
        for row in self._orders.standing():
            self._order(row)
        self._orders = Orders()
        for start in sorted(self._open):
            self._prices(start, None)
            self._close(start)

    def fold(self, entry: Entry) -> None:
        """Take the next entry; of a batch, step by step."""
        for one in singles(entry):
            self._fold(one)

    def _fold(self, entry: Entry) -> None:
        seq, at = entry.seq, entry.at
        cleared: list[e.AuctionCleared] = []
        for event in entry.events:
            moves = postings(self._registry, event) if type(event) in MOVING else None
            if moves:
                self._rows["postings"] += [
                    (seq, at, start, asset, debit, credit, amount, kind)
                    for asset, start, debit, credit, amount, kind in moves
                ]
            if type(event) is e.AuctionCleared:
                cleared.append(event)
            if type(event) is not e.ReadingAccepted:  # The commonest that no table shows.
                self._event(entry, event)
        for auction in cleared:
            self._cleared(auction)

    def _event(self, entry: Entry, event: e.Event) -> None:
        """Take one event of an entry."""
        match event:
            case e.EnergyMetered():
                self._pending(event.delivery).energy[event.pod] = event
            case e.ReceiptIssued():
                self._receipt(event.receipt)
            case e.OrderPlaced():
                self._orders.place(entry, event)
            case e.Traded():
                self._pending(event.delivery).trades[event.trade] = _TradeRow(entry.seq, event)
                # What is allocated after the fact trades without orders.
                if event.buy_order != NO_ORDER:
                    mechanism = self._registry.products[event.product].mechanism
                    for order in self._orders.fill(event, mechanism):
                        self._changed(order)
            case e.AllocationAccepted() | e.TradingClosed():
                self._pending(event.delivery).auctions.append(event)
                self._orders.close(event.product, event.delivery)
            case e.PeriodSettled():
                self._settled(event)
            case e.DeliveryFinal():
                self._close(event.delivery)
            case e.Rejected():
                self._rejected(entry, event)
            case e.OrderAmended() | e.OrderCancelled() | e.OrderCurtailed():
                self._changed(self._orders.change(event))
            case e.OrderReleased() | e.OrderSuspended():
                self._orders.remark(event)
            case e.TradeCancelled(traded=trade):
                self._pending(trade.delivery).trades[trade.trade].cancelled = True
            case e.DeliveriesListed():
                self._months.listed(event, self._registry.isp_us)
            case e.StatementIssued():
                span = self._months.span(event.statement.month)
                self._rows["statements"] += statement_rows(entry.seq, event, *span)
            case e.PricesPublished():
                isp = self._registry.isp_us
                self._rows["retail_prices"] += price_rows(entry.seq, event, isp, ALL_ZONES)
            case e.ResponseSettled():
                isp = self._registry.isp_us
                self._rows["responses"].append(response_row(entry.seq, event, isp))
            case e.DeliveryCorrected():
                self._imbalances(event.delivery, "correction", event.imbalances)
            case _:
                rg.apply(self._registry, event)

    def _pending(self, delivery: Instant) -> _Open:
        found = self._open.get(delivery)
        if found is None:
            found = self._open[delivery] = _Open()
        return found

    def _end(self, delivery: Instant) -> Instant:
        return Instant(delivery + self._registry.isp_us)

    # --- orders and trades ---

    def _order(self, row: LiveOrder) -> None:
        self._rows["orders"].append(
            (
                row.seq,
                row.at,
                row.delivery,
                row.pod,
                row.side,
                row.quantity_wh,
                row.limit,
                row.type,
                row.state,
                row.filled_wh,
                row.reason,
            )
        )

    def _changed(self, row: LiveOrder) -> None:
        """Hand out an order that ended."""
        if row.state != OPEN:
            self._order(row)

    def _cleared(self, auction: e.AuctionCleared) -> None:
        """Let the orders of an auction end."""
        self._pending(auction.delivery).auctions.append(auction)
        for row in self._orders.clear(auction.product, auction.delivery):
            self._order(row)

    def _rejected(self, entry: Entry, event: e.Rejected) -> None:
        """Keep every refusal; one of an order stands among the orders, too."""
        self._rows["refusals"].append(refusal_row(entry, event))
        command = entry.command
        if isinstance(command, c.PlaceOrder):
            self._order(refused_order(entry.seq, entry.at, command, event.reason.value))

    # --- settlement ---

    def _receipt(self, receipt: Receipt) -> None:
        start, end = receipt.delivery, self._end(receipt.delivery)
        energy = self._pending(start).energy.get(receipt.pod)
        drawn = receipt.import_wh if energy is None else energy.import_wh
        injected = receipt.export_wh if energy is None else energy.export_wh
        self._rows["meters"].append(
            (
                start,
                end,
                receipt.pod,
                drawn,
                injected,
                receipt.quality.value,
                receipt.run,
                receipt.version,
                receipt.activated_wh,
            )
        )
        self._rows["receipts"].append(receipt_row(receipt, end))

    def _settled(self, event: e.PeriodSettled) -> None:
        """Take delivered energies and imbalances of a run; the first one fixes the prices."""
        pending = self._pending(event.delivery)
        for told in event.delivered:
            pending.trades[told.trade].delivered_wh = told.delivered_wh
        self._imbalances(event.delivery, event.run, event.imbalances)
        self._prices(event.delivery, event.pool_price)

    def _imbalances(self, delivery: Instant, run: str, imbalances: tuple[e.Imbalance, ...]) -> None:
        self._rows["imbalances"] += imbalance_rows(delivery, run, imbalances)

    def _prices(self, delivery: Instant, pool_price: int | None) -> None:
        pending = self._pending(delivery)
        for event in pending.auctions:
            product = self._registry.products[event.product]
            self._rows["prices"].append(price_row(event, product, ALL_ZONES, pool_price))
        pending.auctions.clear()

    def _close(self, delivery: Instant) -> None:
        """Hand out the trades of a delivery that is final."""
        pending = self._open.pop(delivery, None)
        if pending is None:
            return
        for row in pending.trades.values():
            trade = row.traded
            self._rows["trades"].append(
                (
                    row.seq,
                    delivery,
                    self._end(delivery),
                    trade.product,
                    trade.buyer,
                    trade.seller,
                    trade.quantity_wh,
                    row.delivered_wh,
                    trade.buy_price,
                    trade_state(trade.quantity_wh, row.delivered_wh, is_cancelled=row.cancelled),
                    trade.sell_price,
                )
            )
