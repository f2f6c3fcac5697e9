from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from tests.batches import a_batch
from tests.continuous import a_street
from tests.unit.cli.show.conftest import Show
from wattbay.cli.show.entries import named, written
from wattbay.core.batches import CANCEL, NEW
from wattbay.core.commands import OpenCommunity
from wattbay.core.events import PeriodSettled
from wattbay.errors import AdapterError, ConfigError
from wattbay.kernel.journal import SqliteJournal
from wattbay.periods import instant


def test_an_entry_is_shown_with_the_names_of_its_fields(village: Path, show: Show) -> None:
    said = show(village, "entry", 14, "--json").output
    told = json.loads(said)
    assert told["seq"] == 14
    assert told["command"]["is"] == "PlaceOrder"
    assert told["command"]["pod"] == "h01"
    assert told["command"]["delivery"] == "2013-06-09T23:00Z"
    assert told["command"]["limit"] == 90_000
    assert told["events"][0]["is"] == "OrderPlaced"


def test_records_inside_an_entry_are_named_too(village: Path, show: Show) -> None:
    told = json.loads(show(village, "entry", 1, "--json").output)
    runs = told["command"]["runs"]
    assert [run["name"] for run in runs] == ["initial", "final"]
    assert set(runs[0]) == {"name", "after_us"}


def test_the_hash_is_that_of_the_journal(village: Path, show: Show) -> None:
    told = json.loads(show(village, "entry", 7, "--json").output)
    journal = SqliteJournal(village / "journal.sqlite", read_only=True)
    _, data, digest = next(journal.rows(7))
    journal.close()
    assert told["hash"] == digest.hex()
    assert told["bytes"] == len(data)


def test_the_page_of_an_entry_holds_its_json_unbroken(village: Path, show: Show) -> None:
    said = show(village, "entry", 10).output
    assert said.startswith("Entry 10 of the journal")
    document = said[said.index("{") : said.rindex("}") + 1]
    assert json.loads(document)["seq"] == 10


def test_instants_are_texts_and_bytes_are_hex_wherever_they_stand() -> None:
    opened = msgspec.convert(
        ["OpenCommunity", "town", "GBP", 2, 1_800_000_000, [["initial", 0]]], OpenCommunity
    )
    assert named(opened)["isp_us"] == 1_800_000_000
    settled = PeriodSettled(
        delivery=instant("2013-06-10T00:00Z"),
        run=opened.runs[0].name,
        pool_price=5,
        delivered=(),
        imbalances=(),
    )
    assert named(settled)["delivery"] == "2013-06-10T00:00Z"
    assert named(settled)["pool_price"] == 5


def test_an_entry_that_is_not_there_is_answered_with_how_many_there_are(
    village: Path, show: Show
) -> None:
    error = show(village, "entry", 99_999).error
    assert isinstance(error, ConfigError)
    assert "the journal has entries 1 to" in str(error)


def test_a_run_without_journal_says_so(week: Path, show: Show) -> None:
    error = show(week, "entry", 1).error
    assert isinstance(error, AdapterError)
    assert "keeps no journal" in str(error)


@pytest.mark.parametrize("number", ["0", "-1", "first"])
def test_a_number_that_is_none_is_refused(village: Path, show: Show, number: str) -> None:
    assert show(village, "entry", number).status == 2


def test_steps_of_a_batch_are_shown_as_single_commands() -> None:
    street = a_street()
    street.do(a_batch([(NEW, 1, 0, 1, 120_000, 250), (CANCEL, 0, 9, 0, 0, 0)]))

    told = written(street.entries[-1])

    steps = told["steps"]
    assert isinstance(steps, list)
    assert [one["command"]["is"] for one in steps] == ["PlaceOrder", "CancelOrder"]
    assert [one["events"][0]["is"] for one in steps] == ["OrderPlaced", "Rejected"]
    assert "steps" not in written(street.entries[0])
