"""The report in a real browser: quiet, closed, readable on a phone, open to everybody, and true."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import polars as pl
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from tests.made_run import MadeRun, make_run
from tests.report_page import read_number
from wattbay.adapters.report import build

pytestmark = pytest.mark.browser

AXE = Path(__file__).with_name("vendor") / "axe.min.js"
AXE_SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
WIDE, PHONE = 1280, 390
THEMES = ("light", "dark")
OPENED = "for (const each of document.querySelectorAll('details')) each.open = true"

c = pl.col


@pytest.fixture(scope="module")
def chromium(browser: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=browser, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_run(tmp_path_factory.mktemp("week") / "run")
    build(folder)
    build(folder, share=True)
    return folder


@pytest.fixture(scope="module")
def three_weeks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_run(tmp_path_factory.mktemp("long") / "run", MadeRun(homes=6, days=21))
    build(folder)
    return folder


class Opened:
    """A report in a page that remembers everything that it said and asked for."""

    def __init__(self, chromium: Browser, path: Path, width: int, theme: str) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        # Another zone than the community's: the report shows the community's.
        self.context = chromium.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if theme == "dark" else "light",
            timezone_id="America/New_York",
            locale="de-DE",
        )
        self.page: Page = self.context.new_page()
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", self._see)
        self.page.goto(path.as_uri())

    def _hear(self, message: ConsoleMessage) -> None:
        self.said.append(message.text)

    def _see(self, request: Request) -> None:
        if not request.url.startswith(("file:", "data:")):
            self.asked.append(request.url)

    def rows(self, caption: str) -> list[list[str]]:
        """Return the cells of a table that is on the page now."""
        found: list[list[str]] = self.page.evaluate(
            """caption => {
              const found = [...document.querySelectorAll('table')]
                .find(table => table.caption.textContent.startsWith(caption));
              return [...found.tBodies[0].rows].map(row =>
                [...row.cells].map(cell => cell.textContent));
            }""",
            caption,
        )
        return found


class Opener(Protocol):
    """Opens a report, and closes it after the test."""

    def __call__(self, path: Path, width: int = WIDE, theme: str = "light") -> Opened: ...


@pytest.fixture
def opened(chromium: Browser) -> Iterator[Opener]:
    made: list[Opened] = []

    def open_report(path: Path, width: int = WIDE, theme: str = "light") -> Opened:
        made.append(Opened(chromium, path, width, theme))
        return made[-1]

    yield open_report
    for each in made:
        each.context.close()


def test_the_kept_axe_is_the_one_that_was_released() -> None:
    assert hashlib.sha256(AXE.read_bytes()).hexdigest() == AXE_SHA256


SEEN = [
    ("week", WIDE, "light"),
    ("week", WIDE, "dark"),
    ("week", PHONE, "light"),
    ("week", PHONE, "dark"),
    ("week shared", PHONE, "light"),
    ("three weeks", WIDE, "dark"),
    ("three weeks", PHONE, "light"),
]


@pytest.mark.parametrize(("chosen", "width", "theme"), SEEN)
def test_report_is_quiet_closed_fits_and_axe_finds_nothing(
    opened: Opener, week: Path, three_weeks: Path, chosen: str, width: int, theme: str
) -> None:
    folder = three_weeks if chosen == "three weeks" else week
    name = "report-shared.html" if "shared" in chosen else "report.html"
    seen = opened(folder / name, width, theme)
    page = seen.page
    page.evaluate(OPENED)
    page.wait_for_function("document.querySelectorAll('.chart svg').length >= 8")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    spilled = page.evaluate(
        """width => [...document.querySelectorAll('main *')]
          .filter(e => !e.closest('.scroll') && !e.closest('svg') && !e.closest('.unseen'))
          .filter(e => e.getBoundingClientRect().right > width + 1)
          .map(e => `${e.tagName}.${e.className}`)""",
        width,
    )
    assert not spilled
    # Rows of one table are all alike: the first of them stand for the rest.
    page.evaluate(
        "for (const row of document.querySelectorAll('tbody tr:nth-child(n + 12)')) row.remove()"
    )
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run().then(result => result.violations)")
    assert not [(each["id"], [n["target"] for n in each["nodes"]][:3]) for each in found]
    assert not seen.said
    assert not seen.asked


def test_charts_are_drawn_with_words_that_do_not_leave_them(opened: Opener, week: Path) -> None:
    for width in (WIDE, PHONE):
        page = opened(week / "report.html", width).page
        outside = page.evaluate(
            """width => [...document.querySelectorAll('.chart svg text')]
              .map(text => [text.textContent, text.getBoundingClientRect()])
              .filter(([, box]) => box.left < 0 || box.right > width)
              .map(([words]) => words)""",
            width,
        )
        assert not outside


def test_table_of_couples_equals_the_trades(opened: Opener, week: Path) -> None:
    seen = opened(week / "report.html")
    seen.page.evaluate(OPENED)
    seen.page.wait_for_selector("text=Energy sold, by seller and buyer")
    shown = {
        (seller, buyer): (round(read_number(sold) * 1_000), round(read_number(got) * 1_000))
        for seller, buyer, sold, got in seen.rows("Energy sold, by seller and buyer")
    }
    trades = pl.read_parquet(week / "trades.parquet")
    sums = trades.group_by("seller_pod", "buyer_pod").agg(c("quantity_wh", "delivered_wh").sum())
    assert shown == {(s, b): (q, d) for s, b, q, d in sums.iter_rows()}


def test_chosen_auction_shows_its_orders(opened: Opener, week: Path) -> None:
    seen = opened(week / "report.html")
    page = seen.page
    page.evaluate(OPENED)
    page.get_by_role("button", name="Most energy").click()
    prices = pl.read_parquet(week / "prices.parquet").sort("volume_wh", descending=True)
    start, volume = prices.row(0, named=True)["delivery_start"], prices["volume_wh"][0]
    orders = pl.read_parquet(week / "orders.parquet").filter(
        (c.delivery_start == start) & (c.state != "rejected")
    )
    told = page.locator(".chart[data-kind=curve] .readout").inner_text()
    assert f"{volume / 1000:.2f} kWh traded" in told
    assert f"{(orders['side'] == 'buy').sum()} bids" in told
    for side, name in (("buy", "Bid"), ("sell", "Offer")):
        rows = [row for row in seen.rows("Bids and offers") if row[0] == name]
        of_side = orders.filter(c.side == side)
        energy = sum(round(read_number(row[2]) * 1_000) for row in rows)
        assert energy == of_side["quantity_wh"].sum()
        limits = {
            None if row[1] == "at any price" else round(read_number(row[1]) * 10_000)
            for row in rows
        }  # fmt: skip
        assert limits == set(of_side["limit_nano_per_wh"])


def test_auctions_are_stepped_through_by_keyboard(opened: Opener, week: Path) -> None:
    page = opened(week / "report.html").page
    readout = page.locator(".chart[data-kind=curve] .readout")
    before = readout.inner_text()
    page.get_by_role("button", name="Next").focus()
    page.keyboard.press("Enter")
    after = readout.inner_text()
    assert after != before
    page.get_by_role("button", name="Previous").focus()
    page.keyboard.press("Enter")
    assert readout.inner_text() == before


def test_chart_is_read_by_keyboard_in_the_community_s_time(opened: Opener, week: Path) -> None:
    page = opened(week / "report.html").page
    plot = page.locator(".chart[data-name=prices] .plot")
    plot.focus()

    def read_at(*keys: str) -> str:
        for key in keys:
            page.keyboard.press(key)
        return plot.get_attribute("aria-valuetext") or ""

    assert read_at("Home").startswith("Mon 10 June, 00:00 to 00:30 BST")
    assert read_at("PageDown", "ArrowRight").startswith("Tue 11 June, 00:30 to 01:00 BST")
    row = pl.read_parquet(week / "prices.parquet").sort("delivery_start").row(-1, named=True)
    text = read_at("End")
    assert f"{row['volume_wh'] / 1000:.2f} kWh traded" in text
    assert ("no price" in text) == (row["price_nano_per_wh"] is None)


def test_week_of_a_long_run_is_drawn_and_listed_when_chosen(
    opened: Opener, three_weeks: Path
) -> None:
    seen = opened(three_weeks / "report.html", PHONE)
    page = seen.page
    page.evaluate(OPENED)
    choice = page.locator(".chart[data-name=prices] select")
    label = page.locator(".chart[data-name=prices] option").nth(1).inner_text()
    choice.select_option(label=label)
    rows = seen.rows(f"Prices and volumes over time: {label}")
    assert len(rows) == 336
    prices = pl.read_parquet(three_weeks / "prices.parquet").sort("delivery_start")
    first = next(
        i
        for i, start in enumerate(prices["delivery_start"].dt.to_string("%Y-%m-%dT%H:%MZ"))
        if start == rows[0][1]
    )
    volumes = prices["volume_wh"].slice(first, 336).to_list()
    assert [round(read_number(row[3]) * 1_000) for row in rows] == volumes
    choice.select_option(label="Day by day")
    assert len(seen.rows("Prices and volumes by local day")) == 21
    assert not seen.said


def test_reader_chooses_light_or_dark(opened: Opener, week: Path) -> None:
    page = opened(week / "report.html", WIDE, "dark").page
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(paper)
    button = page.get_by_role("button", name="Switch to light colours")
    button.focus()
    page.keyboard.press("Enter")
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    page.get_by_role("button", name="Switch to dark colours").click()
    assert page.evaluate(paper) == dark


def test_without_scripts_the_tables_are_there(chromium: Browser, week: Path) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((week / "report.html").as_uri())
    assert page.get_by_text("Charts need a script").is_visible()
    page.get_by_text("View as table: prices and volumes").click()
    assert page.get_by_text("Price and volume of every half-hour").is_visible()
    context.close()


def test_on_paper_it_is_light_and_nothing_is_cut(opened: Opener, week: Path) -> None:
    page = opened(week / "report.html", WIDE, "dark").page
    page.emulate_media(media="print", color_scheme="dark")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(255, 255, 255)"
    assert not page.get_by_role("button", name="Next").is_visible()
