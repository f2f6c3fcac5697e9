"""Examples of the document: one of what each endpoint hears, one of what it answers."""

from __future__ import annotations

from wattbay.adapters.api.energynet import grid_models as g
from wattbay.adapters.api.energynet import models as m

_DELIVERY = "2026-05-01T12:00Z"
_CLOSES = "2026-05-01T11:00Z"
_NOW = "2026-05-01T09:41:07Z"

OFFER = m.OfferWanted(amount=1.25, price=0.118, is_selling=True, duration=3_600, pod="h01")
OFFERED = m.TradeTold(
    trade_id="order-12",
    seller="p01",
    buyer=None,
    amount=1.25,
    price=0.118,
    timestamp=_NOW,
    status="open",
    grid_metrics=m.GridMetrics(voltage=231.4),
    is_selling=True,
    offer_id=12,
    pod="h01",
    product="bulletin",
    delivery=_DELIVERY,
    gate_closes=_CLOSES,
    executes=m.Executes.WHEN_TAKEN,
    energy_wh=1_250,
    price_nano_per_wh=118_000,
    entry=981,
    rounded=m.Rounded(amount_named=1.25, amount_made=1.25, price_named=0.118, price_made=0.118),
    remark="The offer stands: it becomes a trade when somebody takes it.",
)
AVAILABLE = m.Available(
    offers=(
        m.TradeTold(
            trade_id="order-12",
            seller="p01",
            buyer=None,
            amount=1.25,
            price=0.118,
            timestamp=_NOW,
            status="open",
            grid_metrics=m.GridMetrics(voltage=230.9, stability=1.0),
            is_selling=True,
            offer_id=12,
            product="bulletin",
            delivery=_DELIVERY,
            gate_closes=_CLOSES,
            executes=m.Executes.AT_ONCE,
            energy_wh=1_250,
            price_nano_per_wh=118_000,
            remark="Trades at once when it is taken.",
        ),
    ),
    auctions=(m.OpenGate(product="halfhour", delivery=_DELIVERY, gate_closes=_CLOSES),),
    is_complete=True,
)
EXECUTION = m.ExecutionWanted(trade_id="order-12", amount=0.5, pod="h02")
EXECUTED = m.TradeTold(
    trade_id="trade-7",
    seller="p01",
    buyer="p02",
    amount=0.5,
    price=0.118,
    timestamp=_NOW,
    status="open",
    grid_metrics=m.GridMetrics(voltage=230.9),
    is_selling=False,
    offer_id=13,
    pod="h02",
    product="bulletin",
    delivery=_DELIVERY,
    gate_closes=_CLOSES,
    executes=m.Executes.AT_ONCE,
    energy_wh=500,
    price_nano_per_wh=118_000,
    entry=982,
    trades=("trade-7",),
    rounded=m.Rounded(amount_named=0.5, amount_made=0.5, price_named=None, price_made=0.118),
    remark="Traded; receipts follow when its delivery is settled.",
)
TRADES = m.TradesTold(
    trades=(
        m.TradeTold(
            trade_id="trade-7",
            seller="p01",
            buyer="p02",
            amount=0.5,
            price=0.118,
            timestamp=_NOW,
            status="delivered",
            grid_metrics=m.GridMetrics(),
            is_selling=False,
            offer_id=13,
            pod="h02",
            product="bulletin",
            delivery=_DELIVERY,
            energy_wh=500,
            price_nano_per_wh=118_000,
            delivered_wh=500,
            entry=982,
        ),
    ),
)

