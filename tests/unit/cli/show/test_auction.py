from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wattbay.cli.show.auction import Book, choose, why_fill, why_price
from wattbay.cli.show.figures import Purse
from wattbay.cli.show.rows import OrderRow
from wattbay.core.facts import Margin, Pricing
from wattbay.core.market.auction import Clearing, Orders, Rules, clear
from wattbay.periods import Instant

POUNDS = Purse("GBP", 2)
TICK = 10

limits = st.one_of(st.none(), st.integers(1, 9).map(lambda n: n * TICK))
sides = st.lists(st.tuples(limits, st.integers(1, 9)), max_size=6)
Side = list[tuple[int | None, int]]


def columns(side: Side) -> Orders:
    return Orders([limit for limit, _ in side], [quantity for _, quantity in side])


def cleared(
    buys: Side,
    sells: Side,
    *,
    fee: int = 0,
    margin: Margin = Margin.PRO_RATA,
    reference: int | None = None,
) -> tuple[Book, Clearing]:
    """Return a book as a run folder tells it, and the auction that it comes from."""
    rules = Rules(
        pricing=Pricing.UNIFORM,
        margin=margin,
        reference=reference,
        price_tick=TICK,
        network_fee=fee,
    )
    result = clear(columns(buys), columns(sells), rules)
    orders = [
        OrderRow(seq, Instant(0), Instant(0), f"h{seq}", side, quantity, limit, "expired", filled)
        for seq, (side, (limit, quantity), filled) in enumerate(
            [
                *(("buy", order, fill) for order, fill in zip(buys, result.buy_fills, strict=True)),
                *(
                    ("sell", order, fill)
                    for order, fill in zip(sells, result.sell_fills, strict=True)
                ),
            ]
        )
    ]
    return Book(tuple(orders), result.price, fee, TICK), result


@given(sides, sides, st.sampled_from([0, TICK, 3 * TICK]))
def test_the_rule_told_in_words_comes_to_the_price_of_the_auction(
    buys: Side, sells: Side, fee: int
) -> None:
    book, result = cleared(buys, sells, fee=fee)
    choice = choose(book)
    if result.price is None:
        return
    assert choice is not None
    assert choice.volume_wh == result.volume
    assert choice.price(TICK) == result.price


@given(sides, sides, st.sampled_from(list(Margin)))
def test_every_fill_has_a_reason(buys: Side, sells: Side, margin: Margin) -> None:
    book, _ = cleared(buys, sells, margin=margin)
    assert all("".join(why_fill(order, book, POUNDS)) for order in book.orders)
    assert "".join(why_price(book, POUNDS))


def test_a_level_served_by_time_is_told_so() -> None:
    book, _ = cleared([(90, 5), (90, 5)], [(50, 6)], margin=Margin.TIME)
    assert "served in order of time" in " ".join(why_fill(book.orders[1], book, POUNDS))


def test_a_level_shared_in_proportion_is_told_with_the_arithmetic() -> None:
    book, _ = cleared([(90, 6), (90, 3)], [(50, 6)])
    said = " ".join(why_fill(book.orders[1], book, POUNDS))
    assert "6 × 3 / 9 Wh is 2 Wh for you" in said


def test_a_reference_price_is_told_as_what_chose() -> None:
    book, _ = cleared([(90, 5)], [(50, 5)], reference=60)
    assert book.price == 60
    assert "reference price" in " ".join(why_price(book, POUNDS))


def test_an_order_without_a_limit_went_first() -> None:
    book, _ = cleared([(None, 5), (90, 5)], [(50, 5)])
    assert "Without a limit it went before" in " ".join(why_fill(book.orders[0], book, POUNDS))


def test_orders_without_limits_alone_name_no_price() -> None:
    book, _ = cleared([(None, 5)], [(None, 5)])
    assert "none of them names a price" in " ".join(why_price(book, POUNDS))


def test_an_empty_book_is_told_so() -> None:
    assert why_price(Book((), None, 0), POUNDS) == ["Nobody had ordered anything."]


def test_buyers_are_compared_with_what_they_pay_fee_included() -> None:
    book, result = cleared([(90, 5), (40, 5)], [(30, 5)], fee=20)
    assert result.price is not None
    assert book.price_of("buy") == result.price + 20
    said = " ".join(why_fill(book.orders[1], book, POUNDS))
    assert "above your limit" in said
