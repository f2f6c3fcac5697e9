"""Rows of what was published of tariffs, and of called response."""

from __future__ import annotations

from collections.abc import Iterator

from wattbay.core import events as e

Cell = int | float | str | bool | None


def price_rows(
    seq: int, event: e.PricesPublished, isp_us: int, all_zones: str
) -> Iterator[tuple[Cell, ...]]:
    """Yield what a tariff costs in each delivery; what was not published is empty."""
    every = (event.energy, event.export, event.levy, event.network)
    count = max(map(len, every))
    columns = [prices or (None,) * count for prices in every]
    zone = all_zones if event.zone is None else event.zone
    for i, prices in enumerate(zip(*columns, strict=True)):
        start = event.start + i * isp_us
        yield (seq, start, start + isp_us, event.tariff, zone, *prices)


def response_row(seq: int, event: e.ResponseSettled, isp_us: int) -> tuple[Cell, ...]:
    """Return what a called pod drew, and what it would have drawn."""
    return (
        seq,
        event.delivery,
        event.delivery + isp_us,
        event.pod,
        event.party,
        event.supplier or "",
        event.baseline_wh,
        event.import_wh,
        event.amount_nano,
    )
