"""Two runs to show: a village of four homes whose every figure is known, and a made-up week."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec import structs
from typer.testing import CliRunner

from tests.builders import (
    EVE,
    MIDNIGHT,
    a_meter,
    a_party,
    a_product,
    a_reading,
    a_sale,
    an_order,
    list_deliveries,
    open_community,
    pod_facts,
)
from tests.made_run import make_run
from wattbay.adapters.files.run_folder import JOURNAL, TableWriter, write_json
from wattbay.adapters.files.tariffs import tariffs_document
from wattbay.cli.show import app
from wattbay.core.commands import (
    CancelOrder,
    DefineProduct,
    DefineTariff,
    IssueStatements,
    RegisterParty,
    RegisterPod,
)
from wattbay.core.events import OrderPlaced
from wattbay.core.facts import LocalFee, Mechanism, Product, Role, Side, Tariff, TaxRate
from wattbay.ids import PodId, TariffId, ZoneId
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.journal import SqliteJournal
from wattbay.kernel.kernel import Kernel
from wattbay.periods import DAY, HOUR, MINUTE, Instant, to_text
from wattbay.views.tables import TABLES, Tables

HALF_HOUR = 30 * MINUTE
START = Instant(MIDNIGHT - HOUR)
"""Midnight in London, in summer."""
PODS = ("h01", "h02", "h03", "h04")
ZONES = ("north", "north", "south", "north")
DELIVERIES = 4

TARIFF = Tariff(
    tariff=TariffId("flat"),
    energy=70_000,
    network_regional=45_500,
    network_local=(
        LocalFee(from_zone=ZoneId("north"), to_zone=ZoneId("north"), nano_per_wh=22_750),
        LocalFee(from_zone=ZoneId("north"), to_zone=ZoneId("south"), nano_per_wh=34_000),
    ),
    levy=20_000,
    export=46_400,
    standing_nano_per_day=160_000_000,
    tax=(TaxRate(since=Instant(EVE - DAY), ppm=50_000),),
)

REGISTERS = {
    # By pod: import and export of each delivery. [Wh]
    "h01": ((250, 0), (100, 0), (100, 0), (100, 0)),
    "h02": ((0, 380), (0, 100), (0, 100), (0, 100)),
    "h03": ((220, 0), (110, 0), (90, 0), (100, 0)),
    "h04": ((80, 0), (0, 0), (50, 0), (50, 0)),
}
SILENT = "h03"
"""Estimated at first, split later."""


class Shown(NamedTuple):
    """What a command printed and how it ended."""

    output: str
    errors: str
    """What it printed on standard error, as one line."""
    status: int
    error: BaseException | None

    @property
    def words(self) -> str:
        """The output as one line, as wrapped lines are read."""
        return " ".join(self.output.split())


Show = Callable[..., Shown]


@pytest.fixture
def show() -> Show:
    """Return what `wattbay show` answers, on a terminal of 80 columns without colour."""

    def run(*words: object) -> Shown:
        environment = {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
        result = CliRunner().invoke(app, [str(word) for word in words], env=environment)
        error = result.exception if not isinstance(result.exception, SystemExit) else None
        errors = " ".join(result.stderr.replace("│", "").split())
        return Shown(result.stdout, errors, result.exit_code, error)

    return run


@pytest.fixture(scope="session")
def village(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run folder of four homes: fills, a refusal, an estimate and its correction."""
    folder = tmp_path_factory.mktemp("runs") / "village"
    return _run(folder, a_product(orders_per_pod_max=2), _order)


@pytest.fixture(scope="session")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run folder of the same homes, where h02 sold to h01 at once in two deliveries."""
    product = structs.replace(a_product(), mechanism=Mechanism.BILATERAL)
    return _run(tmp_path_factory.mktemp("runs") / "board", product, _sell)


def _run(folder: Path, product: Product, order: Callable[[Kernel], None]) -> Path:
    folder.mkdir()
    tables = Tables()
    journal = SqliteJournal(folder / JOURNAL)
    kernel = Kernel(journal, SimulatedClock(EVE), [tables])
    _found(kernel, product)
    order(kernel)
    _meter(kernel)
    kernel.advance(Instant(START + 8 * DAY))
    kernel.submit(IssueStatements(month="2013-06"))
    _write(folder, kernel, tables)
    journal.close()
    return folder


@pytest.fixture(scope="session")
def week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a made-up run folder of sixty homes and a week, without journal or refusals."""
    return make_run(tmp_path_factory.mktemp("runs") / "week")


