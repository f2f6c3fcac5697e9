"""Take the README's pictures of a report: ``python docs/pictures/take.py runs/london-week``.

Needs Chromium, and whatever fonts the machine has. The pictures are committed; take them again
when the report looks different.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Literal

from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).parent
WIDTH = 1280
ENDS_WITH = "#flows"
"""The last section in the picture."""
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars")


def take(report: Path, browser: str) -> None:
    """Write `report-light.png` and `report-dark.png`: what a reader sees first."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=list(FLAGS))
        for scheme in SCHEMES:
            page = chromium.new_page(
                viewport={"width": WIDTH, "height": 900},
                color_scheme=scheme,
                device_scale_factor=1.25,
            )
            page.goto(report.resolve().as_uri())
            page.wait_for_selector(".chart svg")
            # Contents and hints say nothing in a picture; the first charts say much.
            page.evaluate(
                "document.querySelectorAll('nav, details, .hint').forEach(e => e.remove())"
            )
            last = page.locator(ENDS_WITH).bounding_box()
            height = last["y"] + last["height"] if last else 900
            page.screenshot(
                path=FOLDER / f"report-{scheme}.png",
                full_page=True,
                clip={"x": 0, "y": 0, "width": WIDTH, "height": height},
            )
        chromium.close()


if __name__ == "__main__":
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if len(sys.argv) != 2 or not found:  # noqa: PLR2004 - the program and its one argument
        sys.exit("usage: python docs/pictures/take.py RUN (needs chromium on the PATH)")
    take(Path(sys.argv[1]) / "report.html", found)
