"""The loop of a simulated run: the made-up world at the ends of the wires.

The world does what a day has in store, in order of time: days are listed, agents order before each
gate closes, energy flows, meters publish at each boundary, and what survives the wire is read by
the real decoder. Everything between is the exchange itself, live or not. The clock of the kernel is
moved from one moment to the next; what the exchange owes the clock falls due on the way.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from enum import IntEnum
from heapq import merge
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from wattbay.adapters.mqtt import readings
from wattbay.agents.operator import MarketOperator
from wattbay.core.commands import Command, IssueStatements
from wattbay.core.events import Rejected
from wattbay.core.facts import Mechanism
from wattbay.core.market.product import check_ends, gate_closes
from wattbay.core.products import BLOCK
from wattbay.errors import WireError, ensure
from wattbay.ids import MeterId, PodId
from wattbay.kernel.kernel import Answer
from wattbay.periods import MINUTE, Instant, tile
from wattbay.simulation.dwellings import Dwellings, Flows
from wattbay.simulation.faults import Wire
from wattbay.simulation.founding import founded_at, founding, listings
from wattbay.simulation.meters import Meters, new_meter
from wattbay.simulation.residents import Residents
from wattbay.simulation.scenario_facts import Scenario
from wattbay.simulation.scenario_rule import BY_OPERATOR
from wattbay.views.market import Auctions
from wattbay.views.meters import MeterKeys
from wattbay.views.operator import OperatorDesk

ALLOCATED_BEFORE_US = MINUTE
"""How long before the first settlement run metered energy is allocated. [µs]"""


class Kind(IntEnum):
    """Kinds of moments; at one instant the lower comes first."""

    END = 0
    """A delivery ends: its energy has flowed, and meters publish."""
    BEGIN = 1
    """The first delivery after days that are left out is about to start: meters publish."""
    START = 2
    """A delivery starts."""
    EXCHANGE = 3
    """A meter is exchanged."""
    LIST = 4
    """The deliveries of a day are listed."""
    ORDER = 5
    """Agents order for a delivery."""
    STATE = 6
    """The statements of a month are due."""
    CLEAR = 7
    """A gate has closed and the network is checked: the market operator may bring a result."""
    ALLOCATE = 8
    """A delivery is about to be settled: the market operator allocates what was metered."""


class Moment(NamedTuple):
    """Something that happens at an instant."""

    at: Instant
    kind: Kind
    place: int
    """In the list that its kind belongs to."""


class Progress(NamedTuple):
    """How far a run has come."""

    done: int
    """Deliveries that are over."""
    total: int
    delivery: Instant
    """The last of them."""
    price: int | None
    """At which it was cleared; None where nothing crossed. [nano-currency per Wh]"""


class Door(Protocol):
    """What the world needs of a kernel."""

    def submit_many(self, commands: Sequence[Command]) -> list[Answer]:
        """Let the exchange decide commands in this order."""
        ...  # pragma: no cover

    def advance(self, to: Instant) -> None:
        """Let it be `to`."""
        ...  # pragma: no cover


DeviceRow = tuple[Instant, PodId, int, int, int, int, int]
"""Delivery, pod, load, pv, charge, discharge, state of charge at its end. [Wh]"""


class Town:
    """A community that lives through its days."""

    __slots__ = (
        "_auctions",
        "_desk",
        "_door",
        "_dwellings",
        "_flowed",
        "_flows",
        "_founding",
        "_keys",
        "_known_until",
        "_learning",
        "_listings",
        "_meters",
        "_months",
        "_operator",
        "_places",
        "_pods",
        "_residents",
        "_rows",
        "_scenario",
        "_starts",
        "_wire",
        "charge_start_wh",
        "exchanges",
        "refused_at_wire",
        "refused_readings",
    )

    def __init__(
        self,
        scenario: Scenario,
        kernel: Door,
        auctions: Auctions,
        keys: MeterKeys,
        desk: OperatorDesk | None = None,
    ) -> None:
        """Build a town before its first entry.

        Parameters
        ----------
        kernel
            Has an empty past, and a simulated clock that stands no later than `founded_at`.
        auctions, keys
            Views that the kernel tells of every entry.
        desk
            Another one, needed where the market operator brings results: see `operator_desk`.
        """
        self._scenario = scenario
        self._door = kernel
        self._auctions = auctions
        self._keys = keys
        self._desk = desk
        product = scenario.product
        self._operator = (
            MarketOperator(scenario.operator, product, scenario.rule_terms)
            if product.mechanism in BY_OPERATOR
            else None
        )
        self._pods = [home.pod for home in scenario.homes]
        self._places = {pod: place for place, pod in enumerate(self._pods)}
        fitted = [new_meter(scenario.seed, home.meter) for home in scenario.homes]
        self._meters = Meters(scenario.community, scenario.seed, self._pods, fitted)
        self._wire = Wire(scenario.faults, scenario.seed, scenario.isp_us)
        self._residents = Residents(scenario)
        self._dwellings = Dwellings(scenario.homes, scenario.isp_us)
        self._listings = listings(scenario)
        self._months = months(scenario)
        self._starts = [
            delivery.start for _, day in scenario.days for delivery in tile(day, scenario.isp_us)
        ]
        self._learning: deque[Instant] = deque()
        self._known_until = scenario.start
        self._flows: Flows | None = None
        self._flowed = np.zeros(len(self._pods))
        """What share of the present delivery's energy went through a meter that was replaced."""
        self._rows: list[DeviceRow] = []
        self.charge_start_wh = self._dwellings.soc_wh.copy()
        """State of charge before the first delivery. Shape (n_homes,). [Wh]"""
        self.exchanges = 0
        """How many meters were exchanged so far."""
        self.refused_at_wire: dict[str, int] = {}
        """How many messages the decoder refused, by what was wrong."""
        self.refused_readings: dict[str, int] = {}
        """How many readings the exchange refused, by reason."""
        self._founding = founding(scenario, fitted)

    @property
    def charge_wh(self) -> NDArray[np.float64]:
        """State of charge at the end of the last delivery. Shape (n_homes,). [Wh]"""
        return self._dwellings.soc_wh

    @property
    def injected(self) -> dict[str, int]:
        """How many readings met each kind of fault, and how many meters were exchanged."""
        return {**self._wire.injected, "exchanged": self.exchanges}

    def device_rows(self) -> list[DeviceRow]:
        """Hand out what flowed behind the meters since this was last asked."""
        rows, self._rows = self._rows, []
        return rows

    def run(self) -> Iterator[Progress]:
        """Live through all days, to the last final run; tell after each delivery."""
        self._door.advance(founded_at(self._scenario))
        self._must(self._founding)
        done = 0
        for at, kind, place in self._moments():
            self._receive(at)
            self._door.advance(at)
            match kind:
                case Kind.END:
                    self._end(at)
                    done += 1
                    delivery = self._starts[place]
                    price = self._auctions.prices().get(delivery)
                    yield Progress(done, len(self._starts), delivery, price)
                case Kind.BEGIN:
                    self._wire.send(at, self._meters.publish(at))
                case Kind.START:
                    self._start(at)
                case Kind.EXCHANGE:
                    self._exchange(place, at)
                case Kind.LIST:
                    self._must(self._listings[place][1])
                case Kind.ORDER:
                    self._order(self._starts[place], at)
                case Kind.STATE:
                    self._must([IssueStatements(month=self._months[place][1])])
                case Kind.CLEAR | Kind.ALLOCATE:
                    self._bring(kind, self._starts[place])

    def _moments(self) -> Iterator[Moment]:
        """Return everything that is planned, in order of time."""
        scenario, starts, isp = self._scenario, self._starts, self._scenario.isp_us
        lead = scenario.product.closes_before_us + scenario.order_lead_us
        is_ordered = scenario.product.mechanism is not Mechanism.COMMUNITY
        gates = list(enumerate(gates_of(scenario, starts)))
        return merge(
            results(scenario, starts),
            (Moment(Instant(at + isp), Kind.END, i) for i, at in enumerate(starts)),
            (
                Moment(at, Kind.BEGIN, i)
                for i, at in enumerate(starts)
                if i > 0 and at != starts[i - 1] + isp
            ),
            (Moment(at, Kind.START, i) for i, at in enumerate(starts)),
            (Moment(at, Kind.EXCHANGE, i) for i, (_, at) in enumerate(scenario.faults.exchanges)),
            (Moment(at, Kind.LIST, i) for i, (at, _) in enumerate(self._listings)),
            (Moment(Instant(at - lead), Kind.ORDER, i) for i, at in gates if is_ordered),
            (Moment(at, Kind.STATE, i) for i, (at, _) in enumerate(self._months)),
        )

    def _receive(self, until: Instant) -> None:
        """Submit what arrives until an instant, in batches at the instants of arrival."""
        while (at := self._wire.next_arrival) is not None and at <= until:
            self._door.advance(at)
            commands: list[Command] = []
            for topic, payload in self._wire.arrivals(at):
                try:
                    commands.append(readings.decode(payload, topic, self._keys.key_of))
                except WireError as fault:
                    kind = readings.kind(fault)
                    self.refused_at_wire[kind] = self.refused_at_wire.get(kind, 0) + 1
            for answer in self._door.submit_many(commands) if commands else ():
                match answer.events[0]:
                    case Rejected(reason=reason):
                        seen = self.refused_readings.get(reason.value, 0)
                        self.refused_readings[reason.value] = seen + 1
                    case _:
                        pass

    def _order(self, delivery: Instant, at: Instant) -> None:
        """Let agents learn what was cleared, and order for a delivery."""
        prices = self._auctions.prices()
        while self._learning and self._learning[0] in prices:
            known = self._learning.popleft()
            positions = self._auctions.positions(known)
            self._residents.learn(known, prices[known], self._pods, positions)
        dwellings = self._dwellings
        commands = self._residents.act(
            at, delivery, self._known_until, dwellings.soc_wh, dwellings.solar_wh
        )
        self._learning.append(delivery)
        if commands:
            self._door.submit_many(commands)

    def _bring(self, kind: Kind, delivery: Instant) -> None:
        """Let the market operator bring a result. If it is refused, nothing trades."""
        operator, desk = self._operator, self._desk
        ensure(operator is not None and desk is not None, "who brings results sees what it needs")
        if operator is None or desk is None:  # pragma: no cover - for the type checker
            return
        if kind is Kind.CLEAR and self._scenario.product.rule == BLOCK:
            self._door.submit_many(operator.clear_day(desk.day(delivery), desk.worsening))
        elif kind is Kind.CLEAR:
            orders = desk.orders(delivery)
            self._door.submit_many(operator.clear(delivery, orders, desk.worsening))
        else:
            self._door.submit_many(operator.allocate(delivery, desk.metered(delivery)))

    def _start(self, delivery: Instant) -> None:
        """Let a delivery begin: what will flow in it is settled, and who holds which charge."""
        series = self._scenario.series
        row = series.row(delivery)
        positions = self._auctions.positions(delivery)
        position_wh = np.array([positions.get(pod, 0) for pod in self._pods], np.float64)
        bounds = self._residents.bounds(delivery)
        self._flows = self._dwellings.flows(
            series.load_wh[row], series.pv_wh[row], position_wh, bounds
        )
        self._flowed[:] = 0.0
        self._known_until = delivery

    def _end(self, at: Instant) -> None:
        """Let a delivery end: its energy has flowed, and meters publish."""
        flows = self._flows
        ensure(flows is not None, "a delivery ends after it began")
        if flows is None:  # pragma: no cover - for the type checker
            return
        left = 1.0 - self._flowed
        self._meters.add(flows.import_wh * left, flows.export_wh * left)
        self._rows += self._dwellings.rows(self._known_until, flows)
        self._dwellings.settle(flows)
        self._flows = None
        self._known_until = at
        self._wire.send(at, self._meters.publish(at))

    def _exchange(self, number: int, at: Instant) -> None:
        """Replace a meter, in the midst of a delivery perhaps."""
        pods = [pod for pod, _ in self._scenario.faults.exchanges[: number + 1]]
        pod = pods[number]
        place = self._places[pod]
        if self._flows is not None:
            share = (at - self._known_until) / self._scenario.isp_us
            passed = np.zeros(len(self._pods))
            passed[place] = share - self._flowed[place]
            self._flowed[place] = share
            self._meters.add(self._flows.import_wh * passed, self._flows.export_wh * passed)
        self.exchanges += 1
        meter = new_meter(self._scenario.seed, MeterId(f"{pod}-m{1 + pods.count(pod)}"))
        self._must([self._meters.replace(place, self._scenario.seed, meter, at)])

    def _must(self, commands: Sequence[Command]) -> None:
        """Submit what cannot be refused, unless the scenario was not checked well enough."""
        for command, answer in zip(commands, self._door.submit_many(commands), strict=True):
            match answer.events[0]:
                case Rejected(reason=reason, detail=detail):
                    ensure(holds=False, claim=f"{command} is refused: {reason.value}, {detail}")
                case _:
                    pass


