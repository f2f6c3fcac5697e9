from __future__ import annotations

import json
import re
from pathlib import Path

from tests.made_run import MadeRun, make_run
from tests.unit.cli.show.conftest import Show

FIRST = "2013-06-10T00:00"


def test_a_price_is_explained_by_the_orders_that_made_it(village: Path, show: Show) -> None:
    said = show(village, "delivery", FIRST).words
    for sentence in (
        "400 Wh were traded at 9.000 p/kWh.",
        "At 9.000 p/kWh 600 Wh were bid for and 400 Wh offered, so 400 Wh changed hands.",
        "From 6.000 p/kWh to 9.000 p/kWh the same is traded",
        "At each of these more was bid for than offered, so the highest of them counts.",
        "h01 14 9.000 300 200 part: at the margin",
        "h02 15 6.000 400 400 all",
        "Not in the auction: 1 refused.",
        "gained 1.200 p: the most that any rule could have reached.",
    ):
        assert sentence in said


def test_what_was_left_over_is_told_to_the_pool_and_to_who_answers_for_it(
    village: Path, show: Show
) -> None:
    said = show(village, "delivery", FIRST).words
    assert "Drawn 460 Wh, fed in 380 Wh. Of what was traded 330 Wh were delivered." in said
    assert "Homes were 150 Wh short and 70 Wh long in all." in said
    assert "70 Wh of both netted in the pool at 5.820 p/kWh; the rest, 80 Wh" in said
    assert "supplier 80 Wh short" in said
    assert "Estimated at first and corrected: h03." in said


def test_a_middle_price_is_told_as_the_middle(village: Path, show: Show) -> None:
    said = show(village, "delivery", "2013-06-10T00:30").words
    assert "halfway between 6.000 p/kWh and 8.000 p/kWh" in said
    assert "100 Wh were traded at 7.000 p/kWh." in said


def test_nothing_traded_is_told_with_the_reason(village: Path, show: Show) -> None:
    said = show(village, "delivery", "2013-06-10T01:30").words
    assert "Nothing was traded." in said
    assert "no two orders met" in said


def test_shared_pages_name_no_home_and_show_no_small_group(village: Path, show: Show) -> None:
    said = show(village, "delivery", FIRST, "--share").output
    assert not any(pod in said for pod in ("h01", "h02", "h03", "h04"))
    assert "Too few homes ordered for their limits to be shown." in said
    assert "6.000" not in said


def test_shared_pages_gather_homes_in_groups_of_five(week: Path, show: Show) -> None:
    answer = show(week, "delivery", "2013-06-12T18:00", "--share", "--json")
    told = json.loads(answer.output)
    assert told["levels"]
    assert all(level["homes"] >= 5 and level["pod"] == "" for level in told["levels"])
    named = json.loads(show(week, "delivery", "2013-06-12T18:00", "--json").output)
    for amount in ("quantity_wh", "filled_wh"):
        assert sum(level[amount] for level in told["levels"]) == sum(
            level[amount] for level in named["levels"]
        )


def test_json_bears_both_sides_of_the_book(village: Path, show: Show) -> None:
    told = json.loads(show(village, "delivery", FIRST, "--json").output)
    assert told["price_nano_per_wh"] == 90_000
    fills = [(level["side"], level["filled_wh"]) for level in told["levels"]]
    assert fills == [("buy", 200), ("buy", 200), ("buy", 0), ("sell", 400)]
    assert told["imbalances_wh"] == {"supplier": -80}
    assert told["short_wh"] - told["pooled_wh"] == 80


def test_a_long_book_is_shown_about_its_margin(tmp_path: Path, show: Show) -> None:
    run = make_run(tmp_path / "town", MadeRun(homes=400, days=1))
    said = show(run, "delivery", "2013-06-10T12:00")
    assert len(said.output.splitlines()) < 170
    assert re.search(r"\d+ more", said.words)
    assert "at the margin" in said.words
