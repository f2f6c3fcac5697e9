"""Whether this machine has what Wattbay needs: asked once, answered in a table or as JSON."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfoNotFoundError

from rich.console import Console
from rich.table import Table

import wattbay
from wattbay.core.market.columns import IS_COMPILED
from wattbay.errors import JournalError
from wattbay.kernel.journal import SqliteJournal
from wattbay.periods import HOUR, Calendar

PYTHON_MIN = (3, 11)
DISK_BYTES_MIN = 200_000_000
"""A week of sixty homes with all its files, several times over."""
DISK_BYTES_WISE = 4_000_000_000
"""A year of sixty homes at the journal's bound of 100 kB a home-day, with its files."""
SQLITE_MIN = (3, 35)
WIDTH_WISE = 80
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "firefox")


class Finding(NamedTuple):
    """One thing that was looked at."""

    what: str
    found: str
    is_right: bool
    is_needed: bool = True
    """Whether Wattbay cannot do without; else it is advice."""
    remedy: str = ""


def examine(folder: Path) -> list[Finding]:
    """Look at this machine, and at a folder in which runs are to be kept."""
    return [
        python(),
        *libraries(),
        sqlite(),
        durability(folder),
        disk(folder),
        time_zones(),
        terminal(),
        browser(),
        modules(),
        order_book(),
    ]


def python() -> Finding:
    """Tell the version of Python."""
    found = f"{platform.python_version()} ({platform.python_implementation()}, {sys.executable})"
    remedy = "Python 3.11 or newer"
    return Finding("Python", found, sys.version_info[:2] >= PYTHON_MIN, remedy=remedy)


def numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version, for comparing."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def libraries() -> Iterator[Finding]:
    """Tell of each library that the package needs whether it is there, and new enough."""
    for requirement in metadata.requires("wattbay") or ():
        if "extra ==" in requirement:
            continue
        name = re.split(r"[<>=!~;\[ ]", requirement)[0]
        least = re.search(r">=([\d.]+)", requirement)
        wanted = least.group(1) if least else ""
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding(name, "missing", is_right=False, remedy=f"{name} {wanted} or newer")
            continue
        is_new = numbers(version) >= numbers(wanted)
        yield Finding(name, version, is_new, remedy=f"{name} {wanted} or newer")


def sqlite() -> Finding:
    """Tell the version of SQLite, which the journal stands on."""
    found = sqlite3.sqlite_version
    return Finding("SQLite", found, numbers(found) >= SQLITE_MIN, remedy="SQLite 3.35 or newer")


def durability(folder: Path) -> Finding:
    """Write a journal beside where runs are kept, and read it back."""
    what = "Journal"
    remedy = "a folder on a local disk that can be written to"
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".wattbay-doctor-") as scratch:
            path = Path(scratch) / "journal.sqlite"
            # Opening it sets synchronous FULL and fails without a write-ahead log.
            journal = SqliteJournal(path)
            journal.append([b"[]"])
            head = journal.head
            journal.close()
            again = SqliteJournal(path, read_only=True)
            is_same = again.head == head
            again.close()
    except (OSError, JournalError) as fault:
        return Finding(what, f"cannot be written here: {fault}", is_right=False, remedy=remedy)
    found = "written durably (WAL, synchronous FULL) and read back" if is_same else "does not last"
    return Finding(what, found, is_same, remedy=remedy)


def disk(folder: Path) -> Finding:
    """Tell how much a run may write."""
    free = shutil.disk_usage(folder).free
    # A run needs little; a year of a community is where it fills.
    return Finding(
        "Disk",
        f"{free / 10**9:,.1f} GB free for {folder}",
        free >= DISK_BYTES_WISE,
        is_needed=free < DISK_BYTES_MIN,
        remedy="4 GB hold a year of sixty homes",
    )


def time_zones() -> Finding:
    """Tell whether local days are known, by one that has 23 hours."""
    what = "Time zones"
    try:
        length = Calendar("Europe/London").day(date(2013, 3, 31)).length_us
    except ZoneInfoNotFoundError:
        return Finding(what, "missing", is_right=False, remedy="the library tzdata")
    found = (
        f"tzdata {metadata.version('tzdata')}; London's 31 March 2013 has {length // HOUR} hours"
    )
    return Finding(what, found, length == 23 * HOUR, remedy="the library tzdata")


def terminal() -> Finding:
    """Tell what tables can look like."""
    console = Console()
    kind = f"{console.width} columns, {console.color_system or 'no'} colour, {console.encoding}"
    found = kind if console.is_terminal else f"none (output goes to a file or pipe); {kind}"
    is_right = console.width >= WIDTH_WISE and console.encoding.startswith("utf")
    remedy = "80 columns and UTF-8 (PYTHONUTF8=1)"
    return Finding("Terminal", found, is_right, is_needed=False, remedy=remedy)


def browser() -> Finding:
    """Tell whether a browser is at hand; reports open in any, and the tests use Chromium."""
    found = next(filter(None, map(shutil.which, BROWSERS)), "")
    remedy = "any browser opens a report, elsewhere too; the tests need chromium"
    return Finding("Browser", found or "none", bool(found), is_needed=False, remedy=remedy)


def modules() -> Finding:
    """Tell the version of the package, and where its modules are."""
    found = f"Wattbay {wattbay.__version__}"
    is_editable = os.sep + "src" + os.sep in wattbay.__file__
    return Finding("Modules", found + (", from its sources" if is_editable else ""), is_right=True)


def order_book() -> Finding:
    """Tell whether the order book is compiled or interpreted: it does the same, at other speeds."""
    found = "compiled" if IS_COMPILED else "interpreted"
    remedy = "the same, some twenty times as fast: a wheel built where a C compiler is"
    return Finding("Order book", found, is_right=IS_COMPILED, is_needed=False, remedy=remedy)


def is_healthy(findings: list[Finding]) -> bool:
    """Tell whether nothing that is needed is wrong."""
    return all(finding.is_right for finding in findings if finding.is_needed)


def to_json(findings: list[Finding]) -> str:
    """Write the findings for a program to read."""
    rows = [finding._asdict() for finding in findings]
    return json.dumps({"format": 1, "healthy": is_healthy(findings), "findings": rows}, indent=2)


def to_table(findings: list[Finding]) -> Table:
    """Draw the findings for a person to read."""
    table = Table(title="What Wattbay needs", title_justify="left", show_edge=False)
    table.add_column("")
    table.add_column("what", no_wrap=True)
    table.add_column("found", overflow="fold")
    table.add_column("what would be right", overflow="fold")
    for finding in findings:
        sign = "[green]ok" if finding.is_right else "[red]no" if finding.is_needed else "[yellow]--"
        remedy = "" if finding.is_right else finding.remedy
        table.add_row(sign, finding.what, finding.found, remedy)
    return table


def report(folder: Path, *, as_json: bool) -> int:
    """Examine this machine and print what was found.

    Returns
    -------
    int
        The exit status: 1 if something that is needed is missing or wrong.
    """
    findings = examine(folder)
    console = Console()
    if as_json:
        console.print_json(to_json(findings))
    else:
        console.print(to_table(findings))
        words = "All that is needed is here." if is_healthy(findings) else "Something is missing."
        console.print(f"\n{words}")
    return 0 if is_healthy(findings) else 1
