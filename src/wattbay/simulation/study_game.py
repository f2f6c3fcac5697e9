"""The study of the bidding game: ten peers, a day, with thermostats and with the game.

Every seed draws a day. It is lived through four times: with panels alone (case 1) and with three
turbines (case 2), by thermostats and by the game, all from the same draws. Each time it is lived
eight times in a row and only the last four count, so that nobody looks good by emptying its tank.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wattbay.agents.water_heater import Player, Thermostat
from wattbay.clearing.game.good_citizens import Kind, Rule, play
from wattbay.clearing.game.tank import HALF_HOUR, Tank
from wattbay.errors import NotConverged
from wattbay.periods import Period, to_text
from wattbay.simulation.study_profiles import PEERS, PERIODS, YEAR, Day, London, draw_day

Array = NDArray[np.float64]
Switches = NDArray[np.bool_]
Seconds = Callable[[], float]
"""How much CPU time went by: given, not asked for. [s]"""

SEEDS_MAX = 10_000
DAYS_BEFORE, DAYS_COUNTED = 4, 4
"""How often a day is lived until tanks are as their control leaves them, and then to be counted."""
STUDENT = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
"""97.5 % quantile of Student's t by degrees of freedom, from 1; beyond, the last one is used."""


class Found(NamedTuple):
    """How many half-hours, of all that count, came to which equilibrium."""

    single: int = 0
    """Just one pure equilibrium."""
    several: int = 0
    """Several pure ones: the rule selected."""
    mixed: int = 0
    """None pure, a mixed one."""
    none: int = 0
    """None was found; homes kept to their thermostats."""


class Lived(NamedTuple):
    """What a day came to: means of `DAYS_COUNTED`, but for the peak, the end and the counts."""

    exchange_kwh: float
    """Energy that the community exchanged with the grid, either way, a day."""
    peak_kw: float
    """Its largest exchange in a half-hour, either way."""
    heating_kwh: float
    """What the heaters drew, a day."""
    cold: float
    """Half-hours of homes that ended below the band, of 480 a day."""
    hot: float
    """Half-hours of homes that ended above it, of 480 a day."""
    mean_c: float
    """Of all tanks at the ends of half-hours. [°C]"""
    found: Found
    cpu_s: float
    """Of all days, those before included."""


class Pair(NamedTuple):
    """The same day by thermostats and by the game."""

    without: Lived
    played: Lived


class Drawn(NamedTuple):
    """What a seed came to, in both cases."""

    seed: int
    day: str
    """Start of the day that was drawn, in UTC."""
    panels: Pair
    """Case 1."""
    wind: Pair
    """Case 2."""


class Plan(NamedTuple):
    """What to study."""

    seeds: int
    first_seed: int = 1
    """Seeds are consecutive, from this one on."""
    season: Period = YEAR
    """Whole days of 2013 to draw from."""
    rule: Rule = Rule()
    tank: Tank = Tank()


class Estimate(NamedTuple):
    """A mean over seeds."""

    mean: float
    half_width: float | None
    """Of its 95 % confidence interval; None where there is one seed alone."""


def reduction(without: float, played: float) -> float:
    """Return by how much less something is with the game, in parts of what it is without.

    Raises
    ------
    ValueError
        If there is nothing to reduce.
    """
    if without <= 0:
        raise ValueError(f"{without} cannot be reduced")
    return (without - played) / without


