"""All that a book remembers, as one list of whole numbers, and back."""

from __future__ import annotations

from wattbay.core.market.codes import (
    ARRIVAL,
    BORN,
    EXPIRES,
    EXTRA_WIDTH,
    FLAGS,
    HAS_TERMS,
    KEY,
    LEVEL,
    LINED,
    NONE,
    NUMBER,
    OPEN,
    ORDER_SHIFT,
    PARTNER,
    PARTY,
    PEAK,
    POOL,
    SHOWN,
    STATE,
    TOTAL,
)
from wattbay.core.market.columns import Int
from wattbay.core.market.levels import Pool, Queues
from wattbay.core.market.standing import Standing
from wattbay.errors import ensure

FORM = 1
"""Of the list; another one, if what it says ever changes."""
FIELDS = 12
"""Of an order, before what its terms say besides."""


def dump(standing: Standing) -> list[int]:
    """Return what stands. It says nothing of how it came so, nor of places in memory."""
    standing.catch_up()
    queues = standing.queues
    found: list[int] = [FORM, standing.now, standing.last, standing.phase]
    found += [len(queues.buys), len(queues.sells)]
    for pool in queues.buys:
        found.append(len(pool.others))
        links = [(-pool.others[place], pool.fees[place]) for place in range(len(pool.others))]
        for other, fee in sorted(links):
            found += [-other, fee]
    found.append(len(standing.requests))
    for party, request in sorted(standing.requests):
        found += [party, request]
    _dump_orders(queues, found)
    line = standing.waiting.line(queues)
    found.append(len(line))
    found += [queues.orders[order + NUMBER] for order in line]
    return found


def _dump_orders(queues: Queues, found: list[int]) -> None:
    """Say the orders that live: by arrival, each with its place by birth."""
    orders, extras = queues.orders, queues.extras
    births = {order: place for place, order in enumerate(queues.living())}
    found.append(len(births))
    for order in sorted(births, key=lambda order: orders[order + ARRIVAL]):
        found += [orders[order + place] for place in (NUMBER, PARTY, POOL, KEY, OPEN, TOTAL)]
        shown = orders[order + SHOWN] if orders[order + LEVEL] else 0
        found += [shown, orders[order + PEAK], orders[order + FLAGS], orders[order + PARTNER]]
        found += [orders[order + STATE], births[order]]
        if orders[order + FLAGS] & HAS_TERMS:
            extra = order >> ORDER_SHIFT
            found += [extras[extra + place] for place in range(EXTRA_WIDTH)]


def load(numbers: list[int]) -> Standing:
    """Return what stands, as `dump` said it."""
    ensure(numbers[0] == FORM, "the form of the list is known")
    standing = Standing()
    queues = standing.queues
    standing.now, standing.last, standing.phase = numbers[1], numbers[2], numbers[3]
    queues.set_pools(
        [Pool(place + 1) for place in range(numbers[4])],
        [Pool(-place - 1) for place in range(numbers[5])],
    )
    at = 6
    for pool in queues.buys:
        count = numbers[at]
        for place in range(at + 1, at + 1 + 2 * count, 2):
            queues.link(pool.number, numbers[place], numbers[place + 1])
        at += 1 + 2 * count
    count = numbers[at]
    for place in range(at + 1, at + 1 + 2 * count, 2):
        standing.requests.add((numbers[place], numbers[place + 1]))
    at = _load_orders(standing, numbers, at + 1 + 2 * count)
    for number in numbers[at + 1 :]:
        standing.waiting.file(queues, standing.find(number))
    ensure(len(numbers) == at + 1 + numbers[at], "the list ends with those in line")
    return standing


def _load_orders(standing: Standing, numbers: list[int], at: int) -> int:
    """Take in the orders, and return where the list goes on."""
    queues = standing.queues
    count = numbers[at]
    at += 1
    for _ in range(count):
        flags = numbers[at + 8]
        _load_order(standing, numbers[at : at + FIELDS + EXTRA_WIDTH])
        at += FIELDS + (EXTRA_WIDTH if flags & HAS_TERMS else 0)
    # Instants and stops are in line by when an order came; births are known only now.
    orders, extras = queues.orders, queues.extras
    for order in sorted(queues.where.values(), key=lambda order: orders[order + ARRIVAL]):
        if orders[order + STATE] and orders[order + STATE] != LINED:
            standing.waiting.file(queues, order)
        has_terms = orders[order + FLAGS] & HAS_TERMS
        if has_terms and extras[(order >> ORDER_SHIFT) + EXPIRES] != NONE:
            standing.waiting.expire(queues, order)
    return at


def _load_order(standing: Standing, row: list[int]) -> None:
    """Take in an order that lives."""
    queues = standing.queues
    number, party, pool, key, left, total = row[:6]
    shown, peak, flags, partner, state, birth = row[6:FIELDS]
    order: Int = queues.add(number, party, pool, key, flags)
    orders = queues.orders
    orders[order + TOTAL] = total
    orders[order + PEAK] = peak
    orders[order + PARTNER] = partner
    orders[order + STATE] = state
    queues.partnered += partner != 0
    orders[order + OPEN] = left
    if state == 0:
        queues.push(order)
        orders[order + SHOWN] = shown
    # Births are told from 1; those of orders to come are later, since each came in once.
    orders[order + BORN] = birth + 1
    if flags & HAS_TERMS:
        for place in range(EXTRA_WIDTH):
            queues.extras[(order >> ORDER_SHIFT) + place] = row[FIELDS + place]
