"""Why did I pay this: one home's receipt for one delivery, in sentences and sums."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from msgspec import Struct, structs

from wattbay.cli.show.figures import Purse, Scale, counted, listed, percent, wh
from wattbay.cli.show.folder import Facts, Run, at_delivery
from wattbay.cli.show.page import Page, Term
from wattbay.cli.show.rows import MeterRow, OrderRow, PriceRow
from wattbay.cli.show.words import COMPONENTS, ORDER_STATES, QUALITIES
from wattbay.errors import ConfigError, Fault
from wattbay.periods import Instant, to_datetime, to_text
from wattbay.views import receipt_lines
from wattbay.views.receipt_lines import Line, ReceiptRow, TariffParts, TradeRow


class Version(Struct, frozen=True):
    """A version of the receipt, and the metering that it rests on."""

    version: int
    run: str
    quality: str
    metered_import_wh: int
    metered_export_wh: int
    receipt: ReceiptRow


class Story(Struct, frozen=True):
    """Everything that explains a receipt. Positive money: the home pays, before tax."""

    format: int
    delivery: str
    delivery_end: str
    pod: str
    facts: Facts
    tax_ppm: int
    purchases: int
    """How many trades the home bought in."""
    sales: int
    lines: tuple[Line, ...]
    total_nano: int
    without_market: tuple[Line, ...]
    same_meters_nano: int
    saved_nano: int
    deviations: str
    shown: Version
    versions: tuple[Version, ...]
    orders: tuple[OrderRow, ...]
    disagreements: dict[str, tuple[int, int]]
    """Components whose lines do not come to what the receipt says: recomputed, as told."""


def tell(run: Run, pod: str, start: Instant, version: int | None = None) -> Story:
    """Gather what explains a receipt.

    Raises
    ------
    ConfigError
        If there is no such receipt, or version of it.
    """
    issued = run.read("receipts", ReceiptRow, at_delivery(start))
    versions = _versions(run, pod, start, [row for row in issued if row.pod == pod])
    shown = versions[-1]
    if version is not None:
        found = [told for told in versions if told.version == version]
        if not found:
            known = listed([str(told.version) for told in versions])
            raise ConfigError(Fault(f"--version {version}", f"the receipt has version {known}"))
        shown = found[0]
    facts, tariff = run.facts(pod, start), run.tariff(pod, start)
    trades = run.read("trades", TradeRow, at_delivery(start))
    receipt = shown.receipt
    standing = {row.pod: row for row in issued[: _until(issued, receipt)]}
    ground = receipt_lines.Ground(
        tariff=tariff,
        rules=run.tariffs.settlement,
        pool_price=_pool_price(run, start),
        supplier=facts.supplier,
        receipts=standing,
        zones={name: run.facts(name, start).zone for name in standing},
    )
    lines = receipt_lines.explain(receipt, trades, ground)
    trades = [trade for trade in trades if trade.state != "cancelled"]
    without = receipt_lines.without_market(receipt, tariff)
    orders = run.read("orders", OrderRow, at_delivery(start), pl.col("pod") == pod)
    return Story(
        format=1,
        delivery=to_text(start),
        delivery_end=to_text(Instant(start + run.place.isp_us)),
        pod=pod,
        facts=facts,
        tax_ppm=tariff.tax_ppm(start),
        purchases=sum(trade.buyer_pod == pod for trade in trades),
        sales=sum(trade.seller_pod == pod for trade in trades),
        lines=tuple(lines),
        total_nano=receipt.total_nano,
        without_market=tuple(without),
        same_meters_nano=receipt.same_meters_nano,
        saved_nano=receipt.saved_nano,
        deviations=run.tariffs.settlement.deviations,
        shown=shown,
        versions=tuple(versions),
        orders=tuple(sorted(orders, key=lambda order: order.seq)),
        disagreements=receipt_lines.disagreements(receipt, lines, without),
    )


def _versions(run: Run, pod: str, start: Instant, issued: Sequence[ReceiptRow]) -> list[Version]:
    """Return the versions of a receipt, first to last."""
    if not issued:
        raise ConfigError(_no_receipt(run, pod, start))
    meters = {
        row.version: row
        for row in run.read("meters", MeterRow, at_delivery(start), pl.col("pod") == pod)
    }
    found = []
    for row in issued:
        meter = meters.get(row.version) or MeterRow(
            pod, row.import_wh, row.export_wh, "", row.run, row.version
        )
        found.append(
            Version(row.version, row.run, meter.quality, meter.import_wh, meter.export_wh, row)
        )
    return found


def _no_receipt(run: Run, pod: str, start: Instant) -> Fault:
    """Say where the nearest receipts of a pod are."""
    run.facts(pod, start)
    at = to_datetime(start)
    mine = pl.col("pod") == pod
    rows = run.read("receipts", ReceiptRow, mine, pl.col("delivery_start") < at)[-1:]
    rows += run.read("receipts", ReceiptRow, mine, pl.col("delivery_start") > at)[:1]
    near = " and ".join(run.place.typed(row.delivery_start) for row in rows)
    remedy = f"the nearest start at {near}" if near else "it has none at all in this run"
    return Fault(f"{pod} {run.place.typed(start)}", "there is no receipt", remedy)


def _until(issued: Sequence[ReceiptRow], receipt: ReceiptRow) -> int:
    """Return how many rows were issued up to the end of the run that issued a receipt."""
    place = next(i for i, row in enumerate(issued) if row is receipt)
    seen = {receipt.pod}
    for row in issued[place + 1 :]:
        if row.run != receipt.run or row.pod in seen:
            break
        seen.add(row.pod)
        place += 1
    return place + 1


def _pool_price(run: Run, start: Instant) -> int:
    """Return the pool price of a delivery; nothing where it was never settled."""
    known = [
        row.pool_price_nano_per_wh
        for row in run.read("prices", PriceRow, at_delivery(start))
        if row.pool_price_nano_per_wh is not None
    ]
    return known[0] if known else 0


# --- the page ---


def page(run: Run, story: Story, start: Instant, remark: str, *, exact: bool) -> Page:
    """Write the page of a receipt."""
    receipt = story.shown.receipt
    parts = [line.amount_nano for line in story.lines]
    market_free = [line.amount_nano for line in story.without_market]
    sums = [parts, market_free, *([version.receipt.total_nano] for version in story.versions)]
    scale = run.purse.scale(sums, exact=exact)
    subtitle = (
        f"{run.scenario.title} · zone {story.facts.zone} · supplier {story.facts.supplier}"
        f" · tariff {story.facts.tariff}"
    )
    if receipt.version != story.versions[-1].version:
        last = story.versions[-1]
        remark = f"{remark} This is version {receipt.version}; {last.version} replaced it.".strip()
    shown = Page(f"Receipt of {story.pod}: {run.place.delivery(start)}", subtitle)
    shown.say(remark, style="yellow")
    shown.say(_bottom_line(run, story, scale), style="bold")
    for paragraph in paragraphs(run.purse, story):
        shown.say(*paragraph)
    shown.head(f"What {story.pod} {'pays' if story.total_nano >= 0 else 'earns'}, before tax")
    shown.sum([*_terms(run.purse, scale, story.lines), _total_term(scale, story.total_nano)])
    shown.head("The same meters without a market")
    shown.sum(
        [
            *_terms(run.purse, scale, story.without_market),
            _total_term(scale, story.same_meters_nano),
        ]
    )
    if story.without_market and receipt.import_wh:
        shown.lines([_retail(run.purse, run.tariff(story.pod, start))], style="dim")
    shown.say(_saved(story, scale))
    if story.tax_ppm:
        shown.say(
            f"Tax of {percent(story.tax_ppm)} is worked out once, on the statement.", style="dim"
        )
    _add_versions(shown, run, story, scale)
    _add_faults(shown, story, scale)
    shown.commands(
        [
            *(run.command("order", order.seq) for order in story.orders),
            run.command("delivery", run.place.typed(start)),
        ]
    )
    return shown


def _bottom_line(run: Run, story: Story, scale: Scale) -> str:
    """Say what it comes to, before any reason."""
    flow = scale.flow(story.total_nano).replace("nothing", "you pay nothing")
    return f"Y{flow[1:]} for this {run.place.span_name}."


def paragraphs(purse: Purse, story: Story) -> list[list[str]]:
    """Return what happened, in sentences: metered, traded, left over."""
    return [_metered(story.shown), _traded(purse, story), _deviated(story)]


def _metered(version: Version) -> list[str]:
    """Say what was metered, and how it is known."""
    drawn, fed_in = version.metered_import_wh, version.metered_export_wh
    match bool(drawn), bool(fed_in):
        case True, True:
            said = f"You drew {wh(drawn)} from the grid and fed {wh(fed_in)} into it"
        case True, False:
            said = f"You drew {wh(drawn)} from the grid and fed nothing into it"
        case False, True:
            said = f"You fed {wh(fed_in)} into the grid and drew nothing from it"
        case _:
            said = "You neither drew from the grid nor fed into it"
    how = QUALITIES.get(version.quality)
    sentences = [f"{said} ({how})." if how else f"{said}."]
    receipt = version.receipt
    if (receipt.import_wh, receipt.export_wh) != (drawn, fed_in):
        net = wh(receipt.import_wh or receipt.export_wh)
        way = "drawn" if receipt.import_wh else "fed in"
        sentences.append(f"Set off against each other, as the product says, {net} {way} remain.")
    return sentences


def _traded(purse: Purse, story: Story) -> list[str]:
    """Say what was traded, with whom, and how much of it was delivered."""
    receipt = story.shown.receipt
    sentences = []
    for verb, side, traded, delivered, trades in (
        ("bought", "from", receipt.bought_wh, receipt.delivered_in_wh, story.purchases),
        ("sold", "to", receipt.sold_wh, receipt.delivered_out_wh, story.sales),
    ):
        if not traded:
            continue
        prices = [
            purse.price(line.price_nano_per_wh)
            for line in story.lines
            if line.component == "trades" and line.what.lower().startswith(verb)
        ]
        sentences.append(
            f"You had {verb} {wh(traded)} {side} the community at {listed(prices)}, in"
            f" {counted(trades, 'trade')}, and"
        )
        sentences.append(_delivered(traded, delivered, verb))
    if sentences:
        return sentences
    lost = [
        f"{'bid' if order.side == 'buy' else 'offer'} of {wh(order.quantity_wh)} was"
        f" {ORDER_STATES.get(order.state, order.state)}"
        for order in story.orders
    ]
    why = f": your {', and your '.join(lost)}" if lost else ""
    return [f"You had traded nothing for it{why}."]


def _delivered(traded: int, delivered: int, verb: str) -> str:
    """Say how much of what was traded flowed."""
    if delivered == traded:
        return "all of it was delivered."
    side = "sellers fed in" if verb == "bought" else "buyers drew"
    own = "you drew" if verb == "bought" else "you fed in"
    what = f"{wh(delivered)} of it were" if delivered else "none of it was"
    fee = " Only that bears the local network fee." if delivered and verb == "bought" else ""
    return f"{what} delivered: the smaller of what {own} and what its {side} for it.{fee}"


def _deviated(story: Story) -> list[str]:
    """Say what was metered otherwise than traded, and how that was settled."""
    receipt = story.shown.receipt
    deviation = receipt.deviation_wh
    sentences = []
    if receipt.activated_wh:
        way = "feed in" if receipt.activated_wh > 0 else "draw"
        sentences.append(
            f"The grid operator had instructed you to {way} {wh(abs(receipt.activated_wh))};"
            " obeying is no deviation."
        )
    if deviation == 0:
        return [
            *sentences,
            "Your meter showed exactly what you had traded, so nothing was left to settle.",
        ]
    sentences.append(_mismatch(receipt))
    pooled, residual = abs(receipt.pooled_wh), abs(receipt.residual_wh)
    supplier = story.facts.supplier
    if pooled:
        whom = "neighbours who were long" if deviation < 0 else "neighbours who were short"
        how = "came from" if deviation < 0 else "went to"
        part = wh(pooled) if residual else "All of it"
        sentences.append(f"{part} {how} {whom}, at the pool price.")
    if residual:
        how = "came from" if deviation < 0 else "went to"
        part = f"The other {wh(residual)}" if pooled else "All of it"
        terms = {"single": "at the imbalance price", "dual": "at the imbalance price"}
        price = terms.get(
            story.deviations, "at its energy price" if deviation < 0 else "at its export price"
        )
        sentences.append(f"{part} {how} your supplier {supplier} {price}.")
    return sentences


def _mismatch(receipt: ReceiptRow) -> str:
    """Say in which way metering and trades differ."""
    size = wh(abs(receipt.deviation_wh))
    is_short = receipt.deviation_wh < 0
    if not receipt.bought_wh and not receipt.sold_wh and not receipt.activated_wh:
        if not receipt.import_wh or not receipt.export_wh:
            return f"So all {size} were settled afterwards."
        net = "Drawn less fed in" if is_short else "Fed in less drawn"
        return f"{net}, {size} were settled afterwards."
    more = "more" if is_short else "less"
    if not receipt.sold_wh and not receipt.export_wh and not receipt.activated_wh:
        return f"You drew {size} {more} than you had bought: you were {_way(is_short)}."
    if not receipt.bought_wh and not receipt.import_wh and not receipt.activated_wh:
        less = "less" if is_short else "more"
        return f"You fed in {size} {less} than you had sold: you were {_way(is_short)}."
    return (
        f"Metered less traded, you were {size} {_way(is_short)}:"
        f" fed in {receipt.export_wh:,} - drawn {receipt.import_wh:,}"
        f" - sold {receipt.sold_wh:,} + bought {receipt.bought_wh:,}"
        + (f" - instructed {receipt.activated_wh:,}" if receipt.activated_wh else "")
        + f" = {receipt.deviation_wh:,} Wh."
    )


def _way(is_short: bool) -> str:
    return "short" if is_short else "long"


def _terms(purse: Purse, scale: Scale, lines: Sequence[Line]) -> list[Term]:
    """Return lines as they stand in a sum."""
    return [
        Term(
            line.what,
            f"{line.energy_wh:,} Wh × {purse.price(line.price_nano_per_wh)}",
            scale.text(line.amount_nano),
            "green" if line.amount_nano < 0 else "",
        )
        for line in lines
    ]


def _total_term(scale: Scale, total: int) -> Term:
    """Return the last line of a sum."""
    return Term(f"Together: {scale.flow(total)}", "", scale.text(total), "bold")


def _retail(purse: Purse, tariff: TariffParts) -> str:
    """Say what a retail price is made of."""
    return (
        f"{purse.price(tariff.retail)} = energy {purse.price(tariff.energy, unit=False)}"
        f" + network {purse.price(tariff.network_regional, unit=False)}"
        f" + levy {purse.price(tariff.levy, unit=False)}"
    )


def _saved(story: Story, scale: Scale) -> str:
    """Say what the market was worth here, and why, where it was worth less than nothing."""
    would = scale.flow(story.same_meters_nano).replace("you ", "you would ")
    would = would.replace("nothing", "you would pay nothing")
    flow = scale.flow(story.total_nano).replace("nothing", "you pay nothing")
    amount = scale.text(abs(scale.difference(story.same_meters_nano, story.total_nano)))
    if story.saved_nano == 0:
        return "The market made no difference here."
    if story.saved_nano > 0:
        return f"Without a market {would}; with it {flow}: {amount} better for you."
    return f"Without a market {would}; with it {flow}: {amount} worse for you{_loss(story)}."


def _loss(story: Story) -> str:
    """Say why a home paid more than without a market."""
    receipt = story.shown.receipt
    if receipt.deviation_wh > 0 and receipt.bought_wh > receipt.import_wh:
        return ", because you had bought more than you drew and the rest fetched less than you paid"
    if receipt.deviation_wh < 0 and receipt.sold_wh > receipt.export_wh:
        return ", because you had sold more than you fed in and bought the rest back for more"
    if receipt.bought_wh:
        return ", because what you bought came dearer, with its fee, than your supplier's price"
    if receipt.sold_wh:
        return ", because what you sold fetched less than your supplier pays"
    return ""


def _add_versions(shown: Page, run: Run, story: Story, scale: Scale) -> None:
    """List every version, and what changed from one to the next."""
    if len(story.versions) == 1:
        shown.say(f"It was issued once, in the {_only_run(run, story.versions[0])}.", style="dim")
        return
    shown.head("Versions")
    lines = []
    before: Version | None = None
    for version in story.versions:
        name = f"{version.version} ({version.run})"
        total = scale.text(version.receipt.total_nano)
        if before is None:
            lines.append(f"{name}: {total}; {_metering(version)}.")
        else:
            old, new = before.receipt.total_nano, version.receipt.total_nano
            change = scale.signed(scale.difference(new, old))
            lines.append(f"{name}: {total}, {change}; {_change(before, version)}.")
        before = version
    shown.lines(lines)


def _only_run(run: Run, version: Version) -> str:
    """Say in which run a version was issued, and that those after it changed nothing."""
    names = [plan.name for plan in run.scenario.runs]
    later = names[names.index(version.run) + 1 :] if version.run in names else []
    return f"{version.run} run" + (f"; {listed(later)} changed nothing" if later else "")


def _metering(version: Version) -> str:
    """Say in short what a version rests on."""
    how = f" ({version.quality})" if version.quality else ""
    return f"drawn {wh(version.metered_import_wh)}, fed in {wh(version.metered_export_wh)}{how}"


def _change(before: Version, now: Version) -> str:
    """Say what changed between two versions."""
    old = (before.metered_import_wh, before.metered_export_wh, before.quality)
    new = (now.metered_import_wh, now.metered_export_wh, now.quality)
    if old != new:
        if old[:2] == new[:2]:
            return f"the same energy, {before.quality} before and {now.quality} now"
        return f"{_metering(now)} instead of {_metering(before)}"
    names = {
        "delivered_in_wh": "delivered to you",
        "delivered_out_wh": "delivered by you",
        "pooled_wh": "settled with the pool",
        "residual_wh": "settled with your supplier",
    }
    then, later = structs.asdict(before.receipt), structs.asdict(now.receipt)
    parts = [
        f"{words} {wh(abs(later[name]))} instead of {abs(then[name]):,}"
        for name, words in names.items()
        if then[name] != later[name]
    ]
    return f"a corrected reading of somebody else: {', '.join(parts) or 'nothing of yours'}"


def _add_faults(shown: Page, story: Story, scale: Scale) -> None:
    """Say what does not add up: then a file of the run was changed."""
    for component, (recomputed, told) in story.disagreements.items():
        name = COMPONENTS.get(component, component)
        shown.say(
            f"These files do not agree. {name}: comes to {scale.text(recomputed)} by trades and"
            f" tariff, and the receipt says {scale.text(told)}.",
            style="bold red",
        )
