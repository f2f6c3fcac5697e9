"""The page of a comparison of rules: what homes save, who is paid, what energy costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path

from wattbay.adapters.report import strips
from wattbay.adapters.report.compared import Compared, Told
from wattbay.adapters.report.frame import STYLES, document
from wattbay.adapters.report.tags import Cell, Number, Section, behind, section, table
from wattbay.adapters.report.words import count, dates, days_in_words, fixed, percent

PAGE = "compare.html"
DOTS_MAX = 200
"""More homes than this are drawn as a box alone."""
NANO = 1e9
WATTS_PER_KW = 1000


def build_comparison(folder: Path) -> Path:
    """Write the page of a comparison into its folder; return it.

    Raises
    ------
    AdapterError
        If a file of the comparison is missing or unreadable.
    """
    told = Compared(folder)
    path = folder / PAGE
    path.write_text(page(told), encoding="utf-8")
    return path


def page(told: Compared) -> str:
    """Return the HTML of a comparison, everything inside it."""
    sections = [_savings(told), _revenue(told), _prices(told), _energy(told), _rules(told)]
    contents = "".join(
        f'<li><a href="#{part.anchor}">{escape(part.title)}</a></li>' for part in sections
    )
    body = f"""{_banner(told)}
<main id="main">
{_answer(told)}
<nav aria-label="Contents"><ol>{contents}</ol></nav>
{"".join(section(part) for part in sections)}
</main>
{_footer(told)}"""
    title = f"{told.document.title} · Wattbay compares rules"
    return document(title, body, {}, ("theme.js",), (*STYLES, "strips.css"))


def _banner(told: Compared) -> str:
    known = told.document
    facts = [
        ("When", dates(known.days), count(len(known.days), "day")),
        ("Homes", f"{known.pods:,}", "the same under every rule"),
        ("Rules", f"{len(told.rules):,}", "ways to trade, or not to"),
        ("Meters", "the same", "batteries serve their homes alone"),
    ]
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(beside)}</small></dd></div>"
        for name, value, beside in facts
    )
    about = f"<p class=about>{escape(known.description)}</p>" if known.description else ""
    return (
        '<header><div class="top"><span class="brand">Wattbay</span>'
        '<button type="button" id="theme" hidden>Dark</button></div>'
        f"<h1>Ways to trade: {escape(known.title)}</h1>{about}"
        f"<dl class=facts>{cells}</dl></header>"
    )


def _answer(told: Compared) -> str:
    before = told.rules[0].figures.cost_nano
    others = told.rules[1:]
    best = _best(told, told.rules, lambda one: one.figures.savings.total)
    harmless = [one for one in others if _harms_nobody(one)]
    days = days_in_words(len(told.document.days))
    saved = best.figures.savings.total
    if saved <= 0:
        text = f"In {days}, no rule saves these homes anything against no market."
    else:
        text = (
            f"In {days}, these homes save most under the rule “{best.title}”: "
            f"{told.purse.money(saved)} in all, {percent(saved, before)} of their bill before tax."
        )
    if others:
        text += f" {_none_worse(len(harmless), len(others))}"
    figures = []
    for label, one in _picks(told):
        figures.append(_cell(told, label, one))
    return (
        f'<div class="answer"><p>{escape(text)}</p>'
        f'<ul class="figures">{"".join(figures)}</ul></div>'
    )


def _harms_nobody(one: Told) -> bool:
    return one.figures.savings.homes_worse_off == 0 and one.figures.savings.total > 0


def _none_worse(harmless: int, others: int) -> str:
    rules = "rule" if others == 1 else "rules"
    if not harmless:
        return f"Under none of {others} other {rules} does somebody gain and nobody lose."
    return f"Under {harmless} of {others} other {rules} somebody gains and nobody loses."


def _picks(told: Compared) -> Iterator[tuple[str, Told]]:
    """Choose what to name first: most in all, most in the middle, least at the bottom."""
    others = told.rules[1:]
    if not others:
        return
    yield "Most in all", _best(told, others, lambda one: one.figures.savings.total)
    yield (
        "Most for the home in the middle",
        _best(told, others, lambda one: one.figures.savings.quantiles["p50"]),
    )
    yield (
        "Best for the home that fares worst",
        max(others, key=lambda one: one.figures.savings.worst),
    )


def _best(told: Compared, rules: Sequence[Told], amount: Callable[[Told], int]) -> Told:
    """Return the rule with the largest amount; of those within a payable unit, the first."""
    most = max(amount(one) for one in rules)
    unit = 10 ** (9 - told.purse.minor_digits)
    return next(one for one in rules if most - amount(one) < unit)


def _cell(told: Compared, label: str, one: Told) -> str:
    spread, purse = one.figures.savings, told.purse
    beside = (
        f"{purse.money(spread.total)} in all; middle {purse.closely(spread.quantiles['p50'])}, "
        f"worst {purse.closely(spread.worst)}"
    )
    return (
        f'<li><a href="#savings"><span>{escape(label)}</span> '
        f"<strong>{escape(one.title)}</strong> <small>{escape(beside)}</small></a></li>"
    )


def _savings(told: Compared) -> Section:
    purse = told.purse
    values = [nano / NANO for one in told.rules for _, nano in one.saved]
    across = strips.Across.of([0.0, *values])
    drawn = []
    for one in told.rules:
        spread = one.figures.savings
        at = [spread.quantiles[key] / NANO for key in ("p05", "p25", "p50", "p75", "p95")]
        dots = [(f"{pod}: {purse.closely(nano)}", nano / NANO) for pod, nano in one.saved]
        label = (
            f"{one.title}: middle {purse.closely(spread.quantiles['p50'])}, "
            f"worst {purse.closely(spread.worst)}, best {purse.closely(spread.best)}"
        )
        kept = dots if len(dots) <= DOTS_MAX else []
        picture = strips.strip(across, strips.Box(*at), kept, label)
        drawn.append(strips.row(one.title, picture, purse.money(spread.total)))
    drawn.append(strips.axis(across, f"{purse.symbol.strip()}, in all"))
    worst = min(told.rules, key=lambda one: one.figures.savings.worst)
    finding = (
        "A dot is a home; the box holds the half in the middle, its line the home in the middle. "
        f"The most that any home pays more is {purse.closely(-worst.figures.savings.worst)}, "
        f"under “{worst.title}”."
        if worst.figures.savings.worst < 0
        else "A dot is a home; the box holds the half in the middle. No home pays more anywhere."
    )
    notes = (
        (
            "Saved: what a home pays less than alone with its supplier, on the same meters, before "
            "tax and standing charges."
        ),
        (
            "Whiskers reach from the 5 of 100 homes that save least to the 5 that save most. "
            "Gini's coefficient is 0 where all save alike and 1 where one home saves all; it is "
            "told only where every home saves."
        ),
    )
    heads = ["Rule", "In all", "Worst", "Middle", "Best", "Better off", "Worse off", "Gini"]
    rows = (_savings_row(told, one) for one in told.rules)
    quantiles = ["Rule", "5 of 100", "25 of 100", "50 of 100", "75 of 100", "95 of 100"]
    spread_rows = (_spread_row(told, one) for one in told.rules)
    body = (
        strips.rows(drawn)
        + table("Savings of homes by rule", heads, rows)
        + _kinds(told)
        + behind("how savings are spread", table("Saved less than", quantiles, spread_rows))
    )
    return Section("savings", "What homes save", finding, notes, body)


def _kinds(told: Compared) -> str:
    """Write what a home of each kind saved on average."""
    kinds = told.saved_by_kind()
    heads = ["Rule"]
    for kind, by_rule in kinds.items():
        homes, _ = by_rule[told.rules[0].name]
        heads.append(f"{kind} ({count(homes, 'home')})")
    rows: list[list[Cell]] = []
    for one in told.rules:
        means = [saved // homes for homes, saved in (kinds[kind][one.name] for kind in kinds)]
        rows.append([one.title, *(Number(nano, told.purse.closely(nano)) for nano in means)])
    return table("What a home saves on average, by what stands behind its meter", heads, rows)


def _savings_row(told: Compared, one: Told) -> list[Cell]:
    spread = one.figures.savings
    nanos = [spread.total, spread.worst, spread.quantiles["p50"], spread.best]
    return [
        one.title,
        *(Number(nano, told.purse.closely(nano)) for nano in nanos),
        f"{spread.homes_better_off:,}",
        f"{spread.homes_worse_off:,}",
        "—" if spread.gini is None else f"{spread.gini:.2f}",
    ]


def _spread_row(told: Compared, one: Told) -> list[Cell]:
    nanos = one.figures.savings.quantiles.values()
    return [one.title, *(Number(nano, told.purse.closely(nano)) for nano in nanos)]


LOOKS = (
    ("supplier", "Suppliers, for energy"),
    ("network", "Network"),
    ("levy", "Levies"),
    ("market", "Market"),
)


def _parts(one: Told) -> list[tuple[str, float]]:
    paid = one.figures.revenue_nano
    return [
        ("supplier", paid.supplier),
        ("network", paid.network),
        ("levy", paid.levy),
        ("market", paid.market + paid.service),
    ]


def _revenue(told: Compared) -> Section:
    purse = told.purse
    whole = max(sum(max(size, 0.0) for _, size in _parts(one)) for one in told.rules)
    drawn = [
        strips.row(
            one.title,
            strips.shares(whole, _parts(one), f"{one.title}: who gets what homes pay"),
            purse.money(one.figures.cost_nano),
        )
        for one in told.rules
    ]
    kept = max(told.rules, key=lambda one: one.figures.revenue_nano.market)
    finding = (
        f"The market itself keeps most under “{kept.title}”: "
        f"{purse.money(kept.figures.revenue_nano.market)}, which buyers pay and no seller gets."
        if kept.figures.revenue_nano.market > 0
        else "All that buyers pay for neighbours' energy goes to neighbours."
    )
    notes = (
        (
            "What all homes pay together before tax and standing charges is what these get "
            "together: what goes from neighbour to neighbour cancels out."
        ),
        "Suppliers' part is what they charge for energy less what they pay for surplus.",
    )
    heads = ["Rule", "Supplier", "Network", "Levy", "Market", "Service", "Homes pay",
             "Standing charges", "Tax", "On all bills"]  # fmt: skip
    body = (
        strips.legend(LOOKS)
        + strips.rows(drawn)
        + behind(
            "who gets what",
            table("Revenue by rule", heads, (_revenue_row(told, one) for one in told.rules)),
        )
    )
    return Section("revenue", "Who gets what homes pay", finding, notes, body)


def _revenue_row(told: Compared, one: Told) -> list[Cell]:
    paid = one.figures.revenue_nano
    nanos = [paid.supplier, paid.network, paid.levy, paid.market, paid.service,
             one.figures.cost_nano, paid.standing, paid.tax, one.figures.bill_nano]  # fmt: skip
    return [one.title, *(Number(nano, told.purse.money(nano)) for nano in nanos)]


def _prices(told: Compared) -> Section:
    over = {one.name: told.paid_over_the_day(one.name) for one in told.rules}
    every = [value for values in over.values() for value in values if value is not None]
    low, high = min(every, default=0.0), max(every, default=1.0)
    drawn = [
        strips.row(
            one.title,
            strips.line(low, high, over[one.name], f"{one.title}: price over the day"),
            _price(told, one.figures.price.paid),
        )
        for one in told.rules
    ]
    drawn.append(strips.hours())
    finding = (
        "What homes pay for the energy that they draw, by time of day, on average over all days. "
        f"Every row spans {_price(told, low)} to {_price(told, high)}."
    )
    notes = (
        "Energy from whomever: neighbours, pool or supplier; network, levies and tax apart.",
        (
            "Varies by: the standard deviation of that price over deliveries, each weighing as "
            "much as its energy."
        ),
    )
    heads = ["Rule", "Between neighbours", "Paid for what is drawn", "Varies by"]
    rows = (
        [
            one.title,
            *(
                _price(told, value)
                for value in (
                    one.figures.price.between_neighbours,
                    one.figures.price.paid,
                    one.figures.price.deviation,
                )
            ),
        ]
        for one in told.rules
    )
    unit = told.purse.price_unit
    body = strips.rows(drawn) + table(f"Prices of energy by rule [{unit}]", heads, rows)
    return Section("prices", "What energy costs", finding, notes, body)


def _price(told: Compared, nano_per_wh: float | None) -> str:
    return "—" if nano_per_wh is None else told.purse.price(round(nano_per_wh), unit=False)


def _energy(told: Compared) -> Section:
    heads = ["Rule", "Traded [kWh]", "Had [kWh]", "Of all", "Surplus", "Own share",
             "Peak in [kW]", "Peak out [kW]", "CPU [s]"]  # fmt: skip
    body = table("Energy and effort by rule", heads, (_energy_row(one) for one in told.rules))
    most = max(told.rules, key=lambda one: one.figures.energy.shared_wh)
    shared = most.figures.energy
    finding = (
        f"Neighbours could have had {fixed(shared.shareable_wh, 1000, 1)} kWh of each other; "
        f"under “{most.title}” they had {percent(shared.shared_wh, shared.shareable_wh, 0)} of it."
        if shared.shareable_wh
        else "No home ever had energy over while another drew some."
    )
    notes = (
        (
            "Meters are the same under every rule. What differs is what is counted as had from "
            "neighbours, and so what suppliers have to deliver and to take at their peaks."
        ),
        "Own share: self-sufficiency, the part of demand that did not come from suppliers.",
        (
            "Surplus: the gain of all trades against the limits of the orders, of the largest gain "
            "that any rule could have reached on the same orders. Rules without orders have none."
        ),
    )
    return Section("energy", "Energy and effort", finding, notes, body)


def _energy_row(one: Told) -> list[Cell]:
    energy, most = one.figures.energy, one.figures.surplus_maximum_nano or 0
    sufficient = energy.self_sufficiency
    return [
        one.title,
        Number(energy.traded_wh, fixed(energy.traded_wh, 1000, 1)),
        Number(energy.shared_wh, fixed(energy.shared_wh, 1000, 1)),
        percent(energy.shared_wh, energy.shareable_wh, 0),
        percent(one.figures.surplus_nano or 0, most),
        "—" if sufficient is None else percent(sufficient, 1),
        fixed(energy.peak_import_w, WATTS_PER_KW, 1),
        fixed(energy.peak_export_w, WATTS_PER_KW, 1),
        f"{one.cpu_seconds:.2f}",
    ]


def _rules(told: Compared) -> Section:
    ways = {
        "exchange": "lived through by the exchange, from signed readings to statements",
        "afterwards": "settled anew on the same meters, by the exchange's own settlement",
    }
    rows = [
        [one.title, one.about, ways.get(one.way, one.way) if one.unfit is None else "not here: "
         + one.unfit]
        for one in told.document.rules
    ]  # fmt: skip
    body = table("The rules", ["Rule", "What it does", "How it was found"], rows, texts=3)
    finding = "The same homes, days and meters; only the money differs."
    notes = (
        (
            "Batteries serve their own homes alone and nobody shifts demand, under every rule, so "
            "that what a rule does to money is seen by itself."
        ),
    )
    return Section("rules", "The rules", finding, notes, body)


def _footer(told: Compared) -> str:
    lines: Sequence[str] = told.document.attribution
    sources = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return (
        f"<footer>{sources}<p>Written by Wattbay from the files of this comparison. Nothing in "
        "this page leaves your computer.</p></footer>"
    )
