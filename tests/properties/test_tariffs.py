"""Laws of prices that vary: they add up, tile the day, and nothing is lost by settling at them."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from tests.builders import ISP_US, MIDNIGHT, a_product, a_town
from tests.play import Play, of, with_runs
from wattbay.clearing.retail.models import Component, Fixed, Indexed, Model, TimeOfUse, Window
from wattbay.clearing.retail.prices import PriceSeries, Sources, day_prices
from wattbay.core import commands as c
from wattbay.core.events import ReceiptIssued
from wattbay.core.facts import Deviations
from wattbay.ids import PartyId, TariffId, ZoneId
from wattbay.periods import DAY, MINUTE, Calendar, Instant

ZONE = ZoneId("z1")
HALF_HOUR = 30 * MINUTE
LONDON = Calendar("Europe/London")
prices = st.integers(-500_000, 500_000)
days = st.one_of(
    st.sampled_from([date(2013, 3, 31), date(2013, 10, 27)]),
    st.integers(0, 364).map(lambda more: date(2013, 1, 1) + timedelta(days=more)),
)


@st.composite
def models(draw: st.DrawFn) -> Model:
    """Draw a model of the energy component."""
    component = Component.ENERGY
    kind = draw(st.sampled_from(["fixed", "time of use", "indexed"]))
    if kind == "fixed":
        return Fixed(component, draw(prices))
    if kind == "indexed":
        factor = draw(st.integers(-2_000_000, 2_000_000))
        return Indexed(component, "spot", factor, draw(prices))
    start, end = (30 * minute for minute in draw(st.tuples(st.integers(0, 47), st.integers(0, 48))))
    weekdays = tuple(sorted(draw(st.sets(st.integers(0, 6), min_size=1))))
    window = Window(draw(prices), start, end, weekdays)
    return TimeOfUse(component, (window,), otherwise=draw(prices))


@given(st.lists(models(), min_size=1, max_size=4), days, st.data())
def test_component_is_the_sum_of_its_models_in_every_delivery_of_any_day(
    chosen: list[Model], day: date, data: st.DataObject
) -> None:
    period = LONDON.day(day)
    count = period.length_us // HALF_HOUR
    series = data.draw(st.lists(prices, min_size=count, max_size=count))
    sources = Sources({"spot": PriceSeries(period.start, HALF_HOUR, series)})

    def energy(some: list[Model]) -> tuple[int, ...]:
        found = day_prices(some, LONDON, day, HALF_HOUR, [ZONE], sources)
        assert found.deliveries == tuple(range(period.start, period.end, HALF_HOUR))
        return found.nano_per_wh[Component.ENERGY, ZONE]

    apart = [energy([one]) for one in chosen]
    assert energy(chosen) == tuple(map(sum, zip(*apart, strict=True)))
    assert len(energy(chosen)) == count
    assert count in {46, 48, 50}


@settings(max_examples=40)
@given(
    st.tuples(*[st.lists(prices, min_size=2, max_size=2) for _ in range(4)]),
    st.lists(st.tuples(st.integers(0, 900), st.integers(0, 900)), min_size=2, max_size=2),
)
def test_without_trades_a_receipt_is_what_the_same_meters_cost_at_the_prices_of_then(
    told: tuple[list[int], list[int], list[int], list[int]], drawn: list[tuple[int, int]]
) -> None:
    product = structs.replace(a_product(), deviations=Deviations.INDIVIDUAL)
    street = Play(with_runs(a_town(2, product=product, deliveries=2), initial=ISP_US, final=DAY))
    energy, export, levy, network = map(tuple, told)
    street.do(
        c.PublishPrices(
            publisher=PartyId("supplier"),
            tariff=TariffId("flat"),
            start=MIDNIGHT,
            energy=energy,
            export=export,
            levy=levy,
            network=network,
        )
    )
    imports = exports = 0
    for i in range(3):
        at = MIDNIGHT + i * ISP_US
        street.read("m-h01", at, imports, exports)
        street.read("m-h02", at, 0)
        if i < len(drawn):
            imports, exports = imports + drawn[i][0], exports + drawn[i][1]
    street.until(MIDNIGHT + 4 * ISP_US)
    receipts = [event.receipt for event in of(ReceiptIssued, street.history)]
    assert sum(street.exchange.state.ledger.money.values()) == 0
    for receipt in receipts:
        # Import and export are settled as one deviation with the supplier.
        both = min(receipt.import_wh, receipt.export_wh)
        i = (Instant(receipt.delivery) - MIDNIGHT) // ISP_US
        assert receipt.total_nano == receipt.same_meters_nano - both * (energy[i] - export[i])
        regional = 30_000 + network[i]
        assert receipt.network_nano == receipt.import_wh * regional
        assert receipt.levy_nano == receipt.import_wh * levy[i]
