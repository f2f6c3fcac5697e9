"""A service of the REST interface until it is ended: a program of its own, for tests.

Arguments: the port, and a folder for journal, people and tokens. What is in the folder already is
gone on with; a new one begins with a day that was lived.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import structlog
import uvicorn

from tests.api_node import LOGINS, a_node, live_a_day
from wattbay.adapters.api.app import create_app
from wattbay.adapters.api.stream.hub import Hub
from wattbay.adapters.api.stream.route import attach
from wattbay.adapters.api.stream.sources import Sources
from wattbay.adapters.stores.people.store import SqlPeople
from wattbay.kernel.intake import LiveIntake
from wattbay.kernel.journal import SqliteJournal

WAITING_MAX = 10_000


async def serve(port: int, folder: Path) -> None:
    """Serve until this program is ended."""
    log = (folder / "service.log").open("a", encoding="utf-8")
    structlog.configure(
        processors=[structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(file=log),
    )
    journal = SqliteJournal(folder / "journal.sqlite")
    is_new = journal.last_seq == 0
    bench = a_node(journal=journal, people=SqlPeople(f"sqlite:///{folder / 'people.db'}"))
    if is_new:
        live_a_day(bench)
    intake = LiveIntake(bench.kernel, bench.clock, WAITING_MAX)
    node = replace(bench.node, submit=intake.submit)
    app = create_app(node)
    sources = Sources(
        state=node.state, history=node.history, latest=node.latest, alerts=node.alerts
    )
    attach(app, Hub(sources, "e1", node.clock.now()))
    for login in LOGINS:
        (folder / f"{login}.token").write_text(bench.token(login), encoding="utf-8")
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, http="httptools", access_log=False, log_level="warning"
    )
    running = asyncio.create_task(intake.run())
    await uvicorn.Server(config).serve()
    running.cancel()
    journal.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
