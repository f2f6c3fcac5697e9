"""What is watched of devices, taken up where it was written down."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import structlog

from wattbay.errors import ConfigError
from wattbay.ids import MeterId
from wattbay.periods import Instant
from wattbay.watch.anomalies import Watch
from wattbay.watch.findings import DeviceFacts
from wattbay.watch.track import Limits

log: structlog.stdlib.BoundLogger = structlog.get_logger("wattbay")


def taken_up(
    file: Path, now: Instant, facts: Mapping[MeterId, DeviceFacts], limits: Limits
) -> Watch:
    """Return the watch as it was written down last; a new one where that cannot be read."""
    try:
        return Watch.restored(file.read_bytes(), now, facts, limits)
    except FileNotFoundError:
        return Watch(limits)
    except (OSError, ConfigError) as error:
        log.warning("what was watched could not be taken up", error=str(error))
        return Watch(limits)


def write_down(watch: Watch, file: Path) -> None:
    """Write a watch down; nothing is lost for long where that cannot be."""
    beside = file.with_suffix(".new")
    try:
        beside.write_bytes(watch.snapshot())
        beside.replace(file)
    except OSError as error:
        log.warning("what is watched could not be written down", error=str(error))
