"""A community that trades in every way at once, and anything that may be asked of it."""

from __future__ import annotations

from random import Random
from typing import Protocol

from msgspec import structs

from tests.builders import (
    ISP_US,
    MIDNIGHT,
    a_meter,
    a_party,
    a_product,
    a_tariff,
    list_deliveries,
    open_community,
    pod_facts,
)
from tests.play import with_runs
from wattbay.core import commands as c
from wattbay.core.batches import packed
from wattbay.core.exchange import Exchange
from wattbay.core.facts import (
    Deviations,
    EnergyTier,
    Funding,
    LimitTerm,
    LocalFee,
    Mechanism,
    MonthlyCharges,
    Netting,
    NetworkLimit,
    Product,
    ResponseCall,
    Role,
    SelfTrade,
    Side,
    TradingPhase,
)
from wattbay.core.products import BLOCK
from wattbay.core.sales import ConcludeSale, SalePart
from wattbay.core.terms import (
    Block,
    Condition,
    ConditionKind,
    GridBalance,
    Kind,
    Leg,
    OrderTerms,
    TimeInForce,
)
from wattbay.ids import (
    MeterId,
    OrderId,
    OriginId,
    PartyId,
    PodId,
    ProductId,
    RunName,
    SignalId,
    TariffId,
    TradeId,
    ZoneId,
)
from wattbay.periods import HOUR, MINUTE, Instant

PODS = tuple(PodId(f"h{number:02d}") for number in range(1, 6))
PARTY_OF = dict(zip(PODS, ("p01", "p01", "p02", "p03", "p04"), strict=True))
"""Two pods are of one party, and one party pays in advance."""
DSO, OPERATOR, METERING = PartyId("dso"), PartyId("operator"), PartyId("metering")
SUPPLIERS = (PartyId("supplier"), PartyId("rival"))
DELIVERIES = tuple(Instant(MIDNIGHT + place * ISP_US) for place in range(3))
OVER = Instant(DELIVERIES[-1] + ISP_US)
FINAL_US = 4 * HOUR
BEGIN = Instant(MIDNIGHT - 4 * HOUR)


class Place(Protocol):
    """Where something is asked."""

    exchange: Exchange

    @property
    def at(self) -> int:
        """Now."""


def the_products() -> list[Product]:
    """Return a product of each mechanism; gates of several close at one instant."""
    base = structs.replace(a_product(), price_min=-100_000, price_max=300_000)
    zones = ("z1", "z2")
    fees = tuple(
        LocalFee(from_zone=ZoneId(one), to_zone=ZoneId(other), nano_per_wh=10_000 * (one != other))
        for one in zones
        for other in zones
    )

    def of(name: str, mechanism: Mechanism, closes: int, **more: object) -> Product:
        return structs.replace(
            base,
            product=ProductId(name),
            mechanism=mechanism,
            closes_before_us=closes,
            opens_before_us=12 * HOUR,
            **more,
        )

    return [
        of("ahead", Mechanism.CALL_AUCTION, 2 * HOUR, network_check_us=20 * MINUTE),
        of("spot", Mechanism.CALL_AUCTION, HOUR, network_fee=10_000),
        of(
            "intraday",
            Mechanism.CONTINUOUS,
            HOUR,
            opening_before_us=3 * HOUR,
            self_trade=SelfTrade.DECREMENT,
            position_max_wh=900,
            network_fee=10_000,
        ),
        # Traded until long after the delivery: until the very instant of the first run.
        of("after", Mechanism.CONTINUOUS, -ISP_US - HOUR, network_fees=fees),
        of("offers", Mechanism.BILATERAL, HOUR, network_fee=10_000),
        # Traded until the delivery ends.
        of("instant", Mechanism.BILATERAL, -ISP_US, position_max_wh=400),
        of("huang", Mechanism.SUBMITTED, HOUR, rule="huang", clearing_us=20 * MINUTE),
        of("day", Mechanism.SUBMITTED, HOUR, rule=BLOCK, clearing_us=30 * MINUTE),
        of(
            "shared",
            Mechanism.COMMUNITY,
            0,
            rule="mid_market",
            netting=Netting.PERIOD,
            deviations=Deviations.INDIVIDUAL,
        ),
    ]


