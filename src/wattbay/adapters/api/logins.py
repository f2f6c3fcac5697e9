"""Logins and their roles, and the audit log: for administrators."""

from __future__ import annotations

from asyncio import to_thread
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from wattbay.access.desk import Desk
from wattbay.access.records import AuditLine, Login
from wattbay.access.roles import AccessRole, Permission
from wattbay.adapters.api.answers import answer, encoded, read, settled
from wattbay.adapters.api.callers import Who, check, node_of, request_id_of
from wattbay.adapters.api.entrance import KeyTold, key_told
from wattbay.adapters.api.etags import must_match
from wattbay.adapters.api.forms import Id, LoginPath, LoginQuery
from wattbay.adapters.api.node import Node
from wattbay.adapters.api.pages import Page, Paged, cursor_of, next_path, read_cursor
from wattbay.adapters.api.problems import not_found
from wattbay.adapters.api.sections import Section
from wattbay.ids import PartyId
from wattbay.periods import to_text

logins = Section(
    "logins",
    "Who can come in and what they may, and what was done: the audit log is a chain of hashes.",
)

Roles = Annotated[tuple[AccessRole, ...], msgspec.Meta(min_length=1, max_length=len(AccessRole))]
Parties = Annotated[tuple[Id, ...], msgspec.Meta(max_length=10_000)]


class NewLogin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A login that is to be made. It is a pseudonym: no name of a person."""

    login: Id
    roles: Roles
    parties: Parties = ()
    """Whom it stands for."""
    with_password: bool = True
    """Else it comes in by API keys alone."""


class LoginChanged(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be changed of a login; what is left out stays."""

    roles: Roles | None = None
    parties: Parties | None = None
    is_disabled: bool | None = None


class LoginTold(msgspec.Struct, frozen=True, kw_only=True):
    """A login, without anything that opens it."""

    login: str
    roles: tuple[str, ...]
    parties: tuple[str, ...]
    created_at: str
    is_disabled: bool
    must_change: bool
    """Its password is a one-time password."""
    has_password: bool


class LoginMade(msgspec.Struct, frozen=True, kw_only=True):
    """A login with its one-time password: it is told this once."""

    login: str
    one_time_password: str | None
    """To be changed when it is first used; null where it has none."""


