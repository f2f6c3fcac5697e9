"""The whole page: head, answer, key figures and sections, with style and scripts from `static`."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from wattbay.adapters.report.flows import sufficiency
from wattbay.adapters.report.frame import document
from wattbay.adapters.report.prices import corridor, mean_price
from wattbay.adapters.report.run import Run
from wattbay.adapters.report.savings import Spread, level
from wattbay.adapters.report.series import Json
from wattbay.adapters.report.settling import Check
from wattbay.adapters.report.tags import Section, section
from wattbay.adapters.report.words import count, dates, days_in_words, fixed, kwh, percent

SCRIPTS = ("text.js", "draw.js", "series.js", "flows.js", "curve.js", "matrix.js", "bars.js",
           "main.js", "theme.js")  # fmt: skip
HEAD_CHARACTERS = 12
"""Of the journal's head, what a person compares at a glance."""


class Head(NamedTuple):
    """What stands above the sections is written from."""

    run: Run
    main: Spread
    """Savings that the answer names."""
    same: Spread
    """Savings on the same meters."""
    checks: list[Check]
    now_text: str | None


class Figure(NamedTuple):
    """A key figure: what, how much, and what it is to be compared with."""

    label: str
    value: str
    beside: str
    anchor: str
    alarm: bool = False


def page(head: Head, sections: Sequence[Section], numbers: Json) -> str:
    """Return the HTML of the report, everything inside it."""
    scenario = head.run.folder.scenario
    contents = "".join(
        f'<li><a href="#{part.anchor}">{escape(part.title)}</a></li>' for part in sections
    )
    body = f"""{_banner(head)}
<main id="main">
{_answer(head)}
<nav aria-label="Contents"><ol>{contents}</ol></nav>
{"".join(section(part) for part in sections)}
</main>
{_footer(head)}"""
    return document(f"{scenario.title} · Wattbay report", body, numbers, SCRIPTS)


def _banner(head: Head) -> str:
    run = head.run
    folder, place, homes = run.folder, run.place, run.homes
    kwp = sum(home.pv_kwp or 0 for home in homes)
    stored = round(sum(home.battery_wh or 0 for home in homes))
    facts = [
        ("When", dates(run.days),
         f"{run.deliveries.height:,} {place.span}s"),
        ("Homes", f"{len(homes):,}", f"{_zones(run)}"),
        ("With solar", f"{sum(h.has_pv for h in homes):,}", f"{kwp:,.1f} kWp in all"),
        ("With a battery", f"{sum(h.has_battery for h in homes):,}",
         f"{fixed(stored, 1000, 1)} kWh in all" if stored else ""),
        ("Times", place.zone, run.zone_in_words),
    ]  # fmt: skip
    if folder.summary.journal_head:
        facts.append(("Journal", folder.summary.journal_head[:HEAD_CHARACTERS],
                      f"{folder.summary.entries:,} entries"))  # fmt: skip
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(beside)}</small></dd></div>"
        for name, value, beside in facts
    )
    about = f"<p class=about>{escape(folder.scenario.description)}</p>"
    return (
        '<header><div class="top"><span class="brand">Wattbay</span>'
        '<button type="button" id="theme" hidden>Dark</button></div>'
        f"<h1>{escape(folder.scenario.title)}</h1>{about if folder.scenario.description else ''}"
        f"<dl class=facts>{cells}</dl></header>"
    )


def _zones(run: Run) -> str:
    return count(len({home.zone for home in run.homes}), "zone")


def _answer(head: Head) -> str:
    cells = "".join(_cell(figure) for figure in key_figures(head))
    return (
        f'<div class="answer"><p>{escape(answer(head))}</p>'
        f'<ul class="figures">{cells}</ul></div>'
        '<p id="still">Charts need a script to be drawn; the tables below do not.</p>'
    )


def _cell(figure: Figure) -> str:
    alarm = ' class="alarm"' if figure.alarm else ""
    return (
        f'<li{alarm}><a href="#{figure.anchor}"><span>{escape(figure.label)}</span> '
        f"<strong>{escape(figure.value)}</strong> <small>{escape(figure.beside)}</small></a></li>"
    )


