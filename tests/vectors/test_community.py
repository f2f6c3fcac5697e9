"""Community prices as data: energies, what each pod owes, each with its origin."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import msgspec
import pytest

from wattbay.clearing.community import (
    Basis,
    Energies,
    Settled,
    Tariff,
    bill_sharing,
    mid_market,
    supply_demand_ratio,
)

FOLDER = Path(__file__).parent / "community"


class Vector(msgspec.Struct, forbid_unknown_fields=True):
    """A case. Prices are fractions as text. Energies in Wh, prices in nano-currency/Wh."""

    origin: str
    rule: str
    retail: int
    export: int
    periods: list[dict[str, list[int]]]
    buy: str | None
    sell: str | None
    owed: list[int]
    bill: int
    basis: Basis = Basis.NET


def settled(vector: Vector) -> Settled:
    tariff = Tariff(vector.retail, vector.export)
    periods = [Energies(period["consumed"], period["generated"]) for period in vector.periods]
    match vector.rule:
        case "mid_market":
            return mid_market(periods[0], tariff, vector.basis)
        case "supply_demand_ratio":
            return supply_demand_ratio(periods[0], tariff)
        case _:
            assert vector.rule == "bill_sharing"
            return bill_sharing(periods, [tariff] * len(periods))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_energies_settle_to_what_is_owed(path: Path) -> None:
    vector = msgspec.json.decode(path.read_bytes(), type=Vector)
    assert len(vector.origin) > 20
    found = settled(vector)
    prices = [None if text is None else Fraction(text) for text in (vector.buy, vector.sell)]
    assert list(found.prices) == prices
    assert (found.owed, found.bill) == (vector.owed, vector.bill)


def test_there_are_settled_periods() -> None:
    assert len(list(FOLDER.glob("*.json"))) >= 10
