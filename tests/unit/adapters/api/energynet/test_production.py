"""EnergyNet's production: what own devices told, were foretold to do, and did."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api_node import Bench, a_node
from tests.builders import EVE, ISP_US, MIDNIGHT, a_reading, pod_facts
from tests.energynet_calls import a_device, a_stored_reading, call
from wattbay.core import commands as c
from wattbay.core import devices as d
from wattbay.core.facts import DeviceKind
from wattbay.ids import MeterId
from wattbay.periods import DAY, HOUR, MINUTE, SECOND, Instant, instant, to_text

CURRENT = "/api/v1/production/current"
FORECAST = "/api/v1/production/forecast"
HISTORY = "/api/v1/production/history"
ANALYTICS = "/api/v1/production/analytics"
LOCAL_MIDNIGHT = instant("2013-06-10T23:00Z")
"""Summer time: an hour before that of UTC."""


def a_home() -> Bench:
    """Return a node with an inverter behind h01."""
    bench = a_node()
    a_device(bench)
    return bench


def a_sunny_day(bench: Bench, deliveries: int = 48) -> None:
    """Let h01's inverter make 2 kWh a delivery, of which its meter gives 1.5 kWh to the grid."""
    for place in range(deliveries + 1):
        at = MIDNIGHT + place * ISP_US
        if place and place % 8 == 0:
            bench.advance(at)
        a_stored_reading(bench, "pv-h01", at=at, exported=2_000 * place, power_w=4_000)
    bench.advance(max(bench.clock.now(), MIDNIGHT + deliveries * ISP_US))
    for place in range(deliveries + 1):
        at = MIDNIGHT + place * ISP_US
        meter = a_reading(
            seq=place + 1, measured_at=at, export_register=1_500 * place, import_register=0
        )
        bench.submit(meter)


# --- current ---------------------------------------------------------------------------------


def test_own_devices_tell_their_power_and_todays_energy() -> None:
    bench = a_home()
    at = LOCAL_MIDNIGHT + HOUR
    for device, out, power_w in (("m-h01", 700, 1_100), ("pv-h01", 1_900, 2_200)):
        a_stored_reading(bench, device, at=LOCAL_MIDNIGHT, imported=10, exported=100)
        a_stored_reading(
            bench,
            device,
            at=at,
            imported=30,
            exported=100 + out,
            power_w=power_w,
            voltage_mv=231_400,
        )
    bench.advance(at + 3 * SECOND)
    told = call(bench, "GET", CURRENT).json()
    meter, inverter = told["devices"]
    assert (meter["device"], meter["exportedToday"], meter["importedToday"]) == ("m-h01", 0.7, 0.02)
    assert (inverter["producedToday"], inverter["exportedToday"]) == (1.9, None)
    assert (meter["producedToday"], meter["voltage"], meter["ageS"]) == (None, 231.4, 3.0)
    assert told["powerW"] == 2_200
    assert told["notKnown"] == []


def test_of_a_pod_without_an_inverter_the_meters_export_counts() -> None:
    bench = a_node()
    a_stored_reading(bench, "m-h02", at=EVE, power_w=-300)
    assert call(bench, "GET", CURRENT, "p02").json()["powerW"] == 0
    a_stored_reading(bench, "m-h02", at=EVE + SECOND, power_w=450)
    assert call(bench, "GET", CURRENT, "p02").json()["powerW"] == 450


def test_what_is_silent_or_never_came_is_not_known() -> None:
    bench = a_home()
    a_stored_reading(bench, "pv-h01", at=EVE, power_w=900)
    bench.advance(EVE + 16 * MINUTE)
    told = call(bench, "GET", CURRENT).json()
    assert told["powerW"] is None
    assert told["notKnown"] == [
        "m-h01 never sent a reading.",
        f"pv-h01 is silent since {to_text(EVE)}.",
    ]


def test_todays_energy_is_not_known_without_a_reading_at_midnight() -> None:
    bench = a_home()
    a_stored_reading(bench, "pv-h01", at=LOCAL_MIDNIGHT + HOUR, exported=500)
    bench.advance(LOCAL_MIDNIGHT + HOUR)
    inverter = call(bench, "GET", CURRENT).json()["devices"][1]
    assert inverter["producedToday"] is None


def test_a_revoked_device_is_told_no_more() -> None:
    bench = a_home()
    bench.submit(d.RevokeDevice(device=MeterId("pv-h01"), reason="stolen"))
    told = call(bench, "GET", CURRENT).json()
    assert [one["device"] for one in told["devices"]] == ["m-h01"]


