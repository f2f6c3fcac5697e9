"""Why was that the price: one delivery's auction, what was left over, and who answers for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from wattbay.cli.show.auction import Book, why_price
from wattbay.cli.show.figures import counted, listed, wh
from wattbay.cli.show.folder import Run, at_delivery
from wattbay.cli.show.orders import book_of
from wattbay.cli.show.page import Page
from wattbay.cli.show.rows import ImbalanceRow, MeterRow, OrderRow, PriceRow, latest
from wattbay.cli.show.words import AUCTIONED, ORDER_STATES
from wattbay.errors import ConfigError, Fault
from wattbay.periods import Instant, to_text
from wattbay.views.receipt_lines import ReceiptRow

GROUP_HOMES_MIN = 5
"""What is given to others shows no group of fewer homes."""
ROWS_SHOWN_MAX = 60
"""Of a side with more orders only those about the margin are shown; --json has them all."""


class Level(Struct, frozen=True):
    """An order, or a group of them where no home may be told apart. [Wh, nano-currency per Wh]"""

    side: str
    limits_nano_per_wh: tuple[int | None, int | None]
    """The best and the worst limit of the group; null for orders at any price."""
    quantity_wh: int
    filled_wh: int
    homes: int
    pod: str
    """Empty for a group."""
    order: int | None


class Told(Struct, frozen=True):
    """One delivery. Positive energy: into the grid, long. [Wh, nano-currency per Wh]"""

    format: int
    is_shared: bool
    """Whether homes are gathered in groups, and none is named."""
    delivery: str
    product: str
    price_nano_per_wh: int | None
    volume_wh: int
    surplus_nano: int
    surplus_maximum_nano: int
    why: tuple[str, ...]
    levels: tuple[Level, ...]
    not_auctioned: dict[str, int]
    """How many orders were refused, withdrawn or taken out before, by state."""
    import_wh: int
    export_wh: int
    delivered_wh: int
    short_wh: int
    long_wh: int
    pooled_wh: int
    pool_price_nano_per_wh: int | None
    imbalances_wh: dict[str, int]
    """By balance responsible party, as of its last run."""
    runs: dict[str, int]
    """How many receipts each run issued."""
    qualities: dict[str, int]
    """How many homes' energy is known in which way, as of now."""
    estimated: tuple[str, ...]
    """Homes that still rest on an estimate."""
    once_estimated: tuple[str, ...]
    """Homes that did, and were corrected."""


def tell(run: Run, start: Instant, *, share: bool) -> Told:
    """Gather what explains a delivery.

    Parameters
    ----------
    share
        Name no home, and show no group of fewer than `GROUP_HOMES_MIN`.
    """
    prices = run.read("prices", PriceRow, at_delivery(start))
    issued = run.read("receipts", ReceiptRow, at_delivery(start))
    if not prices and not issued:
        what = f"nothing was traded or metered in this {run.place.span_name}"
        raise ConfigError(Fault(run.place.typed(start), what))
    receipts = latest(issued)
    book = book_of(run, start)
    every = run.read("orders", OrderRow, at_delivery(start))
    out = [order.state for order in every if order.state not in AUCTIONED]
    auction = prices[0] if prices else PriceRow(start, "", None, 0, 0, 0, None)
    qualities, now, once = _qualities(run, start)
    return Told(
        format=1,
        is_shared=share,
        delivery=to_text(start),
        product=auction.product,
        price_nano_per_wh=auction.price_nano_per_wh,
        volume_wh=auction.volume_wh,
        surplus_nano=auction.surplus_nano,
        surplus_maximum_nano=auction.surplus_maximum_nano,
        why=() if share and _is_small(book) else tuple(why_price(book, run.purse)),
        levels=tuple(_levels(book, share=share)),
        not_auctioned={state: out.count(state) for state in sorted(set(out))},
        import_wh=sum(row.import_wh for row in receipts),
        export_wh=sum(row.export_wh for row in receipts),
        delivered_wh=sum(row.delivered_in_wh for row in receipts),
        short_wh=sum(max(0, -row.deviation_wh) for row in receipts),
        long_wh=sum(max(0, row.deviation_wh) for row in receipts),
        pooled_wh=sum(max(0, row.pooled_wh) for row in receipts),
        pool_price_nano_per_wh=auction.pool_price_nano_per_wh,
        imbalances_wh=_imbalances(run, start),
        runs=_runs(issued),
        qualities=qualities,
        estimated=() if share else now,
        once_estimated=() if share else once,
    )


