"""`wattbay bot`: what is asked for, and how a bot's deeds look."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from wattbay.cli.bot_work import Asked, Printer
from wattbay.core.facts import Side
from wattbay.errors import ConfigError
from wattbay.periods import instant
from wattbay.simulation.bots.bot import BotKind, Line

AT = instant("2013-06-10T10:30:43Z")
NOON = instant("2013-06-10T12:00:00Z")


def test_bot_is_as_large_as_was_asked() -> None:
    traits = Asked("battery", "london", "h01", capacity_kwh=7.5, power_kw=3, seed=9).traits()
    assert (traits.kind, traits.device, traits.seed) == (BotKind.BATTERY, "h01", 9)
    assert (traits.cell.capacity_wh, traits.cell.power_w) == (7_500, 3_000)


def test_everything_that_was_asked_wrongly_is_told_at_once() -> None:
    asked = Asked(
        "battery", "london", "h01", kwp=-1, capacity_kwh=0, strategy="greedy", product="half/hour"
    )
    with pytest.raises(ConfigError) as caught:
        asked.traits()
    assert [fault.where for fault in caught.value.faults] == [
        "--kwp", "--capacity-kwh", "--strategy", "--product",
    ]  # fmt: skip


@pytest.mark.parametrize("kwp", [float("nan"), float("inf")])
def test_size_is_a_number(kwp: float) -> None:
    with pytest.raises(ConfigError, match="--kwp"):
        Asked("pv", "london", "h01", kwp=kwp).traits()


def test_actions_stand_in_columns() -> None:
    out = io.StringIO()
    printer = Printer(Console(file=out, width=100, highlight=False))
    printer.head()
    printer(
        Line(
            at=AT, action="traded", delivery=NOON, side=Side.SELL, quantity_wh=1_251,
            price=65_570, outcome="trade 1",
        )
    )  # fmt: skip
    printer(Line(at=AT, action="reading", outcome="drawn 0 Wh"))
    head, traded, reading = out.getvalue().splitlines()
    assert head == "time      action    delivery  side        Wh      price  outcome"
    assert traded == "10:30:43  traded    12:00:00  sell     1,251      6.557  trade 1"
    assert reading.split() == ["10:30:43", "reading", "drawn", "0", "Wh"]
    assert reading.index("drawn") == head.index("outcome")
