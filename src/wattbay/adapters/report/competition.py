"""The page of the study of competing aggregators."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from wattbay.adapters.report import strips
from wattbay.adapters.report.competed import HEADINGS, Document, Estimate, Told
from wattbay.adapters.report.frame import STYLES, document
from wattbay.adapters.report.intervals import Line, Mean, by_count, interval
from wattbay.adapters.report.tags import Cell, Section, behind, section, table
from wattbay.adapters.report.words import MINUS, count

TITLE = "Does competition pay battery owners more?"
UNIT = "c/kWh"
NO_BREAK = "\u00a0"
FEW = (1, 2, 10)
"""Numbers of aggregators that charts show; tables have all."""
TERMS = (
    ("retail", "Retail price: what a home saves by a kWh that it does not draw", UNIT),
    ("tariff_low", "Lowest feed-in tariff", UNIT),
    ("tariff_high", "Highest feed-in tariff", UNIT),
    ("bid_low", "Lowest bid: an aggregator to whom it is worth less bids nothing", UNIT),
    ("bid_high", "Highest bid", UNIT),
    ("extra_high", "Most that an aggregator earns besides the wholesale price, from 0", UNIT),
    ("fee", "Fee of the owner on what is sold by auction", UNIT),
    ("wear", "Wear of the battery, on what it gives", UNIT),
    ("markup", "Of the reserve, above what breaks even with the tariff", UNIT),
    ("efficiency_percent", "Round-trip efficiency of the battery", "%"),
    ("panels_percent", "What panels make, of what they made in truth", "%"),
)


def write_page(found: Document, path: Path) -> None:
    """Write the page to a file."""
    path.write_text(page(found), encoding="utf-8")


def page(found: Document) -> str:
    """Return the HTML of a study, everything inside it."""
    sections = [
        _findings(found),
        _owners(found),
        _number(found),
        _tariffs(found),
        _sales(found),
        _variants(found),
        _terms(found),
    ]
    contents = "".join(
        f'<li><a href="#{part.anchor}">{escape(part.title)}</a></li>' for part in sections
    )
    body = f"""{_banner(found)}
