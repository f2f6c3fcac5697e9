"""The exchange of a service, when its journal fails or is another community's."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from wattbay.assembly.exchange import LiveExchange
from wattbay.config import read_settings
from wattbay.core.commands import RegisterParty
from wattbay.core.facts import Party, Role
from wattbay.errors import ConfigError, JournalError
from wattbay.ids import PartyId

FOUNDING = Path(__file__).parents[3] / "deploy" / "community.toml"
NEW = RegisterParty(party=Party(party=PartyId("new"), roles=(Role.PROSUMER,)))


def an_exchange(folder: Path) -> LiveExchange:
    return LiveExchange(
        read_settings(storage={"folder": folder}, street={"scenario": "live-street"})
    )


def test_state_that_is_ahead_of_the_journal_is_no_snapshot(tmp_path: Path) -> None:
    exchange = an_exchange(tmp_path)
    exchange.journal.close()
    with pytest.raises(JournalError):
        exchange.kernel.submit(NEW)
    assert PartyId("new") in exchange.state().registry.parties
    exchange.write_snapshot()
    assert not list(tmp_path.rglob("*.snapshot"))
    with suppress(JournalError):
        exchange.close()
    again = an_exchange(tmp_path)
    assert PartyId("new") not in again.state().registry.parties
    again.kernel.submit(NEW)
    again.write_snapshot()
    assert len(list(tmp_path.rglob("*.snapshot"))) == 1
    again.close()


def test_made_up_street_does_not_go_on_with_the_journal_of_another_community(
    tmp_path: Path,
) -> None:
    real = read_settings(storage={"folder": tmp_path}, community={"founding": FOUNDING})
    exchange = LiveExchange(real)
    last = exchange.journal.last_seq
    exchange.close()
    with pytest.raises(ConfigError, match="is kept for elm-street"):
        an_exchange(tmp_path)
    again = LiveExchange(real)
    assert again.journal.last_seq == last
    again.close()
