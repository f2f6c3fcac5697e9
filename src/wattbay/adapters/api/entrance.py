"""Coming in: sessions of browsers, tokens and keys of programs, and one's own password."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Path
from starlette.requests import Request
from starlette.responses import Response

from wattbay.access.denial import AccessDenied, Denial
from wattbay.access.door import TOKEN_LASTS_MAX_US, TOKEN_LASTS_US, Session
from wattbay.access.identity import Identity, Means
from wattbay.access.records import ApiKey
from wattbay.access.roles import Permission
from wattbay.adapters.api.answers import answer, read
from wattbay.adapters.api.callers import (
    SESSION_COOKIE,
    Who,
    address_of,
    check_origin,
    denied,
    node_of,
    request_id_of,
)
from wattbay.adapters.api.forms import InstantText, maybe_instant, maybe_text
from wattbay.adapters.api.problems import Problem, not_found
from wattbay.adapters.api.sections import Section
from wattbay.periods import SECOND, to_text

entrance = Section(
    "access",
    "Signing in and out, tokens and keys. A browser holds a session cookie; a program shows an API"
    " key, or a token that it got for one. There is no default password anywhere.",
)

TOKEN_LASTS_S = TOKEN_LASTS_US // SECOND
TOKEN_LASTS_MAX_S = TOKEN_LASTS_MAX_US // SECOND

Login = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Password = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class Credentials(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who signs in, and what only they know."""

    login: Login
    password: Password


