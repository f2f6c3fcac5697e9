"""Recompute every receipt and statement of a run folder, knowing nothing of the program.

Imports nothing of Wattbay: what it knows is the specification of settlement and the reference of
the run folder. From `trades`, `meters`, `prices`, `retail_prices` and `tariffs.json` alone it
computes every column of every version of every receipt, to the nano, and from the receipts the
statements.

    python tests/independent/recompute.py RUN

Exit status: 0 if all is equal, 1 if something differs (the first differences are printed in
words), 2 if RUN is not a run folder.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple, NotRequired, TypeAlias, TypedDict
from zoneinfo import ZoneInfo

import polars as pl

DIFFERENCES_SHOWN = 12
PPM = 1_000_000
ALL_ZONES = "all"
NANO_DIGITS = 9
COMPONENTS = ("trades", "pool", "supplier", "network", "levy", "service")
CHARGES = frozenset(COMPONENTS) - {"trades"}
"""Kinds of postings that a receipt leads to; a trade was posted when it was made."""

Row: TypeAlias = dict[str, int | str | bool | None]


class FactsJson(TypedDict):
    """What holds of a pod since an instant."""

    since: str
    party: str
    zone: str
    supplier: str
    brp: str
    tariff: str


class TaxJson(TypedDict):
    """A rate of tax since an instant."""

    since: str
    ppm: int


class TierJson(TypedDict):
    """What energy from the supplier costs besides, beyond an amount in a month."""

    from_wh: int
    nano_per_wh: int


class MonthlyJson(TypedDict):
    """What is charged by the local month."""

    tiers: list[TierJson]
    capacity_nano_per_w: int
    minimum_nano: int


class TariffJson(TypedDict):
    """Components of a retail price, before tax. [nano-currency per Wh]"""

    energy: int
    network_regional: int
    network_local: dict[str, int]
    levy: int
    export: int
    service: int
    standing_nano_per_day: int
    tax: list[TaxJson]
    monthly: NotRequired[MonthlyJson]


class Published(NamedTuple):
    """What was published of a tariff in a delivery; None where the tariff's own price holds."""

    energy: int | None
    export: int | None
    levy: int | None
    network_adder: int | None


class RulesJson(TypedDict):
    """How deviations are settled."""

    deviations: str
    pool_price: int | None
    single_price: int | None
    short_price: int | None
    long_price: int | None
    netting: str
    price_tick: int


class Contracts(TypedDict):
    """The document `tariffs.json`."""

    format: int
    minor_digits: int
    isp_minutes: int
    settlement: RulesJson
    tariffs: dict[str, TariffJson]
    pods: dict[str, list[FactsJson]]
    sales_taxed_since: NotRequired[dict[str, str]]
    """By party; whose sales bear no tax is not listed."""


@dataclass(frozen=True)
class Facts:
    """The dated facts of a pod, with its tariff looked up."""

    party: str
    zone: str
    tariff: TariffJson
    sales_taxed_since: int | None
    tariff_name: str
    supplier: str


@dataclass
class Trade:
    """A trade that counts, and how much of it each side and both delivered."""

    buyer: str
    seller: str
    quantity: int
    buy_price: int
    sell_price: int


@dataclass(frozen=True)
class Energy:
    """What a pod drew and injected in a delivery, as known in a run. [Wh]"""

    drawn: int
    injected: int
    activated: int
    quality: str


@dataclass
class Position:
    """What a pod traded in a delivery. [Wh, nano-currency]"""

    bought: int = 0
    sold: int = 0
    paid: int = 0
    earned: int = 0
    delivered_in: int = 0
    delivered_out: int = 0
    local_fees: int = 0


class Owed(NamedTuple):
    """What one version of a receipt puts on a statement. [nano-currency]"""

    amounts: tuple[int, ...]
    """In the order of `COMPONENTS`."""
    taxable: int
    rate: int
    """[ppm]"""
    short_wh: int
    """Bought from the supplier."""
    import_wh: int


class Terms(NamedTuple):
    """How one delivery is settled."""

    rules: RulesJson
    pool_price: int
    start: int


@dataclass
class Report:
    """Counts what is equal and keeps what is not."""

    equal: int = 0
    differences: list[str] = field(default_factory=list)

    def compare(self, where: str, column: str, said: object, computed: object) -> None:
        """Note one value of the run folder beside the one computed here."""
        if said == computed and type(said) is type(computed):
            self.equal += 1
        else:
            self.differences.append(f"{where}: {column} says {said}, computed {computed}")


