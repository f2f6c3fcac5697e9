"""Steps and outcomes as rows of whole numbers, which is what an order book works on."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

from wattbay.core.facts import SelfTrade
from wattbay.core.market import codes
from wattbay.core.market.codes import NONE, TERMS_WIDTH
from wattbay.core.market.columns import Column, column_of
from wattbay.core.market.steps import (
    PLAIN,
    Amend,
    Armed,
    BookPhase,
    Cancel,
    CancelAll,
    Cancelled,
    Close,
    Crossed,
    Entered,
    Moved,
    New,
    Outcome,
    Passed,
    Phase,
    Phased,
    Reduced,
    Refusal,
    Refused,
    Release,
    Released,
    Step,
    Terms,
    Time,
    Trade,
    TurnAway,
)
from wattbay.core.terms import Ended, Kind, TimeInForce
from wattbay.errors import InvariantBroken, ensure

KINDS = (Kind.LIMIT, Kind.MARKET, Kind.STOP, Kind.STOP_LIMIT)
LASTINGS = (TimeInForce.GTC, TimeInForce.GTD, TimeInForce.IOC, TimeInForce.FOK)
ENDS = (
    Ended.USER,
    Ended.IOC,
    Ended.FOK,
    Ended.NO_LIQUIDITY,
    Ended.MIN_QUANTITY,
    Ended.POST_ONLY,
    Ended.SELF_TRADE,
    Ended.EXPIRED,
    Ended.GATE_CLOSED,
    Ended.BASKET,
)
"""By code, from 1."""
REFUSALS = (
    Refusal.OFF_TICK,
    Refusal.BAD_QUANTITY,
    Refusal.PRICE_LIMIT,
    Refusal.DUPLICATE_ID,
    Refusal.UNKNOWN_ORDER,
    Refusal.ALREADY_EXPIRED,
    Refusal.GATE_CLOSED,
    Refusal.HALTED,
    Refusal.BAD_CONDITION,
)
"""By code, from 1."""
PHASES = (BookPhase.PRE_OPEN, BookPhase.OPEN, BookPhase.HALTED, BookPhase.CLOSED)
"""By code, from 1."""
RULES = (None, SelfTrade.NEWEST, SelfTrade.OLDEST, SelfTrade.BOTH, SelfTrade.DECREMENT)
"""By code, from 0."""
STEP_NAMES = MappingProxyType(
    {
        codes.NEW: "new",
        codes.AMEND: "amend",
        codes.CANCEL: "cancel",
        codes.RELEASE: "release",
        codes.TURN_AWAY: "turn_away",
    }
)
STEP_CODES = MappingProxyType({name: code for code, name in STEP_NAMES.items()})


def number_of(value: int | None) -> int:
    """Return a number that stands for a value, or for none."""
    return NONE if value is None else value


def value_of(number: int) -> int | None:
    """Return the value that a number stands for."""
    return None if number == NONE else number


# --- terms -----------------------------------------------------------------------------------


def flags_of(terms: Terms) -> int:
    """Return what terms say in flags; 0 where they say nothing."""
    if terms is PLAIN or terms == PLAIN:
        return 0
    flags = codes.HAS_TERMS | KINDS.index(terms.kind)
    if terms.time_in_force is TimeInForce.DAY:
        flags |= codes.DAY
    else:
        flags |= LASTINGS.index(terms.time_in_force) * codes.GTD
    return flags | codes.POST_ONLY if terms.post_only else flags


def row_of_terms(terms: Terms) -> tuple[int, ...]:
    """Return what terms say in numbers."""
    return (
        number_of(terms.stop),
        number_of(terms.protection),
        terms.min_quantity,
        number_of(terms.peak),
        number_of(terms.valid_from),
        number_of(terms.expires),
        terms.request,
        terms.partner,
    )


def terms_of(flags: int, rows: Column, at: int) -> Terms:
    """Return the terms that flags and a row of numbers say."""
    if not flags & codes.HAS_TERMS:
        return PLAIN
    is_day = flags & codes.DAY
    return Terms(
        kind=KINDS[flags & codes.KIND],
        time_in_force=TimeInForce.DAY if is_day else LASTINGS[(flags & codes.LASTING) >> 2],
        stop=value_of(rows[at]),
        protection=value_of(rows[at + 1]),
        min_quantity=rows[at + 2],
        post_only=flags & codes.POST_ONLY != 0,
        peak=value_of(rows[at + 3]),
        valid_from=value_of(rows[at + 4]),
        expires=value_of(rows[at + 5]),
        request=rows[at + 6],
        partner=rows[at + 7],
    )


# --- steps -----------------------------------------------------------------------------------


def pack(steps: Iterable[Step]) -> Column:
    """Return steps as rows of numbers."""
    rows: list[int] = []
    for step in steps:
        if type(step) is New:
            order, party, pool, limit, quantity, terms = step
            limit = NONE if limit is None else limit
            if terms is PLAIN:
                rows += (codes.NEW, order, party, pool, limit, quantity, 0, 0)
            else:
                flags = flags_of(terms)
                rows += (codes.NEW, order, party, pool, limit, quantity, 0, flags)
                if flags:
                    rows += row_of_terms(terms)
        elif type(step) is Cancel:
            rows += (codes.CANCEL, step.order, step.party)
        else:
            rows += _row_of(step)
    return column_of(rows)


def _row_of(step: Step) -> tuple[int, ...]:
    """Return one of the rarer steps as a row."""
    match step:
        case Amend(order, party, limit, quantity):
            return (codes.AMEND, order, party, number_of(limit), number_of(quantity))
        case Time(at):
            return (codes.TIME, at)
        case Close():
            return (codes.PHASE, codes.IN_CLOSED)
        case Phase(to):
            return (codes.PHASE, PHASES.index(to) + 1)
        case CancelAll(party):
            return (codes.CANCEL_ALL, party)
        case Release(order):
            return (codes.RELEASE, order)
        case TurnAway(name, order, reason, party, request):
            why = REFUSALS.index(reason) + 1
            return (codes.TURN_AWAY, STEP_CODES[name], order, why, party, request)
        case _:
            raise InvariantBroken("new orders and withdrawals have their rows by the short way")


# --- outcomes --------------------------------------------------------------------------------


def unpack(rows: Column) -> list[Outcome]:
    """Return the outcomes that rows say."""
    found: list[Outcome] = []
    at, end = 0, len(rows)
    while at < end:
        code = rows[at]
        if code == codes.TRADE:
            found.append(Trade(rows[at + 1], rows[at + 2], rows[at + 3], rows[at + 4]))
            at += 5
        elif code == codes.ENTERED:
            flags = rows[at + 7]
            found.append(_entered(rows, at, flags))
            at += 8 + TERMS_WIDTH if flags & codes.HAS_TERMS else 8
        elif code == codes.CANCELLED:
            found.append(Cancelled(rows[at + 1], rows[at + 2], ENDS[rows[at + 3] - 1]))
            at += 4
        else:
            at += _unpack_rare(rows, at, found)
    return found


def _entered(rows: Column, at: int, flags: int) -> Entered:
    """Return an order that came in."""
    return Entered(
        rows[at + 1],
        rows[at + 2],
        rows[at + 3],
        value_of(rows[at + 4]),
        rows[at + 5],
        terms_of(flags, rows, at + 8),
        rows[at + 6],
        flags & codes.WAITS != 0,
    )


def _unpack_rare(rows: Column, at: int, found: list[Outcome]) -> int:
    """Read one of the rarer outcomes, and return how many numbers it took."""
    code, first = rows[at], rows[at + 1]
    if code == codes.REFUSED:
        why = REFUSALS[rows[at + 3] - 1]
        found.append(Refused(STEP_NAMES[first], rows[at + 2], why, rows[at + 4], rows[at + 5]))
        return 6
    if code == codes.MOVED:
        found.append(Moved(first, value_of(rows[at + 2]), rows[at + 3], rows[at + 4]))
        return 5
    if code == codes.CROSSED:
        found.append(Crossed(first, rows[at + 2], rows[at + 3], rows[at + 4]))
        return 5
    if code == codes.REDUCED:
        found.append(Reduced(first, rows[at + 2]))
        return 3
    if code == codes.RELEASED:
        found.append(Released(first, rows[at + 2]))
        return 3
    if code == codes.ARMED:
        found.append(Armed(first))
    elif code == codes.PASSED:
        found.append(Passed(first))
    else:
        ensure(code == codes.PHASED, "outcomes are rows that begin with a code")
        found.append(Phased(PHASES[first - 1]))
    return 2


def pack_outcomes(outcomes: Iterable[Outcome]) -> Column:
    """Return outcomes as rows of numbers."""
    rows: list[int] = []
    for outcome in outcomes:
        rows += _row_of_outcome(outcome)
    return column_of(rows)


def _row_of_outcome(outcome: Outcome) -> tuple[int, ...]:
    """Return an outcome as a row."""
    match outcome:
        case Trade():
            return (codes.TRADE, *outcome)
        case Entered(order, party, pool, limit, quantity, terms, rests, waits):
            flags = flags_of(terms)
            row = row_of_terms(terms) if flags else ()
            flags |= codes.WAITS if waits else 0
            limit = number_of(limit)
            return (codes.ENTERED, order, party, pool, limit, quantity, rests, flags, *row)
        case Cancelled(order, quantity, reason):
            return (codes.CANCELLED, order, quantity, ENDS.index(reason) + 1)
        case Refused(name, order, why, party, request):
            reason_code = REFUSALS.index(why) + 1
            return (codes.REFUSED, STEP_CODES[name], order, reason_code, party, request)
        case Moved(order, limit, quantity, rests):
            return (codes.MOVED, order, number_of(limit), quantity, rests)
        case Crossed():
            return (codes.CROSSED, *outcome)
        case Reduced():
            return (codes.REDUCED, *outcome)
        case Released():
            return (codes.RELEASED, *outcome)
        case Armed(order):
            return (codes.ARMED, order)
        case Passed(at):
            return (codes.PASSED, at)
        case Phased(to):
            return (codes.PHASED, PHASES.index(to) + 1)
