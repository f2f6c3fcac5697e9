"""Closing a delivery: delivered energy, deviations, fees, receipts.

Who owes what, and why. Trades are financially firm. What was metered otherwise than traded
(deviation) nets inside the community first, then meets each pod's supplier, as the product
says. Fees and levy fall on metered import, never on trades. `settle` is a pure function of one
delivery; `issue` says which receipts are new.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

from msgspec import Struct, json, structs

from wattbay.core import events as e
from wattbay.core.events import EnergyMetered, ReceiptIssued
from wattbay.core.facts import (
    ArchivedDelivery,
    ArchivedTrade,
    Deviations,
    Netting,
    PodFacts,
    Product,
    Receipt,
    Tariff,
)
from wattbay.ids import PartyId, PodId, ProductId, RunName, ZoneId
from wattbay.periods import Instant
from wattbay.units import share

Deal = e.Traded | ArchivedTrade
"""A trade as it happened, or as it was archived."""


class Seat(NamedTuple):
    """All that settlement needs to know of one pod in one delivery."""

    facts: PodFacts
    tariff: Tariff
    energy: EnergyMetered
    activated_wh: int
    sales_taxed: bool
    version: int
    """Of the receipt to write: one more than the last."""


class Terms(NamedTuple):
    """How a delivery is settled."""

    delivery: Instant
    run: RunName
    deviations: Deviations
    pool_price: int
    single_price: int
    short_price: int
    long_price: int
    netting: Netting


class Settlement(NamedTuple):
    """What settling a delivery comes to."""

    receipts: list[Receipt]
    """In the order of the seats."""
    delivered: list[int]
    """Of each trade. [Wh]"""
    imbalances: dict[PartyId, int]
    """Of each balance responsible party. [Wh]"""


class _Tally(Struct):
    """Running sums of one pod. [Wh and nano-currency]"""

    bought_wh: int = 0
    sold_wh: int = 0
    paid_nano: int = 0
    earned_nano: int = 0
    delivered_in_wh: int = 0
    delivered_out_wh: int = 0
    local_fee_nano: int = 0
    buyer_left_wh: int = 0
    seller_left_wh: int = 0


def terms_of(product: Product, delivery: Instant, run: RunName, pool_price: int) -> Terms:
    """Return the terms that a product sets.

    Where it names no price for deviations outside the pool, the pool price takes its place.
    """

    def named(price: int | None) -> int:
        return pool_price if price is None else price

    return Terms(
        delivery,
        run,
        product.deviations,
        pool_price,
        named(product.single_price),
        named(product.short_price),
        named(product.long_price),
        product.netting,
    )


def settle(terms: Terms, seats: Sequence[Seat], trades: Sequence[Deal]) -> Settlement:
    """Settle one delivery.

    Parameters
    ----------
    seats
        Every pod connected at the delivery, in one order for ever (that of registration):
        remainders of shares go to the earlier.
    trades
        Those that stand, in order of trade.
    """
    metered = [_metered(terms, seat) for seat in seats]
    tallies = {seat.facts.pod: _Tally() for seat in seats}
    for trade in trades:
        buyer, seller = tallies[trade.buyer], tallies[trade.seller]
        buyer.bought_wh += trade.quantity_wh
        buyer.paid_nano += trade.quantity_wh * trade.buy_price
        seller.sold_wh += trade.quantity_wh
        seller.earned_nano += trade.quantity_wh * trade.sell_price
    for seat, (drawn, injected) in zip(seats, metered, strict=True):
        tally = tallies[seat.facts.pod]
        tally.buyer_left_wh = min(tally.bought_wh, max(0, drawn))
        tally.seller_left_wh = min(tally.sold_wh, max(0, injected))
    delivered = _deliver(seats, tallies, trades)
    deviations = [
        injected - drawn - tally.sold_wh + tally.bought_wh - seat.activated_wh
        for seat, (drawn, injected), tally in zip(seats, metered, tallies.values(), strict=True)
    ]
    pooled = pool(deviations) if terms.deviations is Deviations.POOLED else [0] * len(seats)
    receipts = []
    imbalances: dict[PartyId, int] = {}
    for i, seat in enumerate(seats):
        residual = deviations[i] - pooled[i]
        brp = seat.facts.brp
        imbalances[brp] = imbalances.get(brp, 0) + residual
        tally = tallies[seat.facts.pod]
        receipts.append(_receipt(terms, seat, tally, metered[i], pooled[i], residual))
    return Settlement(receipts, delivered, imbalances)


def _metered(terms: Terms, seat: Seat) -> tuple[int, int]:
    """Return import and export as they are settled. [Wh]"""
    drawn, injected = seat.energy.import_wh, seat.energy.export_wh
    if terms.netting is Netting.PERIOD:
        net = injected - drawn
        return max(-net, 0), max(net, 0)
    return drawn, injected


def _deliver(
    seats: Sequence[Seat], tallies: Mapping[PodId, _Tally], trades: Sequence[Deal]
) -> list[int]:
    """Allocate what was metered over the trades, in their order; return each one's delivered Wh.

    A trade delivered the smaller of what its buyer drew for it and its seller injected for it. With
    itself a pod delivers nothing: its energy goes out and comes in over the network all the same.
    """
    zones = {seat.facts.pod: seat.facts.zone for seat in seats}
    fees: dict[PodId, dict[tuple[ZoneId, ZoneId], int]] = {}
    by_tariff: dict[int, dict[tuple[ZoneId, ZoneId], int]] = {}
    tariffs = {}
    for seat in seats:
        tariff = seat.tariff
        tariffs[seat.facts.pod] = tariff
        # By record, not by name: published prices can differ by zone.
        if id(tariff) not in by_tariff:
            by_tariff[id(tariff)] = {
                (fee.from_zone, fee.to_zone): fee.nano_per_wh for fee in tariff.network_local
            }
        fees[seat.facts.pod] = by_tariff[id(tariff)]
    delivered = []
    for trade in trades:
        if trade.buyer == trade.seller:
            delivered.append(0)
            continue
        buyer, seller = tallies[trade.buyer], tallies[trade.seller]
        drawn = min(trade.quantity_wh, buyer.buyer_left_wh)
        injected = min(trade.quantity_wh, seller.seller_left_wh)
        buyer.buyer_left_wh -= drawn
        seller.seller_left_wh -= injected
        energy = min(drawn, injected)
        delivered.append(energy)
        if energy:
            buyer.delivered_in_wh += energy
            seller.delivered_out_wh += energy
            way = (zones[trade.seller], zones[trade.buyer])
            regional = tariffs[trade.buyer].network_regional
            buyer.local_fee_nano += energy * fees[trade.buyer].get(way, regional)
    return delivered


def pool(deviations: Sequence[int]) -> list[int]:
    """Net longs and shorts of the community; the longer side is shared pro rata. [Wh]

    Returns
    -------
    list[int]
        What of each deviation was pooled, with its sign; they sum to zero.
    """
    longs = [max(0, deviation) for deviation in deviations]
    shorts = [max(0, -deviation) for deviation in deviations]
    volume = min(sum(longs), sum(shorts))
    if volume == 0:
        return [0] * len(deviations)
    taken = share(volume, longs)
    given = share(volume, shorts)
    return [long - short for long, short in zip(taken, given, strict=True)]


def _residual_prices(terms: Terms, tariff: Tariff) -> tuple[int, int]:
    """Return what a Wh short costs and a Wh long earns that was not pooled."""
    if terms.deviations is Deviations.SINGLE:
        return terms.single_price, terms.single_price
    if terms.deviations is Deviations.DUAL:
        return terms.short_price, terms.long_price
    return tariff.energy, tariff.export


def _receipt(
    terms: Terms, seat: Seat, tally: _Tally, metered: tuple[int, int], pooled: int, residual: int
) -> Receipt:
    """Write one pod's receipt."""
    tariff = seat.tariff
    drawn, injected = metered
    short_price, long_price = _residual_prices(terms, tariff)
    bought_back, sold_back = max(0, -residual) * short_price, max(0, residual) * long_price
    from_pool, to_pool = max(0, -pooled) * terms.pool_price, max(0, pooled) * terms.pool_price
    network = tally.local_fee_nano + (drawn - tally.delivered_in_wh) * tariff.network_regional
    levy = drawn * tariff.levy
    service = (tally.bought_wh + tally.sold_wh) * tariff.service
    taxable = tally.paid_nano + from_pool + bought_back + network + levy + service
    if seat.sales_taxed:
        taxable -= tally.earned_nano + to_pool + sold_back
    retail = tariff.energy + tariff.network_regional + tariff.levy
    facts = seat.facts
    return Receipt(
        delivery=terms.delivery,
        pod=facts.pod,
        party=facts.party,
        run=terms.run,
        version=seat.version,
        bought_wh=tally.bought_wh,
        sold_wh=tally.sold_wh,
        delivered_in_wh=tally.delivered_in_wh,
        delivered_out_wh=tally.delivered_out_wh,
        import_wh=drawn,
        export_wh=injected,
        activated_wh=seat.activated_wh,
        pooled_wh=pooled,
        residual_wh=residual,
        trades_nano=tally.paid_nano - tally.earned_nano,
        pool_nano=from_pool - to_pool,
        supplier_nano=bought_back - sold_back,
        network_nano=network,
        levy_nano=levy,
        service_nano=service,
        same_meters_nano=drawn * retail - injected * tariff.export,
        taxable_nano=taxable,
        quality=seat.energy.quality,
    )


