"""How the documentation is built: Sphinx, Markdown by MyST, the theme furo."""

from __future__ import annotations

import re
from importlib.metadata import version as version_of
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "Wattbay"
author = "The Wattbay authors"
release = version_of("wattbay")
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
nitpicky = False
# In docstrings a name between single backticks is code.
default_role = "code"

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "tasklist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "undoc-members": False}
napoleon_google_docstring = False
napoleon_numpy_docstring = True

html_theme = "furo"
html_title = "Wattbay"
html_show_copyright = False
html_copy_source = False


def list_references(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Show the references of a docstring as its own list: each docstring counts from 1 itself."""
    del app, what, name, obj, options
    for place, line in enumerate(lines):
        listed = re.sub(r"^\.\. \[(\d+)\] ", r"\1. ", line)
        lines[place] = re.sub(r"\[(\d+)\]_", r"[\1]", listed)


def setup(app: Sphinx) -> None:
    """Let Sphinx call the function above."""
    app.connect("autodoc-process-docstring", list_references, priority=900)
