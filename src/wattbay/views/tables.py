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
from wattbay.core.facts import Mechanism, Quality, Receipt
from wattbay.core.ledger import MOVING, postings
from wattbay.core.market.allocation import NO_ORDER
from wattbay.core.registry import Registry
from wattbay.core.terms import Ended
from wattbay.ids import OrderId, PodId, ProductId, TradeId
from wattbay.kernel.codec import Entry
from wattbay.kernel.singles import singles
from wattbay.periods import Instant
from wattbay.views.remarks import remark_of
from wattbay.views.retail import price_rows, response_row

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

_ONE_BY_ONE = frozenset({Mechanism.CONTINUOUS, Mechanism.BILATERAL})
"""Mechanisms by which orders are filled before their gate closes."""
_RAN_OUT = frozenset({Ended.EXPIRED, Ended.GATE_CLOSED})
"""How an order ends by the clock."""

ALL_ZONES = "all"
"""An auction without network limits has one price everywhere."""


class _OrderRow(Struct):
    seq: int
    at: Instant
    pod: PodId
    side: str
    quantity_wh: int
    limit: int | None
    filled_wh: int = 0
    kind: str = ""
    """As its terms say; without terms it is a limit order, or has no limit."""
    remark: str = ""


class _TradeRow(Struct):
    seq: int
    traded: e.Traded
    delivered_wh: int | None = None
    cancelled: bool = False


_Priced = e.AuctionCleared | e.AllocationAccepted | e.TradingClosed


class _Open(Struct):
    """What is pending of one delivery."""

    trades: dict[TradeId, _TradeRow] = field(default_factory=dict)
    energy: dict[PodId, e.EnergyMetered] = field(default_factory=dict)
    auctions: list[_Priced] = field(default_factory=list)