# --- versions and archives -------------------------------------------------------------------


def issue(receipts: Iterable[Receipt], known: Mapping[PodId, Receipt]) -> list[ReceiptIssued]:
    """Return the receipts that say anything new; run and version alone are nothing new."""
    issued: list[ReceiptIssued] = []
    for receipt in receipts:
        old = known.get(receipt.pod)
        if old is None:
            issued.append(ReceiptIssued(receipt=receipt))
        elif structs.replace(receipt, run=old.run, version=old.version) != old:
            issued.append(ReceiptIssued(receipt=receipt, corrects=old))
    return issued


def archive(
    delivery: Instant,
    products: Sequence[ProductId],
    receipts: Iterable[Receipt],
    trades: Iterable[Deal],
) -> ArchivedDelivery:
    """Return the record that a final delivery leaves; the core keeps its hash."""
    return ArchivedDelivery(
        delivery=delivery,
        products=tuple(products),
        receipts=tuple(receipts),
        trades=tuple(
            ArchivedTrade(
                trade=trade.trade,
                buyer=trade.buyer,
                seller=trade.seller,
                quantity_wh=trade.quantity_wh,
                buy_price=trade.buy_price,
                sell_price=trade.sell_price,
            )
            for trade in trades
        ),
    )


def record_hash(record: ArchivedDelivery) -> bytes:
    """Return the SHA-256 of a record's canonical bytes."""
    return sha256(json.encode(record)).digest()


def receipt_bytes(receipt: Receipt) -> bytes:
    """Return a receipt's canonical bytes, fit to be a leaf of a Merkle tree."""
    return json.encode(receipt)
