from __future__ import annotations

import pytest

from tests.api_node import Bench, a_node
from tests.builders import EVE, MIDNIGHT, list_deliveries, pod_facts
from tests.listeners import Follower, somebody
from wattbay.access.identity import Identity
from wattbay.access.roles import AccessRole
from wattbay.adapters.api.stream.hub import Hub
from wattbay.adapters.api.stream.mailbox import Due, Mailbox
from wattbay.adapters.api.stream.sources import Sources
from wattbay.adapters.api.stream.topics import parse
from wattbay.core.commands import (
    Command,
    IssueStatements,
    PlaceOrder,
    SubmitLimit,
)
from wattbay.core.devices import RegisterDevice, RevokeDevice
from wattbay.core.facts import Device, DeviceKind, LimitTerm, NetworkLimit, Side
from wattbay.ids import CommunityId, MeterId, PartyId, PodId, ProductId
from wattbay.kernel.codec import Entry
from wattbay.kernel.evidence import Reading
from wattbay.periods import DAY, HOUR, MINUTE, Instant
from wattbay.watch.findings import Anomaly, Finding, Severity

PUBLIC = ("market", "deliveries", "prices", "trades", "book/halfhour/2013-06-10T00:00Z")
BOSS = somebody(AccessRole.ADMINISTRATOR, login="boss")


class Relay:
    """A reader that is there before the hub is."""

    def __init__(self) -> None:
        self.hub: Hub | None = None

    def fold(self, entry: Entry) -> None:
        if self.hub is not None:
            self.hub.fold(entry)


def a_hub() -> tuple[Hub, Bench]:
    relay = Relay()
    bench = a_node(readers=(relay,))
    sources = Sources(
        state=bench.node.state,
        history=bench.history,
        latest=bench.latest,
        alerts=bench.alerts,
    )
    relay.hub = Hub(sources, "e1", bench.clock.now())
    return relay.hub, bench


def hear(hub: Hub, bench: Bench, *readings: Reading) -> None:
    """Let readings come in one go, of which the last of each device is the latest."""
    bench.latest.readings.update({reading.device: reading for reading in readings})
    hub.readings(readings)


class Ear:
    """Somebody who hears topics of a hub, and reads at once what is asked of it."""

    def __init__(self, hub: Hub, who: Identity, *topics: str) -> None:
        self._hub = hub
        self._mailbox = Mailbox(lambda: None)
        self._follower = Follower()
        for name in topics:
            channel = hub.channel(parse(name), who)
            self._follower.forms[name] = channel.form
            hub.board.join(self._mailbox, channel)
        self.read()

    def read(self) -> list[str]:
        """Return what came since, as it was written."""
        found = []
        while (waiting := self._mailbox.take()) is not None:
            text = (
                self._hub.snapshot(waiting.channel, waiting.because)
                if isinstance(waiting, Due)
                else waiting.text
            )
            self._follower.hear(text)
            found.append(text)
        return found

    def known(self, topic: str) -> object:
        self.read()
        return self._follower.known[topic]


def order(pod: str, side: Side = Side.BUY, limit: int = 90_000) -> PlaceOrder:
    return PlaceOrder(
        pod=PodId(pod),
        product=ProductId("halfhour"),
        delivery=MIDNIGHT,
        side=side,
        quantity_wh=500,
        limit=limit,
    )


def a_reading(device: str = "m-h01", seq: int = 1, at: int = MIDNIGHT) -> Reading:
    return Reading(
        CommunityId("town"), MeterId(device), 1, seq, Instant(at), 100 + seq, 5, 0, -400, None, b"p"
    )


