"""`device keys`, `run` and `test`: the work behind the options."""

from __future__ import annotations

import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from wattbay.adapters.mqtt import enrolment
from wattbay.adapters.mqtt.device import Device, Link, Registers
from wattbay.adapters.mqtt.keys import Algorithm, read_key, write_key
from wattbay.adapters.mqtt.outbox import Outbox
from wattbay.adapters.mqtt.readings import Form
from wattbay.adapters.mqtt.topics import is_device
from wattbay.errors import AdapterError, ConfigError, Fault, WireError
from wattbay.ids import CommunityId, MeterId, is_id
from wattbay.kernel.clock import Clock, SystemClock
from wattbay.periods import Instant, instant, to_text

PORT = 1883
TLS_PORT = 8883
TURN_S = 0.05


class Place(NamedTuple):
    """Where the broker is, and with what one comes to it."""

    broker: str
    authority: Path | None = None
    certificate: Path | None = None
    certificate_key: Path | None = None

    def tls(self) -> ssl.SSLContext | None:
        """Return how the connection is secured; None where it is not.

        Raises
        ------
        ConfigError
            If a certificate cannot be read.
        """
        if self.authority is None and self.certificate is None:
            return None
        try:
            context = ssl.create_default_context(
                cafile=None if self.authority is None else str(self.authority)
            )
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.certificate_key)
        except (OSError, ssl.SSLError) as error:
            fault = Fault("--authority, --certificate", str(error), "PEM files, key and all")
            raise ConfigError(fault) from error
        return context

    def address(self) -> tuple[str, int]:
        """Return host and port.

        Raises
        ------
        ConfigError
            If it is none.
        """
        host, _, port = self.broker.rpartition(":")
        if not host:
            host, port = port, str(PORT if self.tls() is None else TLS_PORT)
        if not port.isdecimal() or not 0 < int(port) < 1 << 16:
            raise ConfigError(Fault("--broker", f"{self.broker!r}", "HOST or HOST:PORT"))
        return host.strip("[]"), int(port)

    def link(self) -> Link:
        """Return it as a device takes it."""
        host, port = self.address()
        return Link(host=host, port=port, tls=self.tls())


class Sending(NamedTuple):
    """How readings are sent."""

    wait_s: float
    """For acknowledgements at the end. [s]"""
    is_jws: bool = False
    clock: Clock | None = None
    """By which lines without `at` are stamped; otherwise the machine's."""


class Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of what a meter shows."""

    import_register: int = msgspec.field(name="import")
    export_register: int = msgspec.field(name="export")
    at: str = ""
    power_w: int | None = None
    voltage_mv: int | None = None
    flags: int = 0


_line = msgspec.json.Decoder(Line)


def make_keys(file: Path, *, is_p256: bool) -> None:
    """Make a key and print the public one."""
    signer = write_key(file, Algorithm.P256 if is_p256 else Algorithm.ED25519)
    print(signer.public_key.hex())


def check_names(community: str, name: str) -> None:
    """Refuse what cannot stand in a topic.

    Raises
    ------
    ConfigError
        If either is no identifier.
    """
    faults = []
    if not is_id(community):
        faults.append(Fault("COMMUNITY", f"{community!r}", "1 to 64 letters, digits, _ or -"))
    if not is_device(name):
        remedy = "1 to 64 letters, digits, _ or -, and not market"
        faults.append(Fault("NAME", f"{name!r}", remedy))
    if faults:
        raise ConfigError(*faults)


@contextmanager
def at_work(
    key: Path, community: str, name: str, place: Place, outbox: Path, clock: Clock | None = None
) -> Iterator[Device]:
    """Let a device work for a while, by a clock; otherwise by the machine's."""
    check_names(community, name)
    kept = Outbox(outbox)
    device = Device(
        community=CommunityId(community), device=MeterId(name), signer=read_key(key),
        outbox=kept, clock=clock or SystemClock(), link=place.link(),
    )  # fmt: skip
    device.start()
    try:
        yield device
    finally:
        device.stop()
        kept.close()


def wait_until(holds: Callable[[], object], wait_s: float) -> bool:
    """Wait for a condition, so many seconds at most; tell whether it came to hold."""
    pause = threading.Event()
    for _ in range(max(1, int(wait_s / TURN_S))):
        if holds():
            return True
        pause.wait(TURN_S)
    return bool(holds())


