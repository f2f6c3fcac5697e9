"""What the proof of a sale shows to a stranger, who has the journal and nothing else.

A proof is the bid, its confirmation and the other bids of the auction, each as the battery received
it: plain, or in an envelope. An envelope with a signature shows who agreed, to what, with whom.
Keys are never taken from a proof: the journal has them, as devices of its members.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from wattbay.adapters.etp.amounts import energy_down, price_down
from wattbay.adapters.etp.auctions import Key as BidKey
from wattbay.adapters.etp.desk import key_in
from wattbay.adapters.etp.envelope import EVERYBODY, Key, Scheme, head_of, inner, is_authentic
from wattbay.adapters.etp.messages import NAMES, SIZE, Kind, Message, decode
from wattbay.core.events import ProductDefined
from wattbay.core.facts import FormerKey, Product
from wattbay.core.sales import ConcludeSale
from wattbay.errors import WireError
from wattbay.ids import MeterId, PodId, ProductId
from wattbay.kernel.codec import Entry


def signer_of(device: int) -> MeterId:
    """Return the name under which the journal has the key of a device of this protocol."""
    return MeterId(f"etp-{device}")


class Signers(Protocol):
    """What a journal knows of those who sign, as far as it was read."""

    def key_of(self, device: MeterId) -> bytes | None:
        """Return the public key of a device; None for an unknown or revoked one."""

    def former_key_of(self, device: MeterId) -> FormerKey | None:
        """Return the key before the last rotation."""

    def pod_of(self, device: MeterId) -> PodId | None:
        """Return for which pod a device speaks; None where nobody says."""


class Findings(NamedTuple):
    """What the proof of one sale shows, where it shows nothing else than its command says."""

    is_signed: bool
    """Whether bid and confirmation are signed, so that nobody else can have made them."""
    others: int = 0
    """Bids of the auction that lost."""
    higher: int = 0
    """Those of them that offered more than the winner: refused for another reason than price."""
    equal: int = 0
    """Those of them that offered as much."""


class Tally(NamedTuple):
    """What was found of many sales."""

    signed: int = 0
    unsigned: int = 0
    higher: int = 0
    """Bids that offered more than the winner of their auction."""
    equal: int = 0

    def plus(self, found: Findings) -> Tally:
        """Return it with one more sale."""
        return Tally(
            self.signed + found.is_signed, self.unsigned + (not found.is_signed),
            self.higher + found.higher, self.equal + found.equal,
        )  # fmt: skip


class SaleProofs:
    """The sales of one journal, whose entries it hears from the first one on."""

    def __init__(self, signers: Signers) -> None:
        """Know no product and no sale; `signers` has heard the same entries."""
        self.tally = Tally()
        self._signers = signers
        self._products: dict[ProductId, Product] = {}
        self._sold: set[bytes] = set()

    def fold(self, entry: Entry) -> None:
        """Take the next entry of history."""
        for event in entry.events:
            if type(event) is ProductDefined:
                self._products[event.product.product] = event.product

    def check(self, command: ConcludeSale) -> None:
        """Check the proof of a sale that was concluded, and count what it shows.

        Raises
        ------
        WireError
            If it does not say what the command says, or was the proof of a sale before.
        """
        product = self._products.get(command.product)
        if product is None:
            msg = f"product {command.product} is not defined in this journal"
            raise WireError(msg)
        found = check_sale(command, self._signers, product)
        if found.is_signed:
            # Nobody signs the same bytes twice: their nonce only rises.
            tag = command.proof[0][-64:]
            if tag in self._sold:
                msg = "repeated proof: its bid was sold before"
                raise WireError(msg)
            self._sold.add(tag)
        self.tally = self.tally.plus(found)


def check_sale(command: ConcludeSale, signers: Signers, product: Product) -> Findings:
    """Check that the proof of a sale says what its command says.

    A sale without a proof, or of another protocol than this, is not signed; that is no fault.

    Parameters
    ----------
    product
        The one that the command names.

    Raises
    ------
    WireError
        If the proof says otherwise, or is not signed by whom it says that it is.
    """
    named = key_in(command.request)
    if named is None or not command.proof:
        return Findings(is_signed=False)
    bess, key = named
    if len(command.proof) == 1:
        msg = "short proof: the confirmation is missing"
        raise WireError(msg)
    bid, is_bid_signed = _message("bid", command.proof[0], Kind.BID, bess, signers)
    confirmation, is_confirmation_signed = _message(
        "confirmation", command.proof[1], Kind.BID_CONFIRM, bess, signers
    )
    _check_names(bid, confirmation, key)
    _check_pods(command, bess, key[0], signers)
    price = _check_terms(command, bid, confirmation, product)
    offers = [
        price_down(_other(place, raw, bess, signers).bid_price, product.price_tick)
        for place, raw in enumerate(command.proof[2:], start=1)
    ]
    return Findings(
        is_signed=is_bid_signed and is_confirmation_signed,
        others=len(offers),
        higher=sum(offer > price for offer in offers),
        equal=offers.count(price),
    )


def _check_names(bid: Message, confirmation: Message, key: BidKey) -> None:
    """Do nothing if bid and confirmation are those that the request names."""
    for what, message in (("bid", bid), ("confirmation", confirmation)):
        if (message.device_id, message.message_id) != key:
            found = f"{message.message_id} of device {message.device_id}"
            msg = f"other {what}: it is {found}; the request names {key[1]} of device {key[0]}"
            raise WireError(msg)


def _check_pods(command: ConcludeSale, bess: int, bidder: int, signers: Signers) -> None:
    """Do nothing if seller and buyer are who the journal has the devices for."""
    for what, pod, device in (("seller", command.seller, bess), ("buyer", command.buyer, bidder)):
        known = signers.pod_of(signer_of(device))
        if known not in {None, pod}:
            msg = f"other {what}: device {device} speaks for {known}, and the entry says {pod}"
            raise WireError(msg)


def _check_terms(
    command: ConcludeSale, bid: Message, confirmation: Message, product: Product
) -> int:
    """Return at what price was bid, if that and the amount are those of the sale."""
    price = price_down(bid.bid_price, product.price_tick)
    confirmed = price_down(confirmation.sale_price, product.price_tick)
    if confirmed != price:
        msg = f"other price: {price} was bid and {confirmed} confirmed"
        raise WireError(msg)
    # The bid is all that the buyer pays: the fee comes out of it.
    if price - product.network_fee != command.price:
        msg = (
            f"other price: {price} was bid, less {product.network_fee} for the network;"
            f" the entry says {command.price} nano a Wh"
        )
        raise WireError(msg)
    energy_wh = energy_down(bid.required_energy_amount)
    sold_wh = sum(part.quantity_wh for part in command.parts)
    if not energy_wh == energy_down(confirmation.required_energy_amount) == sold_wh:
        confirmed_wh = energy_down(confirmation.required_energy_amount)
        msg = (
            f"other amount: {energy_wh} Wh were bid for and {confirmed_wh} confirmed;"
            f" the entry says {sold_wh}"
        )
        raise WireError(msg)
    return price


def _other(place: int, raw: bytes, bess: int, signers: Signers) -> Message:
    """Return a bid that lost. Its bidder need be no member, and then has no key here."""
    return _message(f"other bid {place}", raw, Kind.BID, bess, signers, is_stranger=True)[0]


def _message(
    what: str,
    raw: bytes,
    kind: Kind,
    bess: int,
    signers: Signers,
    *,
    is_stranger: bool = False,
) -> tuple[Message, bool]:
    """Return a message of a proof, and whether it is signed.

    Parameters
    ----------
    is_stranger
        Whether who signed it may have no key in the journal.

    Raises
    ------
    WireError
        If it is none of that kind, to that battery, by the device that it names.
    """
    try:
        message = decode(inner(raw))
        head = None if len(raw) == SIZE else head_of(raw)
    except WireError as error:
        msg = f"no {what}: {error}"
        raise WireError(msg) from error
    if message.message_type != kind:
        msg = f"no {what}: it is a {NAMES[Kind(message.message_type)]}"
        raise WireError(msg)
    if head is None:
        return message, False
    if head.sender != message.device_id:
        msg = f"other {what}: device {head.sender} sealed what device {message.device_id} says"
        raise WireError(msg)
    if head.recipient != bess:
        whom = "everybody" if head.recipient == EVERYBODY else f"device {head.recipient}"
        msg = f"other {what}: it is to {whom}, not to battery {bess}"
        raise WireError(msg)
    if head.scheme is not Scheme.ED25519:
        # Whoever can check a shared secret can also make what it is checked by.
        return message, False
    name = signer_of(head.sender)
    key = signers.key_of(name)
    if key is None:
        if is_stranger:
            return message, False
        msg = f"no key: the {what} is signed, and the journal has no key of {name}"
        raise WireError(msg)
    former = signers.former_key_of(name)
    is_former = former is not None and head.stamp < former.until
    keys = [key, former.key] if former is not None and is_former else [key]
    if not any(is_authentic(raw, Key(Scheme.ED25519, one)) for one in keys):
        msg = f"bad signature: the {what} is not signed by the key of {name}"
        raise WireError(msg)
    return message, True
