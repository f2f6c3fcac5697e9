"""Sales that a battery brings, and its state of charge: what is taken, and from whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from tests.api_node import Bench, a_node
from tests.builders import EVE, ISP_US, MIDNIGHT, a_party, a_product, pod_facts
from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.amounts import cents, kwh
from wattbay.adapters.etp.desk import request_of
from wattbay.adapters.etp.envelope import Identity, Scheme, Sealer, key_of
from wattbay.adapters.etp.messages import encode
from wattbay.assembly.consents import AGE_MAX_US, AHEAD_MAX_US
from wattbay.core.commands import ChangePod, Command, RegisterParty
from wattbay.core.devices import RegisterDevice, RevokeDevice
from wattbay.core.events import SignalGiven, Traded
from wattbay.core.facts import Device, DeviceKind, Mechanism
from wattbay.ids import MeterId, PodId
from wattbay.kernel import requests
from wattbay.kernel.codec import decode
from wattbay.periods import Instant, to_text

API = "/api/v1"
BESS, BUYER, OTHER = 101, 201, 202
ID = 77
FEE = 5_000
PRICE = 155_000
"""What was bid for a Wh: 15.5 a kWh."""
PRODUCT = structs.replace(
    a_product(closes_before_us=-ISP_US), mechanism=Mechanism.BILATERAL, network_fee=FEE
)
KEY = str(request_of(BESS, (BUYER, ID)))


def identity(device: int, scheme: Scheme = Scheme.ED25519) -> Identity:
    return Identity(device, scheme, bytes([device]) * 32)


def a_device(device: int, pod: str, kind: DeviceKind = DeviceKind.AGGREGATOR) -> Command:
    key = key_of(identity(device)).key
    return RegisterDevice(
        device=Device(device=MeterId(f"etp-{device}"), kind=kind, key=key, pod=PodId(pod))
    )


def a_market() -> Bench:
    """Return a node whose first home has a battery, and whose next two have aggregators."""
    bench = a_node(product=PRODUCT)
    bench.submit(
        a_device(BESS, "h01", DeviceKind.BATTERY), a_device(BUYER, "h02"), a_device(OTHER, "h03")
    )
    return bench


def proof(
    *,
    by: Identity | None = None,
    at: int = EVE,
    price: int = PRICE,
    energy_wh: int = 400,
    confirmed_wh: int = 400,
    to: int = BESS,
    sender: int = BUYER,
) -> list[str]:
    """Return bid and confirmation as a battery received them."""
    sealer = Sealer(by or identity(BUYER), lambda: at)
    bid = m.bid(ID, sender, cents(price), kwh(energy_wh))
    confirmation = m.bid_confirm(ID, sender, cents(price), kwh(confirmed_wh))
    return [sealer.seal(encode(one), to).hex() for one in (bid, confirmation)]


def a_body(**changed: object) -> dict[str, Any]:
    return {
        "product": "halfhour", "seller": "h01", "price_nano_per_wh": PRICE - FEE,
        "parts": [
            {"delivery": to_text(MIDNIGHT), "quantity_wh": 300},
            {"delivery": to_text(Instant(MIDNIGHT + ISP_US)), "quantity_wh": 100},
        ],
        "proof": proof(), **changed,
    }  # fmt: skip


def brought(bench: Bench, body: dict[str, Any], key: str | None = KEY, login: str = "p01") -> Any:  # noqa: ANN401 - a response
    headers = {} if key is None else {"Idempotency-Key": key}
    return bench.call(login, "POST", f"{API}/sales", body, headers=headers)


def trades(bench: Bench) -> list[Traded]:
    entries = [decode(data) for _, data, _ in bench.journal.rows(1)]
    return [event for entry in entries for event in entry.events if type(event) is Traded]


# --- what is taken ---------------------------------------------------------------------------


def test_sale_that_its_buyer_signed_is_traded() -> None:
    bench = a_market()
    answer = brought(bench, a_body())
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert told["quantity_wh"] == 400
    assert [(one["quantity_wh"], one["price_nano_per_wh"]) for one in told["trades"]] == [
        (300, PRICE - FEE), (100, PRICE - FEE),
    ]  # fmt: skip
    assert [(one.seller, one.buyer, one.buy_price) for one in trades(bench)] == [
        ("h01", "h02", PRICE), ("h01", "h02", PRICE),
    ]  # fmt: skip
    assert answer.headers["x-journal-entry"] == str(told["entry"])


def test_buyer_may_be_named() -> None:
    assert brought(a_market(), a_body(buyer="h02")).status_code == 201


def test_sale_brought_again_is_one_sale(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = a_market()
    first = brought(bench, a_body())
    assert brought(bench, a_body()).json() == first.json()
    # Another process, which remembers no answer; and an exchange that forgot the request.
    bench.app.state.repeats.kept.clear()
    assert brought(bench, a_body()).json() == first.json()
    bench.app.state.repeats.kept.clear()
    monkeypatch.setattr(requests, "MEMORY_ENTRIES_MAX", 0)
    bench.wall.advance(Instant(EVE + 2 * AGE_MAX_US))
    assert brought(bench, a_body()).json() == first.json()
    assert len(trades(bench)) == 2


def test_what_it_sold_can_be_read_back() -> None:
    bench = a_market()
    brought(bench, a_body())
    rows = bench.call("p01", "GET", f"{API}/orders?pod=h01").json()["items"]
    assert {row["request"] for row in rows} == {KEY}
    assert sorted(row["quantity_wh"] for row in rows) == [100, 300]
    theirs = bench.call("p02", "GET", f"{API}/orders?pod=h02").json()["items"]
    assert {row["request"] for row in theirs} == {None}


# --- what is not -----------------------------------------------------------------------------

FORGED: dict[str, tuple[Callable[[], dict[str, Any]], str]] = {
    "by another key": (lambda: a_body(proof=proof(by=Identity(BUYER, Scheme.ED25519, b"x" * 32))),
                       "bad signature: the bid is not signed by the key of etp-201"),
    "by the seller": (lambda: a_body(proof=proof(by=identity(BESS))),
                      "device 101 sealed what device 201 says"),
    "under a shared secret": (lambda: a_body(proof=proof(by=identity(BUYER, Scheme.HMAC))),
                              "not signed: etp-201"),
    "in the clear": (lambda: a_body(proof=[
        encode(m.bid(ID, BUYER, cents(PRICE), 0.4)).hex(),
        encode(m.bid_confirm(ID, BUYER, cents(PRICE), 0.4)).hex(),
    ]), "not signed: etp-201"),
    "without confirmation": (lambda: a_body(proof=proof()[:1]), "the confirmation is missing"),
    "two bids": (lambda: a_body(proof=[proof()[0]] * 2), "no confirmation: it is a Bid"),
    "to another battery": (lambda: a_body(proof=proof(to=OTHER)), "not to battery 101"),
    "dearer": (lambda: a_body(price_nano_per_wh=PRICE), "other price"),
    "more": (lambda: a_body(proof=proof(energy_wh=300, confirmed_wh=300)), "other amount"),
    "less confirmed": (lambda: a_body(proof=proof(confirmed_wh=300)), "other amount"),
    "of another buyer": (lambda: a_body(buyer="h03"), "etp-201 does not stand behind h03"),
    "kept back": (lambda: a_body(proof=proof(at=EVE - AGE_MAX_US - 1)), "stale"),
    "of the future": (lambda: a_body(proof=proof(at=EVE + AHEAD_MAX_US + 1)), "stale"),
    "of no message": (lambda: a_body(proof=["00"] * 2), "no bid"),
    "of no product": (lambda: a_body(product="none"), "product none is not known"),
}  # fmt: skip


@pytest.mark.parametrize("what", FORGED)
def test_sale_to_which_nobody_agreed_is_refused_and_leaves_nothing(what: str) -> None:
    bench = a_market()
    make, words = FORGED[what]
    head = bench.journal.head
    answer = brought(bench, make())
    assert answer.status_code == 409, answer.text
    assert answer.json()["type"] == "urn:wattbay:problem:not-agreed"
    assert words in answer.json()["detail"]
    assert bench.journal.head == head


@pytest.mark.parametrize("key", [None, "mine", "etp-1-2", "etp-65-c8-4d"])
def test_sale_under_no_name_of_a_known_bid_is_refused(key: str | None) -> None:
    answer = brought(a_market(), a_body(), key)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:wattbay:problem:not-agreed")
    assert brought(a_market(), a_body(buyer="h02"), key).status_code == 409


@pytest.mark.parametrize("key", ["etp-065-c9-4d", "etp-6_5-c9-4d", "etp-65-C9-4d", "etp-65-c9-4D"])
def test_bid_is_not_sold_again_under_another_spelling_of_its_name(key: str) -> None:
    bench = a_market()
    assert brought(bench, a_body()).status_code == 201
    for body in (a_body(), a_body(buyer="h02")):
        answer = brought(bench, body, key)
        assert (answer.status_code, answer.json()["type"][-10:]) == (409, "not-agreed")
    assert len(trades(bench)) == 2


def test_battery_of_another_pod_sells_nothing() -> None:
    bench = a_market()
    head = bench.journal.head
    # The third home brings the first one's sale as its own; and one out of the first one's pod.
    mine = brought(bench, a_body(seller="h03"), login="p03")
    assert mine.status_code == 409
    assert "etp-101 does not stand behind h03" in mine.json()["detail"]
    assert brought(bench, a_body(), login="p03").status_code == 404
    assert bench.journal.head == head


@pytest.mark.parametrize("device", [BESS, BUYER])
def test_device_that_is_revoked_agrees_to_nothing(device: int) -> None:
    bench = a_market()
    bench.submit(RevokeDevice(device=MeterId(f"etp-{device}"), reason="lost"))
    answer = brought(bench, a_body())
    assert answer.status_code == 409
    assert f"etp-{device}, of the" in answer.json()["detail"]


def test_device_binds_nobody_who_moves_in_later() -> None:
    bench = a_market()
    moving = Instant(MIDNIGHT + 48 * ISP_US)
    done = bench.submit(
        RegisterParty(party=a_party("p09")),
        ChangePod(facts=structs.replace(pod_facts("h02", party="p09"), since=moving)),
    )
    assert type(done[-1].events[0]).__name__ != "Rejected"
    parts = [{"delivery": to_text(moving), "quantity_wh": 400}]
    answer = brought(bench, a_body(parts=parts))
    assert answer.status_code == 409, answer.text
    assert "another party's" in answer.json()["detail"]


def test_bid_that_was_sold_is_not_sold_as_something_else() -> None:
    bench = a_market()
    assert brought(bench, a_body()).status_code == 201
    bench.app.state.repeats.kept.clear()
    later = [{"delivery": to_text(Instant(MIDNIGHT + 4 * ISP_US)), "quantity_wh": 400}]
    answer = brought(bench, a_body(parts=later))
    assert (answer.status_code, answer.json()["reason"]) == (422, "request_reused")
    assert brought(bench, a_body(buyer="h03")).status_code == 422
    assert len(trades(bench)) == 2


def test_refusal_of_the_exchange_is_told_with_its_entry() -> None:
    bench = a_market()
    bench.advance(MIDNIGHT + ISP_US)
    answer = brought(bench, a_body(proof=proof(at=MIDNIGHT + ISP_US)))
    told = answer.json()
    assert (answer.status_code, told["reason"]) == (409, "gate_closed")
    assert told["entry"] == bench.journal.last_seq


@pytest.mark.parametrize(
    "changed",
    [
        {"parts": []},
        {"proof": []},
        {"proof": ["0"]},
        {"proof": ["ZZ"]},
        {"proof": ["00" * 513]},
        {"proof": ["00"] * 129},
        {"parts": [{"delivery": to_text(MIDNIGHT), "quantity_wh": 0}]},
        {"parts": [{"delivery": to_text(MIDNIGHT), "quantity_wh": 1}] * 101},
        {"more": 1},
    ],
)
def test_sale_of_no_good_form_is_refused_at_the_door(changed: dict[str, object]) -> None:
    assert brought(a_market(), a_body(**changed)).status_code == 422


# --- how full it is --------------------------------------------------------------------------


def test_party_tells_how_full_its_battery_is() -> None:
    bench = a_market()
    bench.advance(MIDNIGHT)
    answer = bench.call("p01", "PUT", f"{API}/pods/h01/charge", {"charge_wh": 8_400})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["pod"], told["charge_wh"]) == ("h01", 8_400)
    entry = bench.node.entry(told["entry"])
    assert entry is not None
    (event,) = decode(entry.data).events
    assert isinstance(event, SignalGiven)
    assert (event.party, event.signal, event.value, event.pod) == ("p01", "charge", 8_400, "h01")


@pytest.mark.parametrize(
    ("login", "status"), [("p02", 404), ("boss", 403), ("grid", 403), ("fleet", 200)]
)
def test_nobody_else_tells_it(login: str, status: int) -> None:
    bench = a_market()
    bench.advance(MIDNIGHT)
    answer = bench.call(login, "PUT", f"{API}/pods/h01/charge", {"charge_wh": 1})
    assert answer.status_code == status


@pytest.mark.parametrize("charge", [-1, 2**53, 0.5, "full"])
def test_charge_of_no_good_form_is_refused_at_the_door(charge: object) -> None:
    bench = a_market()
    bench.advance(MIDNIGHT)
    answer = bench.call("p01", "PUT", f"{API}/pods/h01/charge", {"charge_wh": charge})
    assert answer.status_code == 422
