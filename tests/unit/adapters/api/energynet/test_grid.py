"""EnergyNet's grid: told as it is reported, operated by the grid operator alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import structs

from tests.api_node import LOGINS, Bench, a_node
from tests.builders import EVE, ISP_US, MIDNIGHT, a_product
from tests.energynet_calls import a_device, a_stored_reading, call
from tests.people import a_login
from wattbay.access.roles import AccessRole
from wattbay.core.facts import DeviceKind
from wattbay.core.registry import tariff_at
from wattbay.ids import CommunityId, PodId, TariffId
from wattbay.kernel.evidence import MemoryReadingStore, Reading
from wattbay.periods import DAY, HOUR, MINUTE, SECOND, WEEK, Instant, instant, to_text

STATUS = "/api/v1/grid/status"
BALANCE = "/api/v1/grid/balance"
DEMAND = "/api/v1/grid/demand"
STABILITY = "/api/v1/grid/stability"
NOON = instant("2013-06-10T12:00Z")


def a_grid() -> Bench:
    """Return a node whose supplier can sign in, too."""
    bench = a_node()
    bench.people.add_login(
        a_login("supplier", role=AccessRole.AGGREGATOR, parties=("supplier",), created_at=EVE)
    )
    return bench


# --- status ----------------------------------------------------------------------------------


def test_status_tells_each_zone_as_its_devices_report_it() -> None:
    bench = a_grid()
    a_device(bench, "sensor-1", kind=DeviceKind.GRID_SENSOR, pod=None, zone="z1")
    for number, power_w, voltage_mv in ((1, 1_500, 233_000), (2, -900, 229_000), (3, -600, None)):
        a_stored_reading(
            bench, f"m-h0{number}", at=EVE + number, power_w=power_w, voltage_mv=voltage_mv
        )
    a_stored_reading(bench, "sensor-1", at=EVE, power_w=0, voltage_mv=231_000)
    bench.advance(EVE + 10 * SECOND)
    told = call(bench, "GET", STATUS, "grid").json()
    (zone,) = told["zones"]
    assert (zone["zone"], zone["pods"], zone["podsHeard"]) == ("z1", 6, 3)
    assert (zone["importW"], zone["exportW"], zone["sensorPowerW"]) == (1_500, 1_500, 0)
    assert zone["voltage"] == {"lowest": 229.0, "mean": 231.0, "highest": 233.0, "count": 3}
    assert (zone["silent"], zone["silentCount"]) == (["m-h04", "m-h05", "m-h06"], 3)
    assert (told["demand"], told["supply"], told["voltage"]) == (1.5, 1.5, 231.0)
    assert told["frequency"] is None
    assert told["notKnown"] == [
        "z1: 3 of 6 pods told no power lately.",
        "Frequency: no device here measures it.",
        "Power flow: not computed; voltages stand where a device measured them, and only there.",
    ]


def test_analyst_recognises_no_home_by_its_power_or_its_silence() -> None:
    bench = a_grid()
    for number in range(1, 5):
        a_stored_reading(bench, f"m-h0{number}", at=EVE + number, power_w=-900, voltage_mv=None)
    bench.advance(EVE + 10 * SECOND)
    told = call(bench, "GET", STATUS, "analyst").json()
    (zone,) = told["zones"]
    assert (zone["importW"], zone["exportW"], told["demand"], told["supply"]) == (None,) * 4
    assert (zone["silent"], zone["silentCount"]) == ([], 2)
    assert any("fewer than five homes" in one for one in told["notKnown"])
    a_stored_reading(bench, "m-h05", at=EVE + 5, power_w=-900, voltage_mv=None)
    told = call(bench, "GET", STATUS, "analyst").json()
    assert (told["zones"][0]["importW"], told["demand"]) == (4_500, 4.5)


def test_what_is_old_says_nothing_about_now() -> None:
    bench = a_grid()
    a_stored_reading(bench, at=EVE, power_w=1_500, voltage_mv=233_000)
    bench.advance(EVE + 15 * MINUTE + 1)
    told = call(bench, "GET", STATUS, "grid").json()
    assert (told["demand"], told["supply"], told["voltage"]) == (None, None, None)
    assert told["zones"][0]["oldestAgeS"] is None


def test_a_sensor_without_a_zone_stands_by_itself() -> None:
    bench = a_grid()
    a_device(bench, "sensor-1", kind=DeviceKind.GRID_SENSOR, pod=None)
    zones = call(bench, "GET", STATUS, "grid").json()["zones"]
    assert [(one["zone"], one["silent"][0]) for one in zones] == [
        (None, "sensor-1"),
        ("z1", "m-h01"),
    ]


# --- balance ---------------------------------------------------------------------------------


def an_activation(pod: str = "h02", energy: float = -0.4, **changed: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever a body bears
    return {
        "reason": "feeder at its limit",
        "delivery": to_text(NOON),
        "activations": [{"pod": pod, "energy": energy}],
        **changed,
    }


def test_the_grid_operator_activates_energy_of_a_pod() -> None:
    bench = a_grid()
    response = call(bench, "POST", BALANCE, "grid", json=an_activation(energy=-0.4009))
    assert response.status_code == 200, response.text
    (told,) = response.json()["activations"]
    assert (told["pod"], told["energyWh"], told["refused"]) == ("h02", -400, "")
    assert told["entry"] == bench.journal.last_seq
    assert bench.kernel.exchange.state.deliveries.open[NOON].activated == {"h02": -400}


def test_without_a_delivery_the_one_that_runs_is_meant() -> None:
    bench = a_grid()
    bench.advance(NOON + MINUTE)
    told = call(bench, "POST", BALANCE, "grid", json=an_activation(delivery=None)).json()
    assert told["delivery"] == to_text(NOON)


def test_an_activation_of_one_unknown_pod_activates_none() -> None:
    bench = a_grid()
    body = an_activation()
    body["activations"].append({"pod": "h99", "energy": 1.0})
    before = bench.journal.last_seq
    assert call(bench, "POST", BALANCE, "grid", json=body).status_code == 404
    assert bench.journal.last_seq == before


def test_an_activation_of_no_delivery_is_refused_with_its_reason() -> None:
    response = call(
        a_grid(), "POST", BALANCE, "grid", json=an_activation(delivery="2013-06-11T12:00Z")
    )
    assert (response.status_code, response.json()["reason"]) == (404, "unknown_delivery")


def test_an_activation_that_is_sent_twice_happens_once() -> None:
    bench = a_grid()
    first = call(bench, "POST", BALANCE, "grid", json=an_activation(), key="b1")
    again = call(bench, "POST", BALANCE, "grid", json=an_activation(), key="b1")
    assert first.json() == again.json()
    assert bench.kernel.exchange.state.deliveries.open[NOON].activated == {"h02": -400}
    other = call(bench, "POST", BALANCE, "grid", json=an_activation("h03"), key="b1")
    assert other.status_code == 422


def a_limit(bound: float = 1.5, **changed: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever a body bears
    limit = {
        "since": to_text(NOON),
        "until": to_text(Instant(NOON + HOUR)),
        "bound": bound,
        "terms": [{"zone": "z1", "coefficient": 1}],
        **changed,
    }
    return {"reason": "transformer", "limit": limit}


def test_the_grid_operator_bounds_what_auctions_may_trade() -> None:
    bench = a_grid()
    told = call(bench, "POST", BALANCE, "grid", json=a_limit(1.5009))
    assert told.status_code == 200, told.text
    assert (told.json()["limitEntry"], told.json()["limitBoundWh"]) == (
        bench.journal.last_seq,
        1_500,
    )
    (limit,) = bench.kernel.exchange.state.market.limits
    assert (limit.bound_wh, limit.terms[0].zone, limit.reason) == (1_500, "z1", "transformer")
    assert call(bench, "GET", STATUS, "grid").json()["limits"] == 1


@pytest.mark.parametrize(
    "body",
    [
        {"reason": "nothing"},
        {**an_activation(), **a_limit()},
        {**an_activation(), "reason": ""},
        an_activation(energy=0.0),
        an_activation(energy=0.0009),
        an_activation(energy=1e300),
        an_activation(pod="h 02"),
        an_activation(delivery="noon"),
        a_limit(-1.0),
        a_limit(terms=[]),
        a_limit(terms=[{"coefficient": 1}]),
        a_limit(terms=[{"zone": "z1", "pod": "h01"}]),
        a_limit(until=to_text(NOON)),
    ],
)
def test_a_balance_that_cannot_be_meant_is_refused(body: dict[str, Any]) -> None:
    response = call(a_grid(), "POST", BALANCE, "grid", json=body)
    # What the document forbids is 422, what only the exchange knows is 409.
    assert response.status_code in {409, 422}, response.text


# --- demand ----------------------------------------------------------------------------------


def a_call(**changed: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever a body bears
    return {
        "start": to_text(NOON),
        "duration": 3_600,
        "compensation": 0.4,
        "pods": ["h01", "h02"],
        "baselineDays": 2,
        "reason": "cold evening",
        **changed,
    }


def test_the_grid_operator_calls_for_response() -> None:
    bench = a_grid()
    response = call(bench, "PUT", DEMAND, "grid", json=a_call(reduction=5.0))
    assert response.status_code == 200, response.text
    told = response.json()
    assert (told["requestId"], told["deliveries"]) == (f"call-{bench.journal.last_seq}", 2)
    assert told["baseline"] == ["2013-06-09T12:00Z", "2013-06-08T12:00Z"]
    (made,) = bench.kernel.exchange.state.responses.calls
    assert (made.caller, made.rebate, made.penalty, made.count) == ("dso", 400_000, 0, 2)
    assert made.reason == "cold evening; 5.0 kWh are hoped for"


def test_a_supplier_calls_the_homes_on_its_tariff() -> None:
    bench = a_grid()
    body = a_call(pods=[], tariff="flat", penalty=0.05)
    response = call(bench, "PUT", DEMAND, "supplier", json=body)
    assert response.status_code == 200, response.text
    (made,) = bench.kernel.exchange.state.responses.calls
    assert (made.caller, made.tariff, made.penalty) == ("supplier", "flat", 50_000)


def test_days_with_another_call_are_no_baseline() -> None:
    bench = a_grid()
    first = a_call(start=to_text(Instant(NOON - DAY + HOUR)), duration=1_800)
    bench.advance(NOON - DAY - HOUR)
    assert call(bench, "PUT", DEMAND, "grid", json=first).status_code == 200
    told = call(bench, "PUT", DEMAND, "grid", json=a_call(duration=5_400)).json()
    assert told["baseline"] == ["2013-06-08T12:00Z"]
    alone = call(bench, "PUT", DEMAND, "grid", json=a_call(duration=5_400, baselineDays=1))
    assert (alone.status_code, alone.json()["type"]) == (409, "urn:wattbay:problem:no-baseline")


def test_a_baseline_goes_by_local_time_where_clocks_were_changed() -> None:
    bench = a_grid()
    bench.advance(instant("2013-10-25T00:00Z"))
    told = call(
        bench, "PUT", DEMAND, "grid", json=a_call(start="2013-10-28T12:00Z", baselineDays=7)
    ).json()
    assert told["baseline"][:2] == ["2013-10-27T12:00Z", "2013-10-26T11:00Z"]
    assert len(told["baseline"]) == 6  # A week before it was an hour earlier than a week before.


def test_a_supplier_publishes_prices_of_its_tariff() -> None:
    bench = a_grid()
    prices = {"tariff": "flat", "start": to_text(NOON), "energy": [0.21, 0.34]}
    response = call(bench, "PUT", DEMAND, "supplier", json={"prices": prices})
    assert response.status_code == 200, response.text
    assert (response.json()["requestId"], response.json()["deliveries"]) == (None, 2)
    registry = bench.kernel.exchange.state.registry
    facts = registry.pods[PodId("h01")][0]
    assert tariff_at(registry, facts, NOON).energy == 210_000
    assert tariff_at(registry, facts, Instant(NOON + ISP_US)).energy == 340_000
    assert registry.tariffs[TariffId("flat")].energy == 140_000


def test_a_call_that_is_sent_twice_happens_once() -> None:
    bench = a_grid()
    first = call(bench, "PUT", DEMAND, "grid", json=a_call(), key="d1")
    again = call(bench, "PUT", DEMAND, "grid", json=a_call(), key="d1")
    assert first.json() == again.json()
    assert len(bench.kernel.exchange.state.responses.calls) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        (a_call(duration=1_000), 422),
        (a_call(duration=0), 422),
        (a_call(compensation=-0.1), 422),
        (a_call(compensation=0.1234567), 422),
        (a_call(compensation=1e300), 422),
        (a_call(pods=[]), 409),
        (a_call(tariff="flat"), 409),
        (a_call(baselineDays=8), 422),
        (a_call(start="2013-06-10T12:00:01Z"), 409),
        (a_call(pods=["h99"]), 404),
        (a_call(start=to_text(Instant(EVE - HOUR))), 409),
        (a_call(prices={"tariff": "flat", "start": to_text(NOON), "energy": [0.1]}), 422),
    ],
)
def test_a_call_that_cannot_be_is_refused(body: dict[str, Any], status: int) -> None:
    response = call(a_grid(), "PUT", DEMAND, "grid", json=body)
    assert response.status_code == status, response.text


def test_prices_with_more_than_six_decimals_are_refused() -> None:
    prices = {"tariff": "flat", "start": to_text(NOON), "energy": [0.2100001]}
    response = call(a_grid(), "PUT", DEMAND, "supplier", json={"prices": prices})
    assert response.status_code == 422


def test_prices_of_another_suppliers_pods_are_refused() -> None:
    bench = a_grid()
    bench.people.add_login(
        a_login("rival", role=AccessRole.AGGREGATOR, parties=("other",), created_at=EVE)
    )
    prices = {"tariff": "flat", "start": to_text(NOON), "energy": [0.21]}
    response = call(bench, "PUT", DEMAND, "rival", json={"prices": prices})
    assert response.status_code == 403


# --- stability -------------------------------------------------------------------------------


def test_stability_is_the_share_of_measured_voltages_within_their_band() -> None:
    bench = a_grid()
    for place, voltage_mv in enumerate((230_000, 253_000, 253_001, 206_500)):
        at = EVE + place * MINUTE
        a_stored_reading(bench, "m-h01", at=at, voltage_mv=voltage_mv)
    a_stored_reading(bench, "m-h02", at=EVE + 90 * SECOND, voltage_mv=231_000)
    a_stored_reading(bench, "m-h03", at=EVE, power_w=5)
    bench.advance(EVE + 10 * MINUTE)
    told = call(bench, "GET", STABILITY, "grid").json()
    assert (told["samples"], told["violations"], told["stability"]) == (5, 2, 0.6)
    assert told["band"] == [207.0, 253.0]
    assert [(one["device"], one["zone"], one["voltage"]) for one in told["worst"]] == [
        ("m-h01", "z1", 206.5),
        ("m-h01", "z1", 253.001),
    ]
    assert (told["devices"], told["devicesHeard"], told["missingShare"]) == (6, 2, 0.666667)
    assert told["frequency"] is None


def test_stability_of_a_span_without_a_voltage_is_not_known() -> None:
    bench = a_grid()
    told = call(bench, "GET", STABILITY, "grid").json()
    assert (told["samples"], told["stability"], told["missingShare"]) == (0, None, 1.0)


def test_the_worst_hundred_violations_are_told_one_by_one() -> None:
    bench = a_grid()
    for place in range(90):
        for number in (1, 2):
            a_stored_reading(
                bench,
                f"m-h0{number}",
                at=EVE + place * MINUTE,
                voltage_mv=253_001 + 10 * place + number,
            )
    bench.advance(EVE + 90 * MINUTE)
    told = call(bench, "GET", STABILITY, "grid", since=to_text(EVE)).json()
    assert (told["violations"], len(told["worst"])) == (180, 100)
    assert told["worst"][0]["voltage"] == 253.893


@pytest.mark.parametrize(
    "query",
    [
        {"since": to_text(Instant(EVE + WEEK))},
        {"since": to_text(Instant(EVE - WEEK))},
        {"since": "yesterday"},
        {"since": to_text(EVE), "until": to_text(EVE)},
    ],
)
def test_stability_of_no_span_is_refused(query: dict[str, Any]) -> None:
    assert call(a_grid(), "GET", STABILITY, "grid", **query).status_code == 422


@pytest.mark.parametrize("span_us", [MINUTE, 95 * MINUTE, 8 * HOUR, DAY, 4 * DAY])
def test_stability_of_any_span_looks_up_a_bounded_number_of_instants(span_us: int) -> None:
    asked: list[Instant] = []

    class Counted(MemoryReadingStore):
        def at(self, community: CommunityId, measured_at: Instant) -> Iterator[Reading]:
            asked.append(measured_at)
            return super().at(community, measured_at)

    bench = a_node(readings=Counted())
    bench.advance(EVE + span_us)
    assert call(bench, "GET", STABILITY, "grid", since=to_text(EVE)).status_code == 200
    assert 0 < len(asked) <= 96


# --- who may what ----------------------------------------------------------------------------

_READS = [("GET", STATUS), ("GET", STABILITY)]
_ACTS = [("POST", BALANCE), ("PUT", DEMAND)]


@pytest.mark.parametrize(("method", "path"), _READS + _ACTS)
def test_strangers_learn_and_do_nothing(method: str, path: str) -> None:
    assert call(a_grid(), method, path, None).status_code == 401


@pytest.mark.parametrize("login", sorted(LOGINS))
@pytest.mark.parametrize(("method", "path"), _READS)
def test_who_reads_the_grid_has_the_permission(login: str, method: str, path: str) -> None:
    may = login in {"grid", "analyst", "boss"}
    assert call(a_grid(), method, path, login).status_code == (200 if may else 403)


@pytest.mark.parametrize("login", sorted({*LOGINS, "supplier"} - {"grid"}))
def test_who_is_not_the_grid_operator_changes_nothing(login: str) -> None:
    bench = a_grid()
    before = bench.journal.last_seq
    for body in (an_activation(), a_limit()):
        assert call(bench, "POST", BALANCE, login, json=body).status_code == 403
    if login != "supplier":
        assert call(bench, "PUT", DEMAND, login, json=a_call()).status_code == 403
    assert bench.journal.last_seq == before


def test_a_supplier_does_not_call_pods_of_another() -> None:
    bench = a_grid()
    bench.people.add_login(
        a_login("rival", role=AccessRole.AGGREGATOR, parties=("other",), created_at=EVE)
    )
    response = call(bench, "PUT", DEMAND, "rival", json=a_call())
    assert response.status_code == 403


def test_an_operator_does_not_act_in_the_name_of_another_party() -> None:
    bench = a_grid()
    body = an_activation(operator="supplier")
    assert call(bench, "POST", BALANCE, "grid", json=body).status_code == 403


def test_grid_metrics_of_an_offer_are_what_was_measured() -> None:
    bench = a_node(product=structs.replace(a_product(), closes_before_us=HOUR))
    a_stored_reading(bench, "m-h01", at=EVE, voltage_mv=231_400)
    a_stored_reading(bench, "m-h02", at=EVE, voltage_mv=260_000)
    body = {"amount": 1, "price": 0.1}
    offered = call(bench, "POST", "/api/v1/trades/offer", json=body).json()
    assert offered["gridMetrics"] == {"frequency": None, "voltage": 231.4, "stability": None}
    seen = call(bench, "GET", "/api/v1/trades/available").json()
    assert seen["auctions"][0]["delivery"] == to_text(MIDNIGHT)
