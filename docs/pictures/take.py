"""Take the pictures of the documents: ``python docs/pictures/take.py runs/london-week``.

Of a run its report, as the README shows it; of a comparison of rules (``wattbay compare … --out``)
its page. Needs Chromium, and whatever fonts the machine has. The pictures are committed; take them
again when the pages look different.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Literal

from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).parent
WIDTH = 1280
ENDS_WITH = {"report": "#flows", "compare": "#savings"}
"""The last section in the picture of a page."""
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars")


def take(shown: Path, browser: str) -> None:
    """Write `report-light.png` and `report-dark.png`, or likewise: what a reader sees first."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=list(FLAGS))
        for scheme in SCHEMES:
            page = chromium.new_page(
                viewport={"width": WIDTH, "height": 900},
                color_scheme=scheme,
                device_scale_factor=1.25,
            )
            page.goto(shown.resolve().as_uri())
            page.wait_for_selector("main svg")
            # Contents and hints say nothing in a picture; the first charts say much.
            page.evaluate(
                "document.querySelectorAll('nav, details, .hint, .scroll').forEach(e => e.remove())"
            )
            last = page.locator(ENDS_WITH[shown.stem]).bounding_box()
            height = last["y"] + last["height"] if last else 900
            page.screenshot(
                path=FOLDER / f"{shown.stem}-{scheme}.png",
                full_page=True,
                clip={"x": 0, "y": 0, "width": WIDTH, "height": height},
            )
        chromium.close()


if __name__ == "__main__":
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if len(sys.argv) != 2 or not found:  # noqa: PLR2004 - the program and its one argument
        sys.exit("usage: python docs/pictures/take.py FOLDER (needs chromium on the PATH)")
    pages = [Path(sys.argv[1]) / f"{name}.html" for name in ENDS_WITH]
    for each in pages:
        if each.exists():
            take(each, found)