class AuditTold(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the audit log: who did what to whom, and how it ended."""

    number: int
    at: str
    login: str
    act: str
    subject: str
    outcome: str
    detail: str
    request_id: str
    line_hash: str
    """SHA-256 over this line and the one before."""


class AuditChecked(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the audit log is what was written."""

    number: int
    """Of its last line."""
    line_hash: str
    """Of its last line: note it elsewhere, and nobody can rewrite the log unseen."""
    faults: tuple[str, ...]
    """What shows that it was changed; empty where nothing does."""


_LOGIN = LoginTold(
    login="p01",
    roles=("prosumer",),
    parties=("p01",),
    created_at="2026-05-01T09:12:04.218Z",
    is_disabled=False,
    must_change=True,
    has_password=True,
)
_MADE = LoginMade(login="p01", one_time_password="7rQ2...")  # noqa: S106 - an example
_LINE = AuditTold(
    number=12,
    at="2026-05-01T09:12:04.218Z",
    login="boss",
    act="add_login",
    subject="p01",
    outcome="done",
    detail="prosumer p01",
    request_id="64a1c3f-2a",
    line_hash="5f3c...",
)


def _told(login: Login) -> LoginTold:
    return LoginTold(
        login=login.login,
        roles=tuple(sorted(login.roles)),
        parties=tuple(sorted(login.parties)),
        created_at=to_text(login.created_at),
        is_disabled=login.is_disabled,
        must_change=login.must_change,
        has_password=login.password_hash is not None,
    )


def _known(node: Node, login: str) -> Login:
    found = node.people.login(login)
    if found is None:
        raise not_found(f"login {login}")
    return found


@logins.get(
    "/logins",
    needs=(Permission.MANAGE_LOGINS,),
    answer=Page[LoginTold],
    gives={"items": [_LOGIN], "next": None},
    is_tagged=True,
)
async def list_logins(request: Request, who: Who, paged: Paged) -> Response:
    """List all logins, by name."""
    check(request, who, Permission.MANAGE_LOGINS)
    node = node_of(request)
    after = read_cursor(node, "logins", paged.cursor)
    found = node.people.logins(str(after or ""), paged.limit)
    is_full = len(found) == paged.limit
    link = next_path(request, cursor_of(node, "logins", found[-1].login) if is_full else None)
    return settled(request, {"items": [_told(login) for login in found], "next": link})


@logins.post(
    "/logins",
    needs=(Permission.MANAGE_LOGINS,),
    body=NewLogin,
    sends=NewLogin(login="p01", roles=(AccessRole.PROSUMER,), parties=("p01",)),
    answer=LoginMade,
    gives=_MADE,
    status=201,
    refuses=(409,),
)
async def add_login(request: Request, who: Who) -> Response:
    """Make a login; its one-time password is told this once."""
    check(request, who, Permission.MANAGE_LOGINS)
    told = await read(request, NewLogin)
    made = await Desk(node_of(request).door).add_login(
        who,
        told.login,
        frozenset(told.roles),
        frozenset(map(PartyId, told.parties)),
        with_password=told.with_password,
        request_id=request_id_of(request),
    )
    return answer(LoginMade(login=told.login, one_time_password=made), 201)


@logins.get(
    "/logins/{login}",
    needs=(Permission.MANAGE_LOGINS,),
    answer=LoginTold,
    gives=_LOGIN,
    refuses=(404,),
    is_tagged=True,
)
async def get_login(request: Request, who: Who, login: LoginPath) -> Response:
    """Tell one login. Its ETag is what `PATCH` wants in `If-Match`."""
    check(request, who, Permission.MANAGE_LOGINS)
    return settled(request, _told(_known(node_of(request), login)))


@logins.patch(
    "/logins/{login}",
    needs=(Permission.MANAGE_LOGINS,),
    body=LoginChanged,
    sends=LoginChanged(roles=(AccessRole.AGGREGATOR,), parties=("p01", "p02")),
    answer=LoginTold,
    gives=_LOGIN,
    refuses=(404, 409),
    is_conditional=True,
)
async def change_login(request: Request, who: Who, login: LoginPath) -> Response:
    """Let a login have other roles or parties, or let it in no more.

    Whatever is changed, tokens that were issued before are over.
    """
    check(request, who, Permission.MANAGE_LOGINS)
    node = node_of(request)
    told = await read(request, LoginChanged)
    must_match(request, encoded(_told(_known(node, login))))
    desk, name = Desk(node.door), request_id_of(request)
    with node.people.one_write():
        if told.roles is not None:
            desk.change_roles(who, login, frozenset(told.roles), request_id=name)
        if told.parties is not None:
            parties = frozenset(map(PartyId, told.parties))
            desk.change_parties(who, login, parties, request_id=name)
        if told.is_disabled is True:
            desk.disable(who, login, request_id=name)
        elif told.is_disabled is False:
            desk.enable(who, login, request_id=name)
    return settled(request, _told(_known(node, login)))


@logins.post(
    "/logins/{login}/password",
    needs=(Permission.MANAGE_LOGINS,),
    answer=LoginMade,
    gives=_MADE,
    status=201,
    refuses=(404, 409),
)
async def reset_password(request: Request, who: Who, login: LoginPath) -> Response:
    """Give a login a one-time password, told this once; its sessions and tokens end."""
    check(request, who, Permission.MANAGE_LOGINS)
    node = node_of(request)
    _known(node, login)
    made = await Desk(node.door).reset_password(who, login, request_id=request_id_of(request))
    return answer(LoginMade(login=login, one_time_password=made), 201)


@logins.delete("/logins/{login}", needs=(Permission.MANAGE_LOGINS,), status=204, refuses=(404, 409))
async def remove_login(request: Request, who: Who, login: LoginPath) -> Response:
    """Take a login away for good, with its keys and sessions."""
    check(request, who, Permission.MANAGE_LOGINS)
    node = node_of(request)
    _known(node, login)
    Desk(node.door).remove_login(who, login, request_id=request_id_of(request))
    return Response(status_code=204)


@logins.get(
    "/logins/{login}/keys",
    needs=(Permission.MANAGE_LOGINS,),
    answer=tuple[KeyTold, ...],
    gives=(),
    refuses=(404,),
)
async def list_keys_of(request: Request, who: Who, login: LoginPath) -> Response:
    """List the API keys of a login. `DELETE /api/v1/keys/{key}` revokes one."""
    check(request, who, Permission.MANAGE_LOGINS)
    node = node_of(request)
    return answer([key_told(key) for key in node.people.keys(_known(node, login).login)])


@logins.get(
    "/audit",
    needs=(Permission.READ_AUDIT,),
    answer=Page[AuditTold],
    gives={"items": [_LINE], "next": None},
    is_tagged=True,
)
async def list_audit(
    request: Request, who: Who, paged: Paged, login: LoginQuery = None
) -> Response:
    """List what was done, newest first: sign-ins, denials, changes of logins and keys."""
    check(request, who, Permission.READ_AUDIT)
    node = node_of(request)
    what = f"audit {login}"
    before = read_cursor(node, what, paged.cursor)
    found = node.people.audit(before if isinstance(before, int) else None, paged.limit, login=login)
    is_full = len(found) == paged.limit
    link = next_path(request, cursor_of(node, what, found[-1].number) if is_full else None)
    return settled(request, {"items": [_line(line) for line in found], "next": link})


def _line(line: AuditLine) -> AuditTold:
    return AuditTold(
        number=line.number,
        at=to_text(line.at),
        login=line.login,
        act=line.act,
        subject=line.subject,
        outcome=line.outcome,
        detail=line.detail,
        request_id=line.request_id,
        line_hash=line.line_hash,
    )


@logins.get(
    "/audit/check",
    needs=(Permission.READ_AUDIT,),
    answer=AuditChecked,
    gives=AuditChecked(number=12, line_hash="5f3c...", faults=()),
)
async def check_audit(request: Request, who: Who) -> Response:
    """Check that the audit log is what was written, line by line."""
    check(request, who, Permission.READ_AUDIT)
    people = node_of(request).people
    head = people.audit_head()
    # Beside the loop: a log of years is long.
    faults = await to_thread(people.check_audit)
    told = AuditChecked(number=head.number, line_hash=head.line_hash, faults=tuple(faults))
    return answer(told)
