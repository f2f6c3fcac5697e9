"""Bill sharing: its prices are known only when all days are over."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from msgspec import structs

from wattbay.clearing import community
from wattbay.clearing.allocation import Rule, allocate
from wattbay.clearing.community import Energies, Settled, bill_sharing
from wattbay.core.facts import Receipt
from wattbay.simulation.comparison.outcome import Deal, Outcome
from wattbay.simulation.comparison.settled import Afterwards, Delivery, Given


def bounds(known: Delivery) -> community.Tariff:
    """Return between which prices nobody loses: the lowest retail energy, the highest export."""
    return community.Tariff(
        min(tariff.energy for tariff in known.tariffs),
        max(tariff.export for tariff in known.tariffs),
    )


def has_one_tariff(books: Afterwards) -> bool:
    """Tell whether all homes have the same price of energy and the same export price."""
    return all(
        len({(tariff.energy, tariff.export) for tariff in known.tariffs}) == 1
        for known in books.deliveries()
    )


def share_bill(books: Afterwards) -> Outcome:
    """Share the community's bill of all days by one price to buy and one to sell.

    The energy that neighbours had of each other, in proportion to what each drew and injected,
    bears the local network fee as under every rule.
    """
    known = books.deliveries()
    periods = [Energies(one.import_wh, one.export_wh) for one in known]
    settled = bill_sharing(periods, [bounds(one) for one in known])
    buy, sell = (price or Fraction(0) for price in settled.prices)

    def sharing(one: Delivery) -> list[Given]:
        energies = Energies(one.import_wh, one.export_wh)
        found = allocate(Rule.DYNAMIC_KEY, energies, bounds(one))
        return [Given(*trade, 0, 0) for trade in found.trades]

    def amend(receipts: list[Receipt]) -> list[Receipt]:
        return _priced(books, receipts, settled)

    outcome = books.settle(sharing, amend=amend)
    deals = [Deal(deal.place, deal.quantity_wh, round(buy), round(sell)) for deal in outcome.deals]
    return outcome._replace(deals=deals)


def _priced(books: Afterwards, receipts: Sequence[Receipt], settled: Settled) -> list[Receipt]:
    """Write the shared bill into receipts: each pod's sum to what it owes, to the nano.

    What a delivery comes to is rounded down; the last one bears what that leaves.
    """
    buy, sell = (price or Fraction(0) for price in settled.prices)
    owed = dict(zip(books.pods, settled.owed, strict=True))
    last = receipts[-1].delivery if receipts else None
    found = []
    for receipt in receipts:
        net = receipt.import_wh - receipt.export_wh
        paid, gained = int(max(net, 0) * buy), int(max(-net, 0) * sell)
        owed[receipt.pod] -= paid - gained
        if receipt.delivery == last:
            paid += owed[receipt.pod]
        taxable = paid + receipt.network_nano + receipt.levy_nano + receipt.service_nano
        if books.sells_taxed(receipt.party, receipt.delivery):
            taxable -= gained
        found.append(
            structs.replace(
                receipt,
                trades_nano=0,
                pool_nano=0,
                supplier_nano=paid - gained,
                taxable_nano=taxable,
            )
        )
    return found