def exchanged_kwh(net_kw: Array) -> float:
    """Return the energy that went to or came from the grid. [kWh]

    Parameters
    ----------
    net_kw
        What all peers together give in each half-hour. Shape (n_periods,). [kW]
    """
    return float(np.abs(net_kw).sum() * HALF_HOUR)


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean of independent draws and its 95 % confidence interval, by Student's t.

    Raises
    ------
    ValueError
        If there is nothing to estimate from.
    """
    if not values:
        raise ValueError("no values to estimate from")
    mean = sum(values) / len(values)
    if len(values) == 1:
        return Estimate(mean, None)
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    quantile = STUDENT[min(len(values) - 1, len(STUDENT)) - 1]
    return Estimate(mean, quantile * spread / math.sqrt(len(values)))


class Thermostats:
    """Every home heats by its own thermostat."""

    def __init__(self, tank: Tank) -> None:
        """Begin with all heaters off."""
        self._homes = [Thermostat(tank) for _ in PEERS]
        self.found = Found()

    def begin(self) -> None:
        """Count anew."""
        self.found = Found()

    def switch(self, at_c: Array, net_kw: Array) -> Switches:
        """Return who heats in the next half-hour. Shapes (n_peers,)."""
        del net_kw
        return np.array([home.is_on(float(c)) for home, c in zip(self._homes, at_c, strict=True)])


class Game:
    """All homes play a round before each half-hour."""

    def __init__(self, tank: Tank, rule: Rule, seed: int) -> None:
        """Let each home have chance of its own."""
        seeds = np.random.SeedSequence(seed).generate_state(len(PEERS))
        self._players = [
            Player(peer.peer, tank, rule, int(own)) for peer, own in zip(PEERS, seeds, strict=True)
        ]
        self._fallback = Thermostats(tank)
        self._rule = rule
        self._seed = seed
        self.found = Found()

    def begin(self) -> None:
        """Count anew."""
        self.found = Found()

    def switch(self, at_c: Array, net_kw: Array) -> Switches:
        """Return who heats in the next half-hour. Shapes (n_peers,).

        Every player would come to the same equilibrium; it is computed once for all. The own
        demand, panels and wind of the half-hour are taken as known, as in the published study.
        """
        rested = self._fallback.switch(at_c, net_kw)
        declarations = [
            player.declare(float(c), float(net))
            for player, c, net in zip(self._players, at_c, net_kw, strict=True)
        ]
        try:
            found = play(declarations, 0.0, self._rule, self._seed)
        except NotConverged:
            self.found = self.found._replace(none=self.found.none + 1)
            return rested
        if found.kind is Kind.MIXED:
            self.found = self.found._replace(mixed=self.found.mixed + 1)
        elif found.equilibria == 1:
            self.found = self.found._replace(single=self.found.single + 1)
        else:
            self.found = self.found._replace(several=self.found.several + 1)
        return np.array([player.follow(found, place) for place, player in enumerate(self._players)])


def live(day: Day, net_kw: Array, control: Thermostats | Game, tank: Tank, cpu_s: Seconds) -> Lived:
    """Live through a day again and again and return what it came to in the end.

    Parameters
    ----------
    net_kw
        Generation minus demand without the heaters. Shape (PERIODS, n_peers). [kW]
    """
    began = cpu_s()
    at_c = day.begin_c.copy()
    for _ in range(DAYS_BEFORE):
        _live_once(day, net_kw, control, tank, at_c)
    control.begin()
    lived = [_live_once(day, net_kw, control, tank, at_c) for _ in range(DAYS_COUNTED)]
    total_kw = np.concatenate([total for total, _, _ in lived])
    heated = np.concatenate([switches for _, switches, _ in lived])
    after_c = np.concatenate([temperatures for _, _, temperatures in lived])
    return Lived(
        exchanged_kwh(total_kw) / DAYS_COUNTED,
        float(np.abs(total_kw).max()),
        float(heated.sum() * tank.power_kw * HALF_HOUR) / DAYS_COUNTED,
        int((after_c < tank.low_c).sum()) / DAYS_COUNTED,
        int((after_c > tank.high_c).sum()) / DAYS_COUNTED,
        float(after_c.mean()),
        control.found,
        cpu_s() - began,
    )


def _live_once(
    day: Day, net_kw: Array, control: Thermostats | Game, tank: Tank, at_c: Array
) -> tuple[Array, Switches, Array]:
    """Live through a day; `at_c` is left as the tanks are at its end. [°C]

    Returns
    -------
    tuple
        What all give to the grid, shape (PERIODS,) [kW]; who heated, and how warm the tanks were
        at the ends of the half-hours, shapes (PERIODS, n_peers) [°C].
    """
    heated = np.zeros(net_kw.shape, dtype=np.bool_)
    after_c = np.zeros(net_kw.shape)
    for period in range(PERIODS):
        heated[period] = control.switch(at_c, net_kw[period])
        for home, is_on in enumerate(heated[period]):
            warm_c = tank.warmed(float(at_c[home]), is_on=bool(is_on))
            at_c[home] = tank.drawn(warm_c, float(day.draws_l[period, home]))
        after_c[period] = at_c
    return (net_kw - heated * tank.power_kw).sum(axis=1), heated, after_c


def study(plan: Plan, cpu_s: Seconds) -> Iterator[Drawn]:
    """Yield what each seed comes to, in order.

    Parameters
    ----------
    cpu_s
        Tells how much CPU time went by.

    Raises
    ------
    ValueError
        If there are too many seeds, or none.
    """
    if not 1 <= plan.seeds <= SEEDS_MAX:
        raise ValueError(f"{plan.seeds} seeds; from 1 to {SEEDS_MAX:,}")
    london = London.read()
    for seed in range(plan.first_seed, plan.first_seed + plan.seeds):
        day = draw_day(london, seed, plan.season)
        pairs = []
        for has_wind in (False, True):
            net_kw = day.net_kw(has_wind=has_wind)
            controls = Thermostats(plan.tank), Game(plan.tank, plan.rule, seed)
            pairs.append(
                Pair(*(live(day, net_kw, control, plan.tank, cpu_s) for control in controls))
            )
        yield Drawn(seed, to_text(day.start), pairs[0], pairs[1])
