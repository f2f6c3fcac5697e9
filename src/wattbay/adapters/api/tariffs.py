"""Tariffs: what a pod pays its supplier, the network and the state, before and after trading."""

from __future__ import annotations

from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from wattbay.access.roles import Permission
from wattbay.adapters.api.answers import answer, read, settled
from wattbay.adapters.api.callers import Who, check, node_of
from wattbay.adapters.api.forms import (
    Amount,
    Id,
    InstantText,
    Number,
    Spanned,
    TariffPath,
    TariffQuery,
    instant_of,
)
from wattbay.adapters.api.orders import accepted
from wattbay.adapters.api.pages import Page, Paged
from wattbay.adapters.api.problems import not_found
from wattbay.adapters.api.repeats import recorded
from wattbay.adapters.api.rows import page
from wattbay.adapters.api.sections import Section
from wattbay.core.commands import DefineTariff
from wattbay.core.facts import EnergyTier, LocalFee, MonthlyCharges, Tariff, TaxRate
from wattbay.ids import TariffId, ZoneId
from wattbay.periods import to_text
from wattbay.units import PPM
from wattbay.views.history import Want

tariffs = Section(
    "tariffs",
    "What a pod pays its supplier, the network and the state. A tariff never changes: a pod"
    " changes tariff, and time-varying prices are published ahead.",
)

LIST_MAX = 1_000
Ppm = Annotated[int, msgspec.Meta(ge=0, le=PPM)]


class FeeTold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Network fee for delivered energy traded from one zone to another."""

    from_zone: Id
    to_zone: Id
    nano_per_wh: Number


class TaxTold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rate of tax from an instant on."""

    since: InstantText
    ppm: Ppm


class TierTold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What energy from the supplier costs besides, beyond an amount bought in a local month."""

    from_wh: Amount
    nano_per_wh: Number


class MonthlyTold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is charged by the local month, on the statement."""

    tiers: Annotated[tuple[TierTold, ...], msgspec.Meta(max_length=LIST_MAX)] = ()
    capacity_nano_per_w: Amount = 0
    """Per W of the highest mean import of a delivery."""
    minimum_nano: Amount = 0


class TariffTold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The components of a retail price, before tax."""

    tariff: Id
    energy_nano_per_wh: Number
    """Energy from the supplier."""
    export_nano_per_wh: Number
    """What the supplier pays for what is left over."""
    network_regional_nano_per_wh: Number
    network_local: Annotated[tuple[FeeTold, ...], msgspec.Meta(max_length=LIST_MAX)] = ()
    """For energy traded between zones; pairs that are not listed pay the regional fee."""
    levy_nano_per_wh: Number = 0
    service_nano_per_wh: Number = 0
    """On traded energy."""
    standing_nano_per_day: Number = 0
    tax: Annotated[tuple[TaxTold, ...], msgspec.Meta(max_length=LIST_MAX)] = ()
    """By date, earliest first."""
    monthly: MonthlyTold | None = None


class TariffMade(msgspec.Struct, frozen=True, kw_only=True):
    """A tariff was published."""

    entry: int
    tariff: str


class RetailPrice(msgspec.Struct, frozen=True, kw_only=True):
    """What a tariff costs in one delivery, where it was published; null: the tariff's own."""

    tariff: str
    delivery: str
    delivery_local: str
    zone: str
    energy_nano_per_wh: int | None
    export_nano_per_wh: int | None
    levy_nano_per_wh: int | None
    network_adder_nano_per_wh: int | None


_TARIFF = TariffTold(
    tariff="flat",
    energy_nano_per_wh=140_000,
    export_nano_per_wh=40_000,
    network_regional_nano_per_wh=30_000,
    levy_nano_per_wh=10_000,
)
_PRICE = RetailPrice(
    tariff="dynamic",
    delivery="2026-05-01T12:00Z",
    delivery_local="2026-05-01T13:00:00+01:00",
    zone="all",
    energy_nano_per_wh=67_200,
    export_nano_per_wh=None,
    levy_nano_per_wh=None,
    network_adder_nano_per_wh=None,
)


@tariffs.get(
    "/tariffs",
    needs=(Permission.READ_MARKET,),
    answer=tuple[TariffTold, ...],
    gives=(_TARIFF,),
    is_tagged=True,
)
async def list_tariffs(request: Request, who: Who) -> Response:
    """List all tariffs, in order of publication."""
    check(request, who, Permission.READ_MARKET)
    known = node_of(request).state().registry.tariffs.values()
    return settled(request, [_told(tariff) for tariff in known])


