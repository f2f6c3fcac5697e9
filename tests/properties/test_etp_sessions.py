"""Auctions over links and nodes that fail at any moment: nothing is sold twice, or paid wrongly."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.etp_members import STRANGER, BatteryPlan, Line
from tests.etp_world import World
from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.amounts import cents, kwh
from wattbay.adapters.etp.auctions import Rules
from wattbay.adapters.etp.bess import judge, judge_as_gateway
from wattbay.adapters.etp.messages import FailureCode, Kind, Message
from wattbay.periods import SECOND

STEPS_MAX = 60
EXAMPLES_MIN = 150
GHOSTS = 901, STRANGER
"""Devices that bid and confirm as they like; the market knows one of them."""

plans = st.builds(
    BatteryPlan,
    capacity_wh=st.sampled_from((5_000, 20_000, 20_000, 100_000)),
    reserve_price=st.sampled_from((0, 80_000, 100_000, 150_000)),
    percentage=st.sampled_from((10.0, 50.0, 100.0)),
    rules=st.builds(
        Rules()._replace,
        window_us=st.sampled_from((0, 0, 1_000, SECOND // 5, SECOND)),
        pause_us=st.sampled_from(((0, 0), (0, 0), (1, SECOND), (SECOND, 3 * SECOND))),
        judge=st.sampled_from((judge, judge, judge_as_gateway)),
        bids_max=st.sampled_from((2, 64)),
        promised_max=st.sampled_from((2, 64)),
    ),
)
good_prices = st.sampled_from((150_000, 180_003, 250_000))
prices = st.one_of(good_prices, st.sampled_from((0, 135_000, 149_999)), st.integers(0, 400_000))
energies = st.one_of(st.sampled_from((1, 100, 500, 500, 1_000, 2_000)), st.integers(0, 60_000))
places = st.integers(0, 50)
batteries = st.integers(101, 103)
buyers = st.integers(201, 203)
times = st.sampled_from((0, 1, 1_000, 199_999, 499_999, 500_000, SECOND, 2 * SECOND, 40 * SECOND))


class SessionsMachine(RuleBasedStateMachine):
    """The world, and all that can happen in it."""

    world: World

    @initialize(
        plans=st.lists(plans, min_size=1, max_size=3),
        registers=st.lists(st.sampled_from((True, True, False)), min_size=1, max_size=3),
        is_slow=st.booleans(),
    )
    def found(self, plans: list[BatteryPlan], registers: list[bool], *, is_slow: bool) -> None:
        self.world = World(plans, registers)
        self.world.market.is_slow = is_slow
        self.world.deliver_all()

    def battery(self, number: int) -> int:
        return 101 + (number - 101) % len(self.world.batteries)

    def buyer(self, number: int) -> int:
        return 201 + (number - 201) % len(self.world.aggregators)

    # --- trade -------------------------------------------------------------------------------

    @rule(buyer=buyers, battery=batteries, price=prices, energy_wh=energies, rounds=places)
    def bid(self, buyer: int, battery: int, price: int, energy_wh: int, rounds: int) -> None:
        self.world.bid(self.buyer(buyer), self.battery(battery), price, energy_wh)
        self.deliver_all(rounds)

    @rule(
        buyer=buyers, battery=batteries, rounds=st.integers(0, 3), cut=st.integers(0, 3),
        what=st.sampled_from(("", "", "battery", "aggregator")),
    )  # fmt: skip
    def deal(self, buyer: int, battery: int, rounds: int, cut: int, what: str) -> None:
        """Let a bid be made that is good; one of the two may crash at any step of it."""
        number, bess = self.buyer(buyer), self.battery(battery)
        self.all_is_well()
        self.world.bid(number, bess, 300_000, 100)
        self.deliver_all(rounds)
        if what == "battery":
            self.world.batteries[bess].crash_after = cut
        elif what == "aggregator":
            self.world.aggregators[number].crash_after = cut
        self.deliver_all(1)

    @rule(battery=batteries, price=good_prices, energy_wh=energies, rounds=places)
    def everybody_bids(self, battery: int, price: int, energy_wh: int, rounds: int) -> None:
        for buyer in self.world.aggregators:
            self.world.bid(buyer, self.battery(battery), price, energy_wh)
        self.deliver_all(rounds)

    @rule(buyer=buyers, battery=batteries)
    def query(self, buyer: int, battery: int) -> None:
        number, bess = self.buyer(buyer), self.battery(battery)
        self.world.buyer_does(number, lambda one: [one.query(bess)])

    @rule(rounds=places)
    def deliver_all(self, rounds: int) -> None:
        for _ in range(rounds % 4):
            self.world.deliver_all()

    @rule(place=places, count=st.integers(1, 3))
    def deliver_to_a_battery(self, place: int, count: int) -> None:
        for _ in range(count):
            lines = [line for line in self.world.lines if line.up]
            if lines:
                self.world.deliver_up(lines[place % len(lines)])

    @rule(place=places, count=st.integers(1, 3))
    def deliver_to_an_aggregator(self, place: int, count: int) -> None:
        for _ in range(count):
            lines = [line for line in self.world.lines if line.down]
            if lines:
                self.world.deliver_down(lines[place % len(lines)])

    @rule(us=times, is_heeded=st.booleans())
    def time_passes(self, us: int, *, is_heeded: bool) -> None:
        self.world.now += us
        if is_heeded:
            self.world.tick()

    @rule()
    def all_is_well(self) -> None:
        """Let every fault end that lasts, so that there is trade again."""
        self.world.market.refuses = False
        for number, battery in self.world.batteries.items():
            battery.bess.is_online = True
            battery.bess.offer(50)
            battery.recharged_wh += battery.bess.recharge(100)
            for buyer in self.world.aggregators:
                if self.world.line_of(buyer, number) is None:
                    self.world.link(buyer, number)

    # --- faults ------------------------------------------------------------------------------

    @rule(place=places, is_up=st.booleans(), later=st.integers(-1, 5))
    def a_message_is_lost_or_doubled(self, place: int, later: int, *, is_up: bool) -> None:
        """Lose one, or let it come again after others; registrations are lost with links only."""
        found: list[tuple[Line, int]] = [
            (line, at)
            for line in self.world.lines
            for at, raw in enumerate(line.up if is_up else line.down)
            if raw[0] != Kind.REGISTER
        ]
        if found:
            line, at = found[place % len(found)]
            queue = line.up if is_up else line.down
            if later < 0:
                del queue[at]
            else:
                queue.insert(min(len(queue), at + 1 + later), queue[at])

    @rule(buyer=buyers, battery=batteries, is_linked_again=st.booleans())
    def a_link_breaks(self, buyer: int, battery: int, *, is_linked_again: bool) -> None:
        act = self.world.link if is_linked_again else self.world.cut
        act(self.buyer(buyer), self.battery(battery))

    @rule(battery=batteries, cut=st.integers(-1, 3))
    def a_battery_crashes(self, battery: int, cut: int) -> None:
        """Let it crash now, or in the midst of what it does next."""
        if cut < 0:
            self.world.crash_battery(self.battery(battery))
        else:
            self.world.batteries[self.battery(battery)].crash_after = cut

    @rule(buyer=buyers, cut=st.integers(-1, 3))
    def an_aggregator_crashes(self, buyer: int, cut: int) -> None:
        if cut < 0:
            self.world.crash_aggregator(self.buyer(buyer))
        else:
            self.world.aggregators[self.buyer(buyer)].crash_after = cut

    @rule(number=batteries, code=st.sampled_from(FailureCode), what=st.integers(0, 4))
    def somebody_fails_or_stops(self, number: int, code: int, what: int) -> None:
        battery, buyer = self.battery(number), self.buyer(number + 100)
        match what:
            case 0:
                self.world.seller_does(battery, lambda seller: seller.fail(code))
            case 1:
                self.world.seller_does(battery, lambda seller: seller.stop())
            case 2:
                self.world.buyer_does(buyer, lambda one: one.fail(code))
            case 3:
                self.world.buyer_does(buyer, lambda one: one.stop())
            case _:
                self.world.batteries[battery].bess.offer(10.0 * code)

    # --- mischief ----------------------------------------------------------------------------

    @rule(battery=batteries, place=places, code=st.integers(0, 6), what=st.integers(0, 3))
    def something_is_said_in_a_false_name(
        self, battery: int, place: int, code: int, what: int
    ) -> None:
        bess = self.battery(battery)
        keys = [key for key in self.world.placed if key[1] == bess] or [(201, bess, 10**6)]
        number, _, message_id = keys[place % len(keys)]
        known = {bid.key for bid in self.world.batteries[bess].seller.bids}
        match what:
            case 0:
                self.world.say(m.terminate(message_id, number, code), bess)
            case 1:
                self.world.say(m.terminate(10**9, number, code), bess)
            case 2:
                self.world.say(m.device_failure(0, number, code), bess)
            case _ if (number, message_id) in known:
                self.world.say(m.bid(message_id, number, 10.0 * code, code), bess)
            case _:
                pass

    @rule(
        battery=batteries,
        ghost=st.sampled_from(GHOSTS),
        kind=st.sampled_from((Kind.BID, Kind.BID, Kind.BID_CONFIRM, Kind.BID_CONFIRM, Kind.QUERY)),
        message_id=st.integers(1, 3),
        price=st.sampled_from((-1, 160_000, 300_000)),
        energy_wh=st.sampled_from((0, 1_000, 2_000)),
    )
    def a_ghost_speaks(
        self, battery: int, ghost: int, kind: Kind, message_id: int, price: int, energy_wh: int
    ) -> None:
        message = Message(
            kind, message_id, ghost, bid_price=cents(price), sale_price=cents(price),
            required_energy_amount=kwh(energy_wh),
        )  # fmt: skip
        self.world.say(message, self.battery(battery))

    # --- the market --------------------------------------------------------------------------

    @rule(is_slow=st.booleans(), refuses=st.sampled_from((False, False, True)))
    def the_market_changes(self, *, is_slow: bool, refuses: bool) -> None:
        self.world.market.is_slow, self.world.market.refuses = is_slow, refuses

    @rule(place=places, does_tell=st.booleans())
    def the_market_decides(self, place: int, *, does_tell: bool) -> None:
        waiting = self.world.market.waiting
        if does_tell:
            self.world.answer(place)
        elif waiting:
            self.world.market.decide(waiting[place % len(waiting)])

    # --- what must hold ----------------------------------------------------------------------

    @invariant()
    def nothing_is_promised_twice(self) -> None:
        self.if_founded(lambda world: world.check())

    def if_founded(self, look: Callable[[World], None]) -> None:
        if hasattr(self, "world"):
            look(self.world)

    def teardown(self) -> None:
        self.if_founded(lambda world: world.come_to_rest())


TestSessions = SessionsMachine.TestCase
TestSessions.settings = settings(
    stateful_step_count=STEPS_MAX, max_examples=max(EXAMPLES_MIN, settings().max_examples)
)
