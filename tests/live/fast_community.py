"""A service of a founded community whose time passes faster: a program of its own, for tests.

It is `wattbay serve`, but for its clock. Arguments: the founding file, the folder, and how many
seconds pass in one.
"""

from __future__ import annotations

import sys
from pathlib import Path

from wattbay.assembly import logs
from wattbay.assembly.exchange import LiveExchange, Made
from wattbay.cli.serve import _run
from wattbay.config import read_settings
from wattbay.simulation.founding_file import read_founding


def serve(founding: Path, folder: Path, speed: int) -> int:
    """Serve until told to stop; return the exit status."""
    settings = read_settings(None, storage={"folder": folder})
    logs.begin(settings.log)
    found = read_founding(founding)
    made = Made(found.community, found.calendar, lambda _: found.commands, speed)
    return _run(settings, LiveExchange(settings, made=made))


if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
