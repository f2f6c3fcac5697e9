"""Every type of order: placed by the one command, kept in a journal on disk, and replayed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec import structs

from tests.builders import (
    EVE,
    ISP_US,
    MIDNIGHT,
    a_party,
    a_product,
    a_reading,
    a_town,
    an_order,
    entries_of,
    list_deliveries,
    pod_facts,
)
from tests.house.tree import ROOT
from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.facts import LimitTerm, Mechanism, NetworkLimit, Role, Side
from wattbay.core.terms import (
    Block,
    Condition,
    ConditionKind,
    GridBalance,
    Kind,
    Leg,
    OrderTerms,
    TimeInForce,
)
from wattbay.ids import OrderId, OriginId, PartyId, PodId, ProductId, SignalId
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.journal import SqliteJournal
from wattbay.kernel.kernel import Kernel
from wattbay.kernel.replay import rebuild, restore, snapshot, state_digest, verify
from wattbay.periods import DAY, HOUR, Instant

PAGE = ROOT / "docs" / "reference" / "order-types.md"
DSO = PartyId("dso")
AUCTION, BOOK, BOARD, BLOCKS = ProductId("auction"), ProductId("book"), "board", "blocks"
LATER = Instant(MIDNIGHT + 4 * HOUR)
SUN = SignalId("sun")
GTD, DAILY = TimeInForce.GTD, TimeInForce.DAY


class Case(NamedTuple):
    """A type of order: what is asked, when, and which orders trade how much. [Wh]"""

    asked: Sequence[tuple[int, c.Command]]
    trades: Sequence[tuple[int, int, int]]
    """Buy order, sell order, energy."""


def order(
    pod: str = "h01",
    terms: OrderTerms | None = None,
    *,
    side: Side = Side.BUY,
    quantity_wh: int = 200,
    limit: int | None = 100_000,
    product: str = BOOK,
    delivery: int = LATER,
) -> c.PlaceOrder:
    plain = an_order(
        pod, side=side, quantity_wh=quantity_wh, limit=limit, product=product, delivery=delivery
    )
    return structs.replace(plain, terms=terms)


def sale(
    pod: str = "h02",
    terms: OrderTerms | None = None,
    *,
    quantity_wh: int = 200,
    limit: int | None = 100_000,
    product: str = BOOK,
    delivery: int = LATER,
) -> c.PlaceOrder:
    return order(
        pod,
        terms,
        side=Side.SELL,
        quantity_wh=quantity_wh,
        limit=limit,
        product=product,
        delivery=delivery,
    )


def signal(value: int, pod: str | None = None) -> c.GiveSignal:
    if pod is None:
        return c.GiveSignal(party=DSO, signal=SUN, value=value)
    party, name = PartyId(f"p{pod[1:]}"), SignalId("charge")
    return c.GiveSignal(party=party, signal=name, value=value, pod=PodId(pod))


def when(kind: ConditionKind, level: int, **named: object) -> OrderTerms:
    condition = Condition(kind=kind, is_at_least=True, level=level)
    return OrderTerms(condition=structs.replace(condition, **named))


def limit(pod: str) -> c.SubmitLimit:
    term = LimitTerm(pod=PodId(pod), coefficient=1)
    return c.SubmitLimit(
        operator=DSO,
        limit=NetworkLimit(
            since=MIDNIGHT, until=Instant(LATER + 1), terms=(term,), bound_wh=900, reason="N4"
        ),
    )


def block(**named: object) -> OrderTerms:
    return OrderTerms(block=structs.replace(Block(profile=(200, 200)), **named))


def at_once(*commands: c.Command) -> list[tuple[int, c.Command]]:
    return [(EVE, command) for command in commands]


LEG = Leg(delivery=Instant(LATER + ISP_US), side=Side.BUY, quantity_wh=200, limit=100_000)
ORDER_TYPES: dict[str, Case] = {
    "limit": Case(at_once(order(), sale(limit=100_010), sale()), [(1, 3, 200)]),
    "limit in an auction": Case(
        at_once(order(product=AUCTION), sale(product=AUCTION)), [(1, 2, 200)]
    ),
    "market": Case(
        at_once(sale(quantity_wh=50), order(terms=OrderTerms(kind=Kind.MARKET), limit=None)),
        [(2, 1, 50)],
    ),
    "market with protection": Case(
        at_once(
            sale(quantity_wh=50),
            sale(limit=120_000),
            order(terms=OrderTerms(kind=Kind.MARKET, protection=110_000), limit=None),
        ),
        [(3, 1, 50)],
    ),
    "market in an auction": Case(
        at_once(order(product=AUCTION, limit=None), sale(product=AUCTION)), [(1, 2, 200)]
    ),
    "immediate or cancel": Case(
        at_once(
            sale(quantity_wh=50), order(terms=OrderTerms(time_in_force=TimeInForce.IOC)), sale()
        ),
        [(2, 1, 50)],
    ),
    "fill or kill": Case(
        at_once(
            sale(quantity_wh=50), order(terms=OrderTerms(time_in_force=TimeInForce.FOK)), sale()
        ),
        [],
    ),
    "minimum quantity": Case(
        at_once(sale(quantity_wh=50), order(terms=OrderTerms(min_quantity_wh=50))), [(2, 1, 50)]
    ),
    "post only": Case(at_once(sale(), order(terms=OrderTerms(post_only=True))), []),
    "iceberg": Case(
        at_once(
            order(terms=OrderTerms(peak_wh=50)),
            order("h03", quantity_wh=100),
            sale(quantity_wh=200),
        ),
        [(1, 3, 50), (2, 3, 100), (1, 3, 50)],
    ),
    "valid from": Case(
        [
            *at_once(order(terms=OrderTerms(valid_from=Instant(EVE + HOUR))), sale()),
            (EVE + 2 * HOUR, order("h03")),
        ],
        [(1, 2, 200)],
    ),
    "good till date": Case(
        [
            *at_once(order(terms=OrderTerms(time_in_force=GTD, expires=Instant(EVE + HOUR)))),
            (EVE + HOUR, sale()),
        ],
        [],
    ),
    "day": Case(
        [
            *at_once(order(terms=OrderTerms(time_in_force=DAILY))),
            *at_once(order("h03")),
            (MIDNIGHT, sale(quantity_wh=400)),
        ],
        [(2, 3, 200)],
    ),
    "until gate closure": Case([*at_once(order()), (LATER - HOUR - 1, sale())], [(1, 2, 200)]),
    "valid from in an auction": Case(
        at_once(
            order(terms=OrderTerms(valid_from=Instant(EVE + HOUR)), product=AUCTION),
            sale(product=AUCTION),
        ),
        [(1, 2, 200)],
    ),
    "good till date in an auction": Case(
        at_once(
            order(
                terms=OrderTerms(time_in_force=GTD, expires=Instant(LATER - HOUR)),
                product=AUCTION,
            ),
            sale(product=AUCTION),
        ),
        [],
    ),
    "stop": Case(
        at_once(
            order(terms=OrderTerms(kind=Kind.STOP, stop=100_000), limit=None),
            order("h03"),
            sale(quantity_wh=300),
        ),
        [(2, 3, 200), (1, 3, 100)],
    ),
    "stop limit": Case(
        at_once(
            order(terms=OrderTerms(kind=Kind.STOP_LIMIT, stop=100_000)),
            order("h03"),
            sale(quantity_wh=300),
        ),
        [(2, 3, 200), (1, 3, 100)],
    ),
    "conditional on a clearing price": Case(
        at_once(
            order(
                terms=when(ConditionKind.CLEARING_PRICE, 90_000, product=AUCTION, delivery=MIDNIGHT)
            ),
            sale(),
            order("h03", product=AUCTION, delivery=MIDNIGHT),
            sale(product=AUCTION, delivery=MIDNIGHT, limit=90_000),
        ),
        [(3, 4, 200), (1, 2, 200)],
    ),
    "conditional on own surplus": Case(
        [
            *at_once(
                order(),
                sale("h02", when(ConditionKind.SURPLUS, 300, delivery=MIDNIGHT)),
            ),
            (MIDNIGHT, a_reading("m-h02", measured_at=MIDNIGHT)),
            (
                MIDNIGHT + ISP_US,
                a_reading("m-h02", seq=2, measured_at=MIDNIGHT + ISP_US, export_register=400),
            ),
        ],
        [(1, 2, 200)],
    ),
    "conditional on own charge": Case(
        at_once(order(), sale("h02", when(ConditionKind.CHARGE, 5_000)), signal(5_000, "h02")),
        [(1, 2, 200)],
    ),
    "conditional on a grid signal": Case(
        at_once(order(terms=when(ConditionKind.SIGNAL, 1, signal=SUN)), sale(), signal(1)),
        [(1, 2, 200)],
    ),
    "conditional in an auction": Case(
        at_once(
            order(terms=when(ConditionKind.SIGNAL, 1, signal=SUN), product=AUCTION),
            order("h03", when(ConditionKind.SIGNAL, 2, signal=SUN), product=AUCTION),
            sale(product=AUCTION, quantity_wh=400),
            signal(1),
        ),
        [(1, 3, 200)],
    ),
    "grid-balanced, keeps": Case(
        at_once(sale("h02", OrderTerms(grid=GridBalance.KEEPS)), limit("h02"), order()), []
    ),
    "grid-balanced, relieves": Case(
        at_once(
            limit("h03"), limit("h01"), order(terms=OrderTerms(grid=GridBalance.RELIEVES)), sale()
        ),
        [(1, 2, 200)],
    ),
    "grid-balanced, released": Case(
        at_once(
            order(terms=OrderTerms(grid=GridBalance.RELIEVES)), limit("h03"), sale(), limit("h01")
        ),
        [(1, 2, 200)],
    ),
    "grid-balanced without limits": Case(
        at_once(order(terms=OrderTerms(grid=GridBalance.KEEPS)), sale()), [(1, 2, 200)]
    ),
    "grid-balanced in an auction": Case(
        at_once(
            order(terms=OrderTerms(grid=GridBalance.KEEPS), product=AUCTION),
            sale("h02", OrderTerms(grid=GridBalance.KEEPS), product=AUCTION),
            sale("h03", product=AUCTION),
            limit("h02"),
        ),
        [(1, 3, 200)],
    ),
    "basket": Case(
        at_once(
            sale(),
            sale(delivery=LEG.delivery),
            order(terms=OrderTerms(time_in_force=TimeInForce.FOK, legs=(LEG,))),
        ),
        [(3, 1, 200), (4, 2, 200)],
    ),
    "block": Case(at_once(order(terms=block(), product=BLOCKS)), []),
    "block in a group": Case(
        at_once(
            order(terms=block(group="either"), product=BLOCKS),
            order(terms=block(group="either"), product=BLOCKS),
        ),
        [],
    ),
    "linked block": Case(
        at_once(
            order(terms=block(), product=BLOCKS),
            order(terms=block(parent=OrderId(1)), product=BLOCKS),
        ),
        [],
    ),
    "block with a least share": Case(
        at_once(order(terms=block(min_ratio_ppm=500_000), product=BLOCKS)), []
    ),
    "origin": Case(
        at_once(
            sale(limit=90_000),
            sale("h03", OrderTerms(origin=OriginId("solar/pv"))),
            order(terms=OrderTerms(wants=OriginId("solar"))),
        ),
        [(3, 2, 200)],
    ),
    "local": Case(
        at_once(sale("h04", limit=90_000), sale(), order(terms=OrderTerms(is_local=True))),
        [(3, 2, 200)],
    ),
    "named partner": Case(
        at_once(sale(limit=90_000), sale("h03"), order(terms=OrderTerms(partner=PartyId("p03")))),
        [(3, 2, 200)],
    ),
    "bilateral offer": Case(
        at_once(
            sale(product=BOARD),
            c.TakeOffer(order=OrderId(1), pod=PodId("h03"), quantity_wh=150),
        ),
        [(2, 1, 150)],
    ),
    "bilateral offer to a named partner": Case(
        at_once(
            sale("h02", OrderTerms(partner=PartyId("p03"), min_quantity_wh=100), product=BOARD),
            c.TakeOffer(order=OrderId(1), pod=PodId("h01"), quantity_wh=150),
            c.TakeOffer(order=OrderId(1), pod=PodId("h03"), quantity_wh=100),
        ),
        [(2, 1, 100)],
    ),
    "amended and cancelled": Case(
        at_once(
            order(),
            c.AmendOrder(order=OrderId(1), pod=PodId("h01"), quantity_wh=100, limit=110_000),
            order("h03"),
            c.CancelOrder(order=OrderId(2), pod=PodId("h03")),
            sale(),
        ),
        [(1, 3, 100)],
    ),
}


def founding() -> list[c.Command]:
    """Return the commands that found a town with a product for each way to trade."""
    plain = a_product()
    blocks = structs.replace(
        plain,
        product=ProductId(BLOCKS),
        mechanism=Mechanism.SUBMITTED,
        rule="block_auction",
        clearing_us=HOUR // 2,
    )
    products = [
        structs.replace(plain, product=AUCTION),
        structs.replace(plain, product=BOOK, mechanism=Mechanism.CONTINUOUS),
        structs.replace(plain, product=ProductId(BOARD), mechanism=Mechanism.BILATERAL),
        blocks,
    ]
    town = a_town(4, product=products[0])
    far = structs.replace(pod_facts("h04", party="p04"), zone="z2")
    return [
        *(
            structs.replace(one, facts=far)
            if isinstance(one, c.RegisterPod) and one.facts.pod == "h04"
            else one
            for one in town
        ),
        c.RegisterParty(party=a_party(DSO, roles=(Role.GRID_OPERATOR,))),
        *(c.DefineProduct(product=product) for product in products[1:]),
        *(list_deliveries(product=product.product) for product in products[1:]),
    ]


@pytest.mark.parametrize("name", ORDER_TYPES)
def test_order_type_goes_through_the_journal_and_is_replayed(name: str, tmp_path: Path) -> None:
    asked, trades = ORDER_TYPES[name]
    journal, clock = SqliteJournal(tmp_path / "journal.sqlite"), SimulatedClock(EVE)
    kernel = Kernel(journal, clock)
    kernel.submit_many(founding())
    half = len(asked) // 2
    for at, command in asked[:half]:
        kernel.advance(Instant(at))
        kernel.submit(command)
    # A snapshot in between, and all that follows it, come to the same.
    seq, _, head = list(journal.rows())[-1]
    between = snapshot(kernel.exchange, seq, head)
    assert state_digest(restore(between).exchange) == state_digest(kernel.exchange)
    for at, command in asked[half:]:
        kernel.advance(Instant(at))
        kernel.submit(command)
    kernel.advance(Instant(LATER))
    events = [event for entry in entries_of(journal) for event in entry.events]
    found = [
        (one.buy_order, one.sell_order, one.quantity_wh)
        for one in events
        if isinstance(one, e.Traded)
    ]
    assert found == list(trades)
    digest = state_digest(kernel.exchange)
    assert state_digest(rebuild(journal)) == digest
    assert state_digest(rebuild(journal, snapshot=between)) == digest
    assert state_digest(verify(journal).exchange) == digest
    journal.close()


def test_nothing_is_held_for_orders_once_all_gates_are_closed(tmp_path: Path) -> None:
    journal, clock = SqliteJournal(tmp_path / "journal.sqlite"), SimulatedClock(EVE)
    kernel = Kernel(journal, clock)
    kernel.submit_many(founding())
    asked = [step for case in ORDER_TYPES.values() for step in case.asked]
    for at, command in sorted(asked, key=lambda step: step[0]):
        kernel.advance(Instant(at))
        kernel.submit(command)
    kernel.advance(Instant(MIDNIGHT + DAY))
    state = kernel.exchange.state
    sellers = {
        name: held
        for delivery in state.deliveries.open.values()
        for name, held in delivery.holds.items()
    }
    assert set(state.ledger.held) <= set(sellers)
    assert state.market.places == {}
    assert state.market.standby.orders == {}
    assert state_digest(rebuild(journal)) == state_digest(kernel.exchange)
    journal.close()


def rows() -> list[list[str]]:
    """Return the rows of the page's tables that name a case."""
    found = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 5 and cells[0] not in {"name in designs", "---"}:
            found.append(cells)
    return found


def test_page_of_order_types_names_every_case_and_none_besides() -> None:
    assert {row[3] for row in rows()} == set(ORDER_TYPES)


def test_page_of_order_types_names_vectors_that_are_there() -> None:
    vectors = [row[4].strip("`") for row in rows() if row[4].startswith("`")]
    assert len(vectors) >= len(rows()) - 2
    missing = [name for name in vectors if not (ROOT / f"tests/vectors/{name}.json").exists()]
    assert missing == []
