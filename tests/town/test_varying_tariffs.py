"""Homes whose prices vary, lived through over days on which the clocks change both ways."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest

from tests.towns import lived
from wattbay.core.events import DeliveriesListed, PricesPublished
from wattbay.kernel.codec import decode
from wattbay.kernel.replay import rebuild, state_digest, verify
from wattbay.periods import Calendar, Instant
from wattbay.simulation.scenario import PACKAGED, load_scenario

SCRIPT = Path(__file__).parents[1] / "independent" / "recompute.py"
LONDON = Calendar("Europe/London")
DAYS = """\
[[time.days]]
first = 2013-03-31
last = 2013-03-31

[[time.days]]
first = 2013-10-27
last = 2013-10-27
"""
"""46 half-hours, then 50."""
GRID = """\
[[tariff.grid_stability]]
steps = [{ from_ppm = 500_000, cents_per_kwh = 2 }, { from_ppm = 900_000, cents_per_kwh = -1 }]

[[tariff.critical_peak]]
from = 2013-10-27T18:00:00
to = 2013-10-27T19:30:00
cents_per_kwh = 40
holds = "instead"

[[tariff.indexed]]
component = "export"
series = "export_c"
"""
"""A zone that is strained half the time, a called peak, and an export price around zero."""


def called(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Call Python as a person would."""
    return subprocess.run(
        [sys.executable, *map(str, words)], check=False, capture_output=True, text=True, timeout=120
    )


def write(folder: Path) -> Path:
    """Write a scenario in which every model is at work, on both days of the year that are odd."""
    text = (PACKAGED / "london-tariffs.toml").read_text(encoding="utf-8")
    first, last = text.index("[[time.days]]"), text.index("[data]")
    text = text[:first] + DAYS + "\n" + text[last:]
    text = text.replace('"data/', f'"{PACKAGED.as_posix()}/data/')
    packaged = f"{PACKAGED.as_posix()}/data/london_2013_signals.parquet"
    text = text.replace(packaged, "signals.parquet")
    for zone in ("north", "south"):
        there = f'[[zone]]\nid = "{zone}"\n'
        text = text.replace(there, f'{there}limit_w = 1_000\nload_series = "{zone}_w"\n')
    index = '[[tariff.indexed]]\nseries = "dtou_p_per_kwh"\n'
    assert index in text
    text = text.replace(index, GRID + "\n" + index)
    hour = pl.col("start").dt.hour()
    pl.read_parquet(PACKAGED / "data" / "london_2013_signals.parquet").with_columns(
        north_w=pl.when(hour % 2 == 0).then(600.0).otherwise(0.0),
        south_w=pl.when(hour == 17).then(1_000.0).otherwise(0.0),
        export_c=pl.when(hour == 12).then(-9.25).otherwise(0.5),
    ).write_parquet(folder / "signals.parquet")
    path = folder / "scenario.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_days_of_46_and_50_half_hours_replay_and_verify(tmp_path: Path) -> None:
    town = lived(load_scenario(write(tmp_path)))
    assert verify(town.journal).entries == town.journal.last_seq
    assert state_digest(rebuild(town.journal)) == state_digest(town.kernel.exchange)
    state = town.kernel.exchange.state
    assert sum(state.ledger.money.values()) == 0
    events = [
        event for seq, data, _ in town.journal.rows() for event in decode(data, seq=seq).events
    ]
    told = [event for event in events if isinstance(event, PricesPublished)]
    listed = {event.start: event.count for event in events if isinstance(event, DeliveriesListed)}
    assert sorted(listed.values()) == [46, 50]
    assert all(len(event.energy) == listed[event.start] for event in told)
    # One publication for all zones, and one a zone where the grid is heeded: on two days.
    assert [event.zone for event in told] == [None, "north", "south"] * 2


def test_receipts_of_both_days_are_recomputed_by_a_stranger(tmp_path: Path) -> None:
    write(tmp_path)
    ran = called("-m", "wattbay", "run", tmp_path, "--out", tmp_path / "run")
    assert ran.returncode == 0, ran.stderr
    told = called(SCRIPT, tmp_path / "run")
    assert (told.returncode, "all equal to the nano" in told.stdout) == (0, True), told.stdout
    prices = pl.read_parquet(tmp_path / "run" / "retail_prices.parquet")
    _check_local_times(prices.filter(tariff="time-of-use"))
    dynamic = prices.filter(tariff="dynamic", zone="north")
    assert set(dynamic["network_adder_nano_per_wh"]) == {0, 20_000}
    assert set(dynamic["export_nano_per_wh"]) == {46_400 + 5_000, 46_400 - 92_500}
    assert dynamic["energy_nano_per_wh"].to_list().count(400_000) == 3


def _check_local_times(prices: pl.DataFrame) -> None:
    """Make sure that each price is that of the clock on the wall."""
    dear: Mapping[bool, int] = {True: 32_000, False: 72_000}
    for start, energy in prices.select(
        pl.col("delivery_start").dt.epoch("us"), "energy_nano_per_wh"
    ).iter_rows():
        local = LONDON.local(Instant(start))
        evening = 17 <= local.hour < 20  # Both days are Sundays.
        assert energy == (112_000 if evening else dear[local.hour < 7]), local


def test_show_explains_a_receipt_at_the_price_of_its_delivery(tmp_path: Path) -> None:
    run = tmp_path / "run"
    ran = called("-m", "wattbay", "run", "london-tariffs", "--out", run)
    assert ran.returncode == 0, ran.stderr
    told = called("-m", "wattbay", "show", run, "receipt", "h03", "2013-03-30T03:00").stdout
    assert "-2.750 p/kWh" in told
    assert "3.800 p/kWh = energy -2.750 + network 4.550 + levy 2.000" in told
    assert "and the receipt says" not in told
    assert "its prices vary" in called("-m", "wattbay", "show", run, "pod", "h03").stdout
    assert "vary by delivery" in (run / "report.html").read_text(encoding="utf-8")
    shutil.rmtree(run)


@pytest.mark.parametrize("seed", [1, 7])
def test_what_homes_pay_depends_on_the_seed_and_nothing_else(seed: int) -> None:
    first, again = (lived(load_scenario("london-tariffs", days=1, seed=seed)) for _ in range(2))
    assert first.head == again.head
