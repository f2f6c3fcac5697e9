"""The topics of the stream: what each is about, its form, and who may hear it.

=========================  ======  ===================================================  ===========
topic                      form    tells                                                for
=========================  ======  ===================================================  ===========
``market``                 events  gates, auctions, settlement                          everybody
``deliveries``             state   each delivery's stage, price and volume              everybody
``prices``                 state   clearing, last and tariff prices                     everybody
``trades``                 events  price and quantity, nobody's name                    everybody
``book/PRODUCT/DELIVERY``  whole   what rests at each price, nobody's name              everybody
``clock``                  whole   what time it is at the exchange, and how fast        everybody
``orders/POD``             state   the pod's orders as they stand                       its party
``receipts/POD``           state   the pod's receipts                                   its party
``statements/POD``         state   the pod's statements                                 its party
``readings/POD``           state   verified readings of the pod's devices               its party
``readings/DEVICE``        state   verified readings of the device                      its party
``readings``               state   all verified readings                                who sees all
``alerts/PARTY``           state   what is odd about the party's devices                the party
``alerts``                 state   likewise, of all devices                             who sees all
``devices/PARTY``          state   the party's devices as they are                      the party
``devices``                state   likewise, of all devices                             who sees all
``grid``                   events  limits, curtailment, activation                      who reads it
=========================  ======  ===================================================  ===========
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from wattbay.access.identity import Identity
from wattbay.access.roles import Permission
from wattbay.adapters.api.stream.channel import Form
from wattbay.core.exchange import State
from wattbay.errors import WireError
from wattbay.ids import MeterId, PartyId, PodId, ProductId, is_id
from wattbay.periods import Instant, instant, to_text

TOPIC_CHARACTERS_MAX = 256
EVERYBODY = ""
"""The audience of what is public."""
STAFF = "*"
"""The audience that sees all parties. No party is called so."""


class Kind(StrEnum):
    """What a topic is about: its first word."""

    MARKET = "market"
    DELIVERIES = "deliveries"
    PRICES = "prices"
    TRADES = "trades"
    BOOK = "book"
    CLOCK = "clock"
    ORDERS = "orders"
    RECEIPTS = "receipts"
    STATEMENTS = "statements"
    READINGS = "readings"
    ALERTS = "alerts"
    DEVICES = "devices"
    GRID = "grid"


FORMS: Mapping[Kind, Form] = MappingProxyType(
    {
        Kind.MARKET: Form.EVENTS,
        Kind.DELIVERIES: Form.STATE,
        Kind.PRICES: Form.STATE,
        Kind.TRADES: Form.EVENTS,
        Kind.BOOK: Form.WHOLE,
        Kind.CLOCK: Form.WHOLE,
        Kind.ORDERS: Form.STATE,
        Kind.RECEIPTS: Form.STATE,
        Kind.STATEMENTS: Form.STATE,
        Kind.READINGS: Form.STATE,
        Kind.ALERTS: Form.STATE,
        Kind.DEVICES: Form.STATE,
        Kind.GRID: Form.EVENTS,
    }
)
"""The form of each."""

PUBLIC = frozenset({Kind.MARKET, Kind.DELIVERIES, Kind.PRICES, Kind.TRADES, Kind.BOOK, Kind.CLOCK})
OF_A_POD = frozenset({Kind.ORDERS, Kind.RECEIPTS, Kind.STATEMENTS})
OF_A_PARTY = frozenset({Kind.ALERTS, Kind.DEVICES})


class Topic(NamedTuple):
    """A topic, taken apart."""

    kind: Kind
    subject: str = ""
    """Pod, device, party or product; empty where it is about all."""
    delivery: Instant | None = None

    @property
    def name(self) -> str:
        """Return how it is written."""
        if self.delivery is not None:
            return book_name(ProductId(self.subject), self.delivery)
        return f"{self.kind}/{self.subject}" if self.subject else str(self.kind)


class NotForYouError(WireError):
    """Somebody may not hear a topic, or there is none such: nobody learns which."""


def book_name(product: ProductId, delivery: Instant) -> str:
    """Return the name of a book's topic."""
    return f"{Kind.BOOK}/{product}/{to_text(delivery)}"


