"""Tokens: what is not signed by us, as we sign, for us, is none."""

from __future__ import annotations

import base64
import json

import jwt
import pytest

from tests.people import NOON, SECRETS, an_identity
from wattbay.access.denial import AccessDenied, Denial
from wattbay.access.roles import Permission
from wattbay.access.tokens import AUDIENCE, Claims, Tokens
from wattbay.ids import CommunityId, PartyId
from wattbay.periods import HOUR, SECOND, Instant

KEY = SECRETS.token_keys[0]
STREET = CommunityId("street")
END = Instant(NOON + HOUR)

TOKENS = Tokens(SECRETS.token_keys, STREET)
PAYLOAD = {
    "iss": STREET, "aud": AUDIENCE, "sub": "anna", "gen": 3, "exp": END // SECOND,
}  # fmt: skip


def forged(key: bytes = KEY, algorithm: str = "HS256", **changes: object) -> str:
    changed = {**PAYLOAD, **changes}
    payload = {name: value for name, value in changed.items() if value is not None}
    return jwt.encode(payload, key, algorithm=algorithm)


def unsigned(algorithm: str) -> str:
    parts = ({"alg": algorithm, "typ": "JWT"}, PAYLOAD)
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts
    ) + "."  # fmt: skip


def test_token_is_read_as_it_was_made() -> None:
    claims = Claims("anna", 3, END, frozenset({Permission.READ_OWN}), "0123456789ab")
    assert TOKENS.read(TOKENS.make(an_identity(), claims, NOON), NOON) == claims
    assert TOKENS.read(forged(), NOON) == Claims("anna", 3, END)


def test_token_names_roles_and_parties_for_whoever_holds_it() -> None:
    def payload(parties: tuple[str, ...]) -> dict[str, object]:
        token = TOKENS.make(an_identity(parties=parties), Claims("anna", 3, END), NOON)
        return jwt.decode(token, options={"verify_signature": False})

    named = payload(("house-2", "house-1"))
    assert (named["iss"], named["aud"], named["sub"]) == (STREET, "wattbay", "anna")
    assert (named["roles"], named["parties"]) == (["prosumer"], ["house-1", "house-2"])
    assert named["exp"] == END // SECOND
    # A header has to hold it: of many parties it names none.
    assert payload(tuple(str(PartyId(f"p{n}")) for n in range(1_000)))["parties"] == []


def test_part_of_a_second_is_never_added_to_a_tokens_time() -> None:
    end = Instant(END + SECOND - 1)
    token = TOKENS.make(an_identity(), Claims("anna", 3, end), NOON)
    with pytest.raises(AccessDenied) as caught:
        TOKENS.read(token, END)
    assert caught.value.reason is Denial.EXPIRED


@pytest.mark.parametrize(
    "token",
    [
        forged(b"x" * 32), forged(SECRETS.signing[0]), forged(SECRETS.cursor_keys[0]),
        forged(KEY * 2, "HS512"), forged(KEY * 2, "HS384"), unsigned("none"), unsigned("HS256"),
        forged(iss="paris"), forged(iss=None), forged(aud="other"), forged(aud=None),
        forged(sub=None), forged(exp=None), forged(gen=None), forged(gen="3"), forged(gen=True),
        forged()[:-2], forged() + "x", forged().replace(".", "..", 1), "", ".", "..", "a.b.c",
    ],
)  # fmt: skip
def test_whatever_else_is_no_token_of_ours(token: str) -> None:
    with pytest.raises(AccessDenied) as caught:
        TOKENS.read(token, NOON)
    assert caught.value.reason is Denial.NOT_KNOWN


def test_scopes_that_are_not_understood_allow_nothing() -> None:
    for odd in ("read_all", {"a": 1}, [1, None], []):
        assert TOKENS.read(forged(scopes=odd), NOON).scopes == frozenset()
    assert TOKENS.read(forged(scopes=["read_own", "fly"]), NOON).scopes == frozenset(
        {Permission.READ_OWN}
    )
