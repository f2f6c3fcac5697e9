"""Towns whose market operator brings the results, and the results that it brings."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from tests.builders import ISP_US, MIDNIGHT, a_party, a_product, a_town
from tests.play import Play, with_runs
from wattbay.core import commands as c
from wattbay.core.commands import AllocatedTrade, SubmittedTrade
from wattbay.core.facts import Deviations, Mechanism, Product, Role
from wattbay.core.market.submitted import mean_price
from wattbay.ids import OrderId, PartyId, PodId, ProductId
from wattbay.periods import HOUR, MINUTE, Instant

PRODUCT = ProductId("halfhour")
OPERATOR = PartyId("operator")
GATE = Instant(MIDNIGHT - HOUR)
CLEARS_AT = Instant(GATE + 10 * MINUTE)
OVER = Instant(MIDNIGHT + ISP_US)


def a_submitted_product(rule: str = "huang") -> Product:
    return structs.replace(
        a_product(), mechanism=Mechanism.SUBMITTED, rule=rule, clearing_us=10 * MINUTE
    )


def a_community_product(rule: str = "mid_market") -> Product:
    return structs.replace(
        a_product(),
        mechanism=Mechanism.COMMUNITY,
        rule=rule,
        deviations=Deviations.INDIVIDUAL,
    )


def a_market(product: Product, *, pods: int = 4, deliveries: int = 2) -> Play:
    """Return a town with a market operator and a grid operator; its product has one day."""
    roles = {"operator": Role.MARKET_OPERATOR, "dso": Role.GRID_OPERATOR}
    return Play(
        [
            *with_runs(
                a_town(pods, product=product, deliveries=deliveries), first=HOUR, last=HOUR * 5
            ),
            *(c.RegisterParty(party=a_party(name, roles=(role,))) for name, role in roles.items()),
        ]
    )


def a_trade(
    buy: int = 1, sell: int = 2, wh: int = 100, pays: int = 100_000, gets: int | None = None
) -> SubmittedTrade:
    return SubmittedTrade(
        delivery=MIDNIGHT,
        buy_order=OrderId(buy),
        sell_order=OrderId(sell),
        quantity_wh=wh,
        buy_price=pays,
        sell_price=pays if gets is None else gets,
    )


def a_result(*trades: SubmittedTrade, rule: str = "huang") -> c.SubmitClearing:
    return c.SubmitClearing(
        operator=OPERATOR,
        product=PRODUCT,
        delivery=MIDNIGHT,
        rule=rule,
        prices=(mean_price(trades),),
        trades=trades,
    )


def a_share(
    buyer: str = "h01",
    seller: str = "h02",
    wh: int = 100,
    pays: int = 90_000,
    gets: int | None = None,
) -> AllocatedTrade:
    return AllocatedTrade(
        buyer=PodId(buyer),
        seller=PodId(seller),
        quantity_wh=wh,
        buy_price=pays,
        sell_price=pays if gets is None else gets,
    )


def an_allocation(*trades: AllocatedTrade, rule: str = "mid_market") -> c.SubmitAllocation:
    return c.SubmitAllocation(
        operator=OPERATOR, product=PRODUCT, delivery=MIDNIGHT, rule=rule, trades=trades
    )


def metered(play: Play, energies: Sequence[tuple[int, int]]) -> Play:
    """Let the first delivery be over, with so much import and export of each pod. [Wh]"""
    for number in range(1, len(energies) + 1):
        play.read(f"m-h{number:02d}", MIDNIGHT, 0, 0)
    for number, (drawn, injected) in enumerate(energies, 1):
        play.read(f"m-h{number:02d}", OVER, drawn, injected)
    return play
