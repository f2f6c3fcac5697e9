"""A deployment as the how-to makes one: certificates by our command, and the shipped broker."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from typer.testing import CliRunner

from wattbay.adapters.mqtt.certificates import SERVICE_NAME
from wattbay.cli import app

DEPLOY = Path(__file__).parent.parent / "deploy"
SHIPPED = files("wattbay.adapters.mqtt") / "mosquitto"


def run(*arguments: str) -> str:
    """Run a command of ours; return what it printed."""
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 0, done.output
    return done.output


def certificates(folder: Path, *devices: str) -> None:
    """Make an authority, and certificates of a server, the service and devices."""
    run("certificates", "authority", str(folder), "--name", "Elm Street")
    server = ("--host", "127.0.0.1", "--host", "localhost")
    run("certificates", "issue", str(folder), "server", *server)
    for name in (SERVICE_NAME, *devices):
        run("certificates", "issue", str(folder), name)


def shipped(pki: Path) -> Callable[[Path, int], str]:
    """Return what configures Mosquitto as we ship it, with other paths and port."""

    def configuration(folder: Path, port: int) -> str:
        for name in ("authority.pem", "server.pem", "server.key", "revoked.pem"):
            (folder / name).write_bytes((pki / name).read_bytes())
        (folder / "wattbay.acl").write_bytes((SHIPPED / "wattbay.acl").read_bytes())
        return (
            (SHIPPED / "wattbay.conf")
            .read_text(encoding="utf-8")
            .replace("listener 8883", f"listener {port} 127.0.0.1")
            .replace("/etc/mosquitto/wattbay", str(folder))
            .replace("/var/lib/mosquitto/", f"{folder}/")
        )

    return configuration


def tls_of(pki: Path, name: str) -> ssl.SSLContext:
    """Return how a client speaks to that broker under the name in its certificate."""
    context = ssl.create_default_context(cafile=str(pki / "authority.pem"))
    context.load_cert_chain(pki / f"{name}.pem", pki / f"{name}.key")
    return context


def tls_settings(pki: Path) -> dict[str, str]:
    """Return the same as settings of the service."""
    parts = {
        "AUTHORITY": pki / "authority.pem",
        "CERTIFICATE": pki / f"{SERVICE_NAME}.pem",
        "KEY": pki / f"{SERVICE_NAME}.key",
    }
    return {f"WATTBAY_MQTT__{name}": str(path) for name, path in parts.items()}
