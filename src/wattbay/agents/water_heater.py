"""Homes with an electric water heater that can choose when to heat: by a game, or by thermostat.

All temperatures and powers are estimates, in floats; what a home orders is whole Wh.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from wattbay.agents.agent import Desk, Outcome, Sight
from wattbay.clearing.game.good_citizens import OFF, ON, Declaration, Round, Rule, play
from wattbay.clearing.game.tank import HALF_HOUR, Tank
from wattbay.core.commands import Command

_WH_PER_KWH = 1_000


class Control(Protocol):
    """Whoever switches a water heater."""

    def is_on(self, at_c: float) -> bool:
        """Tell whether to heat in the next half-hour, the tank being as warm as this. [°C]"""


class Thermostat:
    """The reference: heats from the lower end of the band to the upper one, whatever the grid does.

    It looks as far ahead as the game does: it switches on where the tank would be too cold at the
    end of the half-hour without, and off where it would be too hot with.
    """

    __slots__ = ("_is_on", "_tank")

    def __init__(self, tank: Tank) -> None:
        """Begin switched off."""
        self._tank = tank
        self._is_on = False

    def is_on(self, at_c: float) -> bool:
        """Tell whether to heat in the next half-hour, and remember it."""
        if self._is_on:
            self._is_on = bool(self._tank.comfort(at_c, is_on=True))
        else:
            self._is_on = not self._tank.comfort(at_c, is_on=False)
        return self._is_on


class Player:
    """Plays the bidding game of `wattbay.clearing.game.good_citizens` for one home.

    A round: every player makes its declaration, hears those of all, comes to the same equilibrium
    as they do, and plays its own part in it.
    """

    __slots__ = ("_rng", "_rule", "_tank", "peer")

    def __init__(self, peer: str, tank: Tank, rule: Rule, seed: int) -> None:
        """Know the own tank and the rule of all.

        Parameters
        ----------
        seed
            Of what the home draws where its part in an equilibrium is mixed.
        """
        self.peer = peer
        self._tank = tank
        self._rule = rule
        self._rng = np.random.default_rng(seed)

    def declare(self, at_c: float, net_kw: float) -> Declaration:
        """Return what to tell the others.

        Parameters
        ----------
        at_c
            How warm the tank is. [°C]
        net_kw
            Own generation minus own demand, the heater left out. [kW]
        """
        return Declaration(
            self.peer,
            (net_kw, net_kw - self._tank.power_kw),
            (self._tank.comfort(at_c, is_on=False), self._tank.comfort(at_c, is_on=True)),
        )

    def decide(self, declarations: Sequence[Declaration], passive_kw: float, seed: int) -> bool:
        """Tell whether to heat, having heard the declarations of all.

        Parameters
        ----------
        declarations
            Of all players, in the same order for all, the own one among them.
        passive_kw
            What those give to the grid who do not play. [kW]
        seed
            Of the search for a mixed equilibrium, the same for all players.

        Raises
        ------
        NotConverged
            As `wattbay.clearing.game.good_citizens.play`.
        """
        peers = [declared.peer for declared in declarations]
        return self.follow(play(declarations, passive_kw, self._rule, seed), peers.index(self.peer))

    def follow(self, found: Round, place: int) -> bool:
        """Tell whether to heat in an equilibrium that is known: the own part of it, drawn if mixed.

        Parameters
        ----------
        place
            Of this home among the declarations.
        """
        chance = float(found.mixture[place][ON])
        # A pure part draws nothing, so that who plays it uses no chance.
        return chance == 1.0 if chance in {0.0, 1.0} else bool(self._rng.random() < chance)


class WaterHeaterHome:
    """Trades a home's forecast together with what its heater will draw."""

    __slots__ = ("_desk", "_heating_wh", "_is_on")

    def __init__(self, desk: Desk, tank: Tank, *, hours: float = HALF_HOUR) -> None:
        """Trade at a desk; deliveries last so many hours."""
        self._desk = desk
        self._heating_wh = (0.0, tank.power_kw * hours * _WH_PER_KWH)
        self._is_on = False

    def switch(self, *, is_on: bool) -> None:
        """Take in what a `Control` or a `Player` decided for the delivery to order for."""
        self._is_on = is_on

    def act(self, sight: Sight) -> list[Command]:
        """Order the forecast net of the delivery, less what the heater will draw."""
        heating = self._heating_wh[ON if self._is_on else OFF]
        return self._desk.orders(
            sight.delivery, [net - heating for net in sight.net_wh], sight.price
        )

    def learn(self, outcome: Outcome) -> None:
        """Let the strategy see the price."""
        self._desk.learn(outcome.price)
