"""How a service tells what it does: structlog, for people or for machines."""

from __future__ import annotations

import logging
import sys

import structlog

from wattbay.config import Log, LogForm

QUIET = ("amqtt", "transitions", "gmqtt", "uvicorn", "uvicorn.error", "alembic", "websockets")
"""Libraries that speak only of what is amiss."""


def begin(log: Log) -> None:
    """Set up what is logged, and how. Once a process."""
    level = logging.getLevelNamesMapping()[log.level.upper()]
    is_json = log.form is LogForm.JSON
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer()
            if is_json
            else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s: %(message)s")
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)
