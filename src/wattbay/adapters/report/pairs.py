"""Who traded with whom: a heat map of sellers and buyers."""

from __future__ import annotations

import polars as pl

from wattbay.adapters.report.run import GROUP_HOMES_MIN, Run, groups
from wattbay.adapters.report.series import Json
from wattbay.adapters.report.tags import Section, behind, chart
from wattbay.adapters.report.words import count, kwh, percent

HOMES_APART_MAX = 80
"""More homes than this are drawn as groups: a cell must be large enough to be seen."""

c = pl.col


def pairs(run: Run) -> tuple[Section, Json]:
    """Write how much energy each seller sold to each buyer."""
    grouped = run.shared or len(run.homes) > HOMES_APART_MAX
    cells = _cells(run, grouped=grouped)
    sold, bought = _by_size(cells, "seller"), _by_size(cells, "buyer")
    rows = {name: i for i, name in enumerate(sold["seller"])}
    columns = {name: i for i, name in enumerate(bought["buyer"])}
    numbers: Json = {
        "rows": list(rows),
        "columns": list(columns),
        "kinds": {} if grouped else {home.pod: home.kind for home in run.homes},
        "grouped": grouped,
        "cells": [
            [rows[seller], columns[buyer], quantity, delivered]
            for seller, buyer, quantity, delivered in cells.iter_rows()
        ],
    }
    notes = [
        (
            "An auction has no couples of its own: it pairs buyers and sellers in order of "
            "their limits, and all pay the same price. Who stands beside whom decides the fee "
            "of the local network and the origin of the energy."
        )
    ]
    if grouped:
        notes.append(
            "Homes are told in groups"
            + (f"; none has fewer than {GROUP_HOMES_MIN} homes." if run.shared else ".")
        )
    body = chart(
        "matrix",
        "pairs",
        "Energy traded between sellers and buyers",
        height=240 if grouped else 480,
    )
    body += behind("who traded with whom", "", name="pairs")
    if cells.is_empty():
        body = '<p class="note">Nobody traded.</p>'
    finding = _finding(run, sold, bought, grouped=grouped)
    return Section("pairs", "Who traded with whom", finding, tuple(notes), body), numbers


def _cells(run: Run, *, grouped: bool) -> pl.DataFrame:
    """Return seller, buyer, quantity_wh, delivered_wh, summed over the run."""
    traded = (
        run.folder.scan("trades")
        .filter(c.state != "cancelled")
        .group_by(seller="seller_pod", buyer="buyer_pod")
        .agg(c.quantity_wh.sum(), c.delivered_wh.fill_null(0).sum())
        .collect(engine="streaming")
    )
    if grouped:
        names = groups(run.homes, group_min=GROUP_HOMES_MIN if run.shared else 1)
        named = c("seller", "buyer").replace_strict(names, default="Other homes")
        traded = traded.with_columns(named).group_by("seller", "buyer").agg(
            c.quantity_wh.sum(), c.delivered_wh.sum()
        )  # fmt: skip
    return traded.sort("seller", "buyer")


def _by_size(cells: pl.DataFrame, side: str) -> pl.DataFrame:
    totals = cells.group_by(side).agg(c.quantity_wh.sum())
    return totals.sort("quantity_wh", side, descending=[True, False])


def _finding(run: Run, sold: pl.DataFrame, bought: pl.DataFrame, *, grouped: bool) -> str:
    total = int(sold["quantity_wh"].sum() or 0)
    if not total:
        return "Nobody traded."
    if grouped:
        name, most = sold.row(0)
        return f"{kwh(total)} changed hands; {percent(most, total)} was sold by: {name.lower()}."
    tenth = max(1, round(len(run.homes) / 10))
    top = int(sold["quantity_wh"].head(tenth).sum())
    sellers = "largest seller" if tenth == 1 else f"{tenth} largest sellers"
    return (
        f"{count(sold.height, 'home')} sold to {count(bought.height, 'home')}. "
        f"The {sellers} made {percent(top, total)} of what was sold."
    )