BY_OPERATOR = ("huang", "day")
PRODUCTS = tuple(product.product for product in the_products())


def founding(chance: Random) -> list[c.Command]:
    """Return the commands that found the community; which product is listed first varies."""
    community = open_community()
    runs = with_runs([community], initial=HOUR, again=2 * HOUR, final=FINAL_US)
    monthly = MonthlyCharges(
        tiers=(EnergyTier(from_wh=200, nano_per_wh=5_000),), capacity_nano_per_w=7, minimum_nano=9
    )
    tariffs = (a_tariff(), structs.replace(a_tariff("other", export=-20_000), monthly=monthly))
    members = [a_party("p01"), a_party("p02"), a_party("p04", credit_limit_nano=40_000_000)]
    members.append(a_party("p03", funding=Funding.PREPAID, credit_limit_nano=0))
    roles = {
        DSO: Role.GRID_OPERATOR,
        OPERATOR: Role.MARKET_OPERATOR,
        METERING: Role.METERED_DATA_RESPONSIBLE,
        SUPPLIERS[0]: Role.SUPPLIER,
        SUPPLIERS[1]: Role.SUPPLIER,
    }
    products = the_products()
    chance.shuffle(products)
    return [
        *runs,
        *(c.RegisterParty(party=a_party(name, roles=(role,))) for name, role in roles.items()),
        *(c.RegisterParty(party=party) for party in members),
        *(c.DefineTariff(tariff=tariff) for tariff in tariffs),
        *(
            c.RegisterPod(
                facts=pod_facts(
                    pod,
                    party=PARTY_OF[pod],
                    zone=f"z{1 + place % 2}",
                    supplier=SUPPLIERS[place % 2],
                    brp=SUPPLIERS[place % 2],
                    tariff=("flat", "other")[place % 2],
                ),
                meter=a_meter(f"m-{pod}"),
            )
            for place, pod in enumerate(PODS)
        ),
        c.DepositMoney(pod=PODS[3], party=PartyId("p03"), amount_nano=60_000_000),
        *(c.DefineProduct(product=product) for product in products),
        *(list_deliveries(count=len(DELIVERIES), product=one.product) for one in products),
    ]


# --- what is asked ---------------------------------------------------------------------------


def _maybe(chance: Random, share: float = 0.5) -> bool:
    return chance.random() < share


def _instant(chance: Random) -> Instant:
    return Instant(BEGIN + chance.randint(0, 30) * 10 * MINUTE)


def _condition(chance: Random) -> Condition:
    kind = chance.choice([*ConditionKind])
    condition = Condition(kind=kind, is_at_least=_maybe(chance), level=chance.randint(-2, 3))
    match kind:
        case ConditionKind.SIGNAL:
            return structs.replace(condition, signal=SignalId("sun"))
        case ConditionKind.CLEARING_PRICE:
            return structs.replace(
                condition,
                level=chance.choice((90_000, 110_000)),
                product=chance.choice(PRODUCTS),
                delivery=chance.choice(DELIVERIES),
            )
        case ConditionKind.SURPLUS:
            return structs.replace(condition, delivery=chance.choice(DELIVERIES))
        case _:
            return condition


