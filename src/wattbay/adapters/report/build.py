"""From a run folder to `report.html`, the same bytes every time."""

from __future__ import annotations

from pathlib import Path

from wattbay.adapters.report.flows import carbon, exchange, flows, self_sufficiency
from wattbay.adapters.report.folder import RunFolder
from wattbay.adapters.report.page import Head, page
from wattbay.adapters.report.pairs import pairs
from wattbay.adapters.report.prices import auctions, prices
from wattbay.adapters.report.run import GROUP_HOMES_MIN, read
from wattbay.adapters.report.savings import savings, spreads
from wattbay.adapters.report.series import Json
from wattbay.adapters.report.settling import accounted, checks, deviations, imbalances, readings
from wattbay.adapters.report.tags import Section
from wattbay.adapters.report.terms import sources, tariffs
from wattbay.errors import ConfigError, Fault


def build(run: Path, *, now_text: str | None = None, share: bool = False) -> Path:
    """Write the report of a finished run into its folder.

    Parameters
    ----------
    run
        The run folder.
    now_text
        When the report was made, as it shall be printed. Without it the report bears no such line,
        and the same folder gives the same bytes.
    share
        Make a report that may be given to others: no home stands alone in it, and homes are told
        in groups of five or more.

    Returns
    -------
    Path
        `report.html` in the folder, or `report-shared.html`.

    Raises
    ------
    AdapterError
        If a file of the folder is missing or unreadable.
    ConfigError
        If a shared report is asked for of fewer than five homes.
    """
    folder = RunFolder(run)
    if share and len(folder.homes) < GROUP_HOMES_MIN:
        what = f"{len(folder.homes)} homes are too few to be told of without telling of each"
        raise ConfigError(Fault(str(run), what, f"share reports of {GROUP_HOMES_MIN} or more"))
    told = read(folder, shared=share)
    spread = spreads(told)
    balanced = checks(told)
    parts: list[Section | tuple[Section, Json] | None] = [
        prices(told),
        flows(told),
        auctions(told),
        pairs(told),
        savings(told, spread),
        self_sufficiency(told),
        exchange(told),
        carbon(told),
        deviations(told),
        readings(told),
        imbalances(told),
        accounted(told, balanced),
        tariffs(told),
        sources(told),
    ]
    sections: list[Section] = []
    numbers: Json = {"offsets": told.offsets, "step": folder.scenario.isp_minutes}
    for part in parts:
        if isinstance(part, Section):
            sections.append(part)
        elif part is not None:
            sections.append(part[0])
            numbers[part[0].anchor] = part[1]
    head = Head(told, spread[0], spread[-1], balanced, now_text)
    path = run / ("report-shared.html" if share else "report.html")
    path.write_text(page(head, sections, numbers), encoding="utf-8")
    return path
