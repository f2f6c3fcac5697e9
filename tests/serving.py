"""A service of its own process, as people start it: for tests that look at it from outside."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers import WAIT_S, until

ENVIRONMENT = {"WATTBAY_HTTP__PORT": "0", "WATTBAY_MQTT__PORT": "0", "NO_COLOR": "1"}
"""Any free ports of the loopback."""


class Service:
    """A `wattbay serve` that runs, and what it printed."""

    def __init__(
        self,
        arguments: list[str],
        folder: Path,
        settings: Mapping[str, str],
        program: tuple[str, ...] = ("wattbay", "serve"),
    ) -> None:
        self._command = [sys.executable, "-m", *program, *arguments]
        self._environment = {**os.environ, **ENVIRONMENT, **settings}
        self._output = folder / "printed.txt"
        self._log = folder / "log.txt"
        self._running: subprocess.Popen[bytes] | None = None
        self.folder = folder

    def start(self) -> None:
        """Start it, and wait until it says where it is."""
        self.begin()
        until(lambda: self.is_up or self.is_over, "the service says where it is")
        assert not self.is_over, self.log

    def begin(self) -> None:
        """Start it, whenever it may come to its turn."""
        self._output.write_bytes(b"")
        with self._output.open("ab") as output, self._log.open("ab") as log:
            self._running = subprocess.Popen(
                self._command, env=self._environment, stdout=output, stderr=log, cwd=self.folder
            )

    @property
    def is_up(self) -> bool:
        """Tell whether it has said where it is."""
        return "/readyz" in self.printed

    @property
    def is_over(self) -> bool:
        """Tell whether it runs no more."""
        return self._running is None or self._running.poll() is not None

    def kill(self) -> None:
        """End it at once, without a chance to tidy up."""
        if self._running is not None:
            self._running.kill()
            self._running.wait(WAIT_S)
            self._running = None

    def stop(self) -> int:
        """Ask it to end; return its exit status."""
        if self._running is None:
            return 0
        self._running.send_signal(signal.SIGTERM)
        code = self._running.wait(WAIT_S)
        self._running = None
        return code

    def ended(self) -> int:
        """Wait until it ends by itself; return its exit status."""
        assert self._running is not None
        code = self._running.wait(WAIT_S)
        self._running = None
        return code

    def pause(self) -> None:
        """Let it stand still, as a machine that is suspended does."""
        if self._running is not None:
            self._running.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        if self._running is not None:
            self._running.send_signal(signal.SIGCONT)

    @property
    def pid(self) -> int:
        """Number of its process."""
        assert self._running is not None
        return self._running.pid

    @property
    def printed(self) -> str:
        """What it printed for people."""
        return self._output.read_text(encoding="utf-8")

    @property
    def log(self) -> str:
        """What it told about its work."""
        return self._log.read_text(encoding="utf-8")

    def lines(self, program: str) -> list[str]:
        """Return the commands that it offers to try, of one program."""
        return [
            line.strip() for line in self.printed.splitlines() if line.strip().startswith(program)
        ]

    @property
    def url(self) -> str:
        """Where its interface is."""
        found = re.search(r"(https?://\S+?)/docs", self.printed)
        assert found, self.printed
        return found.group(1)

    @property
    def mqtt_port(self) -> int:
        """Where its embedded broker is."""
        found = re.search(r"-p (\d+)", self.printed)
        assert found, self.printed
        return int(found.group(1))

    @property
    def admin_password(self) -> str:
        """The first administrator's, as it was printed once."""
        found = re.search(r"password (\S+)", self.printed)
        assert found, self.printed
        return found.group(1)

    def metric(self, name: str) -> float:
        """Return a number that it tells of itself; 0 before it is told."""
        _, told = self.call("/metrics")
        lines = (line.rpartition(" ") for line in str(told).splitlines())
        return next((float(value) for known, _, value in lines if known == name), 0.0)

    def call(
        self,
        path: str,
        body: object = None,
        *,
        method: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Return status and answer of a request; of a problem, too."""
        asked = urllib.request.Request(  # noqa: S310 - our own address
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Content-Type": "application/json", **(headers or {})},
        )
        try:
            with urllib.request.urlopen(asked, timeout=WAIT_S) as answer:  # noqa: S310 - likewise
                return answer.status, _read(answer.read())
        except urllib.error.HTTPError as problem:
            return problem.code, _read(problem.read())


def _read(body: bytes) -> Any:  # noqa: ANN401 - whatever JSON says
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


@contextmanager
def serving(folder: Path, *arguments: str, **settings: str) -> Iterator[Service]:
    """Run a service in a folder until the end of the block; it must not have stumbled."""
    service = Service(list(arguments), folder, settings)
    service.start()
    try:
        yield service
    finally:
        service.kill()
    assert "Traceback" not in service.log, service.log
