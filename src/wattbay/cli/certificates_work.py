"""What the commands of `certificates` do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509

from wattbay.adapters.mqtt.certificates import Certificate, issue, new_authority, revoked_list
from wattbay.cli.live import needed
from wattbay.errors import ConfigError, Fault
from wattbay.kernel.clock import SystemClock
from wattbay.periods import to_datetime

AUTHORITY = "authority"
REVOKED = "revoked.pem"
GONE = "revoked"
"""The folder of certificates that are on the list."""


def make_authority(folder: Path, name: str) -> None:
    """Make an authority in a folder that has none."""
    needed("wattbay certificates")
    _must_not_be(folder / f"{AUTHORITY}.pem")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = new_authority(name, _now())
    made.write(folder, AUTHORITY)
    (folder / REVOKED).write_bytes(revoked_list(made, [], _now()))
    print(f"{folder / AUTHORITY}.pem  the authority: brokers, services and devices trust it")
    print(f"{folder / AUTHORITY}.key  signs certificates: keep it apart")
    print(f"{folder / REVOKED}  who is not let in any more: nobody yet")


def issue_certificate(folder: Path, name: str, hosts: Sequence[str]) -> None:
    """Issue a certificate in a folder."""
    needed("wattbay certificates")
    _must_not_be(folder / f"{name}.pem")
    issue(_authority(folder), name, _now(), hosts=hosts).write(folder, name)
    whose = f"a server at {', '.join(hosts)}" if hosts else f"the client {name}"
    print(f"{folder / name}.pem  the certificate of {whose}")
    print(f"{folder / name}.key  its key")


def revoke_certificates(folder: Path, names: Sequence[str]) -> None:
    """Put certificates on the list."""
    needed("wattbay certificates")
    authority = _authority(folder)
    faults = [
        Fault(f"{folder / name}.pem", "there is no such certificate", "the name it was issued to")
        for name in names
        if not (folder / f"{name}.pem").exists()
    ]
    if faults:
        raise ConfigError(*faults)
    gone = folder / GONE
    gone.mkdir(exist_ok=True)
    for name in names:
        path = folder / f"{name}.pem"
        serial = x509.load_pem_x509_certificate(path.read_bytes()).serial_number
        path.replace(gone / f"{name}-{serial:x}.pem")
        (folder / f"{name}.key").unlink(missing_ok=True)
    listed = [x509.load_pem_x509_certificate(path.read_bytes()) for path in sorted(gone.iterdir())]
    (folder / REVOKED).write_bytes(revoked_list(authority, listed, _now()))
    print(f"{folder / REVOKED}: {len(listed)} certificates; the broker reads it on SIGHUP")


def _authority(folder: Path) -> Certificate:
    try:
        return Certificate.read(folder, AUTHORITY)
    except (OSError, ValueError) as error:
        what = f"is no authority: {error}"
        raise ConfigError(Fault(str(folder), what, "wattbay certificates authority")) from error


def _must_not_be(path: Path) -> None:
    if path.exists():
        what = "is there already, and is not overwritten"
        raise ConfigError(Fault(str(path), what, "another folder or name"))


def _now() -> datetime:
    return to_datetime(SystemClock().now())
