"""The numbers that stand for words in the columns of an order book.

Steps and outcomes are rows of whole numbers: first the code of what it is, then its fields. A code
never gets another meaning, for such rows may be kept.
"""

from __future__ import annotations

from typing import Final

NONE: Final = -(2**62)
"""No number: outside of all prices, quantities and instants."""
ANY_PRICE: Final = 2**62
"""The key of an order that names no limit: it crosses with every other."""
VALUE_MAX: Final = 2**53 - 1
"""Prices and quantities lie within plus and minus this."""
OPEN_MAX: Final = 2**61
"""What is open on a side is at most this when a large order comes in, …"""
LARGE: Final = 2**38
"""… which is one of more than this: as many orders as a book can hold come to 2**60 without it."""

# --- rows of steps: code, then fields --------------------------------------------------------

NEW: Final = 1  # order, party, pool, limit, quantity, 0, flags (then terms, if flags say so)
AMEND: Final = 2  # order, party, limit or NONE, quantity or NONE
CANCEL: Final = 3  # order, party
TIME: Final = 4  # at
PHASE: Final = 5  # to
CANCEL_ALL: Final = 6  # party
TURN_AWAY: Final = 7  # step, order, reason, party, request
RELEASE: Final = 8  # order

NEW_WIDTH: Final = 8
TERMS_WIDTH: Final = (
    8  # stop, protection, min_quantity, peak, valid_from, expires, request, partner
)

# --- rows of outcomes ------------------------------------------------------------------------

ENTERED: Final = 11  # order, party, pool, limit, quantity, rests, flags (terms may follow)
TRADE: Final = 12  # maker, taker, price, quantity
CROSSED: Final = 13  # buy, sell, price, quantity
MOVED: Final = 14  # order, limit or NONE, quantity, rests
REDUCED: Final = 15  # order, quantity
RELEASED: Final = 16  # order, rests
ARMED: Final = 17  # order
CANCELLED: Final = 18  # order, quantity, reason
REFUSED: Final = 19  # step, order, reason, party, request
PASSED: Final = 20  # at
PHASED: Final = 21  # to

# --- flags of an order -----------------------------------------------------------------------

KIND: Final = 3
LIMIT: Final = 0
MARKET: Final = 1
STOP: Final = 2
STOP_LIMIT: Final = 3

LASTING: Final = 12
GTC: Final = 0
GTD: Final = 4
IOC: Final = 8
FOK: Final = 12

POST_ONLY: Final = 16
WAITS: Final = 32
HAS_TERMS: Final = 64
DAY: Final = 128
"""Until the end of a day: the caller says which instant that is, so here it is contradictory."""

# --- why a step is refused, and why open quantity left unfilled -------------------------------

OFF_TICK: Final = 1
BAD_QUANTITY: Final = 2
PRICE_LIMIT: Final = 3
DUPLICATE_ID: Final = 4
UNKNOWN_ORDER: Final = 5
ALREADY_EXPIRED: Final = 6
GATE_CLOSED: Final = 7
HALTED: Final = 8
BAD_CONDITION: Final = 9

BY_USER: Final = 1
BY_IOC: Final = 2
BY_FOK: Final = 3
BY_NO_LIQUIDITY: Final = 4
BY_MIN_QUANTITY: Final = 5
BY_POST_ONLY: Final = 6
BY_SELF_TRADE: Final = 7
BY_EXPIRY: Final = 8
BY_GATE_CLOSURE: Final = 9
BY_BASKET: Final = 10

# --- phases, and who gives way ----------------------------------------------------------------

IN_PRE_OPEN: Final = 1
IN_OPEN: Final = 2
IN_HALT: Final = 3
IN_CLOSED: Final = 4

NOBODY: Final = 0
NEWEST: Final = 1
OLDEST: Final = 2
BOTH: Final = 3
DECREMENT: Final = 4

# --- rows of orders that live: places of their fields ------------------------------------------

NUMBER: Final = 0
PARTY: Final = 1
POOL: Final = 2
KEY: Final = 3
OPEN: Final = 4
SHOWN: Final = 5
LATER: Final = 6
EARLIER: Final = 7
LEVEL: Final = 8
TOTAL: Final = 9
ARRIVAL: Final = 10
BORN: Final = 11
PEAK: Final = 12
FLAGS: Final = 13
PARTNER: Final = 14
STATE: Final = 15
ORDER_WIDTH: Final = 16
ORDER_SHIFT: Final = 2
"""What else orders with terms say stands in rows a quarter as wide, beside."""
STOP_AT: Final = 0
LEAST: Final = 1
VALID_FROM: Final = 2
EXPIRES: Final = 3
EXTRA_WIDTH: Final = 4

SLEEPS: Final = 1
"""Until it is valid."""
STOPS: Final = 2
"""Until its stop is reached."""
LINED: Final = 3
"""Its stop was reached, and it has not acted yet."""

# --- rows of levels ----------------------------------------------------------------------------

HEAD: Final = 0
TAIL: Final = 1
LEVEL_KEY: Final = 2
LEVEL_WIDTH: Final = 4
