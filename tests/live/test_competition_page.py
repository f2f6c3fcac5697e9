"""The page of competing aggregators in a real browser: quiet, closed, readable, open to all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from wattbay.adapters.report.competition import write_page
from wattbay.simulation.study_competition import Plan, document, study

pytestmark = pytest.mark.browser

AXE = Path(__file__).with_name("vendor") / "axe.min.js"
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update",
         "--disable-sync")  # fmt: skip
WIDE, PHONE = 1280, 390


@pytest.fixture(scope="module")
def chromium(browser: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=browser, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture(scope="module")
def page_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plan = Plan(seeds=2, days=2)
    path = tmp_path_factory.mktemp("competition") / "competition.html"
    write_page(document(plan, list(study(plan))), path)
    return path


@pytest.mark.parametrize(
    ("width", "theme"), [(WIDE, "light"), (WIDE, "dark"), (PHONE, "light"), (PHONE, "dark")]
)
def test_page_is_quiet_closed_fits_and_axe_finds_nothing(
    chromium: Browser, page_path: Path, width: int, theme: str
) -> None:
    said: list[str] = []
    asked: list[str] = []
    context = chromium.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if theme == "dark" else "light",
    )
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page_path.as_uri())
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    spilled = page.evaluate(
        """width => [...document.querySelectorAll('main *')]
          .filter(e => !e.closest('.scroll'))
          .filter(e => e.getBoundingClientRect().right > width + 1)
          .map(e => `${e.tagName}.${e.className}`)""",
        width,
    )
    assert not spilled
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run().then(result => result.violations)")
    assert not [(each["id"], [n["target"] for n in each["nodes"]][:3]) for each in found]
    assert not said
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    context.close()


def test_page_tells_all_without_its_script(chromium: Browser, page_path: Path) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(page_path.as_uri())
    assert page.locator("svg.lines circle").count() == 50
    assert page.get_by_role("table", name="Terms").is_visible()
    context.close()