class NewPassword(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A password that takes the place of another."""

    old: Password
    new: Annotated[str, msgspec.Meta(min_length=12, max_length=256)]
    """12 characters or more; a sentence is best."""


class Somebody(msgspec.Struct, frozen=True, kw_only=True):
    """Who you are here."""

    login: str
    roles: tuple[str, ...]
    parties: tuple[str, ...]
    """Whom the login stands for."""
    permissions: tuple[str, ...]
    """All that is allowed."""
    means: str
    """How you showed it: ``session``, ``token`` or ``api_key``."""
    must_change: bool
    """The password has to be changed first: until then nothing else is allowed."""


class SignedIn(msgspec.Struct, frozen=True, kw_only=True):
    """A session has begun; its cookie came with this answer."""

    login: str
    expires_at: str
    must_change: bool
    """The password has to be changed before anything else is allowed."""


class TokenWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a token is to last."""

    lasts_s: Annotated[int, msgspec.Meta(ge=1, le=TOKEN_LASTS_MAX_S)] = TOKEN_LASTS_S


class TokenGiven(msgspec.Struct, frozen=True, kw_only=True):
    """A token, as it is shown in `Authorization: Bearer`."""

    token: str
    type: str
    expires_at: str


class KeyWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An API key that is to be made."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    """What you call it."""
    scopes: Annotated[tuple[Permission, ...], msgspec.Meta(max_length=len(Permission))] = ()
    """What it is limited to; none: all that you may."""
    expires_at: InstantText | None = None


class KeyTold(msgspec.Struct, frozen=True, kw_only=True):
    """An API key, without its secret."""

    key: str
    """Its public part."""
    name: str
    scopes: tuple[str, ...]
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    used_at: str | None
    """When it was last used, to the minute."""


class KeyGiven(msgspec.Struct, frozen=True, kw_only=True):
    """An API key with its secret: it is told this once."""

    key: KeyTold
    secret: str
    """What is shown in `X-API-Key`."""


_ME = Somebody(
    login="p01",
    roles=("prosumer",),
    parties=("p01",),
    permissions=("export", "read_market", "read_own", "trade_own"),
    means="session",
    must_change=False,
)
_IN = SignedIn(login="p01", expires_at="2026-05-01T21:12:04.218Z", must_change=False)
_KEY = KeyTold(
    key="3f9a1c02b4de",
    name="heat pump",
    scopes=("trade_own",),
    created_at="2026-05-01T09:12:04.218Z",
    expires_at=None,
    revoked_at=None,
    used_at=None,
)


@entrance.post(
    "/session",
    is_public=True,
    body=Credentials,
    sends=Credentials(login="p01", password="a long sentence that nobody guesses"),  # noqa: S106 - an example
    answer=SignedIn,
    gives=_IN,
    status=201,
    refuses=(401, 403, 429),
)
async def sign_in(request: Request) -> Response:
    """Sign in with a password.

    The answer sets a session cookie that only this site's own pages send back. After five wrong
    passwords the login rests for a while; a login that nobody has is answered alike.
    """
    node = node_of(request)
    request.app.state.pace.sign_in(address_of(request))
    if "origin" in request.headers:
        check_origin(request, node)
    told = await read(request, Credentials)
    try:
        session = await node.door.sign_in(
            told.login, told.password, request_id=request_id_of(request)
        )
    except AccessDenied as denial:
        raise denied(denial) from denial
    # Only now: what somebody types as a login may be a password, and is not to be in the log.
    request.state.login = session.login
    # Only now, for what is typed as a name may be a password.
    request.state.login = session.login
    return _with_cookie(request, session, 201)


def _with_cookie(request: Request, session: Session, status: int) -> Response:
    told = SignedIn(
        login=session.login,
        expires_at=to_text(session.expires_at),
        must_change=session.must_change,
    )
    response = answer(told, status)
    lasts_s = (session.expires_at - node_of(request).wall.now()) // SECOND
    response.set_cookie(
        SESSION_COOKIE,
        session.token,
        max_age=lasts_s,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


@entrance.get("/session", answer=Somebody, gives=_ME)
async def who_am_i(who: Who) -> Response:
    """Tell who you are here, and what you may."""
    return answer(_somebody(who))


def _somebody(who: Identity) -> Somebody:
    return Somebody(
        login=who.login,
        roles=tuple(sorted(who.roles)),
        parties=tuple(sorted(who.parties)),
        permissions=tuple(sorted(who.granted)),
        means=who.means.value,
        must_change=who.must_change,
    )


@entrance.delete("/session", status=204)
async def sign_out(request: Request, who: Who) -> Response:
    """Sign out: the session of this browser ends. A token or key goes on."""
    token = request.cookies.get(SESSION_COOKIE)
    if who.means is Means.SESSION and token is not None:
        node_of(request).door.sign_out(token, request_id=request_id_of(request))
    response = Response(status_code=204)
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")
    return response


@entrance.delete("/sessions", status=204)
async def sign_out_everywhere(request: Request, who: Who) -> Response:
    """End all your sessions, on every machine."""
    _wholly(request, who, "end_sessions")
    node = node_of(request)
    with node.people.one_write():
        node.people.end_sessions(who.login)
        node.door.write("end_sessions", who.login, request_id=request_id_of(request))
    return Response(status_code=204)


def _wholly(request: Request, who: Identity, act: str) -> None:
    """Make sure that nobody with a part of a login's rights acts for all of it."""
    if who.scopes is None and not who.must_change:
        return
    reason = Denial.MUST_CHANGE if who.must_change else Denial.NOT_PERMITTED
    node_of(request).door.deny(act, reason, login=who.login, request_id=request_id_of(request))


@entrance.put(
    "/session/password",
    body=NewPassword,
    sends=NewPassword(old="the one that was sent to me", new="a long sentence that nobody guesses"),
    answer=SignedIn,
    gives=_IN,
    refuses=(409,),
)
async def change_password(request: Request, who: Who) -> Response:
    """Change your password. All your sessions and tokens end; a new session begins."""
    request.app.state.pace.sign_in(address_of(request))
    told = await read(request, NewPassword)
    try:
        session = await node_of(request).door.change_password(
            who, told.old, told.new, request_id=request_id_of(request)
        )
    except AccessDenied as denial:
        if denial.reason is Denial.NOT_KNOWN:
            raise Problem(403, "not-known", "the old password is another one") from denial
        raise denied(denial) from denial
    return _with_cookie(request, session, 200)


@entrance.post(
    "/tokens",
    body=TokenWanted,
    sends=TokenWanted(),
    answer=TokenGiven,
    gives=TokenGiven(token="eyJhbGciOi...", type="Bearer", expires_at="2026-05-01T10:12:04.218Z"),  # noqa: S106 - an example
    status=201,
)
async def issue_token(request: Request, who: Who) -> Response:
    """Get a token for what you showed: a session or a key. No token makes another.

    It ends by itself, when anything of the login changes, and when the key does that it was made
    with.
    """
    told = await read(request, TokenWanted)
    node = node_of(request)
    lasts_us = told.lasts_s * SECOND
    token = node.door.issue_token(who, lasts_us, request_id=request_id_of(request))
    expires_at = to_text(type(node.wall.now())(node.wall.now() + lasts_us))
    return answer(TokenGiven(token=token, type="Bearer", expires_at=expires_at), 201)


@entrance.get("/keys", answer=tuple[KeyTold, ...], gives=(_KEY,))
async def list_keys(request: Request, who: Who) -> Response:
    """List your API keys, oldest first, those that are revoked included."""
    _wholly(request, who, "list_keys")
    return answer([key_told(key) for key in node_of(request).people.keys(who.login)])


def key_told(key: ApiKey) -> KeyTold:
    """Return a key as it is told."""
    return KeyTold(
        key=key.key,
        name=key.name,
        scopes=tuple(sorted(key.scopes)),
        created_at=to_text(key.created_at),
        expires_at=maybe_text(key.expires_at),
        revoked_at=maybe_text(key.revoked_at),
        used_at=maybe_text(key.used_at),
    )


@entrance.post(
    "/keys",
    body=KeyWanted,
    sends=KeyWanted(name="heat pump", scopes=(Permission.TRADE_OWN,)),
    answer=KeyGiven,
    gives=KeyGiven(key=_KEY, secret="wb_3f9a1c02b4de_..."),  # noqa: S106 - an example
    status=201,
    refuses=(409,),
)
async def make_key(request: Request, who: Who) -> Response:
    """Make an API key for a program of yours. Its secret is told this once. A token makes none."""
    told = await read(request, KeyWanted)
    made = node_of(request).door.make_key(
        who,
        told.name,
        scopes=frozenset(told.scopes),
        expires_at=maybe_instant(told.expires_at),
        request_id=request_id_of(request),
    )
    return answer(KeyGiven(key=key_told(made.record), secret=made.clear), 201)


@entrance.delete("/keys/{key}", status=204, refuses=(404,))
async def revoke_key(
    request: Request,
    who: Who,
    key: Annotated[
        str, Path(pattern=r"^[0-9a-f]{12}$", description="Its public part.", examples=[_KEY.key])
    ],
) -> Response:
    """Revoke an API key of yours at once; an administrator, anybody's."""
    try:
        node_of(request).door.revoke_key(who, key, request_id=request_id_of(request))
    except AccessDenied as denial:
        if denial.reason is Denial.NOT_PERMITTED:
            raise not_found(f"key {key}") from denial
        raise
    return Response(status_code=204)
