"""How tests of EnergyNet's and open-elecbay's endpoints call them, and readings to call about."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from msgspec import structs

from tests.api_node import TOWN, Bench, a_node
from tests.builders import a_product, list_deliveries
from wattbay.core import commands as c
from wattbay.core import devices as d
from wattbay.core.facts import Device, DeviceKind, Mechanism, Product
from wattbay.ids import MeterId, PodId, ZoneId
from wattbay.kernel.evidence import Reading
from wattbay.periods import Instant

OFFER = "/api/v1/trades/offer"
AVAILABLE = "/api/v1/trades/available"
EXECUTE = "/api/v1/trades/execute"
HISTORY = "/api/v1/trades/history"
AUCTION = "halfhour"
BOARD = "board"
BOOK = "book"


def call(
    bench: Bench,
    method: str,
    path: str,
    login: str | None = "p01",
    *,
    json: object = None,
    content: bytes | None = None,
    key: str | None = None,
    **query: Any,  # noqa: ANN401 - whatever a query bears
) -> httpx.Response:
    """Call once, as a login or as nobody."""

    async def once() -> httpx.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        if content is not None:
            headers["Content-Type"] = "application/json"
        async with bench.client(login) as client:
            return await client.request(
                method, path, json=json, content=content, params=query or None, headers=headers
            )

    return asyncio.run(once())


def a_stored_reading(
    bench: Bench,
    device: str = "m-h01",
    *,
    at: int,
    imported: int = 0,
    exported: int = 0,
    power_w: int | None = None,
    voltage_mv: int | None = None,
) -> Reading:
    """Let a verified reading be stored, and be the last of its device if it is."""
    name = MeterId(device)
    before = bench.latest.readings.get(name)
    seq = 1 if before is None else before.seq + 1
    reading = Reading(
        community=TOWN,
        device=name,
        boot=1,
        seq=seq,
        measured_at=Instant(at),
        import_register=imported,
        export_register=exported,
        flags=0,
        power_w=power_w,
        voltage_mv=voltage_mv,
        proof=f"{device} {seq}".encode(),
    )
    bench.readings.add([reading])
    bench.latest.readings[name] = reading
    return reading


def a_device(
    bench: Bench,
    device: str = "pv-h01",
    *,
    kind: DeviceKind = DeviceKind.PV_INVERTER,
    pod: str | None = "h01",
    zone: str | None = None,
    power_max_w: int = 4_000,
) -> None:
    """Let a device that is no meter be known."""
    known = Device(
        device=MeterId(device),
        kind=kind,
        key=bytes(32),
        pod=None if pod is None else PodId(pod),
        zone=None if zone is None else ZoneId(zone),
        power_max_w=power_max_w,
    )
    bench.submit(d.RegisterDevice(device=known))


def a_board(**changed: object) -> Product:
    product = structs.replace(a_product(BOARD), mechanism=Mechanism.BILATERAL)
    return structs.replace(product, **changed)


def a_market(*products: Product) -> Bench:
    """Return a node with an auction, and with other products besides."""
    bench = a_node()
    for product in products:
        bench.submit(c.DefineProduct(product=product), list_deliveries(product=product.product))
    return bench


def an_offer(**changed: object) -> dict[str, object]:
    return {"amount": 1.25, "price": 0.118, "isSelling": True, **changed}


def offered(bench: Bench, login: str = "p01", **changed: object) -> dict[str, Any]:
    response = call(bench, "POST", OFFER, login, json=an_offer(**changed))
    assert response.status_code == 201, response.text
    told: dict[str, Any] = response.json()
    return told