def _is_small(book: Book) -> bool:
    """Tell whether so few homes ordered that a limit would tell of one of them."""
    sides = (book.side("buy"), book.side("sell"))
    return any(0 < len({order.pod for order in side}) < GROUP_HOMES_MIN for side in sides)


def _levels(book: Book, *, share: bool) -> Iterator[Level]:
    """Yield the orders of both sides, best first; or groups of them."""
    for side in ("buy", "sell"):
        orders = book.side(side)
        groups = _groups(orders) if share else [[order] for order in orders]
        for group in groups:
            yield Level(
                side,
                (group[0].limit_nano_per_wh, group[-1].limit_nano_per_wh),
                sum(order.quantity_wh for order in group),
                sum(order.filled_wh for order in group),
                len({order.pod for order in group}),
                "" if share else group[0].pod,
                None if share else group[0].seq,
            )


def _groups(orders: Sequence[OrderRow]) -> list[list[OrderRow]]:
    """Gather neighbours by limit until no group has fewer homes than may be shown."""
    groups: list[list[OrderRow]] = []
    current: list[OrderRow] = []
    for order in orders:
        current.append(order)
        if len({each.pod for each in current}) >= GROUP_HOMES_MIN:
            groups.append(current)
            current = []
    if current and groups:
        groups[-1].extend(current)
    # Too few altogether: better nothing than a home that can be told.
    return groups


def _imbalances(run: Run, start: Instant) -> dict[str, int]:
    """Return the last known imbalance of each balance responsible party. [Wh]"""
    if not run.has("imbalances"):
        return {}
    return {
        row.brp: row.energy_wh for row in run.read("imbalances", ImbalanceRow, at_delivery(start))
    }


def _runs(issued: Sequence[ReceiptRow]) -> dict[str, int]:
    """Count the receipts that each run issued, in order of runs."""
    found: dict[str, int] = {}
    for row in issued:
        found[row.run] = found.get(row.run, 0) + 1
    return found


def _qualities(run: Run, start: Instant) -> tuple[dict[str, int], tuple[str, ...], tuple[str, ...]]:
    """Count how energies are known; name those estimated now, and those that once were."""
    rows = run.read("meters", MeterRow, at_delivery(start))
    last = {row.pod: row.quality for row in rows}
    counts: dict[str, int] = {}
    for quality in last.values():
        counts[quality] = counts.get(quality, 0) + 1
    now = tuple(sorted(pod for pod, quality in last.items() if quality == "estimated"))
    ever = {row.pod for row in rows if row.quality == "estimated"}
    return dict(sorted(counts.items())), now, tuple(sorted(ever.difference(now)))


# --- the page ---


def page(run: Run, told: Told, start: Instant, remark: str) -> Page:
    """Write the page of a delivery."""
    shown = Page(f"Delivery {run.place.delivery(start)}", f"{run.scenario.title} · {told.product}")
    shown.say(remark, style="yellow")
    if told.price_nano_per_wh is None:
        shown.say("Nothing was traded.", style="bold")
    else:
        price = run.purse.price(told.price_nano_per_wh)
        shown.say(f"{wh(told.volume_wh)} were traded at {price}.", style="bold")
    shown.say(*told.why)
    if told.is_shared and not told.levels:
        shown.say("Too few homes ordered for their limits to be shown.", style="dim")
    _add_orders(shown, run, told)
    _add_gains(shown, run, told)
    shown.head("What was metered, and what was left over")
    shown.lines(_left_over(run, told))
    if told.imbalances_wh:
        shown.say("What was not pooled, by balance responsible party:")
        shown.table(
            ("party", "imbalance"),
            [
                (brp, f"{wh(abs(energy))} {'short' if energy < 0 else 'long'}")
                for brp, energy in told.imbalances_wh.items()
            ],
        )
    shown.say(*_known(told))
    orders = [level for level in told.levels if level.pod]
    shown.commands(
        run.command("receipt", level.pod, run.place.typed(start)) for level in orders[:1]
    )
    return shown


