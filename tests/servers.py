"""Real servers for tests: started on free loopback ports from installed binaries, never assumed.

As root, PostgreSQL refuses to run and Mosquitto steps down by itself: both are started as a user
without rights, in a folder of that user's own.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time  # noqa: TID251 - a wait has a limit
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

WAIT_S = 30.0
"""How long anything may take that is waited for."""
PAUSE_S = 0.01
AGAIN_S = 0.3
"""How long after a start that failed the next is tried."""
_FOLDERS = ("/usr/sbin", "/usr/local/sbin")


class Account(NamedTuple):
    """Who runs a server; None is whoever runs the tests."""

    uid: int | None
    gid: int | None


def program(name: str) -> str | None:
    """Return where a server's program is; None where it is not installed."""
    if found := shutil.which(name):
        return found
    folders = [*_FOLDERS, *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin")))]
    return next((path for each in folders if (path := shutil.which(name, path=each))), None)


def account(*names: str) -> Account:
    """Return a user without rights, where the tests are run by root."""
    if os.geteuid() != 0:
        return Account(None, None)
    known = {one.pw_name: one for one in pwd.getpwall()}
    found = next(known[name] for name in (*names, "nobody") if name in known)
    return Account(found.pw_uid, found.pw_gid)


@contextmanager
def folder_of(who: Account) -> Iterator[Path]:
    """Make a folder that belongs to a user, with a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="wattbay-") as made:
        if who.uid is not None and who.gid is not None:
            os.chown(made, who.uid, who.gid)
        yield Path(made)


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def until(holds: Callable[[], object], what: str, *, wait_s: float = WAIT_S) -> None:
    """Wait for a condition, with a limit."""
    pause = socket.socket()
    pause.settimeout(PAUSE_S)
    pause.bind(("127.0.0.1", 0))
    pause.listen()
    deadline = time.monotonic() + wait_s
    with pause:
        while not holds():
            assert time.monotonic() < deadline, f"waited {wait_s} s in vain: {what}"
            with suppress(TimeoutError):
                pause.accept()


async def until_async(holds: Callable[[], object], what: str, *, wait_s: float = WAIT_S) -> None:
    """Wait for a condition, with a limit; the event loop goes on meanwhile."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    never = loop.create_future()
    while not holds():
        assert loop.time() < deadline, f"waited {wait_s} s in vain: {what}"
        await asyncio.wait([never], timeout=PAUSE_S)


def is_open(port: int) -> bool:
    """Tell whether somebody listens on a port of the loopback."""
    with socket.socket() as one:
        one.settimeout(1.0)
        return one.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """A server that can be killed and started again."""

    def __init__(
        self, command: list[str], who: Account, log: Path, is_up: Callable[[], bool]
    ) -> None:
        self._command = command
        self._who = who
        self._log = log
        self._is_up = is_up
        self._running: subprocess.Popen[bytes] | None = None
        self._begun_s = 0.0

    def start(self) -> None:
        """Start it, and wait until it answers.

        A database that was killed cannot start before its last process has gone: it is tried again.
        """
        until(self._is_begun, f"{self._command[0]} starts")

    def _is_begun(self) -> bool:
        if self._is_over() and time.monotonic() - self._begun_s > AGAIN_S:
            self._begun_s = time.monotonic()
            with self._log.open("ab") as log:
                self._running = subprocess.Popen(
                    self._command,
                    stdout=log,
                    stderr=log,
                    user=self._who.uid,
                    group=self._who.gid,
                    extra_groups=None if self._who.uid is None else [],
                )
        return self._is_up() and not self._is_over()

    def _is_over(self) -> bool:
        return self._running is None or self._running.poll() is not None

    def kill(self) -> None:
        """End it and all that it started at once, without a chance to tidy up."""
        if self._running is not None:
            offspring = children_of(self._running.pid)
            self._running.kill()
            for child in offspring:
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            self._running.wait(WAIT_S)
        self._running, self._begun_s = None, 0.0

    def reload(self) -> None:
        """Let it read again what it is configured by."""
        assert self._running is not None
        self._running.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """End it, if it still runs, and wait until it has tidied up."""
        if self._running is not None:
            self._running.send_signal(signal.SIGINT)
            self._running.wait(WAIT_S)
        self._running = None


def children_of(pid: int) -> list[int]:
    """Return what a process started; a database answers by such, and they outlive it for a while.

    Where the system does not tell (it is no Linux), nothing.
    """
    told = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in told.read_text().split()] if told.exists() else []


@contextmanager
def mosquitto(configuration: Callable[[Path, int], str]) -> Iterator[tuple[Server, int, Path]]:
    """Run Mosquitto with a configuration made for a folder and a port."""
    binary = program("mosquitto")
    assert binary, "mosquitto is not installed"
    who = account("mosquitto")
    port = free_port()
    with folder_of(who) as folder:
        path = folder / "mosquitto.conf"
        path.write_text(configuration(folder, port), encoding="utf-8")
        if who.uid is not None and who.gid is not None:
            for each in folder.iterdir():
                os.chown(each, who.uid, who.gid)
        command = [binary, "-c", str(path)]
        server = Server(command, who, folder / "mosquitto.log", lambda: is_open(port))
        server.start()
        try:
            yield server, port, folder
        finally:
            server.stop()


@contextmanager
def postgres(*settings: str) -> Iterator[tuple[Server, str]]:
    """Run PostgreSQL on a socket in a folder of its own; yield it and how to connect to it."""
    initdb, binary = program("initdb"), program("postgres")
    assert initdb, "postgresql is not installed"
    assert binary, "postgresql is not installed"
    who = account("postgres")
    with folder_of(who) as folder:
        cluster = folder / "cluster"
        subprocess.run(
            [initdb, "-D", cluster, "-U", "wattbay", "-A", "trust", "-E", "UTF8",
             "--locale=C", "--no-sync", "--no-instructions"],
            check=True, capture_output=True, timeout=120, user=who.uid, group=who.gid,
            extra_groups=None if who.uid is None else [], cwd=folder,
        )  # fmt: skip
        chosen = ["listen_addresses=", f"unix_socket_directories={folder}", *settings]
        options = [part for setting in chosen for part in ("-c", setting)]
        conninfo = f"host={folder} user=wattbay dbname=postgres"
        up = folder / ".s.PGSQL.5432"
        command = [binary, "-D", str(cluster), *options]
        server = Server(command, who, folder / "postgres.log", lambda: _answers(up, conninfo))
        server.start()
        try:
            yield server, conninfo
        finally:
            server.stop()


def _answers(up: Path, conninfo: str) -> bool:
    """Tell whether a database takes connections."""
    import psycopg  # noqa: PLC0415 - tests without a database need no driver

    if not up.exists():
        return False
    try:
        psycopg.connect(conninfo, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True
