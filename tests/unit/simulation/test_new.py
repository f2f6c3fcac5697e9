"""A CSV file of one's own meters becomes a scenario that runs; what is wrong with it is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from wattbay.errors import ConfigError
from wattbay.periods import MINUTE, Calendar, Instant, instant, to_text
from wattbay.simulation.meter_csv import FAULTS_MAX, read_meters
from wattbay.simulation.new import new_scenario
from wattbay.simulation.scenario import load_scenario

BERLIN = Calendar("Europe/Berlin")
START = instant("2024-03-20T00:00+01:00")


def starts(count: int, minutes: int = 30, at: Instant = START) -> list[Instant]:
    return [Instant(at + number * minutes * MINUTE) for number in range(count)]


def as_utc(at: Instant) -> str:
    return to_text(at)


def as_local(at: Instant) -> str:
    return BERLIN.local(at).replace(tzinfo=None).isoformat(timespec="minutes")


def wide(
    path: Path, times: list[Instant], form: Callable[[Instant], str] = as_utc, cell: str = "0.25"
) -> Path:
    rows = [f"{form(at)},{cell},{number % 4 / 10}" for number, at in enumerate(times)]
    path.write_text("\n".join(["start,h01,h02", *rows]) + "\n", encoding="utf-8")
    return path


def long(path: Path, times: list[Instant], leave_out: frozenset[int] = frozenset()) -> Path:
    rows = ["home,start,import_kwh,export_kwh"]
    rows += [f"roof,{as_utc(at)},0.1,{n % 3}" for n, at in enumerate(times)]
    rows += [f"flat,{as_utc(at)},{n / 10}," for n, at in enumerate(times) if n not in leave_out]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def refused(path: Path, text: str) -> list[str]:
    """Write a file, read it, and return its faults without the folder."""
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_meters(path, BERLIN)
    return [str(fault).replace(f"{path.parent}/", "") for fault in caught.value.faults]


def test_wide_file_becomes_a_scenario_of_its_last_seven_days(tmp_path: Path) -> None:
    meters = wide(tmp_path / "mine.csv", starts(48 * 20 - 2))  # a day of 23 hours lies between
    made = new_scenario(tmp_path / "my-street", meters, timezone="Europe/Berlin", title='A "b"')
    assert (made.homes, made.isp_minutes, made.filled, made.left_out) == (2, 30, (), 0)
    assert (made.first_day, made.last_day) == (date(2024, 4, 2), date(2024, 4, 8))
    assert made.history_days == 12
    scenario = load_scenario(tmp_path / "my-street")
    assert (scenario.id, scenario.title) == ("my-street", 'A "b"')
    assert scenario.start == instant("2024-04-02T00:00+02:00")
    assert scenario.series.start == START
    assert set(scenario.series.load_wh[:, 0]) == {250.0}
    assert not scenario.series.pv_wh.any()
    yearly_wh = [home.yearly_import_wh for home in scenario.homes]
    assert yearly_wh == pytest.approx([4_383_000, 2_630_000], rel=0.01)
    assert (tmp_path / "my-street" / "SOURCES.md").is_file()


def test_long_file_brings_export_as_surplus_of_panels(tmp_path: Path) -> None:
    meters = long(tmp_path / "mine.csv", starts(48 * 3))
    made = new_scenario(tmp_path / "out", meters, timezone="Europe/Berlin", days=2)
    scenario = load_scenario(made.path)
    assert [home.pod for home in scenario.homes] == ["roof", "flat"]
    assert scenario.series.pv_wh[:3, 0].tolist() == [0.0, 1000.0, 2000.0]
    assert scenario.homes[0].pv_kwp == 4.0  # two kWh in half an hour
    assert scenario.homes[1].pv_kwp == 0.0
    assert len(scenario.days) == 2
    assert dict(scenario.profiles).keys() == {"import", "export"}


def test_local_times_are_read_over_both_clock_changes(tmp_path: Path) -> None:
    for first in ("2024-03-30T00:00+01:00", "2024-10-26T00:00+02:00"):
        at = instant(first)
        count = (BERLIN.midnight(date.fromisoformat(first[:10]) + timedelta(days=3)) - at) // (
            30 * MINUTE
        )
        table = read_meters(wide(tmp_path / "mine.csv", starts(count, at=at), as_local), BERLIN)
        assert (table.start, table.step_us) == (at, 30 * MINUTE)
        assert table.import_wh.shape == (count, 2)
        assert table.filled == ()


def test_hours_and_quarters_are_read_as_well(tmp_path: Path) -> None:
    for minutes in (60, 15):
        meters = wide(tmp_path / "mine.csv", starts(24 * 60 // minutes, minutes))
        folder = tmp_path / f"of-{minutes}"
        assert new_scenario(folder, meters, timezone="Europe/Berlin").isp_minutes == minutes
        assert load_scenario(folder).isp_us == minutes * MINUTE


def test_semicolons_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    path = wide(tmp_path / "mine.csv", starts(48))
    text = path.read_text(encoding="utf-8").replace(",", ";")
    path.write_text("\ufeff" + text, encoding="utf-8")
    assert read_meters(path, BERLIN).homes == ("h01", "h02")


def test_gaps_of_two_hours_are_filled_linearly_and_counted(tmp_path: Path) -> None:
    path = long(tmp_path / "mine.csv", starts(48), frozenset({10, 11, 12, 13}))
    table = read_meters(path, BERLIN)
    assert table.filled == (("flat", 4),)
    assert table.import_wh[:, 1].tolist() == pytest.approx([100.0 * number for number in range(48)])


def test_longer_gaps_are_refused(tmp_path: Path) -> None:
    path = long(tmp_path / "mine.csv", starts(48), frozenset(range(10, 15)))
    (fault,) = refused(path, path.read_text(encoding="utf-8"))
    assert fault == (
        "mine.csv:59: flat lacks 5 periods, from 2024-03-20T04:00Z to 2024-03-20T06:30Z"
        " (gaps of up to 2 hours are filled)"
    )


def test_time_that_only_some_homes_cover_is_left_out(tmp_path: Path) -> None:
    path = long(tmp_path / "mine.csv", starts(96), frozenset(range(10)))
    table = read_meters(path, BERLIN)
    assert table.left_out == 10
    assert table.start == starts(96)[10]
    assert table.import_wh.shape == (86, 2)


def test_faults_name_line_and_column(tmp_path: Path) -> None:
    faults = refused(
        tmp_path / "bad.csv",
        "start,h01,h 2\n"
        "2024-01-01T00:00,1,2\n"
        "2024-01-01T00:30,x,-1\n"
        '2024-01-01T01:00,"1,5",1\n'
        "2024-01-01T01:30,1\n"
        "2024-03-31T02:30,1,1\n"
        "yesterday,1,inf\n",
    )
    assert faults == [
        "bad.csv:1: column h 2: 'h 2' is no identifier of a home (h-2?)",
        "bad.csv:3: column h01: 'x' is no number (a number, or nothing)",
        (
            "bad.csv:3: column h 2: -1 is out of range"
            " (energy is not negative; what is injected is export_kwh in the long form)"
        ),
        "bad.csv:4: column h01: '1,5' is no number (with a point, as 0.25)",
        "bad.csv:5: 2 cells, the header has 3",
        (
            "bad.csv:6: column start: 2024-03-31T02:30 never occurs in Europe/Berlin: clocks go"
            " forward"
        ),
        "bad.csv:7: column start: 'yesterday' is no time; write 2024-05-01T00:30 or with Z",
    ]


def test_faults_of_the_long_form_name_line_and_column(tmp_path: Path) -> None:
    faults = refused(
        tmp_path / "bad.csv",
        "home,start,import_kwh,export_kwh\n"
        "my home,2024-01-01T00:00Z,1,0\n"
        "\n"
        "a,2024-01-01T00:00Z,1\n"
        "a,soon,1,0\n"
        "a,2024-01-01T00:00Z,1,-1\n",
    )
    assert [fault.split(" (")[0] for fault in faults] == [
        "bad.csv:2: column home: 'my home' is no identifier of a home",
        "bad.csv:4: 3 cells, the header has 4",
        "bad.csv:5: column start: 'soon' is no time; write 2024-05-01T00:30 or with Z",
        "bad.csv:6: column export_kwh: -1 is out of range",
    ]


def test_periods_off_the_rest_and_twice_are_refused_once_a_line(tmp_path: Path) -> None:
    rows = [f"2024-01-01T{n // 2:02d}:{n % 2 * 30:02d},1,1" for n in range(48)]
    rows += ["2024-01-01T03:00,1,1", "2024-01-01T03:10,1,1"]
    faults = refused(tmp_path / "bad.csv", "\n".join(["start,h01,h02", *rows]))
    assert faults == [
        "bad.csv:50: h01 at 2024-01-01T02:00Z stands in line 8 already",
        "bad.csv:51: h01 at 2024-01-01T02:10Z is off the periods of the rest (every 30 minutes)",
    ]


def test_watt_hours_and_registers_are_not_taken_for_kwh(tmp_path: Path) -> None:
    path = wide(tmp_path / "bad.csv", starts(2), cell="250")
    faults = refused(path, path.read_text(encoding="utf-8"))
    assert faults[0] == (
        "bad.csv:2: h01 has 250 kWh in 30 minutes (kWh, not Wh? a period's energy, no register?)"
    )


def test_faults_that_are_alike_are_told_thrice_and_counted(tmp_path: Path) -> None:
    path = wide(tmp_path / "bad.csv", starts(2000), cell="x")
    text = path.read_text(encoding="utf-8").replace("0.2\n", "-2\n", 1)
    assert [fault.split(" (")[0] for fault in refused(path, text)] == [
        "bad.csv:2: column h01: 'x' is no number",
        "bad.csv:3: column h01: 'x' is no number",
        "bad.csv:4: column h01: 'x' is no number",
        "bad.csv:4: column h02: -2 is out of range",
        "bad.csv: and 1,997 more like line 2",
    ]


def test_no_more_than_a_page_of_faults_is_told_and_the_rest_counted(tmp_path: Path) -> None:
    text = "start," + ",".join(f"my {n}" for n in range(200)) + "\n"
    faults = refused(tmp_path / "bad.csv", text)
    assert len(faults) == FAULTS_MAX + 1
    assert faults[-1] == f"bad.csv: and {200 - FAULTS_MAX} more faults"


def test_file_in_another_encoding_is_told_how_to_save(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes("start,Küche\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"byte 8 is no UTF-8 \(save it as UTF-8\)"):
        read_meters(path, BERLIN)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "the header is of neither form"),
        ("home,kwh\n", "the header is of neither form"),
        ("start\n", "there is no home in it"),
        ("start,h01\n", "column h01 has no values"),
        ("start,h01\n2024-01-01T00:00Z,1\n", "fewer than two periods"),
        ("start,h01,h01\n2024-01-01T00:00Z,1,1\n", "column h01 is there twice"),
        ("start,h01\n2024-01-01T00:00Z,1\n2024-01-01T00:07Z,1\n", "must divide an hour"),
        ("home,start,import_kwh,reactive\nh,2024-01-01T00:00Z,1,1\n", "reactive is not known"),
        (
            (
                "home,start,import_kwh\n"
                "a,2024-01-01T00:00Z,1\na,2024-01-01T00:30Z,1\n"
                "b,2024-02-01T00:00Z,1\nb,2024-02-01T00:30Z,1\n"
            ),
            "b begins when a has ended",
        ),
    ],
)
def test_file_that_is_no_table_of_meters_is_refused(text: str, what: str, tmp_path: Path) -> None:
    assert any(what in fault for fault in refused(tmp_path / "bad.csv", text))


def test_nothing_is_written_where_something_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine", encoding="utf-8")
    meters = wide(tmp_path / "mine.csv", starts(47))
    with pytest.raises(ConfigError) as caught:
        new_scenario(tmp_path / "full", meters, timezone="Berlin", currency="euro", days=0)
    assert len(caught.value.faults) == 4
    with pytest.raises(ConfigError, match="no whole local day is covered by all homes"):
        new_scenario(tmp_path / "out", meters, timezone="Europe/Berlin")
    with pytest.raises(ConfigError, match="cannot be read"):
        new_scenario(tmp_path / "out", tmp_path / "nowhere.csv")
    assert not (tmp_path / "out").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "mine.csv"]


def test_name_of_a_packaged_scenario_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    meters = wide(tmp_path / "mine.csv", starts(48))
    with pytest.raises(ConfigError, match="street: is the name of a packaged scenario"):
        new_scenario(Path("street"), meters)


def test_what_was_made_is_told_in_lines(tmp_path: Path) -> None:
    meters = long(tmp_path / "mine.csv", starts(96), frozenset({0, 10}))
    made = str(new_scenario(tmp_path / "out", meters, timezone="Europe/Berlin"))
    assert made.splitlines() == [
        (f"{tmp_path}/out/scenario.toml: 2 homes, 2024-03-21 to 2024-03-21,"),
        "0 days of history, periods of 30 minutes",
        "flat: 1 missing period filled",
        "1 period left out, not covered by all homes",
        "note    with little history homes forecast poorly; five weeks are enough",
    ]


def test_homes_that_sell_nothing_are_noticed(tmp_path: Path) -> None:
    meters = wide(tmp_path / "mine.csv", starts(48 * 9))
    made = str(new_scenario(tmp_path / "out", meters, timezone="Europe/Berlin"))
    assert "no home exports, so nobody has energy to sell" in made


def test_hours_off_the_midnight_of_the_zone_are_refused(tmp_path: Path) -> None:
    meters = wide(tmp_path / "mine.csv", starts(72, 60))
    with pytest.raises(ConfigError, match="periods do not begin at midnight of Asia/Kolkata"):
        new_scenario(tmp_path / "out", meters, timezone="Asia/Kolkata")


def test_profile_of_a_new_scenario_is_its_mean_day(tmp_path: Path) -> None:
    rows = [
        f"{as_utc(at)},{1 if number % 24 == 7 else 0}"
        for number, at in enumerate(starts(72, 60, instant("2024-01-10T00:00Z")))
    ]
    meters = tmp_path / "mine.csv"
    meters.write_text("\n".join(["start,h01", *rows]), encoding="utf-8")
    new_scenario(tmp_path / "out", meters)
    ((name, weights),) = load_scenario(tmp_path / "out").profiles
    assert name == "import"
    assert np.flatnonzero(weights).tolist() == [7]
