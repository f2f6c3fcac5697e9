"""What the market's words mean, in plain ones: refusals, qualities, states, components."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from wattbay.core.facts import Quality
from wattbay.core.reasons import Reason


class Refusal(NamedTuple):
    """Why something was refused, and what would have been right."""

    why: str
    remedy: str


REFUSALS: Mapping[Reason, Refusal] = MappingProxyType(
    {
        Reason.COMMUNITY_OPEN: Refusal(
            "the community is founded already", "a community is founded once, by its first entry"
        ),
        Reason.COMMUNITY_NOT_OPEN: Refusal(
            "the community is not founded yet", "found it first, with OpenCommunity"
        ),
        Reason.BAD_ID: Refusal(
            "a name cannot be one", "names have 1 to 64 letters, digits, _ or -"
        ),
        Reason.BAD_VALUE: Refusal(
            "a value makes no sense there", "the exchange's remark says what it takes"
        ),
        Reason.OUT_OF_RANGE: Refusal(
            "a number is too large to be kept exactly", "stay within ±9,007,199,254,740,991"
        ),
        Reason.UNKNOWN_PARTY: Refusal(
            "nobody of that name is in the community", "register the party first"
        ),
        Reason.UNKNOWN_POD: Refusal(
            "no such connection (pod) existed at that time", "use a pod from its first day on"
        ),
        Reason.UNKNOWN_METER: Refusal(
            "no such meter was ever in use", "send the name under which the meter was registered"
        ),
        Reason.UNKNOWN_TARIFF: Refusal(
            "no such tariff was published", "publish it first, with DefineTariff"
        ),
        Reason.UNKNOWN_PROFILE: Refusal(
            "no such standard profile was published", "publish it first, with DefineProfile"
        ),
        Reason.UNKNOWN_PRODUCT: Refusal(
            "no such product can be traded", "name a product that the community defined"
        ),
        Reason.UNKNOWN_DELIVERY: Refusal(
            "there is no such delivery, or it is over",
            "name a listed delivery by the instant at which it starts",
        ),
        Reason.UNKNOWN_ORDER: Refusal(
            "no such order of this pod stands", "name an order of its own that is still open"
        ),
        Reason.UNKNOWN_TRADE: Refusal(
            "no such trade stands", "name a trade of that delivery that was not cancelled"
        ),
        Reason.UNKNOWN_RUN: Refusal(
            "no such settlement run is next", "runs follow one another by the calendar"
        ),
        Reason.ALREADY_KNOWN: Refusal(
            "it exists already", "choose another name, or leave it as it is"
        ),
        Reason.NOT_ALLOWED: Refusal(
            "the party's role does not allow it", "let the party with that role do it"
        ),
        Reason.TOO_MANY: Refusal(
            "there are too many of these already", "cancel or amend one that stands"
        ),
        Reason.NOT_IN_SEQUENCE: Refusal(
            "it does not follow on what went before", "send it in its order of time"
        ),
        Reason.GATE_NOT_OPEN: Refusal(
            "trading for this delivery had not begun", "send it once the gate is open"
        ),
        Reason.GATE_CLOSED: Refusal(
            "trading for this delivery was over",
            "send it before the gate closes; an order stamped at closure is late",
        ),
        Reason.OFF_TICK: Refusal(
            "the limit or quantity lies between two steps", "round it to a step of the product"
        ),
        Reason.BAD_QUANTITY: Refusal(
            "the quantity is none that can be traded", "stay between one step and the largest"
        ),
        Reason.PRICE_LIMIT: Refusal(
            "the limit lies outside the product's range", "stay within its lowest and highest price"
        ),
        Reason.NO_COLLATERAL: Refusal(
            "the party's money or credit does not cover the worst case",
            "pay in, settle what is owed, or order less",
        ),
        Reason.NOT_DUE: Refusal("it is not due yet", "the clock does this by itself"),
        Reason.REQUEST_REUSED: Refusal(
            "this request was used before, for something else", "give every request a new name"
        ),
        Reason.DUPLICATE_READING: Refusal(
            "the same reading had arrived before", "nothing is lost: a reading counts once"
        ),
        Reason.CONFLICTING_READING: Refusal(
            "another reading with this number had arrived before",
            "the metered data responsible decides which one is true",
        ),
        Reason.REGISTER_WENT_BACK: Refusal(
            "the register showed less than before", "registers only rise; have the meter looked at"
        ),
        Reason.IMPOSSIBLE_ENERGY: Refusal(
            "more energy than the connection can carry", "have the meter looked at"
        ),
        Reason.STAMP_IN_FUTURE: Refusal(
            "the reading claims to come from the future", "set the meter's clock"
        ),
        Reason.STAMP_TOO_OLD: Refusal(
            "the reading came too late to count", "its delivery is settled; it can be corrected"
        ),
        Reason.METER_NOT_IN_USE: Refusal(
            "the meter was not in use at that time", "send readings of the meter that is in use"
        ),
        Reason.RECORD_ALTERED: Refusal(
            "the record is not the one that was archived", "bring it as it was archived"
        ),
        Reason.DELIVERY_FINAL: Refusal(
            "the delivery is settled for good", "ask for a correction, with CorrectDelivery"
        ),
        Reason.BAD_CONDITION: Refusal(
            "it says what cannot be meant, or what this market does not know",
            "the exchange's remark says what would be right",
        ),
        Reason.ALREADY_EXPIRED: Refusal(
            "its time was over before it came", "name a later instant, or none"
        ),
        Reason.HALTED: Refusal(
            "trading of this delivery was halted",
            "wait until it goes on; orders can be withdrawn or made smaller meanwhile",
        ),
        Reason.POSITION_LIMIT: Refusal(
            "the pod would have bought or sold more of this delivery than one may",
            "order less, or withdraw an order that is open",
        ),
        Reason.NOT_VERIFIED: Refusal(
            "the result breaks a rule of the market", "the exchange's remark names the first breach"
        ),
    }
)
"""Every reason for refusal."""

QUALITIES: Mapping[str, str] = MappingProxyType(
    {
        Quality.MEASURED: "measured",
        Quality.INTERPOLATED: "measured, with a register stamped off the boundary: interpolated",
        Quality.SPLIT: (
            "split: your meter was silent for a while and then told its exact advance, of which"
            " this is a share"
        ),
        Quality.ESTIMATED: (
            "estimated: no reading had arrived; replaced, and paid back or forth, when one does"
        ),
        Quality.SUSPECT: "measured, but unusual, and neither confirmed nor replaced yet",
        Quality.SUBSTITUTED: "set or confirmed by the metered data responsible",
    }
)
"""Where the energy of a period comes from."""

ORDER_STATES: Mapping[str, str] = MappingProxyType(
    {
        "filled": "filled whole",
        "partly_filled": "filled in part",
        "expired": "not filled",
        "cancelled": "cancelled",
        "curtailed": "taken out by the grid operator",
        "rejected": "refused",
        "open": "still open when the run ended",
    }
)
"""What may become of an order."""

ENDINGS: Mapping[str, str] = MappingProxyType(
    {
        "user": "Its own party withdrew it before it was filled.",
        "ioc": "It was to trade at once or not at all: what found nobody was cancelled.",
        "fok": "It was to trade whole at once or not at all, and could not.",
        "no_liquidity": "It named no limit, and what found nobody was cancelled: it never rests.",
        "min_quantity": "Less could be traded at once than it asked for at least.",
        "post_only": "It would have traded at once, and was to wait for others.",
        "self_trade": "It met an order of its own party: here nobody trades with itself.",
        "basket": "Another order of its basket could not trade whole, so none of them did.",
        "waiting": "What it waited for had not come when it ended.",
        "suspended": "A network limit forbade it, or trading was halted, when it ended.",
        "no_network_limit": "No network limit bound its delivery: it was like any other order.",
    }
)
"""Why an order was cancelled."""

COMPONENTS: Mapping[str, str] = MappingProxyType(
    {
        "opening": "Brought forward",
        "trades": "Traded with the community",
        "pool": "With the community's pool",
        "supplier": "With your supplier",
        "network": "Network fees",
        "levy": "Levy",
        "service": "Service charge",
        "corrections": "Corrections of earlier months",
        "standing": "Standing charge",
        "tiers": "Tiers of what you bought from your supplier",
        "capacity": "Capacity, by your highest draw",
        "minimum": "What is missing to the minimum of the month",
        "response": "Called to draw less: penalty less rebate",
        "tax": "Tax on what you buy",
        "payments": "Payments",
        "closing": "Closing balance",
        "total": "The sum",
        "same_meters": "The case without a market",
    }
)
"""The lines of a statement, and the sums of a receipt."""

AUCTIONED = ("filled", "partly_filled", "expired")
"""States of orders that stood when their auction was held."""


def refusal(reason: str) -> Refusal:
    """Return what a reason means; one that this program does not know is shown as it is."""
    try:
        return REFUSALS[Reason(reason)]
    except ValueError:
        return Refusal(reason.replace("_", " "), "")
