"""From a community price to trades: who had whose energy, in whole Wh, at one whole price.

Each rule divides what the community's own members injected among those who drew energy in the same
period, and names one price for all of it. What is left of either side stays with each pod's
supplier. So a pod is never worse off than alone, as long as the price lies between what suppliers
charge and what they pay; a rule for which that is not so allocates nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from wattbay.clearing import sharing
from wattbay.clearing.community import Energies, Tariff, ratio_prices
from wattbay.units import share


class Rule(StrEnum):
    """How a community's own energy is divided and priced."""

    MID_MARKET = "mid_market"
    """By energy, at the middle of retail and export price."""
    SUPPLY_DEMAND_RATIO = "supply_demand_ratio"
    """By energy, at a price that falls as supply rises against demand."""
    STATIC_KEY = "static_key"
    """By weights agreed beforehand; who cannot use its part leaves it to the grid."""
    DYNAMIC_KEY = "dynamic_key"
    """By what each consumed in the period."""
    HIERARCHICAL_KEY = "hierarchical_key"
    """Level by level, and within a level by consumption."""


class Terms(NamedTuple):
    """What a rule asks for besides energies and prices."""

    weights: Sequence[int] = ()
    """Of the static key, by pod; empty counts as equal."""
    levels: Sequence[int] = ()
    """Of the hierarchical key, by pod, lowest first; empty counts as one level."""
    price: int | None = None
    """Of the keys; None for the middle. Held between export and retail. [nano-currency/Wh]"""


class Allocated(NamedTuple):
    """Who had whose energy, and what is left."""

    trades: list[tuple[int, int, int]]
    """Place of the buyer, place of the seller, energy; one fewer than there are pods, at most."""
    price: int
    """What each buyer pays and each seller gets. [nano-currency/Wh]"""
    volume: int
    spare: int
    """What was injected and nobody of the community had. [Wh]"""
    short: int
    """What was drawn and did not come from the community. [Wh]"""
    rounded: Fraction
    """By how much the price is below what the rule says; below 1. [nano-currency/Wh]"""


def allocate(
    rule: Rule, energies: Energies, tariff: Tariff, terms: Terms | None = None
) -> Allocated:
    r"""Allocate one period's energy among the pods of a community.

    Net positions count: of a pod that both drew and injected in the period the smaller of the two
    stays with its supplier.

    Parameters
    ----------
    energies
        What each pod drew and injected, none below zero. [Wh]
    tariff
        The price that is not too dear for any buyer, and the one that is enough for every seller.

    Raises
    ------
    ValueError
        If an energy or a weight is negative.

    Notes
    -----
    With supply :math:`S` and demand :math:`D`, the volume is :math:`\min(S, D)` but for the static
    key, which may allocate less. Buyers have it by the rule, sellers by what they injected; parts
    are whole by largest remainder. At the middle price this comes to the same as the mid-market
    rate, and at :math:`p_s` to the same as the supply-demand ratio: their prices for buyers and
    sellers are means of this price and the supplier's.
    """
    given = _nets(energies.generated, energies.consumed)
    drawn = _nets(energies.consumed, energies.generated)
    supply, demand = sum(given), sum(drawn)
    known = Terms() if terms is None else terms
    exact = _price(rule, supply, demand, tariff, known)
    if exact is None or not supply or not demand:
        return Allocated([], tariff.export, 0, supply, demand, Fraction(0))
    had = _parts(rule, supply, drawn, known)
    volume = sum(had)
    price = exact.numerator // exact.denominator
    trades = _pairs(had, share(volume, given)) if volume else []
    return Allocated(trades, price, volume, supply - volume, demand - volume, exact - price)


def _nets(energy: Sequence[int], against: Sequence[int]) -> list[int]:
    """Return what is left of each pod's energy on one side."""
    if min([*energy, *against], default=0) < 0:
        msg = "energies of a community are not negative"
        raise ValueError(msg)
    return [max(own - other, 0) for own, other in zip(energy, against, strict=True)]


def _price(rule: Rule, supply: int, demand: int, tariff: Tariff, terms: Terms) -> Fraction | None:
    """Return the price of the community's own energy; None where none suits everybody."""
    if tariff.export > tariff.retail:
        return None
    if rule is Rule.SUPPLY_DEMAND_RATIO:
        return ratio_prices(supply, demand, tariff).sell if tariff.export >= 0 else None
    if rule is Rule.MID_MARKET or terms.price is None:
        return Fraction(tariff.retail + tariff.export, 2)
    return Fraction(min(max(terms.price, tariff.export), tariff.retail))


def _parts(rule: Rule, supply: int, drawn: Sequence[int], terms: Terms) -> list[int]:
    """Return what each pod had of the community's energy. [Wh]"""
    match rule:
        case Rule.STATIC_KEY:
            weights = terms.weights or [1] * len(drawn)
            return sharing.static(supply, drawn, weights).shares
        case Rule.HIERARCHICAL_KEY:
            levels = terms.levels or [0] * len(drawn)
            return sharing.hierarchical(supply, drawn, levels).shares
        case _:
            return sharing.by_consumption(supply, drawn).shares


def _pairs(had: Sequence[int], gave: Sequence[int]) -> list[tuple[int, int, int]]:
    """Pair buyers and sellers head to head, both in their order; both sums are equal."""
    sellers = [(place, energy) for place, energy in enumerate(gave) if energy]
    pairs: list[tuple[int, int, int]] = []
    turn, left = 0, sellers[0][1]
    for buyer, energy in enumerate(had):
        wanted = energy
        while wanted:
            if not left:
                turn += 1
                left = sellers[turn][1]
            quantity = min(wanted, left)
            pairs.append((buyer, sellers[turn][0], quantity))
            wanted -= quantity
            left -= quantity
    return pairs
