"""Homes without a battery: they sell what they expect to have over and buy what they lack.

A consumer is a prosumer without panels: its net is never positive, so it only buys.
"""

from __future__ import annotations

from wattbay.agents.agent import Desk, Outcome, Sight
from wattbay.core.commands import Command


class Prosumer:
    """Trades the forecast of its net position, delivery by delivery."""

    __slots__ = ("_desk",)

    def __init__(self, desk: Desk) -> None:
        """Trade at a desk."""
        self._desk = desk

    def act(self, sight: Sight) -> list[Command]:
        """Order the forecast net of the delivery."""
        return self._desk.orders(sight.delivery, sight.net_wh, sight.price, without=sight.without)

    def learn(self, outcome: Outcome) -> None:
        """Let the strategy see the price."""
        self._desk.learn(outcome.price)