@tariffs.get(
    "/tariffs/{tariff}",
    needs=(Permission.READ_MARKET,),
    answer=TariffTold,
    gives=_TARIFF,
    refuses=(404,),
    is_tagged=True,
)
async def get_tariff(request: Request, who: Who, tariff: TariffPath) -> Response:
    """Tell one tariff."""
    check(request, who, Permission.READ_MARKET)
    known = node_of(request).state().registry.tariffs.get(TariffId(tariff))
    if known is None:
        raise not_found(f"tariff {tariff}")
    return settled(request, _told(known))


@tariffs.post(
    "/tariffs",
    needs=(Permission.MANAGE_MARKET,),
    body=TariffTold,
    sends=_TARIFF,
    answer=TariffMade,
    gives=TariffMade(entry=12, tariff="flat"),
    status=201,
    refuses=(409,),
    is_repeatable=True,
)
async def define_tariff(request: Request, who: Who) -> Response:
    """Publish a tariff. It never changes; a pod changes tariff."""
    check(request, who, Permission.MANAGE_MARKET)
    told = await read(request, TariffTold)
    node = node_of(request)

    async def act() -> Response:
        found = accepted(await node.submit(DefineTariff(tariff=_tariff(told))))
        made = TariffMade(entry=found.seq, tariff=told.tariff)
        return answer(made, 201, entry=found.seq)

    return await recorded(request, who, act)


@tariffs.get(
    "/retail-prices",
    needs=(Permission.READ_MARKET,),
    answer=Page[RetailPrice],
    gives={"items": [_PRICE], "next": None},
    is_tagged=True,
)
async def list_retail_prices(
    request: Request, who: Who, span: Spanned, paged: Paged, tariff: TariffQuery = None
) -> Response:
    """List prices that were published of tariffs, for single deliveries."""
    check(request, who, Permission.READ_MARKET)
    want = Want(
        "retail_prices",
        {} if tariff is None else {"tariff": tariff},
        since=span.since,
        until=span.until,
        limit=paged.limit,
    )
    what = f"retail {tariff} {span}"
    return page(request, node_of(request), what, want, RetailPrice, cursor=paged.cursor)


def _told(tariff: Tariff) -> TariffTold:
    return TariffTold(
        tariff=tariff.tariff,
        energy_nano_per_wh=tariff.energy,
        export_nano_per_wh=tariff.export,
        network_regional_nano_per_wh=tariff.network_regional,
        network_local=tuple(
            FeeTold(from_zone=fee.from_zone, to_zone=fee.to_zone, nano_per_wh=fee.nano_per_wh)
            for fee in tariff.network_local
        ),
        levy_nano_per_wh=tariff.levy,
        service_nano_per_wh=tariff.service,
        standing_nano_per_day=tariff.standing_nano_per_day,
        tax=tuple(TaxTold(since=to_text(step.since), ppm=step.ppm) for step in tariff.tax),
        monthly=None if tariff.monthly is None else _monthly_told(tariff.monthly),
    )


def _monthly_told(monthly: MonthlyCharges) -> MonthlyTold:
    return MonthlyTold(
        tiers=tuple(
            TierTold(from_wh=tier.from_wh, nano_per_wh=tier.nano_per_wh) for tier in monthly.tiers
        ),
        capacity_nano_per_w=monthly.capacity_nano_per_w,
        minimum_nano=monthly.minimum_nano,
    )


def _tariff(told: TariffTold) -> Tariff:
    return Tariff(
        tariff=TariffId(told.tariff),
        energy=told.energy_nano_per_wh,
        network_regional=told.network_regional_nano_per_wh,
        network_local=tuple(
            LocalFee(
                from_zone=ZoneId(fee.from_zone),
                to_zone=ZoneId(fee.to_zone),
                nano_per_wh=fee.nano_per_wh,
            )
            for fee in told.network_local
        ),
        levy=told.levy_nano_per_wh,
        export=told.export_nano_per_wh,
        service=told.service_nano_per_wh,
        standing_nano_per_day=told.standing_nano_per_day,
        tax=tuple(TaxRate(since=instant_of(step.since), ppm=step.ppm) for step in told.tax),
        monthly=None if told.monthly is None else _monthly(told.monthly),
    )


def _monthly(told: MonthlyTold) -> MonthlyCharges:
    return MonthlyCharges(
        tiers=tuple(
            EnergyTier(from_wh=tier.from_wh, nano_per_wh=tier.nano_per_wh) for tier in told.tiers
        ),
        capacity_nano_per_w=told.capacity_nano_per_w,
        minimum_nano=told.minimum_nano,
    )
