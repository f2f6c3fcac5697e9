"""Which agent a period has, and what is said where it cannot be had."""

from __future__ import annotations

import pytest

from wattbay.adapters.mqtt.market.loading import PERIODS, load_periods
from wattbay.adapters.mqtt.market.periods import Build
from wattbay.adapters.mqtt.market.standard import Bidding, GateClosure
from wattbay.errors import ConfigError

BUILD = Build("town")


class Own(Bidding):
    """A bidding agent of somebody else's."""


class Halved:
    """Lacks half of what a settlement agent is asked for."""

    def __init__(self, build: Build) -> None:
        self.community = build.community

    def settled(self) -> None:
        """Take too little."""


def refuse(_build: Build) -> None:
    raise RuntimeError("not today")


def test_every_period_has_its_standard_agent() -> None:
    periods = load_periods({}, BUILD)
    assert isinstance(periods.bidding, Bidding)
    assert isinstance(periods.gate_closure, GateClosure)


def test_agent_is_found_by_its_name() -> None:
    periods = load_periods({"bidding": f"{__name__}:Own", "exchange": "standard"}, BUILD)
    assert isinstance(periods.bidding, Own)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    configured = {
        "bidding": "no_such_module_anywhere:Agent",
        "gate_closure": "wattbay.ids:nobody",
        "exchange": f"{__name__}:refuse",
        "settlement": f"{__name__}:Halved",
        "supper": "standard",
    }
    with pytest.raises(ConfigError) as caught:
        load_periods(configured, BUILD)
    told = {fault.where: fault.what for fault in caught.value.faults}
    assert told == {
        "agent.supper": "no such period",
        "agent.bidding": "'no_such_module_anywhere:Agent': No module named"
        " 'no_such_module_anywhere'",
        "agent.gate_closure": "'wattbay.ids:nobody': wattbay.ids has no nobody that can be called",
        "agent.exchange": f"'{__name__}:refuse' could not be made: RuntimeError: not today",
        "agent.settlement": "Halved.settled does not take sight, run",
    }


@pytest.mark.parametrize("name", ["", "Agent", "module:", ":Agent"])
def test_name_without_module_or_attribute_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="names no module and attribute"):
        load_periods({"bidding": name}, BUILD)


@pytest.mark.parametrize("period", list(PERIODS))
def test_agent_without_methods_is_told_what_it_lacks(period: str) -> None:
    with pytest.raises(ConfigError, match="str has no method"):
        load_periods({period: "builtins:str"}, BUILD)
