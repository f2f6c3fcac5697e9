"""Laws of the market file: numbers are exact, and every text is cleared or told its faults."""

from __future__ import annotations

import json
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from wattbay.adapters import market_file
from wattbay.adapters.market_file import Result, render
from wattbay.adapters.market_file.exact import POWER_MAX, Exact, exact, in_ticks, plain, times
from wattbay.core.market.auction import Orders, Rules, clear
from wattbay.errors import ConfigError, Fault


def clear_document(text: bytes | str) -> Result:
    result = market_file.clear_document(text)
    assert isinstance(result, Result)
    return result


digits = st.integers(-(10**15), 10**15)
powers = st.integers(-12, 12)
exacts = st.builds(Exact, digits, powers)
ticks = st.builds(Exact, st.integers(1, 10**6), powers)


def fraction(value: Exact) -> Fraction:
    return value.digits * Fraction(10) ** value.power


@given(digits, st.integers(-POWER_MAX, POWER_MAX), st.sampled_from("eE"))
def test_number_with_a_power_is_read_exactly(number: int, power: int, mark: str) -> None:
    assert exact(f"{number}{mark}{power}") == Exact(number, power)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-1e9, max_value=1e9))
def test_decimal_is_read_exactly(number: Fraction) -> None:
    value = exact(str(number))
    assert value is not None
    assert fraction(value) == Fraction(number)


@given(exacts, ticks)
def test_ticks_are_whole_or_none(value: Exact, tick: Exact) -> None:
    ratio = fraction(value) / fraction(tick)
    assert in_ticks(value, tick) == (ratio.numerator if ratio.denominator == 1 else None)


@given(digits, ticks)
def test_plain_decimals_are_read_back_as_the_same_ticks(count: int, tick: Exact) -> None:
    text = plain(count, tick)
    assert Fraction(text) == count * fraction(tick)
    assert "e" not in text
    assert not (text.endswith(("0", ".")) and "." in text)
    assert text != "-0"


@given(exacts, exacts)
def test_product_is_exact(one: Exact, other: Exact) -> None:
    assert fraction(times(one, other)) == fraction(one) * fraction(other)


orders = st.lists(
    st.tuples(st.sampled_from(("buy", "sell")), st.none() | st.integers(-9, 9), st.integers(1, 9)),
    max_size=20,
)


@given(orders, ticks, ticks)
def test_result_is_what_the_core_clears_in_the_units_of_the_document(
    rows: list[tuple[str, int | None, int]], price_tick: Exact, quantity_tick: Exact
) -> None:
    text = json.dumps(
        {
            "mechanism": "call_auction",
            "ticks": {"price": plain(1, price_tick), "quantity": plain(1, quantity_tick)},
            "orders": [
                {
                    "id": place,
                    "side": side,
                    "limit": None if limit is None else plain(limit, price_tick),
                    "quantity": plain(quantity, quantity_tick),
                }
                for place, (side, limit, quantity) in enumerate(rows)
            ],
        }
    )
    result = clear_document(text)

    def column(side: str) -> Orders:
        own = [(limit, quantity) for which, limit, quantity in rows if which == side]
        return Orders([limit for limit, _ in own], [quantity for _, quantity in own])

    cleared = clear(column("buy"), column("sell"), Rules())
    assert Fraction(result.volume) == cleared.volume * fraction(quantity_tick)
    assert (result.price is None) == (cleared.price is None)
    if result.price is not None:
        assert Fraction(result.price) == (cleared.price or 0) * fraction(price_tick)
    amount = fraction(times(price_tick, quantity_tick))
    assert Fraction(result.surplus.maximum) == cleared.surplus_maximum * amount
    assert list(result.fills) == [str(place) for place in range(len(rows))]
    assert sum(map(Fraction, result.fills.values())) == 2 * Fraction(result.volume)
    assert clear_document(text.encode()) == result
    assert json.loads(render(result))["volume"] == result.volume


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
known = st.sampled_from(
    (
        "mechanism",
        "orders",
        "rules",
        "ticks",
        "price",
        "quantity",
        "limit",
        "side",
        "id",
        "margin",
        "reference",
        "op",
        "at",
        "network_fees",
        "steps",
    )
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(known | st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


def faults_of(text: str | bytes) -> tuple[Fault, ...] | None:
    """Return what is wrong with a text; None where it is cleared."""
    try:
        market_file.clear_document(text)
    except ConfigError as error:
        return error.faults
    return None


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "mechanism": st.sampled_from(("call_auction", "continuous")) | values,
            "orders": st.lists(st.dictionaries(known, values, max_size=5), max_size=3) | values,
            "steps": st.lists(st.dictionaries(known, values, max_size=5), max_size=3) | values,
            "rules": st.dictionaries(known, values, max_size=3) | values,
            "ticks": st.dictionaries(known, values, max_size=2) | values,
        },
    )
)
def test_any_document_is_cleared_or_told_its_faults(document: dict[str, object]) -> None:
    faults = faults_of(json.dumps(document))
    assert faults is None or (faults and all(str(fault).isprintable() for fault in faults))


@given(st.text() | st.binary())
def test_any_text_is_cleared_or_told_its_faults(text: str | bytes) -> None:
    assert faults_of(text) != ()