def _terms(chance: Random, product: ProductId, side: Side) -> OrderTerms | None:
    """Return what an order says besides; most of it fits its product, some does not."""
    if _maybe(chance, 0.4):
        return None
    said: dict[str, object] = {}
    if _maybe(chance, 0.3):
        said |= {"time_in_force": TimeInForce.GTD, "expires": _instant(chance)}
    elif _maybe(chance, 0.2):
        said["time_in_force"] = chance.choice([*TimeInForce])
    if _maybe(chance, 0.25):
        said["valid_from"] = _instant(chance)
    if _maybe(chance, 0.25):
        said["condition"] = _condition(chance)
    if _maybe(chance, 0.2):
        said["grid"] = chance.choice([*GridBalance])
    if product in {"intraday", "after"} and _maybe(chance):
        name, value = chance.choice(
            [
                ("peak_wh", chance.choice((10, 30))),
                ("min_quantity_wh", chance.choice((10, 50))),
                ("post_only", True),
                ("is_local", True),
                ("partner", PartyId(chance.choice(("p01", "p02", "nobody")))),
                ("wants" if side is Side.BUY else "origin", OriginId("solar/pv")),
            ]
        )
        said[name] = value
    return OrderTerms(**said)  # type: ignore[arg-type]


def _order(chance: Random, street: Place) -> c.PlaceOrder:
    open_now = [
        (product, delivery)
        for product, books in street.exchange.state.market.books.items()
        for delivery, book in books.items()
        if book.clears_at is None and delivery < OVER
    ]
    product, delivery = chance.choice(open_now or [(PRODUCTS[0], DELIVERIES[0])])
    side = chance.choice([*Side])
    limits = (-40_000, -10_000, 90_000, 100_000, 110_000, 120_000, 300_000)
    limit: int | None = chance.choice(limits)
    quantity = 10 * chance.randint(1, 20)
    terms = _terms(chance, product, side)
    if product == "day" and _maybe(chance, 0.6):
        profile = [chance.choice((40, 80, -20)) for _ in range(chance.randint(1, 3))]
        profile[chance.randrange(len(profile))] = 60
        quantity = sum(energy for energy in profile if energy > 0)
        ratio = chance.choice((1_000_000, 500_000))
        terms = OrderTerms(block=Block(profile=tuple(profile), min_ratio_ppm=ratio))
    elif product in {"intraday", "after"} and _maybe(chance, 0.2):
        stop = chance.choice((90_000, 110_000))
        kind = chance.choice((Kind.STOP, Kind.STOP_LIMIT, Kind.MARKET))
        limit = limit if kind is Kind.STOP_LIMIT else None
        terms = OrderTerms(kind=kind, stop=None if kind is Kind.MARKET else stop)
    elif product in {"intraday", "after"} and _maybe(chance, 0.1):
        other = chance.choice(DELIVERIES)
        leg = Leg(delivery=other, side=chance.choice([*Side]), quantity_wh=20, limit=100_000)
        terms = OrderTerms(time_in_force=TimeInForce.FOK, legs=(leg,))
    elif terms is None and _maybe(chance, 0.2):
        limit = None
    return c.PlaceOrder(
        pod=chance.choice(PODS),
        product=product,
        delivery=delivery,
        side=side,
        quantity_wh=quantity,
        limit=limit,
        terms=terms,
    )


def _about_orders(chance: Random, street: Place) -> c.Command:
    market = street.exchange.state.market
    pod, number = chance.choice(PODS), OrderId(chance.randint(1, market.next_order))
    if market.places and _maybe(chance, 0.9):
        number = chance.choice([*market.places])
        name, delivery = market.places[number]
        if _maybe(chance, 0.8):
            pod = market.books[name][delivery].orders[number].pod
    quantity = 10 * chance.randint(0, 20)
    limit = chance.choice((-10_000, 90_000, 100_000, 110_000, None))
    match chance.randrange(6):
        case 0:
            return c.CancelOrder(order=number, pod=pod)
        case 1:
            only = chance.choice((None, *DELIVERIES))
            return c.CancelOrders(pod=pod, product=chance.choice(PRODUCTS), delivery=only)
        case 2 | 3:
            return c.AmendOrder(order=number, pod=pod, quantity_wh=quantity, limit=limit)
        case 4:
            return c.TakeOffer(order=number, pod=pod, quantity_wh=max(10, quantity))
        case _:
            who = chance.choice((DSO, DSO, OPERATOR))
            return c.CurtailOrder(operator=who, order=number, quantity_wh=quantity, reason="cable")


