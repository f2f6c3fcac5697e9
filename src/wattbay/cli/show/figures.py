"""Energies, prices, amounts and times as a household reads them on a terminal.

Everything is rounded once, from integers, halves to even; a zero never bears a sign. Only
characters that any terminal and any pipe carries are used, so that output can be searched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from types import MappingProxyType

from wattbay.periods import MINUTE, Calendar, Instant
from wattbay.units import round_half_even

MONEY_DIGITS = 9
"""Decimals of an amount in nano-currency."""
PRICE_DIGITS = 6
"""Decimals of currency per kWh in a price in nano-currency per Wh."""
KWH_DIGITS = 3
PERCENT_DIGITS = 4
"""Decimals of a percentage in parts per million."""
DECIMALS_MIN = 3
"""An amount or price has at least so many decimals of the unit in which it is shown."""
MAJOR_FROM_MINOR = 1_000
"""From so many pence on, a page speaks of pounds."""

_SYMBOLS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "GBP": ("£", "p"),
        "EUR": ("€", "ct"),
        "USD": ("$", "¢"),
        "AUD": ("A$", "c"),
        "CHF": ("CHF ", "Rp"),
    }
)
"""What stands before an amount, and the name of the payable unit."""


def decimal(value: int, digits: int, decimals: int) -> str:
    """Write `value` / 10**`digits` with so many decimals, and commas between thousands."""
    whole = 10**decimals
    rounded = round_half_even(value * whole, 10**digits)
    before, after = divmod(abs(rounded), whole)
    text = f"{before:,}.{after:0{decimals}d}" if decimals else f"{before:,}"
    return f"-{text}" if rounded < 0 else text


def exact_decimals(value: int, digits: int, least: int = DECIMALS_MIN) -> int:
    """Return how many decimals it takes to write `value` / 10**`digits` exactly."""
    decimals = digits
    while decimals > least and value % 10 ** (digits - decimals + 1) == 0:
        decimals -= 1
    return max(decimals, least)


def wh(energy_wh: int) -> str:
    """Write an energy of one delivery: ``1,312 Wh``."""
    return f"{energy_wh:,} Wh"


def kwh(energy_wh: int) -> str:
    """Write an energy of many deliveries, to the watt-hour: ``14.250 kWh``."""
    return f"{decimal(energy_wh, KWH_DIGITS, KWH_DIGITS)} kWh"


def percent(ppm: int) -> str:
    """Write a share: ``5 %``, ``17.5 %``."""
    return f"{decimal(ppm, PERCENT_DIGITS, exact_decimals(ppm, PERCENT_DIGITS, 0))} %"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Write a number with its noun: ``1 trade``, ``2 trades``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def listed(words: Sequence[str]) -> str:
    """Join words as a sentence does: ``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


@dataclass(frozen=True, slots=True)
class Scale:
    """How the amounts of one page are written: one unit, one number of decimals."""

    before: str
    after: str
    digits: int
    """Decimals of this unit in a nano-currency."""
    decimals: int

    def number(self, nano: int) -> str:
        """Write an amount without its unit."""
        return decimal(nano, self.digits, self.decimals)

    def text(self, nano: int) -> str:
        """Write an amount with its unit: ``2.894 p`` or ``£1.204``."""
        number = self.number(nano)
        sign = "-" if number.startswith("-") else ""
        return f"{sign}{self.before}{number.removeprefix('-')}{self.after}"

    def signed(self, nano: int) -> str:
        """Write a difference, with its sign where it has one."""
        return self.text(nano) if nano <= 0 or self._is_nothing(nano) else f"+{self.text(nano)}"

    def difference(self, nano: int, other_nano: int) -> int:
        """Return a difference as it shows between two amounts that are shown. [nano-currency]"""
        unit = int(10 ** (self.digits - self.decimals))
        return unit * (round_half_even(nano, unit) - round_half_even(other_nano, unit))

    def flow(self, nano: int) -> str:
        """Say whether an amount, positive where the home pays, is paid or earned."""
        if self._is_nothing(nano):
            return "nothing"
        return f"{'you pay' if nano > 0 else 'you earn'} {self.text(abs(nano))}"

    def _is_nothing(self, nano: int) -> bool:
        return round_half_even(nano * 10**self.decimals, 10**self.digits) == 0


