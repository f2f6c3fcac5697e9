"""A running service whose clock is set back, or whose machine stands still."""

from __future__ import annotations

import asyncio
import http.client
import sys
import threading
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import psycopg
import pytest

from tests.builders import a_party, entries_of, open_community
from tests.deployment import DEPLOY
from tests.fleet import Keyed, administrator
from tests.people import NOON, PASSWORD, SECRETS, a_login, quick_passwords
from tests.servers import postgres, until
from tests.serving import Service
from wattbay.access.denial import AccessDenied
from wattbay.access.door import Door
from wattbay.access.people import MemoryPeople
from wattbay.adapters.stores.postgres_journal import PostgresJournal
from wattbay.core.commands import RegisterParty
from wattbay.kernel.clock import MonotonicClock, SimulatedClock, SteadyClock
from wattbay.kernel.intake import LiveIntake
from wattbay.kernel.journal import MemoryJournal
from wattbay.kernel.kernel import Answer, Kernel
from wattbay.kernel.replay import verify
from wattbay.periods import HOUR, SECOND, Instant

# --- the clock -------------------------------------------------------------------------------


class SetClock:
    """A wall clock that somebody sets."""

    def __init__(self, at: Instant) -> None:
        self.at = at

    def now(self) -> Instant:
        return self.at

    def advance(self, to: Instant) -> None:
        """Pass by itself."""


async def submitted(intake: LiveIntake, number: int) -> Answer:
    return await intake.submit(RegisterParty(party=a_party(f"party-{number}")))


def test_history_never_goes_back_when_the_clock_is_set_back() -> None:
    clock, journal = SetClock(NOON), MemoryJournal()
    kernel = Kernel(journal, clock)
    kernel.submit(open_community())

    async def story() -> None:
        intake = LiveIntake(kernel, clock, 100)
        serving_it = asyncio.create_task(intake.run())
        for number, seconds in enumerate((0, 10, -3_600, 5, 4, 11)):
            clock.at = Instant(NOON + seconds * SECOND)
            answer = await asyncio.wait_for(submitted(intake, number), 10.0)
            assert answer.seq == number + 2
        serving_it.cancel()
        await asyncio.gather(serving_it, return_exceptions=True)

    asyncio.run(story())
    stamps = [entry.at - NOON for entry in entries_of(journal)]
    assert stamps == [one * SECOND for one in (0, 0, 10, 10, 10, 10, 11)]
    verify(journal)


def test_what_had_ended_stays_ended_when_the_clock_is_set_back() -> None:
    wall, passing = SetClock(NOON), SimulatedClock(Instant(0))
    people = MemoryPeople()
    door = Door(people, SECRETS, SteadyClock(wall, passing), passwords=quick_passwords())
    people.add_login(a_login(password_hash=quick_passwords().hash(PASSWORD)))
    session = asyncio.run(door.sign_in("anna", PASSWORD))
    token = door.issue_token(door.identify(session=session.token))
    wall.at = Instant(NOON + 13 * HOUR)
    shown: tuple[dict[str, str], ...] = ({"session": session.token}, {"bearer": token})
    for one in shown:
        with pytest.raises(AccessDenied):
            door.identify(**one)
    wall.at = Instant(NOON + 1)
    for one in shown:
        with pytest.raises(AccessDenied):
            door.identify(**one)
    later = asyncio.run(door.sign_in("anna", PASSWORD))
    assert door.identify(session=later.token).login == "anna"
    passing.advance(Instant(13 * HOUR))
    with pytest.raises(AccessDenied):
        door.identify(session=later.token)


# --- the machine -----------------------------------------------------------------------------

TTL_S = 2.0
TAKEOVER_S = TTL_S + 0.5


