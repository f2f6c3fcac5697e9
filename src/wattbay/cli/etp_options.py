"""Which options of `etp` make sense: everything that is amiss with them, told at once."""

from __future__ import annotations

from wattbay.adapters.etp.key_file import Keys
from wattbay.errors import ConfigError, Fault
from wattbay.simulation.etp_fleet import DEVICE_MAX

SECONDS_MAX = 1_000_000
PAUSE_MAX_S = 3_600
PORT_MAX = 65_535


def refuse(*faults: list[Fault]) -> None:
    """Refuse to begin where there are faults.

    Raises
    ------
    ConfigError
        Lists them all.
    """
    found = [fault for some in faults for fault in some]
    if found:
        raise ConfigError(*found)


def out_of(name: str, value: float | None, least: float, most: float) -> list[Fault]:
    """Return the fault of a number that is not within its bounds; None is within any."""
    if value is None or least <= value <= most:
        return []
    return [Fault(name, f"is {value:,}", f"{least:,} to {most:,}")]


def no_device(device: int) -> list[Fault]:
    """Return the fault of what is no id of a device."""
    return out_of("DEVICE", device, 1, DEVICE_MAX)


def no_port(name: str, port: int | None, count: int = 1) -> list[Fault]:
    """Return the fault of what is no port, or leaves no room for the next ones; 0 is any."""
    return out_of(name, port, 0, PORT_MAX + 1 - count)


def not_of(device: int, keys: Keys | None, where: str = "--keys") -> list[Fault]:
    """Return the fault of keys that are another device's: nobody would hear us."""
    if keys is None or keys.me.device_id == device:
        return []
    return [Fault(where, f"they are of device {keys.me.device_id}, and not of {device}")]


def excluded(name: str, other: str, *, is_given: bool) -> list[Fault]:
    """Return the fault of an option that means nothing beside another one."""
    return [Fault(name, f"means nothing with {other}", "leave it out")] if is_given else []
