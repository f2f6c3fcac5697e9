"""The journal's entries, as an index: what was asked, of whom, and whether it was refused."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from fastapi import Path, Query
from starlette.requests import Request
from starlette.responses import Response

from wattbay.access.roles import Permission
from wattbay.adapters.api.answers import answer
from wattbay.adapters.api.callers import Who, check, node_of
from wattbay.adapters.api.forms import PodQuery
from wattbay.adapters.api.node import Head, Node
from wattbay.adapters.api.pages import Limit
from wattbay.adapters.api.problems import not_found
from wattbay.adapters.api.receipts import seen_pods
from wattbay.adapters.api.rows import fields_of, shown
from wattbay.adapters.api.sections import Section
from wattbay.adapters.api.sight import Sight, sight_of
from wattbay.kernel.codec import GENESIS, chain
from wattbay.periods import Instant
from wattbay.units import SAFE_INTEGER_MAX
from wattbay.views.history import Answered, Want

entries = Section(
    "journal",
    "Every decision is an entry of the journal: what was asked, and what came of it. Each answer"
    " that comes of a command names its entry.",
)

After = Annotated[
    int,
    Query(ge=0, le=SAFE_INTEGER_MAX, description="The last entry that you know.", examples=[4711]),
]
EntryPath = Annotated[
    int,
    Path(ge=1, le=SAFE_INTEGER_MAX, description="The number of an entry.", examples=[4711]),
]
HEAD_STEP = 256
"""Members are told the hash of every so many entries.

Whoever had the hashes before and after a single one could try out whose order it was: everything
else in it stands in the book. Of 256 entries together nobody can guess the bytes.
"""
HASH_PATTERN = r"^[0-9a-f]{64}$"
Hash = Annotated[str, msgspec.Meta(pattern=HASH_PATTERN)]
"""SHA-256, in hexadecimal digits."""


class EntryTold(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the journal."""

    entry: int
    at: str
    at_local: str
    command: str
    """What was asked, such as ``PlaceOrder``; or what the clock asked."""
    pod: str | None
    subject: str
    """Whom or what it concerns."""
    reason: str | None
    """Why it was refused; null where it was not."""
    events: int
    """How many events came of it."""


class EntriesTold(msgspec.Struct, frozen=True, kw_only=True):
    """Entries in their order, and how far they go."""

    items: tuple[EntryTold, ...]
    after: int
    """What to name next as `after`."""
    last: int
    """The last entry that there is."""