def operator_desk(scenario: Scenario) -> list[OperatorDesk]:
    """Return the view that the market operator needs, where it brings results."""
    product = scenario.product
    return [OperatorDesk(product.product)] if product.mechanism in BY_OPERATOR else []


def gates_of(scenario: Scenario, starts: Sequence[Instant]) -> list[Instant]:
    """Return the delivery before which each gate closes: with blocks the first of its day."""
    if scenario.product.rule != BLOCK:
        return list(starts)
    days = [day.start for _, day in scenario.days]
    return [days[bisect_right(days, at) - 1] for at in starts]


def results(scenario: Scenario, starts: Sequence[Instant]) -> Iterator[Moment]:
    """Return when the market operator brings a result of each delivery, if it does at all.

    As soon as it may; of metered energy as late as it may, when as much as possible is known.
    """
    product = scenario.product
    if product.mechanism is Mechanism.SUBMITTED:
        ends = check_ends if scenario.has_grid_operator else gate_closes
        for i, at in enumerate(gates_of(scenario, starts)):
            if product.rule != BLOCK or at == starts[i]:
                yield Moment(ends(product, at), Kind.CLEAR, i)
    elif product.mechanism is Mechanism.COMMUNITY:
        settled_us = scenario.isp_us + scenario.runs[0].after_us
        early_us = min(ALLOCATED_BEFORE_US, scenario.runs[0].after_us // 2)
        for i, at in enumerate(starts):
            yield Moment(Instant(at + settled_us - early_us), Kind.ALLOCATE, i)


def months(scenario: Scenario) -> list[tuple[Instant, str]]:
    """Return when the statements of each local month are issued, by instant.

    After the last delivery of the month had its first run; those of the last month at the very end,
    after the last final run.
    """
    ends = {f"{day:%Y-%m}": period.end for day, period in scenario.days}
    first, final = scenario.runs[0].after_us, scenario.runs[-1].after_us
    found = [(Instant(end + first), month) for month, end in ends.items()]
    last = found[-1][1]
    found[-1] = (Instant(ends[last] + final), last)
    return found
