"""The report: one self-contained HTML file that shows a customer what a run came to.

Python reads the run folder and counts; the page draws. See `docs/reference/report.md` for the
definition of every figure.
"""

from wattbay.adapters.report.build import build

__all__ = ["build"]
