"""Points of delivery: joining, moving, switching supplier or tariff from a date, leaving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from wattbay.access.identity import Identity
from wattbay.access.roles import Permission
from wattbay.adapters.api.answers import answer, read, settled
from wattbay.adapters.api.callers import Who, check, node_of
from wattbay.adapters.api.enrolments import NewMeter, admitted, meter_of
from wattbay.adapters.api.forms import Amount, Id, InstantText, PodPath, instant_of
from wattbay.adapters.api.node import Node
from wattbay.adapters.api.orders import accepted
from wattbay.adapters.api.pages import Page, Paged
from wattbay.adapters.api.parties import NewParty, must_be_new, party_of
from wattbay.adapters.api.problems import Problem, not_found
from wattbay.adapters.api.repeats import recorded
from wattbay.adapters.api.rows import Keeps, fields_of, page, seek, shown
from wattbay.adapters.api.sections import Section
from wattbay.adapters.api.sight import Sight, sight_of
from wattbay.core.commands import (
    ChangePod,
    Command,
    ExchangeMeter,
    RegisterParty,
    RegisterPod,
)
from wattbay.core.devices import DisconnectPod
from wattbay.core.facts import PodFacts, Role
from wattbay.ids import PartyId, PodId, ProfileId, TariffId, ZoneId
from wattbay.views.history import Answered, Want

pods = Section(
    "pods",
    "Points of delivery, where energy is measured and accounted: who joins, moves, switches"
    " supplier or tariff, and leaves. What changes, changes from a date for which no delivery is"
    " listed yet, so that whoever ordered is whoever settles.",
)


class NewPod(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pod that joins, with its meter."""

    pod: Id
    since: InstantText
    """A delivery boundary, from now on."""
    party: Id
    zone: Id
    supplier: Id
    """Residual supplier: buys and sells what is left."""
    brp: Id
    """Balance responsible party."""
    tariff: Id
    import_profile: Id | None = None
    export_profile: Id | None = None
    yearly_import_wh: Amount = 0
    """For estimates where no earlier week is known."""
    yearly_export_wh: Amount = 0
    meter: NewMeter


