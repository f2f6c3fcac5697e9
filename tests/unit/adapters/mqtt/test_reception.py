"""From a stored reading to history: what is submitted, with which words, and what never is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping

from tests.builders import EVE, ISP_US, MIDNIGHT, a_kernel, a_meter, a_reading, a_town
from tests.play import of, with_runs
from tests.servers import until_async
from wattbay.adapters.mqtt.reception import WAITING_MAX, Parts, Reader, Reception
from wattbay.core.commands import Command, ExchangeMeter
from wattbay.core.devices import RevokeDevice
from wattbay.core.events import EnergyMetered, Event, ReadingAccepted, Rejected
from wattbay.core.reasons import Reason
from wattbay.errors import AdapterError
from wattbay.ids import CommunityId, MeterId, PodId
from wattbay.kernel.clock import SimulatedClock
from wattbay.kernel.evidence import Flag, MemoryReadingStore, Reading
from wattbay.kernel.intake import NOT_IN_HISTORY
from wattbay.kernel.kernel import Answer, Kernel
from wattbay.periods import HOUR, MINUTE, Instant, Period
from wattbay.views.devices import Devices
from wattbay.watch.alerts import Alert, MemoryAlertStore
from wattbay.watch.anomalies import Watch
from wattbay.watch.findings import Anomaly, DeviceFacts
from wattbay.watch.health import Healths

TOWN = CommunityId("town")
METER = MeterId("m-h01")


class Scene:
    """A kernel, a store and the reception between them."""

    def __init__(self, waiting_max: int = WAITING_MAX) -> None:
        self.waiting_max = waiting_max
        self.clock = SimulatedClock(EVE)
        commands = with_runs(a_town(2), initial=HOUR, final=24 * HOUR)
        self.kernel: Kernel = a_kernel(*commands, clock=self.clock)
        self.store = MemoryReadingStore()
        self.alerts = MemoryAlertStore()
        self.told: list[Alert] = []
        self.heard: list[Reading] = []
        self.refusing = 0
        self.devices = Devices(lambda: self.kernel.exchange.state)
        self.watch = Watch()
        self.seq = 0
        self.reception = self.a_reception()

    def a_reception(self) -> Reception:
        self.health = Healths(self.watch, self.facts)
        return Reception(
            Parts(
                community=TOWN, clock=self.clock, state=lambda: self.kernel.exchange.state,
                submit=self.submit, store=self.store, watch=self.watch, health=self.health,
                alerts=self.alerts, facts=self.facts, waiting_max=self.waiting_max,
            ),
            [Reader(readings=self.heard.extend, alert=self.told.append)],
        )  # fmt: skip

    def facts(self) -> Mapping[MeterId, DeviceFacts]:
        return {
            name: DeviceFacts(name, one.pod, one.kind) for name, one in self.devices.all().items()
        }

    async def submit(self, command: Command) -> Answer:
        if self.refusing:
            self.refusing -= 1
            return Answer(NOT_IN_HISTORY, (Rejected(reason=Reason.TOO_MANY),))
        return self.kernel.submit(command)

    def reading(self, offset_us: int, register: int, *, flags: int = 0) -> Reading:
        self.seq += 1
        return Reading(
            TOWN, METER, 1, self.seq, Instant(MIDNIGHT + offset_us), register, 0, flags, None, None,
            b"signed",
        )  # fmt: skip

    def bring(self, *readings: Reading) -> None:
        """Store readings and let the reception hear of them, at the instant of the last."""
        self.clock.advance(max(self.clock.now(), readings[-1].measured_at))
        self.store.add(readings)
        self.reception.accepted(readings)

    def energies(self) -> dict[int, tuple[int, str]]:
        """Return import and quality of each metered delivery."""
        known = self.kernel.exchange.state.metering.energy
        return {
            (start - MIDNIGHT) // ISP_US: (of_pod["h01"].import_wh, of_pod["h01"].quality.value)  # type: ignore[index] # a pod
            for start, of_pod in known.items()
        }


def during(scene: Scene, *steps: Callable[[], object], submitted: int) -> None:
    """Take steps while the reception works, until so many readings are history."""

    async def story() -> None:
        work = asyncio.create_task(scene.reception.run())
        for step in steps:
            step()
        counts = scene.reception.counts
        await until_async(lambda: counts["submitted"] >= submitted, "the readings are history")
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    asyncio.run(story())


def minutes(scene: Scene, first: int, last: int) -> list[Reading]:
    """Return readings of each minute, a Wh each."""
    return [scene.reading(minute * MINUTE, minute) for minute in range(first, last + 1)]


def test_of_many_readings_those_at_boundaries_become_history() -> None:
    scene = Scene()
    during(scene, lambda: scene.bring(*minutes(scene, 0, 60)), submitted=3)
    assert scene.energies() == {0: (30, "measured"), 1: (30, "measured")}
    assert scene.reception.counts == {"submitted": 3}
    assert len(scene.heard) == 61
    latest = scene.reception.of(METER)
    assert latest is not None
    assert latest.seq == 61


def test_soft_finding_settles_as_suspect_and_is_told() -> None:
    scene = Scene()
    odd = [scene.reading(0, 0), scene.reading(ISP_US, 10, flags=Flag.TAMPER)]
    during(scene, lambda: scene.bring(*odd), submitted=2)
    assert scene.energies() == {0: (10, "suspect")}
    assert [alert.anomaly for alert in scene.told] == [Anomaly.TAMPER]
    assert [alert.anomaly for alert in scene.alerts.find()] == [Anomaly.TAMPER]


def test_stamp_of_tomorrow_is_not_the_latest_until_then() -> None:
    scene = Scene()
    scene.bring(*minutes(scene, 0, 5))
    ahead = scene.reading(48 * ISP_US, 6)
    scene.store.add([ahead])
    scene.reception.accepted([ahead])
    scene.bring(scene.reading(6 * MINUTE, 6))
    latest = scene.reception.of(METER)
    assert latest is not None
    assert latest.measured_at == MIDNIGHT + 6 * MINUTE


def test_hard_finding_is_kept_as_evidence_and_never_submitted() -> None:
    scene = Scene()
    back = [scene.reading(0, 500), scene.reading(ISP_US, 400), scene.reading(2 * ISP_US, 560)]
    during(scene, lambda: scene.bring(*back), submitted=2)
    assert scene.energies() == {0: (30, "split"), 1: (30, "split")}
    assert scene.reception.counts["never settle"] == 1
    assert {alert.anomaly for alert in scene.told} == {Anomaly.REGISTER_WENT_BACK}


def test_what_was_stored_and_not_submitted_is_found_after_a_stop() -> None:
    scene = Scene()
    scene.store.add(minutes(scene, 0, 60))
    scene.clock.advance(Instant(MIDNIGHT + 61 * MINUTE))
    during(scene, scene.reception.catch_up, submitted=3)
    assert scene.energies() == {0: (30, "measured"), 1: (30, "measured")}
    again = scene.a_reception()
    assert again.catch_up() == 0


def test_register_that_is_missing_before_a_known_one_is_found_after_a_stop() -> None:
    scene = Scene()
    scene.store.add(minutes(scene, 0, 60))
    scene.clock.advance(Instant(MIDNIGHT + 61 * MINUTE))
    last = a_reading(seq=61, measured_at=MIDNIGHT + 60 * MINUTE, import_register=60)
    scene.kernel.submit(last)
    during(scene, scene.reception.catch_up, submitted=1)
    assert scene.energies() == {0: (30, "measured"), 1: (30, "measured")}


def test_reading_that_found_no_room_is_found_again_though_later_ones_had_room() -> None:
    scene = Scene(waiting_max=1)
    scene.bring(*minutes(scene, 0, 60))
    assert scene.reception.counts["left in the store"] == 2
    during(scene, submitted=3)
    assert scene.energies() == {0: (30, "measured"), 1: (30, "measured")}


def test_last_reading_of_a_meter_that_was_replaced_is_found_after_a_stop() -> None:
    scene = Scene()
    scene.store.add(minutes(scene, 0, 40))
    scene.clock.advance(Instant(MIDNIGHT + 45 * MINUTE))
    scene.kernel.submit(
        ExchangeMeter(
            pod=PodId("h01"), at=Instant(MIDNIGHT + 40 * MINUTE), final_import=40, final_export=0,
            meter=a_meter("m-new"),
        )
    )  # fmt: skip
    during(scene, scene.reception.catch_up, submitted=2)
    assert scene.energies() == {0: (30, "measured")}


def test_what_never_settles_does_not_settle_after_a_stop_either() -> None:
    scene = Scene()
    leap = [*minutes(scene, 0, 29), scene.reading(ISP_US, 45)]
    scene.store.add([*leap, *minutes(scene, 31, 90)])
    scene.clock.advance(Instant(MIDNIGHT + 91 * MINUTE))
    last = a_reading(seq=91, measured_at=MIDNIGHT + 90 * MINUTE, import_register=90)
    scene.kernel.submit(last)

    def weak() -> Mapping[MeterId, DeviceFacts]:
        return {METER: DeviceFacts(METER, PodId("h01"), power_max_w=100)}

    scene.facts = weak  # type: ignore[method-assign] # 15 Wh in a minute are 900 W
    scene.reception = scene.a_reception()
    during(scene, submitted=2)
    registers = {
        total.at - MIDNIGHT: total.import_wh
        for total in scene.kernel.exchange.state.metering.pods[PodId("h01")].totals
    }
    assert registers[2 * ISP_US] == 60
    assert 45 not in registers.values()


def test_revoked_meter_is_believed_nothing_after_a_stop_either() -> None:
    scene = Scene()
    scene.store.add(minutes(scene, 0, 60))
    scene.clock.advance(Instant(MIDNIGHT + 61 * MINUTE))
    scene.kernel.submit(RevokeDevice(device=METER, reason="stolen"))
    scene.devices = Devices(lambda: scene.kernel.exchange.state)
    assert scene.reception.catch_up() == 0

    async def story() -> None:
        work = asyncio.create_task(scene.reception.run())
        for _ in range(10):
            await asyncio.sleep(0)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    asyncio.run(story())
    assert scene.reception.counts == {}


def test_store_that_does_not_answer_is_looked_through_later() -> None:
    scene = Scene()
    scene.store.add(minutes(scene, 0, 60))
    scene.clock.advance(Instant(MIDNIGHT + 61 * MINUTE))
    of_device, broken = scene.store.of_device, [True]

    def once_away(community: CommunityId, device: MeterId, within: Period) -> Iterator[Reading]:
        if broken:
            broken.clear()
            raise AdapterError("the store is gone")
        return of_device(community, device, within)

    scene.store.of_device = once_away  # type: ignore[method-assign] # gone once
    during(scene, submitted=3)
    assert scene.reception.counts["store does not answer"] == 1
    assert scene.energies() == {0: (30, "measured"), 1: (30, "measured")}


def test_readings_for_which_there_is_no_room_are_submitted_again() -> None:
    scene = Scene()
    scene.refusing = 2
    during(scene, lambda: scene.bring(*minutes(scene, 0, 60)), submitted=3)
    assert scene.energies() == {0: (30, "measured"), 1: (30, "measured")}


def test_refused_messages_reach_health_and_become_an_alert() -> None:
    scene = Scene()
    scene.reception.refused(METER, "bad signature", 3)
    assert [alert.anomaly for alert in scene.told] == [Anomaly.BAD_SIGNATURE]
    health = scene.health.of(METER)
    assert health is not None
    assert health.refusals == {"bad signature": 3}


def test_reading_of_a_device_that_is_no_meter_is_kept_and_not_submitted() -> None:
    scene = Scene()
    sensor = scene.reading(0, 5)._replace(device=MeterId("sensor"))
    facts = scene.facts

    def with_sensor() -> Mapping[MeterId, DeviceFacts]:
        return {**facts(), MeterId("sensor"): DeviceFacts(MeterId("sensor"), None, "grid-sensor")}

    scene.facts = with_sensor  # type: ignore[method-assign] # one device more
    scene.reception = scene.a_reception()
    scene.bring(sensor)
    assert scene.reception.of(MeterId("sensor")) == sensor
    assert scene.reception.counts == {}


def test_events_of_history_are_those_of_the_rules() -> None:
    scene = Scene()
    told: list[Event] = []

    async def kept(command: Command) -> Answer:
        answer = scene.kernel.submit(command)
        told.extend(answer.events)
        return answer

    scene.submit = kept  # type: ignore[method-assign] # listens in between
    scene.reception = scene.a_reception()
    during(scene, lambda: scene.bring(*minutes(scene, 0, 30)), submitted=2)
    assert len(of(ReadingAccepted, told)) == 2
    assert [one.import_wh for one in of(EnergyMetered, told)] == [30]