def test_a_day_of_trading_is_told_in_public_without_a_name() -> None:
    hub, bench = a_hub()
    ear = Ear(hub, somebody(AccessRole.ANALYST), *PUBLIC)
    bench.submit(order("h01"), order("h02", Side.SELL, 50_000))
    hub.flush()
    bench.advance(MIDNIGHT + 3 * DAY)
    hub.flush()
    texts = ear.read()
    assert not any(name in text for text in texts for name in ("h01", "h02", "p01", "p02"))
    (trade,) = _listed(ear, "trades")
    assert trade["data"] == {
        "trade": 1,
        "product": "halfhour",
        "delivery": "2013-06-10T00:00Z",
        "quantity_wh": 500,
        "price_nano_per_wh": 70_000,
    }
    deliveries = ear.known("deliveries")
    assert isinstance(deliveries, dict)
    first = deliveries["halfhour/2013-06-10T00:00Z"]
    assert (first["stage"], first["price_nano_per_wh"], first["run"]) == (
        "settled", 70_000, "initial",
    )  # fmt: skip
    prices = ear.known("prices")
    assert isinstance(prices, dict)
    assert prices["halfhour/2013-06-10T00:00Z"]["volume_wh"] == 500
    bench.advance(MIDNIGHT + 8 * DAY)
    market = "".join(ear.read())
    assert '"type":"final"' in market


def test_every_message_of_history_names_its_entry() -> None:
    hub, bench = a_hub()
    ear = Ear(hub, BOSS, *PUBLIC, "orders/h01", "receipts/h01")
    (answer,) = bench.submit(order("h01"))
    hub.flush()
    texts = ear.read()
    assert len(texts) == 2
    assert all(f'"entry":{answer.seq}' in text for text in texts)


def test_who_begins_later_gets_what_who_was_there_has() -> None:
    hub, bench = a_hub()
    names = (*PUBLIC, "orders/h01", "receipts/h01", "readings/h01", "devices/p01", "alerts/p01")
    who = somebody(AccessRole.PROSUMER, "p01")
    early = Ear(hub, who, *names)
    bench.submit(order("h01"), order("h01", limit=60_000), order("h02", Side.SELL, 50_000))
    bench.submit(replaced(order("h01"), delivery=MIDNIGHT + 20 * HOUR))
    hear(hub, bench, a_reading())
    hub.alert(bench.alerts.add(a_finding()))
    bench.advance(MIDNIGHT + 2 * HOUR)
    hub.flush()
    late = Ear(hub, who, *names)
    for name in names:
        known = early.known(name)
        if name == "orders/h01":
            assert isinstance(known, dict)
            known = {key: row for key, row in known.items() if row["status"] == "open"}
        assert late.known(name) == known, name
    assert late.known("orders/h01")


def replaced(command: PlaceOrder, *, delivery: int) -> PlaceOrder:
    return PlaceOrder(
        pod=command.pod,
        product=command.product,
        delivery=Instant(delivery),
        side=command.side,
        quantity_wh=command.quantity_wh,
        limit=command.limit,
    )


def a_finding(device: str = "m-h01") -> Finding:
    return Finding(
        Anomaly.TAMPER, Severity.SOFT, MeterId(device), 1, 1, EVE, EVE, "its case was opened"
    )


def test_a_server_that_starts_again_tells_of_the_same() -> None:
    hub, bench = a_hub()
    bench.submit(order("h01"), order("h02", Side.SELL, 50_000))
    bench.submit(replaced(order("h01"), delivery=MIDNIGHT + 20 * HOUR))
    bench.advance(MIDNIGHT + 2 * HOUR)
    hub.turn(bench.clock.now())
    sources = Sources(state=bench.node.state, history=bench.history)
    again = Hub(sources, "e2", bench.clock.now())
    names = (*PUBLIC[1:4], "orders/h01", "receipts/h01", "devices", "grid")
    before, after = Ear(hub, BOSS, *names), Ear(again, BOSS, *names)
    for name in names:
        assert after.known(name) == before.known(name), name


@pytest.mark.parametrize("pod", ["h01", "h02"])
def test_two_parties_never_hear_of_each_other(pod: str) -> None:
    hub, bench = a_hub()
    party, device = f"p{pod[1:]}", f"m-{pod}"
    other = "p02" if party == "p01" else "p01"
    own = ("orders/{0}", "receipts/{0}", "statements/{0}", "readings/{0}", "readings/m-{0}")
    names = [name.format(pod) for name in own] + [f"alerts/{party}", f"devices/{party}"]
    theirs = [name.format(f"h{other[1:]}") for name in own] + [
        f"alerts/{other}",
        f"devices/{other}",
    ]
    ear = Ear(hub, somebody(AccessRole.PROSUMER, party), *names)
    stranger = Ear(hub, somebody(AccessRole.PROSUMER, other), *theirs)
    bench.submit(order(pod, Side.SELL))
    hear(hub, bench, a_reading(device))
    hub.alert(bench.alerts.add(a_finding(device)))
    hub.device(MeterId(device), "status", {"status": "online"}, bench.clock.now())
    bench.submit(RevokeDevice(device=MeterId(device), reason="lost"))
    told = {text.partition('"topic":"')[2].partition('"')[0] for text in ear.read()}
    assert told == {names[0], *names[3:]}
    assert stranger.read() == []
    bench.advance(MIDNIGHT + 40 * DAY)
    receipts = [text for text in stranger.read() if pod in text or party in text]
    assert receipts == []


