"""How is my home doing: a page on one pod, over the whole run."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
from msgspec import Struct

from wattbay.adapters.files.run_folder import read_table
from wattbay.cli.show.figures import Place, Purse, Scale, counted, decimal, kwh, listed, wh
from wattbay.cli.show.folder import Facts, Home, Run
from wattbay.cli.show.page import Page
from wattbay.cli.show.usage import Usage, receipts_of, usage
from wattbay.cli.show.words import ORDER_STATES, refusal
from wattbay.periods import Instant, instant, to_text

c = pl.col

EXTREMES = 3
"""How many of the best and of the worst moments are named."""
DAYS_SHOWN_MAX = 14
"""More days than this are told by months."""
KWP_DIGITS = 3


class Moment(Struct, frozen=True):
    """A delivery that stands out. Positive: saved."""

    delivery: str
    saved_nano: int
    import_wh: int
    export_wh: int
    bought_wh: int
    sold_wh: int


class Span(Struct, frozen=True):
    """A local day or month at a glance."""

    name: str
    import_wh: int
    export_wh: int
    bought_wh: int
    sold_wh: int
    total_nano: int
    saved_nano: int


class Told(Struct, frozen=True):
    """A home over a run. Energies in Wh, money in nano-currency before tax."""

    format: int
    pod: str
    facts: tuple[Facts, ...]
    home: Home | None
    start: str
    end: str
    used: Usage
    saved_nano: int
    """Against the same meters without a market."""
    saved_on_baseline_nano: int | None
    """Against a run without a market, batteries on self-consumption; charge valued alike."""
    orders: Mapping[str, int]
    """How many, by what became of them."""
    refusals: Mapping[str, int]
    """How many orders and readings were refused, by reason."""
    spans: tuple[Span, ...]
    best: tuple[Moment, ...]
    worst: tuple[Moment, ...]


def tell(run: Run, pod: str) -> Told:
    """Gather what there is to say of a home."""
    receipts = receipts_of(run, pod, run.start, run.end)
    used = usage(run, pod, receipts, run.start, run.end)
    ranked = receipts.sort("saved_nano", "delivery_start", descending=[True, False])
    return Told(
        format=1,
        pod=pod,
        facts=run.tariffs.pods[pod],
        home=run.homes.get(pod),
        start=to_text(run.start),
        end=to_text(run.end),
        used=used,
        saved_nano=used.saved_nano,
        saved_on_baseline_nano=_on_baseline(run, pod, used),
        orders=_counts(run, "orders", "state", c("pod") == pod),
        # A meter is named after the home that it measures first.
        refusals=_counts(
            run,
            "refusals",
            "reason",
            (c("subject") == pod) | c("subject").str.starts_with(f"{pod}-"),
        ),
        spans=tuple(_spans(run, receipts)),
        best=_moments(ranked.filter(c("saved_nano") > 0).head(EXTREMES)),
        worst=_moments(ranked.filter(c("saved_nano") < 0).reverse().head(EXTREMES)),
    )


def _on_baseline(run: Run, pod: str, used: Usage) -> int | None:
    """Return what a home saved against the run without a market. [nano-currency]"""
    if not run.has("baseline"):
        return None
    row = read_table(run.path, "baseline").filter(c("pod") == pod).collect().to_dicts()
    if not row:
        return None
    alone = int(row[0]["baseline_nano"]) - int(row[0]["baseline_charge_nano"])
    return alone - (used.total_nano - int(row[0]["market_charge_nano"]))


def _counts(run: Run, table: str, column: str, *where: pl.Expr) -> dict[str, int]:
    """Count the rows of a table by a column, most frequent first."""
    if not run.has(table):
        return {}
    found = read_table(run.path, table).filter(*where).group_by(column).len().collect()
    rows = sorted(found.rows(), key=lambda row: (-int(row[1]), str(row[0])))
    return {str(name): int(count) for name, count in rows}


def _moments(receipts: pl.DataFrame) -> tuple[Moment, ...]:
    columns = ["saved_nano", "import_wh", "export_wh", "bought_wh", "sold_wh"]
    starts = receipts["delivery_start"].dt.epoch("us").to_list()
    return tuple(
        Moment(to_text(Instant(start)), *map(int, row))
        for start, row in zip(starts, receipts.select(columns).iter_rows(), strict=True)
    )


def _spans(run: Run, receipts: pl.DataFrame) -> list[Span]:
    """Add up receipts by local day, or by month where there are many days."""
    local = c("delivery_start").dt.convert_time_zone(run.place.calendar.zone)
    is_long = receipts.select(local.dt.date().n_unique()).item() > DAYS_SHOWN_MAX
    name = local.dt.to_string("%b %Y" if is_long else "%a %-d %b")
    columns = ("import_wh", "export_wh", "bought_wh", "sold_wh", "total_nano", "saved_nano")
    sums = receipts.group_by(name.alias("name"), maintain_order=True).agg(c(columns).sum())
    return [Span(str(row[0]), *map(int, row[1:])) for row in sums.iter_rows()]


# --- the page ---


def page(run: Run, told: Told) -> Page:
    """Write the page of a home."""
    used = told.used
    start, end = instant(told.start), instant(told.end)
    shown = Page(f"{told.pod}: {_devices(told.home)}", f"{run.scenario.title}")
    shown.lines(_facts(run, told.facts))
    if told.home is not None and told.home.strategy:
        shown.lines([f"trades by the strategy {told.home.strategy}"])
    baseline = told.saved_on_baseline_nano
    alone = used.total_nano + (baseline or 0)
    scale = run.purse.scale([[used.same_meters_nano], [used.total_nano], [alone]])
    shown.say(_bottom_line(scale, told), style="bold")
    shown.head(run.place.span(start, end))
    shown.table(
        ("", "energy", "mean price", "delivered"),
        _energies(run.purse, used),
    )
    shown.head("What the market was worth, before tax and standing charge")
    shown.table(("", "", ""), _worth(scale, told), words=(0, 1, 2), header=False)
    if told.home is not None and told.home.battery_wh and baseline is not None:
        shown.lines(["what is in the battery at the end is valued alike in both"], style="dim")
    _add_spans(shown, run.purse, told)
    _add_moments(shown, run, told)
    shown.head("What to know")
    shown.lines(_remarks(told))
    shown.commands(
        [
            run.command("statement", told.pod),
            *(
                run.command("receipt", told.pod, run.place.typed(instant(moment.delivery)))
                for moment in (*told.best, *told.worst)
            ),
        ]
    )
    return shown


def _devices(home: Home | None) -> str:
    """Say what is behind a meter."""
    if home is None:
        return "a home"
    parts = []
    if home.pv_kwp:
        watts = round(home.pv_kwp * 1000)
        parts.append(f"solar panels of {decimal(watts, KWP_DIGITS, 1)} kWp")
    if home.battery_wh:
        parts.append(f"a battery of {decimal(round(home.battery_wh), KWP_DIGITS, 1)} kWh")
    return f"a home with {listed(parts) or 'neither panels nor battery'}"


def _facts(run: Run, history: tuple[Facts, ...]) -> list[str]:
    """Say who supplies a home since when, and on which terms."""
    lines = []
    for facts in history:
        since = f"since {run.place.moment(instant(facts.since))}: " if len(history) > 1 else ""
        brp = "" if facts.brp == facts.supplier else f", balance responsible {facts.brp}"
        lines.append(
            f"{since}party {facts.party}, zone {facts.zone}, supplier {facts.supplier}{brp},"
            f" tariff {facts.tariff}"
        )
        tariff = run.tariffs.tariffs.get(facts.tariff)
        if any(name == facts.tariff for name, _ in run.published):
            lines.append(f"its prices vary: each {run.place.span_name}'s are on its receipt")
        elif tariff is not None:
            lines.append(
                f"without a market: draws at {run.purse.price(tariff.retail)},"
                f" feeds in at {run.purse.price(tariff.export)}, before tax"
            )
    return lines


def _bottom_line(scale: Scale, told: Told) -> str:
    """Say what came of it, before any table."""
    saved = told.saved_nano
    flow = scale.flow(told.used.total_nano).replace("nothing", "you pay nothing")
    if saved == 0:
        return f"Y{flow[1:]}; the market made no difference."
    way = "better" if saved > 0 else "worse"
    amount = scale.text(abs(scale.difference(told.used.same_meters_nano, told.used.total_nano)))
    return f"Y{flow[1:]}: {amount} {way} than the same meters without a market."


def _energies(purse: Purse, used: Usage) -> list[tuple[str, str, str, str]]:
    """Return the energies of a span, with mean prices of what was traded."""

    def mean(amount: int, energy: int) -> str:
        return purse.mean_price(amount, energy) if energy else ""

    return [
        ("drawn from the grid", kwh(used.import_wh), "", ""),
        ("fed into the grid", kwh(used.export_wh), "", ""),
        (
            "bought from the community",
            kwh(used.bought_wh),
            mean(used.paid_nano, used.bought_wh),
            kwh(used.delivered_in_wh) if used.bought_wh else "",
        ),
        (
            "sold to the community",
            kwh(used.sold_wh),
            mean(used.earned_nano, used.sold_wh),
            kwh(used.delivered_out_wh) if used.sold_wh else "",
        ),
    ]


def _worth(scale: Scale, told: Told) -> list[tuple[str, str, str]]:
    """Return savings both ways."""
    used = told.used

    def better(otherwise: int) -> str:
        saved = scale.difference(otherwise, used.total_nano)
        way = "better" if saved > 0 else "worse"
        return f"{scale.text(abs(saved))} {way} for you" if saved else "no difference"

    rows = [
        ("with the market", scale.flow(used.total_nano), ""),
        (
            "the same meters without it",
            scale.flow(used.same_meters_nano),
            better(used.same_meters_nano),
        ),
    ]
    if told.saved_on_baseline_nano is not None:
        alone = used.total_nano + told.saved_on_baseline_nano
        without = "a home that never traded"
        rows.append((without, scale.flow(alone), better(alone)))
    return rows


def _add_spans(shown: Page, purse: Purse, told: Told) -> None:
    """Add a row a day, or a month."""
    scale = purse.scale([[amount] for s in told.spans for amount in (s.total_nano, s.saved_nano)])
    shown.head("Day by day, kWh" if len(told.spans) <= DAYS_SHOWN_MAX else "Month by month, kWh")
    rows = [
        (
            span.name,
            *(
                kwh(energy).removesuffix(" kWh")
                for energy in (span.import_wh, span.export_wh, span.bought_wh, span.sold_wh)
            ),
            scale.text(span.total_nano),
            scale.text(span.saved_nano),
        )
        for span in told.spans
    ]
    shown.table(("", "drawn", "fed in", "bought", "sold", "pays", "saved"), rows)


def _add_moments(shown: Page, run: Run, told: Told) -> None:
    """Add the best and worst moments, each with what happened."""
    for name, moments in (("Best", told.best), ("Worst", told.worst)):
        if not moments:
            continue
        scale = run.purse.scale([[moment.saved_nano] for moment in moments])
        shown.head(f"{name} {run.place.span_name}s")
        rows = [
            (
                _short(run.place, instant(moment.delivery)),
                scale.text(moment.saved_nano),
                _did(moment),
            )
            for moment in moments
        ]
        shown.table(("", "saved", ""), rows, words=(0, 2))


def _short(place: Place, at: Instant) -> str:
    local = place.calendar.local(at)
    return f"{local:%a} {local.day} {local:%b %H:%M}"


def _did(moment: Moment) -> str:
    """Say in short what a home did in a delivery."""
    parts = [
        f"{verb} {wh(energy)}"
        for verb, energy in (
            ("bought", moment.bought_wh),
            ("sold", moment.sold_wh),
            ("drew", moment.import_wh),
            ("fed in", moment.export_wh),
        )
        if energy
    ]
    return ", ".join(parts)


def _remarks(told: Told) -> list[str]:
    """Say what became of orders, and how well the energies are known."""
    used = told.used
    lines = []
    if told.orders:
        parts = [
            f"{count:,} {ORDER_STATES.get(state, state)}" for state, count in told.orders.items()
        ]
        lines.append(f"{counted(sum(told.orders.values()), 'order')}: {listed(parts)}.")
    else:
        lines.append("It placed no orders.")
    guessed = "none estimated"
    if used.once_estimated:
        guessed = f"{used.once_estimated:,} estimated at first, {used.estimated:,} still"
    lines.append(
        f"{counted(used.receipts, 'receipt')}: {guessed};"
        f" {used.corrected:,} issued again after a correction."
    )
    if told.refusals:
        parts = [
            f"{refusal(reason).why} ({counted(count, 'time')})"
            for reason, count in told.refusals.items()
        ]
        lines.append(f"Refused: {listed(parts)}.")
    return lines
