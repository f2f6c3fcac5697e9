"""A way in for whoever looks at a made-up street: an API key of one of its neighbours."""

from __future__ import annotations

from wattbay.access.door import Door
from wattbay.access.identity import Identity, Means
from wattbay.access.records import Login
from wattbay.access.roles import AccessRole
from wattbay.ids import PartyId
from wattbay.periods import DAY, Instant

NEIGHBOUR = "neighbour"
"""A login without a password: it comes in by key alone."""
KEPT_US = DAY
"""How long a key is good. [µs]"""


def visitors_key(door: Door, party: PartyId, at: Instant) -> str:
    """Return a key of a neighbour that stands for a party; the one before is good no more."""
    roles, parties = frozenset({AccessRole.PROSUMER}), frozenset({party})
    if door.people.login(NEIGHBOUR) is None:
        login = Login(
            login=NEIGHBOUR, password_hash=None, must_change=False, roles=roles, parties=parties,
            created_at=at,
        )  # fmt: skip
        with door.people.one_write():
            door.people.add_login(login)
            door.write("make_login", NEIGHBOUR, detail="of a made-up street")
    who = Identity(login=NEIGHBOUR, parties=parties, roles=roles, means=Means.SESSION)
    for key in door.people.keys(NEIGHBOUR):
        if key.revoked_at is None:
            door.revoke_key(who, key.key)
    return door.make_key(who, "made at the start", expires_at=Instant(at + KEPT_US)).clear
