"""What commands cause is done before anybody is answered, in the same write."""

from __future__ import annotations

from tests.builders import EVE, MIDNIGHT, CountedJournal, a_kernel, entries_of
from tests.continuous import HALF_HOUR, buy, founding, sell
from wattbay.core import commands as c
from wattbay.core.terms import Kind, OrderTerms
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.kernel import Kernel
from wattbay.kernel.replay import rebuild, restore, snapshot, state_digest, verify

STOP = OrderTerms(kind=Kind.STOP, stop=100_000)
OFFERS = (sell("h02", 100, 100_000), sell("h03", 100, 110_000))


def test_stops_that_a_batch_reaches_act_within_its_write() -> None:
    journal = CountedJournal()
    kernel = a_kernel(*founding(), journal=journal)
    commands = [buy("h01", 50, None, STOP), *OFFERS, buy("h04", 100, 100_000)]
    answers = kernel.submit_many(commands)
    last = entries_of(journal)[-1]
    assert isinstance(last.command, c.ReleaseOrder)
    assert (last.seq, last.at) == (answers[-1].seq + 1, EVE)
    assert journal.sizes[-1] == len(commands) + 1


def test_a_stop_acts_before_the_next_command_of_its_batch() -> None:
    kernel = a_kernel(*founding())
    commands = [buy("h01", 50, None, STOP), *OFFERS, buy("h04", 100, 100_000)]
    *_, bought, late = kernel.submit_many([*commands, buy("h04", 100, 110_000)])
    assert late.seq == bought.seq + 2
    traded = late.events[1]
    assert getattr(traded, "quantity_wh", 0) == 50


def test_a_kernel_is_taken_up_with_its_books_open() -> None:
    journal = CountedJournal()
    kernel = a_kernel(*founding(), journal=journal)
    kernel.submit_many([buy("h01", 50, None, STOP), *OFFERS])
    taken = restore(snapshot(kernel.exchange, journal.last_seq, journal.head))
    again = Kernel(journal, SimulatedClock(EVE), exchange=taken.exchange)
    again.submit(buy("h04", 100, 100_000))
    assert state_digest(rebuild(journal)) == state_digest(again.exchange)
    assert state_digest(verify(journal).exchange) == state_digest(again.exchange)
    venue = again.exchange.state.market.books[HALF_HOUR][MIDNIGHT].venue
    assert venue is not None
    assert venue.book.last == 110_000
