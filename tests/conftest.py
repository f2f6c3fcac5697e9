"""What holds for every test: how examples are drawn, and what needs a browser or a server."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite(
    "tests.builders",
    "tests.fleet",
    "tests.outcomes",
    "tests.servers",
    "tests.serving",
    "tests.strategies",
)

from tests.servers import program  # noqa: E402 - its assertions are rewritten first

# On a push the same examples are drawn each time; at night they are new ones and many.
# Two shared cores make timing meaningless, so that no example has a deadline.
settings.register_profile(
    "ci",
    derandomize=True,
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("nightly", max_examples=2_000, deadline=None)
settings.load_profile(os.environ.get("WATTBAY_HYPOTHESIS", "ci"))

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def browser_path() -> str | None:
    """Return the first browser on the PATH, or the one that WATTBAY_BROWSER names."""
    named = os.environ.get("WATTBAY_BROWSER")
    return named or next(filter(None, map(shutil.which, BROWSERS)), None)


def is_left_out() -> bool:
    """Tell whether browser tests are left out: there is none, and nobody insists."""
    return browser_path() is None and not os.environ.get("WATTBAY_REQUIRE_BROWSER")


SERVERS = {
    "mosquitto": "the wire of the devices with Mosquitto, for want of it (install mosquitto)",
    "mosquitto_sub": "lines that `serve` prints for mosquitto_sub (install mosquitto-clients)",
    "postgres": "PostgreSQL, for want of it (install postgresql)",
    "ip": "two machines that a cable joins, for want of root and of `ip` (install iproute2)",
}
"""Markers of tests that need a real program, named after it, and what is untested without it."""


def left_out() -> dict[str, str]:
    """Return the markers whose tests are left out, and what is not tested then."""
    found = {}
    if is_left_out():
        found["browser"] = "the report in a browser, for want of one (install chromium)"
    if not os.environ.get("WATTBAY_REQUIRE_SERVERS"):
        found |= {name: what for name, what in SERVERS.items() if not is_usable(name)}
    return found


def is_usable(name: str) -> bool:
    """Tell whether a program is there, and of use to whoever runs the tests."""
    return program(name) is not None and (name != "ip" or may_make_networks())


def may_make_networks() -> bool:
    """Tell whether we may make namespaces and interfaces: root in a container often may not."""
    try:
        told = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return False
    capabilities = next(line for line in told.splitlines() if line.startswith("CapEff"))
    net_admin, sys_admin = 1 << 12, 1 << 21
    return not (net_admin | sys_admin) & ~int(capabilities.split()[1], 16)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "browser: opens a page in headless Chromium")
    for name in SERVERS:
        config.addinivalue_line("markers", f"{name}: needs the program of that name")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave tests out whose browser or server is not there; the summary says so."""
    names = left_out()
    out = [item for item in items if any(map(item.get_closest_marker, names))]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for what in left_out().values():
        terminalreporter.write_line(f"NOT TESTED: {what}.", yellow=True)


@pytest.fixture(scope="session")
def browser() -> str:
    """Return the path of the browser; fails where it is required and missing."""
    path = browser_path()
    assert path, "no chromium on the PATH, and WATTBAY_REQUIRE_BROWSER is set"
    return path
