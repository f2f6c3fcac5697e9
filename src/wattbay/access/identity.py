"""Who is asking, once the door knows: a login, its parties, what it may do, and how it showed."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from wattbay.access.roles import AccessRole, Permission, permissions
from wattbay.ids import PartyId


class Means(StrEnum):
    """How somebody showed who they are."""

    PASSWORD = "password"  # noqa: S105 - the name of a means
    SESSION = "session"
    API_KEY = "api_key"
    TOKEN = "token"  # noqa: S105 - the name of a means


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking, and what they may do. Plain data; `Door` makes it."""

    login: str
    """A pseudonym, as parties are."""
    parties: frozenset[PartyId]
    """Whom the login stands for: an aggregator's for several, an analyst's for none."""
    roles: frozenset[AccessRole]
    means: Means
    scopes: frozenset[Permission] | None = None
    """What an API key, or a token made with it, is limited to; None where it is not."""
    must_change: bool = False
    """The password has to be changed first: until then nothing else is allowed."""
    key: str | None = None
    """The API key that was shown, or that the token was made with."""
    granted: frozenset[Permission] = field(init=False)
    """All that is allowed."""

    def __post_init__(self) -> None:
        """Work out what is allowed."""
        granted = frozenset[Permission]() if self.must_change else permissions(self.roles)
        if self.scopes is not None:
            granted &= self.scopes
        object.__setattr__(self, "granted", granted)

    def may(self, permission: Permission) -> bool:
        """Tell whether this is allowed at all."""
        return permission in self.granted

    def owns(self, party: PartyId) -> bool:
        """Tell whether the login stands for a party."""
        return party in self.parties

    def may_read(self, party: PartyId) -> bool:
        """Tell whether it may see what belongs to a party."""
        return Permission.READ_ALL in self.granted or (
            Permission.READ_OWN in self.granted and party in self.parties
        )

    def may_trade_for(self, party: PartyId) -> bool:
        """Tell whether it may act for a party in the market."""
        return Permission.TRADE_OWN in self.granted and party in self.parties
