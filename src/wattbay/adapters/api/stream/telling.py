"""What each event is on the topics: one table from history to words."""

from __future__ import annotations

from collections.abc import Mapping

from wattbay.adapters.api.stream import stages
from wattbay.adapters.api.stream.board import Board
from wattbay.adapters.api.stream.memory import Memory, price_row
from wattbay.adapters.api.stream.messages import plain
from wattbay.adapters.api.stream.sources import (
    Remark,
    party_of,
    statement_row,
    trade_row,
)
from wattbay.adapters.api.stream.topics import EVERYBODY, STAFF, Kind
from wattbay.core import devices as dv
from wattbay.core import events as e
from wattbay.core.batches import OrdersEntered
from wattbay.core.entered import Telling
from wattbay.ids import MeterId
from wattbay.kernel.codec import Entry
from wattbay.periods import Instant, to_text

_OfDevice = (
    dv.DeviceRegistered | dv.KeyRotated | dv.DeviceRevoked | e.PodRegistered | e.MeterExchanged
)
_OfGrid = e.LimitSubmitted | e.EnergyActivated | e.OrderCurtailed | e.ResponseCalled


class Teller:
    """Tells on a board what history comes to, and lets a memory keep of it what snapshots need."""

    def __init__(self, board: Board, memory: Memory) -> None:
        """Tell on a board."""
        self._board = board
        self._memory = memory

    def tell(self, entry: Entry) -> None:
        """Tell what an entry came to. Of orders the hub tells itself, as they stand."""
        for event in entry.events:
            match event:
                case e.OrderPlaced() | e.OrderAmended() | e.OrderCancelled() | e.ReadingAccepted():
                    pass  # What comes most.
                case OrdersEntered():
                    for traded in Telling(event).trades():
                        self._traded(entry, traded)
                case e.Traded():
                    self._traded(entry, event)
                case e.TradeCancelled():
                    self._trade_cancelled(entry, event)
                case e.ReceiptIssued():
                    self._receipt(entry, event)
                case e.StatementIssued():
                    self._statement(entry, event)
                case e.PricesPublished():
                    self._published(entry, event)
                case (
                    e.LimitSubmitted()
                    | e.EnergyActivated()
                    | e.OrderCurtailed()
                    | e.ResponseCalled()
                ):
                    self._of_grid(entry, event)
                case (
                    dv.DeviceRegistered()
                    | dv.KeyRotated()
                    | dv.DeviceRevoked()
                    | e.PodRegistered()
                    | e.MeterExchanged()
                ):
                    self._of_device(entry, event)
                case _:
                    self._market(entry, event)

    def turn(self, now: Instant) -> None:
        """Let it be `now`: tell which gates have opened."""
        self._memory.at = max(self._memory.at, now)
        for standing in self._memory.stages.opened(now):
            self._stand(standing, now, None)
            body = {
                "product": standing.product,
                "delivery": to_text(standing.delivery),
                "closes_at": to_text(standing.closes_at),
            }
            self._remark("gate_opened", now, None, body)

    # --- the market --------------------------------------------------------------------------

    def _remark(self, kind: str, at: Instant, seq: int | None, body: object) -> None:
        self._memory.market.append(Remark(kind, at, seq, body))
        self._board.say(Kind.MARKET, EVERYBODY, kind, lambda: body, at=at, entry=seq)

    def _stand(self, standing: stages.Standing, at: Instant, seq: int | None) -> None:
        self._board.say(
            Kind.DELIVERIES,
            EVERYBODY,
            "delivery",
            lambda: stages.row(standing),
            at=at,
            entry=seq,
            key=stages.key(standing),
        )

    def _market(self, entry: Entry, event: e.Event) -> None:
        """Tell what happened to deliveries: where they stand now, and in words of the market."""
        at, seq = entry.at, entry.seq
        match event:
            case e.DeliveriesListed():
                self._remark("listed", at, seq, plain(event))
            case e.GateClosed():
                self._remark("gate_closed", at, seq, plain(event))
            case e.PhaseChanged():
                self._remark("phase_changed", at, seq, plain(event))
            case e.AuctionCleared() | e.TradingClosed() | e.AllocationAccepted():
                key, body = price_row(event.product, event.delivery, event.price, event.volume_wh)
                self._remark("cleared", at, seq, body)
                self._price("price", key, body, entry)
            case e.PeriodSettled():
                told = {
                    "delivery": to_text(event.delivery),
                    "run": event.run,
                    "pool_price_nano_per_wh": event.pool_price,
                }
                self._remark("settled", at, seq, told)
            case e.DeliveryFinal():
                self._remark("final", at, seq, {"delivery": to_text(event.delivery)})
            case e.DeliveryCorrected():
                self._remark("corrected", at, seq, {"delivery": to_text(event.delivery)})
            case _:
                return
        for standing in self._memory.stages.fold(event, self._memory.sources.state()):
            self._stand(standing, at, seq)

    def _price(self, kind: str, key: str, body: Mapping[str, object], entry: Entry) -> None:
        self._memory.keep_price(key, body)
        self._board.say(
            Kind.PRICES, EVERYBODY, kind, lambda: body, at=entry.at, entry=entry.seq, key=key
        )

    def _published(self, entry: Entry, event: e.PricesPublished) -> None:
        key = f"tariff/{event.tariff}/{event.zone or ''}/{to_text(event.start)}"
        body = plain(event)
        if isinstance(body, dict):
            self._price("tariff", key, body, entry)

    def _traded(self, entry: Entry, event: e.Traded) -> None:
        body = trade_row(
            event.trade, event.product, event.delivery, event.quantity_wh, event.sell_price
        )
        self._remark_trade("trade", entry, body)

    def _trade_cancelled(self, entry: Entry, event: e.TradeCancelled) -> None:
        body = {"trade": event.traded.trade}
        self._remark_trade("trade_cancelled", entry, body)
        self._remark_grid("trade_cancelled", entry, {**body, "reason": event.reason})

    def _remark_trade(self, kind: str, entry: Entry, body: object) -> None:
        at, seq = entry.at, entry.seq
        self._memory.trades.append(Remark(kind, at, seq, body))
        self._board.say(Kind.TRADES, EVERYBODY, kind, lambda: body, at=at, entry=seq)

    # --- one party's -------------------------------------------------------------------------

    def _receipt(self, entry: Entry, event: e.ReceiptIssued) -> None:
        receipt = event.receipt
        name = f"{Kind.RECEIPTS}/{receipt.pod}"
        if self._board.has(name):
            self._board.say(
                name,
                receipt.party,
                "receipt",
                lambda: plain(receipt),
                at=entry.at,
                entry=entry.seq,
                key=to_text(receipt.delivery),
            )

    def _statement(self, entry: Entry, event: e.StatementIssued) -> None:
        statement = event.statement
        self._board.say(
            f"{Kind.STATEMENTS}/{statement.pod}",
            statement.party,
            "statement",
            lambda: statement_row(statement),
            at=entry.at,
            entry=entry.seq,
            key=statement.month,
        )

    # --- the grid and the devices ------------------------------------------------------------

    def _remark_grid(self, kind: str, entry: Entry, body: object) -> None:
        at, seq = entry.at, entry.seq
        self._memory.grid.append(Remark(kind, at, seq, body))
        self._board.say(Kind.GRID, STAFF, kind, lambda: body, at=at, entry=seq)

    def _of_grid(self, entry: Entry, event: _OfGrid) -> None:
        match event:
            case e.LimitSubmitted():
                self._remark_grid("limit", entry, plain(event.limit))
            case e.EnergyActivated():
                self._remark_grid("activated", entry, plain(event))
            case e.OrderCurtailed():
                self._remark_grid("curtailed", entry, plain(event))
            case e.ResponseCalled():
                self._remark_grid("response_called", entry, plain(event.call))

    def _of_device(self, entry: Entry, event: _OfDevice) -> None:
        if not self._board.has_any(Kind.DEVICES):
            return
        kind, device = _became(event)
        state = self._memory.sources.state()
        party = party_of(device, entry.at, state)
        if party is None and isinstance(event, e.PodRegistered):
            party = event.facts.party  # It is connected from a later instant on.
        body = self._memory.device(device)
        at, seq = entry.at, entry.seq
        if party is not None:
            name = f"{Kind.DEVICES}/{party}"
            self._board.say(name, party, kind, lambda: body, at=at, entry=seq, key=device)
        self._board.say(Kind.DEVICES, STAFF, kind, lambda: body, at=at, entry=seq, key=device)


def _became(event: _OfDevice) -> tuple[str, MeterId]:
    match event:
        case dv.DeviceRegistered():
            return "registered", event.device.device
        case dv.KeyRotated():
            return "key_rotated", event.device
        case dv.DeviceRevoked():
            return "revoked", event.device
        case e.PodRegistered() | e.MeterExchanged():
            return "registered", event.meter.meter
