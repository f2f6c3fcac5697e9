"""A battery that sells (BESS): what it holds, what it asks, and how it judges a bid.

The rules are those of the protocol's battery node. Energy inside is in Wh and prices in
nano-currency per Wh, as everywhere; only the state of charge is an estimate, and a float.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from wattbay.adapters.etp.messages import Health, RejectCode

LEVEL_AT_FIRST = 0.8
"""Of the capacity: what a battery holds that says nothing else."""
RECHARGE_W = 180_000.0
"""0.05 kWh a second, as the first implementation recharges. [W]"""
DEPLETED_WH = 100.0
"""With no more than so much for sale a battery is depleted. [Wh]"""
HOUR_S = 3_600


class EnergyStatus(StrEnum):
    """How full a battery is."""

    CRITICAL = "critical"
    """Below a tenth."""
    LOW = "low"
    """Below a quarter."""
    NORMAL = "normal"
    """Below three quarters."""
    HIGH = "high"


TENTHS: Final = MappingProxyType(
    {
        EnergyStatus.CRITICAL: 20,
        EnergyStatus.LOW: 15,
        EnergyStatus.NORMAL: 10,
        EnergyStatus.HIGH: 9,
    }
)
"""By what a reserve price is multiplied. [tenths]"""


def energy_status(level_wh: float, capacity_wh: float) -> EnergyStatus:
    """Return how full a battery is; each bound belongs to the status above it."""
    share = level_wh / capacity_wh
    if share < 0.1:  # noqa: PLR2004 - as the status says
        return EnergyStatus.CRITICAL
    if share < 0.25:  # noqa: PLR2004 - likewise
        return EnergyStatus.LOW
    if share < 0.75:  # noqa: PLR2004 - likewise
        return EnergyStatus.NORMAL
    return EnergyStatus.HIGH


def effective_reserve(reserve: int, status: EnergyStatus) -> int:
    """Return the least a battery sells for, by how full it is. [nano-currency per Wh]

    Scarce energy is dearer: twice the reserve price where it is critical, one and a half times
    where it is low, nine tenths where it is high. Rounded up.
    """
    return -(-reserve * TENTHS[status] // 10)


@dataclass(slots=True, kw_only=True)
class Bess:
    """A battery, as its node knows it."""

    device_id: int
    name: str = ""
    capacity_wh: int
    reserve_price: int
    """Before the energy status. [nano-currency per Wh]"""
    level_wh: float = -1.0
    """State of charge; otherwise four fifths of the capacity. [Wh]"""
    percentage_for_sale: float = 50.0
    discharge_w: int = 5_000
    voltage_v: float = 12.6
    health: int = Health.GOOD
    is_online: bool = True

    def __post_init__(self) -> None:
        """Fill it to four fifths, if nothing is said."""
        if self.level_wh < 0:
            self.level_wh = LEVEL_AT_FIRST * self.capacity_wh
        self.offer(self.percentage_for_sale)

    def offer(self, percentage: float) -> None:
        """Let a share be for sale, within 0 to 100. [%]"""
        self.percentage_for_sale = min(100.0, max(0.0, percentage))

    @property
    def for_sale_wh(self) -> float:
        """What is for sale of what it holds. [Wh]

        To a micro-watt-hour: as a float, 40.8 % of 98,125 Wh is a little less than 40,035 Wh, and
        who was told of 40,035 may have them.
        """
        return round(self.level_wh * self.percentage_for_sale / 100, 6)

    @property
    def status(self) -> EnergyStatus:
        """How full it is."""
        return energy_status(self.level_wh, self.capacity_wh)

    @property
    def reserve(self) -> int:
        """The least that it sells for now. [nano-currency per Wh]"""
        return effective_reserve(self.reserve_price, self.status)

    @property
    def is_depleted(self) -> bool:
        """Tell whether next to nothing is for sale."""
        return self.for_sale_wh <= DEPLETED_WH

    def can_provide(self, energy_wh: float) -> bool:
        """Tell whether so much is for sale; nothing always is, and less than nothing never."""
        return 0 <= energy_wh <= self.for_sale_wh or energy_wh == 0

    def sell(self, energy_wh: float) -> None:
        """Let energy go.

        Raises
        ------
        ValueError
            If it has not so much for sale; nothing changes.
        """
        if not self.can_provide(energy_wh):
            msg = f"{energy_wh} Wh of {self.for_sale_wh} that are for sale"
            raise ValueError(msg)
        self.level_wh = max(0.0, self.level_wh - energy_wh)

    def recharge(self, seconds: float, power_w: float = RECHARGE_W) -> float:
        """Let energy in for some time, up to the capacity; return how much it was. [Wh]"""
        added = min(seconds * power_w / HOUR_S, self.capacity_wh - self.level_wh)
        self.level_wh += max(0.0, added)
        return max(0.0, added)


class Verdict(NamedTuple):
    """What a battery says to a bid: taken at its price, or the reason why not."""

    code: RejectCode | None
    words: str


TAKEN: Final = Verdict(None, "")
_ONLY_PREMIUM = "Energy critical - only accepting premium bids"
_BELOW: Final = MappingProxyType(
    {
        EnergyStatus.CRITICAL: _ONLY_PREMIUM,
        EnergyStatus.LOW: "Energy low - bid below adjusted reserve price",
        EnergyStatus.NORMAL: "Bid price below reserve price",
        EnergyStatus.HIGH: "Bid price below reserve price",
    }
)


def judge(bess: Bess, price: int, energy_wh: float, reserved_wh: int = 0) -> Verdict:
    """Judge a bid by the rules of the node: pay as bid, for the whole amount or not at all.

    Parameters
    ----------
    price
        What is bid. [nano-currency per Wh]
    reserved_wh
        What is promised to others already. [Wh]
    """
    if energy_wh < 0 or (energy_wh and not bess.can_provide(energy_wh + reserved_wh)):
        return Verdict(RejectCode.INSUFFICIENT_ENERGY, "Insufficient energy available")
    if not bess.is_online:
        return Verdict(RejectCode.OFFLINE, "BESS is offline")
    if price < bess.reserve:
        return Verdict(RejectCode.PRICE_TOO_LOW, _BELOW[bess.status])
    return TAKEN


GATEWAY_FLOOR = 80_000
"""The least price of the gateway's rules: 8 ¢/kWh. [nano-currency per Wh]"""
GATEWAY_SPARE_WH = 500
GATEWAY_ENERGY_MAX_WH = 10_000


def judge_as_gateway(bess: Bess, price: int, energy_wh: float, reserved_wh: int = 0) -> Verdict:
    """Judge a bid by the rules of the first gateway, an optional policy.

    They look at all that a battery holds, whatever share of it is for sale, and keep half a
    kilowatt-hour back. What passes them is judged by the rules of the node besides: a policy may
    be stricter than what a battery has, never looser.
    """
    left = bess.level_wh - reserved_wh
    if price < GATEWAY_FLOOR:
        return Verdict(RejectCode.PRICE_TOO_LOW, "Bid price below reserve price")
    if energy_wh > left - GATEWAY_SPARE_WH:
        return Verdict(RejectCode.INSUFFICIENT_ENERGY, "BESS node capacity exceeded")
    if energy_wh > GATEWAY_ENERGY_MAX_WH:
        return Verdict(RejectCode.INSUFFICIENT_ENERGY, "Insufficient energy available")
    return judge(bess, price, energy_wh, reserved_wh)
