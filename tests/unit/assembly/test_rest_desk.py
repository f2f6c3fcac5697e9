"""A battery's way to its service: each sale has one outcome, whatever is lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
import pytest
from msgspec import structs

from tests.api_node import Bench, a_node
from tests.builders import ISP_US, MIDNIGHT, a_product
from tests.servers import until_async
from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.auctions import Conclude
from wattbay.adapters.etp.envelope import Identity, Scheme, Sealer, key_of
from wattbay.adapters.etp.messages import RejectCode, encode
from wattbay.adapters.rest.client import Problem, Refused, RestClient
from wattbay.assembly import rest_desk
from wattbay.assembly.rest_desk import Market, RestDesk, Sold, market_of, sold_before
from wattbay.assembly.sale_log import SaleLog
from wattbay.core.devices import RegisterDevice
from wattbay.core.events import Traded
from wattbay.core.facts import Device, DeviceKind, Mechanism, Product
from wattbay.errors import AdapterError, ConfigError
from wattbay.ids import MeterId, PodId
from wattbay.kernel.codec import decode
from wattbay.periods import Instant

BESS, BUYER = 101, 201
FEE, PRICE = 5_000, 155_000
DISCHARGE_W = 1_000
PRODUCT = structs.replace(
    a_product(closes_before_us=-ISP_US), mechanism=Mechanism.BILATERAL, network_fee=FEE
)
SALES = "/api/v1/sales"
LOST, AWAY = "lost", "away"
"""The service does what is wanted, and its answer is lost; or nobody hears what is wanted."""

UNDER_WAY = 409

Answered = TypeVar("Answered")


class Wire(RestClient):
    """A client whose service is in this process, and what is amiss on the way there."""

    def __init__(self, bench: Bench, thread: Executor) -> None:
        super().__init__("http://127.0.0.1:9", key="none")
        self.bench, self._thread = bench, thread
        self.amiss: list[str | int] = []
        """What becomes of the next sales: `LOST`, `AWAY` or a status."""
        self.sales = 0
        self.is_cut = False

    def _read(
        self,
        method: str,
        target: str,
        kind: type[Answered],
        body: object = None,
        headers: dict[str, str] | None = None,
    ) -> Answered:
        is_sale = target == SALES
        self.sales += is_sale
        fault = self.amiss.pop(0) if is_sale and self.amiss else None
        if fault == AWAY or self.is_cut:
            raise AdapterError("nobody answers")
        if isinstance(fault, int):
            kind_of_it = "in-flight" if fault == UNDER_WAY else "some"
            raise Refused(fault, Problem(kind=f"urn:wattbay:problem:{kind_of_it}", detail="why"))
        call = partial(self.bench.call, "p01", method, target, body, headers=headers)
        answer = self._thread.submit(call).result()
        if fault == LOST:
            raise AdapterError("broken off")
        if answer.status_code >= 400:
            raise Refused(answer.status_code, msgspec.json.decode(answer.content, type=Problem))
        return msgspec.json.decode(answer.content, type=kind)


def identity(device: int) -> Identity:
    return Identity(device, Scheme.ED25519, bytes([device]) * 32)


def a_market(product: Product = PRODUCT) -> Bench:
    bench = a_node(product=product)
    for device, pod in ((BESS, "h01"), (BUYER, "h02")):
        key = key_of(identity(device)).key
        name = MeterId(f"etp-{device}")
        known = Device(device=name, kind=DeviceKind.BATTERY, key=key, pod=PodId(pod))
        bench.submit(RegisterDevice(device=known))
    bench.advance(MIDNIGHT)
    return bench


def a_conclusion(number: int = 7, *, signed_by: int = BUYER) -> Conclude:
    """Return what a battery concludes that sold 400 Wh."""
    sealer = Sealer(identity(BUYER)._replace(secret=bytes([signed_by]) * 32), lambda: MIDNIGHT)
    both = (m.bid(number, BUYER, 15.5, 0.4), m.bid_confirm(number, BUYER, 15.5, 0.4))
    proof = tuple(sealer.seal(encode(one), BESS) for one in both)
    return Conclude((BUYER, number), PRICE, 400, proof)


class Scene(NamedTuple):
    """A desk and all that stands around it."""

    bench: Bench
    wire: Wire
    log: SaleLog
    desk: RestDesk
    said: list[str]

    def run(self, act: Callable[[RestDesk], Awaitable[Any]]) -> Any:  # noqa: ANN401 - whatever it does
        async def story() -> Any:  # noqa: ANN401 - likewise
            return await asyncio.wait_for(act(self.desk), 20.0)

        return asyncio.run(story())

    def conclude(self, number: int = 7, *, signed_by: int = BUYER) -> int | None:
        sale = a_conclusion(number, signed_by=signed_by)
        found: int | None = self.run(lambda desk: desk.conclude(BESS, sale))
        return found

    @property
    def trades(self) -> list[Traded]:
        entries = [decode(data) for _, data, _ in self.bench.journal.rows(1)]
        return [event for entry in entries for event in entry.events if type(event) is Traded]


@pytest.fixture
def thread() -> Iterator[Executor]:
    """One in which the service is: what it reads from is a thread's own."""
    with ThreadPoolExecutor(1) as made:
        yield made