def a_standby(folder: Path, conninfo: str) -> Service:
    """Return a service of a community in a database that waits for its turn."""
    folder.mkdir()
    config = folder / "wattbay.toml"
    lines = (
        "[community]", f'founding = "{DEPLOY / "community.toml"}"',
        "[storage]", f'folder = "{folder / "kept"}"', f'dsn = "{conninfo}"',
        *(f'{what} = "postgresql"' for what in ("journal", "readings", "people")),
        f"lease_ttl_s = {TTL_S}",
        "[mqtt]", 'broker = "none"',
        # Whoever takes over has to know the same keys and tokens.
        "[access]", f'secrets_file = "{folder.parent / "secrets.json"}"',
    )  # fmt: skip
    config.write_text("\n".join(lines), encoding="utf-8")
    return Service(["--config", str(config), "--wait"], folder, {})


def holder(conninfo: str) -> str:
    """Return who holds the lease of the journal."""
    with psycopg.connect(conninfo) as database:
        row = database.execute("SELECT holder FROM wattbay.lease").fetchone()
    return "" if row is None else str(row[0])


def admit(service: Service, who: Keyed, name: str) -> int:
    """Let a party in; return the entry in which that stands."""
    told = {"party": name, "facts": {"roles": ["prosumer"]}}
    headers = {**who.headers, "Idempotency-Key": name}
    status, answer = service.call("/api/v1/parties", told, headers=headers)
    assert status == 201, answer
    return int(answer["entry"])


@pytest.mark.postgres
def test_standby_takes_over_from_a_machine_that_stands_still_which_then_appends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ExitStack() as stack:
        _, conninfo = stack.enter_context(postgres())
        first = a_standby(tmp_path / "first", conninfo)
        second = a_standby(tmp_path / "second", conninfo)
        stack.callback(first.kill)
        stack.callback(second.kill)
        first.start()
        admin = administrator(first)
        second.begin()
        entries = [admit(first, admin, f"party-{number}") for number in range(5)]
        held = holder(conninfo)
        until(lambda: waits_for_lease(conninfo), "the standby waits")
        first.pause()
        begun = MonotonicClock().now()
        until(lambda: holder(conninfo) != held, "another holds the lease")
        taken_s = (MonotonicClock().now() - begun) / SECOND
        until(lambda: second.is_up and second.call("/readyz")[0] == 200, "the standby serves")
        served_s = (MonotonicClock().now() - begun) / SECOND
        with capsys.disabled():
            sys.stdout.write(f"\nlease over after {taken_s:.2f} s, served {served_s:.2f} s\n")
        assert taken_s <= TAKEOVER_S
        entries += [admit(second, admin, f"party-{number}") for number in range(5, 8)]
        zombie = threading.Thread(target=call_the_zombie, args=(first, admin))
        zombie.start()
        first.resume()
        assert first.ended() == 1
        zombie.join()
        assert "another program holds the lease" in first.log
        entries += [admit(second, admin, f"party-{number}") for number in range(8, 10)]
        assert entries == sorted(set(entries))
        assert second.stop() == 0
        with closing(PostgresJournal(conninfo, read_only=True)) as journal:
            verify(journal)
            admitted = [
                entry.command.party.party
                for entry in entries_of(journal)
                if isinstance(entry.command, RegisterParty)
            ]
        assert [one for one in admitted if one.startswith("party-")] == [
            f"party-{number}" for number in range(10)
        ]
        assert "late" not in admitted


def waits_for_lease(conninfo: str) -> bool:
    """Tell whether somebody listens for the lease to end."""
    with psycopg.connect(conninfo) as database:
        listening = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%lease%'"
        row = database.execute(f"{listening} AND pid <> pg_backend_pid()").fetchone()
    return row is not None and int(row[0]) > 1


def call_the_zombie(service: Service, who: Keyed) -> None:
    """Ask something of a service that stands still; whatever it answers, it is not done."""
    with suppress(OSError, http.client.HTTPException):
        told = {"party": "late", "facts": {"roles": ["prosumer"]}}
        status, answer = service.call("/api/v1/parties", told, headers=who.headers)
        assert status != 201, answer