class Joining(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A member that joins: a party that is not admitted yet, and its pod."""

    party: NewParty
    pod: NewPod


class Moving(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another party moves in."""

    party: Id
    since: InstantText


class Switching(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another supplier, balance responsible party or tariff; what is left out stays."""

    since: InstantText
    supplier: Id | None = None
    brp: Id | None = None
    tariff: Id | None = None


class Leaving(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pod leaves."""

    until: InstantText
    """The first delivery in which it has no part any more."""


class MeterExchange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A meter takes the place of another."""

    at: InstantText
    final_import: Amount
    """Register of the old meter, in its units."""
    final_export: Amount
    meter: NewMeter


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked is so, or will be from its date on."""

    pod: str
    entries: tuple[int, ...]
    """The entries of the journal in which it stands."""


class PodTold(msgspec.Struct, frozen=True, kw_only=True):
    """What holds of a pod from an instant on, until the next facts."""

    pod: str
    since: str
    since_local: str
    until: str | None
    party: str
    zone: str
    supplier: str
    brp: str
    tariff: str
    import_profile: str | None
    export_profile: str | None
    yearly_import_wh: int
    yearly_export_wh: int
    meter: str
    entry: int


_POD = PodTold(
    pod="h01",
    since="2026-05-01T00:00Z",
    since_local="2026-05-01T01:00:00+01:00",
    until=None,
    party="p01",
    zone="z1",
    supplier="supplier",
    brp="supplier",
    tariff="flat",
    import_profile=None,
    export_profile=None,
    yearly_import_wh=3_000_000,
    yearly_export_wh=0,
    meter="m-h01",
    entry=17,
)
_DONE = Done(pod="h01", entries=(17,))
_METER: Mapping[str, object] = MappingProxyType(
    {
        "request": {
            "form": "wattbay-enrolment/1",
            "community": "town",
            "device": "m-h01",
            "kind": "meter",
            "algorithm": "ed25519",
            "public_key": "3b" * 32,
            "unit_wh": 1,
            "made_at": 1_777_626_724_218_000,
            "challenge": "wq3Jm2...",
            "proof": "7f" * 64,
        }
    }
)
_NEW: Mapping[str, object] = MappingProxyType(
    {
        "pod": "h01",
        "since": "2026-05-03T00:00Z",
        "party": "p01",
        "zone": "z1",
        "supplier": "supplier",
        "brp": "supplier",
        "tariff": "flat",
        "yearly_import_wh": 3_000_000,
        "meter": _METER,
    }
)


# --- what there is ---------------------------------------------------------------------------


@pods.get(
    "/pods",
    needs=(Permission.READ_OWN, Permission.READ_ALL),
    answer=Page[PodTold],
    gives={"items": [_POD], "next": None},
    is_tagged=True,
)
async def list_pods(request: Request, who: Who, paged: Paged) -> Response:
    """List your pods, and everything that ever held of them while they were yours."""
    check(request, who, Permission.READ_OWN, Permission.READ_ALL)
    node = node_of(request)
    sight = sight_of(node, who)
    want = Want("pods", pods=_seen_pods(sight), limit=paged.limit)
    what = f"pods {who.login}"
    return page(request, node, what, want, PodTold, cursor=paged.cursor, keeps=_own(sight))


def _seen_pods(sight: Sight) -> frozenset[str] | None:
    return None if sight.pods is None else frozenset(sight.pods)


def _own(sight: Sight) -> Keeps:
    """Return which facts are seen: those of the party whose they are."""
    return lambda row: sight.sees_party(str(row["party"]))


@pods.get(
    "/pods/{pod}",
    needs=(Permission.READ_OWN, Permission.READ_ALL),
    answer=tuple[PodTold, ...],
    gives=(_POD,),
    refuses=(404,),
    is_tagged=True,
)
async def get_pod(request: Request, who: Who, pod: PodPath) -> Response:
    """Tell what holds and held of one pod, the latest facts first."""
    check(request, who, Permission.READ_OWN, Permission.READ_ALL)
    node = node_of(request)
    want = Want("pods", {"pod": pod}, limit=500)
    rows, _ = seek(node, want, _own(sight_of(node, who)))
    if not rows:
        raise not_found(f"pod {pod}")
    return settled(request, [_told(node, row) for row in rows])


def _told(node: Node, row: Answered) -> dict[str, object]:
    return shown(node, "pods", row, fields_of(PodTold))


# --- joining, moving, switching, leaving -----------------------------------------------------


@pods.post(
    "/members",
    needs=(Permission.MANAGE_MEMBERS,),
    body=Joining,
    sends={"party": {"party": "p01", "facts": {"roles": ["prosumer"]}}, "pod": _NEW},
    answer=Done,
    gives=Done(pod="h01", entries=(30, 31)),
    status=201,
    refuses=(404, 409),
    is_repeatable=True,
)
async def join(request: Request, who: Who) -> Response:
    """Let a member join: a new party, and its pod with its meter.

    Two entries. If the pod is refused, the party stays admitted; `POST /api/v1/pods` tries again.
    """
    check(request, who, Permission.MANAGE_MEMBERS)
    told = await read(request, Joining)
    node = node_of(request)

    async def act() -> Response:
        must_be_new(node, told.party.party)
        connect = await _connecting(node, who, told.pod)
        admit = RegisterParty(party=party_of(told.party.party, told.party.facts))
        return await _done(node, told.pod.pod, (admit, connect), 201)

    return await recorded(request, who, act)


@pods.post(
    "/pods",
    needs=(Permission.MANAGE_MEMBERS,),
    body=NewPod,
    sends=_NEW,
    answer=Done,
    gives=_DONE,
    status=201,
    refuses=(404, 409),
    is_repeatable=True,
)
async def connect_pod(request: Request, who: Who) -> Response:
    """Connect a pod of a party that is admitted, with its meter.

    The meter's request proves that it holds its key; `wattbay device register` writes it.
    """
    check(request, who, Permission.MANAGE_MEMBERS)
    told = await read(request, NewPod)
    node = node_of(request)

    async def act() -> Response:
        connect = await _connecting(node, who, told)
        return await _done(node, told.pod, (connect,), 201)

    return await recorded(request, who, act)


async def _connecting(node: Node, who: Identity, told: NewPod) -> RegisterPod:
    facts = PodFacts(
        pod=PodId(told.pod),
        since=instant_of(told.since),
        party=PartyId(told.party),
        zone=ZoneId(told.zone),
        supplier=PartyId(told.supplier),
        brp=PartyId(told.brp),
        tariff=TariffId(told.tariff),
        import_profile=_profile(told.import_profile),
        export_profile=_profile(told.export_profile),
        yearly_import_wh=told.yearly_import_wh,
        yearly_export_wh=told.yearly_export_wh,
    )
    meter = meter_of(told.meter, await admitted(node, who, told.meter.request))
    return RegisterPod(facts=facts, meter=meter)


def _profile(name: str | None) -> ProfileId | None:
    return None if name is None else ProfileId(name)


async def _done(node: Node, pod: str, commands: Sequence[Command], status: int = 200) -> Response:
    """Return that commands are so, once each is."""
    entries = [accepted(await node.submit(command)).seq for command in commands]
    told = Done(pod=pod, entries=tuple(entries))
    return answer(told, status, entry=entries[-1])


def _latest(node: Node, who: Identity, pod: str) -> PodFacts:
    """Return the latest facts of a pod that the caller may change.

    Raises
    ------
    Problem
        If it is not there, or not theirs.
    """
    history = node.state().registry.pods.get(PodId(pod))
    if history is not None:
        latest = history[-1]
        if who.may(Permission.MANAGE_MEMBERS) or who.may_trade_for(latest.party):
            return latest
    raise not_found(f"pod {pod}")


@pods.post(
    "/pods/{pod}/move",
    needs=(Permission.MANAGE_MEMBERS,),
    body=Moving,
    sends=Moving(party="p07", since="2026-06-01T00:00Z"),
    answer=Done,
    gives=_DONE,
    refuses=(404, 409),
    is_repeatable=True,
)
async def move(request: Request, who: Who, pod: PodPath) -> Response:
    """Let another party move in from a date. It inherits no debt: its account is its own."""
    check(request, who, Permission.MANAGE_MEMBERS)
    told = await read(request, Moving)
    node = node_of(request)

    async def act() -> Response:
        facts = msgspec.structs.replace(
            _latest(node, who, pod), party=PartyId(told.party), since=instant_of(told.since)
        )
        return await _done(node, pod, (ChangePod(facts=facts),))

    return await recorded(request, who, act)


@pods.post(
    "/pods/{pod}/supplier",
    needs=(Permission.TRADE_OWN, Permission.MANAGE_MEMBERS),
    body=Switching,
    sends=Switching(since="2026-06-01T00:00Z", supplier="other", brp="other", tariff="green"),
    answer=Done,
    gives=_DONE,
    refuses=(404, 409),
    is_repeatable=True,
)
async def switch(request: Request, who: Who, pod: PodPath) -> Response:
    """Switch supplier, balance responsible party or tariff of a pod of yours from a date.

    A member chooses what that supplier supplies to somebody in the zone already; anything else is
    entered by who manages members.
    """
    check(request, who, Permission.TRADE_OWN, Permission.MANAGE_MEMBERS)
    told = await read(request, Switching)
    node = node_of(request)

    async def act() -> Response:
        latest = _latest(node, who, pod)
        facts = msgspec.structs.replace(
            latest,
            since=instant_of(told.since),
            supplier=latest.supplier if told.supplier is None else PartyId(told.supplier),
            brp=latest.brp if told.brp is None else PartyId(told.brp),
            tariff=latest.tariff if told.tariff is None else TariffId(told.tariff),
        )
        _check_suppliers(node, facts)
        if not who.may(Permission.MANAGE_MEMBERS):
            _check_offer(node, facts)
        return await _done(node, pod, (ChangePod(facts=facts),))

    return await recorded(request, who, act)


def _check_suppliers(node: Node, facts: PodFacts) -> None:
    """Make sure that those who are chosen are in the trade: a household supplies nobody."""
    for party, role in (
        (facts.supplier, Role.SUPPLIER),
        (facts.brp, Role.BALANCE_RESPONSIBLE),
    ):
        known = node.state().registry.parties.get(party)
        if known is None or role not in known.roles:
            raise not_found(f"{role.value.replace('_', ' ')} {party}")


def _check_offer(node: Node, facts: PodFacts) -> None:
    """Make sure that a member takes what its supplier offers: a tariff says fees and levies, too.

    Raises
    ------
    Problem
        If nobody in the zone is supplied so.
    """
    wanted = (facts.zone, facts.supplier, facts.brp, facts.tariff)
    for history in node.state().registry.pods.values():
        one = history[-1]
        if (one.zone, one.supplier, one.brp, one.tariff) == wanted:
            return
    detail = f"{facts.supplier} supplies nobody in zone {facts.zone} on {facts.tariff} so far"
    raise Problem(409, "not-offered", f"{detail}: ask who manages members")


@pods.post(
    "/pods/{pod}/leave",
    needs=(Permission.TRADE_OWN, Permission.MANAGE_MEMBERS),
    body=Leaving,
    sends=Leaving(until="2026-06-01T00:00Z"),
    answer=Done,
    gives=_DONE,
    refuses=(404, 409),
    is_repeatable=True,
)
async def leave(request: Request, who: Who, pod: PodPath) -> Response:
    """Let a pod of yours leave the community. Its last month is stated as any other."""
    check(request, who, Permission.TRADE_OWN, Permission.MANAGE_MEMBERS)
    told = await read(request, Leaving)
    node = node_of(request)

    async def act() -> Response:
        _latest(node, who, pod)
        command = DisconnectPod(pod=PodId(pod), until=instant_of(told.until))
        return await _done(node, pod, (command,))

    return await recorded(request, who, act)


@pods.post(
    "/pods/{pod}/meter",
    needs=(Permission.MANAGE_DEVICES,),
    body=MeterExchange,
    sends={
        "at": "2026-06-01T09:30Z",
        "final_import": 48_120,
        "final_export": 9_120,
        "meter": _METER,
    },
    answer=Done,
    gives=_DONE,
    refuses=(404, 409),
    is_repeatable=True,
)
async def exchange_meter(request: Request, who: Who, pod: PodPath) -> Response:
    """Put another meter in: final registers of the old one, a new one with its initial ones."""
    check(request, who, Permission.MANAGE_DEVICES)
    told = await read(request, MeterExchange)
    node = node_of(request)

    async def act() -> Response:
        admission = await admitted(node, who, told.meter.request)
        command = ExchangeMeter(
            pod=PodId(pod),
            at=instant_of(told.at),
            final_import=told.final_import,
            final_export=told.final_export,
            meter=meter_of(told.meter, admission),
        )
        return await _done(node, pod, (command,))

    return await recorded(request, who, act)