class Tables:
    """Folds entries into rows."""

    def __init__(self) -> None:
        """Start before the first entry."""
        self._registry = Registry()
        self._rows: dict[str, list[Row]] = {name: [] for name in TABLES}
        self._orders: dict[tuple[ProductId, Instant], dict[OrderId, _OrderRow]] = {}
        self._blocks: dict[OrderId, _OrderRow] = {}
        self._open: dict[Instant, _Open] = {}
        self._months: dict[str, tuple[Instant, Instant]] = {}

    def take(self) -> dict[str, list[Row]]:
        """Hand out the rows that became final since the last time."""
        taken = self._rows
        self._rows = {name: [] for name in TABLES}
        return taken

    def finish(self) -> None:
        """Let what is still open stand as it is: the run is over."""
        for (_, delivery), book in self._orders.items():
            for row in book.values():
                self._order(delivery, row, "open", "")
        self._orders.clear()
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
                self._placed(entry, event)
            case e.Traded():
                self._pending(event.delivery).trades[event.trade] = _TradeRow(entry.seq, event)
                # What is allocated after the fact trades without orders.
                if event.buy_order != NO_ORDER:
                    self._filled(event)
            case e.AllocationAccepted() | e.TradingClosed():
                self._pending(event.delivery).auctions.append(event)
                self._orders.pop((event.product, event.delivery), None)  # There are none open.
            case e.PeriodSettled():
                self._settled(event)
            case e.DeliveryFinal():
                self._close(event.delivery)
            case e.Rejected():
                self._rejected(entry, event)
            case e.OrderAmended() | e.OrderCancelled() | e.OrderCurtailed():
                self._changed(event)
            case e.OrderReleased() | e.OrderSuspended():
                book = self._orders[event.product, event.delivery]
                book[event.order].remark = remark_of(event)
            case e.TradeCancelled(traded=trade):
                self._pending(trade.delivery).trades[trade.trade].cancelled = True
            case e.DeliveriesListed():
                self._listed(event)
            case e.StatementIssued():
                self._statement(entry.seq, event)
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

    def _end(self, delivery: Instant) -> int:
        return delivery + self._registry.isp_us

    # --- orders and trades ---

    def _order(self, delivery: Instant, row: _OrderRow, state: str, reason: str) -> None:
        kind = row.kind or ("market" if row.limit is None else "limit")
        self._rows["orders"].append(
            (
                row.seq,
                row.at,
                delivery,
                row.pod,
                row.side,
                row.quantity_wh,
                row.limit,
                kind,
                state,
                row.filled_wh,
                reason or row.remark,
            )
        )

    def _placed(self, entry: Entry, event: e.OrderPlaced) -> None:
        """Let an order stand; a block trades in other deliveries, too, than where it stands."""
        terms = event.terms
        row = _OrderRow(
            entry.seq,
            entry.at,
            event.pod,
            event.side.value,
            event.quantity_wh,
            event.limit,
            kind="" if terms is None else terms.kind.value,
            remark=remark_of(event),
        )
        if terms is not None and terms.block is not None:
            row.kind = "block"
            self._blocks[event.order] = row
        self._orders.setdefault((event.product, event.delivery), {})[event.order] = row

    def _filled(self, trade: e.Traded) -> None:
        """Let two orders be filled; where each is traded by itself, it ends when it is full."""
        book = self._orders.get((trade.product, trade.delivery), {})
        mechanism = self._registry.products[trade.product].mechanism
        for number, side in ((trade.buy_order, "buy"), (trade.sell_order, "sell")):
            row = book[number] if number in book else self._blocks[number]
            # A block with a store's profile trades on the other side, too.
            row.filled_wh += trade.quantity_wh if row.side == side else 0
            if mechanism in _ONE_BY_ONE and row.filled_wh == row.quantity_wh:
                self._order(trade.delivery, book.pop(number), "filled", "")

    def _cleared(self, auction: e.AuctionCleared) -> None:
        """Let the orders of an auction end: what was not filled has expired."""
        self._pending(auction.delivery).auctions.append(auction)
        for number, row in self._orders.pop((auction.product, auction.delivery), {}).items():
            self._blocks.pop(number, None)
            if row.filled_wh == 0:
                self._order(auction.delivery, row, "expired", "")
            elif row.filled_wh < row.quantity_wh:
                self._order(auction.delivery, row, "partly_filled", "")
            else:
                self._order(auction.delivery, row, "filled", "")

    def _changed(self, event: e.OrderAmended | e.OrderCancelled | e.OrderCurtailed) -> None:
        """Let an order change or end before its auction."""
        book = self._orders[event.product, event.delivery]
        row = book[event.order]
        match event:
            case e.OrderAmended():
                row.quantity_wh, row.limit = event.quantity_wh, event.limit
            case e.OrderCancelled(is_over=False):
                row.quantity_wh -= event.quantity_wh or 0
            case e.OrderCancelled():
                state, reason = "cancelled", event.reason.value
                if event.reason in _RAN_OUT:
                    state = "partly_filled" if row.filled_wh else "expired"
                    reason = row.remark or reason
                self._order(event.delivery, book.pop(event.order), state, reason)
            case e.OrderCurtailed() if event.quantity_wh <= row.filled_wh:
                self._order(event.delivery, book.pop(event.order), "curtailed", event.reason)
            case e.OrderCurtailed():
                row.quantity_wh = event.quantity_wh
        if event.order not in book:
            self._blocks.pop(event.order, None)

    def _rejected(self, entry: Entry, event: e.Rejected) -> None:
        """Keep every refusal; one of an order stands among the orders, too."""
        command = entry.command
        names = ("pod", "meter", "order", "party", "product")
        subject = next((str(getattr(command, one)) for one in names if hasattr(command, one)), "")
        self._rows["refusals"].append(
            (
                entry.seq,
                entry.at,
                type(command).__name__,
                subject,
                event.reason.value,
                event.detail,
            )
        )
        if isinstance(command, c.PlaceOrder):
            row = _OrderRow(
                entry.seq,
                entry.at,
                command.pod,
                command.side.value,
                command.quantity_wh,
                command.limit,
            )
            self._order(command.delivery, row, "rejected", event.reason.value)

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
        self._rows["receipts"].append(
            (
                start,
                end,
                receipt.pod,
                receipt.party,
                receipt.run,
                receipt.version,
                receipt.bought_wh,
                receipt.sold_wh,
                receipt.delivered_in_wh,
                receipt.delivered_out_wh,
                receipt.import_wh,
                receipt.export_wh,
                receipt.deviation_wh,
                receipt.pooled_wh,
                receipt.residual_wh,
                receipt.trades_nano,
                receipt.pool_nano,
                receipt.supplier_nano,
                receipt.network_nano,
                receipt.levy_nano,
                receipt.service_nano,
                receipt.total_nano,
                receipt.same_meters_nano,
                receipt.quality is Quality.ESTIMATED,
            )
        )

    def _settled(self, event: e.PeriodSettled) -> None:
        """Take delivered energies and imbalances of a run; the first one fixes the prices."""
        pending = self._pending(event.delivery)
        for told in event.delivered:
            pending.trades[told.trade].delivered_wh = told.delivered_wh
        self._imbalances(event.delivery, event.run, event.imbalances)
        self._prices(event.delivery, event.pool_price)

    def _imbalances(self, delivery: Instant, run: str, imbalances: tuple[e.Imbalance, ...]) -> None:
        self._rows["imbalances"] += [
            (delivery, told.brp, run, told.energy_wh) for told in imbalances
        ]

    def _prices(self, delivery: Instant, pool_price: int | None) -> None:
        pending = self._pending(delivery)
        self._rows["prices"] += [
            (
                delivery,
                auction.product,
                ALL_ZONES,
                auction.price,
                auction.volume_wh,
                *_gains(auction),
                pool_price,
                self._rule(auction),
            )
            for auction in pending.auctions
        ]
        pending.auctions.clear()

    def _rule(self, auction: _Priced) -> str:
        """Return by what a price came to be; empty where it was the exchange's own auction."""
        if isinstance(auction, e.TradingClosed):
            return self._registry.products[auction.product].mechanism.value
        return auction.rule

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
                    _trade_state(row),
                    trade.sell_price,
                )
            )

    def _listed(self, event: e.DeliveriesListed) -> None:
        month = event.day[:7]
        end = Instant(event.start + event.count * self._registry.isp_us)
        start, last = self._months.get(month, (event.start, end))
        self._months[month] = (min(start, event.start), max(last, end))

    def _statement(self, seq: int, event: e.StatementIssued) -> None:
        statement = event.statement
        start, end = self._months[statement.month]
        self._rows["statements"] += [
            (
                statement.pod,
                statement.party,
                start,
                end,
                line.component,
                line.amount_nano,
                statement.payable_minor,
                seq,
            )
            for line in statement.lines
        ]


def _gains(auction: _Priced) -> tuple[int, int]:
    """Return gains by limits, and the most there were; none where nobody named a limit to all."""
    if not isinstance(auction, e.AuctionCleared):
        return 0, 0
    return auction.surplus_nano, auction.surplus_maximum_nano


def _trade_state(row: _TradeRow) -> str:
    """Return how a trade ended."""
    if row.cancelled:
        return "cancelled"
    if row.delivered_wh is None:
        return "open"
    if row.delivered_wh == 0:
        return "undelivered"
    return "delivered" if row.delivered_wh == row.traded.quantity_wh else "partly_delivered"
