"""What a rule comes to, exactly, before anything is averaged."""

from __future__ import annotations

from typing import NamedTuple

from wattbay.simulation.comparison.sums import Integers


class Deal(NamedTuple):
    """Energy that changed hands in a delivery."""

    place: int
    """Of the delivery, from 0."""
    quantity_wh: int
    buy_price: int
    """[nano-currency per Wh]"""
    sell_price: int


class Surplus(NamedTuple):
    """Gain against the limits of the orders. [nano-currency]"""

    reached: int
    """By the trades, whoever keeps it: buyers, sellers or the market."""
    most: int
    """What no rule could exceed on the same orders."""


class Outcome(NamedTuple):
    """What a rule came to. Homes and deliveries are in the order of the scenario."""

    table: dict[str, Integers]
    """What receipts say, by delivery and home: see `sums.AMOUNTS`. Shape (n_deliveries, n_homes).
    Money that is paid is positive. [Wh and nano-currency]"""
    bill_nano: list[int]
    """By home, with standing charges and tax. [nano-currency]"""
    standing_nano: list[int]
    """By home: the standing and monthly charges in it."""
    tax_nano: list[int]
    """By home: the tax in it."""
    deals: list[Deal]
    """In order of delivery."""
    surplus: Surplus | None
    """None of a rule without orders."""


class Unfit(NamedTuple):
    """Why a scenario cannot be lived by a rule."""

    reason: str