def run_device(
    key: Path,
    community: str,
    name: str,
    place: Place,
    outbox: Path,
    how: Sending,
) -> int:
    """Send what standard input says; return the exit status."""
    form = Form.JWS if how.is_jws else Form.COSE
    clock = how.clock or SystemClock()
    faults, last = 0, Instant(0)
    with at_work(key, community, name, place, outbox, clock) as device:
        for number, text in enumerate(sys.stdin, 1):
            if not text.strip():
                continue
            # A clock that is told the time may stand: no two readings bear one stamp.
            wait_until(partial(_is_past, clock, last), how.wait_s)
            try:
                last = device.measured(registers_of(text, clock), form).measured_at
            except WireError as error:
                faults += 1
                print(f"line {number}: {error}", file=sys.stderr)
        wait_until(lambda: device.waiting == 0, how.wait_s)
        tell(device)
        return 1 if device.waiting or faults else 0


def _is_past(clock: Clock, at: Instant) -> bool:
    return clock.now() > at


def registers_of(text: str, clock: Clock) -> Registers:
    """Read a line of standard input; where it does not say when, it is now.

    Raises
    ------
    WireError
        If it is none.
    """
    try:
        line = _line.decode(text)
        at = instant(line.at) if line.at else clock.now()
    except (msgspec.DecodeError, ValueError) as error:
        msg = f"wrong form: {error}"
        raise WireError(msg) from error
    return Registers(
        measured_at=at,
        import_register=line.import_register,
        export_register=line.export_register,
        flags=line.flags,
        power_w=line.power_w,
        voltage_mv=line.voltage_mv,
    )


def tell(device: Device) -> None:
    """Print what became of a device's readings."""
    print(f"{device.acknowledged} readings are acknowledged, {device.waiting} wait")
    for what, count in sorted(device.refused.items()):
        print(f"{count} were refused: {what}")
    if device.waiting and not device.refused:
        reason = device.fault or "nobody acknowledged them: is the service at work?"
        print(f"last heard: {reason}")


def try_device(
    key: Path,
    community: str,
    name: str,
    place: Place,
    outbox: Path,
    registers: str,
    *,
    wait_s: float,
) -> int:
    """Try the way to the broker and back; return the exit status."""
    shown = registers_shown(registers, "--registers")
    with at_work(key, community, name, place, outbox) as device:
        where = "{}:{}".format(*place.address())
        if not wait_until(lambda: device.is_connected, wait_s):
            print(f"no   {where} lets {name} in: {device.fault or 'no answer'}")
            return 1
        print(f"yes  {where} lets {name} in" + (", by TLS" if place.tls() else ", unencrypted"))
        if not wait_until(lambda: device.is_subscribed, wait_s):
            print("no   it may listen to its own acknowledgements and commands")
            return 1
        print("yes  it may listen to its own acknowledgements and commands")
        if shown is None:
            print("     nothing was stored; --registers IMPORT,EXPORT tries a signed reading")
            return 0
        now = SystemClock().now()
        reading = device.measured(
            Registers(measured_at=now, import_register=shown[0], export_register=shown[1])
        )
        if not wait_until(lambda: device.waiting == 0 or device.refused, wait_s):
            print(f"no   reading {reading.boot}/{reading.seq} was acknowledged in {wait_s:g} s:")
            print("     no service is at work, or it knows no key of this device")
            return 1
        if device.refused:
            print(f"no   the service took it: {', '.join(sorted(device.refused))}")
            return 1
        print(f"yes  reading {reading.boot}/{reading.seq} of {to_text(now)} is stored")
        return 0


def registers_shown(registers: str, where: str) -> tuple[int, int] | None:
    """Read the two registers that a meter shows; None where nothing is said.

    Raises
    ------
    ConfigError
        If they are none.
    """
    if not registers:
        return None
    found = registers.split(",")
    if len(found) != 2 or not all(part.strip().isdecimal() for part in found):  # noqa: PLR2004
        fault = Fault(where, f"{registers!r}", "two whole numbers: 48213,9120")
        raise ConfigError(fault)
    return int(found[0]), int(found[1])


def enrolled_keys(paths: list[Path]) -> dict[MeterId, bytes]:
    """Return the public keys of enrolment requests, each checked.

    Raises
    ------
    AdapterError
        If a file is no request, or not signed by its key.
    """
    found = {}
    for path in paths:
        try:
            request = enrolment.decode(path.read_bytes())
        except (OSError, WireError) as error:
            msg = f"{path}: {getattr(error, 'strerror', None) or error}"
            raise AdapterError(msg) from error
        found[request.device] = bytes.fromhex(request.public_key)
    return found