@dataclass(frozen=True, slots=True)
class Purse:
    """How the money of a community is written."""

    currency: str
    minor_digits: int

    @property
    def minor_name(self) -> str:
        """Name of the payable unit: ``p`` of GBP; the currency where it has none of its own."""
        if not self.minor_digits:
            return self.currency
        return _SYMBOLS.get(self.currency, ("", f"{self.currency}/{10**self.minor_digits}"))[1]

    @property
    def major_name(self) -> str:
        """What stands before an amount: ``£``."""
        return _SYMBOLS.get(self.currency, (f"{self.currency} ", ""))[0]

    @property
    def nano_per_minor(self) -> int:
        """Nano-currency in one payable unit."""
        return int(10 ** (MONEY_DIGITS - self.minor_digits))

    def price(self, nano_per_wh: int, *, unit: bool = True) -> str:
        """Write a price, exactly: ``9.275 p/kWh``."""
        digits = PRICE_DIGITS - self.minor_digits
        text = decimal(nano_per_wh, digits, exact_decimals(nano_per_wh, digits))
        return f"{text} {self.minor_name}/kWh" if unit else text

    def mean_price(self, amount_nano: int, energy_wh: int) -> str:
        """Write what a kWh came to on average, rounded to three decimals."""
        nano_per_wh = round_half_even(amount_nano, energy_wh)
        text = decimal(nano_per_wh, PRICE_DIGITS - self.minor_digits, DECIMALS_MIN)
        return f"{text} {self.minor_name}/kWh"

    def scale(self, sums: Sequence[Sequence[int]], *, exact: bool = False) -> Scale:
        """Choose how to write amounts so that every sum of them visibly adds up.

        Parameters
        ----------
        sums
            What is added up, sum by sum. [nano-currency]
        exact
            Write every digit there is.

        Notes
        -----
        The fewest decimals, from three on, at which the rounded parts of each sum come to its
        rounded total. They always do where nothing is rounded.
        """
        amounts = [amount for parts in sums for amount in (*parts, sum(parts))]
        largest = max((abs(amount) for amount in amounts), default=0)
        is_minor = self.minor_digits > 0 and largest < MAJOR_FROM_MINOR * self.nano_per_minor
        digits = MONEY_DIGITS - self.minor_digits if is_minor else MONEY_DIGITS
        if exact:
            decimals = max((exact_decimals(amount, digits) for amount in amounts), default=0)
        else:
            decimals = DECIMALS_MIN
            while decimals < digits and not all(
                _adds_up(parts, digits - decimals) for parts in sums
            ):
                decimals += 1
        before, after = ("", f" {self.minor_name}") if is_minor else (self.major_name, "")
        return Scale(before, after, digits, decimals)

    def payable(self, minor: int) -> str:
        """Write an amount that is rounded to the payable unit: ``£12.34``."""
        number = decimal(minor, self.minor_digits, self.minor_digits)
        sign = "-" if number.startswith("-") else ""
        return f"{sign}{self.major_name}{number.removeprefix('-')}"


def _adds_up(parts: Sequence[int], dropped: int) -> bool:
    """Tell whether parts, rounded by so many digits, come to their rounded sum."""
    unit = 10**dropped
    return sum(round_half_even(part, unit) for part in parts) == round_half_even(sum(parts), unit)


@dataclass(frozen=True, slots=True)
class Place:
    """Local time of a community, and what its deliveries are called."""

    calendar: Calendar
    isp_minutes: int

    @property
    def isp_us(self) -> int:
        """Length of a delivery. [µs]"""
        return self.isp_minutes * MINUTE

    @property
    def span_name(self) -> str:
        """What a delivery is called: half-hour, hour."""
        names = {15: "quarter-hour", 30: "half-hour", 60: "hour"}
        return names.get(self.isp_minutes, f"{self.isp_minutes}-minute period")

    def moment(self, at: Instant) -> str:
        """Write an instant: ``Wed 12 June 2013, 18:30 BST``."""
        local = self.calendar.local(at)
        return f"{self.day(at)}, {local:%H:%M %Z}"

    def day(self, at: Instant) -> str:
        """Write the local day of an instant: ``Wed 12 June 2013``."""
        local = self.calendar.local(at)
        return f"{local:%a} {local.day} {local:%B %Y}"

    def delivery(self, start: Instant) -> str:
        """Write a delivery: ``Wed 12 June 2013, 18:30 to 19:00 BST``."""
        first = self.calendar.local(start)
        last = self.calendar.local(Instant(start + self.isp_us))
        # Across a change of the clock the two ends have different names of time.
        zone = "" if f"{first:%Z}" == f"{last:%Z}" else f" {first:%Z}"
        return f"{self.day(start)}, {first:%H:%M}{zone} to {last:%H:%M %Z}"

    def span(self, start: Instant, end: Instant) -> str:
        """Write a span: ``Mon 10 June 2013 to Sun 16 June 2013``, or with times."""
        ends = (self.calendar.local(start), self.calendar.local(end))
        if any(local.replace(tzinfo=None).time() != time() for local in ends):
            return f"{self.moment(start)}, up to {self.moment(end)}"
        last = self.day(Instant(end - 1))
        first = self.day(start)
        return first if first == last else f"{first} to {last}"

    def typed(self, at: Instant) -> str:
        """Write an instant as it is typed: local, with an offset where the clock shows it twice."""
        local = self.calendar.local(at)
        naive = local.replace(tzinfo=None).isoformat(timespec="minutes")
        is_twice = len(instants_of(local.replace(tzinfo=None), self.calendar)) > 1
        return local.isoformat(timespec="minutes") if is_twice else naive


def instants_of(wall: datetime, calendar: Calendar) -> list[Instant]:
    """Return the instants at which the clock of a place shows a time: none, one or two."""
    naive = wall.replace(tzinfo=None, fold=0)
    midnight = calendar.midnight(naive.date())
    since = naive - naive.replace(hour=0, minute=0, second=0, microsecond=0)
    # A clock is never more than a few hours off the count of hours since midnight.
    guesses = [
        Instant(midnight + (since + timedelta(minutes=shift)) // timedelta(microseconds=1))
        for shift in range(-180, 181, 15)
    ]
    return [at for at in guesses if calendar.local(at).replace(tzinfo=None, fold=0) == naive]
