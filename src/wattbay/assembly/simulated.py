"""A simulated community: its clock is told, and a made-up world stands at the ends of the wires."""

from __future__ import annotations

import platform
import resource
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from wattbay import __version__
from wattbay.adapters.files import comparison as comparison_files
from wattbay.adapters.files import run_folder
from wattbay.adapters.files.run_folder import TableWriter, write_csv, write_json
from wattbay.adapters.files.tariffs import tariffs_document
from wattbay.adapters.files.totals import Total, totals
from wattbay.adapters.report import build, build_comparison
from wattbay.core.registry import pool_price
from wattbay.errors import ensure
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.intake import SimulatedIntake
from wattbay.kernel.journal import Journal, MemoryJournal, SqliteJournal
from wattbay.kernel.kernel import Kernel, Reader
from wattbay.periods import MINUTE, Instant, tile, to_text
from wattbay.simulation.baseline import charge_value_nano, run_baseline
from wattbay.simulation.comparison.document import Compared, Comparison
from wattbay.simulation.comparison.rules import Ground, chosen
from wattbay.simulation.founding import founded_at
from wattbay.simulation.scenario_facts import Scenario
from wattbay.simulation.town import Progress, Town, operator_desk
from wattbay.views.market import Auctions
from wattbay.views.meters import MeterKeys
from wattbay.views.tables import TABLES, Column, Row, Tables, columns

WORLD_TABLES: Mapping[str, tuple[Column, ...]] = MappingProxyType(
    {
        "devices": columns(
            "delivery_start:instant pod:text load_wh:int pv_wh:int charge_wh:int discharge_wh:int"
            " soc_wh:int"
        ),
        "baseline": columns(
            "pod:text baseline_nano:int baseline_import_wh:int baseline_export_wh:int"
            " baseline_charge_nano:int market_charge_nano:int"
        ),
        "signals": columns(
            "delivery_start:instant carbon_g_per_kwh:float"
            " baseline_import_wh:int baseline_export_wh:int"
        ),
    }
)
"""What the simulated world knows beside what the journal says."""
COMMANDS_WAITING_MAX = 1_000_000
"""At one instant every home may publish and order."""
DELIVERIES_PER_WRITE = 48
"""How often rows go to the writer."""
MEGABYTE = 1_000_000
MILLISECONDS = 1_000


