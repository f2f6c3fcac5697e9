"""Days are listed in time, each once, by the calendar of the place; months are stated."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.builders import EVE, ISP_US, a_product, a_town
from tests.play import Play, of, with_runs
from wattbay.agents.keeper import Keeper
from wattbay.core.commands import IssueStatements, ListDeliveries, RegisterPod
from wattbay.core.events import StatementIssued
from wattbay.periods import DAY, HOUR, Calendar, Instant, instant

LONDON = Calendar("Europe/London")


def founded(at: str, *, pods_since: str = "") -> Play:
    """Return a town without a listed day, a community of one home."""
    product = a_product(opens_before_us=24 * HOUR, closes_before_us=HOUR)
    commands = with_runs(a_town(1, product=product), initial=HOUR, final=DAY)
    unlisted = [one for one in commands if not isinstance(one, ListDeliveries)]
    if pods_since:
        since = instant(pods_since)
        unlisted = [
            replace(one, facts=replace(one.facts, since=since))
            if isinstance(one, RegisterPod)
            else one
            for one in unlisted
        ]
    town = Play(unlisted, at=min(EVE, instant(at)))
    town.until(instant(at))
    return town


def kept(town: Play, keeper: Keeper) -> list[ListDeliveries | IssueStatements]:
    """Do what the keeper says now."""
    found = []
    for command in keeper.act(town.exchange.state, Instant(town.at)):
        town.do(command)
        assert isinstance(command, ListDeliveries | IssueStatements)
        found.append(command)
    return found


@pytest.mark.parametrize(
    ("day", "count"), [("2013-06-11", 48), ("2013-03-31", 46), ("2013-10-27", 50)]
)
def test_day_is_listed_whole_however_long_it_is(day: str, count: int) -> None:
    eve = LONDON.midnight(LONDON.local(instant(f"{day}T12:00Z")).date()) - 30 * HOUR
    town = founded("2013-01-01T00:00Z")
    town.until(eve)
    keeper = Keeper(LONDON)
    kept(town, keeper)
    town.until(eve + 6 * HOUR)
    listed = [one for one in kept(town, keeper) if isinstance(one, ListDeliveries)]
    assert [(one.day, one.count) for one in listed] == [(day, count)]


def test_first_day_is_listed_from_the_first_gate_that_is_still_open() -> None:
    town = founded("2013-06-10T10:10Z")
    first, *_ = kept(town, Keeper(LONDON))
    assert isinstance(first, ListDeliveries)
    # Its gate closes at 10:30; that of 11:00 closed ten minutes ago.
    assert first.start == instant("2013-06-10T11:30Z")
    assert first.start + first.count * ISP_US == instant("2013-06-10T23:00Z")


def test_nothing_is_listed_twice_whether_or_not_the_keeper_remembers() -> None:
    town = founded("2013-06-10T10:10Z")
    keeper = Keeper(LONDON)
    assert kept(town, keeper)
    assert kept(town, keeper) == []
    assert kept(town, Keeper(LONDON)) == []


def test_months_are_stated_once_they_are_over_and_settled() -> None:
    town = founded("2013-06-29T10:10Z")
    keeper = Keeper(LONDON)
    while town.at < instant("2013-07-01T03:00Z"):
        kept(town, keeper)
        town.until(town.at + HOUR)
    assert len(of(StatementIssued, town.history)) == 1
    assert kept(town, Keeper(LONDON)) == []


def test_month_in_which_nobody_had_a_pod_is_not_stated_and_holds_up_no_other() -> None:
    town = founded("2013-06-29T10:10Z", pods_since="2013-06-30T23:00Z")
    keeper = Keeper(LONDON)
    asked: list[str] = []
    while town.at < instant("2013-08-01T03:00Z"):
        told = kept(town, keeper)
        asked += [one.month for one in told if isinstance(one, IssueStatements)]
        town.until(town.at + HOUR)
    assert asked == ["2013-07"]
    assert [one.statement.month for one in of(StatementIssued, town.history)] == ["2013-07"]