PRODUCTION_NOW = m.ProductionNow(
    at=_NOW,
    devices=(
        m.DeviceNow(
            device="m-h01",
            kind="meter",
            pod="h01",
            measured_at="2026-05-01T09:41Z",
            age_s=7.0,
            power_w=1_310,
            voltage=231.4,
            produced_today=None,
            exported_today=2.81,
            imported_today=1.02,
        ),
        m.DeviceNow(
            device="pv-h01",
            kind="pv-inverter",
            pod="h01",
            measured_at="2026-05-01T09:41Z",
            age_s=7.0,
            power_w=1_905,
            voltage=231.9,
            produced_today=4.36,
            exported_today=None,
            imported_today=None,
        ),
    ),
    power_w=1_905,
    not_known=(),
)
FORECAST = m.ForecastWanted(
    device="pv-h01",
    periods=(
        m.PeriodForecast(
            start=_DELIVERY,
            amount=1.1,
            quantiles=(
                m.QuantileWanted(level=0.1, amount=0.7),
                m.QuantileWanted(level=0.9, amount=1.4),
            ),
        ),
    ),
)
FORECAST_KEPT = m.ForecastTold(
    device="pv-h01",
    issued_at=_NOW,
    source="caller",
    basis="produced",
    periods=(
        m.ForecastPeriodTold(
            start=_DELIVERY,
            amount=1.1,
            quantiles=(
                m.QuantileTold(level=0.1, amount=0.7),
                m.QuantileTold(level=0.9, amount=1.4),
            ),
        ),
    ),
    known_periods=None,
    remark="Kept in memory, the last 32 of a device; analytics compare it with what is measured.",
)
PRODUCTION = m.ProductionHistory(
    periods=(
        m.ProductionPeriod(
            start=_DELIVERY,
            end="2026-05-01T12:30Z",
            device="pv-h01",
            pod="h01",
            produced=1.02,
            exported=None,
            imported=None,
            quality="measured",
        ),
    ),
)
ANALYTICS = m.Analytics(
    start="2026-05-01T00:00Z",
    end="2026-05-02T00:00Z",
    devices=(
        m.DeviceAnalytics(
            device="pv-h01",
            kind="pv-inverter",
            pod="h01",
            periods=48,
            periods_known=48,
            produced=17.9,
            exported=None,
            imported=None,
            yield_kwh_per_kw=4.475,
            forecast_errors=(
                m.ForecastError(
                    source="caller",
                    periods=48,
                    mean_absolute_error=0.09,
                    mean_error=-0.02,
                    crps=0.06,
                ),
            ),
        ),
    ),
    self_consumption=0.41,
    self_sufficiency=0.63,
    co2_kg=None,
    not_known=("CO2: no source tells how much carbon a kWh of the grid bears.",),
)

GRID = g.GridStatus(
    at=_NOW,
    frequency=None,
    voltage=231.2,
    demand=3.4,
    supply=5.1,
    zones=(
        g.ZoneTold(
            zone="z1",
            pods=6,
            pods_heard=5,
            import_w=3_400,
            export_w=5_100,
            sensor_power_w=1_650,
            voltage=g.VoltagesTold(lowest=229.8, mean=231.2, highest=233.0, count=6),
            oldest_age_s=51.2,
            newest_age_s=1.3,
            silent=("m-h04",),
            silent_count=1,
        ),
    ),
    limits=0,
    not_known=("Frequency: no device here measures it.",),
)
BALANCE = g.BalanceWanted(
    reason="feeder at its limit",
    delivery=_DELIVERY,
    activations=(g.ActivationWanted(pod="h02", energy=-0.4),),
)
BALANCED = g.BalanceTold(
    delivery=_DELIVERY,
    activations=(g.ActivationTold(pod="h02", energy_wh=-400, entry=990),),
    limit_entry=None,
    limit_bound_wh=None,
)
DEMAND = g.DemandWanted(
    start=_DELIVERY,
    duration=3_600,
    compensation=0.4,
    reduction=5.0,
    pods=("h01", "h02"),
    reason="cold evening",
)
DEMANDED = g.DemandTold(
    request_id="call-991",
    entry=991,
    start=_DELIVERY,
    deliveries=2,
    baseline=("2026-04-30T12:00Z", "2026-04-29T12:00Z"),
    rebate_nano_per_wh=400_000,
    penalty_nano_per_wh=0,
    remark="Paid with the final run of each delivery, by what was measured below the baseline.",
)
STABILITY = g.Stability(
    start="2026-05-01T08:41:07Z",
    end=_NOW,
    stability=0.998,
    band=(207.0, 253.0),
    samples=420,
    violations=1,
    worst=(g.ViolationTold(device="m-h06", zone="z1", at="2026-05-01T09:12:30Z", voltage=253.4),),
    frequency=None,
    devices=7,
    devices_heard=6,
    missing_share=0.143,
    not_known=("Frequency: no device here measures it.",),
)
