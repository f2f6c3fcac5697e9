"""How the documentation is built: Sphinx, Markdown by MyST, the theme furo."""

from importlib.metadata import version as version_of

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
