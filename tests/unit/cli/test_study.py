"""`wattbay study`: what it prints, what it writes, and what it refuses."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from wattbay.cli.study import app
from wattbay.cli.study_tables import game_table, game_verdict, tell_bidding_game
from wattbay.errors import ConfigError
from wattbay.simulation.study_game import Drawn, Found, Lived, Pair


def lived(exchange_kwh: float, peak_kw: float) -> Lived:
    return Lived(exchange_kwh, peak_kw, 45.0, 5.0, 0.0, 60.0, Found(single=48), 0.1)


def a_draw(seed: int, exchange_kwh: float, peak_kw: float) -> Drawn:
    """Case 1 as given against 100 kWh and 20 kW; case 2 at half of both."""
    without = lived(100.0, 20.0)
    panels, wind = lived(exchange_kwh, peak_kw), lived(50.0, 10.0)
    return Drawn(seed, "2013-06-01T00:00Z", Pair(without, panels), Pair(without, wind))


def test_table_fits_a_terminal_and_tells_reductions() -> None:
    console = Console(width=80, record=True, file=StringIO())
    console.print(game_table([a_draw(1, 90.0, 19.0), a_draw(2, 92.0, 18.0)]))
    text = console.export_text()
    assert "9.00 ± 12.71" in text
    assert "50.00 ± 0.00" in text
    assert "of 480 a day" in text
    assert max(map(len, text.splitlines())) <= 80
    # No label is broken over two lines.
    rows = [line.split("│") for line in text.splitlines() if "│" in line]
    assert len(rows) == 22
    assert all(row[1].strip() for row in rows)


def test_verdict_says_what_is_sure_and_what_is_not() -> None:
    unsure = game_verdict([a_draw(1, 90.0, 22.0), a_draw(2, 100.5, 16.0)]).splitlines()
    assert unsure[0] == "case 1, exchange falls: yes on average, but zero lies in the interval"
    assert unsure[2] == "case 2, exchange falls: yes"
    worse = game_verdict([a_draw(1, 110.0, 20.0), a_draw(2, 110.1, 20.0)]).splitlines()
    assert worse[0] == "case 1, exchange falls: no"
    assert worse[4].startswith("case 2 more than case 1, exchange: yes (60.05 ± ")


def test_one_day_is_no_proof() -> None:
    assert "case 1, peak falls: yes, on one day" in game_verdict([a_draw(1, 90.0, 19.0)])


def test_figures_repeat_with_the_seeds(tmp_path: Path) -> None:
    found = []
    for name in ("first.json", "again.json"):
        out = tmp_path / name
        run = CliRunner().invoke(app, ["bidding-game", "--seeds", "2", "--json", str(out)])
        assert run.exit_code == 0
        assert "published" in run.stdout
        assert name in run.stdout
        found.append(json.loads(out.read_text(encoding="utf-8")))
    machine = [one.pop("machine") for one in found]
    assert found[0] == found[1]
    assert machine[0].keys() == {"cpu_s_thermostats", "cpu_s_game"}
    assert [day["seed"] for day in found[0]["days"]] == [1, 2]
    reduced = found[0]["cases"]["case 1"]["exchange_reduction_percent"]["mean"]
    both = [day["case 1"] for day in found[0]["days"]]
    by_hand = [
        100 * (1 - day["game"]["exchange_kwh"] / day["thermostats"]["exchange_kwh"]) for day in both
    ]
    assert reduced == pytest.approx(sum(by_hand) / 2)


def test_every_fault_of_the_options_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        tell_bidding_game(0, -1, summer=False, out=tmp_path / "none" / "figures.json")
    assert [fault.where for fault in refused.value.faults] == ["--seeds", "--seed", "--json"]
