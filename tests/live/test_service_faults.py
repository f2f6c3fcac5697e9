"""A running service whose broker, network, disk, clock or machine fails: nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fleet import ISP_US, STEP_US, Keyed, administrator, fleet_of, join
from tests.servers import mosquitto, until
from tests.serving import Service, serving
from wattbay.ids import PodId
from wattbay.periods import HOUR, Instant, instant

PLAIN = """
listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
max_inflight_messages 1000
max_queued_messages 100000
"""
FAST = "3600"
"""At this speed half an hour passes in half a second."""
PACES = {
    "WATTBAY_HTTP__REQUESTS_PER_MINUTE": "1000000",
    "WATTBAY_HTTP__SIGN_INS_PER_MINUTE": "1000",
}


def outside(port: int) -> dict[str, str]:
    """Return settings that bring a service to a broker on a port of the loopback."""
    return {**PACES, "WATTBAY_MQTT__BROKER": "outside", "WATTBAY_MQTT__PORT": str(port)}


def receipts_of(service: Service, who: Keyed, pod: PodId) -> dict[Instant, dict[str, Any]]:
    """Return the newest receipt of each delivery of a pod."""
    found: dict[Instant, dict[str, Any]] = {}
    path = f"/api/v1/receipts?pod={pod}&limit=500"
    while path:
        status, told = service.ask(path, headers=who.headers)
        assert status == 200, told
        found |= {instant(one["delivery"]): one for one in told["items"]}
        path = told["next"]
    return found


@pytest.mark.mosquitto
def test_reading_ends_on_a_receipt_and_none_is_lost_while_the_broker_is_stopped(
    tmp_path: Path,
) -> None:
    """A device is enrolled by hand; the broker stops for some deliveries and comes back."""
    with (
        mosquitto(lambda _, port: PLAIN.format(port=port)) as (broker, port, _),
        serving(tmp_path, "--folder", "kept", "--speed", FAST, **outside(port)) as service,
    ):
        member = join(service, administrator(service), "anna")
        with fleet_of(service, [member], tmp_path, port) as fleet:
            meter = fleet.meters[0]
            until(
                lambda: fleet.turn() and meter.device.acknowledged > 5 and fleet.boundaries,
                "readings are acknowledged",
            )
            broker.stop()
            stopped = len(fleet.boundaries)
            sent = meter.device.acknowledged
            until(lambda: fleet.turn() and len(fleet.boundaries) > stopped + 3, "time passes")
            assert meter.device.waiting >= 3 * ISP_US // STEP_US
            assert meter.device.acknowledged == sent
            broker.start()
            until(lambda: fleet.turn() and not meter.device.waiting, "all are acknowledged")
            deliveries = [Instant(end - ISP_US) for end in fleet.boundaries]
            end = Instant(fleet.at + 13 * HOUR)
            until(lambda: fleet.turn(is_measuring=False) and fleet.now > end, "r1 is due")

            def settled() -> bool:
                told = receipts_of(service, member.keyed, member.pod)
                return all(told.get(one, {}).get("quality") == "measured" for one in deliveries)

            until(settled, "receipts tell what was measured")
            told = receipts_of(service, member.keyed, member.pod)
            measured_wh = sum(told[one]["import_wh"] for one in deliveries)
            # The first register stands where the pod was connected: at zero.
            assert measured_wh == meter.registers[fleet.boundaries[-1]] > 0


@pytest.mark.mosquitto
def test_service_begins_without_its_broker_and_works_once_it_is_there(tmp_path: Path) -> None:
    with mosquitto(lambda _, port: PLAIN.format(port=port)) as (broker, port, _):
        broker.stop()
        with serving(tmp_path, "--folder", "kept", "--speed", FAST, **outside(port)) as service:
            until(lambda: service.ask("/readyz")[0] == 503, "it says that it is not ready")
            assert "does not let us in" in str(service.ask("/readyz")[1])
            broker.start()
            until(lambda: service.ask("/readyz")[0] == 200, "it is ready")
            stored = 'wattbay_readings_total{outcome="stored"}'
            until(lambda: service.metric(stored) > 100, "the street's readings are stored")
            assert service.stop() == 0
