"""Amounts, prices, energies and times as a customer reads them.

Everything is rounded once, from integers, halves to even; a zero never bears a sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from wattbay.units import round_half_even

MINUS = "\u2212"
THIN = "\u202f"
_SYMBOLS = MappingProxyType(
    {
        "GBP": ("£", "p"),
        "EUR": ("€", "ct"),
        "USD": ("$", "¢"),
        "AUD": ("A$", "c"),
        "CHF": ("CHF ", "Rp"),
    }
)
_SPANS = MappingProxyType({15: "quarter-hour", 30: "half-hour", 60: "hour"})


def fixed(value: int, scale: int, decimals: int) -> str:
    """Write `value` / `scale` with a fixed number of decimals and thousands separators."""
    rounded = round_half_even(value * 10**decimals, scale)
    digits = f"{abs(rounded):0{decimals + 1}d}"
    whole = f"{int(digits[: len(digits) - decimals]):,}"
    text = f"{whole}.{digits[len(digits) - decimals :]}" if decimals else whole
    return (MINUS if rounded < 0 else "") + text


def percent(part: float, whole: float, decimals: int = 1) -> str:
    """Write a share; an em dash where there is no whole."""
    if not whole:
        return "—"
    text = f"{100 * part / whole:.{decimals}f}"
    text = text.removeprefix("-") if float(text) == 0 else text.replace("-", MINUS)
    return f"{text}{THIN}%"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Write a number with its noun: ``1 home``, ``2 homes``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


@dataclass(frozen=True, slots=True)
class Purse:
    """How this community's money is written."""

    currency: str
    minor_digits: int

    @property
    def symbol(self) -> str:
        """What stands before an amount."""
        return _SYMBOLS.get(self.currency, (f"{self.currency} ", ""))[0]

    @property
    def price_unit(self) -> str:
        """Unit of a price: the payable unit per kWh."""
        minor = _SYMBOLS.get(self.currency, ("", f"{self.currency}/100"))[1]
        return f"{minor}/kWh" if self.minor_digits else f"{self.currency}/kWh"

    @property
    def price_scale(self) -> int:
        """Nano-currency per Wh in one unit of price."""
        return int(10 ** (6 - self.minor_digits))

    @property
    def price_decimals(self) -> int:
        """Decimals that a table shows of a price: down to a tick of 10 nano-currency per Wh."""
        return max(0, 5 - self.minor_digits)

    def money(self, nano: int) -> str:
        """Write an amount, rounded to the payable unit."""
        text = fixed(nano, 10**9, self.minor_digits)
        if text.startswith(MINUS):
            return f"{MINUS}{self.symbol}{text.removeprefix(MINUS)}"
        return f"{self.symbol}{text}"

    def closely(self, nano: int) -> str:
        """Write an amount; what is less than a payable unit, in hundredths of that unit."""
        unit = 10 ** (9 - self.minor_digits)
        minor = _SYMBOLS.get(self.currency, ("", ""))[1]
        if not nano or abs(nano) >= unit or not self.minor_digits or not minor:
            return self.money(nano)
        hundredths = fixed(nano, unit, 2)
        text = "under 0.01" if hundredths == "0.00" else hundredths
        return f"{text}{THIN}{minor}"

    def owed(self, nano: int) -> str:
        """Write what a home owes in words: it pays, or it earns."""
        amount = self.money(abs(nano))
        if amount == self.money(0):
            return "nothing"
        return f"pays {amount}" if nano > 0 else f"earns {amount}"

    def saved(self, nano: int) -> str:
        """Write a saving in words: less, or more, than otherwise."""
        amount = self.closely(abs(nano))
        if amount == self.money(0) or amount.startswith("under"):
            return "no difference"
        return f"{amount} less" if nano > 0 else f"{amount} more"

    def price(self, nano_per_wh: int, decimals: int = 2, *, unit: bool = True) -> str:
        """Write a price, in prose with two decimals."""
        text = fixed(nano_per_wh, self.price_scale, decimals)
        return f"{text}{THIN}{self.price_unit}" if unit else text


def kwh(energy_wh: int, decimals: int = 1) -> str:
    """Write an energy in prose; from ten thousand kWh in MWh."""
    if abs(energy_wh) >= 10**7:
        return f"{fixed(energy_wh, 10**6, decimals)}{THIN}MWh"
    return f"{fixed(energy_wh, 1000, decimals)}{THIN}kWh"


def kwh_exact(energy_wh: int) -> str:
    """Write an energy in a table, in kWh to the watt-hour."""
    return fixed(energy_wh, 1000, 3)


@dataclass(frozen=True, slots=True)
class Place:
    """Local time of the community, and the words for its spans of time."""

    zone: str
    isp_minutes: int

    @property
    def span(self) -> str:
        """What a delivery is called: half-hour, hour."""
        return _SPANS.get(self.isp_minutes, f"{self.isp_minutes}-minute period")

    def local(self, at: datetime) -> datetime:
        """Return the local time of an instant."""
        return at.astimezone(ZoneInfo(self.zone))

    def moment(self, at: datetime) -> str:
        """Write an instant: ``Thu 13 June, 13:00 BST``."""
        local = self.local(at)
        return f"{local:%a} {local.day} {local:%B, %H:%M %Z}"

    def delivery(self, at: datetime) -> str:
        """Write a delivery: ``Thu 13 June, 13:00 to 13:30 BST``."""
        local = self.local(at)
        end = self.local(at + timedelta(minutes=self.isp_minutes))
        return f"{local:%a} {local.day} {local:%B, %H:%M} to {end:%H:%M %Z}"


def dates(days: Sequence[date]) -> str:
    """Write local days, in order: ``10 to 16 June 2013``; a gap splits them."""
    spans: list[tuple[date, date]] = []
    for day in days:
        if spans and day - spans[-1][1] == timedelta(days=1):
            spans[-1] = (spans[-1][0], day)
        else:
            spans.append((day, day))
    return ", ".join(_span(first, last) for first, last in spans)


def offset(zone: str, ahead_minutes: int) -> str:
    """Name how far a clock is ahead of UTC: ``BST, UTC+1``."""
    hours, minutes = divmod(abs(ahead_minutes), 60)
    sign = "+" if ahead_minutes >= 0 else MINUS
    return f"{zone}, UTC{sign}{hours}" + (f":{minutes:02d}" if minutes else "")


def _span(first: date, last: date) -> str:
    if first == last:
        return _day(last)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {_day(last)}"
    if first.year == last.year:
        return f"{first.day} {first:%B} to {_day(last)}"
    return f"{_day(first)} to {_day(last)}"


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def same_days(days: int) -> str:
    """Name the same span of days again: ``the same week``."""
    names = {1: "day", 7: "week", 365: "year", 366: "year"}
    return f"the same {names.get(days, f'{days} days')}"


def days_in_words(days: int) -> str:
    """Name a span of days: ``a week``, ``a day``, ``12 days``."""
    names = {1: "one day", 7: "one week", 14: "two weeks", 365: "one year", 366: "one year"}
    return names.get(days, f"{days} days")
