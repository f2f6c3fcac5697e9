"""Backups, made when somebody asks for one."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from wattbay.access.roles import Permission
from wattbay.adapters.api.answers import answer
from wattbay.adapters.api.callers import Who, check, node_of, request_id_of
from wattbay.adapters.api.node import BackedUp
from wattbay.adapters.api.problems import Problem
from wattbay.adapters.api.sections import Section

backups = Section(
    "backups",
    "Copies of all that stands in files, made while the service runs. `wattbay backup check` and"
    " `restore` read them.",
)


class BackupTold(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that was made."""

    name: str
    """Of its folder, in the one that the settings name."""
    entries: int
    """How far it goes: the number of its journal's last entry."""
    head: str
    """Hash of that entry."""
    size_bytes: int


@backups.post(
    "/backups",
    needs=(Permission.BACK_UP,),
    answer=BackupTold,
    gives=BackupTold(
        name="20260501T120000Z-000000037523", entries=37_523, head="d85e0ae4" * 8,
        size_bytes=41_230_336,
    ),
    status=201,
    refuses=(409, 503),
)  # fmt: skip
async def make_backup(request: Request, who: Who) -> Response:
    """Make a backup now.

    It goes where `folder` in `[backup]` of the settings says; one is made at a time.
    """
    check(request, who, Permission.BACK_UP)
    node = node_of(request)
    if node.back_up is None:
        detail = "no folder is set for backups: folder in [backup] of the settings"
        raise Problem(409, "no-backups", detail)
    made: BackedUp = await node.back_up()
    request_id = request_id_of(request)
    node.door.write("back_up", who.login, subject=made.name, request_id=request_id)
    told = BackupTold(
        name=made.name, entries=made.entries, head=made.head, size_bytes=made.size_bytes
    )
    return answer(told, status=201)
