"""The packaged fleet's exchange, founded and listed, on a clock that is moved by hand."""

from __future__ import annotations

from collections.abc import Sequence

from wattbay.adapters.etp.auctions import Conclude
from wattbay.adapters.etp.desk import MarketDesk, Terms
from wattbay.agents.keeper import Keeper
from wattbay.core.commands import Command
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.journal import MemoryJournal
from wattbay.kernel.kernel import Answer, Kernel, Reader
from wattbay.periods import Instant, instant
from wattbay.simulation.etp_fleet import DEFAULT, Fleet, read_fleet
from wattbay.views.sales import Sales

FOUNDED = instant("2026-06-01T03:02:30Z")
BESS, BIDDER = 101, 203


class Street:
    """An exchange of the packaged fleet, at the first instant at which its members have pods."""

    def __init__(self, fleet: Fleet | None = None, readers: Sequence[Reader] = ()) -> None:
        self.fleet = read_fleet(DEFAULT) if fleet is None else fleet
        self.clock = SimulatedClock(FOUNDED)
        self.journal = MemoryJournal()
        self.sales = Sales(self.fleet.product.product)
        self.kernel = Kernel(self.journal, self.clock, [self.sales, *readers])
        keeper = Keeper(self.fleet.calendar)
        for command in self.fleet.founding(FOUNDED, {}):
            self.kernel.submit(command)
        self.begins = self.fleet.begins(FOUNDED)
        self.kernel.advance(self.begins)
        for command in keeper.act(self.kernel.exchange.state, self.begins):
            self.kernel.submit(command)
        fleet = self.fleet
        self.desk = MarketDesk(
            submit=self.submit, decide=self.kernel.exchange.decide, clock=self.clock,
            terms=Terms(fleet.product, fleet.isp_us, fleet.members, self.begins),
            past=self.sales.sales,
        )  # fmt: skip
        for battery in self.fleet.batteries:
            self.desk.discharge_w[battery.member.device] = battery.bess.discharge_w

    async def submit(self, command: Command) -> Answer:
        return self.kernel.submit(command)

    def advance(self, by_us: int) -> Instant:
        self.kernel.advance(Instant(self.clock.now() + by_us))
        return self.clock.now()


def a_conclusion(
    energy_wh: int = 2_000, *, price: int = 200_000, bidder: int = BIDDER, message_id: int = 7
) -> Conclude:
    return Conclude((bidder, message_id), price, energy_wh, (b"bid", b"confirmation"))
