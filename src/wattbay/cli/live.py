"""What commands of a live community need beyond a plain installation."""

from __future__ import annotations

from importlib.util import find_spec

from wattbay.errors import ConfigError, Fault

LIBRARIES = (
    "amqtt",
    "cryptography",
    "fastapi",
    "gmqtt",
    "paho.mqtt",
    "pydantic_settings",
    "uvicorn",
)


def needed(command: str) -> None:
    """Make sure that the extra `live` is installed.

    Raises
    ------
    ConfigError
        Names what is missing.
    """
    missing = [name for name in LIBRARIES if not _is_here(name)]
    if missing:
        what = f"{', '.join(missing)} is not installed"
        raise ConfigError(Fault(command, what, "pip install 'wattbay[live]'"))


def _is_here(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False