# --- forecast --------------------------------------------------------------------------------


def a_forecast(*amounts: float, start: int = MIDNIGHT, **changed: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever a body bears
    periods = [
        {
            "start": to_text(Instant(start + place * ISP_US)),
            "amount": amount,
            "quantiles": [{"level": 0.1, "amount": amount / 2}, {"level": 0.9, "amount": amount}],
        }
        for place, amount in enumerate(amounts)
    ]
    return {"periods": periods, **changed}


def test_a_callers_forecast_is_kept_and_compared_with_what_came() -> None:
    bench = a_home()
    told = call(bench, "POST", FORECAST, json=a_forecast(1.5, 2.0))
    assert told.status_code == 201, told.text
    assert (told.json()["device"], told.json()["source"], told.json()["basis"]) == (
        "pv-h01",
        "caller",
        "produced",
    )
    a_sunny_day(bench, 4)
    analysis = call(bench, "GET", ANALYTICS, device="pv-h01", since=to_text(MIDNIGHT)).json()
    (error,) = analysis["devices"][0]["forecastErrors"]
    assert error["source"] == "caller"
    assert (error["periods"], error["meanAbsoluteError"], error["meanError"]) == (2, 0.25, -0.25)
    assert error["crps"] > 0


def test_a_forecast_is_made_from_what_was_measured() -> None:
    bench = a_home()
    a_sunny_day(bench)
    told = call(bench, "POST", FORECAST, json={"hours": 2})
    assert told.status_code == 201, told.text
    forecast = told.json()
    assert (forecast["source"], forecast["knownPeriods"]) == ("analogs", 48)
    assert [one["amount"] for one in forecast["periods"]] == [2.0] * 4
    assert [one["level"] for one in forecast["periods"][0]["quantiles"]] == [
        0.1,
        0.25,
        0.5,
        0.75,
        0.9,
    ]
    assert forecast["periods"][0]["start"] == to_text(Instant(MIDNIGHT + DAY))


def test_without_a_whole_day_no_forecast_is_made() -> None:
    bench = a_home()
    assert call(bench, "POST", FORECAST, json={}).status_code == 409
    a_sunny_day(bench, 8)
    refused = call(bench, "POST", FORECAST, json={})
    assert refused.status_code == 409
    assert "8 deliveries are known" in refused.json()["detail"]


def test_a_meter_is_forecast_by_what_it_gives() -> None:
    bench = a_home()
    a_sunny_day(bench)
    told = call(bench, "POST", FORECAST, json={"device": "m-h01", "hours": 1}).json()
    assert (told["basis"], told["periods"][0]["amount"]) == ("exported", 1.5)


@pytest.mark.parametrize(
    "body",
    [
        a_forecast(1.0, start=MIDNIGHT + 1),
        a_forecast(1.0, start=EVE - ISP_US),
        a_forecast(2.1),
        a_forecast(-1.0),
        {"periods": a_forecast(1.0)["periods"] * 2},
        {"periods": [{"start": to_text(MIDNIGHT), "amount": 1, "quantiles": [{"level": 1.0}]}]},
        {
            "periods": [
                {
                    "start": to_text(MIDNIGHT),
                    "amount": 1,
                    "quantiles": [
                        {"level": 0.5, "amount": 1.0},
                        {"level": 0.6, "amount": 0.9},
                    ],
                }
            ]
        },
        {"hours": 0},
        {"hours": 1_000},
        {"device": "a b"},
        {"surprise": 1},
    ],
)
def test_a_forecast_that_cannot_be_is_refused(body: dict[str, Any]) -> None:
    response = call(a_home(), "POST", FORECAST, json=body)
    assert response.status_code == 422, response.text


def test_a_device_that_makes_no_energy_has_no_forecast() -> None:
    bench = a_home()
    a_device(bench, "bat-h01", kind=DeviceKind.BATTERY)
    response = call(bench, "POST", FORECAST, json=a_forecast(1.0, device="bat-h01"))
    assert response.status_code == 422


def test_only_the_last_forecasts_of_a_device_are_kept() -> None:
    bench = a_home()
    for _ in range(40):
        call(bench, "POST", FORECAST, json=a_forecast(1.0))
    assert len(bench.app.state.energynet_forecasts.of(MeterId("pv-h01"))) == 32


# --- history ---------------------------------------------------------------------------------


def test_history_tells_each_delivery_newest_first() -> None:
    bench = a_home()
    a_sunny_day(bench, 4)
    told = call(bench, "GET", HISTORY, since=to_text(MIDNIGHT)).json()["periods"]
    assert [(one["device"], one["produced"], one["exported"]) for one in told[:2]] == [
        ("m-h01", None, 1.5),
        ("pv-h01", 2.0, None),
    ]
    assert [one["start"] for one in told[::2]] == [
        to_text(Instant(MIDNIGHT + place * ISP_US)) for place in (3, 2, 1, 0)
    ]
    assert {one["quality"] for one in told} == {"measured"}


def test_where_a_reading_is_missing_nothing_is_put_in_its_place() -> None:
    bench = a_home()
    for place in (0, 1, 3):
        a_stored_reading(bench, "pv-h01", at=MIDNIGHT + place * ISP_US, exported=500 * place)
    bench.advance(MIDNIGHT + 3 * ISP_US)
    told = call(bench, "GET", HISTORY, device="pv-h01", since=to_text(MIDNIGHT)).json()["periods"]
    assert [(one["produced"], one["quality"]) for one in told] == [
        (None, "not_known"),
        (None, "not_known"),
        (0.5, "measured"),
    ]


def test_history_comes_by_the_page_and_ends_where_the_pod_was_connected() -> None:
    bench = a_home()
    a_sunny_day(bench, 4)
    seen: list[str] = []
    path: str | None = f"{HISTORY}?limit=20&device=pv-h01"
    while path is not None:
        page = call(bench, "GET", path).json()
        seen += [one["start"] for one in page["periods"]]
        path = page["next"]
    assert seen == [to_text(Instant(at)) for at in range(MIDNIGHT + 3 * ISP_US, EVE - 1, -ISP_US)]


def test_whoever_moves_in_does_not_see_what_was_before() -> None:
    bench = a_home()
    a_sunny_day(bench, 4)
    moves = pod_facts("h01", party="p05", since=MIDNIGHT + DAY)
    bench.submit(c.ChangePod(facts=moves))
    bench.advance(MIDNIGHT + DAY + ISP_US)
    mine = call(bench, "GET", HISTORY, "p05", device="pv-h01").json()["periods"]
    assert [one["start"] for one in mine] == [to_text(Instant(MIDNIGHT + DAY))]
    theirs = call(bench, "GET", HISTORY, "p01", device="pv-h01", limit=500).json()["periods"]
    assert max(one["start"] for one in theirs) == to_text(Instant(MIDNIGHT + DAY - ISP_US))


# --- analytics -------------------------------------------------------------------------------


def test_analytics_tell_yield_and_use_of_ones_own_energy() -> None:
    bench = a_home()
    a_sunny_day(bench, 4)
    told = call(bench, "GET", ANALYTICS, since=to_text(MIDNIGHT)).json()
    meter, inverter = told["devices"]
    assert (inverter["produced"], inverter["yieldKwhPerKw"]) == (8.0, 2.0)
    assert (meter["exported"], meter["imported"], meter["yieldKwhPerKw"]) == (6.0, 0.0, None)
    assert (told["selfConsumption"], told["selfSufficiency"]) == (0.25, 1.0)
    assert told["co2Kg"] is None
    assert told["notKnown"] == ["CO2: no source tells how much carbon a kWh of the grid bears."]


def test_analytics_without_an_inverter_say_what_is_not_known() -> None:
    bench = a_node()
    bench.advance(MIDNIGHT)
    told = call(bench, "GET", ANALYTICS, since=to_text(EVE)).json()
    assert told["selfConsumption"] is None
    assert told["devices"][0]["exported"] is None
    assert told["notKnown"][0] == "m-h01: 48 of 48 deliveries."


def test_analytics_of_too_long_a_span_are_refused() -> None:
    bench = a_home()
    bench.advance(MIDNIGHT)
    assert call(bench, "GET", ANALYTICS, since="2000-01-01T00:00Z").status_code == 422
    assert call(bench, "GET", ANALYTICS, since="2030-01-01T00:00Z").status_code == 200


# --- who may what ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", CURRENT), ("POST", FORECAST), ("GET", HISTORY), ("GET", ANALYTICS)],
)
def test_others_and_strangers_learn_nothing(method: str, path: str) -> None:
    bench = a_home()
    assert call(bench, method, path, None).status_code == 401
    assert call(bench, method, path, "analyst").status_code == 403
    if path != CURRENT:
        body = {"device": "pv-h01"} if method == "POST" else None
        query: dict[str, Any] = {} if method == "POST" else {"device": "pv-h01"}
        assert call(bench, method, path, "p02", json=body, **query).status_code == 404
    else:
        assert "h01" not in call(bench, method, path, "p02").text
