"""What is answered where something cannot be: a problem, as RFC 9457 says, and never anything else.

A refusal of the exchange is a problem, too: it bears the reason, what would be right, and the entry
in which it stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from wattbay.core.events import Rejected
from wattbay.core.reasons import Reason
from wattbay.errors import WattbayError
from wattbay.kernel.intake import NOT_IN_HISTORY

PROBLEM_JSON = "application/problem+json"
RETRY_S = 1
"""After how long a full queue is worth another try. [s]"""


class Flaw(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with what was sent."""

    pointer: str
    """Where: a JSON pointer into the body, ``query/limit`` or ``path/order`` elsewhere."""
    detail: str
    """What is wrong, or what would be right."""


class ProblemTold(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"kind": "type"}
):
    """A problem: why the answer is not what was wanted, and what would be right."""

    kind: str
    """What sort of problem: ``urn:wattbay:problem:`` and a word for programs."""
    title: str
    """The sort, in words; the same for every problem of it."""
    status: int
    """The status of the answer, once more."""
    detail: str
    """What happened here, and what would be right."""
    instance: str = ""
    """The path that was called."""
    request_id: str = ""
    """By which the operator finds the request in the log."""
    reason: str | None = None
    """Where the exchange refused: its reason."""
    entry: int | None = None
    """Where the exchange refused: the entry of the journal in which that stands."""
    errors: tuple[Flaw, ...] = ()
    """Everything that is wrong with what was sent."""


class Problem(WattbayError):
    """Ends a request with a problem instead of an answer."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        errors: tuple[Flaw, ...] = (),
        *,
        reason: str | None = None,
        entry: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Say what is wrong.

        Parameters
        ----------
        kind
            A word for programs, such as ``not-found``.
        detail
            What happened, and what would be right, in a sentence.
        """
        self.status = status
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.reason = reason
        self.entry = entry
        self.headers = {} if headers is None else dict(headers)
        super().__init__(f"{status} {kind}: {detail}")


_encoder = msgspec.json.Encoder()


def told(problem: Problem, path: str, request_id: str) -> Response:
    """Return the answer that tells a problem."""
    body = ProblemTold(
        kind=f"urn:wattbay:problem:{problem.kind}",
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        detail=problem.detail,
        instance=path,
        request_id=request_id,
        reason=problem.reason,
        entry=problem.entry,
        errors=problem.errors,
    )
    headers = {"Cache-Control": "no-store", **problem.headers}
    return Response(_encoder.encode(body), problem.status, headers, PROBLEM_JSON)


def tell(request: Request, problem: Problem) -> Response:
    """Return the answer that tells a problem of a request."""
    return told(problem, request.url.path, getattr(request.state, "request_id", ""))


def not_found(what: str) -> Problem:
    """Return the problem of a thing that is not there, or is another's: nobody learns which."""
    return Problem(404, "not-found", f"there is no {what} that you may see")


def forbidden(detail: str) -> Problem:
    """Return the problem of somebody who is known, and may not."""
    return Problem(403, "forbidden", detail)


# --- refusals of the exchange ----------------------------------------------------------------

_RIGHT: Mapping[Reason, tuple[int, str]] = MappingProxyType(
    {
        Reason.COMMUNITY_OPEN: (409, "a community is founded once"),
        Reason.COMMUNITY_NOT_OPEN: (409, "the operator founds the community first"),
        Reason.BAD_ID: (422, "an identifier is 1 to 64 letters, digits, _ or -"),
        Reason.BAD_VALUE: (409, "correct the value and send it again"),
        Reason.OUT_OF_RANGE: (409, "stay within the range and send it again"),
        Reason.UNKNOWN_PARTY: (404, "register the party first"),
        Reason.UNKNOWN_POD: (404, "the pod must be connected by then"),
        Reason.UNKNOWN_METER: (404, "enrol the device first"),
        Reason.UNKNOWN_TARIFF: (404, "GET /api/v1/tariffs lists what there is"),
        Reason.UNKNOWN_PROFILE: (404, "publish the profile first"),
        Reason.UNKNOWN_PRODUCT: (404, "GET /api/v1/products lists what there is"),
        Reason.UNKNOWN_DELIVERY: (404, "GET /api/v1/deliveries lists what can be traded"),
        Reason.UNKNOWN_ORDER: (404, "the order is over, or another's: GET /api/v1/orders"),
        Reason.UNKNOWN_TRADE: (404, "the trade is over, or was never made"),
        Reason.UNKNOWN_RUN: (404, "GET /api/v1/community names the settlement runs"),
        Reason.ALREADY_KNOWN: (409, "use another name, or change what is there"),
        Reason.NOT_ALLOWED: (403, "a party with the role for it may"),
        Reason.TOO_MANY: (409, "end something before you begin more"),
        Reason.NOT_IN_SEQUENCE: (409, "name a later instant"),
        Reason.GATE_NOT_OPEN: (409, "wait until the gate of this delivery opens"),
        Reason.GATE_CLOSED: (409, "choose a delivery whose gate is open: GET /api/v1/deliveries"),
        Reason.OFF_TICK: (409, "use multiples of the product's tick: GET /api/v1/products"),
        Reason.BAD_QUANTITY: (409, "keep to the product's quantities: GET /api/v1/products"),
        Reason.PRICE_LIMIT: (409, "keep to the product's prices: GET /api/v1/products"),
        Reason.NO_COLLATERAL: (409, "pay in, or risk less"),
        Reason.NOT_DUE: (409, "wait until it is due"),
        Reason.REQUEST_REUSED: (422, "an Idempotency-Key belongs to one request: use a new one"),
        Reason.DUPLICATE_READING: (409, "the reading is known already: nothing is to be done"),
        Reason.CONFLICTING_READING: (409, "other bytes are known under these counters"),
        Reason.REGISTER_WENT_BACK: (409, "registers only rise: look at the meter"),
        Reason.IMPOSSIBLE_ENERGY: (409, "this is more than the meter can measure: look at it"),
        Reason.STAMP_IN_FUTURE: (409, "set the device's clock"),
        Reason.STAMP_TOO_OLD: (409, "the delivery is final: ask for a correction"),
        Reason.METER_NOT_IN_USE: (409, "this meter was not in use then"),
        Reason.RECORD_ALTERED: (409, "bring the archived record as it was"),
        Reason.DELIVERY_FINAL: (409, "the delivery is final: ask for a correction"),
        Reason.BAD_CONDITION: (409, "correct what the order says besides, and send it again"),
        Reason.ALREADY_EXPIRED: (409, "name a later expiry"),
        Reason.HALTED: (409, "wait until trading goes on; orders can be withdrawn"),
        Reason.POSITION_LIMIT: (409, "trade less of this delivery"),
        Reason.NOT_VERIFIED: (409, "bring a result that keeps the rules"),
    }
)
"""The status of each reason, and what would be right.

409 is what only the exchange can know; 422 is kept for what the document forbids already.
"""


def refused(rejected: Rejected, seq: int) -> Problem:
    """Return the problem of a refusal.

    Parameters
    ----------
    seq
        The entry in which it stands; `NOT_IN_HISTORY` where the exchange did not hear it at all.
    """
    reason = rejected.reason
    if seq == NOT_IN_HISTORY:
        headers = {"Retry-After": str(RETRY_S)}
        return Problem(503, "busy", rejected.detail, reason=reason.value, headers=headers)
    status, right = _RIGHT[reason]
    detail = f"{rejected.detail}: {right}" if rejected.detail else right
    kind = reason.value.replace("_", "-")
    return Problem(status, kind, detail, reason=reason.value, entry=seq)
