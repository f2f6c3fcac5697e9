"""The demonstration and the tutorial's lines, typed as they stand."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers import until

WATTBAY = str(Path(sys.executable).with_name("wattbay"))
SALE = re.compile(r"auction \d+: battery 10\d sold \d\.\d{3} kWh to 20\d at .* c/kWh, entry \d+")
LIMIT_S = 90


def say(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [WATTBAY, *words], cwd=cwd, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )


@contextmanager
def started(*words: str, cwd: Path, out: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command, and end it as Ctrl-C would."""
    with out.open("wb") as file:
        one = subprocess.Popen([WATTBAY, *words], cwd=cwd, stdout=file, stderr=file)
        try:
            yield one
        finally:
            if one.poll() is None:
                one.send_signal(signal.SIGINT)
            one.wait(timeout=LIMIT_S)


def test_demonstration_sells_and_its_journal_verifies(tmp_path: Path) -> None:
    done = say("etp", "demo", "--seconds", "12", "--folder", "shown", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert SALE.search(done.stdout)
    assert re.search(r"answers +(\d+) of \1 in time", done.stdout)
    checked = say("verify", "shown", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout
    assert re.search(r"\d+ sales?: every signature holds", checked.stdout)


def test_tutorial_leads_from_keys_to_verified_sales(tmp_path: Path) -> None:
    public = {}
    for device, name in ((101, "battery"), (201, "one"), (202, "two")):
        drawn = say("etp", "keys", str(device), "--out", f"{name}.toml", cwd=tmp_path)
        assert drawn.returncode == 0, drawn.stderr
        public[name] = drawn.stdout
    for name, known in (("battery", ("one", "two")), ("one", ("battery",)), ("two", ("battery",))):
        with (tmp_path / f"{name}.toml").open("a", encoding="utf-8") as file:
            file.writelines(public[other] for other in known)
    # Another group than that of other runs on this machine at the same time.
    group = ("--interface", "127.0.0.1", "--group", f"239.192.85.{os.getpid() % 250 + 1}")
    battery = ("etp", "bess", "101", "--keys", "battery.toml", *group)
    out = tmp_path / "battery.out"
    with started(*battery, cwd=tmp_path, out=out):
        until(lambda: "found at" in out.read_text(), "the battery listens", wait_s=LIMIT_S)
        found = say("etp", "discover", "--keys", "one.toml", *group, "--seconds", "2", cwd=tmp_path)
        assert re.search(r"101 +127\.0\.0\.1:\d+", found.stdout), found.stdout + found.stderr
        # Pods are connected at the next boundary, five seconds later at most.
        bids = ("--need-kwh", "2", "--lot-kwh", "1", "--pause-s", "0.5")
        one = ("etp", "aggregator", "201", "--keys", "one.toml", *group, *bids)
        two = ("etp", "aggregator", "202", "--keys", "two.toml", *group, *bids)
        first = tmp_path / "one.out"
        with started(*one, "--strategy", "aggressive", "--cap-cents", "24",
                     cwd=tmp_path, out=first) as bidder:  # fmt: skip
            done = say(*two, cwd=tmp_path)
            bidder.wait(timeout=LIMIT_S)
        assert "aggregator 202, intelligent: bought 2.000 kWh" in done.stdout, done.stderr
        assert "aggregator 201, aggressive: bought 2.000 kWh" in first.read_text()
    told = out.read_text()
    assert len(SALE.findall(told)) == 4
    assert "stopped; what was sold is in bess-101" in told
    checked = say("verify", "bess-101", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout
    assert "4 sales: every signature holds" in checked.stdout


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("bess",), "wattbay etp keys draws one"),
        (("aggregator", "--plain", "--strategy", "bold"), "random, conservative, aggressive"),
        (("aggregator", "--plain", "--battery", "127.0.0.1"), "101@192.0.2.7:8101"),
        (("gateway",), "wattbay etp keys draws one"),
        (("demo", "--fleet", "nowhere.toml"), "nowhere.toml"),
    ],
)
def test_what_makes_no_sense_is_told_in_words(
    words: tuple[str, ...], fault: str, tmp_path: Path
) -> None:
    done = say("etp", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert fault in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
