"""A street that trades continuously: run, replayed, verified, recomputed and shown."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.towns import Lived, lived
from wattbay.core.events import TradingClosed
from wattbay.kernel.codec import decode
from wattbay.kernel.replay import rebuild, state_digest, verify
from wattbay.simulation.scenario import PACKAGED, load_scenario

SCRIPT = Path(__file__).parents[1] / "independent" / "recompute.py"
CONTINUOUS = """\
[product]
id = "half-hour"
mechanism = "continuous"
self_trade = "newest"
position_max_wh = 50_000"""


def written(folder: Path, more: str = "") -> Path:
    """Write the packaged street, traded continuously."""
    text = (PACKAGED / "street.toml").read_text(encoding="utf-8")
    text = text.replace('"data/', f'"{PACKAGED.as_posix()}/data/')
    old = '[product]\nid = "half-hour"'
    assert old in text
    (folder / "scenario.toml").write_text(text.replace(old, CONTINUOUS + more), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    return lived(load_scenario(written(tmp_path_factory.mktemp("continuous")), days=2))


def test_a_street_lives_through_continuous_trading(town: Lived) -> None:
    state = town.kernel.exchange.state
    assert sum(state.ledger.money.values()) == 0
    assert not state.ledger.held
    assert not state.ledger.energy
    assert not state.deliveries.open
    assert not state.market.places
    assert verify(town.journal, head=town.journal.head).entries == town.journal.last_seq
    assert state_digest(rebuild(town.journal)) == state_digest(town.kernel.exchange)


def test_every_delivery_tells_what_it_was_traded_at(town: Lived) -> None:
    events = [
        event for seq, data, _ in town.journal.rows() for event in decode(data, seq=seq).events
    ]
    closed = [event for event in events if isinstance(event, TradingClosed)]
    assert len(closed) == 2 * 48
    traded = sum(one.volume_wh for one in closed)
    assert traded == sum(int(row[6] or 0) for row in town.rows["trades"]) > 0
    assert {row[8] for row in town.rows["prices"]} == {"continuous"}
    assert [(row[3], row[4]) for row in town.rows["prices"]] == [
        (one.price, one.volume_wh) for one in closed
    ]


def test_every_order_ends_as_its_table_says(town: Lived) -> None:
    states = {row[8] for row in town.rows["orders"]}
    assert states <= {"filled", "partly_filled", "expired", "cancelled", "rejected"}
    for row in town.rows["orders"]:
        quantity, filled = int(row[5] or 0), int(row[9] or 0)
        assert (row[8] == "filled") == (filled == quantity) or row[8] == "cancelled"
    bought = sum(int(row[9] or 0) for row in town.rows["orders"] if row[4] == "buy")
    assert bought == sum(int(row[6] or 0) for row in town.rows["trades"])


def test_a_street_opens_with_an_auction(tmp_path: Path) -> None:
    more = "\nopening_before_minutes = 90"
    street = lived(load_scenario(written(tmp_path, more), days=1))
    verify(street.journal, head=street.journal.head)
    assert sum(int(row[6] or 0) for row in street.rows["trades"]) > 0


def test_a_run_of_continuous_trading_is_recomputed_and_shown(tmp_path: Path) -> None:
    def called(*words: str | Path) -> str:
        done = subprocess.run(
            [sys.executable, *map(str, words)],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    run = tmp_path / "run"
    called("-m", "wattbay", "run", written(tmp_path), "--out", run, "--days", "1")
    called("-m", "wattbay", "verify", run)
    if shutil.which("git") is not None:
        assert "all equal to the nano" in called(SCRIPT, run)
    orders = pl.read_parquet(run / "orders.parquet")
    filled = orders.filter(pl.col("state") == "filled").row(0, named=True)
    assert "one by one" in called("-m", "wattbay", "show", run, "order", str(filled["seq"]))