def parse(name: str) -> Topic:
    """Take a topic apart.

    Raises
    ------
    WireError
        If there is no such topic, whoever asks.
    """
    if len(name) > TOPIC_CHARACTERS_MAX:
        raise WireError(f"a topic has {TOPIC_CHARACTERS_MAX} characters at most")
    first, *rest = name.split("/")
    try:
        kind = Kind(first)
    except ValueError:
        raise WireError(f"topics begin with {', '.join(sorted(Kind))}") from None
    if kind is Kind.BOOK:
        return _book(rest)
    may_be_about_all = kind in PUBLIC or kind in OF_A_PARTY or kind in {Kind.GRID, Kind.READINGS}
    if not rest and may_be_about_all:
        return Topic(kind)
    if kind in PUBLIC or kind is Kind.GRID:
        raise WireError(f"the topic is {kind}, and nothing behind it")
    if len(rest) != 1 or not is_id(rest[0]):
        raise WireError(f"a topic is {kind}/NAME")
    return Topic(kind, rest[0])


def _book(rest: list[str]) -> Topic:
    try:
        product, delivery = rest
        at = instant(delivery)
        to_text(at)  # Of the first and last hours of all time not every offset can be told.
    except (ValueError, OverflowError):
        raise WireError("a topic is book/PRODUCT/DELIVERY, as 2026-05-01T12:00Z") from None
    if not is_id(product):
        raise WireError("a topic is book/PRODUCT/DELIVERY, and the product an identifier")
    return Topic(Kind.BOOK, product, at)


def audience(topic: Topic, who: Identity, state: State) -> str:
    """Return as which audience somebody hears a topic: everybody, a party, or all parties.

    A pod that changed hands is heard of by each of its parties for its own time.

    Raises
    ------
    NotForYouError
        If they may not.
    """
    if topic.kind in PUBLIC:
        if not who.may(Permission.READ_MARKET):
            raise NotForYouError("you may not hear of the market")
        if topic.kind is Kind.BOOK and not _is_open(topic, state):
            raise NotForYouError("there is no such topic that you may hear")
        return EVERYBODY
    if topic.kind is Kind.GRID:
        if not who.may(Permission.READ_GRID):
            raise NotForYouError("there is no such topic that you may hear")
        return STAFF
    if who.may(Permission.READ_ALL):
        if topic.subject and not _is_known(topic, state):
            raise NotForYouError("there is no such topic that you may hear")
        return STAFF
    party = _party(topic, who, state)
    if party is None:
        raise NotForYouError("there is no such topic that you may hear")
    return party


def _is_open(topic: Topic, state: State) -> bool:
    """Tell whether a delivery is listed and not final: its book may be empty."""
    known = None if topic.delivery is None else state.deliveries.open.get(topic.delivery)
    return known is not None and topic.subject in known.products


def _is_known(topic: Topic, state: State) -> bool:
    if topic.kind in OF_A_PARTY:
        return PartyId(topic.subject) in state.registry.parties
    if PodId(topic.subject) in state.registry.pods:
        return True
    return topic.kind is Kind.READINGS and pod_of(MeterId(topic.subject), state) is not None


def _party(topic: Topic, who: Identity, state: State) -> PartyId | None:
    """Return as whose party somebody hears of a pod, a device or a party; None for nobody's."""
    if topic.kind in OF_A_PARTY:
        party = PartyId(topic.subject)
        return party if topic.subject and who.may_read(party) else None
    facts = state.registry.pods.get(PodId(topic.subject), [])
    if not facts and topic.kind is Kind.READINGS:
        pod = pod_of(MeterId(topic.subject), state)
        facts = [] if pod is None else state.registry.pods.get(pod, [])
    return next((each.party for each in reversed(facts) if who.may_read(each.party)), None)


def pod_of(device: MeterId, state: State) -> PodId | None:
    """Return the pod behind which a device is; None where none is known."""
    use = state.metering.meters.get(device)
    if use is not None:
        return use.pod
    known = state.registry.devices.get(device)
    return None if known is None else known.pod
