"""What a stranger sees in the proofs of sales: those that hold, and every way to alter one."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
from msgspec import structs

from tests.builders import MIDNIGHT, a_product, a_sale
from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.amounts import cents, kwh
from wattbay.adapters.etp.desk import request_of
from wattbay.adapters.etp.envelope import EVERYBODY, Identity, Scheme, Sealer, key_of
from wattbay.adapters.etp.messages import Message, encode
from wattbay.adapters.etp.proofs import Findings, SaleProofs, Tally, check_sale, signer_of
from wattbay.core.commands import DefineProduct
from wattbay.core.events import ProductDefined
from wattbay.core.facts import FormerKey
from wattbay.core.sales import ConcludeSale
from wattbay.errors import WireError
from wattbay.ids import MeterId, PodId, RequestId
from wattbay.kernel.codec import Entry
from wattbay.periods import HOUR, SECOND, Instant

BESS, BUYER, LOSER, STRANGER = 101, 201, 202, 299
ID = 77
PRICE, ENERGY_WH = 155_000, 2_000
"""15.5 ¢/kWh for 2 kWh."""
FEE = 5_000
AT = MIDNIGHT
PRODUCT = structs.replace(a_product(), price_tick=10, network_fee=FEE)


class Signers(NamedTuple):
    """What a journal would know."""

    keys: dict[MeterId, bytes]
    pods: dict[MeterId, PodId]
    former: dict[MeterId, FormerKey]

    def key_of(self, device: MeterId) -> bytes | None:
        return self.keys.get(device)

    def former_key_of(self, device: MeterId) -> FormerKey | None:
        return self.former.get(device)

    def pod_of(self, device: MeterId) -> PodId | None:
        return self.pods.get(device)


def a_sealer(device: int, scheme: Scheme = Scheme.ED25519, seed: int | None = None) -> Sealer:
    secret = bytes([(device if seed is None else seed) % 251]) * 32
    return Sealer(Identity(device, scheme, secret), lambda: AT)


def public_key(device: int, seed: int | None = None) -> bytes:
    secret = bytes([(device if seed is None else seed) % 251]) * 32
    return key_of(Identity(device, Scheme.ED25519, secret)).key


def the_signers() -> Signers:
    keys = {signer_of(device): public_key(device) for device in (BESS, BUYER, LOSER)}
    pods = {signer_of(BESS): "h01", signer_of(BUYER): "h02", signer_of(LOSER): "h03"}
    return Signers(keys, {name: PodId(pod) for name, pod in pods.items()}, {})


def a_bid(device: int = BUYER, price: int = PRICE, energy_wh: int = ENERGY_WH) -> Message:
    return m.bid(ID, device, cents(price), kwh(energy_wh))


def a_confirmation(price: int = PRICE, energy_wh: int = ENERGY_WH) -> Message:
    return m.bid_confirm(ID, BUYER, cents(price), kwh(energy_wh))


def sealed(message: Message, *, to: int = BESS, sealer: Sealer | None = None) -> bytes:
    return (sealer or a_sealer(message.device_id)).seal(encode(message), to)


def the_sale(
    bid: bytes | None = None, confirmation: bytes | None = None, *others: bytes
) -> ConcludeSale:
    """Return a sale in two deliveries, of which a battery sealed nothing."""
    proof = [
        sealed(a_bid()) if bid is None else bid,
        sealed(a_confirmation()) if confirmation is None else confirmation,
        *others,
    ]
    return a_sale(
        1_500, 500, price=PRICE - FEE, proof=proof, request=request_of(BESS, (BUYER, ID))
    )  # fmt: skip


def found(sale: ConcludeSale, signers: Signers | None = None) -> Findings:
    return check_sale(sale, signers or the_signers(), PRODUCT)


# --- those that hold -------------------------------------------------------------------------


def test_signed_sale_says_what_its_entry_says() -> None:
    assert found(the_sale()) == Findings(is_signed=True)


def test_higher_and_equal_bids_that_lost_are_counted_and_no_fault() -> None:
    lost = [sealed(a_bid(LOSER, PRICE + more)) for more in (10, 20, 0, -10)]
    findings = found(the_sale(None, None, *lost))
    assert findings == Findings(is_signed=True, others=4, higher=2, equal=1)


def test_bid_of_whoever_is_no_member_is_read_and_proves_nothing() -> None:
    strange = sealed(a_bid(STRANGER, PRICE + 10))
    assert found(the_sale(None, None, strange)).higher == 1
    # Its signature is nobody's that this journal knows; so it is not checked.
    assert found(the_sale(None, None, strange[:-1] + b"x")).higher == 1


def test_prices_between_two_ticks_are_rounded_as_the_battery_does() -> None:
    between = encode(m.bid(ID, BUYER, cents(PRICE + 9), kwh(ENERGY_WH) + 0.000_4))
    sale = the_sale(a_sealer(BUYER).seal(between, BESS))
    assert found(sale).is_signed


PLAIN_BID, PLAIN_CONFIRMATION = encode(a_bid()), encode(a_confirmation())


@pytest.mark.parametrize(
    "sale",
    [
        structs.replace(the_sale(), proof=()),
        structs.replace(the_sale(), request=None),
        structs.replace(the_sale(), request=RequestId("somebody-else")),
        the_sale(PLAIN_BID, PLAIN_CONFIRMATION, encode(a_bid(LOSER, PRICE - 10))),
        the_sale(None, PLAIN_CONFIRMATION),
        the_sale(PLAIN_BID),
        the_sale(
            sealed(a_bid(), sealer=a_sealer(BUYER, Scheme.HMAC)),
            sealed(a_confirmation(), sealer=a_sealer(BUYER, Scheme.HMAC)),
        ),
    ],
    ids=["none", "no request", "other protocol", "plain", "half", "other half", "shared secret"],
)
def test_sale_without_signatures_is_not_signed_and_no_fault(sale: ConcludeSale) -> None:
    assert not found(sale).is_signed


def test_former_key_counts_for_what_was_sealed_before_the_rotation_and_no_more() -> None:
    new = public_key(BUYER, seed=9)
    for until, holds in ((AT + SECOND, True), (AT, False)):
        signers = the_signers()
        signers.keys[signer_of(BUYER)] = new
        signers.former[signer_of(BUYER)] = FormerKey(key=public_key(BUYER), until=Instant(until))
        if holds:
            assert found(the_sale(), signers).is_signed
        else:
            with pytest.raises(WireError, match="bad signature: the bid is not signed by"):
                found(the_sale(), signers)


# --- those that do not -----------------------------------------------------------------------


def flipped(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


def with_command(**changes: object) -> ConcludeSale:
    return structs.replace(the_sale(), **changes)


FAULTS: dict[str, tuple[Callable[[], ConcludeSale], str]] = {
    "price of the entry": (lambda: with_command(price=PRICE), "other price: 155000 was bid, less"),
    "amount of the entry": (
        lambda: with_command(parts=the_sale().parts[:1]),
        "other amount: 2000 Wh were bid for and 2000 confirmed; the entry says 1500",
    ),
    "buyer of the entry": (
        lambda: with_command(buyer=PodId("h03")),
        "other buyer: device 201 speaks for h02, and the entry says h03",
    ),
    "seller of the entry": (
        lambda: with_command(seller=PodId("h03")),
        "other seller: device 101 speaks for h01, and the entry says h03",
    ),
    "bidder of the request": (
        lambda: with_command(request=request_of(BESS, (LOSER, ID))),
        "other bid: it is 77 of device 201; the request names 77 of device 202",
    ),
    "bid of the request": (
        lambda: with_command(request=request_of(BESS, (BUYER, 78))),
        "other bid: it is 77 of device 201; the request names 78 of device 201",
    ),
    "battery of the request": (
        lambda: with_command(request=request_of(102, (BUYER, ID))),
        "other bid: it is to device 101, not to battery 102",
    ),
    "price of the bid": (
        lambda: the_sale(sealed(a_bid(price=PRICE + 10))),
        "other price: 155010 was bid and 155000 confirmed",
    ),
    "price of the confirmation": (
        lambda: the_sale(None, sealed(a_confirmation(price=PRICE - 10))),
        "other price: 155000 was bid and 154990 confirmed",
    ),
    "price of both": (
        lambda: the_sale(sealed(a_bid(price=PRICE + 10)), sealed(a_confirmation(PRICE + 10))),
        "the entry says 150000 nano a Wh",
    ),
    "amount of the bid": (
        lambda: the_sale(sealed(a_bid(energy_wh=ENERGY_WH + 1))),
        "other amount: 2001 Wh were bid for and 2000 confirmed; the entry says 2000",
    ),
    "amount of the confirmation": (
        lambda: the_sale(None, sealed(a_confirmation(energy_wh=1_999))),
        "other amount: 2000 Wh were bid for and 1999 confirmed",
    ),
    "bidder": (
        lambda: the_sale(sealed(a_bid(LOSER))),
        "other bid: it is 77 of device 202",
    ),
    "confirmation of another": (
        lambda: the_sale(None, sealed(a_confirmation()._replace(device_id=LOSER))),
        "other confirmation: it is 77 of device 202",
    ),
    "confirmation of another bid": (
        lambda: the_sale(None, sealed(a_confirmation()._replace(message_id=78))),
        "other confirmation: it is 78 of device 201",
    ),
    "plain price": (
        lambda: the_sale(encode(a_bid(price=PRICE + 10)), PLAIN_CONFIRMATION),
        "other price",
    ),
    "recipient of the bid": (
        lambda: the_sale(sealed(a_bid(), to=102)),
        "other bid: it is to device 102, not to battery 101",
    ),
    "recipient of the confirmation": (
        lambda: the_sale(None, sealed(a_confirmation(), to=EVERYBODY)),
        "other confirmation: it is to everybody, not to battery 101",
    ),
    "sender": (
        lambda: the_sale(sealed(a_bid(), sealer=a_sealer(LOSER))),
        "other bid: device 202 sealed what device 201 says",
    ),
    "swapped": (
        lambda: the_sale(sealed(a_confirmation()), sealed(a_bid())),
        "no bid: it is a BidConfirm",
    ),
    "bid for a confirmation": (
        lambda: the_sale(None, sealed(a_bid())),
        "no confirmation: it is a Bid",
    ),
    "confirmation is missing": (
        lambda: structs.replace(the_sale(), proof=the_sale().proof[:1]),
        "short proof: the confirmation is missing",
    ),
    "another key": (
        lambda: the_sale(sealed(a_bid(), sealer=a_sealer(BUYER, seed=9))),
        "bad signature: the bid is not signed by the key of etp-201",
    ),
    "another key of the confirmation": (
        lambda: the_sale(None, sealed(a_confirmation(), sealer=a_sealer(BUYER, seed=9))),
        "bad signature: the confirmation is not signed by the key of etp-201",
    ),
    "a key that nobody has": (
        lambda: structs.replace(
            the_sale(
                sealed(a_bid(STRANGER)), sealed(a_confirmation()._replace(device_id=STRANGER))
            ),
            request=request_of(BESS, (STRANGER, ID)),
        ),
        "no key: the bid is signed, and the journal has no key of etp-299",
    ),
    "another bid that is none": (
        lambda: the_sale(None, None, sealed(m.query(1, LOSER))),
        "no other bid 1: it is a Query",
    ),
    "another bid for another battery": (
        lambda: the_sale(None, None, sealed(a_bid(LOSER)), sealed(a_bid(LOSER), to=102)),
        "other other bid 2: it is to device 102",
    ),
    "another bid that was altered": (
        lambda: the_sale(None, None, flipped(sealed(a_bid(LOSER)), 181)),
        "bad signature: the other bid 1 is not signed by the key of etp-202",
    ),
    "no message": (lambda: the_sale(b"bid"), "no bid: "),
    "version": (lambda: the_sale(flipped(sealed(a_bid()), 0)), "no bid: version 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_proof_that_says_otherwise_is_told_in_words(name: str) -> None:
    make, words = FAULTS[name]
    with pytest.raises(WireError) as caught:
        found(make())
    assert words in str(caught.value)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_no_byte_of_a_signed_proof_can_be_altered(place: int) -> None:
    sale = the_sale(None, None, sealed(a_bid(LOSER)))
    for at in range(182):
        proof = list(sale.proof)
        proof[place] = flipped(proof[place], at)
        with pytest.raises(WireError):
            found(structs.replace(sale, proof=tuple(proof)))


def test_key_in_33_bytes_is_none_of_this_protocol() -> None:
    signers = the_signers()
    signers.keys[signer_of(BUYER)] = b"\2" + bytes(32)
    with pytest.raises(WireError, match="bad signature"):
        found(the_sale(), signers)


# --- many of them ----------------------------------------------------------------------------


def the_proofs() -> SaleProofs:
    proofs = SaleProofs(the_signers())
    defined = DefineProduct(product=PRODUCT)
    proofs.fold(Entry(1, Instant(AT - HOUR), defined, (ProductDefined(product=PRODUCT),)))
    return proofs


def test_sales_are_counted() -> None:
    proofs = the_proofs()
    proofs.check(the_sale(None, None, sealed(a_bid(LOSER, PRICE + 10))))
    proofs.check(the_sale(PLAIN_BID, PLAIN_CONFIRMATION, PLAIN_BID))
    proofs.check(structs.replace(the_sale(), proof=()))
    assert proofs.tally == Tally(signed=1, unsigned=2, higher=1, equal=1)


def test_one_signed_bid_is_sold_once() -> None:
    proofs = the_proofs()
    sale = the_sale()
    proofs.check(sale)
    with pytest.raises(WireError, match="repeated proof: its bid was sold before"):
        proofs.check(sale)
    # The same bid sealed anew is another one: its nonce rose.
    sealer = a_sealer(BUYER)
    sealed(a_bid(), sealer=sealer)
    proofs.check(the_sale(sealed(a_bid(), sealer=sealer)))
    assert proofs.tally.signed == 2


def test_sale_of_a_product_that_nobody_defined_is_told() -> None:
    with pytest.raises(WireError, match="product halfhour is not defined in this journal"):
        SaleProofs(the_signers()).check(the_sale())
