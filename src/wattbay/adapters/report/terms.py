"""The tariffs that were settled by, and where everything comes from."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType

from wattbay.adapters.report.folder import Tariff
from wattbay.adapters.report.run import Run
from wattbay.adapters.report.tags import Section, table
from wattbay.adapters.report.words import count, dates, percent
from wattbay.units import PPM

LOCAL_FEES_SHOWN_MAX = 12

DEVIATIONS = MappingProxyType(
    {
        "pooled": "Longs and shorts of the community even out first, at the pool's price; the rest "
        "meets each home's supplier.",
        "individual": "Each home settles its deviation with its supplier.",
        "single": "One imbalance price holds both ways.",
        "dual": "One price holds for short homes, another for long ones.",
    }
)


def tariffs(run: Run) -> Section | None:
    """Write every tariff by component; None where none is known."""
    known = dict(sorted(run.folder.tariffs.tariffs.items()))
    if not known:
        return None
    homes = Counter(facts[-1].tariff for facts in run.folder.tariffs.pods.values() if facts)
    rows: list[list[str]] = []
    for label, field in (
        ("Energy", "energy"), ("Network, from outside", "network_regional"), ("Levy", "levy"),
        ("Service charge on trades", "service"), ("Paid for export", "export"),
    ):  # fmt: skip
        rows.append([label, *(_component(run, name, t, field) for name, t in known.items())])
    rows[2:2] = _local_fees(run, known)
    rows.append(
        ["Supplier's price in all",
         *(_in_all(run, name, t) for name, t in known.items())]
    )  # fmt: skip
    rows.append(
        ["Standing charge a day",
         *(run.purse.money(t.standing_nano_per_day) for t in known.values())]
    )  # fmt: skip
    rows.append(["Tax", *(_tax(t) for t in known.values())])
    rows.append(["Homes", *(f"{homes.get(name, 0):,}" for name in known)])
    settlement, scenario = run.folder.tariffs.settlement, run.folder.scenario
    finding = DEVIATIONS.get(settlement.deviations, f"Deviations: {settlement.deviations}.")
    pool = scenario.pool_price_nano_per_wh
    pool = settlement.pool_price if pool is None else pool
    if run.folder.varied and settlement.pool_price is None:
        pool = None  # It varies with the prices that it lies between.
    if pool is not None and settlement.deviations == "pooled":
        finding += f" The pool's price is {run.purse.price(pool, run.purse.price_decimals)}."
    notes: tuple[str, ...] = (
        (
            "Network fee and levy are due on metered import. Energy bought from a neighbour and "
            "delivered bears the local network's fee instead of the regional one."
        ),
    )
    if run.folder.varied:
        varying = " and ".join(sorted(run.folder.varied))
        notes = (
            *notes,
            f"The prices of {varying} vary by delivery; shown are the lowest and the highest.",
        )
    heads = [f"Component, before tax [{run.purse.price_unit}]", *known]
    return Section("tariffs", "Tariffs", finding, notes, table("Tariffs", heads, rows))


def _component(run: Run, name: str, tariff: Tariff, field: str) -> str:
    """Return a price, or between what it varied."""
    varied = run.folder.varied.get(name)
    own: int = getattr(tariff, field)
    if varied is None or field == "service":
        return _price(run, own)
    if field == "network_regional":
        return _span(run, own + varied.network_adder[0], own + varied.network_adder[1])
    bounds: tuple[int, int] = getattr(varied, field)
    return _span(run, *bounds)


def _in_all(run: Run, name: str, tariff: Tariff) -> str:
    """Return the sum of what a supplier charges; where it varies, no sum is shown."""
    if name in run.folder.varied:
        return "varies"
    return _price(run, tariff.energy + tariff.network_regional + tariff.levy)


def _span(run: Run, least: int, most: int) -> str:
    """Return two prices, or one where they are the same."""
    if least == most:
        return _price(run, least)
    return f"{_price(run, least)} to {_price(run, most)}"


def _local_fees(run: Run, known: dict[str, Tariff]) -> list[list[str]]:
    """Return a row per zone pair, or one with the range where pairs are many or all alike."""
    fees = sorted({pair for t in known.values() for pair in t.network_local})
    values = {fee for t in known.values() for fee in t.network_local.values()}
    if not fees:
        return []
    if len(fees) <= LOCAL_FEES_SHOWN_MAX and len(values) > 1:
        return [
            [f"Network, local, {pair.replace('>', ' to ')}",
             *(_price(run, t.network_local.get(pair, t.network_regional)) for t in known.values())]
            for pair in fees
        ]  # fmt: skip
    ranges = []
    for t in known.values():
        low, high = (f(t.network_local.values(), default=t.network_regional) for f in (min, max))
        ranges.append(_price(run, low) + ("" if low == high else f" to {_price(run, high)}"))
    return [["Network, from a neighbour", *ranges]]


def sources(run: Run) -> Section:
    """Write where the data come from, and how the run can be had again."""
    scenario, summary = run.folder.scenario, run.folder.summary
    items = [
        ("Scenario", f"{scenario.id}: {scenario.title}"),
        ("Homes", count(len(run.homes), "home")),
        ("From", f"{run.place.moment(run.folder.start)} ({scenario.start})"),
        ("To", f"{run.place.moment(run.folder.end)} ({scenario.end})"),
        ("Days", dates(run.days)),
        ("Time zone", f"{run.place.zone} ({run.zone_in_words})"),
    ]
    if scenario.seed is not None:
        items.append(("Seed", str(scenario.seed)))
    if summary.journal_head:
        items.append(("Journal head", summary.journal_head))
    items += [("Data", line) for line in scenario.attribution]
    finding = scenario.description or "Where the numbers come from."
    notes = (
        (
            "All figures are counted from the Parquet files beside this report; the definition "
            "of each stands in Wattbay's reference, page “report”."
        ),
    )
    body = table("Sources", ["What", "Which"], items, texts=2)
    return Section("sources", "Sources", finding, notes, body)


def _price(run: Run, nano_per_wh: int) -> str:
    return run.purse.price(nano_per_wh, run.purse.price_decimals, unit=False)


def _tax(tariff: Tariff) -> str:
    if not tariff.tax:
        return "none"
    return ", then ".join(percent(rate.ppm, PPM) for rate in tariff.tax)
