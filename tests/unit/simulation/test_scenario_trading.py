"""Scenario files that trade continuously: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from wattbay.core.facts import LocalFee, Mechanism, SelfTrade
from wattbay.errors import ConfigError
from wattbay.ids import ZoneId
from wattbay.periods import MINUTE
from wattbay.simulation.scenario import PACKAGED, load_scenario
from wattbay.simulation.scenario_facts import Scenario

CONTINUOUS = 'mechanism = "continuous"'
ZONE = load_scenario("street").homes[0].zone
FEE = f'\n[[product.network_fees]]\nfrom = "{ZONE}"\nto = "{ZONE}"\ncents_per_kwh = 1.5'


def a_street(folder: Path, product: str, fees: str = "") -> Scenario:
    """Load the street with more words in its product, and network fees after it."""
    text = (PACKAGED / "street.toml").read_text(encoding="utf-8")
    text = text.replace('"data/', f'"{PACKAGED.as_posix()}/data/')
    text = text.replace("[product]", f"[product]\n{product}")
    (folder / "scenario.toml").write_text(text + fees, encoding="utf-8")
    return load_scenario(folder, days=1)


def test_a_scenario_trades_continuously_by_its_own_rules(tmp_path: Path) -> None:
    more = '\nself_trade = "decrement"\nposition_max_wh = 9000\nopening_before_minutes = 90'
    product = a_street(tmp_path, CONTINUOUS + more, FEE).product
    assert product.mechanism is Mechanism.CONTINUOUS
    assert (product.self_trade, product.position_max_wh) == (SelfTrade.DECREMENT, 9_000)
    assert product.opening_before_us == 90 * MINUTE
    zone = ZoneId(ZONE)
    assert product.network_fees == (LocalFee(from_zone=zone, to_zone=zone, nano_per_wh=15_000),)


def test_without_more_words_trading_has_no_opening_and_no_limits(tmp_path: Path) -> None:
    product = a_street(tmp_path, CONTINUOUS).product
    assert (product.self_trade, product.position_max_wh) == (None, None)
    assert (product.opening_before_us, product.network_fees) == (None, ())


def test_an_auction_has_position_limits_and_nothing_else_of_trading(tmp_path: Path) -> None:
    assert a_street(tmp_path, "position_max_wh = 5").product.position_max_wh == 5
    with pytest.raises(ConfigError) as told:
        a_street(tmp_path, 'self_trade = "newest"\nopening_before_minutes = 90')
    assert str(told.value).count("is of continuous trading, and this a call_auction market") == 2


@pytest.mark.parametrize(
    ("product", "fees", "what"),
    [
        ("opening_before_minutes = 10", "", "trading opens while the gate is open"),
        ('self_trade = "somebody"', "", "self_trade"),
        ("position_max_wh = 0", "", "position_max_wh"),
        ("", FEE + FEE, "is there twice"),
        ("network_fee_cents_per_kwh = 1", FEE, "one fee for all zones already"),
        ("", FEE.replace(f'from = "{ZONE}"', 'from = "nowhere"'), "from"),
    ],
)
def test_rules_of_trading_that_cannot_be_are_told(
    tmp_path: Path, product: str, fees: str, what: str
) -> None:
    with pytest.raises(ConfigError) as told:
        a_street(tmp_path, f"{CONTINUOUS}\n{product}", fees)
    assert what in str(told.value)
