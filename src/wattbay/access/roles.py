"""What a login may do, by its roles: one table, and no exception to it anywhere else."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType


class AccessRole(StrEnum):
    """What somebody is at this door. What a party is in the market says `wattbay.core.facts`."""

    CONSUMER = "consumer"
    PROSUMER = "prosumer"
    AGGREGATOR = "aggregator"
    GRID_OPERATOR = "grid_operator"
    ANALYST = "analyst"
    ADMINISTRATOR = "administrator"
    DEVICE = "device"


class Permission(StrEnum):
    """One thing that a role may allow."""

    READ_MARKET = "read_market"
    """Products, prices, books, deliveries, tariffs: what is the same for everybody."""
    READ_OWN = "read_own"
    """Whatever belongs to a party that the login stands for."""
    TRADE_OWN = "trade_own"
    """Orders, offers and settings of such a party."""
    READ_AGGREGATES = "read_aggregates"
    """Figures over many parties, by pseudonym or without any."""
    READ_ALL = "read_all"
    """Whatever belongs to any party, with names and addresses."""
    READ_GRID = "read_grid"
    """Feeders, voltages, loads, limits."""
    OPERATE_GRID = "operate_grid"
    """Limits, curtailment, activation, phases of trading."""
    SUBMIT_READINGS = "submit_readings"
    """Bring signed readings."""
    MANAGE_MEMBERS = "manage_members"
    """Admit, move and release parties and pods; book money in and out."""
    MANAGE_DEVICES = "manage_devices"
    """Enrol, rotate and revoke the keys of any device; send it commands."""
    MANAGE_MARKET = "manage_market"
    """Products, tariffs, deliveries."""
    MANAGE_LOGINS = "manage_logins"
    """Make, change and end logins and anybody's keys; erase a person."""
    READ_AUDIT = "read_audit"
    READ_METRICS = "read_metrics"
    BACK_UP = "back_up"
    """Have a backup made."""
    EXPORT = "export"
    """Take whole tables away: what of them, the other permissions say."""


_P = Permission
_EVERYBODY = frozenset({_P.READ_MARKET})
_MEMBER = _EVERYBODY | {_P.READ_OWN, _P.TRADE_OWN, _P.EXPORT}

TABLE: Mapping[AccessRole, frozenset[Permission]] = MappingProxyType(
    {
        AccessRole.CONSUMER: _MEMBER,
        AccessRole.PROSUMER: _MEMBER,
        AccessRole.AGGREGATOR: _MEMBER,
        AccessRole.GRID_OPERATOR: _EVERYBODY
        | {_P.READ_OWN, _P.READ_AGGREGATES, _P.READ_GRID, _P.OPERATE_GRID, _P.EXPORT},
        AccessRole.ANALYST: _EVERYBODY | {_P.READ_AGGREGATES, _P.READ_GRID, _P.EXPORT},
        AccessRole.ADMINISTRATOR: frozenset(_P) - {_P.TRADE_OWN, _P.SUBMIT_READINGS},
        AccessRole.DEVICE: _EVERYBODY | {_P.SUBMIT_READINGS},
    }
)
"""What each role allows; `docs/reference/roles.md` prints it."""

_SETS_CACHED_MAX = 1_024


@lru_cache(maxsize=_SETS_CACHED_MAX)
def permissions(roles: frozenset[AccessRole]) -> frozenset[Permission]:
    """Return what a set of roles allows together."""
    return frozenset().union(*(TABLE[role] for role in roles))
