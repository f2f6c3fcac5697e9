"""What a product may say of how it is traded."""

from __future__ import annotations

import pytest

from tests.builders import a_town
from tests.continuous import a_continuous
from tests.play import Play, reason
from wattbay.core.commands import DefineProduct
from wattbay.core.facts import LocalFee, Mechanism, SelfTrade
from wattbay.core.products import FEES_MAX
from wattbay.core.reasons import Reason
from wattbay.ids import ProductId, ZoneId
from wattbay.periods import DAY, HOUR, MINUTE


def a_fee(nano: int = 1_000, start: str = "z1", end: str = "z1") -> LocalFee:
    return LocalFee(from_zone=ZoneId(start), to_zone=ZoneId(end), nano_per_wh=nano)


@pytest.mark.parametrize(
    "changed",
    [
        {"position_max_wh": 0},
        {"opening_before_us": HOUR},
        {"opening_before_us": 2 * DAY + 1},
        {"network_fees": (a_fee(-10),)},
        {"network_fees": (a_fee(1_005),)},
        {"network_fees": (a_fee(), a_fee(20))},
        {"network_fees": (a_fee(start="no zone"),)},
        {"network_fees": (a_fee(),), "network_fee": 10},
        {"network_fees": tuple(a_fee(end=f"z{n}") for n in range(FEES_MAX + 1))},
        {"mechanism": Mechanism.CALL_AUCTION, "self_trade": SelfTrade.BOTH},
        {"mechanism": Mechanism.CALL_AUCTION, "opening_before_us": 2 * HOUR},
        {"mechanism": Mechanism.BILATERAL, "network_fees": (a_fee(),)},
    ],
)
def test_a_product_that_cannot_be_traded_so_is_refused(changed: dict[str, object]) -> None:
    product = a_continuous(product=ProductId("other"), **changed)
    assert reason(Play(a_town()).submit(DefineProduct(product=product))) is Reason.BAD_VALUE


def test_a_continuous_product_names_all_that_it_may() -> None:
    product = a_continuous(
        product=ProductId("other"),
        position_max_wh=1_000,
        opening_before_us=HOUR + MINUTE,
        self_trade=SelfTrade.NEWEST,
        network_fees=(a_fee(), a_fee(2_000, end="z2")),
    )
    Play(a_town()).do(DefineProduct(product=product))
