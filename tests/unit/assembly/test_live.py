"""A service whose stores fail for a while, and one without a broker: the market goes on."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.servers import until_async
from wattbay.assembly import stores
from wattbay.assembly import upkeep as module
from wattbay.assembly.exchange import LiveExchange
from wattbay.assembly.live import Live
from wattbay.config import read_settings
from wattbay.errors import AdapterError

Story = Callable[[Live], Awaitable[None]]


def a_service(folder: Path, port: int = 0) -> Live:
    """Return a service of a made-up street without a broker. Within a running event loop."""
    settings = read_settings(
        storage={"folder": folder}, mqtt={"broker": "none"}, http={"port": port},
        street={"scenario": "live-street"},
    )  # fmt: skip
    return Live(settings, LiveExchange(settings))


def play(folder: Path, story: Story) -> None:
    """Let a service without a broker work while a story goes on."""

    async def playing() -> None:
        live = a_service(folder)
        await live.open()
        work = asyncio.create_task(live.upkeep.run())
        try:
            await story(live)
            assert not work.done()
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await live.close()

    asyncio.run(playing())


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UPKEEP_S", 0.01)
    monkeypatch.setattr(module, "TIDY_TURNS", 2)


def test_store_of_people_that_is_away_stops_nothing_and_is_told(tmp_path: Path) -> None:
    async def story(live: Live) -> None:
        def away() -> None:
            raise AdapterError("the database is gone")

        upkeep, live.door.upkeep = live.door.upkeep, away  # type: ignore[method-assign] # gone
        await until_async(lambda: "people" in live.amiss(), "it is told")
        assert live.amiss()["people"] == "the database is gone"
        live.door.upkeep = upkeep  # type: ignore[method-assign] # and back
        await until_async(lambda: "people" not in live.amiss(), "all is well")

    play(tmp_path, story)


def test_history_that_cannot_be_written_stops_nothing_and_goes_on_later(tmp_path: Path) -> None:
    async def story(live: Live) -> None:
        history = live.exchange.history
        history._db.close()  # noqa: SLF001 - as a disk that is gone
        history._db = sqlite3.connect(":memory:")  # noqa: SLF001 - without its tables
        live.exchange.kernel.submit_many(live.exchange.street.founding(live.exchange.clock.now()))  # type: ignore[union-attr] # there is one
        last = live.exchange.journal.last_seq
        await until_async(lambda: history._written == last, "it is written")  # noqa: SLF001
        assert "history" not in live.amiss()

    play(tmp_path, story)
    with closing(sqlite3.connect(tmp_path / stores.HISTORY)) as db:
        (seq,) = db.execute("SELECT seq FROM watermark").fetchone()
    assert seq > 0


def test_without_a_broker_nothing_gathers_that_is_to_be_told_over_it(tmp_path: Path) -> None:
    async def story(live: Live) -> None:
        assert live.agent not in live.exchange.readers.joined

    play(tmp_path, story)


def test_password_of_the_first_administrator_is_not_drawn_where_the_address_is_taken(
    tmp_path: Path,
) -> None:
    async def story() -> str | None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            live = a_service(tmp_path, taken.getsockname()[1])
            with pytest.raises(AdapterError, match="no web server"):
                await live.open()
            live.people.close()
            live.readings.close()
            live.exchange.close()
        again = a_service(tmp_path)
        await again.open()
        await again.close()
        return again.admin_password

    assert asyncio.run(story()) is not None