def _add_orders(shown: Page, run: Run, told: Told) -> None:
    """Add bids and offers as tables."""
    is_shared = told.is_shared
    for side, name in (("buy", "Bids, dearest first"), ("sell", "Offers, cheapest first")):
        levels = [level for level in told.levels if level.side == side]
        if not levels:
            continue
        shown.head(name)
        rows = [
            (
                f"{level.homes} homes" if is_shared else level.pod,
                "" if level.order is None else str(level.order),
                _limits(run, level),
                f"{level.quantity_wh:,}",
                f"{level.filled_wh:,}",
                _mark(level, told.price_nano_per_wh),
            )
            for level in levels
        ]
        margin = sum(level.filled_wh > 0 for level in levels)
        heads = (
            "homes" if is_shared else "home",
            "" if is_shared else "order",
            f"limit, {run.purse.minor_name}/kWh",
            "wanted, Wh" if side == "buy" else "offered, Wh",
            "traded, Wh",
            "",
        )
        shown.table(heads, _about(rows, margin), words=(0, 5))
    if told.not_auctioned:
        parts = [
            f"{count} {ORDER_STATES.get(state, state)}"
            for state, count in told.not_auctioned.items()
        ]
        shown.say(f"Not in the auction: {listed(parts)}.")


def _about(rows: Sequence[tuple[str, ...]], margin: int) -> Sequence[tuple[str, ...]]:
    """Leave out what is far from the margin, where there are too many rows to read."""
    if len(rows) <= ROWS_SHOWN_MAX:
        return rows
    half = ROWS_SHOWN_MAX // 2
    first = min(max(0, margin - half), len(rows) - ROWS_SHOWN_MAX)
    last = first + ROWS_SHOWN_MAX
    above, below = first, len(rows) - last

    def more(count: int) -> list[tuple[str, ...]]:
        return [(f"{count:,} more", "", "", "", "", "")] if count else []

    return [*more(above), *rows[first:last], *more(below)]


def _limits(run: Run, level: Level) -> str:
    best, worst = (
        "any" if limit is None else run.purse.price(limit, unit=False)
        for limit in level.limits_nano_per_wh
    )
    return best if best == worst else f"{best} to {worst}"


def _mark(level: Level, price: int | None) -> str:
    """Mark what traded, and what set the margin."""
    if price is None or not level.filled_wh:
        return ""
    return "all" if level.filled_wh == level.quantity_wh else "part: at the margin"


def _add_gains(shown: Page, run: Run, told: Told) -> None:
    """Say what trading was worth to both sides by their own limits."""
    if told.price_nano_per_wh is None or not told.surplus_maximum_nano:
        return
    scale = run.purse.scale([[told.surplus_nano], [told.surplus_maximum_nano]])
    same = "the most that any rule could have reached"
    most = f"; {scale.text(told.surplus_maximum_nano)} were {same}"
    if told.surplus_nano == told.surplus_maximum_nano:
        most = f": {same}"
    shown.say(
        f"By their own limits buyers and sellers gained {scale.text(told.surplus_nano)}{most}."
    )


def _left_over(run: Run, told: Told) -> list[str]:
    """Say what was metered and how deviations netted."""
    lines = [
        f"Drawn {wh(told.import_wh)}, fed in {wh(told.export_wh)}."
        + (
            f" Of what was traded {wh(told.delivered_wh)} were delivered." if told.volume_wh else ""
        ),
        f"Homes were {wh(told.short_wh)} short and {wh(told.long_wh)} long in all.",
    ]
    if told.pooled_wh and told.pool_price_nano_per_wh is not None:
        lines.append(
            f"{wh(told.pooled_wh)} of both netted in the pool at"
            f" {run.purse.price(told.pool_price_nano_per_wh)}; the rest,"
            f" {wh(abs(told.short_wh - told.long_wh))}, met the suppliers."
        )
    return lines


def _known(told: Told) -> list[str]:
    """Say how the energies are known, and which runs issued receipts."""
    said = [
        "How energies are known: "
        + listed([f"{count} {quality}" for quality, count in told.qualities.items()])
        + "."
    ]
    if told.estimated:
        said.append(f"Still estimated: {listed(told.estimated)}.")
    if told.once_estimated:
        said.append(f"Estimated at first and corrected: {listed(told.once_estimated)}.")
    runs = [f"{counted(count, 'receipt')} in the {run} run" for run, count in told.runs.items()]
    said.append(f"Issued: {listed(runs)}.")
    return said