class SimulatedRun:
    """A scenario, lived through in a run folder."""

    def __init__(
        self,
        scenario: Scenario,
        folder: Path,
        *,
        in_memory: bool = False,
        force: bool = False,
        resume: bool = False,
        csv: bool = False,
    ) -> None:
        """Prepare a run; nothing is written but the folder itself.

        Parameters
        ----------
        in_memory
            Keep the journal in memory: nothing to verify later.
        force, resume
            What to do with a run that is there: write it anew, or continue it.
        csv
            Write the tables as CSV, too.

        Raises
        ------
        ConfigError
            If the folder is taken.
        """
        self._begun = time.perf_counter(), time.process_time()
        run_folder.prepare(folder, force=force, resume=resume)
        self.scenario = scenario
        self._folder = folder
        self._csv = csv
        self._journal: Journal = (
            MemoryJournal()
            if in_memory
            else SqliteJournal(folder / run_folder.JOURNAL, resume=resume)
        )
        self._tables = Tables()
        auctions, keys = Auctions(scenario.product.product), MeterKeys()
        desks = operator_desk(scenario)
        readers: list[Reader] = [self._tables, auctions, keys, *desks]
        self._kernel = Kernel(self._journal, SimulatedClock(founded_at(scenario)), readers)
        door = SimulatedIntake(self._kernel, COMMANDS_WAITING_MAX)
        self._town = Town(scenario, door, auctions, keys, *desks)
        self._writer = TableWriter(folder, {**TABLES, **WORLD_TABLES})

    def steps(self) -> Iterator[Progress]:
        """Live through all deliveries; tell after each how far the run has come."""
        for progress in self._town.run():
            if progress.done % DELIVERIES_PER_WRITE == 0:
                self._write()
            yield progress

    def finish(self) -> dict[str, Total]:
        """Write everything that the run folder promises; return the summary."""
        self._tables.finish()
        self._write()
        self._writer.write(self._world())
        self._writer.finish()
        head, entries = self._journal.head.hex(), self._journal.last_seq
        self._journal.close()
        self._check()
        state = self._kernel.exchange.state
        write_json(
            self._folder / "tariffs.json", tariffs_document(state.registry, self.scenario.product)
        )
        write_json(self._folder / "scenario.json", self._description())
        write_json(self._folder / "pods.json", self._pods())
        summary: dict[str, Total] = {
            "format": run_folder.FORMAT,
            "scenario": self.scenario.id,
            "seed": self.scenario.seed,
            "pods": len(self.scenario.homes),
            "days": len(self.scenario.days),
            "journal_head": head,
            "entries": entries,
            "totals": {
                **totals(self._folder),
                "faults_injected": dict(sorted(self._town.injected.items())),
                "refused_at_wire": dict(sorted(self._town.refused_at_wire.items())),
            },
        }
        write_json(self._folder / run_folder.SUMMARY, summary)
        build(self._folder)
        if self._csv:
            write_csv(self._folder, self.scenario.calendar.zone)
        summary["machine"] = self._machine()
        write_json(self._folder / run_folder.SUMMARY, summary)
        return summary

    def _write(self) -> None:
        """Hand rows that are final to the writer."""
        self._writer.write(self._tables.take())
        self._writer.write({"devices": self._town.device_rows()})

    def _check(self) -> None:
        """Make sure that nothing was lost: what the tests promise is asked of every run."""
        state = self._kernel.exchange.state
        ensure(sum(state.ledger.money.values()) == 0, "money over all accounts sums to zero")
        ensure(state.ledger.money.get("pool", 0) == 0, "the pool keeps nothing")
        ensure(not state.ledger.held, "no hold remains")
        ensure(not state.ledger.energy, "every delivery's energy accounts are closed")

    def _world(self) -> dict[str, list[Row]]:
        """Return what the simulated world knows beside: a life without a market, and signals."""
        scenario, town = self.scenario, self._town
        alone = run_baseline(scenario)
        charged = charge_value_nano(scenario, town.charge_start_wh, town.charge_wh)
        by_home = zip(
            (home.pod for home in scenario.homes),
            alone.cost_nano.tolist(),
            alone.import_wh.tolist(),
            alone.export_wh.tolist(),
            alone.charge_nano.tolist(),
            charged.tolist(),
            strict=True,
        )
        by_delivery = zip(
            self._deliveries(),
            self._carbon(),
            alone.drawn_wh.tolist(),
            alone.injected_wh.tolist(),
            strict=True,
        )
        return {"baseline": list(by_home), "signals": list(by_delivery)}

    def _deliveries(self) -> list[Instant]:
        """Return the start of each delivery, in order."""
        return [
            delivery.start
            for _, day in self.scenario.days
            for delivery in tile(day, self.scenario.isp_us)
        ]

    def _carbon(self) -> list[float | None]:
        """Return the carbon intensity of each delivery, None where nobody knows. [g/kWh]"""
        series = self.scenario.series
        known = series.carbon_g_per_kwh
        return [
            None if known is None else float(known[series.row(start)])
            for start in self._deliveries()
        ]

    def _description(self) -> dict[str, object]:
        """Return what a reader of the run must know of its scenario."""
        scenario = self.scenario
        registry = self._kernel.exchange.state.registry
        return {
            "format": run_folder.FORMAT,
            "id": scenario.id,
            "community": scenario.community,
            "title": scenario.title,
            "description": scenario.description,
            "time_zone": scenario.calendar.zone,
            "currency": scenario.currency,
            "minor_digits": scenario.minor_digits,
            "start": to_text(scenario.start),
            "end": to_text(scenario.end),
            "days": len(scenario.days),
            "isp_minutes": scenario.isp_us // MINUTE,
            "seed": scenario.seed,
            "pool_price_nano_per_wh": pool_price(registry, scenario.product, scenario.start),
            "runs": [
                {"name": run.name, "after_minutes": run.after_us // MINUTE} for run in scenario.runs
            ],
            "gate": {
                "opens_before_minutes": scenario.product.opens_before_us // MINUTE,
                "closes_before_minutes": scenario.product.closes_before_us // MINUTE,
            },
            "attribution": list(scenario.attribution),
        }

    def _pods(self) -> list[dict[str, object]]:
        """Return what stands behind each pod."""
        return [
            {
                "pod": home.pod,
                "party": home.party,
                "zone": home.zone,
                "pv_kwp": home.pv_kwp,
                "battery_wh": 0 if home.battery is None else round(home.battery.capacity_wh),
                "strategy": home.strategy,
            }
            for home in self.scenario.homes
        ]

    def _machine(self) -> dict[str, Total]:
        """Return what the run took here: all that may differ between two equal runs."""
        wall, cpu = self._begun
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        cpu_seconds = time.process_time() - cpu
        home_days = len(self.scenario.homes) * len(self.scenario.days)
        return {
            "wattbay": __version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "cpu_seconds": round(cpu_seconds, 3),
            "cpu_ms_per_home_day": round(cpu_seconds * MILLISECONDS / home_days, 3),
            "wall_seconds": round(time.perf_counter() - wall, 3),
            # Linux counts in kB, macOS in bytes.
            "peak_memory_mb": round(peak / (MEGABYTE if sys.platform == "darwin" else 1_000), 1),
        }


class SimulatedComparison:
    """A scenario under many rules, on the same meters."""

    def __init__(self, scenario: Scenario, names: Sequence[str]) -> None:
        """Prepare a comparison; nothing is lived through yet.

        Raises
        ------
        ConfigError
            If there is no rule of a name.
        """
        self.rules = chosen(names)
        """In the order in which they are taken."""
        self._ground = Ground(scenario)
        self._comparison = Comparison(scenario)
        self.cpu_seconds: dict[str, float] = {}
        """By rule: what it took, with the lives that no rule before it needed."""

    def steps(self) -> Iterator[Compared]:
        """Take one rule after the other; tell what each came to."""
        for rule in self.rules:
            begun = time.process_time()
            row = self._comparison.take(rule, rule.run(self._ground))
            self.cpu_seconds[rule.name] = round(time.process_time() - begun, 3)
            yield row

    def document(self) -> dict[str, object]:
        """Return what all rules came to. Only `machine` may differ from one time to the next."""
        return {
            **self._comparison.document(),
            "machine": {
                "wattbay": __version__,
                "python": platform.python_version(),
                "platform": platform.platform(),
                "cpu_seconds": self.cpu_seconds,
            },
        }

    def write(self, folder: Path) -> Path:
        """Write the comparison and its page into a folder; return the page."""
        rows = self._comparison.rows
        tables: dict[str, list[Row]] = {
            "compare-homes": [home for row in rows for home in row.homes],
            "compare-prices": [price for row in rows for price in row.prices],
        }
        comparison_files.write(folder, self.document(), tables)
        return build_comparison(folder)
