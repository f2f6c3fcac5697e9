"""Signed orders: what a device publishes, and the command that it becomes.

An order comes in one of the two envelopes of readings, told apart by their first byte: COSE_Sign1
with a body in CBOR, or JWS with a body in JSON. The signature covers the topic, so an order cannot
be moved to another device's. The body is a map:

.. code-block:: text

    {"v":1,"request":"r17","product":"halfhour","delivery":1370820600000000,"side":"buy",
     "quantity_wh":250,"limit":120000,"expires_at":1370815200000000}
    {"v":1,"request":"r18","cancel":4711,"expires_at":1370815200000000}

without spaces and in this order in JSON, in the core deterministic encoding in CBOR; `limit` is
left out of an order that takes any price. So a body has one form, and every other is refused. From
`expires_at` on the order is not taken any more, which bounds how long it can be played again; sent
again before, under the same `request`, it gets its first answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import cbor2
import msgspec

from wattbay.adapters.mqtt import cose, jws
from wattbay.adapters.mqtt.keys import Signer, is_signed
from wattbay.adapters.mqtt.market.topics import order_topic, parse_order_topic
from wattbay.adapters.mqtt.readings import Form
from wattbay.core.commands import CancelOrder, PlaceOrder
from wattbay.core.facts import Side
from wattbay.errors import WireError
from wattbay.ids import CommunityId, MeterId, OrderId, PodId, ProductId, RequestId, is_id
from wattbay.periods import DAY, Instant
from wattbay.units import SAFE_INTEGER_MAX

EXPIRES_WITHIN_US = 2 * DAY
"""How far ahead the expiry of an order may lie. [µs]"""
KEY_BYTES = frozenset({32, 33})
"""Ed25519 and P-256."""


class SignedOrder(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """The body of an order, or of the withdrawal of one."""

    v: Literal[1]
    request: RequestId
    """1 to 64 letters, digits, ``_`` or ``-``; another one for each order."""
    product: ProductId | None = None
    delivery: Instant | None = None
    side: Side | None = None
    quantity_wh: int | None = None
    limit: int | None = None
    """[nano-currency per Wh]"""
    cancel: OrderId | None = None
    """The order that is withdrawn; the five fields above are then left out."""
    expires_at: Instant
    """[µs of UTC]"""


_json = msgspec.json.Decoder(SignedOrder)


def sign_order(
    order: SignedOrder,
    community: CommunityId,
    device: MeterId,
    signer: Signer,
    form: Form = Form.COSE,
) -> bytes:
    """Return the signed bytes of an order.

    Raises
    ------
    WireError
        If it says what no order says.
    """
    _check(order)
    topic = order_topic(community, device)
    key_bytes = len(signer.public_key)
    if form is Form.JWS:
        signed = jws.to_sign_body(topic, device, key_bytes, _to_json(order))
        return jws.message(signed, signer.sign(signed))
    payload = cbor2.dumps(_to_cbor(order))
    signature = signer.sign(cose.to_sign(topic, payload, key_bytes))
    return cose.message(device, payload, signature, key_bytes)


def read_order(
    payload: bytes,
    topic: str,
    community: CommunityId,
    key_of: Callable[[MeterId], bytes | None],
) -> tuple[MeterId, SignedOrder]:
    """Return the device that signed an order, and what it ordered.

    Parameters
    ----------
    topic
        Where the bytes were received; names the device.
    key_of
        Public key of a device, None for an unknown one.

    Raises
    ------
    WireError
        If the bytes are anything but an authentic order of that device in its one form.
    """
    device = parse_order_topic(topic, community)
    key = key_of(device)
    if key is None or len(key) not in KEY_BYTES:
        msg = f"unknown device: no key is known of {device}"
        raise WireError(msg)
    is_jws = payload[:1] == b"e"
    take_apart = jws.take_apart if is_jws else cose.take_apart
    signed, signature, body = take_apart(payload, topic, device, len(key))
    if not is_signed(signed, signature, key):
        msg = f"bad signature: not signed by the key of {device} for {topic}"
        raise WireError(msg)
    order = _from_json(body) if is_jws else _from_cbor(body)
    _check(order)
    return device, order


def check_expiry(order: SignedOrder, now: Instant) -> None:
    """Refuse an order whose time is over, or too far ahead.

    Raises
    ------
    WireError
        If it is.
    """
    if order.expires_at <= now:
        msg = f"expired: at {order.expires_at}, and it is {now}"
        raise WireError(msg)
    if order.expires_at > now + EXPIRES_WITHIN_US:
        msg = f"out of range: an order expires within {EXPIRES_WITHIN_US} µs"
        raise WireError(msg)


def to_command(order: SignedOrder, pod: PodId) -> PlaceOrder | CancelOrder:
    """Return the command that an order of a pod's device becomes.

    Raises
    ------
    WireError
        If it is none.
    """
    if order.cancel is not None:
        return CancelOrder(order=order.cancel, pod=pod, request=order.request)
    _check(order)
    if (
        order.product is None
        or order.delivery is None
        or order.side is None
        or order.quantity_wh is None
    ):
        raise WireError(_WHAT)
    return PlaceOrder(
        pod=pod,
        product=order.product,
        delivery=order.delivery,
        side=order.side,
        quantity_wh=order.quantity_wh,
        limit=order.limit,
        request=order.request,
    )


_WHAT = (
    "wrong form: an order names product, delivery, side and quantity_wh, a withdrawal cancel alone"
)


def _check(order: SignedOrder) -> None:
    """Refuse what no order says.

    Raises
    ------
    WireError
        If something is missing, too much, or out of range.
    """
    ordered = (order.product, order.delivery, order.side, order.quantity_wh)
    given = sum(one is not None for one in (*ordered, order.limit))
    if given if order.cancel is not None else None in ordered:
        raise WireError(_WHAT)
    if not is_id(order.request) or not (order.product is None or is_id(order.product)):
        msg = "wrong form: request and product are 1 to 64 letters, digits, _ or -"
        raise WireError(msg)
    positive = (order.cancel, order.quantity_wh, order.expires_at)
    signed = (order.delivery, order.limit)
    if any(one is not None and not 0 < one <= SAFE_INTEGER_MAX for one in positive) or any(
        one is not None and abs(one) > SAFE_INTEGER_MAX for one in signed
    ):
        msg = "out of range: numbers of an order are at most 2**53 - 1, and what counts is positive"
        raise WireError(msg)


def _to_json(order: SignedOrder) -> bytes:
    return msgspec.json.encode(order)


def _to_cbor(order: SignedOrder) -> bytes:
    return cbor2.dumps(msgspec.to_builtins(order), canonical=True)


def _from_json(body: bytes) -> SignedOrder:
    try:
        order = _json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"wrong form: {error}"
        raise WireError(msg) from error
    if _to_json(order) != body:
        raise WireError(_ONE_FORM)
    return order


def _from_cbor(body: bytes) -> SignedOrder:
    try:
        order = msgspec.convert(cbor2.loads(body), SignedOrder)
    except (cbor2.CBORError, msgspec.ValidationError, ValueError, TypeError) as error:
        msg = f"wrong form: {error}"
        raise WireError(msg) from error
    if _to_cbor(order) != body:
        raise WireError(_ONE_FORM)
    return order


_ONE_FORM = "wrong form: the body is not written in its one form"
