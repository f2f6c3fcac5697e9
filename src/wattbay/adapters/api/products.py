"""Products: what can be traded, when, and in which steps."""

from __future__ import annotations

from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from wattbay.access.roles import Permission
from wattbay.adapters.api.answers import answer, read, settled
from wattbay.adapters.api.callers import Who, check, node_of
from wattbay.adapters.api.forms import Amount, Id, Number, Positive, whole
from wattbay.adapters.api.market import market
from wattbay.adapters.api.orders import accepted
from wattbay.adapters.api.repeats import recorded
from wattbay.adapters.api.sections import Section
from wattbay.adapters.api.tariffs import LIST_MAX, FeeTold
from wattbay.core.commands import DefineProduct
from wattbay.core.facts import (
    Deviations,
    LocalFee,
    Margin,
    Mechanism,
    Netting,
    Pricing,
    Product,
    SelfTrade,
)
from wattbay.ids import ProductId, ZoneId

products = Section(market.tag, market.about)

Rule = Annotated[str, whole(r"^[A-Za-z0-9_\-]{0,64}$")]


class ProductTold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A product: what can be traded, when, in which steps, and how deviations are settled."""

    product: Id
    mechanism: Mechanism = Mechanism.CALL_AUCTION
    rule: Rule = ""
    """Of a submitted or community product: by what it is cleared."""
    pricing: Pricing = Pricing.UNIFORM
    """What a trade of an auction pays."""
    margin: Margin = Margin.PRO_RATA
    """How the last price level of an auction is shared."""
    price_tick_nano_per_wh: Positive = 10
    energy_tick_wh: Positive = 1
    price_min_nano_per_wh: Number
    price_max_nano_per_wh: Number
    reference_nano_per_wh: Number | None = None
    """To which an auction's price is drawn where several would do."""
    quantity_max_wh: Positive = 1_000_000
    orders_per_pod_max: Positive = 8
    """Open orders of one pod for one delivery."""
    position_max_wh: Positive | None = None
    """The most that a pod may have bought, or sold, of a delivery, its open orders included."""
    opens_before_us: Number
    """The gate opens so long before the start of the delivery."""
    closes_before_us: Number
    """It closes so long before; negative: inside or after it."""
    network_check_us: Amount = 0
    """How long the grid operator has after gate closure, where there is one."""
    clearing_us: Amount = 0
    """How long the operator has to submit a result of a submitted product, after that."""
    opening_before_us: Number | None = None
    """Continuous trading opens with an auction so long before the delivery; null: at once."""
    self_trade: SelfTrade | None = None
    """Who gives way in continuous trading; null lets a party meet itself."""
    network_fee_nano_per_wh: Amount = 0
    """Added once to what the buyer pays: buy limits are all-in."""
    network_fees: Annotated[tuple[FeeTold, ...], msgspec.Meta(max_length=LIST_MAX)] = ()
    """Of continuous trading, by zone of seller and buyer; a pair that is missing cannot trade."""
    deviations: Deviations = Deviations.POOLED
    """How what was metered otherwise than traded is settled."""
    pool_price_nano_per_wh: Number | None = None
    """Null: the middle between the lowest retail energy price and the highest export price."""
    single_price_nano_per_wh: Number | None = None
    short_price_nano_per_wh: Number | None = None
    long_price_nano_per_wh: Number | None = None
    netting: Netting = Netting.NONE
    """Whether import and export of one pod within one delivery are set off."""


class ProductMade(msgspec.Struct, frozen=True, kw_only=True):
    """A product is offered."""

    entry: int
    product: str


_PRODUCT = ProductTold(
    product="halfhour",
    price_min_nano_per_wh=-500_000,
    price_max_nano_per_wh=500_000,
    quantity_max_wh=100_000,
    opens_before_us=172_800_000_000,
    closes_before_us=3_600_000_000,
)