<main id="main">
{_answer(found)}
<nav aria-label="Contents"><ol>{contents}</ol></nav>
{"".join(section(part) for part in sections)}
</main>
{_footer(found)}"""
    styles = (*STYLES, "strips.css", "intervals.css")
    return document(f"{TITLE} · Wattbay", body, {}, ("theme.js",), styles)


def number(value: float, *, signed: bool = False, decimals: int = 2) -> str:
    """Write a number with a true minus; a zero never bears a sign."""
    text = f"{value:{'+' if signed else ''}.{decimals}f}"
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", MINUS)


def shown(found: Estimate | None, *, signed: bool = False) -> str:
    """Write a mean and its interval."""
    if found is None:
        return "—"
    text = number(found.mean, signed=signed)
    return text if found.half_width is None else f"{text} ± {number(found.half_width)}"


def _mean(found: Estimate) -> Mean:
    return Mean(found.mean, found.half_width or 0.0)


def _ten(found: Document) -> list[Told]:
    """Return the regimes of the largest number of aggregators of one kind."""
    here = [one for one in found.regimes if one.bidders and one.use == "sale" and one.has_extras]
    most = max((one.bidders for one in here), default=0)
    return [one for one in here if one.bidders == most]


def _banner(found: Document) -> str:
    spans = count(found.seeds, "span")
    facts = [
        ("Homes", f"{found.owners:,}", "with panels and a battery, Fontana, California"),
        ("Prices", "New South Wales", "real, five minutes, January and February 2025"),
        ("Draws", spans, f"{count(found.days, 'day')} each, from seed {found.first_seed}"),
        ("Regimes", f"{len(found.regimes):,}", "lived in the same draws"),
    ]
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(beside)}</small></dd></div>"
        for name, value, beside in facts
    )
    about = (
        "What owners of home batteries have of a kWh that their panels make and they do not use: "
        "from one utility, by use at home, and from aggregators that bid against each other."
    )
    return (
        '<header><div class="top"><span class="brand">Wattbay</span>'
        '<button type="button" id="theme" hidden>Dark</button></div>'
        f"<h1>{escape(TITLE)}</h1><p class=about>{escape(about)}</p>"
        f"<dl class=facts>{cells}</dl></header>"
    )


def _answer(found: Document) -> str:
    utility, home, ten = found.regime("utility"), found.regime("home"), _ten(found)
    best = max(ten, key=lambda one: one.figures.net.mean)
    least = min(ten, key=lambda one: one.figures.net.mean)
    lead = best.figures.gain_on_home
    text = (
        f"Ten aggregators leave owners {_more_or_less(least.figures.gain)} to "
        f"{_more_or_less(best.figures.gain)} for a kWh of surplus than one utility, by how they "
        f"bid.{_alone(found)} At best, ten leave {_more_or_less(lead)} than use at home."
    )
    cells = [
        ("One utility", utility, "feed-in tariff; the battery rests"),
        ("Use at home", home, "saves the retail price"),
        (f"Auctions: {best.title}", best, "the best of those with ten aggregators"),
    ]
    figures = "".join(
        f'<li><a href="#owners"><span>{escape(name)}</span> '
        f"<strong>{number(one.figures.net.mean)} c</strong> "
        f"<small>{_reach(one.figures.net)}{escape(beside)}</small></a></li>"
        for name, one, beside in cells
    )
    return (
        f'<div class="answer"><p>{escape(_set(text))}</p><ul class="figures">{figures}</ul></div>'
    )


def _reach(found: Estimate) -> str:
    return "" if found.half_width is None else f"± {number(found.half_width)} c: "


def _alone(found: Document) -> str:
    """Say what one aggregator does without any competition."""
    gains = [
        one.figures.gain
        for one in found.regimes
        if one.bidders == 1 and one.use == "sale" and one.has_extras
    ]
    if not gains:
        return ""
    ends = [pick(gains, key=lambda gain: gain.mean) for pick in (min, max)]
    return f" One aggregator alone leaves {' to '.join(_more_or_less(end) for end in ends)}."


def _more_or_less(found: Estimate) -> str:
    """Write a difference in words: ``1.20 ± 0.30 c more``."""
    size = Estimate(abs(found.mean), found.half_width)
    return f"{shown(size)} c {'more' if found.mean >= 0 else 'less'}"


def _findings(found: Document) -> Section:
    parts = []
    for helps, heading in HEADINGS.items():
        here = [finding for finding in found.verdict if finding.helps is helps]
        if here:
            items = "".join(
                f"<li><b>{escape(finding.about)}</b> {escape(_set(finding.text))}</li>"
                for finding in here
            )
            parts.append(f"<h3>{escape(heading)}</h3><ul>{items}</ul>")
    notes = (
        (
            "All in cents for a kWh of surplus, losses, wear and fee taken off, unless something "
            "else is said. ± is the 95 % confidence interval of the mean over the seeds: by "
            "Student's t, paired, since every regime lives in the same draws."
        ),
        (
            "The spans overlap, and all lie in one summer of one region. The intervals tell how "
            "sure this is of that summer, not of another."
        ),
    )
    finding = "Where owners surely have more by competition, and where they do not."
    return Section(
        "findings", "What was found", finding, notes, f"<div class=findings>{''.join(parts)}</div>"
    )


def _set(text: str) -> str:
    """Write a true minus before figures, and keep figures with their intervals and units."""
    kept = re.sub(r"(?<=[0-9]) (?=± )|(?<=±) (?=[0-9])|(?<=[0-9]) (?=[c%])", NO_BREAK, text)
    return re.sub(r"-(?=[0-9])", MINUS, kept)


def _chosen(found: Document) -> Iterator[Told]:
    """Choose what charts show."""
    for one in found.regimes:
        is_few = one.bidders in FEW and (one.has_extras or one.bidders > 1)
        if not one.bidders or one.use == "both" or one.kind == "mixed" or is_few:
            yield one


def _label(one: Told) -> str:
    return one.title.replace(", bare", ", no extra")


def _owners(found: Document) -> Section:
    chosen = list(_chosen(found))
    across = strips.Across.of(
        value for one in chosen for value in (one.figures.owners.net[0], one.figures.owners.net[-1])
    )
    drawn = []
    for one in chosen:
        low, lower, middle, upper, high = one.figures.owners.net
        label = f"{_label(one)}: middle owner {middle:.2f} {UNIT}"
        picture = strips.strip(across, strips.Box(low, lower, middle, upper, high), (), label)
        drawn.append(strips.row(_label(one), picture, number(one.figures.net.mean)))
    drawn.append(strips.axis(across, UNIT))
    heads = ["Regime", "Net", "Against utility", "Against home", "Middle owner", "Worst owner",
             "Better than utility", "Better than home"]  # fmt: skip
    rows = (_owners_row(one) for one in found.regimes)
    worst = min((one for one in chosen), key=lambda one: one.figures.owners.worst_gain)
    finding = (
        "What owners have of a kWh of surplus. The owner who fared worst against the utility had "
        f"{number(abs(worst.figures.owners.worst_gain))} c less, under “{_label(worst)}”."
        if worst.figures.owners.worst_gain < 0
        else "What owners have of a kWh of surplus. No owner fared worse than under the utility."
    )
    notes = (
        (
            "The box holds the half of the owners in the middle, its line the one in the middle; "
            "whiskers reach from the 5 of 100 that have least to the 5 that have most. Owners of "
            "all seeds; on the right, the mean."
        ),
        (
            "Middle and worst owner are told against the utility. The worst of many draws is an "
            "extreme: more seeds make it worse."
        ),
        (
            "Use at home is bounded by what the home draws; what it leaves is fed in. “Home, "
            "then” serves the home first and sells what a day like yesterday would not need. “No "
            "extra”: aggregators earn nothing but the wholesale price."
        ),
    )
    body = strips.rows(drawn) + behind(
        "what owners have",
        table(f"What owners have by regime [{UNIT} of surplus]", heads, rows),
    )
    return Section("owners", "What owners have", finding, notes, body)


def _owners_row(one: Told) -> list[Cell]:
    figures, spread = one.figures, one.figures.owners
    return [
        _label(one),
        shown(figures.net),
        shown(figures.gain, signed=True),
        shown(figures.gain_on_home, signed=True),
        number(spread.gain[2], signed=True),
        number(spread.worst_gain, signed=True),
        f"{100 * spread.better_than_utility:.0f} %",
        f"{100 * spread.better_than_home:.0f} %",
    ]


def _number(found: Document) -> Section:
    kinds: dict[str, list[Told]] = {}
    for one in found.regimes:
        if one.use == "sale" and one.has_extras and one.kind != "mixed":
            kinds.setdefault(one.kind, []).append(one)
    lines = [
        Line(kind, kind, [one.figures.net.mean for one in ones]) for kind, ones in kinds.items()
    ]
    utility = found.regime("utility").figures.net.mean
    label = "; ".join(
        f"{line.name}: {line.values[0]:.2f} with one, {line.values[-1]:.2f} with "
        f"{len(line.values)} {UNIT}"
        for line in lines
    )
    legend = "".join(
        f'<li><svg aria-hidden=true viewBox="0 0 12 12" width=12 height=12>'
        f'<circle class="by {line.look}" cx=6 cy=6 r=5 /></svg>{escape(line.name)}</li>'
        for line in sorted(lines, key=lambda line: -line.values[-1])
    )
    ten = [one for one in _ten(found) if one.against_one is not None]
    across = _scale(one.against_one for one in ten)
    drawn = _rows_of([(one.kind, one.against_one) for one in ten], across)
    drawn.append(strips.axis(across, UNIT))
    heads = ["Aggregators", *kinds]
    most = max((len(ones) for ones in kinds.values()), default=0)
    rows = (
        [str(place + 1), *(shown(ones[place].figures.net) for ones in kinds.values())]
        for place in range(most)
    )
    notes = (
        (
            "None of the design's four strategies looks at rivals. More random ones draw a "
            "higher best bid; more of any kind make it likelier that one of them earns more "
            "besides. That is all that number does."
        ),
        (
            "Equilibrium, our benchmark: bidders know how many they are and how rivals' worths "
            "are spread, and bid what then is best for each. One alone pays the bare reserve."
        ),
    )
    body = (
        f"<ul class=legend>{legend}</ul>"
        + by_count(lines, ("one utility", utility), label, UNIT)
        + "<h3>Ten against one of the same kind</h3>"
        + strips.rows(drawn)
        + behind("by number", table(f"Net of owners by number [{UNIT}]", heads, rows))
    )
    finding = "What owners have with one to ten aggregators, each kind by itself."
    return Section("number", "How many it takes", finding, notes, body)


def _scale(found: Iterable[Estimate | None]) -> strips.Across:
    """Return a scale that holds intervals and zero."""
    means = [_mean(each) for each in found if each is not None]
    ends = [end for mean in means for end in (mean.value - mean.reach, mean.value + mean.reach)]
    return strips.Across.of([0.0, *ends])


def _rows_of(named: Sequence[tuple[str, Estimate | None]], across: strips.Across) -> list[str]:
    """Draw intervals below each other."""
    return [
        strips.row(
            name,
            interval(across, _mean(found), f"{name}: {shown(found, signed=True)} {UNIT}"),
            number(found.mean, signed=True),
        )
        for name, found in named
        if found is not None
    ]


def _tariffs(found: Document) -> Section:
    ten = _ten(found)
    every = [band.gain for one in ten for band in one.figures.bands]
    across = _scale(every)
    drawn = []
    for place, band in enumerate(ten[0].figures.bands):
        named = [(one.kind, one.figures.bands[place].gain) for one in ten]
        drawn.append(f"<h3>Tariff of {band.low:.1f} to {band.high:.1f} c</h3>")
        drawn.append(strips.rows([*_rows_of(named, across), strips.axis(across, UNIT)]))
    shares = ten[0].figures.bands
    heads = ["Regime", *(f"{band.low:.1f} to {band.high:.1f} c" for band in shares)]
    rows = (
        [_label(one), *(shown(band.gain, signed=True) for band in one.figures.bands)]
        for one in found.regimes
    )
    margin = found.regime("utility").figures.utility_margin
    finding = (
        "What owners have more with ten aggregators than under the utility, by their feed-in "
        f"tariff. At wholesale what they fed in was worth {shown(margin, signed=True)} c against "
        "what the tariff paid."
    )
    notes = (
        (
            "A dot is a mean, its line the 95 % confidence interval. Green: surely more than "
            "under the utility; orange: surely less; hollow: zero lies in the interval."
        ),
        (
            "The higher the tariff, the less there is to gain: owners want at least what breaks "
            "even with it."
        ),
    )
    body = "".join(drawn) + behind(
        "by feed-in tariff", table(f"More than under the utility [{UNIT}]", heads, rows)
    )
    return Section("tariffs", "By feed-in tariff", finding, notes, body)


def _sales(found: Document) -> Section:
    named = [
        (_label(one), one.figures.sales.margin)
        for one in _chosen(found)
        if one.figures.sales is not None
    ]
    across = _scale(margin for _, margin in named)
    drawn = [*_rows_of(named, across), strips.axis(across, UNIT)]
    heads = ["Regime", "Sold [kWh a battery and day]", "Paid", "Worth",
             "Of it beyond the highest bid", "Margin", "With extra", "Over tariff [%]"]  # fmt: skip
    rows = (_sales_row(one) for one in found.regimes if one.figures.sales is not None)
    finding = (
        "What bought energy was worth at wholesale when it was delivered, less what aggregators "
        "paid: their margin, and the most that they could have paid on top."
    )
    notes = (
        (
            "They bid by the price of the five minutes before, the newest that is known. It is "
            "worth what the next five minutes bring: a bid is a risk."
        ),
        (
            "No bid exceeds the highest one allowed. What energy was worth beyond it, in a few "
            "very dear intervals, no competition brings to owners."
        ),
        "With extra: what aggregators earn besides is an assumption, and no part of the worth.",
    )
    body = strips.rows(drawn) + behind(
        "what aggregators buy", table(f"Bought by auction [{UNIT} sold]", heads, rows)
    )
    return Section("sales", "What aggregators keep", finding, notes, body)


def _sales_row(one: Told) -> list[Cell]:
    sales = one.figures.sales
    if sales is None:
        return [_label(one)]
    return [
        _label(one),
        number(one.figures.sold_kwh.mean),
        shown(sales.paid),
        shown(sales.worth),
        shown(sales.spikes),
        shown(sales.margin, signed=True),
        shown(sales.margin_with_extra, signed=True),
        number(sales.improvement.mean, signed=True, decimals=0),
    ]


def _variants(found: Document) -> Section:
    across = _scale(gain for one in found.variants for gain in one.gains.values())
    drawn = []
    for one in found.variants:
        drawn.append(f"<h3>With {escape(one.title)}</h3>")
        rows = _rows_of(list(one.gains.items()), across)
        drawn.append(strips.rows([*rows, strips.axis(across, UNIT)]))
    kinds = list(found.variants[0].gains) if found.variants else []
    heads = ["With", "Utility", "Use at home", *(f"10 {kind}, more" for kind in kinds)]
    cells = (
        [
            one.title,
            shown(one.utility),
            shown(one.home),
            *(shown(gain, signed=True) for gain in one.gains.values()),
        ]
        for one in found.variants
    )
    body = "".join(drawn) + behind(
        "other terms", table(f"Under other terms [{UNIT} of surplus]", heads, cells)
    )
    finding = (
        "What owners have more with ten aggregators than under the utility, where one thing is "
        "assumed otherwise and all else is as below."
    )
    notes = (
        "Wear decides most: a battery that is worn by more than it earns had better rest.",
        "Owners who want more than what merely breaks even sell less, and get more for it.",
    )
    return Section("variants", "If something else is assumed", finding, notes, body)


def _terms(found: Document) -> Section:
    rows = [
        [words, f"{found.terms[name]:g} {unit}"]
        for name, words, unit in TERMS
        if name in found.terms
    ]
    notes = (
        (
            "Prices and homes are from two places and two years: the same latitude and season, "
            "and the same clock hours and weekdays, but a hot day of the ones is none of the "
            "others."
        ),
        "Batteries are those of the design: 10, 12 or 14 kWh with 5.0, 4.5 or 6.0 kW, by the seed.",
    )
    finding = "The same for everybody, under every regime. Other terms, other figures."
    return Section(
        "terms", "What is assumed", finding, notes, table("Terms", ["What", "Value"], rows)
    )


def _footer(found: Document) -> str:
    sources = "".join(f"<p>{escape(line)}</p>" for line in found.attribution)
    return (
        f"<footer>{sources}<p>Written by Wattbay. Nothing in this page leaves your computer.</p>"
        "</footer>"
    )
