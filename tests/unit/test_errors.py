"""What goes wrong is told with its values, and an invariant stops the program."""

from __future__ import annotations

import pytest

from wattbay.errors import ConfigError, Fault, InvariantBroken, JournalError, ensure


def test_a_set_up_tells_all_its_faults_at_once() -> None:
    error = ConfigError(
        Fault("town.toml:3", "no such zone", "north or south"), Fault("town.toml:9", "no days")
    )
    assert str(error) == "town.toml:3: no such zone (north or south)\ntown.toml:9: no days"
    assert len(error.faults) == 2


def test_a_journal_error_names_the_entry_where_one_is_to_blame() -> None:
    assert str(JournalError("is torn", seq=7)) == "entry 7: is torn"
    assert JournalError("is torn", seq=7).seq == 7
    assert str(JournalError("cannot be opened")) == "cannot be opened"


def test_what_must_hold_and_does_not_stops_the_program() -> None:
    ensure(holds=True, claim="one and one are two")
    with pytest.raises(InvariantBroken, match="all assets sum to zero"):
        ensure(holds=False, claim="all assets sum to zero")