@products.get(
    "/products",
    needs=(Permission.READ_MARKET,),
    answer=tuple[ProductTold, ...],
    gives=(_PRODUCT,),
    is_tagged=True,
)
async def list_products(request: Request, who: Who) -> Response:
    """List what can be traded, in order of definition."""
    check(request, who, Permission.READ_MARKET)
    known = node_of(request).state().registry.products.values()
    return settled(request, [_told(product) for product in known])


@products.post(
    "/products",
    needs=(Permission.MANAGE_MARKET,),
    body=ProductTold,
    sends=_PRODUCT,
    answer=ProductMade,
    gives=ProductMade(entry=14, product="halfhour"),
    status=201,
    refuses=(409,),
    is_repeatable=True,
)
async def define_product(request: Request, who: Who) -> Response:
    """Offer a product. It never changes: define another one.

    Its deliveries need not be listed by anybody: the service lists each local day by itself, an
    hour before the first gate of that day opens.
    """
    check(request, who, Permission.MANAGE_MARKET)
    told = await read(request, ProductTold)
    node = node_of(request)

    async def act() -> Response:
        found = accepted(await node.submit(DefineProduct(product=_product(told))))
        made = ProductMade(entry=found.seq, product=told.product)
        return answer(made, 201, entry=found.seq)

    return await recorded(request, who, act)


def _told(product: Product) -> ProductTold:
    """Return a product as it is told."""
    return ProductTold(
        product=product.product,
        mechanism=product.mechanism,
        rule=product.rule,
        pricing=product.pricing,
        margin=product.margin,
        price_tick_nano_per_wh=product.price_tick,
        energy_tick_wh=product.energy_tick,
        price_min_nano_per_wh=product.price_min,
        price_max_nano_per_wh=product.price_max,
        reference_nano_per_wh=product.reference,
        quantity_max_wh=product.quantity_max_wh,
        orders_per_pod_max=product.orders_per_pod_max,
        position_max_wh=product.position_max_wh,
        opens_before_us=product.opens_before_us,
        closes_before_us=product.closes_before_us,
        network_check_us=product.network_check_us,
        clearing_us=product.clearing_us,
        opening_before_us=product.opening_before_us,
        self_trade=product.self_trade,
        network_fee_nano_per_wh=product.network_fee,
        network_fees=tuple(
            FeeTold(from_zone=fee.from_zone, to_zone=fee.to_zone, nano_per_wh=fee.nano_per_wh)
            for fee in product.network_fees
        ),
        deviations=product.deviations,
        pool_price_nano_per_wh=product.pool_price,
        single_price_nano_per_wh=product.single_price,
        short_price_nano_per_wh=product.short_price,
        long_price_nano_per_wh=product.long_price,
        netting=product.netting,
    )


def _product(told: ProductTold) -> Product:
    """Return a product as the exchange takes it."""
    return Product(
        product=ProductId(told.product),
        mechanism=told.mechanism,
        rule=told.rule,
        pricing=told.pricing,
        margin=told.margin,
        price_tick=told.price_tick_nano_per_wh,
        energy_tick=told.energy_tick_wh,
        price_min=told.price_min_nano_per_wh,
        price_max=told.price_max_nano_per_wh,
        reference=told.reference_nano_per_wh,
        quantity_max_wh=told.quantity_max_wh,
        orders_per_pod_max=told.orders_per_pod_max,
        position_max_wh=told.position_max_wh,
        opens_before_us=told.opens_before_us,
        closes_before_us=told.closes_before_us,
        network_check_us=told.network_check_us,
        clearing_us=told.clearing_us,
        opening_before_us=told.opening_before_us,
        self_trade=told.self_trade,
        network_fee=told.network_fee_nano_per_wh,
        network_fees=tuple(
            LocalFee(
                from_zone=ZoneId(fee.from_zone),
                to_zone=ZoneId(fee.to_zone),
                nano_per_wh=fee.nano_per_wh,
            )
            for fee in told.network_fees
        ),
        deviations=told.deviations,
        pool_price=told.pool_price_nano_per_wh,
        single_price=told.single_price_nano_per_wh,
        short_price=told.short_price_nano_per_wh,
        long_price=told.long_price_nano_per_wh,
        netting=told.netting,
    )
