"""How a sale that was agreed over the Energy Trading Protocol is checked before it is taken."""

from __future__ import annotations

from collections.abc import Callable

from wattbay.adapters.etp.auctions import Key
from wattbay.adapters.etp.desk import key_in, request_of
from wattbay.adapters.etp.envelope import head_of
from wattbay.adapters.etp.proofs import Signers, check_sale, signer_of
from wattbay.core.exchange import State
from wattbay.core.sales import ConcludeSale
from wattbay.errors import WireError
from wattbay.ids import PodId, RequestId
from wattbay.periods import MINUTE, Instant

AGE_MAX_US = 15 * MINUTE
"""How old a confirmation may be: nobody is held to one that was kept back. [µs]"""
AHEAD_MAX_US = MINUTE
"""How far the clock of whoever signed may be ahead of ours. [µs]"""


class SaleConsents:
    """What the devices of a community agreed to, as their signatures show."""

    def __init__(self, signers: Signers, state: Callable[[], State]) -> None:
        """Believe devices by the keys that history has of them."""
        self._signers, self._state = signers, state

    def buyer_of(self, request: RequestId | None) -> PodId | None:
        """Return for which pod somebody buys in the sale that a request names; None if unknown."""
        named = _named(request)
        return None if named is None else self._signers.pod_of(signer_of(named[1][0]))

    def check(self, sale: ConcludeSale, now: Instant) -> None:
        """Do nothing if devices of both pods agreed to a sale, just now and to nothing else.

        Raises
        ------
        WireError
            If that is not shown.
        """
        named = _named(sale.request)
        if named is None:
            msg = "no bid is named: the Idempotency-Key is etp-BATTERY-BIDDER-MESSAGE, each in hex"
            raise WireError(msg)
        bess, (bidder, _) = named
        self._check_place("seller", sale.seller, bess)
        self._check_place("buyer", sale.buyer, bidder)
        product = self._state().registry.products.get(sale.product)
        if product is None:
            msg = f"product {sale.product} is not known"
            raise WireError(msg)
        if not check_sale(sale, self._signers, product).is_signed:
            name = signer_of(bidder)
            msg = f"not signed: {name} has to seal bid and confirmation with its Ed25519 key"
            raise WireError(msg)
        age_us = now - head_of(sale.proof[1]).stamp
        if not -AHEAD_MAX_US <= age_us <= AGE_MAX_US:
            most, off = AGE_MAX_US // MINUTE, age_us / MINUTE
            msg = f"stale: the confirmation is {off:.1f} minutes old, and {most} are the most"
            raise WireError(msg)

    def _check_place(self, what: str, pod: PodId, device: int) -> None:
        """Do nothing if a device is believed, and stands behind the pod that it is said to."""
        name = signer_of(device)
        if self._signers.key_of(name) is None:
            msg = f"no key: {name}, of the {what}, is not enrolled, or revoked"
            raise WireError(msg)
        if self._signers.pod_of(name) != pod:
            msg = f"other {what}: {name} does not stand behind {pod}"
            raise WireError(msg)


def _named(request: RequestId | None) -> tuple[int, Key] | None:
    """Return the battery and the bid that a request names; None where it is written otherwise.

    A number has many spellings in hex, and under each a bid could be sold once more.
    """
    named = key_in(request)
    return named if named is not None and request_of(*named) == request else None