def _of_operators(chance: Random, street: Place) -> c.Command:
    product, delivery = chance.choice(PRODUCTS), chance.choice(DELIVERIES)
    pod = chance.choice(PODS)
    match chance.randrange(8):
        case 0 | 1:
            who, pods = chance.choice(((DSO, None), (OPERATOR, None), (PartyId("p01"), PODS[0])))
            name = SignalId("sun" if pods is None else "charge")
            return c.GiveSignal(party=who, signal=name, value=chance.randint(-2, 3), pod=pods)
        case 2 | 3:
            term = LimitTerm(coefficient=chance.choice((-1, 1)), zone=ZoneId("z1"))
            limit = NetworkLimit(
                since=delivery,
                until=Instant(delivery + chance.choice((0, 1, 2)) * ISP_US),
                terms=(term,),
                bound_wh=chance.choice((-1, 0, 50)),
                reason="N4",
            )
            return c.SubmitLimit(operator=DSO, limit=limit)
        case 4:
            phase = chance.choice([*TradingPhase])
            product = chance.choice((product, ProductId("intraday"), ProductId("after")))
            return c.ChangePhase(
                operator=OPERATOR, product=product, delivery=delivery, phase=phase, reason="fault"
            )
        case 5:
            found = street.exchange.state.deliveries.open.get(delivery)
            known = [TradeId(1), *(() if found is None else found.trades)]
            number = chance.choice(known)
            return c.CancelTrade(operator=DSO, delivery=delivery, trade=number, reason="cable")
        case 6:
            energy = chance.randint(-50, 50)
            return c.ActivateEnergy(
                operator=DSO, pod=pod, delivery=delivery, energy_wh=energy, reason="cable"
            )
        case _:
            return c.CallResponse(
                call=ResponseCall(
                    caller=chance.choice((DSO, *SUPPLIERS)),
                    start=delivery,
                    count=1,
                    baseline=(Instant(delivery - ISP_US),),
                    rebate=50_000,
                    penalty=20_000,
                    tariff=TariffId("flat") if _maybe(chance) else None,
                    pods=() if _maybe(chance) else (pod,),
                )
            )


def _of_meters(chance: Random, at: int) -> c.Command:
    pod, delivery = chance.choice(PODS), chance.choice(DELIVERIES)
    energies = 10 * chance.randint(0, 30), 10 * chance.randint(0, 30)
    if _maybe(chance, 0.5):
        return c.SubstituteEnergy(
            responsible=METERING,
            pod=pod,
            delivery=delivery,
            import_wh=energies[0],
            export_wh=energies[1],
            reason="seen",
        )
    return c.PublishPrices(
        publisher=chance.choice((*SUPPLIERS, DSO)),
        tariff=TariffId(chance.choice(("flat", "other"))),
        start=delivery,
        energy=(chance.choice((-30_000, 90_000, 200_000)),),
        export=(chance.choice((-30_000, 50_000)),) if at < MIDNIGHT else (),
        zone=chance.choice((None, ZoneId("z1"))),
    )


def _batch(chance: Random, street: Place) -> c.EnterOrders:
    """Return a batch of steps, some of bad form, of what is traded continuously or not."""
    market = street.exchange.state.market
    product, delivery = ProductId(chance.choice(("intraday", "after"))), chance.choice(DELIVERIES)
    if _maybe(chance, 0.1):
        product = chance.choice(PRODUCTS)
    book = market.books[product].get(delivery)
    pods = tuple(chance.sample(PODS, 3))
    rows: list[int] = []
    for _ in range(chance.randint(1, 8)):
        code, place = chance.choice((1, 1, 1, 2, 3, 4)), chance.randrange(3)
        side, limit = chance.choice((-1, 1)), chance.choice((90_000, 100_000, 110_000, 120_000))
        row = [code, place, 0, side, limit, 10 * chance.randint(1, 20)]
        if code > 2:
            numbers = [market.next_order, *(() if book is None else book.orders)]
            row[2:4] = [chance.choice(numbers), 0]
        if code == 4:
            row[4:] = [0, 0]
        if _maybe(chance, 0.02):
            row[chance.randrange(6)] = chance.choice((-(2**62), 2**62, -1, 3))
        rows += row
    steps = packed(rows if _maybe(chance, 0.98) else rows[:-1])
    return c.EnterOrders(product=product, delivery=delivery, pods=pods, steps=steps)


