"""The file that founds a live community, and what is wrong with one that does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.play import Play
from wattbay.core.facts import Role
from wattbay.errors import ConfigError
from wattbay.periods import MINUTE, instant
from wattbay.simulation.founding_file import read_founding

SHIPPED = Path(__file__).resolve().parents[3] / "deploy" / "community.toml"


def test_the_file_that_we_ship_founds_a_community() -> None:
    founding = read_founding(SHIPPED)
    town = Play(founding.commands, at=instant("2026-05-01T00:00Z"))
    registry = town.exchange.state.registry
    assert registry.community is not None
    assert registry.community.community == founding.community == "elm-street"
    assert registry.isp_us == 15 * MINUTE
    assert founding.calendar.zone == "Europe/Berlin"
    roles = {role for party in registry.parties.values() for role in party.roles}
    assert roles >= {
        Role.MARKET_OPERATOR, Role.GRID_OPERATOR, Role.METERED_DATA_RESPONSIBLE, Role.SUPPLIER,
    }  # fmt: skip
    assert set(registry.tariffs) == {"flat"}
    assert set(registry.products) == {"quarter-hour"}


def test_everything_that_is_wrong_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "community.toml"
    text = SHIPPED.read_text().replace('currency = "EUR"', 'currency = "euro"')
    path.write_text(text.replace("isp_minutes = 15", "isp_minutes = 0"))
    with pytest.raises(ConfigError) as caught:
        read_founding(path)
    told = str(caught.value)
    assert "'euro' is no currency" in told
    assert "isp_minutes" in told
    assert "community.toml:" in told


def test_homes_do_not_belong_into_it(tmp_path: Path) -> None:
    path = tmp_path / "community.toml"
    path.write_text(SHIPPED.read_text() + '\n[homes]\ninclude = ["h01"]\n')
    with pytest.raises(ConfigError, match="homes"):
        read_founding(path)
