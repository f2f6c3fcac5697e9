"""What every page is framed in: its head, and the only style and script that it may use."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from importlib import resources

import msgspec

from wattbay.adapters.report.series import Json

STYLES = ("colours.css", "charts.css", "layout.css")
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Crect width='16' height='16' rx='4' fill='%23009e73'/%3E"
    "%3Cpath d='M9 2 4 9h3l-1 5 6-8H9z' fill='%23fff'/%3E%3C/svg%3E"
)


def document(
    title: str, body: str, numbers: Json, scripts: Sequence[str], styles: Sequence[str] = STYLES
) -> str:
    """Return a whole page, everything inside it.

    Parameters
    ----------
    body
        HTML; what stands first is skipped by who jumps to `main`.
    numbers
        What the scripts draw from.
    scripts, styles
        Files of `static`, in order.
    """
    style = "\n".join(_file(name) for name in styles)
    script = "(()=>{'use strict';\n" + "\n".join(_file(name) for name in scripts) + "\n})();"
    # The page may do nothing but show itself: no host, no other script or style than these two.
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    held = msgspec.json.encode(numbers).decode().replace("<", "\\u003c")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="Wattbay">
<title>{escape(title)}</title>
<link rel="icon" href="{_ICON}">
<style>{style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the figures</a>
{body}
<script type="application/json" id="numbers">{held}</script>
<script>{script}</script>
</body>
</html>
"""


def _file(name: str) -> str:
    return resources.files(__package__).joinpath("static", name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
