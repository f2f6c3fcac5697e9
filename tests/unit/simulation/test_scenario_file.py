"""Whatever is wrong with a scenario is found at once, each fault with its file and line."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from wattbay.errors import ConfigError
from wattbay.periods import Calendar, instant
from wattbay.simulation.scenario import PACKAGED, load_scenario
from wattbay.simulation.scenario_file import key_lines, moment_of

STREET = (PACKAGED / "street.toml").read_text(encoding="utf-8")


def faults_of(tmp_path: Path, *changes: tuple[str, str]) -> list[str]:
    """Change the street, load it, and return its faults, without the folder."""
    text = STREET.replace('"data/', f'"{PACKAGED.as_posix()}/data/')
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path = tmp_path / "bad.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_scenario(path)
    return [str(fault).replace(f"{tmp_path}/", "") for fault in caught.value.faults]


def line_of(fragment: str) -> int:
    """Return the line of the street in which a text stands first."""
    numbers = [n for n, line in enumerate(STREET.splitlines(), 1) if fragment in line]
    return numbers[0]


def test_street_as_packaged_has_no_faults(tmp_path: Path) -> None:
    text = STREET.replace('"data/', f'"{PACKAGED.as_posix()}/data/')
    (tmp_path / "good.toml").write_text(text, encoding="utf-8")
    assert len(load_scenario(tmp_path / "good.toml").homes) == 6


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("seed = 2013", 'seed = "x"', "seed is 'x' (must be a whole number)"),
        ("seed = 2013", "seed = true", "seed is True (must be a whole number)"),
        ("seed = 2013", "seed = -1", "seed = -1 is out of range"),
        ('currency = "GBP"', 'currency = "pounds"', "'pounds' is no currency"),
        ('"Europe/London"', '"Europe/Londn"', "'Europe/Londn' is no time zone"),
        ("isp_minutes = 30", "isp_minutes = 31", "periods do not divide an hour"),
        ("isp_minutes = 30", "isp_minutes = 15", "has periods of 30 minutes (isp_minutes = 30)"),
        ("last = 2013-06-15", "last = 2013-06-13", "2013-06-13 is before 2013-06-14"),
        ("last = 2013-06-15", "last = 2013-06-15T00:00:00", "bears a time"),
        ("last = 2013-06-15", "last = 2014-06-15", "does not cover 2014-01-01"),
        ('id = "supplier-b"', 'id = "supplier-a"', "supplier supplier-a is there twice"),
        ('id = "supplier-b"', 'id = "supplier b"', "'supplier b' is no identifier"),
        ("cents_per_kwh = 7.000", 'cents_per_kwh = "7"', "is '7' (must be a number)"),
        ("levy_cents_per_kwh = 2.000", "levy_cents_per_kwh = 2.00001", "is too fine"),
        ("levy_cents_per_kwh = 2.000", "levy_cents_per_kwh = -2", "is out of range (at least 0)"),
        ("levy_cents_per_kwh = 2.000", "levy_cents_per_kwh = nan", "is no number"),
        ("export_cents_per_kwh = 4.640", "export_cents_per_kwh = -1e6", "(at least -100000)"),
        ("ppm = 50_000", "ppm = 5_000_000", "is out of range"),
        ('to = "north", cents_per_kwh = 2.275', 'to = "nort", cents_per_kwh = 2.275', "north?"),
        ("closes_before_minutes = 60", "closes_before_minutes = 2000", "open after they close"),
        ("closes_before_minutes = 60", "closes_before_minutes = -120", "before it is cleared"),
        ("price_max_cents_per_kwh = 100", "price_max_cents_per_kwh = -20", "not above the lowest"),
        ("quantity_max_wh = 50_000", "quantity_max_wh = 50_000_000_000", "worth more than 2^53"),
        (
            'deviations = "pooled"',
            'deviations = "pooled"\nnetwork_fee_cents_per_kwh = 0.0005',
            "steps of 0.001",
        ),
        ("energy_cents_per_kwh = 7.000", "energy_cents_per_kwh = 1e15", "(at most 900719925474"),
        ('deviations = "pooled"', 'deviations = "poled"', "did you mean pooled?"),
        ('deviations = "pooled"', 'deviations = "single"', "need single_price_cents_per_kwh"),
        ("after_hours = 36", "after_hours = 3", "run final is not after the one before"),
        ('name = "r1"', 'name = "initial"', "run initial is there twice"),
        ("500_000", '500_000\nfunding = "prepayed"', "did you mean prepaid?"),
        ("500_000", "500_000\ndeposit_cents = 1", "no home is prepaid"),
        ("500_000", '500_000\nfunding = "prepaid"\ndeposit_cents = -1', "is out of range"),
        ("500_000", "500_000\nsales_taxed_since = 2013", "(must be a date such as 2013-06-10)"),
        ('"h11"]', '"h99"]', "home h99 is unknown (did you mean h59?)"),
        ('"h11"]', '"h01"]', "home h01 is there twice"),
        ("sell_limit_min_cents_per_kwh = 4.300", "sell_limit_min_cents_per_kwh = 8.3", "swap"),
        ("buy_limit_max_cents_per_kwh = 9.600", "buy_limit_max_cents_per_kwh = 960", "outside"),
        ("truthful = 3", "truthfull = 3", "did you mean truthful?"),
        ("reserve_share = 0.10", "reserve_share = 10", "is out of range (0 to 1)"),
        ("efficiency_round_trip = 0.90", "efficiency_round_trip = 0", "is out of range"),
        ("lost_ppm = 15_000", "lost_ppm = 990_000", "the chances sum to more than a million"),
        ('home = "h07"', 'home = "h77"', "faults.exchange[0].home = 'h77' is unknown"),
        ("at = 2013-06-14T12:00:00", "at = 2013-06-17T12:00:00", "outside the days"),
        ("to = 2013-06-15T12:00:00", "to = 2013-06-14T01:00:00", "ends before it starts"),
        ("london_2013_load_wh.parquet", "nowhere.parquet", "there is no file"),
        ("london_2013_load_wh.parquet", "london_2013_homes.csv", "is no Parquet file"),
        ("london_2013_pv_wh", "fontana_2017_pv_wh", "has no column h01, h06, h07, h11"),
        ("london_2013_signals", "london_2013_pv_wh", "has no column carbon_g_per_kwh"),
        ("lead_minutes = 10", "lead_minutes = 3_000", "placed before the gate opens"),
        ('id = "supplier-b"', 'id = "party-h01"', "party-h01 is the party of a home already"),
        ("lead_minutes = 10", "lead_minuts = 10", "lead_minuts is not a key of [orders]"),
    ],
)
def test_fault_is_told_with_its_line(old: str, new: str, what: str, tmp_path: Path) -> None:
    faults = faults_of(tmp_path, (old, new))
    assert any(what in fault for fault in faults), faults
    assert all(re.match(r"\S+\.(toml|csv):\d+: ", fault) for fault in faults), faults


def test_all_faults_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    levy = "tariff[0].levy_cents_per_kwh"
    faults = faults_of(
        tmp_path,
        ("seed = 2013", "sed = 2013"),
        ("isp_minutes = 30", "isp_minutes = 31"),
        ("levy_cents_per_kwh = 2.000", "levy_cents_per_kwh = -2"),
        ("reserve_share = 0.10", "reserve_share = 10"),
    )
    assert faults == [
        "bad.toml:1: seed is missing (write seed = <a whole number>)",
        f"bad.toml:{line_of('seed = ')}: sed is not a key of a scenario (did you mean seed?)",
        f"bad.toml:{line_of('isp_minutes')}: periods do not divide an hour (60, 30, 15, 10 or 5)",
        f"bad.toml:{line_of('levy_')}: {levy} = -2 is out of range (at least 0)",
        f"bad.toml:{line_of('reserve_share')}: battery.reserve_share = 10 is out of range (0 to 1)",
    ]


def test_more_runs_than_a_community_has_are_refused(tmp_path: Path) -> None:
    runs = "".join(f'[[run]]\nname = "x{i}"\nafter_hours = {40 + i}\n' for i in range(8))
    assert any(
        "more than 10 runs" in fault
        for fault in faults_of(tmp_path, ("# Agents place", f"{runs}# Agents place"))
    )


def test_element_of_a_list_is_told_with_its_own_line(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, ('from = "north", to = "south"', 'from = "nord", to = "south"'))
    line = line_of('to = "south", cents_per_kwh = 3.400')
    assert fault.startswith(f"bad.toml:{line}:")


def test_broken_toml_is_told_with_its_line(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, ("[community]", "[community"))
    assert fault.startswith(f"bad.toml:{line_of('[community]')}: no TOML")


def test_empty_file_lacks_everything_that_is_required(tmp_path: Path) -> None:
    path = tmp_path / "empty.toml"
    path.write_text("", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_scenario(path)
    told = str(caught.value)
    for key in ("format", "id", "seed", "community.currency", "time.zone", "[[time.days]]"):
        assert key in told
    assert "[[tariff]]" in told
    assert "data.load_file" in told


def test_unknown_format_is_refused(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, ("format = 1", "format = 2"))
    assert "format 2 is unknown (this program reads 1)" in fault


def test_fault_of_a_homes_file_is_told_with_the_line_of_that_file(tmp_path: Path) -> None:
    homes = tmp_path / "homes.csv"
    rows = ["home,pv_kwp,battery_kwh,battery_kw", "h01,x,,", "h 2,,,", "h01,,,", "h03,,5,"]
    homes.write_text("\n".join(rows) + "\n", encoding="utf-8")
    faults = faults_of(tmp_path, (f"{PACKAGED.as_posix()}/data/london_2013_homes.csv", "homes.csv"))
    assert "homes.csv:2: pv_kwp of h01 is 'x' (a number, 0 or more)" in faults
    assert any(fault.startswith("homes.csv:3: 'h 2' is no identifier") for fault in faults)
    assert "homes.csv:4: h01 is there twice" in faults
    assert any(fault.startswith("homes.csv:5: h03 has half a battery") for fault in faults)


def test_negative_energy_in_the_data_is_refused(tmp_path: Path) -> None:
    frame = pl.read_parquet(PACKAGED / "data" / "london_2013_load_wh.parquet")
    frame.with_columns(pl.col("h03") - 1000).write_parquet(tmp_path / "load.parquet")
    (fault,) = faults_of(
        tmp_path, (f"{PACKAGED.as_posix()}/data/london_2013_load_wh.parquet", "load.parquet")
    )
    assert "load.parquet h03 is -" in fault
    assert "in row 1" in fault


def test_gap_in_the_data_is_refused(tmp_path: Path) -> None:
    frame = pl.read_parquet(PACKAGED / "data" / "london_2013_load_wh.parquet")
    pl.concat([frame[:100], frame[101:]]).write_parquet(tmp_path / "load.parquet")
    (fault,) = faults_of(
        tmp_path, (f"{PACKAGED.as_posix()}/data/london_2013_load_wh.parquet", "load.parquet")
    )
    assert "has periods that are not evenly apart, after row 100" in fault


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"days": 0}, "--days: 0 days are wanted, the scenario has 2 (1 to 2)"),
        ({"days": 3}, "--days: 3 days are wanted, the scenario has 2 (1 to 2)"),
        ({"pods": 0}, "--pods: 0 is out of range (1 to 100000)"),
        ({"seed": -1}, "--seed: -1 is out of range (0 to 9007199254740991)"),
    ],
)
def test_option_out_of_range_is_refused(options: dict[str, int], what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_scenario("street", **options)
    assert [str(fault) for fault in caught.value.faults] == [what]


def test_home_that_is_set_is_checked_as_what_is_drawn(tmp_path: Path) -> None:
    added = '[[homes.set]]\nhome = "h01"\nzone = "east"\nbuy_limit_cents_per_kwh = 101\n\n[battery]'
    faults = faults_of(tmp_path, ("[battery]", added))
    line = line_of("[battery]")
    assert faults == [
        f"bad.toml:{line + 2}: homes.set[0].zone = 'east' is unknown (one of north, south)",
        f"bad.toml:{line + 3}: outside the prices of the product (between its min and max)",
    ]


def test_deposit_of_a_home_that_is_not_prepaid_is_refused(tmp_path: Path) -> None:
    paid = '[[homes.set]]\nhome = "h01"\ndeposit_cents = 100\n'
    also = '[[homes.set]]\nhome = "h03"\nfunding = "prepaid"\ndeposit_cents = 100\n'
    faults = faults_of(tmp_path, ("[battery]", f"{paid}\n{also}\n[battery]"))
    line = line_of("[battery]")
    assert faults == [f'bad.toml:{line + 2}: h01 is not prepaid (write funding = "prepaid")']


def test_copy_that_would_be_named_as_another_home_is_refused(tmp_path: Path) -> None:
    homes = tmp_path / "homes.csv"
    homes.write_text("home\nh01\nh01-2\n", encoding="utf-8")
    frame = pl.read_parquet(PACKAGED / "data" / "london_2013_load_wh.parquet")
    load = frame.select("start", "h01", pl.col("h02").alias("h01-2"))
    load.write_parquet(tmp_path / "load.parquet")
    text = STREET.replace('"data/london_2013_homes.csv"', '"homes.csv"')
    text = text.replace('"data/london_2013_load_wh.parquet"', '"load.parquet"')
    text = text.replace('"data/', f'"{PACKAGED.as_posix()}/data/')
    text = re.sub(r"include = .*\n", "", text)
    text = re.sub(r"\[\[faults\.(.|\n)*", "", text)
    (tmp_path / "scenario.toml").write_text(text, encoding="utf-8")
    assert len(load_scenario(tmp_path).homes) == 2
    with pytest.raises(ConfigError, match="the copy h01-2 would be named as a home of the file"):
        load_scenario(tmp_path, pods=3)


def test_unknown_scenario_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"did you mean london-week\?"):
        load_scenario("london-weak")


def test_lines_of_keys_are_found_in_tables_arrays_and_long_values() -> None:
    text = '''# comment
a = 1
b.c = """
[not.a.table]
d = 2
"""
"quoted key" = 3
[table]   # why
list = [
  "x, [y",  # , ]
  { in = 1 },
]
after = 1
[[many]]
x = 1
[[many.inner]]
y = 2
[[many]]
x = 3
'''
    assert key_lines(text) == {
        "a": 2,
        "b.c": 3,
        "quoted key": 7,
        "table": 8,
        "table.list": 9,
        "table.list[0]": 10,
        "table.list[1]": 11,
        "table.after": 13,
        "many[0]": 14,
        "many[0].x": 15,
        "many[0].inner[0]": 16,
        "many[0].inner[0].y": 17,
        "many[1]": 18,
        "many[1].x": 19,
    }


def test_local_times_that_occur_twice_or_never_are_refused() -> None:
    london = Calendar("Europe/London")
    noon, twice, never = (
        datetime.fromisoformat(text)
        for text in ("2013-06-10T12:00", "2013-10-27T01:30", "2013-03-31T01:30")
    )
    assert moment_of(noon, london) == instant("2013-06-10T11:00Z")
    with pytest.raises(ValueError, match="occurs twice"):
        moment_of(twice, london)
    with pytest.raises(ValueError, match="occurs never"):
        moment_of(never, london)
    later = datetime.fromisoformat("2013-10-27T01:30:00+00:00")
    assert moment_of(later, london) == instant("2013-10-27T01:30Z")
