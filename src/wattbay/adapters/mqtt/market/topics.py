"""The topics of the market, all below ``em/v1/{community}/market/``."""

from __future__ import annotations

from enum import StrEnum

from wattbay.adapters.mqtt.topics import MARKET, TOPIC_BYTES_MAX, is_device, market_topic
from wattbay.errors import WireError
from wattbay.ids import CommunityId, MeterId, is_id
from wattbay.periods import Instant, to_text


class Subject(StrEnum):
    """What a topic of the market is about: the first part of its name after ``market``."""

    CLOCK = "clock"
    """What time the market has. Retained."""
    STATE = "state"
    """Where each delivery around now stands. Retained."""
    BIDDING = "bidding"
    """Bidding for a delivery opens or closes."""
    ORDERS = "orders"
    """``orders/{product}/{delivery}``: what stands for a delivery, by price. Retained."""
    ITEMS = "items"
    """What is offered and wanted now. Retained."""
    SOLAR = "solar"
    """What panels make, today and tomorrow. Retained."""
    CURVE = "curve"
    """How a home's energy is spread over the day. Retained."""
    CLEAR = "clear"
    """``clear/{product}``: what a delivery came to. Retained."""
    EXCHANGE = "slot"
    """The delivery in which energy flows now, and the one before it. Retained."""
    SETTLE = "settle"
    """A delivery was settled in a run."""
    ALERT = "alert"
    """What the market's participants should know at once."""
    ORDER = "order"
    """``order/{device}``: a signed order, from a device. Quality of service 1."""
    ANSWER = "answer"
    """``answer/{device}``: what became of its orders, to a device. Quality of service 1."""


REMARKS, PASSED_ON = "INFO", "METRICS"
"""Of open-elecbay: what is said on the first is passed on to the second."""


def delivery_part(delivery: Instant) -> str:
    """Return a delivery as a part of a topic: ``2013-06-10T1130Z``."""
    return to_text(delivery).replace(":", "").replace(".", "-")


def order_topic(community: CommunityId, device: MeterId) -> str:
    """Return the topic on which a device publishes its orders."""
    return market_topic(community, Subject.ORDER, device)


def answer_topic(community: CommunityId, device: MeterId) -> str:
    """Return the topic on which a device hears what became of its orders."""
    return market_topic(community, Subject.ANSWER, device)


def order_filter(community: CommunityId) -> str:
    """Return the filter of all devices' orders."""
    return f"{market_topic(community, Subject.ORDER)}/+"


def parse_order_topic(topic: str, community: CommunityId) -> MeterId:
    """Return which device of a community an order's topic belongs to.

    Raises
    ------
    WireError
        If it is no such topic.
    """
    match topic.split("/"):
        case ["em", "v1", found, str(market), Subject.ORDER, device] if (
            market == MARKET and found == community and is_id(found) and is_device(device)
        ):
            return MeterId(device)
        case _:
            name = topic[:TOPIC_BYTES_MAX]
            msg = f"wrong topic: {name!r}; not em/v1/{community}/market/order/{{device}}"
            raise WireError(msg)
