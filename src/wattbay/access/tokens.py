"""Tokens: JSON Web Tokens by HS256 that say who somebody is, for a while.

What a login may do is looked up when the token is shown. Roles and parties stand in it for the
program that holds it, not for us.

References
----------
.. [1] M. Jones, J. Bradley, N. Sakimura, "JSON Web Token (JWT)," RFC 7519.
.. [2] Y. Sheffer, D. Hardt, M. Jones, "JSON Web Token Best Current Practices," RFC 8725.
"""

from __future__ import annotations

from dataclasses import dataclass

import jwt
from jwt.types import Options

from wattbay.access.cache import Cache
from wattbay.access.denial import AccessDenied, Denial
from wattbay.access.identity import Identity
from wattbay.access.roles import Permission
from wattbay.ids import CommunityId
from wattbay.periods import SECOND, Instant

AUDIENCE = "wattbay"
ALGORITHM = "HS256"
"""The only one that is made or taken; what a token's own header says decides nothing [2]_."""
PARTIES_NAMED_MAX = 16
"""Of an aggregator for many, the token names none: a header has to hold it."""
TOKEN_CHARACTERS_MAX = 4_096
TOKENS_KEPT_MAX = 2_000
"""Tokens whose signatures are known to be good."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says that we hold to."""

    login: str
    generation: int
    expires_at: Instant
    scopes: frozenset[Permission] | None = None
    key: str | None = None
    """The API key that the token was made with: it is over when the key is."""


class Tokens:
    """Makes and reads the tokens of a community."""

    def __init__(self, keys: tuple[bytes, ...], community: CommunityId) -> None:
        """Sign with the first key; verify with any."""
        self._keys = keys
        self._known: Cache[str, Claims] = Cache(TOKENS_KEPT_MAX)
        self._community = community
        # Instants are compared with the clock that we are given, not with the machine's.
        self._options: Options = {
            "require": ["exp", "iss", "aud", "sub"],
            "verify_exp": False, "verify_iat": False, "verify_nbf": False,
        }  # fmt: skip

    def make(self, identity: Identity, claims: Claims, at: Instant) -> str:
        """Return a signed token."""
        named = sorted(identity.parties) if len(identity.parties) <= PARTIES_NAMED_MAX else []
        payload: dict[str, object] = {
            "iss": self._community,
            "aud": AUDIENCE,
            "sub": claims.login,
            "iat": at // SECOND,
            "exp": claims.expires_at // SECOND,
            "gen": claims.generation,
            "roles": sorted(identity.roles),
            "parties": named,
        }
        if claims.scopes is not None:
            payload["scopes"] = sorted(claims.scopes)
        if claims.key is not None:
            payload["key"] = claims.key
        return jwt.encode(payload, self._keys[0], algorithm=ALGORITHM)

    def read(self, token: str, at: Instant) -> Claims:
        """Return what a token of ours says.

        Raises
        ------
        AccessDenied
            If it is none of ours, or its time is over.
        """
        claims = self._known.get(token)
        if claims is None:  # What a token says never changes: its signature is checked once.
            claims = _claims(self._payload(token))
            self._known.put(token, claims)
        if claims.expires_at <= at:
            self._known.drop(token)
            raise AccessDenied(Denial.EXPIRED, "the token's time is over")
        return claims

    def _payload(self, token: str) -> dict[str, object]:
        if len(token) <= TOKEN_CHARACTERS_MAX:
            for key in self._keys:
                try:
                    return jwt.decode(
                        token, key, algorithms=[ALGORITHM], audience=AUDIENCE,
                        issuer=self._community, options=self._options,
                    )  # fmt: skip
                except jwt.InvalidSignatureError:
                    continue
                except (jwt.InvalidTokenError, UnicodeError):
                    break
        raise _not_ours()


def _claims(payload: dict[str, object]) -> Claims:
    login, generation, expires_s = payload["sub"], payload.get("gen"), payload["exp"]
    scopes, key = payload.get("scopes"), payload.get("key")
    if not isinstance(login, str) or type(generation) is not int or type(expires_s) is not int:
        raise _not_ours()
    limited = None
    if scopes is not None:
        known = scopes if isinstance(scopes, list) else []
        limited = frozenset(one for one in Permission if one.value in known)
    return Claims(
        login, generation, Instant(expires_s * SECOND), limited, None if key is None else str(key)
    )


def _not_ours() -> AccessDenied:
    return AccessDenied(Denial.NOT_KNOWN, "this token is not ours")
