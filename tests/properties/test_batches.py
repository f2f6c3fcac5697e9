"""How orders are cut into batches changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from tests.batches import PODS, Step, a_batch
from tests.builders import MIDNIGHT, an_order
from tests.continuous import a_continuous, check_books, founding
from tests.play import Play
from wattbay.core import commands as c
from wattbay.core.batches import AMEND, CANCEL, NEW, NEW_IOC, OrdersEntered
from wattbay.core.entered import told
from wattbay.core.events import Event
from wattbay.core.exchange import Exchange
from wattbay.core.facts import Product, SelfTrade, Side
from wattbay.core.market.venue import book_to_numbers
from wattbay.core.terms import Kind, OrderTerms, TimeInForce
from wattbay.ids import PartyId
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.journal import MemoryJournal
from wattbay.kernel.kernel import Kernel
from wattbay.kernel.replay import rebuild, snapshot, state_digest, verify
from wattbay.periods import HOUR, Instant

STEPS_MAX = 40

quantities = st.integers(0, 9).map(lambda n: 10 * n)
limits = st.integers(8, 13).map(lambda n: 10_000 * n)
places = st.integers(0, len(PODS) - 1)
orders = st.integers(1, 30)
steps = st.one_of(
    st.builds(
        Step,
        st.sampled_from((NEW, NEW, NEW, NEW_IOC)),
        places,
        st.just(0),
        st.sampled_from((1, -1)),
        limits,
        quantities,
    ),
    st.builds(Step, st.just(AMEND), places, orders, st.just(0), limits, quantities),
    st.builds(Step, st.just(CANCEL), places, orders, st.just(0), st.just(0), st.just(0)),
)
terms = st.one_of(
    st.none(),
    st.builds(OrderTerms, peak_wh=st.just(10)),
    st.builds(OrderTerms, kind=st.just(Kind.STOP_LIMIT), stop=limits),
    st.builds(OrderTerms, partner=st.just(PartyId("p01"))),
    st.builds(OrderTerms, is_local=st.just(True)),
    st.builds(OrderTerms, time_in_force=st.just(TimeInForce.DAY)),
)


@st.composite
def beginnings(draw: st.DrawFn) -> list[c.PlaceOrder]:
    """Return orders of any kind, that stand before the batches come."""
    return [
        structs.replace(
            an_order(
                draw(st.sampled_from(PODS)),
                side=draw(st.sampled_from(Side)),
                quantity_wh=draw(quantities),
                limit=draw(limits),
            ),
            terms=draw(terms),
        )
        for _ in range(draw(st.integers(0, 6)))
    ]


products = st.builds(
    lambda changed: a_continuous(**changed),
    st.fixed_dictionaries(
        {},
        optional={
            "self_trade": st.sampled_from(SelfTrade),
            "position_max_wh": st.just(120),
            "orders_per_pod_max": st.just(3),
            "network_fee": st.just(500),
        },
    ),
)
cuts = st.lists(st.integers(1, 12), min_size=1, max_size=8)


def a_play(product: Product, before: Sequence[c.PlaceOrder], credit_nano: int) -> Play:
    """Return a street in which some orders stand, and a party has little to put at risk."""
    play = Play(
        [
            structs.replace(
                command, party=structs.replace(command.party, credit_limit_nano=credit_nano)
            )
            if isinstance(command, c.RegisterParty) and command.party.party == "p02"
            else command
            for command in founding(product)
        ]
    )
    for command in before:
        play.submit(command)
        play.until(play.at)
    return play


def singly(play: Play, sequence: Sequence[Step]) -> None:
    """Enter steps as single commands, with what follows from each."""
    for step in sequence:
        play.submit(step.command())
        play.until(play.at)


def in_batches(play: Play, sequence: Sequence[Step], sizes: Sequence[int]) -> None:
    """Enter steps in batches of some sizes, over and over; what is cut off goes again."""
    left, turn = list(sequence), 0
    while left:
        entered = play.do(a_batch(left[: sizes[turn % len(sizes)]]))[0]
        assert isinstance(entered, OrdersEntered)
        del left[: entered.steps]
        play.until(play.at)
        turn += 1


def state_of(exchange: Exchange) -> object:
    """Return all that an exchange is; the order of mappings does not count."""
    state = msgspec.msgpack.encode(exchange.state, enc_hook=book_to_numbers)
    return msgspec.msgpack.decode(state, strict=False)


def history(play: Play) -> list[Event]:
    """Return what happened, event by event."""
    return list(told(play.history))


@settings(max_examples=60, deadline=None)
@given(
    products,
    beginnings(),
    st.lists(steps, min_size=1, max_size=STEPS_MAX),
    cuts,
    st.sampled_from((3_000_000, 10**9)),
)
def test_how_orders_are_cut_into_batches_changes_nothing(
    product: Product,
    before: list[c.PlaceOrder],
    sequence: list[Step],
    sizes: list[int],
    credit_nano: int,
) -> None:
    one, whole, cut = (a_play(product, before, credit_nano) for _ in range(3))

    singly(one, sequence)
    in_batches(whole, sequence, [STEPS_MAX])
    in_batches(cut, sequence, sizes)

    for play in (whole, cut):
        assert history(play) == history(one)
        assert state_of(play.exchange) == state_of(one.exchange)
        check_books(play)
    for play in (one, whole, cut):
        play.until(MIDNIGHT + 200 * HOUR)
    assert state_of(whole.exchange) == state_of(one.exchange)
    assert history(whole) == history(one)


@settings(max_examples=20, deadline=None)
@given(products, beginnings(), st.lists(steps, min_size=1, max_size=STEPS_MAX), cuts)
def test_history_in_batches_is_verified_and_replayed_from_any_snapshot(
    product: Product, before: list[c.PlaceOrder], sequence: list[Step], sizes: list[int]
) -> None:
    play = a_play(product, before, 10**9)
    in_batches(play, sequence, sizes)
    journal = MemoryJournal()
    kernel = Kernel(journal, SimulatedClock(Instant(play.at)))
    commands = [entry.command for entry in play.entries if not is_due(entry.command)]

    taken = []
    for command in commands:
        kernel.submit(command)
        taken.append(snapshot(kernel.exchange, journal.last_seq, journal.head))

    assert state_digest(rebuild(journal)) == state_digest(kernel.exchange)
    assert verify(journal).entries == journal.last_seq
    middle = taken[len(taken) // 2]
    assert state_digest(rebuild(journal, snapshot=middle)) == state_digest(kernel.exchange)


def is_due(command: c.Command) -> bool:
    """Tell whether the clock asks for a command."""
    return isinstance(command, c.ReleaseOrder | c.ExpireOrder | c.CloseGate)
