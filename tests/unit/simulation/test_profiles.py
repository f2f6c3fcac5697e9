"""Standard profiles are whole weights, one for each period of a day."""

from __future__ import annotations

from pathlib import Path

import pytest

from wattbay.simulation.profiles import read_profiles


def test_profiles_are_read_by_name_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "profiles.csv"
    path.write_text("local_time,import,export\n00:00,3,0\n12:00,1,9\n", encoding="utf-8")
    assert read_profiles(path, 2) == ((("import", (3, 1)), ("export", (0, 9))), [])


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "profiles.csv:1: the header is not local_time,<profile>,..."),
        ("local_time\n", "profiles.csv:1: the header is not local_time,<profile>,..."),
        ("local_time,a b\n0,1\n12,1\n", "profiles.csv:1: 'a b' is no identifier"),
        ("local_time,a\n0,1\n", "profiles.csv:2: 1 rows of weights; a day has 2 periods"),
        ("local_time,a\n0,1\n12,-1\n", "profiles.csv:3: a weight is missing, or no whole number"),
        ("local_time,a\n0\n12,1\n", "profiles.csv:2: a weight is missing, or no whole number"),
        ("local_time,a\n0,0\n12,0\n", "profiles.csv:1: all weights of a are zero"),
    ],
)
def test_what_is_wrong_with_profiles_is_told_with_its_line(
    text: str, what: str, tmp_path: Path
) -> None:
    path = tmp_path / "profiles.csv"
    path.write_text(text, encoding="utf-8")
    _, faults = read_profiles(path, 2)
    assert any(str(fault).replace(f"{tmp_path}/", "").startswith(what) for fault in faults)


def test_missing_file_of_profiles_is_a_fault(tmp_path: Path) -> None:
    profiles, faults = read_profiles(tmp_path / "nowhere.csv", 2)
    assert profiles == ()
    assert "cannot be read" in str(faults[0])
