"""Mosquitto with the configuration that we ship: nobody writes or reads what is another one's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.clients import Client
from tests.deployment import certificates, run, shipped, tls_of, tls_settings
from tests.servers import Server, mosquitto, until
from tests.serving import serving


class Guarded(NamedTuple):
    """Mosquitto with the configuration that we ship."""

    broker: Server
    port: int
    folder: Path
    """Where it has its files."""
    pki: Path
    """Where the certificates of its clients are."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Yield it, with certificates of the service and some devices."""
    pki = tmp_path_factory.mktemp("pki")
    certificates(pki, "m-thief", "m-anna", "m-gone")
    with mosquitto(shipped(pki)) as (broker, port, folder):
        yield Guarded(broker, port, folder, pki)


OTHERS = (
    "em/v1/street/m-anna/data", "em/v1/street/m-anna/status", "em/v1/street/m-anna/evt",
    "em/v1/street/m-anna/ack", "em/v1/street/m-anna/cmd", "em/v1/street/market/order/m-anna",
    "em/v1/street/market/answer/m-anna", "em/v1/street/m-anna/data/m-thief",
)  # fmt: skip
"""Topics of another device: nobody else writes or reads them."""
WRITTEN_BY_THE_SERVICE = (
    "em/v1/street/m-thief/ack", "em/v1/street/m-thief/cmd", "em/v1/street/market/answer/m-thief",
    "em/v1/street/market/clock", "em/v1/street/market/state", "em/v1/street/market/clear/x",
    "em/v1/street/market/alert", "em/v1/street/market/settle", "INFO", "METRICS", "BID", "OFFER",
)  # fmt: skip


class Pair(NamedTuple):
    """The service and a device at the same broker, and what each heard."""

    service: Client
    device: Client


@contextmanager
def a_pair(guarded: Guarded) -> Iterator[Pair]:
    service = Client(guarded.port, tls_of(guarded.pki, "wattbay-service"), "#")
    device = Client(guarded.port, tls_of(guarded.pki, "m-thief"), "#")
    try:
        yield Pair(service, device)
    finally:
        service.close()
        device.close()


def settled(pair: Pair) -> None:
    """Wait until all that was said before must have arrived."""
    pair.device.client.publish("em/v1/street/m-thief/data", b"over", qos=1)
    pair.service.client.publish("em/v1/street/m-thief/ack", b"over", qos=1)
    until(lambda: ("em/v1/street/m-thief/data", b"over") in pair.service.heard, "it is heard")
    until(lambda: ("em/v1/street/m-thief/ack", b"over") in pair.device.heard, "it is heard")


@pytest.mark.mosquitto
@pytest.mark.parametrize("topic", OTHERS)
def test_topic_of_another_device_is_neither_written_nor_read(guarded: Guarded, topic: str) -> None:
    with a_pair(guarded) as pair:
        pair.device.client.subscribe(topic, 1)
        pair.device.client.publish(topic, b"written by a thief", qos=1, retain=True)
        pair.service.client.publish(topic, b"for its eyes alone", qos=1)
        settled(pair)
        assert (topic, b"for its eyes alone") in pair.service.heard
        assert [one for one in pair.service.heard if one[1] == b"written by a thief"] == []
        assert [one for one in pair.device.heard if one[0] == topic] == []


@pytest.mark.mosquitto
@pytest.mark.parametrize("topic", WRITTEN_BY_THE_SERVICE)
def test_topic_on_which_the_service_speaks_is_not_written_by_a_device(
    guarded: Guarded, topic: str
) -> None:
    with a_pair(guarded) as pair:
        pair.device.client.publish(topic, b"written by a thief", qos=1)
        settled(pair)
        assert [one for one in pair.service.heard if one[1] == b"written by a thief"] == []


@pytest.mark.mosquitto
def test_device_that_comes_under_the_names_of_the_service_pushes_nobody_out(
    guarded: Guarded, tmp_path: Path
) -> None:
    own = {
        "WATTBAY_MQTT__BROKER": "outside",
        **tls_settings(guarded.pki),
        "WATTBAY_MQTT__PORT": str(guarded.port),
    }
    with serving(tmp_path, "--folder", "kept", "--speed", "600", **own) as service:
        stored = 'wattbay_readings_total{outcome="stored"}'
        until(lambda: service.metric(stored) > 100, "readings are stored")
        thieves = [
            Client(guarded.port, tls_of(guarded.pki, "m-thief"), "#", f"wattbay-service{name}")
            for name in ("", "-devices", "-market")
        ]
        known = service.metric(stored)
        until(lambda: service.metric(stored) > known + 200, "readings go on being stored")
        assert service.call("/readyz")[0] == 200
        for one in thieves:
            assert {topic.split("/")[3] for topic, _ in one.heard} <= {"market"}
            one.close()


@pytest.mark.mosquitto
def test_revoked_certificate_is_refused_once_the_list_was_read_again(
    guarded: Guarded,
) -> None:
    broker, port, folder, pki = guarded
    context = tls_of(pki, "m-gone")
    Client(port, context, "em/v1/street/m-gone/ack").close()
    run("certificates", "revoke", str(pki), "m-gone")
    (folder / "revoked.pem").write_bytes((pki / "revoked.pem").read_bytes())
    broker.reload()

    def is_refused() -> bool:
        try:
            Client(port, context, "em/v1/street/m-gone/ack", wait_s=1.0).close()
        except (OSError, AssertionError):
            return True
        return False

    until(is_refused, "it is refused")
    Client(port, tls_of(pki, "m-anna"), "em/v1/street/m-anna/ack").close()