def instant(text: str) -> int:
    """Return microseconds of UTC since 1970."""
    moment = datetime.fromisoformat(text).astimezone(UTC)
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * 1_000_000 + moment.microsecond


def said(at: int) -> str:
    """Return an instant for people."""
    return datetime.fromtimestamp(at // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def shared(total: int, weights: Sequence[int]) -> list[int]:
    """Share pro rata by largest remainder, ties to the earlier."""
    whole = sum(weights)
    if whole == 0:
        return [0 for _ in weights]
    floors = [total * weight // whole for weight in weights]
    fractions = sorted((-(total * weight % whole), i) for i, weight in enumerate(weights))
    for _, i in fractions[: total - sum(floors)]:
        floors[i] += 1
    return floors


def half_even(numerator: int, denominator: int) -> int:
    """Round a quotient to the nearest integer, halves to even."""
    low, rest = divmod(numerator, denominator)
    if 2 * rest == denominator:
        return low + low % 2
    return low + (2 * rest > denominator)


# --- reading a run folder ---


def table(run: Path, name: str) -> pl.DataFrame:
    """Read a table; instants become microseconds."""
    return pl.read_parquet(run / f"{name}.parquet").with_columns(pl.col(pl.Datetime).dt.epoch("us"))


def rows_by_delivery(frame: pl.DataFrame) -> dict[int, list[Row]]:
    """Group the rows of a table by delivery, each group in the order of the file."""
    groups: dict[int, list[Row]] = defaultdict(list)
    for row in frame.iter_rows(named=True):
        groups[row["delivery_start"]].append(row)
    return groups


def trades_by_delivery(run: Path) -> dict[int, list[Trade]]:
    """Read the trades that were not undone, in order of trade."""
    frame = table(run, "trades").filter(pl.col("state") != "cancelled")
    frame = frame.sort("delivery_start", "seq", maintain_order=True)
    if "seller_price_nano_per_wh" not in frame.columns:
        frame = frame.with_columns(seller_price_nano_per_wh=pl.col("price_nano_per_wh"))
    columns = (
        "delivery_start",
        "buyer_pod",
        "seller_pod",
        "quantity_wh",
        "price_nano_per_wh",
        "seller_price_nano_per_wh",
    )
    groups: dict[int, list[Trade]] = defaultdict(list)
    for start, *rest in frame.select(columns).iter_rows():
        groups[start].append(Trade(*rest))
    return groups


def published(run: Path) -> dict[tuple[str, int], dict[str, Published]]:
    """Read what was published, by tariff and delivery, then zone; nothing in an older folder."""
    found: dict[tuple[str, int], dict[str, Published]] = defaultdict(dict)
    if (run / "retail_prices.parquet").exists():
        columns = (
            "tariff",
            "delivery_start",
            "zone",
            "energy_nano_per_wh",
            "export_nano_per_wh",
            "levy_nano_per_wh",
            "network_adder_nano_per_wh",
        )
        for tariff, start, zone, *prices in table(run, "retail_prices").select(columns).iter_rows():
            found[tariff, start][zone] = Published(*prices)
    return found


class Histories:
    """The facts of all pods by date."""

    def __init__(self, contracts: Contracts, run: Path) -> None:
        """Look the tariffs up once, and what was published of them."""
        self._published = published(run)
        taxed = {
            party: instant(since) for party, since in contracts.get("sales_taxed_since", {}).items()
        }
        self._by_pod: dict[str, list[tuple[int, Facts]]] = {
            pod: sorted(
                (
                    (
                        instant(step["since"]),
                        Facts(
                            step["party"],
                            step["zone"],
                            contracts["tariffs"][step["tariff"]],
                            taxed.get(step["party"]),
                            step["tariff"],
                            step["supplier"],
                        ),
                    )
                    for step in steps
                ),
                key=lambda dated: dated[0],
            )
            for pod, steps in contracts["pods"].items()
        }

    def at(self, start: int) -> dict[str, Facts]:
        """Return the facts that hold at an instant, of the pods connected then.

        In the order of the document, which is that of registration: remainders of shares go to
        the earlier.
        """
        holding: dict[str, Facts] = {}
        for pod, steps in self._by_pod.items():
            for since, facts in steps:
                if since <= start:
                    holding[pod] = facts
        return {pod: self._priced(facts, start) for pod, facts in holding.items()}

    def _priced(self, facts: Facts, start: int) -> Facts:
        """Return facts with the tariff as it holds in a delivery."""
        by_zone = self._published.get((facts.tariff_name, start))
        if by_zone is None:
            return facts
        found = by_zone.get(facts.zone, by_zone.get(ALL_ZONES))
        if found is None:
            return facts
        flat, adder = facts.tariff, found.network_adder or 0
        tariff = flat | {
            "energy": flat["energy"] if found.energy is None else found.energy,
            "export": flat["export"] if found.export is None else found.export,
            "levy": flat["levy"] if found.levy is None else found.levy,
            "network_regional": flat["network_regional"] + adder,
            "network_local": {way: fee + adder for way, fee in flat["network_local"].items()},
        }
        return replace(facts, tariff=tariff)

    def of(self, pod: str, at: int) -> Facts | None:
        """Return the facts of one pod at an instant; None before it was connected."""
        holding = None
        for since, facts in self._by_pod.get(pod, ()):
            if since <= at:
                holding = facts
        return holding


# --- settlement of one delivery ---


def positions(
    trades: Sequence[Trade], energy: Mapping[str, Energy], facts: Mapping[str, Facts]
) -> dict[str, Position]:
    """Add up what each pod traded, and allocate what was delivered in order of trade."""
    found = {pod: Position() for pod in facts}
    for trade in trades:
        buyer, seller = found[trade.buyer], found[trade.seller]
        buyer.bought += trade.quantity
        buyer.paid += trade.quantity * trade.buy_price
        seller.sold += trade.quantity
        seller.earned += trade.quantity * trade.sell_price
    # What corrects an earlier estimate may be below zero: it delivers nothing.
    to_draw = {pod: min(found[pod].bought, max(0, energy[pod].drawn)) for pod in facts}
    to_inject = {pod: min(found[pod].sold, max(0, energy[pod].injected)) for pod in facts}
    for trade in trades:
        if trade.buyer == trade.seller:
            continue  # With itself a pod delivers nothing.
        bought = min(trade.quantity, to_draw[trade.buyer])
        sold = min(trade.quantity, to_inject[trade.seller])
        to_draw[trade.buyer] -= bought
        to_inject[trade.seller] -= sold
        delivered = min(bought, sold)
        found[trade.buyer].delivered_in += delivered
        found[trade.seller].delivered_out += delivered
        tariff = facts[trade.buyer].tariff
        pair = f"{facts[trade.seller].zone}>{facts[trade.buyer].zone}"
        fee = tariff["network_local"].get(pair, tariff["network_regional"])
        found[trade.buyer].local_fees += delivered * fee
    return found


def pooled(deviations: Mapping[str, int]) -> dict[str, int]:
    """Net longs and shorts first; the longer side is shared pro rata. Sign as the deviation."""
    long = [pod for pod in deviations if deviations[pod] > 0]
    short = [pod for pod in deviations if deviations[pod] < 0]
    longs = [deviations[pod] for pod in long]
    shorts = [-deviations[pod] for pod in short]
    netted = min(sum(longs), sum(shorts))
    result = dict.fromkeys(deviations, 0)
    result.update(zip(long, shared(netted, longs), strict=True))
    result.update((pod, -part) for pod, part in zip(short, shared(netted, shorts), strict=True))
    return result


def deviation_prices(rules: RulesJson, tariff: TariffJson, pool_price: int) -> tuple[int, int]:
    """Return what a Wh short costs, and what a Wh long earns, after pooling.

    Where the product names no single, short or long price, the pool price takes its place.
    """

    def named(price: int | None) -> int:
        return pool_price if price is None else price

    match rules["deviations"]:
        case "single":
            return named(rules["single_price"]), named(rules["single_price"])
        case "dual":
            return named(rules["short_price"]), named(rules["long_price"])
        case _:
            return tariff["energy"], tariff["export"]


def settle(
    terms: Terms,
    trades: Sequence[Trade],
    metered: Mapping[str, Energy],
    facts: Mapping[str, Facts],
) -> dict[str, tuple[Row, Owed]]:
    """Return what the receipts of a delivery should say, by pod."""
    rules = terms.rules
    energy = {pod: netted(rules, one) for pod, one in metered.items()}
    traded = positions(trades, energy, facts)
    deviations = {
        pod: (one.injected - one.drawn) - (traded[pod].sold - traded[pod].bought) - one.activated
        for pod, one in energy.items()
    }
    in_pool = (
        pooled(deviations) if rules["deviations"] == "pooled" else dict.fromkeys(deviations, 0)
    )
    return {
        pod: receipt(terms, one, traded[pod], facts[pod], deviations[pod], in_pool[pod])
        for pod, one in energy.items()
    }


def receipt(
    terms: Terms,
    energy: Energy,
    traded: Position,
    facts: Facts,
    deviation: int,
    in_pool: int,
) -> tuple[Row, Owed]:
    """Return what one receipt should say, and what it puts on a statement."""
    tariff = facts.tariff
    residual = deviation - in_pool
    price = terms.pool_price
    short_price, long_price = deviation_prices(terms.rules, tariff, price)
    pays = {
        "trades_nano": traded.paid,
        "pool_nano": max(-in_pool, 0) * price,
        "supplier_nano": max(-residual, 0) * short_price,
        "network_nano": traded.local_fees
        + (energy.drawn - traded.delivered_in) * tariff["network_regional"],
        "levy_nano": energy.drawn * tariff["levy"],
        "service_nano": (traded.bought + traded.sold) * tariff["service"],
    }
    gets = {
        "trades_nano": traded.earned,
        "pool_nano": max(in_pool, 0) * price,
        "supplier_nano": max(residual, 0) * long_price,
    }
    money = {column: amount - gets.get(column, 0) for column, amount in pays.items()}
    retail = tariff["energy"] + tariff["network_regional"] + tariff["levy"]
    row: Row = {
        "party": facts.party,
        "bought_wh": traded.bought,
        "sold_wh": traded.sold,
        "delivered_in_wh": traded.delivered_in,
        "delivered_out_wh": traded.delivered_out,
        "import_wh": energy.drawn,
        "export_wh": energy.injected,
        "deviation_wh": deviation,
        "pooled_wh": in_pool,
        "residual_wh": residual,
        **money,
        "total_nano": sum(money.values()),
        "same_meters_nano": energy.drawn * retail - energy.injected * tariff["export"],
        "estimated": energy.quality == "estimated",
    }
    since = facts.sales_taxed_since
    sales_taxed = since is not None and since <= terms.start
    taxable = sum(pays.values()) - (sum(gets.values()) if sales_taxed else 0)
    ppm = tax_ppm(tariff, terms.start)
    return row, Owed(tuple(money.values()), taxable, ppm, max(-residual, 0), energy.drawn)


def tax_ppm(tariff: TariffJson, at: int) -> int:
    """Return the rate of tax at an instant."""
    dated = sorted((instant(step["since"]), step["ppm"]) for step in tariff["tax"])
    return max(((since, ppm) for since, ppm in dated if since <= at), default=(0, 0))[1]


def netted(rules: RulesJson, energy: Energy) -> Energy:
    """Set import and export of a period off where the product says so."""
    if rules["netting"] != "period":
        return energy
    both = min(energy.drawn, energy.injected)
    return Energy(energy.drawn - both, energy.injected - both, energy.activated, energy.quality)


# --- receipts ---


def runs_of(rows: Iterable[Row], places: Mapping[str, int]) -> Iterator[tuple[str, dict[str, Row]]]:
    """Yield the receipts of a delivery run by run: its name, and its rows by pod.

    Corrections all bear one name. The rows of each are in order of registration, so that where
    the order begins anew another one begins.
    """
    name, last, batch = "", -1, dict[str, Row]()
    for row in rows:
        pod, run = str(row["pod"]), str(row["run"])
        if batch and (run != name or places[pod] <= last):
            yield name, batch
            batch = {}
        name, last = run, places[pod]
        batch[pod] = row
    if batch:
        yield name, batch


class Receipts(dict[int, dict[str, list[Owed]]]):
    """What each version of each receipt puts on a statement, by delivery and pod."""

    def check(self, run: Path, contracts: Contracts, histories: Histories, report: Report) -> None:
        """Recompute every version of every receipt."""
        receipts = rows_by_delivery(table(run, "receipts"))
        trades = trades_by_delivery(run)
        meters = meters_by_version(table(run, "meters"))
        prices = table(run, "prices").select("delivery_start", "pool_price_nano_per_wh")
        pool_prices = dict(prices.iter_rows())
        rules = contracts["settlement"]
        places = {pod: place for place, pod in enumerate(contracts["pods"])}
        for start in sorted(receipts):
            facts = histories.at(start)
            energy: dict[str, Energy] = {}
            standing: dict[str, Row] = {}
            for name, batch in runs_of(receipts[start], places):
                where = f"{said(start)}, run {name}"
                for pod, row in batch.items():
                    found = meters.get((start, pod, name, row["version"]))
                    if found is None:
                        report.differences.append(f"{where}, {pod}: no row in meters")
                    else:
                        energy[pod] = found
                if set(energy) != set(facts):
                    absent = ", ".join(sorted(set(energy) ^ set(facts)))
                    report.differences.append(f"{where}: receipts and pods differ by {absent}")
                    break
                # In the order of registration, whatever order the rows have.
                known = {pod: energy[pod] for pod in facts}
                terms = Terms(rules, pool_prices.get(start) or 0, start)
                computed = settle(terms, trades[start], known, facts)
                compare_run(where, batch, computed, standing, report)
                for pod in batch:
                    self.setdefault(start, {}).setdefault(pod, []).append(computed[pod][1])
        for start in sorted(set(trades) - set(receipts)):
            report.differences.append(f"{said(start)}: traded and has no receipt")


def meters_by_version(frame: pl.DataFrame) -> dict[tuple[int, str, str, object], Energy]:
    """Return what was metered by delivery, pod, run and version."""
    if "activated_wh" not in frame.columns:
        frame = frame.with_columns(activated_wh=pl.lit(0, pl.Int64))
    key = frame.select("delivery_start", "pod", "run", "version").iter_rows()
    energy = frame.select("import_wh", "export_wh", "activated_wh", "quality").iter_rows()
    return {one: Energy(*rest) for one, rest in zip(key, energy, strict=True)}


def compare_run(
    where: str,
    batch: Mapping[str, Row],
    computed: Mapping[str, tuple[Row, Owed]],
    standing: dict[str, Row],
    report: Report,
) -> None:
    """Compare the receipts of one run; pods without a new one must still owe the same."""
    for pod, (expected, _) in computed.items():
        row = batch.get(pod)
        before = standing.get(pod)
        version = 1 if before is None else int(before["version"] or 0) + (row is not None)
        named = f"{where}, {pod}"
        if row is None:
            row = before
        if row is None:
            report.differences.append(f"{named}: no receipt")
            continue
        report.compare(named, "version", row["version"], version)
        for column, value in expected.items():
            report.compare(named, column, row[column], value)
        standing[pod] = row


# --- statements ---


class Span(NamedTuple):
    """A month as its statements tell of it, and the entry that issued them."""

    start: int
    end: int
    seq: int


def statements_by_account(run: Path) -> dict[tuple[str, str], dict[tuple[int, int], list[Row]]]:
    """Return the lines of each statement: by pod and party, then span, earliest first."""
    found: dict[tuple[str, str], dict[tuple[int, int], list[Row]]] = {}
    for row in table(run, "statements").sort("from", maintain_order=True).iter_rows(named=True):
        spans = found.setdefault((row["pod"], row["party"]), {})
        spans.setdefault((row["from"], row["to"]), []).append(row)
    return found


def spans_of(statements: pl.DataFrame) -> list[Span]:
    """Return the months by date, each with the entry that issued its statements."""
    return [Span(*row) for row in sorted(set(statements.select("from", "to", "seq").iter_rows()))]


class Accounts:
    """What the postings tell of accounts: when receipts were issued, and what was paid."""

    def __init__(self, run: Path, postings: pl.DataFrame) -> None:
        """Gather the entries in which each delivery of each account was charged."""
        auctions = set(table(run, "trades")["seq"].to_list())
        self._charged: dict[tuple[int, str], list[int]] = {}
        self._paid: dict[str, list[tuple[int, int]]] = defaultdict(list)
        columns = ("seq", "delivery_start", "debit", "credit", "amount", "kind")
        money = postings.filter(pl.col("asset") != "Wh").select(columns)
        for seq, start, debit, credit, amount, kind in money.iter_rows():
            name, sign = (debit, -1) if "/" in debit else (credit, 1)
            if kind in CHARGES and seq not in auctions:
                entries = self._charged.setdefault((start, name), [])
                if seq not in entries:
                    entries.append(seq)
            elif kind in {"deposit", "withdrawal", "write_off"}:
                self._paid[name].append((seq, sign * amount))

    def known(self, start: int, name: str, versions: Sequence[Owed], seq: int) -> Owed | None:
        """Return the version of a receipt that stood before an entry.

        Only versions that change an amount were posted; others are no matter here.
        """
        entries = self._charged.get((start, name), [])
        changed = [
            now
            for before, now in zip([None, *versions], versions, strict=False)
            if now.amounts[1:] != (before.amounts[1:] if before else (0,) * len(CHARGES))
        ]
        if len(changed) != len(entries):
            raise SystemExit(f"{said(start)}, {name}: postings and receipts are not as many")
        if not changed:
            return versions[-1]
        standing = [one for one, at in zip(changed, entries, strict=True) if at < seq]
        return standing[-1] if standing else None

    def paid(self, name: str, after: int, until: int) -> int:
        """Return what was paid, as a statement lists it, between two entries."""
        return sum(amount for seq, amount in self._paid[name] if after < seq < until)


class Monthly:
    """What the charges of a month rest on."""

    def __init__(self) -> None:
        """Start before the first receipt."""
        self.bought: dict[tuple[str, str], tuple[list[TierJson], int]] = {}
        self.imports: dict[int, int] = {}

    def take(self, start: int, facts: Facts, owed: Owed) -> None:
        """Take the receipt of a delivery."""
        monthly = facts.tariff.get("monthly")
        if monthly is None:
            return
        if monthly["tiers"]:
            contract = facts.tariff_name, facts.supplier
            before = self.bought.get(contract, (monthly["tiers"], 0))[1]
            self.bought[contract] = monthly["tiers"], before + owed.short_wh
        if monthly["capacity_nano_per_w"]:
            self.imports[start] = owed.import_wh

    def charges(self, tariff: TariffJson, due: int, isp_seconds: int) -> dict[str, int]:
        """Return the lines of a month: tiers, capacity, and what is missing to the minimum."""
        found: dict[str, int] = {}
        for tiers, bought in self.bought.values():
            found.setdefault("tiers", 0)
            for number, tier in enumerate(tiers):
                above = tiers[number + 1]["from_wh"] if number + 1 < len(tiers) else bought
                energy = max(0, min(above, bought) - tier["from_wh"])
                found["tiers"] += energy * tier["nano_per_wh"]
        monthly = tariff.get("monthly")
        if monthly is not None and monthly["capacity_nano_per_w"]:
            peak = max(0, *self.imports.values()) if self.imports else 0
            price = monthly["capacity_nano_per_w"]
            found["capacity"] = half_even(peak * price * 3600, isp_seconds)
        if monthly is not None and monthly["minimum_nano"]:
            missing = monthly["minimum_nano"] - due - sum(found.values())
            found["minimum"] = max(0, missing)
        return found


class Statements:
    """Recomputes the statements of one account after another."""

    def __init__(
        self, contracts: Contracts, histories: Histories, receipts: Receipts, zone: str
    ) -> None:
        """Take what was recomputed of the receipts."""
        self.minor = 10 ** (NANO_DIGITS - contracts["minor_digits"])
        self.histories, self.receipts, self.zone = histories, receipts, ZoneInfo(zone)
        self.responses: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
        """Of each account: entry, delivery and amount of what was called for."""
        self.isp_seconds = contracts["isp_minutes"] * 60

    def check(self, run: Path, report: Report) -> int:
        """Recompute every line of every statement; return how many statements there are."""
        postings = table(run, "postings")
        if (run / "responses.parquet").exists():
            columns = ("pod", "party", "seq", "delivery_start", "amount_nano")
            for pod, party, *told in table(run, "responses").select(columns).iter_rows():
                self.responses[f"{pod}/{party}"].append((told[0], told[1], told[2]))
        spans = spans_of(table(run, "statements"))
        accounts = Accounts(run, postings)
        written = statements_by_account(run)
        count = 0
        for (pod, party), by_span in sorted(written.items()):
            name = f"{pod}/{party}"
            stated: dict[int, Owed] = {}
            opening, last = 0, -1
            for span in spans:
                lines = by_span.get((span.start, span.end))
                if lines is None:
                    continue
                count += 1
                expected = self.statement(name, span, accounts, stated, opening)
                self.respond(name, span, last, expected)
                expected["payments"] = accounts.paid(name, last, span.seq)
                expected["closing"] = sum(expected.values())
                payable = half_even(expected["closing"], self.minor)
                where = f"statement of {name} from {said(span.start)}"
                said_here = {str(line["component"]): line["amount_nano"] for line in lines}
                for component in sorted(set(said_here) | set(expected)):
                    report.compare(
                        where, component, said_here.get(component), expected.get(component)
                    )
                for line in lines:
                    report.compare(where, "payable_minor", line["payable_minor"], payable)
                opening, last = expected["closing"], span.seq
        return count

    def statement(
        self,
        name: str,
        span: Span,
        accounts: Accounts,
        stated: dict[int, Owed],
        opening: int,
    ) -> dict[str, int]:
        """Return the lines of one statement but payments and closing; note what it stated."""
        pod, _, party = name.partition("/")
        lines = {"opening": opening, **dict.fromkeys(COMPONENTS, 0), "corrections": 0}
        taxable: dict[int, int] = defaultdict(int)
        month = Monthly()
        for start, pods in self.receipts.items():
            facts = self.histories.of(pod, start)
            if start >= span.end or pod not in pods or facts is None or facts.party != party:
                continue
            now = accounts.known(start, name, pods[pod], span.seq)
            if now is None:
                continue
            before = stated.get(start)
            taxable[now.rate] += now.taxable - (before.taxable if before else 0)
            if start < span.start:
                lines["corrections"] += sum(now.amounts) - (sum(before.amounts) if before else 0)
            else:
                for component, amount in zip(COMPONENTS, now.amounts, strict=True):
                    lines[component] += amount
                month.take(start, facts, now)
            stated[start] = now
        standing, last = 0, None
        for day in self.days(span):
            facts = self.histories.of(pod, day)
            if facts is not None and facts.party == party:
                charge = facts.tariff["standing_nano_per_day"]
                taxable[tax_ppm(facts.tariff, day)] += charge
                standing += charge
                last = facts, day
        if last is not None:
            due = standing + sum(lines[component] for component in COMPONENTS[2:])
            extra = month.charges(last[0].tariff, due, self.isp_seconds)
            lines |= extra
            taxable[tax_ppm(last[0].tariff, last[1])] += sum(extra.values())
        tax = sum(half_even(amount * ppm, PPM) for ppm, amount in taxable.items())
        return {**lines, "standing": standing, "tax": tax}

    def respond(self, name: str, span: Span, last: int, lines: dict[str, int]) -> None:
        """Add what was called for: to its line, or to the corrections where its month is out."""
        for seq, start, amount in self.responses[name]:
            if span.start <= start < span.end and seq < span.seq:
                lines["response"] = lines.get("response", 0) + amount
            elif start < span.start and last < seq < span.seq:
                lines["corrections"] += amount

    def days(self, span: Span) -> list[int]:
        """Return the start of each local day within a span."""
        firsts: dict[date, int] = {}
        for start in sorted(self.receipts):
            if span.start <= start < span.end:
                local = datetime.fromtimestamp(start // 1_000_000, self.zone).date()
                firsts.setdefault(local, start)
        return list(firsts.values())


def main(arguments: Sequence[str]) -> int:
    """Check a run folder; return the exit status."""
    if len(arguments) != 1 or not (Path(arguments[0]) / "tariffs.json").exists():
        print(__doc__)
        return 2
    run = Path(arguments[0])
    contracts: Contracts = json.loads((run / "tariffs.json").read_text(encoding="utf-8"))
    scenario = json.loads((run / "scenario.json").read_text(encoding="utf-8"))
    report, histories, receipts = Report(), Histories(contracts, run), Receipts()
    receipts.check(run, contracts, histories, report)
    statements = Statements(contracts, histories, receipts, scenario["time_zone"])
    stated = statements.check(run, report)
    if report.differences:
        print(f"{len(report.differences)} differences; {report.equal} values are equal")
        for line in report.differences[:DIFFERENCES_SHOWN]:
            print(f"- {line}")
        return 1
    versions = sum(len(one) for pods in receipts.values() for one in pods.values())
    print(
        f"{versions} versions of receipts and {stated} statements, {report.equal} values:"
        " all equal to the nano"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
