"""The report: one self-contained HTML file that shows a customer what a run came to.

Python reads the run folder and counts; the page draws. See `docs/reference/report.md` for the
definition of every figure. A comparison of rules has a page of its own, in the same frame.
"""

from wattbay.adapters.report.build import build
from wattbay.adapters.report.comparison import build_comparison

__all__ = ["build", "build_comparison"]
