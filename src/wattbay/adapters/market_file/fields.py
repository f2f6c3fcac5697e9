"""The fields of a market file, each read exactly; what is wrong with one is told as a fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, TypeVar

from wattbay.adapters.market_file.exact import (
    NUMBER_CHARACTERS_MAX,
    ONE,
    POWER_MAX,
    Exact,
    Numeral,
    exact,
    in_ticks,
)
from wattbay.adapters.market_file.source import Faults, Path, kind, members_of
from wattbay.core.facts import Side
from wattbay.core.market.steps import Refusal
from wattbay.units import SAFE_INTEGER_MAX

ID_CHARACTERS_MAX = 128
"""Of an id, a party or a zone."""
TICKS_MAX = SAFE_INTEGER_MAX
"""Of a price or a quantity, either way of zero; ids that are numbers likewise."""

_TICKS = frozenset({"price", "quantity"})
_NUMBER = (
    f"expected a number of at most {NUMBER_CHARACTERS_MAX} characters,"
    f" no smaller or larger than 1e-{POWER_MAX} or 1e{POWER_MAX}"
)

OrderKey = int | str
"""The id of an order, as it was given."""
Choice = TypeVar("Choice", bound=StrEnum)


class Bounds(NamedTuple):
    """What an order is measured by."""

    price_tick: Exact | None
    """None where the document does not say it well; then nothing is measured."""
    quantity_tick: Exact | None
    price_min: int | None
    price_max: int | None

    def allow(self, price: int) -> bool:
        """Tell whether a price is within its bounds."""
        low, high = self.price_min, self.price_max
        return (low is None or price >= low) and (high is None or price <= high)

    def are_in_order(self, faults: Faults) -> bool:
        """Tell whether there is a price within the bounds; that there is none is a fault."""
        low, high = self.price_min, self.price_max
        if low is None or high is None or low <= high:
            return True
        faults.add(("rules", "price_min"), "this is above price_max")
        return False


def ticks_of(raw: object, faults: Faults) -> tuple[Exact | None, Exact | None]:
    """Read the smallest steps of price and quantity."""
    members = members_of(raw, ("ticks",), frozenset(), _TICKS, faults)
    found: list[Exact | None] = []
    for key in ("price", "quantity"):
        tick: Exact | None = ONE
        if key in members:
            tick = number_of(members[key], ("ticks",), key, faults)
            if tick is not None and tick.digits <= 0:
                faults.add(
                    ("ticks", key), f"{kind(members[key])} is no step", "expected more than zero"
                )
                tick = None
        found.append(tick)
    return found[0], found[1]


def rules_of(
    raw: object, known: frozenset[str], foreign: Mapping[str, str], faults: Faults
) -> dict[str, object]:
    """Return the rules; one that belongs to another mechanism is a fault of its own."""
    if isinstance(raw, dict):
        for key in [key for key in raw if key in foreign]:
            faults.add(("rules", key), f"the rule is for {foreign[key]} only")
        raw = {key: value for key, value in raw.items() if key not in foreign}
    return members_of(raw, ("rules",), frozenset(), known, faults)


def prices_of(
    members: dict[str, object], keys: Sequence[str], price_tick: Exact | None, faults: Faults
) -> dict[str, int | None]:
    """Read prices among the rules; all but a fee may be null."""
    prices: dict[str, int | None] = dict.fromkeys(keys)
    for key in [key for key in keys if key in members]:
        value = members[key]
        if value is not None or key == "network_fee":
            prices[key] = price_of(value, ("rules",), key, price_tick, faults)
    return prices


def price_of(raw: object, path: Path, name: str, tick: Exact | None, faults: Faults) -> int | None:
    """Read a price of a rule; one off the tick is a fault."""
    count = count_of(raw, path, name, tick, faults)
    if count is Refusal.OFF_TICK:
        remedy = "expected a multiple of /ticks/price"
        faults.add((*path, name), f"{kind(raw)} is off the tick", remedy)
    return count if isinstance(count, int) else None


def choice_of(members: dict[str, object], key: str, default: Choice, faults: Faults) -> Choice:
    """Read one of a few words."""
    value = members.get(key, default.value)
    for choice in type(default):
        if value == choice.value:
            return choice
    names = " or ".join(f'"{choice.value}"' for choice in type(default))
    faults.add(("rules", key), f"this is {kind(value)}", f"expected {names}")
    return default


def side_of(raw: object, path: Path, name: str, faults: Faults) -> Side | None:
    """Read which way an order trades."""
    if raw == "buy":
        return Side.BUY
    if raw == "sell":
        return Side.SELL
    faults.add((*path, name), f"this is {kind(raw)}", 'expected "buy" or "sell"')
    return None


def number_of(raw: object, path: Path, name: str, faults: Faults) -> Exact | None:
    """Read a number, given as one or as text."""
    number = None
    if isinstance(raw, int) and not isinstance(raw, bool):
        number = Exact(raw, 0)
    elif isinstance(raw, str):
        number = exact(raw)
    elif isinstance(raw, Numeral):
        number = exact(raw.text)
    if number is None:
        faults.add((*path, name), f"this is {kind(raw)}", _NUMBER)
    return number


def count_of(
    raw: object, path: Path, name: str, tick: Exact | None, faults: Faults
) -> int | Refusal | None:
    """Read a number as whole ticks; None is a fault that has been told."""
    number = number_of(raw, path, name, faults)
    if number is None or tick is None:
        return None
    count = in_ticks(number, tick)
    if count is None:
        return Refusal.OFF_TICK
    if abs(count) > TICKS_MAX:
        faults.add((*path, name), f"{kind(raw)} is too large", f"at most {TICKS_MAX} ticks")
        return None
    return count


def key_of(raw: object, path: Path, name: str, faults: Faults) -> OrderKey | None:
    """Read an id: text or a whole number, kept as it was given."""
    match raw:
        case str() if 0 < len(raw) <= ID_CHARACTERS_MAX and raw.isprintable():
            return raw
        case int() if type(raw) is int and abs(raw) <= TICKS_MAX:
            return raw
        case _:
            remedy = f"expected a whole number, or 1 to {ID_CHARACTERS_MAX} printable characters"
            faults.add((*path, name), f"this is {kind(raw)}", remedy)
            return None
