"""Signed orders: one form each, bound to their topic, and nothing else taken."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from pathlib import Path

import cbor2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import EVE, MIDNIGHT
from tests.unit.adapters.mqtt.market.scene import SIGNERS, TOWN, an_order
from wattbay.adapters.mqtt import cose, jws
from wattbay.adapters.mqtt.keys import Algorithm, write_key
from wattbay.adapters.mqtt.market.signed import (
    EXPIRES_WITHIN_US,
    SignedOrder,
    check_expiry,
    read_order,
    sign_order,
    to_command,
)
from wattbay.adapters.mqtt.market.topics import order_topic
from wattbay.adapters.mqtt.readings import Form
from wattbay.core.facts import Side
from wattbay.errors import WireError
from wattbay.ids import CommunityId, MeterId, OrderId, PodId, ProductId, RequestId
from wattbay.periods import Instant
from wattbay.units import SAFE_INTEGER_MAX

DEVICE = MeterId("m-h01")
SIGNER = SIGNERS[DEVICE]
TOPIC = order_topic(TOWN, DEVICE)
LONGEST = MeterId("d" * 64)

numbers = st.integers(-SAFE_INTEGER_MAX, SAFE_INTEGER_MAX)
positive = st.integers(1, SAFE_INTEGER_MAX)
names = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
placed = st.builds(
    SignedOrder,
    v=st.just(1),
    request=names,
    product=names,
    delivery=numbers,
    side=st.sampled_from(Side),
    quantity_wh=positive,
    limit=st.none() | numbers,
    expires_at=positive,
)
withdrawn = st.builds(
    SignedOrder, v=st.just(1), request=names, cancel=positive, expires_at=positive
)


@given(order=placed | withdrawn, form=st.sampled_from(Form))
def test_what_is_signed_is_read_again(order: SignedOrder, form: Form) -> None:
    city = CommunityId("c" * 64)
    payload = sign_order(order, city, LONGEST, SIGNER, form)
    where = order_topic(city, LONGEST)
    assert read_order(payload, where, city, lambda _: SIGNER.public_key) == (LONGEST, order)
    assert len(payload) <= (1_024 if form is Form.JWS else 512)


@given(payload=st.binary(max_size=600), head=st.sampled_from([b"", b"\xd2\x84", b"eyJ"]))
def test_noise_is_refused_in_words(payload: bytes, head: bytes) -> None:
    with pytest.raises(WireError):
        read_order(head + payload, TOPIC, TOWN, lambda _: SIGNER.public_key)


def test_order_is_signed_with_p256_as_well(tmp_path: Path) -> None:
    signer = write_key(tmp_path / "key.pem", Algorithm.P256)
    for form in Form:
        payload = sign_order(an_order(), TOWN, DEVICE, signer, form)
        found = read_order(payload, TOPIC, TOWN, lambda _: signer.public_key)
        assert found == (DEVICE, an_order())


def with_body(body: bytes, form: Form) -> bytes:
    """Return an authentic message with any body."""
    key_bytes = len(SIGNER.public_key)
    if form is Form.JWS:
        signed = jws.to_sign_body(TOPIC, DEVICE, key_bytes, body)
        return signed + b"." + urlsafe_b64encode(SIGNER.sign(signed)).rstrip(b"=")
    payload = cbor2.dumps(body)
    signature = SIGNER.sign(cose.to_sign(TOPIC, payload, key_bytes))
    return cose.message(DEVICE, payload, signature, key_bytes)


GOOD = msgspec.to_builtins(an_order())
BODIES = (
    pytest.param({**GOOD, "v": 2}, id="another version"),
    pytest.param({**GOOD, "side": "both"}, id="another side"),
    pytest.param({**GOOD, "quantity_wh": 0}, id="nothing"),
    pytest.param({**GOOD, "quantity_wh": -5}, id="less than nothing"),
    pytest.param({**GOOD, "quantity_wh": 2**53}, id="too much"),
    pytest.param({**GOOD, "quantity_wh": 2.5}, id="a fraction"),
    pytest.param({**GOOD, "limit": None}, id="null where it is left out"),
    pytest.param({**GOOD, "pod": "h02"}, id="names a pod"),
    pytest.param({**GOOD, "cancel": 5}, id="places and withdraws"),
    pytest.param({**GOOD, "request": "a b"}, id="request is no identifier"),
    pytest.param({**GOOD, "product": "half/hour"}, id="product is no identifier"),
    pytest.param({"v": 1, "request": "r1", "expires_at": EVE}, id="neither"),
    pytest.param({name: GOOD[name] for name in GOOD if name != "side"}, id="without a side"),
    pytest.param(
        {"v": 1, "request": "r1", "cancel": 5, "limit": 7, "expires_at": EVE},
        id="withdraws with a limit",
    ),
    pytest.param(["a"] * 30, id="no map"),
)


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("body", BODIES)
def test_authentic_message_that_is_no_order_is_refused(body: object, form: Form) -> None:
    is_json = form is Form.JWS
    raw = msgspec.json.encode(body) if is_json else cbor2.dumps(body, canonical=True)
    with pytest.raises(WireError, match=r"^(wrong form|out of range): "):
        read_order(with_body(raw, form), TOPIC, TOWN, lambda _: SIGNER.public_key)


def test_body_in_another_form_than_the_one_is_refused() -> None:
    backwards = dict(reversed(GOOD.items()))
    spaced = msgspec.json.format(msgspec.json.encode(an_order()))
    unsorted = cbor2.dumps(backwards)
    for raw, form in (
        (msgspec.json.encode(backwards), Form.JWS),
        (spaced, Form.JWS),
        (unsorted, Form.COSE),
        (cbor2.dumps(GOOD, canonical=True) + b"\x00", Form.COSE),
    ):
        with pytest.raises(WireError, match=r"^wrong form: "):
            read_order(with_body(raw, form), TOPIC, TOWN, lambda _: SIGNER.public_key)


def test_order_of_another_community_or_topic_is_not_taken() -> None:
    payload = sign_order(an_order(), TOWN, DEVICE, SIGNER)
    for topic in ("em/v1/town/m-h01/data", "em/v1/town/market/answer/m-h01", "INFO", ""):
        with pytest.raises(WireError, match=r"^wrong topic"):
            read_order(payload, topic, TOWN, lambda _: SIGNER.public_key)


@pytest.mark.parametrize(
    ("expires_at", "what"),
    [(EVE, "expired"), (EVE + EXPIRES_WITHIN_US + 1, "out of range")],
)
def test_order_is_taken_before_it_expires_and_not_for_ever(expires_at: int, what: str) -> None:
    check_expiry(an_order(expires_at=EVE + 1), EVE)
    with pytest.raises(WireError, match=f"^{what}"):
        check_expiry(an_order(expires_at=expires_at), EVE)


def test_incomplete_order_is_not_signed() -> None:
    lacking = SignedOrder(v=1, request=RequestId("r1"), expires_at=EVE)
    with pytest.raises(WireError, match="names product, delivery, side"):
        sign_order(lacking, TOWN, DEVICE, SIGNER)
    with pytest.raises(WireError, match="names product, delivery, side"):
        to_command(lacking, PodId("h01"))


def test_command_bears_the_pod_of_the_device_and_the_request() -> None:
    command = to_command(an_order(limit=None), PodId("h01"))
    assert (command.pod, command.request) == ("h01", "r1")
    assert getattr(command, "limit", 0) is None
    cancel = SignedOrder(
        v=1, request=RequestId("r2"), cancel=OrderId(4), expires_at=Instant(MIDNIGHT)
    )
    assert to_command(cancel, PodId("h01")).request == "r2"
    assert ProductId("halfhour") == an_order().product
