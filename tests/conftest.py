"""What holds for every test: how examples are drawn, and what needs a browser."""

from __future__ import annotations

import os
import shutil

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("tests.builders", "tests.strategies")

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


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "browser: opens a page in headless Chromium")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave browser tests out where there is no browser; the summary says so."""
    if not is_left_out():
        return
    out = [item for item in items if item.get_closest_marker("browser")]
    config.hook.pytest_deselected(items=out)
    items[:] = [item for item in items if not item.get_closest_marker("browser")]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if is_left_out():
        terminalreporter.write_line(
            "NOT TESTED: the report in a browser, for want of one (install chromium).",
            yellow=True,
        )


@pytest.fixture(scope="session")
def browser() -> str:
    """Return the path of the browser; fails where it is required and missing."""
    path = browser_path()
    assert path, "no chromium on the PATH, and WATTBAY_REQUIRE_BROWSER is set"
    return path