def test_statements_are_told_as_snapshots_have_them() -> None:
    hub, bench = a_hub()
    early = Ear(hub, BOSS, "statements/h01")
    bench.submit(order("h01"), order("h02", Side.SELL, 50_000))
    bench.advance(MIDNIGHT + 60 * DAY)
    bench.submit(IssueStatements(month="2013-06"))
    known = _rows(early, "statements/h01")
    assert [row["month"] for row in known.values()] == ["2013-06"]
    own = Ear(hub, somebody(AccessRole.PROSUMER, "p01"), "statements/h01")
    assert own.known("statements/h01") == known


def test_a_pod_that_changed_hands_is_told_of_to_each_party_for_its_own_time() -> None:
    hub, bench = a_hub()
    state = bench.node.state()
    facts = state.registry.pods[PodId("h01")][0]
    moved = pod_facts(facts.pod, party="p02", since=MIDNIGHT + 12 * HOUR)
    state.registry.pods[PodId("h01")].append(moved)
    before = Ear(hub, somebody(AccessRole.PROSUMER, "p01"), "orders/h01", "readings/h01")
    after = Ear(hub, somebody(AccessRole.PROSUMER, "p02"), "orders/h01", "readings/h01")
    boss = Ear(hub, BOSS, "orders/h01", "readings/h01")
    bench.submit(order("h01"), replaced(order("h01"), delivery=MIDNIGHT + 13 * HOUR))
    hear(hub, bench, a_reading(seq=1))
    hear(hub, bench, a_reading(seq=2, at=MIDNIGHT + 13 * HOUR))
    assert [list(_rows(ear, "orders/h01")) for ear in (before, after, boss)] == [
        ["1"], ["2"], ["1", "2"],
    ]  # fmt: skip
    late = [
        Ear(hub, somebody(AccessRole.PROSUMER, party), "orders/h01") for party in ("p01", "p02")
    ]
    assert [list(_rows(ear, "orders/h01")) for ear in late] == [["1"], ["2"]]
    assert [_rows(ear, "readings/h01")["m-h01"]["seq"] for ear in (before, after, boss)] == [
        1, 2, 2,
    ]  # fmt: skip


def _listed(ear: Ear, name: str) -> list[dict[str, dict[str, object]]]:
    known = ear.known(name)
    assert isinstance(known, list)
    return known


def _rows(ear: Ear, name: str) -> dict[str, dict[str, object]]:
    known = ear.known(name)
    assert isinstance(known, dict)
    return known


def test_gates_open_without_an_entry_and_are_told_at_their_instant() -> None:
    hub, bench = a_hub()
    ear = Ear(hub, BOSS, "market", "deliveries")
    day = list_deliveries(day="2013-06-11", start=MIDNIGHT + DAY)
    bench.submit(day)
    ear.read()
    assert _rows(ear, "deliveries")["halfhour/2013-06-11T12:00Z"]["stage"] == "listed"
    hub.turn(Instant(EVE + 2 * HOUR))
    opened = [text for text in ear.read() if '"gate_opened"' in text]
    assert len(opened) == 5
    hub.turn(Instant(EVE + 2 * HOUR))
    assert ear.read() == []
    assert _rows(ear, "deliveries")["halfhour/2013-06-11T02:00Z"]["stage"] == "open"
    assert _rows(ear, "deliveries")["halfhour/2013-06-11T02:30Z"]["stage"] == "listed"


