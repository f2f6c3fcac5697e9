"""Members and their devices: who joins, moves, switches and leaves; who is enrolled and revoked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.api_node import TOWN, Bench, a_node, live_a_day
from tests.builders import EVE, MIDNIGHT, a_reading
from wattbay.access.roles import AccessRole
from wattbay.adapters.api.device_life import LOOKED_THROUGH_US
from wattbay.adapters.api.devices import DEVICES_PER_POD_MAX
from wattbay.adapters.mqtt import enrolment
from wattbay.adapters.mqtt.commands import command_of
from wattbay.adapters.mqtt.keys import Ed25519Signer
from wattbay.core.devices import RegisterDevice
from wattbay.core.facts import Device, DeviceKind
from wattbay.core.registry import facts_at
from wattbay.errors import AdapterError
from wattbay.ids import CommunityId, MeterId, PartyId, PodId
from wattbay.kernel.evidence import Reading
from wattbay.periods import DAY, HOUR, MINUTE, Instant, Period, instant, to_text
from wattbay.watch.findings import Anomaly, Finding, Severity

API = "/api/v1"
LATER = "2013-06-11T00:00Z"
"""When nothing is listed yet."""
SIGNER = Ed25519Signer(b"d" * 32)
OTHER = Ed25519Signer(b"e" * 32)


def a_request(
    device: str = "m-h07",
    kind: DeviceKind = DeviceKind.METER,
    *,
    signer: Ed25519Signer = SIGNER,
    challenge: str = "",
) -> dict[str, Any]:
    """Return what a device writes that asks to be known."""
    made = enrolment.request(TOWN, MeterId(device), kind, signer, Instant(EVE), challenge=challenge)
    found: dict[str, Any] = json.loads(enrolment.encode(made))
    return found


def a_pod(**changed: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of a pod
    return {
        "pod": "h07", "since": LATER, "party": "p07", "zone": "z1", "supplier": "supplier",
        "brp": "supplier", "tariff": "flat", "yearly_import_wh": 2_000_000,
        "meter": {"request": a_request(), "import_register": 48_120}, **changed,
    }  # fmt: skip


PARTY = {"party": "p07", "facts": {"roles": ["prosumer"], "credit_limit_nano": 5 * 10**10}}


# --- members ---------------------------------------------------------------------------------


def test_a_member_joins_with_pod_and_meter() -> None:
    bench = a_node()
    answer = bench.call("boss", "POST", f"{API}/members", {"party": PARTY, "pod": a_pod()})
    assert answer.status_code == 201, answer.text
    assert len(answer.json()["entries"]) == 2
    state = bench.node.state()
    assert state.metering.meters[MeterId("m-h07")].meter.key == SIGNER.public_key
    assert state.metering.meters[MeterId("m-h07")].meter.import_register == 48_120
    facts = facts_at(state.registry, PodId("h07"), instant(LATER))
    assert facts is not None
    assert facts.party == "p07"
    again = bench.call("boss", "POST", f"{API}/members", {"party": PARTY, "pod": a_pod()})
    assert again.status_code == 409


def test_a_pod_whose_meter_does_not_hold_its_key_is_not_connected() -> None:
    bench = a_node()
    bench.call("boss", "POST", f"{API}/parties", PARTY)
    forged = {**a_request(), "public_key": OTHER.public_key.hex()}
    for request in (forged, {**a_request(), "device": "m-other"}, {**a_request(), "proof": "00"}):
        head = bench.journal.head
        pod = a_pod(meter={"request": request})
        answer = bench.call("boss", "POST", f"{API}/pods", pod)
        assert answer.status_code == 409
        assert answer.json()["errors"][0]["pointer"] == "/request/proof"
        assert bench.journal.head == head
    assert bench.call("boss", "POST", f"{API}/pods", a_pod()).status_code == 201


def test_a_meter_of_another_community_is_not_put_in() -> None:
    request = {**a_request(), "community": "elsewhere"}
    answer = a_node().call("boss", "POST", f"{API}/pods", a_pod(meter={"request": request}))
    assert answer.json()["errors"][0]["pointer"] == "/request/community"


def test_what_is_no_meter_does_not_come_with_a_pod() -> None:
    request = a_request(kind=DeviceKind.BATTERY)
    answer = a_node().call("boss", "POST", f"{API}/pods", a_pod(meter={"request": request}))
    assert answer.json()["errors"][0]["pointer"] == "/request/kind"


def test_a_household_switches_tariff_and_supplier_from_a_date() -> None:
    bench = a_node()
    body = {"since": LATER, "supplier": "other", "brp": "other", "tariff": "green"}
    alone = bench.call("p01", "POST", f"{API}/pods/h01/supplier", body)
    assert (alone.status_code, alone.json()["type"]) == (409, "urn:wattbay:problem:not-offered")
    assert bench.call("boss", "POST", f"{API}/pods/h02/supplier", body).status_code == 200
    answer = bench.call("p01", "POST", f"{API}/pods/h01/supplier", body)
    assert answer.status_code == 200, answer.text
    told = bench.call("p01", "GET", f"{API}/pods/h01").json()
    assert [one["tariff"] for one in told] == ["green", "flat"]
    assert told[0]["since"] == told[1]["until"] == LATER
    assert (told[0]["supplier"], told[0]["party"]) == ("other", "p01")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"since": "2013-06-10T12:00Z", "tariff": "green"}, 409),
        ({"since": LATER, "tariff": "none"}, 404),
        ({"since": LATER, "supplier": "p02"}, 404),
        ({"since": LATER, "brp": "nobody"}, 404),
        ({"since": "2013-06-11T00:07Z", "tariff": "green"}, 409),
    ],
)
def test_a_switch_that_cannot_be_changes_nothing(body: dict[str, Any], status: int) -> None:
    bench = a_node()
    answer = bench.call("boss", "POST", f"{API}/pods/h01/supplier", body)
    assert answer.status_code == status, answer.text
    assert len(bench.node.state().registry.pods[PodId("h01")]) == 1


def test_a_pod_leaves_from_a_date() -> None:
    bench = a_node()
    answer = bench.call("p01", "POST", f"{API}/pods/h01/leave", {"until": LATER})
    assert answer.status_code == 200, answer.text
    assert bench.node.state().registry.left == {PodId("h01"): instant(LATER)}
    again = bench.call("p01", "POST", f"{API}/pods/h01/leave", {"until": LATER})
    assert again.status_code == 409


def test_another_party_moves_in() -> None:
    bench = a_node()
    body = {"party": "p02", "since": LATER}
    assert bench.call("boss", "POST", f"{API}/pods/h01/move", body).status_code == 200
    first, second = bench.call("boss", "GET", f"{API}/pods/h01").json()
    assert (first["party"], second["party"]) == ("p02", "p01")
    assert [one["party"] for one in bench.call("p01", "GET", f"{API}/pods/h01").json()] == ["p01"]
    unknown = bench.call("boss", "POST", f"{API}/pods/h99/move", body)
    assert unknown.status_code == 404


def test_proof_of_a_receipt_names_the_meter_of_its_time() -> None:
    bench = a_node()
    live_a_day(bench)
    at = Instant(bench.clock.now() // HOUR * HOUR)
    body = {
        "at": to_text(at),
        "final_import": 0,
        "final_export": 9_600,
        "meter": {"request": a_request("m-new"), "import_register": 7},
    }
    answer = bench.call("boss", "POST", f"{API}/pods/h01/meter", body)
    assert answer.status_code == 200, answer.text
    told = bench.call("p01", "GET", f"{API}/receipts/h01/2013-06-10T00:00Z").json()
    assert told["proof"]["readings"].startswith(f"{API}/devices/m-h01/readings?")


def test_register_that_was_read_later_is_not_for_who_moved_out() -> None:
    bench = a_node()
    since = Instant(MIDNIGHT + DAY)
    body = {"party": "p02", "since": to_text(since)}
    assert bench.call("boss", "POST", f"{API}/pods/h01/move", body).status_code == 200
    late = Instant(since + 10 * MINUTE)
    for number, at in enumerate((MIDNIGHT, late), 1):
        bench.advance(at)
        bench.submit(a_reading("m-h01", seq=number, measured_at=at, import_register=500 * number))

    def seen(login: str) -> list[str]:
        items = bench.call(login, "GET", f"{API}/readings?pod=h01").json()["items"]
        return [one["measured_at"] for one in items]

    assert to_text(late) in seen("boss")
    assert to_text(late) in seen("p02")
    assert to_text(late) not in seen("p01")
    assert to_text(MIDNIGHT) in seen("p01")


def test_a_meter_is_exchanged() -> None:
    bench = a_node()
    body = {
        "at": "2013-06-10T12:00Z",
        "final_import": 0,
        "final_export": 0,
        "meter": {"request": a_request("m-new"), "import_register": 7},
    }
    bench.advance(EVE + DAY + 12 * 60 * MINUTE)
    answer = bench.call("boss", "POST", f"{API}/pods/h01/meter", body)
    assert answer.status_code == 200, answer.text
    told = bench.call("p01", "GET", f"{API}/devices").json()["items"]
    assert [(one["device"], one["until"] is None) for one in told] == [
        ("m-h01", False),
        ("m-new", True),
    ]


def test_a_partys_credit_is_set_from_the_version_that_was_seen() -> None:
    bench = a_node()
    path = f"{API}/parties/p01"
    tag = bench.call("boss", "GET", path).headers["etag"]
    body = {"credit_limit_nano": 7 * 10**9}
    assert bench.call("boss", "PUT", f"{path}/credit-limit", body).status_code == 428
    changed = bench.call("boss", "PUT", f"{path}/credit-limit", body, headers={"If-Match": tag})
    assert changed.status_code == 200
    assert changed.json()["party"]["credit_limit"] == "7.00"
    stale = bench.call("boss", "PUT", f"{path}/credit-limit", body, headers={"If-Match": tag})
    assert stale.status_code == 412
    facts = {"roles": ["consumer"], "funding": "prepaid", "tax_from": "2014-01-01T00:00Z"}
    whole = bench.call("boss", "PUT", path, facts, headers={"If-Match": "*"})
    assert whole.json()["party"]["tax_from"] == "2014-01-01T00:00Z"
    missing = bench.call("boss", "PUT", f"{API}/parties/p99", facts, headers={"If-Match": "*"})
    assert missing.status_code == 404


def test_particulars_are_kept_apart_and_erased_without_a_trace() -> None:
    bench = a_node()
    path = f"{API}/parties/p01/particulars"
    head = bench.journal.head
    body = {"particulars": {"name": "Ada Byron", "city": "London"}}
    assert bench.call("p01", "GET", path).status_code == 404
    assert bench.call("p01", "PUT", path, body).status_code == 200
    assert bench.call("p01", "GET", path).json() == body
    assert bench.call("boss", "GET", path).json() == body
    gone = bench.call("boss", "DELETE", path)
    assert gone.json() == {"party": "p01", "was_there": True}
    assert bench.people.particulars(PartyId("p01")) is None
    assert bench.call("p01", "GET", path).status_code == 404
    assert bench.journal.head == head
    assert "Ada" not in str(bench.people.audit())


def test_a_tariff_is_published_once() -> None:
    bench = a_node()
    body = {
        "tariff": "night", "energy_nano_per_wh": 90_000, "export_nano_per_wh": 30_000,
        "network_regional_nano_per_wh": 20_000,
        "tax": [{"since": "2013-01-01T00:00Z", "ppm": 50_000}],
        "network_local": [{"from_zone": "z1", "to_zone": "z1", "nano_per_wh": 5_000}],
        "monthly": {"tiers": [{"from_wh": 100_000, "nano_per_wh": 1_000}], "minimum_nano": 5},
    }  # fmt: skip
    assert bench.call("boss", "POST", f"{API}/tariffs", body).status_code == 201
    told = bench.call("p01", "GET", f"{API}/tariffs/night").json()
    assert {name: told[name] for name in body if name != "monthly"} == {
        name: value for name, value in body.items() if name != "monthly"
    }
    assert told["monthly"]["tiers"] == [{"from_wh": 100_000, "nano_per_wh": 1_000}]
    assert bench.call("boss", "POST", f"{API}/tariffs", body).status_code == 409


# --- devices ---------------------------------------------------------------------------------


def challenged(bench: Bench, device: str, login: str = "p01") -> str:
    answer = bench.call(login, "POST", f"{API}/devices/challenge", {"device": device})
    assert answer.status_code == 201
    return str(answer.json()["challenge"])


def a_battery(bench: Bench, login: str = "p01") -> dict[str, Any]:
    challenge = challenged(bench, "b-h01", login)
    request = a_request("b-h01", DeviceKind.BATTERY, challenge=challenge)
    return {"request": request, "pod": "h01", "power_max_w": 5_000}


def test_a_household_enrols_a_battery_that_signs_a_challenge() -> None:
    bench = a_node()
    answer = bench.call("p01", "POST", f"{API}/devices", a_battery(bench))
    assert answer.status_code == 201, answer.text
    told = bench.call("p01", "GET", f"{API}/devices/b-h01").json()
    assert (told["kind"], told["pod"], told["algorithm"]) == ("battery", "h01", "ed25519")
    assert told["public_key"] == SIGNER.public_key.hex()


def test_a_challenge_is_used_once_and_within_its_time() -> None:
    bench = a_node()
    body = a_battery(bench)
    late = a_battery(bench)
    assert bench.call("p01", "POST", f"{API}/devices", body).status_code == 201
    used = bench.call("p01", "POST", f"{API}/devices", body)
    assert used.status_code == 409
    assert used.json()["errors"][0]["pointer"] == "/request/challenge"
    bench.wall.advance(Instant(EVE + 10 * MINUTE))
    assert bench.call("p01", "POST", f"{API}/devices", late).status_code == 409


@pytest.mark.parametrize("challenge", ["", "made up"])
def test_without_a_challenge_a_household_enrols_nothing(challenge: str) -> None:
    bench = a_node()
    request = a_request("b-h01", DeviceKind.BATTERY, challenge=challenge)
    body = {"request": request, "pod": "h01"}
    assert bench.call("p01", "POST", f"{API}/devices", body).status_code == 409
    status = 201 if challenge == "" else 409
    assert bench.call("boss", "POST", f"{API}/devices", body).status_code == status


def test_a_household_enrols_no_meter_and_no_sensor() -> None:
    bench = a_node()
    meter = {"request": a_request(), "pod": "h01"}
    assert bench.call("p01", "POST", f"{API}/devices", meter).json()["type"].endswith(":a-meter")
    sensor = {"request": a_request("s-1", DeviceKind.GRID_SENSOR), "zone": "z1"}
    assert bench.call("p01", "POST", f"{API}/devices", sensor).status_code == 403
    assert bench.call("boss", "POST", f"{API}/devices", sensor).status_code == 201
    assert bench.call("grid", "GET", f"{API}/devices/s-1").json()["zone"] == "z1"
    assert bench.call("p01", "GET", f"{API}/devices/s-1").status_code == 404
    listed = bench.call("grid", "GET", f"{API}/devices").json()["items"]
    assert [one["device"] for one in listed] == ["s-1"]


def test_a_key_is_rotated_by_the_devices_own_request() -> None:
    bench = a_node()
    bench.call("p01", "POST", f"{API}/devices", a_battery(bench))
    path = f"{API}/devices/b-h01/key"
    challenge = challenged(bench, "b-h01")
    request = a_request("b-h01", DeviceKind.BATTERY, signer=OTHER, challenge=challenge)
    wrong = bench.call("boss", "PUT", f"{API}/devices/m-h01/key", {"request": request})
    assert wrong.status_code == 409
    assert bench.call("p01", "PUT", path, {"request": request}).status_code == 200
    told = bench.call("p01", "GET", f"{API}/devices/b-h01").json()
    assert told["public_key"] == OTHER.public_key.hex()


def test_no_household_takes_the_room_of_all_others_for_devices() -> None:
    bench = a_node()
    taken = Device(
        device=MeterId("x"), kind=DeviceKind.BATTERY, key=SIGNER.public_key, pod=PodId("h01"),
        power_max_w=5_000,
    )  # fmt: skip
    for number in range(DEVICES_PER_POD_MAX):
        name = MeterId(f"x-{number}")
        bench.submit(RegisterDevice(device=msgspec.structs.replace(taken, device=name)))
    answer = bench.call("p01", "POST", f"{API}/devices", a_battery(bench))
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:wattbay:problem:too-many")
    assert bench.call("boss", "POST", f"{API}/devices", a_battery(bench)).status_code == 201


def test_no_household_chooses_the_key_of_its_meter() -> None:
    bench = a_node()
    challenge = challenged(bench, "m-h01")
    request = a_request("m-h01", signer=OTHER, challenge=challenge)
    path = f"{API}/devices/m-h01/key"
    refused = bench.call("p01", "PUT", path, {"request": request})
    assert refused.status_code == 403, refused.text
    assert bench.call("boss", "PUT", path, {"request": request}).status_code == 200
    told = bench.call("p01", "GET", f"{API}/devices/m-h01").json()
    assert told["public_key"] == OTHER.public_key.hex()


def test_who_sees_the_grid_commands_no_sensor_of_it() -> None:
    bench = a_node()
    sensor = {"request": a_request("s-1", DeviceKind.GRID_SENSOR), "zone": "z1"}
    assert bench.call("boss", "POST", f"{API}/devices", sensor).status_code == 201
    both = frozenset({AccessRole.PROSUMER, AccessRole.ANALYST})
    bench.people.change_login("p01", roles=both)
    assert bench.call("p01", "GET", f"{API}/devices/s-1").status_code == 200
    path = f"{API}/devices/s-1/commands"
    assert bench.call("p01", "POST", path, {"cmd": "ping"}).status_code == 404
    assert bench.call("boss", "POST", path, {"cmd": "ping"}).status_code == 202


def test_a_revoked_device_has_no_key_and_takes_no_command() -> None:
    bench = a_node()
    bench.call("p01", "POST", f"{API}/devices", a_battery(bench))
    path = f"{API}/devices/b-h01"
    assert bench.call("p01", "DELETE", f"{path}?reason=it+was+stolen").status_code == 200
    told = bench.call("p01", "GET", path).json()
    assert (told["revoked"], told["public_key"]) == ("it was stolen", None)
    assert bench.call("p01", "POST", f"{path}/commands", {"cmd": "ping"}).status_code == 404
    assert bench.call("p01", "DELETE", f"{path}?reason=again").status_code == 403
    assert bench.call("p01", "DELETE", path).status_code == 422


def test_a_household_does_not_revoke_the_meter_that_measures_it() -> None:
    bench = a_node()
    path = f"{API}/devices/m-h01?reason=it+counts+too+much"
    assert bench.call("p01", "DELETE", path).status_code == 403
    assert bench.node.state().registry.revoked == {}
    assert bench.call("boss", "DELETE", path).status_code == 200


def test_a_device_is_told_what_to_do() -> None:
    bench = a_node()
    path = f"{API}/devices/m-h01/commands"
    set_point = {
        "cmd": "set_point",
        "power_w": -2_000,
        "start": "2013-06-09T12:00Z",
        "end": "2013-06-09T12:30Z",
    }
    sent = bench.call("p01", "POST", path, set_point)
    assert (sent.status_code, sent.json()) == (202, {"device": "m-h01", "number": 1})
    device, order = bench.wire.sent[0]
    assert device == "m-h01"
    assert order == {
        "cmd": "set_point",
        "expires_at": EVE + 60 * MINUTE,
        "power_w": -2_000,
        "start": instant("2013-06-09T12:00Z"),
        "end": instant("2013-06-09T12:30Z"),
    }
    backwards = {**set_point, "end": "2013-06-09T11:00Z"}
    assert bench.call("p01", "POST", path, backwards).status_code == 409
    price = {
        "start": "2013-06-09T12:00Z", "end": "2013-06-09T12:30Z",
        "import_nano_per_wh": 1, "export_nano_per_wh": 2,
    }  # fmt: skip
    shown = {"cmd": "tariff", "currency": "GBP", "prices": [price]}
    assert bench.call("boss", "POST", path, shown).json()["number"] == 2
    assert bench.call("p01", "POST", path, {"cmd": "explode"}).status_code == 422
    bench.call("p01", "POST", path, {"cmd": "ping", "expires_at": "2013-06-09T13:00Z"})
    orders = [dict(order) for _, order in bench.wire.sent if isinstance(order, dict)]
    commands = [type(command_of(order, 1)).__name__ for order in orders]
    assert commands == ["SetPoint", "ShowTariff", "Ping"]


def test_without_a_broker_nothing_is_told() -> None:
    bench = a_node()
    bench.wire.is_cut = True
    answer = bench.call("p01", "POST", f"{API}/devices/m-h01/commands", {"cmd": "ping"})
    assert answer.status_code == 503
    assert AdapterError.__name__ not in answer.text


def test_a_household_checks_what_its_meter_signed() -> None:
    bench = a_node()
    live_a_day(bench)
    path = f"{API}/devices/m-h01/readings?since=2013-06-10T00:00Z&until=2013-06-10T01:00Z"
    told = bench.call("p01", "GET", path).json()["items"]
    assert [one["measured_at"] for one in told] == ["2013-06-10T00:30Z", "2013-06-10T00:00Z"]
    assert told[0]["proof"] == "c2lnbmVk"
    assert told[0]["export_register"] == 200
    last = bench.call("p01", "GET", f"{API}/devices/m-h01/reading").json()
    assert last["measured_at"] == "2013-06-11T00:00Z"
    wide = f"{API}/devices/m-h01/readings?since=2013-06-01T00:00Z&until=2013-06-10T01:00Z"
    assert bench.call("p01", "GET", wide).status_code == 409


def test_alerts_are_seen_acknowledged_and_closed() -> None:
    bench = a_node()
    for device in ("m-h01", "m-h02", "m-h01"):
        anomaly = Anomaly.NIGHT_SOLAR if device == "m-h02" else Anomaly.TAMPER
        bench.alerts.add(
            Finding(anomaly, Severity.SOFT, MeterId(device), 1, 1, None, Instant(EVE), "odd")
        )
    mine = bench.call("p01", "GET", f"{API}/alerts").json()["items"]
    assert [(one["device"], one["count"]) for one in mine] == [("m-h01", 2)]
    assert len(bench.call("boss", "GET", f"{API}/alerts?limit=1").json()["items"]) == 1
    path = f"{API}/alerts/1"
    seen = bench.call("p01", "POST", f"{path}/acknowledge", {"note": "I look"}).json()
    assert (seen["acknowledged_at"], seen["note"]) == ("2013-06-09T00:00Z", "I look")
    assert bench.call("boss", "POST", f"{path}/close", {}).json()["closed_by"] == "boss"
    assert bench.call("p01", "GET", path).json()["closed_by"] is None
    assert bench.call("p01", "GET", f"{API}/alerts?open_only=true").json()["items"] == []
    assert bench.call("boss", "POST", f"{API}/alerts/99/close", {}).status_code == 404


def test_alerts_are_listed_page_by_page() -> None:
    bench = a_node()
    for anomaly in Anomaly:
        bench.alerts.add(
            Finding(anomaly, Severity.SOFT, MeterId("m-h01"), 1, 1, None, Instant(EVE), "odd")
        )
    numbers, link = [], f"{API}/alerts?limit=4"
    while link:
        page = bench.call("p01", "GET", link).json()
        numbers += [one["number"] for one in page["items"]]
        link = page["next"]
    assert numbers == list(range(len(Anomaly), 0, -1))


def test_a_day_of_readings_is_looked_through_by_parts_and_no_further_than_is_wanted() -> None:
    bench = a_node()
    live_a_day(bench)
    spans: list[Period] = []
    of_device = bench.readings.of_device

    def told(community: CommunityId, device: MeterId, within: Period) -> Iterator[Reading]:
        spans.append(within)
        return of_device(community, device, within)

    bench.readings.of_device = told  # type: ignore[method-assign] # listens in between
    path = f"{API}/devices/m-h01/readings?since=2013-06-10T00:00Z&until=2013-06-11T00:00Z"
    found = bench.call("p01", "GET", f"{path}&limit=1").json()["items"]
    assert [one["measured_at"] for one in found] == ["2013-06-10T23:30Z"]
    assert all(span.length_us <= LOOKED_THROUGH_US for span in spans)
    assert len(spans) == 4
    assert len(bench.call("p01", "GET", path).json()["items"]) == 48
