"""`device simulate`: homes that publish signed readings, drawn from a seed."""

from __future__ import annotations

import math
import random
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from wattbay.adapters.mqtt.device import Device, Registers
from wattbay.adapters.mqtt.keys import Algorithm, write_key
from wattbay.cli.device_enrol import Place as Standing
from wattbay.cli.device_enrol import Wish, register
from wattbay.cli.device_work import Place, at_work, check_names, wait_until
from wattbay.errors import ConfigError, Fault
from wattbay.periods import DAY, HOUR, MINUTE, Instant, instant

HOMES_MAX = 1_000
READINGS_MAX = 100_000
HOURS_A_DAY = 24


class Street(NamedTuple):
    """What was asked for."""

    community: str
    homes: int
    readings: int
    every_s: float
    step_min: int
    start: str
    seed: int


class Home:
    """A home's load and panels, by the time of day and by chance."""

    def __init__(self, seed: int, number: int) -> None:
        """Draw a home; every other one has panels."""
        self._chance = random.Random(f"{seed}/{number}")
        self._base_w = self._chance.uniform(100, 250)
        self._evening_w = self._chance.uniform(200, 650)
        self._panels_w = self._chance.uniform(2_000, 6_000) if number % 2 else 0.0
        self._import_wh = self._export_wh = 0.0

    def live(self, at: Instant, length_us: int) -> Registers:
        """Let time pass until an instant, and return what the meter shows then."""
        hour = at % DAY / HOUR
        evening = math.exp(-(((hour - 19) / 2.5) ** 2))
        load_w = (self._base_w + self._evening_w * evening) * self._chance.uniform(0.8, 1.2)
        sun = max(0.0, math.sin(math.pi * (hour - 6) / 12))
        made_w = self._panels_w * sun * self._chance.uniform(0.5, 1.0)
        power_w = made_w - load_w
        energy_wh = power_w * length_us / HOUR
        self._export_wh += max(0.0, energy_wh)
        self._import_wh += max(0.0, -energy_wh)
        return Registers(
            measured_at=at,
            import_register=round(self._import_wh),
            export_register=round(self._export_wh),
            power_w=round(power_w),
            voltage_mv=230_000 + round(power_w / 2),
        )


def simulate_street(street: Street, folder: Path, broker: str, *, wait_s: float) -> int:
    """Publish the readings of some homes; return the exit status."""
    start = _checked(street)
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"h{number:02d}" for number in range(1, street.homes + 1)]
    for name in names:
        key = folder / f"{name}.pem"
        if not key.exists():
            write_key(key, Algorithm.ED25519)
            wish = Wish(key, street.community, name, "meter")
            register(wish, None, Standing(), folder / f"{name}.json")
    step_us = street.step_min * MINUTE
    pause = threading.Event()
    with ExitStack() as stack:
        place = Place(broker)
        devices = [
            stack.enter_context(
                at_work(folder / f"{name}.pem", street.community, name, place,
                        folder / f"{name}.outbox")
            )
            for name in names
        ]  # fmt: skip
        host, port = place.address()
        topic = f"em/v1/{street.community}/+/data"
        print(f"look at them: mosquitto_sub -h {host} -p {port} -t '{topic}' -F '%t %x'")
        homes = [Home(street.seed, number) for number in range(1, street.homes + 1)]
        for number in range(1, street.readings + 1):
            at = Instant(start + number * step_us)
            for home, device in zip(homes, devices, strict=True):
                device.measured(home.live(at, step_us))
            if street.every_s and number < street.readings:
                pause.wait(street.every_s)
        wait_until(lambda: not any(device.waiting for device in devices), wait_s)
        return _told(devices, street)


def _told(devices: list[Device], street: Street) -> int:
    """Print what became of the readings; return the exit status."""
    waiting = sum(device.waiting for device in devices)
    stored = sum(device.acknowledged for device in devices)
    made = street.homes * street.readings
    print(f"{made} readings of {street.homes} homes; {stored} are acknowledged, {waiting} wait")
    lost = [device for device in devices if not device.is_all_sent]
    for device in lost[:3]:
        why = device.fault or "nobody acknowledges"
        print(f"{device.device}: {why}; the rest waits in its outbox")
    return 1 if lost else 0


def _checked(street: Street) -> Instant:
    """Return when the homes' time begins.

    Raises
    ------
    ConfigError
        Bears everything that is wrong with what was asked.
    """
    faults = []
    check_names(street.community, "h01")
    if not 1 <= street.homes <= HOMES_MAX:
        faults.append(Fault("--homes", str(street.homes), f"1 to {HOMES_MAX:,}"))
    if not 1 <= street.readings <= READINGS_MAX:
        faults.append(Fault("--readings", str(street.readings), f"1 to {READINGS_MAX:,}"))
    if not 1 <= street.step_min <= HOURS_A_DAY * 60:
        faults.append(Fault("--step", str(street.step_min), "1 to 1,440 minutes"))
    if not 0 <= street.every_s <= HOUR:
        faults.append(Fault("--every", f"{street.every_s:g}", "0 to an hour"))
    start = Instant(0)
    try:
        start = instant(street.start)
    except ValueError as error:
        faults.append(Fault("--start", str(error), "such as 2026-05-01T00:00Z"))
    if faults:
        raise ConfigError(*faults)
    return start
