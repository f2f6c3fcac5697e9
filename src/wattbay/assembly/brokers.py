"""Which broker a service comes to, and how it is let in."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from hashlib import sha256

from wattbay.adapters.mqtt.embedded import EmbeddedBroker, Listener
from wattbay.adapters.mqtt.service import Address, GmqttClient
from wattbay.config import BrokerKind, Mqtt
from wattbay.errors import ConfigError, Fault

AWS_ALPN = "x-amzn-mqtt-ca"
"""What AWS IoT Core wants to hear where MQTT comes to port 443."""
HTTPS_PORT = 443


def embedded(mqtt: Mqtt, port: int) -> EmbeddedBroker:
    """Return the broker in this process, not open yet. Within a running event loop."""
    return EmbeddedBroker(Listener(mqtt.host, port))


def client(mqtt: Mqtt, port: int, name: str = "") -> GmqttClient:
    """Return a connection to the broker, not open yet. Within a running event loop.

    Parameters
    ----------
    name
        Added to the client's name: the broker lets one connection in under each.

    Raises
    ------
    ConfigError
        If a certificate or password cannot be read.
    """
    return GmqttClient(
        Address(
            host=mqtt.host,
            port=port,
            client_id=mqtt.client_id + (f"-{name}" if name else ""),
            username=mqtt.username,
            password=_password(mqtt),
            tls=_tls(mqtt, port),
        )
    )


def clients(mqtt: Mqtt, port: int, secret: bytes) -> dict[str, GmqttClient]:
    """Return the service's connections by what they are for, not open yet.

    A broker ends a connection when another comes under its name, and Mosquitto lets every client
    of ours choose one, whatever its certificate says. So nobody can guess the service's. AWS IoT
    Core holds clients to their names by itself, and knows the service by the one in its policy.

    Parameters
    ----------
    secret
        The same after every start: what a broker kept for the service stands under its name.

    Raises
    ------
    ConfigError
        If a certificate or password cannot be read.
    """
    own = "" if mqtt.broker is BrokerKind.AWS_IOT else sha256(b"mqtt" + secret).hexdigest()[:16]
    names = {"readings": (), "devices": ("devices",), "market": ("market",)}
    return {
        what: client(mqtt, port, "-".join(part for part in (*name, own) if part))
        for what, name in names.items()
    }


def gone(connections: Mapping[str, GmqttClient]) -> dict[str, str]:
    """Return which connections are not there, as is said of them."""
    return {
        f"mqtt {what}": "the broker is gone"
        for what, one in connections.items()
        if not one.is_connected
    }


def _password(mqtt: Mqtt) -> str | None:
    if mqtt.password_file is None:
        return None
    try:
        return mqtt.password_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        fault = Fault("mqtt.password_file", f"cannot be read: {error}")
        raise ConfigError(fault) from error


def _tls(mqtt: Mqtt, port: int) -> ssl.SSLContext | None:
    """Return how TLS is spoken; None where it is not."""
    if mqtt.authority is None and mqtt.certificate is None:
        return None
    try:
        context = ssl.create_default_context(cafile=mqtt.authority)
        if mqtt.certificate is not None:
            context.load_cert_chain(mqtt.certificate, mqtt.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(Fault("mqtt.certificate", f"cannot be used: {error}")) from error
    if mqtt.broker is BrokerKind.AWS_IOT and port == HTTPS_PORT:
        context.set_alpn_protocols([AWS_ALPN])
    return context
