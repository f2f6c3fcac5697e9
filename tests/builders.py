"""One function a noun, every default stated, so that what a test names is what it is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wattbay.core.commands import (
    Command,
    DefineProduct,
    DefineTariff,
    DepositMoney,
    ListDeliveries,
    OpenCommunity,
    PlaceOrder,
    RegisterParty,
    RegisterPod,
    SubmitReading,
)
from wattbay.core.events import OrderPlaced
from wattbay.core.exchange import Exchange
from wattbay.core.facts import (
    Funding,
    Meter,
    Party,
    PodFacts,
    Product,
    Role,
    SettlementRun,
    Side,
    Tariff,
)
from wattbay.core.sales import ConcludeSale, SalePart
from wattbay.ids import (
    CommunityId,
    MeterId,
    OrderId,
    PartyId,
    PodId,
    ProductId,
    RequestId,
    RunName,
    TariffId,
    ZoneId,
)
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.codec import Entry, decode
from wattbay.kernel.journal import Journal, MemoryJournal
from wattbay.kernel.kernel import Kernel, Reader
from wattbay.periods import DAY, HOUR, MINUTE, Instant, instant

MIDNIGHT = instant("2013-06-10T00:00Z")
"""When the deliveries of `a_town` begin."""
EVE = Instant(MIDNIGHT - DAY)
"""When `a_town` is founded."""
ISP_US = 30 * MINUTE

NANO_PER_PENNY_KWH = 10_000


def a_party(
    party: str = "alice",
    *,
    roles: tuple[Role, ...] = (Role.PROSUMER,),
    credit_limit_nano: int = 1_000_000_000_000,
    funding: Funding = Funding.CREDIT_LIMIT,
) -> Party:
    return Party(
        party=PartyId(party), roles=roles, funding=funding, credit_limit_nano=credit_limit_nano
    )


def a_tariff(tariff: str = "flat", *, energy: int = 140_000, export: int = 40_000) -> Tariff:
    return Tariff(
        tariff=TariffId(tariff),
        energy=energy,
        network_regional=30_000,
        network_local=(),
        levy=10_000,
        export=export,
    )


def a_meter(meter: str = "m-h01", *, digits: int = 9, key: bytes = bytes(32)) -> Meter:
    return Meter(meter=MeterId(meter), key=key, digits=digits)


def pod_facts(
    pod: str = "h01",
    *,
    party: str = "alice",
    since: int = MIDNIGHT - DAY,
    supplier: str = "supplier",
    brp: str = "supplier",
    zone: str = "z1",
    tariff: str = "flat",
) -> PodFacts:
    return PodFacts(
        pod=PodId(pod),
        since=Instant(since),
        party=PartyId(party),
        zone=ZoneId(zone),
        supplier=PartyId(supplier),
        brp=PartyId(brp),
        tariff=TariffId(tariff),
        yearly_import_wh=3_000_000,
    )


def a_product(
    product: str = "halfhour",
    *,
    opens_before_us: int = 2 * DAY,
    closes_before_us: int = HOUR,
    orders_per_pod_max: int = 8,
) -> Product:
    return Product(
        product=ProductId(product),
        price_min=-500_000,
        price_max=500_000,
        quantity_max_wh=100_000,
        opens_before_us=opens_before_us,
        closes_before_us=closes_before_us,
        orders_per_pod_max=orders_per_pod_max,
    )


def open_community(
    community: str = "town", *, isp_us: int = ISP_US, first_run_us: int = DAY
) -> OpenCommunity:
    return OpenCommunity(
        community=CommunityId(community),
        currency="GBP",
        minor_digits=2,
        isp_us=isp_us,
        runs=(
            SettlementRun(name=RunName("initial"), after_us=first_run_us),
            SettlementRun(name=RunName("final"), after_us=first_run_us + 5 * DAY),
        ),
    )


def list_deliveries(
    *, day: str = "2013-06-10", start: int = MIDNIGHT, count: int = 48, product: str = "halfhour"
) -> ListDeliveries:
    return ListDeliveries(product=ProductId(product), day=day, start=Instant(start), count=count)


def an_order(
    pod: str = "h01",
    *,
    side: Side = Side.BUY,
    quantity_wh: int = 250,
    limit: int | None = 120_000,
    delivery: int = MIDNIGHT,
    product: str = "halfhour",
    request: str | None = None,
) -> PlaceOrder:
    return PlaceOrder(
        pod=PodId(pod),
        product=ProductId(product),
        delivery=Instant(delivery),
        side=side,
        quantity_wh=quantity_wh,
        limit=limit,
        request=None if request is None else RequestId(request),
    )


def a_sale(
    *quantities_wh: int,
    since: int = MIDNIGHT,
    product: str = "halfhour",
    seller: str = "h01",
    buyer: str = "h02",
    price: int = 90_000,
    proof: Sequence[bytes] = (),
    request: str | None = None,
) -> ConcludeSale:
    """Return a sale of so much in each delivery from one on; 0 leaves one out."""
    parts = tuple(
        SalePart(delivery=Instant(since + place * ISP_US), quantity_wh=quantity_wh)
        for place, quantity_wh in enumerate(quantities_wh or (300, 0, 100))
        if quantity_wh
    )
    return ConcludeSale(
        product=ProductId(product),
        seller=PodId(seller),
        buyer=PodId(buyer),
        price=price,
        parts=parts,
        proof=tuple(proof),
        request=None if request is None else RequestId(request),
    )


def an_order_placed(command: PlaceOrder | None = None, *, order: int = 1) -> OrderPlaced:
    command = an_order() if command is None else command
    return OrderPlaced(
        order=OrderId(order),
        pod=command.pod,
        product=command.product,
        delivery=command.delivery,
        side=command.side,
        quantity_wh=command.quantity_wh,
        limit=command.limit,
        hold_nano=command.quantity_wh * (command.limit or 0),
    )


def a_deposit(
    pod: str = "h01",
    *,
    party: str = "alice",
    amount_nano: int = 50_000_000_000,
    request: str | None = None,
) -> DepositMoney:
    return DepositMoney(
        pod=PodId(pod),
        party=PartyId(party),
        amount_nano=amount_nano,
        request=None if request is None else RequestId(request),
    )


def a_reading(
    meter: str = "m-h01",
    *,
    seq: int = 1,
    measured_at: int = MIDNIGHT,
    import_register: int = 0,
    export_register: int = 0,
    proof: bytes = b"signed",
) -> SubmitReading:
    return SubmitReading(
        meter=MeterId(meter),
        boot=1,
        seq=seq,
        measured_at=Instant(measured_at),
        import_register=import_register,
        export_register=export_register,
        proof=proof,
    )


def an_entry(
    seq: int = 1, *, at: int = EVE, command: PlaceOrder | None = None, order: int = 1
) -> Entry:
    command = an_order() if command is None else command
    return Entry(seq, Instant(at), command, (an_order_placed(command, order=order),))


def a_town(pods: int = 2, *, product: Product | None = None, deliveries: int = 48) -> list[Command]:
    """Return the commands that found a community: pods ``h01``... of parties ``p01``..., a day."""
    product = a_product() if product is None else product
    names = [f"{number:02d}" for number in range(1, pods + 1)]
    return [
        open_community(),
        RegisterParty(party=a_party("supplier", roles=(Role.SUPPLIER, Role.BALANCE_RESPONSIBLE))),
        *(RegisterParty(party=a_party(f"p{name}")) for name in names),
        DefineTariff(tariff=a_tariff()),
        *(
            RegisterPod(facts=pod_facts(f"h{name}", party=f"p{name}"), meter=a_meter(f"m-h{name}"))
            for name in names
        ),
        DefineProduct(product=product),
        list_deliveries(count=deliveries, product=product.product),
    ]


def an_exchange(*commands: Command, at: int = EVE) -> Exchange:
    """Return an exchange that has been through `commands`."""
    exchange = Exchange()
    for command in commands:
        for event in exchange.decide(command, Instant(at)):
            exchange.apply(event)
    return exchange


def a_kernel(
    *commands: Command,
    journal: Journal | None = None,
    clock: SimulatedClock | None = None,
    readers: Iterable[Reader] = (),
) -> Kernel:
    """Return a kernel at `EVE`, on a journal in memory, that has been through `commands`."""
    kernel = Kernel(
        MemoryJournal() if journal is None else journal,
        SimulatedClock(EVE) if clock is None else clock,
        readers,
    )
    kernel.submit_many(commands)
    return kernel


class CountedJournal(MemoryJournal):
    """A journal that tells how many entries each write brought."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def append(self, batch: Sequence[bytes]) -> None:
        self.sizes.append(len(batch))
        super().append(batch)


class Listener:
    """A reader that keeps what it hears."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def fold(self, entry: Entry) -> None:
        self.entries.append(entry)


def entries_of(journal: Journal) -> list[Entry]:
    """Return the entries of a journal."""
    return [decode(data, seq=seq) for seq, data, _ in journal.rows()]
