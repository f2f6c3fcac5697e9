"""What a scenario file says of its homes: what is drawn, what is set, and how they pay."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from wattbay.core.facts import Funding, Party, Product, Role
from wattbay.ids import PartyId, PodId
from wattbay.periods import Calendar, Instant
from wattbay.simulation.homes import Choice, Draw
from wattbay.simulation.scenario_facts import STRATEGIES, Home
from wattbay.simulation.scenario_file import Table
from wattbay.simulation.scenario_parts import Market
from wattbay.units import PPM


def read_draw(table: Table, seed: int, market: Market) -> Draw:
    """Read what ``[homes]`` says is drawn by seed."""
    product = market.product
    limits: list[tuple[int, int]] = []
    for side in ("buy", "sell"):
        keys = [f"{side}_limit_{end}_cents_per_kwh" for end in ("min", "max")]
        bounds = [_limit(table, key, product) for key in keys]
        if bounds[0] > bounds[1]:
            table.fault(keys[1], "the largest limit is below the smallest", "swap them")
            bounds.reverse()
        limits.append((bounds[0], bounds[1]))
    return Draw(
        seed=seed,
        zones=_shares(table, "zones", market.zones),
        suppliers=_shares(table, "suppliers", list(market.brps)),
        tariffs=_shares(table, "tariffs", market.tariff_names),
        strategies=_shares(table, "strategies", STRATEGIES),
        buy_limits=limits[0],
        sell_limits=limits[1],
        tick=product.price_tick,
    )


def _limit(table: Table, key: str, product: Product) -> int:
    """Read a limit: a price of the product, on its tick."""
    limit = table.price(key, least=-(10**9), tick=product.price_tick)
    if key in table and not product.price_min <= limit <= product.price_max:
        table.fault(key, "outside the prices of the product", "between its min and max")
    return limit


def _shares(table: Table, name: str, options: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Read a table of shares; where it is absent, all options have the same."""
    if name not in table:
        table.known(name)
        return tuple((option, 1) for option in options)
    inner = table.table(name)
    found: list[tuple[str, int]] = []
    for option in inner.names():
        if option in options:
            found.append((option, inner.integer(option, most=PPM)))
        else:
            near = difflib.get_close_matches(option, options, n=1)
            remedy = f"did you mean {near[0]}?" if near else f"one of {', '.join(options)}"
            inner.fault(option, f"{inner.key(option)}: {option} is unknown", remedy)
    if not any(weight for _, weight in found):
        table.fault(name, f"{table.key(name)} gives nobody a share", "one number above 0")
        return tuple((option, 1) for option in options)
    return tuple(found)


class Payment(NamedTuple):
    """How homes pay, and since when what they sell bears tax, unless set otherwise."""

    funding: Funding
    credit_limit_nano: int
    """Of whoever is not prepaid."""
    deposit_nano: int
    """What whoever is prepaid has paid in when the community is founded."""
    tax_from: Instant | None
    """None for never."""


def read_payment(table: Table, calendar: Calendar) -> Payment:
    """Read how the homes of ``[homes]`` pay."""
    return Payment(
        Funding(table.choice("funding", tuple(Funding), Funding.CREDIT_LIMIT)),
        table.cents("credit_limit_cents"),
        table.cents("deposit_cents", 0),
        _taxed_since(table, calendar),
    )


def _taxed_since(table: Table, calendar: Calendar) -> Instant | None:
    """Read from which local day on sales bear tax; None where nothing is said."""
    key = "sales_taxed_since"
    table.known(key)
    since = table.day(key) if key in table else None
    return None if since is None else calendar.midnight(since)


def read_choices(
    table: Table, homes: Collection[str], market: Market, payment: Payment, calendar: Calendar
) -> dict[str, Choice]:
    """Read ``[[homes.set]]``: what is set for a home instead of drawn, or said of all."""
    choices: dict[str, Choice] = {}
    for row in table.tables("set"):
        home = row.choice("home", sorted(homes)) if homes else row.text("home")
        if home in choices:
            row.fault("home", f"{home} is set twice", "one table a home")
        picked: dict[str, str | None] = {}
        for key, options in (
            ("zone", market.zones),
            ("supplier", list(market.brps)),
            ("tariff", market.tariff_names),
            ("strategy", STRATEGIES),
            ("funding", tuple(Funding)),
        ):
            picked[key] = row.choice(key, options) if key in row else None
            row.known(key)
        limits: dict[str, int | None] = {}
        for side in ("buy_limit", "sell_limit"):
            key = f"{side}_cents_per_kwh"
            limits[side] = _limit(row, key, market.product) if key in row else None
            row.known(key)
        row.known("deposit_cents")
        choices[home] = Choice(
            picked["zone"],
            picked["supplier"],
            picked["tariff"],
            picked["strategy"],
            limits["buy_limit"],
            limits["sell_limit"],
            None if picked["funding"] is None else Funding(picked["funding"]),
            row.cents("deposit_cents") if "deposit_cents" in row else None,
            _taxed_since(row, calendar),
        )
        prepaid = (choices[home].funding or payment.funding) is Funding.PREPAID
        if choices[home].deposit_nano and not prepaid:
            row.fault("deposit_cents", f"{home} is not prepaid", 'write funding = "prepaid"')
    fundings = {payment.funding, *(choice.funding for choice in choices.values())}
    if payment.deposit_nano and Funding.PREPAID not in fundings:
        table.fault("deposit_cents", "no home is prepaid", 'write funding = "prepaid"')
    return choices


def home_parties(
    homes: Iterable[Home], payment: Payment, choices: Mapping[str, Choice]
) -> list[Party]:
    """Return the parties of homes: who has panels or a battery also injects.

    Parameters
    ----------
    choices
        What is set, by home of the data. No copy bears the name of one, so none has its choices.
    """
    parties: list[Party] = []
    for home in homes:
        chosen = choices.get(home.pod, Choice())
        funding = chosen.funding or payment.funding
        parties.append(
            Party(
                party=PartyId(home.party),
                roles=(Role.PROSUMER if home.pv_kwp > 0 or home.battery else Role.CONSUMER,),
                funding=funding,
                credit_limit_nano=0 if funding is Funding.PREPAID else payment.credit_limit_nano,
                tax_from=payment.tax_from if chosen.tax_from is None else chosen.tax_from,
            )
        )
    return parties


def deposits(
    homes: Iterable[Home], payment: Payment, choices: Mapping[str, Choice]
) -> tuple[tuple[PodId, int], ...]:
    """Return what is paid in for pods whose homes are prepaid, and who paid in anything."""
    found: list[tuple[PodId, int]] = []
    for home in homes:
        chosen = choices.get(home.pod, Choice())
        prepaid = (chosen.funding or payment.funding) is Funding.PREPAID
        paid_nano = payment.deposit_nano if chosen.deposit_nano is None else chosen.deposit_nano
        if prepaid and paid_nano:
            found.append((home.pod, paid_nano))
    return tuple(found)
