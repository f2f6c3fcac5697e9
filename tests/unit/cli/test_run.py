"""What a run came to, as the terminal shows it."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from wattbay.cli.run import summary_table
from wattbay.cli.show.figures import Purse


def test_home_that_lost_less_than_a_penny_is_seen_to_have_lost() -> None:
    baseline = {"saved_nano": 3 * 10**9, "homes_better_off": 1, "homes_worse_off": 1}
    money = {
        "saved": 3 * 10**9,
        "saved_median_home": 290_000_000,
        "saved_worst_home": -1_893_000,
        "saved_best_home": 10**9,
    }
    price = {"low": 58_200, "mean": 60_000, "high": 92_750}
    counts = dict.fromkeys(
        ("traded_wh", "delivered_wh", "import_wh", "export_wh", "surplus_nano",
         "surplus_maximum_nano", "trades", "homes_better_off", "homes_worse_off", "receipts",
         "receipts_corrected"), 1)  # fmt: skip
    totals = counts | {"money_nano": money, "on_baseline": baseline, "price_nano_per_wh": price}
    machine = {"peak_memory_mb": 100.0, "cpu_seconds": 1.0, "cpu_ms_per_home_day": 10.0}
    page = StringIO()
    Console(width=80, file=page).print(
        summary_table({"totals": totals, "machine": machine, "entries": 1}, Purse("GBP", 2))
    )
    assert "-0.19 p to £1.00" in page.getvalue()
