"""Which agent each period has: the standard one, or one that is configured by its name."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from wattbay.adapters.mqtt.market import periods, standard
from wattbay.adapters.mqtt.market.periods import Build, Periods
from wattbay.errors import ConfigError, Fault

STANDARD: Final = "standard"
"""Names the agent that comes with Wattbay."""

PERIODS: Mapping[str, tuple[type, Callable[[Build], object]]] = MappingProxyType(
    {
        "bidding": (periods.BiddingAgent, standard.Bidding),
        "gate_closure": (periods.GateAgent, standard.GateClosure),
        "exchange": (periods.ExchangeAgent, standard.Exchange),
        "settlement": (periods.SettlementAgent, standard.Settlement),
    }
)
"""The protocol of each period's agent, and the standard one."""


def load_periods(configured: Mapping[str, str], build: Build) -> Periods:
    """Return the agents of the four periods.

    Parameters
    ----------
    configured
        By period, ``standard`` or ``package.module:attribute``; a period that is not named has the
        standard agent. The attribute is called with a `Build` and returns the agent: a class will
        do.

    Raises
    ------
    ConfigError
        Bears everything that is wrong.
    """
    faults = [
        Fault(f"agent.{name}", "no such period", ", ".join(PERIODS))
        for name in configured
        if name not in PERIODS
    ]
    made: dict[str, object] = {}
    for name, (protocol, ours) in PERIODS.items():
        where = f"agent.{name}"
        try:
            make = ours if configured.get(name, STANDARD) == STANDARD else _find(configured[name])
            made[name] = make(build)
        except _WRONG as error:
            faults.append(Fault(where, f"{configured[name]!r}: {error}", _REMEDY))
            continue
        except Exception as error:  # noqa: BLE001 - somebody else's code; told in words below
            what = f"{configured[name]!r} could not be made: {type(error).__name__}: {error}"
            faults.append(Fault(where, what))
            continue
        faults += [Fault(where, what) for what in _lacks(made[name], protocol)]
    if faults:
        raise ConfigError(*faults)
    return Periods(**made)  # type: ignore[arg-type] # checked method by method just above


_REMEDY = f"{STANDARD}, or package.module:attribute of something that can be called"
_WRONG = (LookupError, ImportError)


def _find(name: str) -> Callable[[Build], object]:
    """Return what makes an agent.

    Raises
    ------
    LookupError, ImportError
        If there is nothing of that name.
    """
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise LookupError("names no module and attribute")
    found: Callable[[Build], object] | None = getattr(
        importlib.import_module(module), attribute, None
    )
    if found is None or not callable(found):
        raise LookupError(f"{module} has no {attribute} that can be called")
    return found


def _lacks(agent: object, protocol: type) -> list[str]:
    """Return what an agent lacks of its protocol: methods, and their parameters."""
    faults = []
    for name, wanted in vars(protocol).items():
        if name.startswith("_") or not inspect.isfunction(wanted):
            continue
        method = getattr(agent, name, None)
        kind = type(agent).__name__
        if not callable(method):
            faults.append(f"{kind} has no method {name}")
            continue
        parameters = list(inspect.signature(wanted).parameters)[1:]
        try:
            inspect.signature(method).bind(*parameters)
        except TypeError:
            faults.append(f"{kind}.{name} does not take {', '.join(parameters)}")
    return faults