class EntryKept(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the journal as it stands: enough to check its hash, and what was decided."""

    entry: int
    previous_hash: Hash
    """Of the entry before; of the first one, zeros."""
    hash: Hash
    """SHA-256 of the hash before, as 32 bytes, followed by the entry's bytes."""
    bytes: str
    """The canonical bytes, in base64."""
    content: Annotated[list[Any], msgspec.Meta(min_length=4, max_length=4)]
    """The same bytes, read as the JSON that they are: number, instant, command, events."""


class HeadTold(msgspec.Struct, frozen=True, kw_only=True):
    """Where the journal ends, or ended a little before."""

    community: str
    entry: int
    """The last entry; to members, the last whose number is a multiple of 256."""
    head: Hash
    """Its hash, which names all that is before it, too; zeros of entry 0."""


_BYTES = b'[1,0,["SettlePeriod",0,"initial"],[]]'
_KEPT = EntryKept(
    entry=1,
    previous_hash=GENESIS.hex(),
    hash=chain(GENESIS, _BYTES).hex(),
    bytes=b64encode(_BYTES).decode(),
    content=[1, 0, ["SettlePeriod", 0, "initial"], []],
)
_HEAD = HeadTold(community="town", entry=4_608, head="d85e0ae4" * 8)
_ENTRY = EntryTold(
    entry=4_711,
    at="2026-05-01T09:12:04.218Z",
    at_local="2026-05-01T10:12:04.218000+01:00",
    command="PlaceOrder",
    pod="h01",
    subject="h01",
    reason=None,
    events=1,
)


@entries.get(
    "/journal/entries",
    needs=(Permission.READ_OWN, Permission.READ_ALL),
    answer=EntriesTold,
    gives=EntriesTold(items=(_ENTRY,), after=4_711, last=4_711),
)
async def list_entries(
    request: Request, who: Who, after: After = 0, limit: Limit = 100, pod: PodQuery = None
) -> Response:
    """List entries in their order, from one on: to follow the market without missing anything.

    You see those that concern your pods; an administrator all. Ask again with `after` of the
    answer.
    """
    check(request, who, Permission.READ_OWN, Permission.READ_ALL)
    node = node_of(request)
    sight = sight_of(node, who)
    want = Want(
        "entries",
        {} if pod is None else {"pod": pod},
        seen_pods(sight),
        after=None if after == 0 else after,
        limit=limit,
        newest_first=False,
    )
    found = node.history.find(want)
    fields = fields_of(EntryTold)
    told = [shown(node, "entries", row, fields) for row in _seen(node, sight, found.rows)]
    last = node.history.seq
    is_over = found.next is None
    reached = last if is_over else int(found.rows[-1]["entry"] or 0)
    return answer({"items": told, "after": max(after, reached), "last": last})


def _seen(node: Node, sight: Sight, rows: Iterable[Answered]) -> list[Answered]:
    """Return the entries that are seen: of pods that were theirs when it was asked."""
    if sight.is_whole:
        return list(rows)
    state = node.state()
    return [
        row for row in rows if sight.sees_pod(state, str(row["pod"]), Instant(int(row["at"] or 0)))
    ]


# --- the journal itself ----------------------------------------------------------------------


@entries.get(
    "/journal/entries/{entry}",
    needs=(Permission.READ_ALL,),
    answer=EntryKept,
    gives=_KEPT,
    refuses=(404,),
)
async def get_entry(request: Request, who: Who, entry: EntryPath) -> Response:
    """Tell one entry as it stands: its bytes, its hash and the one before, and what it says.

    Whoever is given entries can compute their hashes, and decide their commands again. What was
    archived and pruned is no longer here: it is in the archive's files.
    """
    check(request, who, Permission.READ_ALL)
    kept = node_of(request).entry(entry)
    if kept is None:
        raise not_found(f"entry {entry} in the journal")
    told = {
        "entry": entry,
        "previous_hash": kept.previous_hash.hex(),
        "hash": kept.hash.hex(),
        "bytes": b64encode(kept.data).decode(),
        "content": msgspec.Raw(kept.data),
    }
    return answer(told)


@entries.get(
    "/journal/head",
    needs=(Permission.READ_MARKET,),
    answer=HeadTold,
    gives=_HEAD,
    refuses=(404,),
)
async def get_head(request: Request, who: Who) -> Response:
    """Tell the journal's head: number and hash of its last entry, to keep and compare later.

    Nobody can change what was before, or take it away, without coming to another hash for that
    entry: whoever is handed the journal can compare. Who does not see every entry is told the
    last whose number is a multiple of 256: the hash of a single entry could give away whose it is.
    """
    check(request, who, Permission.READ_MARKET)
    node = node_of(request)
    head = node.head() if who.may(Permission.READ_ALL) else _told_head(node)
    return answer(HeadTold(community=node.community, entry=head.entry, head=head.hash.hex()))


def _told_head(node: Node) -> Head:
    """Return the head as members are told it."""
    last = node.head().entry
    entry = last - last % HEAD_STEP
    if entry == 0:
        return Head(0, GENESIS)
    kept = node.entry(entry)
    if kept is None:  # The journal was pruned between that entry and its end.
        raise not_found(f"head to be told before entry {entry + HEAD_STEP}")
    return Head(entry, kept.hash)