@pytest.fixture
def scene(tmp_path: Path, thread: Executor, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setattr(rest_desk, "AGAIN_S", 0.001)
    made = a_scene(Wire(thread.submit(a_market).result(), thread), tmp_path)
    yield made
    made.log.close()


def a_scene(wire: Wire, folder: Path) -> Scene:
    log, said = SaleLog(folder / "sales.jsonl", 10_000.0), list[str]()
    desk = RestDesk(wire, the_market(wire), log, DISCHARGE_W, said.append)
    return Scene(wire.bench, wire, log, desk, said)


def the_market(wire: Wire) -> Market:
    return market_of(wire, "h01", "halfhour")


# --- what is sold ----------------------------------------------------------------------------


def test_sale_begins_now_and_the_next_goes_behind_it(scene: Scene) -> None:
    first, second = scene.conclude(7), scene.conclude(8)
    assert first is not None
    assert second == first + 1
    # 400 Wh at 1 kW take 24 minutes, of half-hours.
    assert [(one.delivery - MIDNIGHT, one.quantity_wh) for one in scene.trades] == [
        (0, 400), (0, 100), (ISP_US, 300),
    ]  # fmt: skip
    assert {(one.sell_price, one.buy_price) for one in scene.trades} == {(PRICE - FEE, PRICE)}


def test_what_was_sold_is_read_back(scene: Scene) -> None:
    first, second = scene.conclude(7), scene.conclude(8)
    assert first is not None
    assert second is not None
    assert list(sold_before(scene.wire, scene.desk.market, BESS)) == [
        Sold((BUYER, 7), PRICE, 400, first, Instant(MIDNIGHT + ISP_US)),
        Sold((BUYER, 8), PRICE, 400, second, Instant(MIDNIGHT + 2 * ISP_US)),
    ]
    assert not list(sold_before(scene.wire, scene.desk.market, BESS + 1))
    scene.desk.take_up(Instant(MIDNIGHT + 4 * ISP_US))
    scene.conclude(9)
    assert scene.trades[-1].delivery == MIDNIGHT + 4 * ISP_US


@pytest.mark.parametrize(
    "amiss", [[LOST], [AWAY], [AWAY, LOST, AWAY, LOST], [503], [500, LOST, 429, UNDER_WAY]]
)
def test_sale_is_brought_until_it_is_answered_and_is_one(
    scene: Scene, amiss: list[str | int]
) -> None:
    scene.wire.amiss = list(amiss)
    entry = scene.conclude()
    assert entry is not None
    assert scene.wire.sales == len(amiss) + 1
    assert len(scene.trades) == 1
    assert not scene.desk.is_away
    assert [*scene.log.pending] == ["etp-65-c9-7"]
    scene.desk.finished(entry, 9_600.0)
    assert (scene.log.pending, scene.log.level_wh) == ({}, 9_600.0)
    scene.desk.finished(entry, 1.0)
    assert scene.log.level_wh == 9_600.0


def test_service_that_is_away_and_comes_back_is_told_once(scene: Scene) -> None:
    scene.wire.amiss = [AWAY, AWAY, AWAY]
    scene.conclude()
    assert scene.said == ["nobody answers: trying again", "the service answers again"]


# --- what is not -----------------------------------------------------------------------------


def test_sale_that_is_refused_leaves_the_battery_free(scene: Scene) -> None:
    assert scene.conclude(signed_by=9) is None
    assert not scene.log.pending
    assert "not signed by the key of etp-201" in scene.said[0]
    assert scene.conclude(8) is not None
    assert [(one.delivery, one.quantity_wh) for one in scene.trades] == [(MIDNIGHT, 400)]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_who_calls_is_refused_at_once_only_where_nothing_was_brought_before(
    scene: Scene, status: int
) -> None:
    scene.wire.amiss = [status]
    assert scene.conclude(7) is None
    assert scene.wire.sales == 1
    # Whether it stands is another question than who asks.
    scene.wire.amiss = [LOST, status, status]
    assert scene.conclude(8) is not None
    assert scene.wire.sales == 5
    assert scene.said[-1] == "why: trying again"


def test_sale_that_is_unknown_when_we_stop_is_finished_at_the_next_start(
    scene: Scene, tmp_path: Path
) -> None:
    async def act(desk: RestDesk) -> None:
        scene.wire.amiss = [LOST, *[AWAY] * 10_000]
        work = asyncio.create_task(desk.conclude(BESS, a_conclusion()))
        await until_async(lambda: scene.wire.sales > 2, "it is brought again")
        desk.stop()
        with pytest.raises(AdapterError, match="start again for it"):
            await work

    scene.run(act)
    scene.log.close()
    again = a_scene(scene.wire, tmp_path)
    assert [*again.log.pending] == ["etp-65-c9-7"]
    scene.wire.amiss = [401, AWAY]
    again.run(lambda desk: desk.finish_pending())
    assert (again.log.pending, again.log.level_wh) == ({}, 9_600.0)
    assert len(scene.trades) == 1
    again.run(lambda desk: desk.finish_pending())
    assert again.log.level_wh == 9_600.0
    again.log.close()


def test_pending_sale_that_is_refused_takes_nothing_off_the_battery(
    scene: Scene, tmp_path: Path
) -> None:
    async def act(desk: RestDesk) -> None:
        scene.wire.amiss = [AWAY] * 10_000
        work = asyncio.create_task(desk.conclude(BESS, a_conclusion(signed_by=9)))
        await until_async(lambda: scene.wire.sales > 1, "it is brought again")
        desk.stop()
        with pytest.raises(AdapterError):
            await work

    scene.run(act)
    scene.log.close()
    again = a_scene(scene.wire, tmp_path)
    scene.wire.amiss = []
    again.run(lambda desk: desk.finish_pending())
    assert (again.log.pending, again.log.level_wh, scene.trades) == ({}, 10_000.0, [])
    again.log.close()


# --- what is known before --------------------------------------------------------------------


def test_bid_is_not_accepted_while_the_service_is_away_or_out_of_bounds(
    scene: Scene,
) -> None:
    assert scene.desk.fault(BUYER, PRICE, 400) is None
    assert scene.desk.fault(BUYER, PRODUCT.price_max + FEE, 400) is None
    for price in (PRODUCT.price_max + FEE + 10, PRODUCT.price_min + FEE - 10):
        assert scene.desk.fault(BUYER, price, 400) is RejectCode.MARKET_REFUSED
    # A hundred half-hours at 1 kW.
    assert scene.desk.fault(BUYER, PRICE, 50_000) is None
    assert scene.desk.fault(BUYER, PRICE, 51_000) is RejectCode.MARKET_REFUSED
    scene.wire.is_cut = True
    scene.run(lambda desk: desk.look())
    assert scene.desk.fault(BUYER, PRICE, 400) is RejectCode.MARKET_REFUSED
    scene.wire.is_cut = False
    scene.run(lambda desk: desk.look())
    assert scene.desk.fault(BUYER, PRICE, 400) is None


def test_charge_is_told_where_the_service_takes_it(scene: Scene) -> None:
    assert scene.run(lambda desk: desk.tell_charge(-1)) is None
    assert not scene.desk.is_away
    assert scene.run(lambda desk: desk.tell_charge(8_400)) == scene.bench.journal.last_seq
    scene.wire.is_cut = True
    assert scene.run(lambda desk: desk.tell_charge(8_400)) is None
    assert scene.desk.is_away


def test_sale_begins_once_the_pod_is_connected(scene: Scene, tmp_path: Path) -> None:
    later = scene.desk.market._replace(not_before=Instant(MIDNIGHT + 2 * ISP_US))
    log = SaleLog(tmp_path / "other.jsonl", 1_000.0)
    desk = RestDesk(scene.wire, later, log, DISCHARGE_W, scene.said.append)
    scene._replace(desk=desk).conclude()
    assert [one.delivery for one in scene.trades] == [MIDNIGHT + 2 * ISP_US]
    log.close()


@pytest.mark.parametrize(
    ("product", "name", "remedy"),
    [(PRODUCT, "other", "halfhour"), (a_product(), "halfhour", "a bilateral one")],
)
def test_product_in_which_nothing_is_brought_is_told(
    thread: Executor, product: Product, name: str, remedy: str
) -> None:
    wire = Wire(thread.submit(a_market, product).result(), thread)
    with pytest.raises(ConfigError) as found:
        market_of(wire, "h01", name)
    assert found.value.faults[0].remedy == remedy


def test_pod_of_somebody_else_is_told(scene: Scene) -> None:
    with pytest.raises(Refused, match="there is no pod h02 that you may see"):
        market_of(scene.wire, "h02", "halfhour")