def test_the_clock_is_told_with_its_speed() -> None:
    hub, _ = a_hub()
    ear = Ear(hub, BOSS, "clock")
    hub.beat(Instant(EVE + MINUTE), 60.0)
    assert ear.known("clock") == {"now": "2013-06-09T00:01Z", "speed": 60.0}


def test_books_are_told_together_when_asked_and_only_where_they_changed() -> None:
    hub, bench = a_hub()
    ear = Ear(hub, BOSS, "book/halfhour/2013-06-10T00:00Z", "book/halfhour/2013-06-10T00:30Z")
    for number in range(8):
        bench.submit(order("h01", limit=10_000 * number))
    assert ear.read() == []
    assert hub.flush()
    assert len(ear.read()) == 1
    assert not hub.flush()


def test_the_grid_operator_hears_of_limits_and_curtailment() -> None:
    hub, bench = a_hub()
    who = somebody(AccessRole.GRID_OPERATOR, "dso")
    ear = Ear(hub, who, "grid")
    limit = NetworkLimit(
        since=MIDNIGHT,
        until=Instant(MIDNIGHT + HOUR),
        terms=(LimitTerm(coefficient=1, pod=PodId("h01")),),
        bound_wh=400,
        reason="cable",
    )
    commands: list[Command] = [SubmitLimit(operator=PartyId("dso"), limit=limit), order("h01")]
    bench.submit(*commands)
    assert '"type":"limit"' in ear.read()[0]
    again = _listed(Ear(hub, who, "grid"), "grid")
    assert again == ear.known("grid")
    assert again[0]["data"]["reason"] == "cable"


def test_devices_and_what_was_heard_of_them_are_told_and_stay_in_snapshots() -> None:
    hub, bench = a_hub()
    ear = Ear(hub, BOSS, "devices")
    device = Device(
        device=MeterId("pv1"), kind=DeviceKind.PV_INVERTER, key=bytes(32), pod=PodId("h01")
    )
    bench.submit(RegisterDevice(device=device))
    assert _rows(ear, "devices")["pv1"]["pod"] == "h01"
    hub.device(MeterId("pv1"), "status", {"status": "online"}, EVE)
    hub.device(MeterId("nobody"), "status", {"status": "online"}, EVE)
    assert len(ear.read()) == 1
    expected = {
        "device": "pv1",
        "kind": "pv-inverter",
        "pod": "h01",
        "revoked": None,
        "status": "online",
    }
    assert _rows(ear, "devices")["pv1"] == expected
    assert _rows(Ear(hub, BOSS, "devices"), "devices")["pv1"] == expected


def test_a_reading_is_told_by_device_by_pod_and_to_who_sees_all() -> None:
    hub, bench = a_hub()
    own = Ear(hub, somebody(AccessRole.PROSUMER, "p01"), "readings/h01", "readings/m-h01")
    boss = Ear(hub, BOSS, "readings")
    hear(hub, bench, a_reading(), a_reading("m-h02"))
    assert len(own.read()) == 2
    assert list(_rows(boss, "readings")) == ["m-h01", "m-h02"]
    assert _rows(own, "readings/h01")["m-h01"]["import_register"] == 101


def test_a_reading_that_comes_late_takes_the_place_of_none() -> None:
    hub, bench = a_hub()
    stayed = Ear(hub, BOSS, "readings")
    hear(hub, bench, a_reading(seq=2, at=MIDNIGHT + MINUTE))
    hub.readings([a_reading(seq=1)])
    assert _rows(stayed, "readings")["m-h01"]["seq"] == 2
    assert _rows(Ear(hub, BOSS, "readings"), "readings") == _rows(stayed, "readings")


def test_an_alert_is_told_when_it_is_opened_and_when_it_is_closed() -> None:
    hub, bench = a_hub()
    own = Ear(hub, somebody(AccessRole.PROSUMER, "p01"), "alerts/p01")
    alert = bench.alerts.add(a_finding())
    hub.alert(alert)
    assert _rows(own, "alerts/p01")["1"]["closed_at"] is None
    closed = bench.alerts.close(alert.number, "boss", EVE)
    assert closed is not None
    hub.alert(closed, "closed")
    assert _rows(own, "alerts/p01")["1"]["closed_at"] == "2013-06-09T00:00Z"
    assert _rows(Ear(hub, BOSS, "alerts"), "alerts") == {}
