"""A battery that sells into a live community: nodes and service as programs of their own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.etp_homes import (
    BESS,
    BUYER,
    ISP_US,
    PRODUCT,
    Between,
    Homes,
    Meters,
    a_battery,
    a_bidder,
    sold_in,
    two_homes,
)
from tests.fleet import now_of
from tests.servers import free_port, until
from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.desk import request_of
from wattbay.adapters.etp.envelope import Identity, Scheme, Sealer
from wattbay.adapters.etp.key_file import read_keys
from wattbay.adapters.etp.messages import encode
from wattbay.kernel.clock import SystemClock
from wattbay.periods import Instant, to_text

LISTENS = "tcp 127.0.0.1"


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[Homes]:
    with two_homes(tmp_path) as made:
        until(lambda: listed(made), "deliveries are listed")
        since = max(made.seller.since, made.buyer.since)
        until(lambda: now_of(made.service, made.admin) > since, "both homes are connected")
        yield made


def listed(homes: Homes) -> bool:
    return bool(homes.items(f"/deliveries?product={PRODUCT}", homes.seller))


def sold(homes: Homes) -> list[dict[str, object]]:
    return homes.items(f"/orders?pod={homes.seller.pod}", homes.seller)


def outcome(printed: str) -> dict[str, object]:
    """Return what an aggregator said of itself at its end."""
    found: dict[str, object] = json.loads(printed.splitlines()[-1])
    return found


def test_sale_of_a_battery_at_home_becomes_a_receipt_of_the_community(homes: Homes) -> None:
    port = free_port()
    battery, bidder = a_battery(homes, port), a_bidder(homes, port)
    battery.start(LISTENS)
    bidder.start()
    until(lambda: bidder.is_over, "the aggregator has what it wants")
    assert (outcome(bidder.printed)["settled"], outcome(bidder.printed)["bought_wh"]) == (1, 400)
    orders = sold(homes)
    assert len({order["request"] for order in orders}) == 1
    deliveries = sold_in(orders)
    assert sum(deliveries.values()) == 400
    last = Instant(max(deliveries) + ISP_US)
    meters = Meters(homes)
    try:
        until(lambda: meters.measure(deliveries, last), "all is measured")
        path = f"/receipts?pod={homes.seller.pod}"
        until(lambda: len(kept(homes, path)) == len(deliveries), "all is settled")
    finally:
        meters.close()
    receipts = kept(homes, path)
    assert {one["delivery"]: one["sold_wh"] for one in receipts} == {
        to_text(delivery): quantity_wh for delivery, quantity_wh in deliveries.items()
    }
    assert all(one["sold_wh"] == one["delivered_out_wh"] for one in receipts)
    assert all(one["deviation_wh"] == 0 for one in receipts)
    until(lambda: {"ConcludeSale", "GiveSignal"} <= commands(homes), "its charge is told")
    assert battery.stop() == 0
    # Started again, it knows what it sold, and sells something else.
    battery.start(LISTENS)
    assert "9.6 of 15.0 kWh" in battery.printed
    bidder.start()
    until(lambda: bidder.is_over, "the aggregator has more")
    assert battery.stop() == 0
    assert sum(sold_in(sold(homes)).values()) == 800
    assert homes.service.stop() == 0
    assert "2 sales: every signature holds" in homes.wattbay("verify", str(homes.folder / "kept"))


def commands(homes: Homes) -> set[object]:
    """Return what was asked of the exchange about the seller's pod."""
    path = f"/journal/entries?pod={homes.seller.pod}"
    return {one["command"] for one in homes.items(path, homes.seller)}


def kept(homes: Homes, path: str) -> list[dict[str, object]]:
    """Return the receipts of deliveries in which something was sold."""
    newest: dict[object, dict[str, object]] = {}
    for one in homes.items(path, homes.seller):
        newest.setdefault(one["delivery"], one)
    return [one for one in newest.values() if one["sold_wh"]]


@pytest.mark.parametrize("victim", ["service", "battery", "both"])
def test_sale_is_one_whoever_is_killed_between_confirmation_and_answer(
    homes: Homes, victim: str
) -> None:
    port, answers = free_port(), []
    is_kept_back = threading.Event()

    def passes(request: bytes, answer: bytes) -> bool:
        if not request.startswith(b"POST /api/v1/sales") or not answer.startswith(b"HTTP/1.1 201"):
            return True
        answers.append(answer)
        if is_kept_back.is_set():
            return True
        # It stands in the journal, and nobody was told.
        if victim != "battery":
            homes.service.kill()
        else:
            battery.kill()
        is_kept_back.set()
        return False

    between = Between(int(homes.service.url.rpartition(":")[2]), passes)
    battery, bidder = a_battery(homes, port, between.url), a_bidder(homes, port)
    battery.start(LISTENS)
    bidder.start()
    until(is_kept_back.is_set, "the sale is brought")
    if victim == "both":
        # The battery is stopped while nobody knows what became of the sale.
        until(lambda: "does not answer" in battery.printed, "the battery knows of it")
        assert battery.stop() == 0
        assert "Traceback" not in battery.printed
    if victim != "battery":
        homes.service.start()
    if victim != "service":
        battery.start(LISTENS)
    until(lambda: bidder.is_over, "the aggregator hears of it")
    assert (outcome(bidder.printed)["settled"], outcome(bidder.printed)["bought_wh"]) == (1, 400)
    assert outcome(bidder.printed)["without_outcome"] == 0
    assert battery.stop() == 0
    between.close()
    assert len(answers) == 2
    assert answers[0].partition(b"\r\n\r\n")[2] == answers[1].partition(b"\r\n\r\n")[2]
    assert len({order["request"] for order in sold(homes)}) == 1
    assert sum(sold_in(sold(homes)).values()) == 400


def test_nobody_is_sold_what_it_did_not_sign_nor_sells_for_another(homes: Homes) -> None:
    buyer = read_keys(homes.folder / "aggregator.toml").me
    forger = Identity(BUYER, Scheme.ED25519, b"f" * 32)

    def proof(identity: Identity) -> list[str]:
        sealer = Sealer(identity, SystemClock().now)
        both = (m.bid(7, BUYER, 15.0, 0.4), m.bid_confirm(7, BUYER, 15.0, 0.4))
        return [sealer.seal(encode(one), BESS).hex() for one in both]

    honest, forged = proof(buyer), proof(forger)
    body = {
        "product": PRODUCT, "seller": homes.seller.pod, "price_nano_per_wh": 150_000,
        "parts": [{"delivery": to_text(homes.seller.since), "quantity_wh": 400}],
    }  # fmt: skip
    once = {"Idempotency-Key": str(request_of(BESS, (BUYER, 7)))}
    headers = {**homes.seller.keyed.headers, **once}
    path = "/api/v1/sales"
    for made in (forged, [honest[0], forged[1]], [forged[0], honest[1]]):
        status, told = homes.service.call(path, {**body, "proof": made}, headers=headers)
        assert (status, told["type"]) == (409, "urn:wattbay:problem:not-agreed"), told
        assert "is not signed by the key of etp-201" in told["detail"]
    theirs = {**homes.buyer.keyed.headers, **once}
    status, told = homes.service.call(path, {**body, "proof": honest}, headers=theirs)
    assert status == 404, told
    assert not sold(homes)
    status, told = homes.service.call(path, {**body, "proof": honest}, headers=headers)
    assert status == 201, told
