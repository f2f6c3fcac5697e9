"""The call auction alone: a large book that other programs were measured on, and a street's."""

from __future__ import annotations

import json
import random

from benchmarks.machine import cpu_s
from wattbay.core.market.auction import (
    Clearing,
    Orders,
    Rules,
    buy_columns,
    clear,
    cross,
    sell_columns,
)
from wattbay.core.market.sides import IS_COMPILED

LARGE_ORDERS = 100_000
MILLION = 1_000_000
SMALL_ORDERS = 60
SMALL_CALLS = 500
RUNS = 5


def a_book(orders_count: int, ticks: int = 1) -> tuple[Orders, Orders]:
    """Draw a book with seed 42: buyers and sellers in turn, limits uniform, in ticks.

    Buy limits are uniform in 800 to 3,500, sell limits in 500 to 3,200, quantities in 100 to 5,000
    Wh. With 1,000 orders 720,800 Wh clear, with 10,000 orders 7,068,951 Wh, by any program that
    trades the most at one price. With `ticks` above 1 each tick is cut into so many, so that few
    orders share a limit.
    """
    draw = random.Random(42)
    sides: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    for place in range(orders_count):
        low, high = ((800, 3_500), (500, 3_200))[place % 2]
        limit = draw.randint(low * ticks, high * ticks)
        sides[place % 2].append((limit, draw.randint(100, 5_000)))
    buys, sells = ([*zip(*side, strict=True)] for side in sides)
    return Orders(*buys), Orders(*sells)


def run() -> dict[str, float]:
    """Return the CPU time of `clear`, the best of five: seconds, but for the small book's µs."""
    rules = Rules()
    coarse, fine = a_book(LARGE_ORDERS), a_book(LARGE_ORDERS, ticks=100_000)
    small = a_book(SMALL_ORDERS)

    def best_s(buys: Orders, sells: Orders) -> float:
        return min(cpu_s(lambda: clear(buys, sells, rules))[0] for _ in range(RUNS))

    def many() -> list[Clearing]:
        return [clear(*small, rules) for _ in range(SMALL_CALLS)]

    return {
        "clear_100k_orders_cpu_s": best_s(*coarse),
        "clear_100k_orders_of_distinct_limits_cpu_s": best_s(*fine),
        "clear_60_orders_cpu_us": min(cpu_s(many)[0] for _ in range(RUNS)) / SMALL_CALLS * 1e6,
    }


def million_s() -> dict[str, float]:
    """Return the CPU time of a million orders, the best of five: what each gets, and all of it.

    ``fills`` begins with the orders in columns and ends with what each gets, in columns. ``clear``
    begins with lists, and pairs every buyer with its sellers besides.
    """
    buys, sells = a_book(MILLION)
    rules = Rules()
    columns = buy_columns(buys, 0), sell_columns(sells)
    return {
        "fills": min(cpu_s(lambda: cross(*columns, rules))[0] for _ in range(RUNS)),
        "clear": min(cpu_s(lambda: clear(buys, sells, rules))[0] for _ in range(RUNS)),
    }


def main() -> None:
    """Print what a million orders take, for a program."""
    print(json.dumps({"is_compiled": IS_COMPILED, **million_s()}))


if __name__ == "__main__":
    main()