def any_sale(chance: Random) -> ConcludeSale:
    """Return a sale that was agreed elsewhere; some of its parts may be too late, or too much."""
    seller, buyer = chance.sample(PODS, 2)
    starts = sorted(chance.sample(DELIVERIES, chance.randint(1, 3)))
    if _maybe(chance, 0.05):
        starts.reverse()
    return ConcludeSale(
        product=ProductId(chance.choice(("offers", "instant", "instant", chance.choice(PRODUCTS)))),
        seller=seller,
        buyer=buyer,
        price=chance.choice((-40_000, -10_000, 90_000, 120_000, 150_000, 300_000)),
        parts=tuple(
            SalePart(delivery=start, quantity_wh=10 * chance.randint(1, 20)) for start in starts
        ),
        proof=(b"bid",) * chance.randint(0, 2),
    )


def a_command(chance: Random, street: Place) -> c.Command:
    """Return anything that may be asked now."""
    match chance.choices(range(8), weights=[50, 18, 14, 6, 4, 8, 6, 6])[0]:
        case 0:
            return _order(chance, street)
        case 1:
            return _about_orders(chance, street)
        case 2:
            return _of_operators(chance, street)
        case 3:
            return _of_meters(chance, street.at)
        case 4:
            return _by_the_clock(chance)
        case 6:
            return _batch(chance, street)
        case 7:
            return any_sale(chance)
        case _:
            pod = chance.choice(PODS)
            boundary = Instant(MIDNIGHT + chance.randint(0, 3) * ISP_US)
            steps = (boundary - MIDNIGHT) // ISP_US
            return c.SubmitReading(
                meter=MeterId(f"m-{pod}"),
                boot=1,
                seq=steps,
                measured_at=boundary,
                import_register=90 * steps * (1 + PODS.index(pod) % 3),
                export_register=80 * steps * (1 + (PODS.index(pod) + 1) % 3),
                proof=b"",
            )


def _by_the_clock(chance: Random) -> c.Command:
    """Return what the clock alone may ask, at the wrong time."""
    product, delivery = chance.choice(PRODUCTS), chance.choice(DELIVERIES)
    order = OrderId(chance.randint(1, 30))
    asked: list[c.Command] = [
        c.CloseGate(product=product, delivery=delivery),
        c.ClearAuction(product=product, delivery=delivery),
        c.OpenTrading(product=product, delivery=delivery),
        c.SettlePeriod(delivery=delivery, run=RunName("initial")),
        c.ReleaseOrder(order=order, product=product, delivery=delivery),
        c.ExpireOrder(order=order, product=product, delivery=delivery),
        c.ReleaseOrder(order=order, product=ProductId("none"), delivery=Instant(7)),
        c.IssueStatements(month="2013-06"),
        c.ListDeliveries(product=product, day="2013-06-10", start=delivery, count=1),
    ]
    return chance.choice(asked)


def an_allocation(street: Place, chance: Random, delivery: Instant) -> c.SubmitAllocation:
    """Return an allocation between two pods that may be right."""
    known = [*street.exchange.state.metering.energy.get(delivery, {})]
    buyer, seller = chance.sample(known if len(known) > 1 else PODS, 2)
    trade = c.AllocatedTrade(
        buyer=buyer, seller=seller, quantity_wh=10, buy_price=90_000, sell_price=90_000
    )
    return c.SubmitAllocation(
        operator=OPERATOR,
        product=ProductId("shared"),
        delivery=delivery,
        rule="mid_market",
        trades=(trade,),
    )