def answer(head: Head) -> str:
    """Say in a sentence or two what the market did for these homes."""
    run, main = head.run, head.main
    days = days_in_words(len(run.days))
    less = "less" if main.total >= 0 else "more"
    homes = f"{main.homes:,} homes" if main.homes != 1 else "one home"
    if not main.total and not run.total("sold_wh"):
        return f"In {days}, {homes} found nothing to trade, and paid what they would have without."
    text = (
        f"In {days}, {homes} that traded with each other paid "
        f"{run.purse.money(abs(main.total))} {less} than they would have without a market"
    )
    if main.before > 0:
        text += f", {percent(abs(main.total), main.before)} of their bill before tax"
    if main.better == main.homes:
        return f"{text}. {'Every one is' if main.homes > 1 else 'It is'} better off."
    same = main.homes - main.better - main.worse
    text += f". {_subject(main.better)} better off, {_verb(main.worse)} worse off"
    return text + (f", for {same:,} nothing changes." if same else ".")


def _subject(homes: int) -> str:
    return {0: "None is", 1: "One is"}.get(homes, f"{homes:,} are")


def _verb(homes: int) -> str:
    return {0: "none is", 1: "one is"}.get(homes, f"{homes:,} are")


def key_figures(head: Head) -> list[Figure]:
    """Return the figures that stand first, each with what it is to be compared with."""
    run, main, purse = head.run, head.main, head.run.purse
    share = percent(abs(main.total), main.before) if main.before > 0 else "—"
    worst = level(run, main, 0)
    figures = [
        Figure(
            "Saved in all" if main.total >= 0 else "Paid more in all",
            purse.money(abs(main.total)),
            f"{share} of {purse.money(main.before)}"
            + (f"; {purse.money(head.same.total)} on the same meters"
               if head.same is not main else ", on the same meters"),
            "savings",
        ),
        Figure(
            "Homes better off",
            f"{main.better:,} of {main.homes:,}",
            f"{_subject(main.worse).lower()} worse off; the least any saved is "
            f"{purse.closely(worst)}"
            if worst >= 0 or run.shared
            else f"{_subject(main.worse).lower()} worse off, by {purse.closely(-worst)} at most",
            "savings",
        ),
        Figure(
            "Traded by neighbours",
            kwh(run.total("sold_wh")),
            f"{percent(run.total('delivered_in_wh'), run.total('sold_wh'), 0)} of it delivered; "
            f"{percent(run.total('delivered_in_wh'), run.total('import_wh'), 0)} of all imports",
            "pairs",
        ),
    ]  # fmt: skip
    s = sufficiency(run)
    if s is not None and s.load:
        figures.append(
            Figure(
                "Self-sufficiency",
                percent(s.load - s.outside_import, s.load),
                f"{percent(s.load - s.alone_import, s.load)} if each home stood alone",
                "sufficiency",
            )
        )
    mean, limits = mean_price(run.deliveries), corridor(run)
    beside = "nothing was traded" if mean is None else "over what was traded"
    if limits is not None:
        beside = (
            f"suppliers charge {purse.price(limits.retail, unit=False)} with all fees and pay "
            f"{purse.price(limits.export, unit=False)}"
        )
    figures.append(
        Figure("Mean price", "—" if mean is None else purse.price(mean), beside, "prices")
    )
    lost = sum(check.difference for check in head.checks if not check.is_money)
    failed = any(check.difference for check in head.checks)
    metered = kwh(run.total("import_wh") + run.total("export_wh"))
    figures.append(
        Figure("Unaccounted energy", f"{lost:,} Wh", f"of {metered} metered"
               + ("; a check fails" if failed else "; all checks hold"), "accounted", failed)
    )  # fmt: skip
    return figures


def _footer(head: Head) -> str:
    made = f"<p>Made {escape(head.now_text)}.</p>" if head.now_text else ""
    return (
        f"<footer>{made}<p>Written by Wattbay from the files of this run. Nothing in this page "
        "leaves your computer.</p></footer>"
    )