def _found(kernel: Kernel, product: Product) -> None:
    supplier = a_party("supplier", roles=(Role.SUPPLIER, Role.BALANCE_RESPONSIBLE))
    kernel.submit_many(
        [
            open_community(),
            RegisterParty(party=supplier),
            *(RegisterParty(party=a_party(f"p-{pod}")) for pod in PODS),
            DefineTariff(tariff=TARIFF),
            *(
                RegisterPod(
                    facts=pod_facts(pod, party=f"p-{pod}", since=START, zone=zone),
                    meter=a_meter(f"{pod}-m1"),
                )
                for pod, zone in zip(PODS, ZONES, strict=True)
            ),
            DefineProduct(product=product),
            list_deliveries(start=START, count=DELIVERIES),
        ]
    )


def _order(kernel: Kernel) -> None:
    """Let h01 and h03 share what h02 offers; h04 bids too little, and wrongly."""
    second = START + HALF_HOUR
    answers = kernel.submit_many(
        [
            an_order("h01", quantity_wh=300, limit=90_000, delivery=START),
            an_order("h02", side=Side.SELL, quantity_wh=400, limit=60_000, delivery=START),
            an_order("h03", quantity_wh=300, limit=90_000, delivery=START),
            an_order("h04", quantity_wh=100, limit=50_000, delivery=START),
            an_order("h04", quantity_wh=100, limit=50_005, delivery=START),
            an_order("h01", quantity_wh=100, limit=80_000, delivery=second),
            an_order("h02", side=Side.SELL, quantity_wh=100, limit=60_000, delivery=second),
            an_order("h04", quantity_wh=50, limit=70_000, delivery=second),
            # Of the third only offers, of the fourth only limits that do not meet.
            an_order("h02", side=Side.SELL, limit=60_000, delivery=second + HALF_HOUR),
            an_order("h01", limit=50_000, delivery=second + 2 * HALF_HOUR),
            an_order("h02", side=Side.SELL, limit=60_000, delivery=second + 2 * HALF_HOUR),
        ]
    )
    placed = answers[7].events[0]
    assert isinstance(placed, OrderPlaced)
    kernel.submit(CancelOrder(order=placed.order, pod=PodId("h04")))


def _sell(kernel: Kernel) -> None:
    """Let h02 sell to h01 in the first and the third delivery, as they agreed elsewhere."""
    proof = (b"bid", b"accept")
    sale = a_sale(300, 0, 100, since=START, seller="h02", buyer="h01", price=60_000, proof=proof)
    kernel.submit(sale)
    # Too much, in the fourth.
    much = a_sale(100_001, since=START + 3 * HALF_HOUR, seller="h02", buyer="h01")
    kernel.submit(much)


def _meter(kernel: Kernel) -> None:
    """Bring the registers at each boundary; h03 is silent until the first run is over."""
    for number in range(DELIVERIES + 1):
        at = Instant(START + number * HALF_HOUR)
        kernel.advance(at)
        for pod in PODS:
            if number == 0 or pod != SILENT:
                _read(kernel, pod, number, at)
    kernel.advance(Instant(START + 2 * DAY))
    _read(kernel, SILENT, DELIVERIES, Instant(START + DELIVERIES * HALF_HOUR))


def _read(kernel: Kernel, pod: str, number: int, at: Instant) -> None:
    before = REGISTERS[pod][:number]
    kernel.submit(
        a_reading(
            f"{pod}-m1",
            seq=number + 1,
            measured_at=at,
            import_register=sum(drawn for drawn, _ in before),
            export_register=sum(injected for _, injected in before),
        )
    )


def _write(folder: Path, kernel: Kernel, tables: Tables) -> None:
    tables.finish()
    writer = TableWriter(folder, TABLES)
    writer.write(tables.take())
    writer.finish()
    registry = kernel.exchange.state.registry
    product = next(iter(registry.products.values()))
    write_json(folder / "tariffs.json", tariffs_document(registry, product))
    start, end = START, START + DELIVERIES * HALF_HOUR
    document = {
        "id": "village", "title": "A village", "description": "Four homes, four half-hours",
        "time_zone": "Europe/London", "currency": "GBP", "minor_digits": 2,
        "start": to_text(start), "end": to_text(Instant(end)), "isp_minutes": 30,
        "gate": {"opens_before_minutes": 2 * 24 * 60, "closes_before_minutes": HOUR // MINUTE},
    }  # fmt: skip
    write_json(folder / "scenario.json", document)
