"""A made-up run folder that conserves energy and money, for tests of what reads run folders.

Nothing here is Wattbay's market: the auction, the settlement and the homes are the shortest that
obey the rules of a receipt, so that a reader of run folders can be tried on any size without a run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from wattbay.periods import Calendar, to_datetime
from wattbay.units import share

Ints = NDArray[np.int64]
Row = dict[str, Any]

ENERGY, REGIONAL, LOCAL, LEVY, EXPORT = 70_000, 45_500, 22_750, 20_000, 46_400
POOL_PRICE = 58_200
HALF_HOUR = timedelta(minutes=30)


@dataclass
class Order:
    """A bid or an offer of one home."""

    home: int
    side: str
    limit: int | None
    quantity: int
    state: str
    filled: int = 0


@dataclass(frozen=True)
class MadeRun:
    """What to make; every default is stated here."""

    homes: int = 60
    days: int = 7
    seed: int = 1
    zone_name: str = "Europe/London"
    first_day: date = date(2013, 6, 10)
    estimated: int = 12
    """Home-deliveries whose first receipt rests on an estimate, later corrected."""
    silent: int = 3
    """Home-deliveries that stay estimated."""
    negative_prices: bool = False


def make_run(folder: Path, made: MadeRun | None = None) -> Path:
    """Write the run folder and return it."""
    made = made or MadeRun()
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(made.seed)
    midnight = Calendar(made.zone_name).midnight
    first = to_datetime(midnight(made.first_day))
    last = to_datetime(midnight(made.first_day + timedelta(days=made.days)))
    starts = [first + HALF_HOUR * i for i in range((last - first) // HALF_HOUR)]
    town = _Town(made, rng, starts)
    town.devices()
    for row, start in enumerate(starts):
        town.trade_and_settle(row, start)
    town.baseline()
    for name, frame in town.written().items():
        frame.write_parquet(folder / f"{name}.parquet")
    for name, document in town.documents(first, last).items():
        (folder / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


class _Town:
    def __init__(self, made: MadeRun, rng: np.random.Generator, starts: list[datetime]) -> None:
        self.made, self.rng, self.starts = made, rng, starts
        n = made.homes
        width = max(2, len(str(n)))
        self.pods = [f"h{i + 1:0{width}}" for i in range(n)]
        self.kwp = np.where(rng.random(n) < 0.6, rng.integers(4, 9, n) / 2, 0.0)
        self.battery_wh = np.where((self.kwp > 0) & (rng.random(n) < 0.45), 7_000, 0)
        self.zones = ["north" if i % 3 else "south" for i in range(n)]
        self.buy_limits = rng.integers(7_200, 9_900, n) * 10
        self.sell_limits = rng.integers(4_400, 7_400, n) * 10
        if made.negative_prices:
            self.sell_limits = self.sell_limits - 90_000
            self.buy_limits = self.buy_limits - 60_000
        self.rows: dict[str, list[Row]] = {
            k: [] for k in ("trades", "meters", "orders", "receipts", "prices", "imbalances")
        }
        self.seq = 0

    def devices(self) -> None:
        made, rng, n, rows = self.made, self.rng, self.made.homes, len(self.starts)
        hours = np.array([s.hour + s.minute / 60 + 1 for s in self.starts])
        shape = 0.5 + 0.9 * np.exp(-((hours - 8) ** 2) / 4) + 2 * np.exp(-((hours - 19) ** 2) / 8)
        size = rng.lognormal(4.9, 0.5, n)
        noise = rng.lognormal(0, 0.5, (rows, n))
        self.load = np.rint(shape[:, None] * size[None, :] * noise).astype(np.int64)
        sun = np.clip(np.sin((hours - 5) / 16 * np.pi), 0, None) * ((hours > 5) & (hours < 21))
        day = np.array([(s - self.starts[0]).days for s in self.starts])
        cloud = rng.uniform(0.25, 1, made.days + 2)[day] * rng.uniform(0.7, 1, rows)
        self.pv = np.rint((sun * cloud)[:, None] * self.kwp[None, :] * 420).astype(np.int64)
        self.base_charge, self.base_discharge, self.base_soc = self._store(0.0)
        self.charge, self.discharge, self.soc = self._store(0.3)
        net = self.load + self.charge - self.pv - self.discharge
        self.imports, self.exports = np.clip(net, 0, None), np.clip(-net, 0, None)

    def _store(self, sold_share: float) -> tuple[Ints, Ints, Ints]:
        """Run the batteries on self-consumption; some sell a share of what is left at seven."""
        rows, n = self.load.shape
        charge, discharge, soc = (np.zeros((rows, n), np.int64) for _ in range(3))
        level = np.zeros(n, np.int64)
        for row in range(rows):
            surplus = self.pv[row] - self.load[row]
            take = np.minimum.reduce([np.clip(surplus, 0, 1_800), self.battery_wh - level])
            give = np.minimum(np.clip(-surplus, 0, 1_800), level * 9 // 10)
            if sold_share and self.starts[row].hour == 18:
                give = give + (sold_share * (level * 9 // 10 - give)).astype(np.int64)
            level = level + take - (give * 10 + 8) // 9
            level = np.clip(level, 0, None)
            charge[row], discharge[row], soc[row] = take, give, level
        return charge, discharge, soc

    def trade_and_settle(self, row: int, start: datetime) -> None:
        orders = self._orders(row)
        price, volume = _uniform_price(orders)
        bought, sold = np.zeros(self.made.homes, np.int64), np.zeros(self.made.homes, np.int64)
        trades = _pair(orders, volume) if price is not None else []
        for buyer, seller, quantity in trades:
            bought[buyer] += quantity
            sold[seller] += quantity
        surplus = 0
        for order in orders:
            if price is not None and order.limit is not None:
                gain = order.limit - price if order.side == "buy" else price - order.limit
                surplus += gain * order.filled
        self.rows["prices"].append(
            {
                "delivery_start": start, "product": "half-hour", "zone": "all",
                "price_nano_per_wh": price, "volume_wh": volume, "surplus_nano": surplus,
                "surplus_maximum_nano": surplus, "pool_price_nano_per_wh": POOL_PRICE,
            }
        )  # fmt: skip
        for order in orders:
            self._keep_order(order, start)
        self._settle(row, start, trades, price, bought, sold)

    def _orders(self, row: int) -> list[Order]:
        net = self.imports[row] - self.exports[row]
        error = self.rng.normal(1, 0.3, net.shape[0])
        wanted = np.rint(net * error).astype(np.int64).tolist()
        kinds = self.rng.random(net.shape[0])
        orders: list[Order] = []
        for home, energy in enumerate(wanted):
            if not energy:
                continue
            limits = self.buy_limits if energy > 0 else self.sell_limits
            market, refused = kinds[home] < 0.02, 0.02 <= kinds[home] < 0.03
            orders.append(
                Order(
                    home=home,
                    side="buy" if energy > 0 else "sell",
                    limit=None if market else int(limits[home]),
                    quantity=abs(energy),
                    state="rejected" if refused else "expired",
                )
            )
        return orders

    def _keep_order(self, order: Order, start: datetime) -> None:
        self.seq += 1
        state = order.state
        if order.filled:
            state = "filled" if order.filled == order.quantity else "partly_filled"
        self.rows["orders"].append(
            {
                "seq": self.seq, "at": start - timedelta(hours=1), "delivery_start": start,
                "pod": self.pods[order.home], "side": order.side, "quantity_wh": order.quantity,
                "limit_nano_per_wh": order.limit,
                "type": "market" if order.limit is None else "limit", "state": state,
                "filled_wh": order.filled,
                "reason": "no_collateral" if state == "rejected" else None,
            }
        )  # fmt: skip

    def _settle(
        self,
        row: int,
        start: datetime,
        trades: list[tuple[int, int, int]],
        price: int | None,
        bought: Ints,
        sold: Ints,
    ) -> None:
        imports, exports = self.imports[row].copy(), self.exports[row].copy()
        made = self.made
        lost = row < made.estimated and len(self.starts) > made.estimated
        silent = row >= len(self.starts) - made.silent
        home = row % made.homes
        if lost or silent:
            imports[home] = imports[home] * 9 // 10 + 5
        first = self._receipts(start, trades, price, (bought, sold, imports, exports))
        quality = ["measured"] * made.homes
        quality[home] = "estimated" if lost or silent else "measured"
        self._issue(first, quality, "initial", 1, set(range(made.homes)))
        if not lost:
            return
        self.rows["trades"] = self.rows["trades"][: len(self.rows["trades"]) - len(trades)]
        true = (bought, sold, self.imports[row], self.exports[row])
        second = self._receipts(start, trades, price, true)
        changed = {i for i in range(made.homes) if first[i] != second[i]}
        quality[home] = "split"
        self._issue(second, quality, "r1", 2, changed)

    def _issue(
        self, receipts: list[Row], quality: list[str], run: str, version: int, homes: set[int]
    ) -> None:
        for i in sorted(homes):
            receipt = receipts[i] | {"run": run, "version": version}
            estimated = quality[i] == "estimated"
            self.rows["receipts"].append(receipt | {"estimated": estimated})
            if version == 1 or quality[i] == "split":
                self.rows["meters"].append(
                    {k: receipt[k] for k in ("delivery_start", "delivery_end", "pod")}
                    | {"import_wh": receipt["import_wh"], "export_wh": receipt["export_wh"]}
                    | {"quality": quality[i], "run": run, "version": version}
                )
        for brp in ("brp-1", "brp-2"):
            mine = [r for i, r in enumerate(receipts) if (i % 2 == 0) == (brp == "brp-1")]
            self.rows["imbalances"].append(
                {
                    "delivery_start": receipts[0]["delivery_start"],
                    "brp": brp,
                    "run": run,
                    "energy_wh": sum(r["residual_wh"] for r in mine),
                }
            )

    def _receipts(
        self,
        start: datetime,
        trades: list[tuple[int, int, int]],
        price: int | None,
        energies: tuple[Ints, Ints, Ints, Ints],
    ) -> list[Row]:
        bought, sold, imports, exports = energies
        n = self.made.homes
        left_in, left_out = np.minimum(bought, imports), np.minimum(sold, exports)
        left_in, left_out = left_in.copy(), left_out.copy()
        delivered_in, delivered_out = np.zeros(n, np.int64), np.zeros(n, np.int64)
        local_fee = np.zeros(n, np.int64)
        for buyer, seller, quantity in trades:
            in_, out = min(quantity, left_in[buyer]), min(quantity, left_out[seller])
            left_in[buyer] -= in_
            left_out[seller] -= out
            flowed = int(min(in_, out))
            delivered_in[buyer] += flowed
            delivered_out[seller] += flowed
            local_fee[buyer] += flowed * LOCAL
            self._keep_trade(start, (buyer, seller, quantity, flowed), price)
        deviation = (exports - imports) - (sold - bought)
        pooled = _pool(deviation)
        residual = deviation - pooled
        trade_money = (bought - sold) * (price or 0)
        pool_money = -pooled * POOL_PRICE
        supplier = np.where(residual < 0, -residual * ENERGY, -residual * EXPORT)
        network = local_fee + (imports - delivered_in) * REGIONAL
        levy = imports * LEVY
        total = trade_money + pool_money + supplier + network + levy
        same = imports * (ENERGY + REGIONAL + LEVY) - exports * EXPORT
        columns = {
            "bought_wh": bought,
            "sold_wh": sold,
            "delivered_in_wh": delivered_in,
            "delivered_out_wh": delivered_out,
            "import_wh": imports,
            "export_wh": exports,
            "deviation_wh": deviation,
            "pooled_wh": pooled,
            "residual_wh": residual,
            "trades_nano": trade_money,
            "pool_nano": pool_money,
            "supplier_nano": supplier,
            "network_nano": network,
            "levy_nano": levy,
            "service_nano": np.zeros(n, np.int64),
            "total_nano": total,
            "same_meters_nano": same,
        }
        lists = {k: v.tolist() for k, v in columns.items()}
        head = {"delivery_start": start, "delivery_end": start + HALF_HOUR}
        return [
            head | {"pod": pod, "party": f"p-{pod}"} | {k: v[i] for k, v in lists.items()}
            for i, pod in enumerate(self.pods)
        ]

    def _keep_trade(
        self, start: datetime, trade: tuple[int, int, int, int], price: int | None
    ) -> None:
        buyer, seller, quantity, flowed = trade
        state = "delivered" if flowed == quantity else "partly_delivered"
        self.seq += 1
        self.rows["trades"].append(
            {
                "seq": self.seq, "delivery_start": start, "delivery_end": start + HALF_HOUR,
                "product": "half-hour", "buyer_pod": self.pods[buyer],
                "seller_pod": self.pods[seller], "quantity_wh": quantity, "delivered_wh": flowed,
                "price_nano_per_wh": price, "state": state if flowed else "undelivered",
            }
        )  # fmt: skip

    def baseline(self) -> None:
        net = self.load + self.base_charge - self.pv - self.base_discharge
        imports, exports = np.clip(net, 0, None), np.clip(-net, 0, None)
        cost = imports.sum(0) * (ENERGY + REGIONAL + LEVY) - exports.sum(0) * EXPORT
        self.baseline_frame = pl.DataFrame(
            {
                "pod": self.pods,
                "baseline_nano": cost,
                "baseline_import_wh": imports.sum(0),
                "baseline_export_wh": exports.sum(0),
                "baseline_charge_nano": self.base_soc[-1] * EXPORT,
                "market_charge_nano": self.soc[-1] * EXPORT,
            }
        )
        self.baseline_net = pl.DataFrame(
            {
                "delivery_start": self.starts,
                "baseline_import_wh": imports.sum(1),
                "baseline_export_wh": exports.sum(1),
            }
        )

    def written(self) -> dict[str, pl.DataFrame]:
        rows, n = len(self.starts), self.made.homes
        columns = (self.load, self.pv, self.charge, self.discharge, self.soc)
        names = ("load_wh", "pv_wh", "charge_wh", "discharge_wh", "soc_wh")
        repeated = [s for s in self.starts for _ in range(n)]
        devices = {"delivery_start": repeated, "pod": self.pods * rows}
        devices |= {k: v.reshape(-1) for k, v in zip(names, columns, strict=True)}
        hours = np.array([s.hour for s in self.starts])
        carbon = 480 + 60 * np.sin((hours - 10) / 12 * np.pi)
        frames = {k: pl.DataFrame(v, infer_schema_length=None) for k, v in self.rows.items()}
        frames |= {
            "devices": pl.DataFrame(devices),
            "baseline": self.baseline_frame,
            "signals": self.baseline_net.with_columns(carbon_g_per_kwh=pl.Series(carbon)),
        }
        whole = {"delivery_start", "delivery_end", "at"}
        return {
            name: frame.with_columns(
                pl.col(c).cast(pl.Datetime("us", "UTC")) for c in frame.columns if c in whole
            )
            for name, frame in frames.items()
        }

    def documents(self, first: datetime, last: datetime) -> dict[str, object]:
        since, until = (f"{moment:%Y-%m-%dT%H:%MZ}" for moment in (first, last))
        scenario = {
            "id": "made-week", "title": "A made-up street",
            "description": "Homes that exist only to try the report.",
            "time_zone": self.made.zone_name, "currency": "GBP", "minor_digits": 2,
            "start": since, "end": until, "days": self.made.days, "isp_minutes": 30,
            "seed": self.made.seed, "attribution": ["Made by chance; no home is real."],
        }  # fmt: skip
        homes = zip(self.pods, self.zones, self.kwp, self.battery_wh, strict=True)
        pods = [
            {"pod": p, "party": f"p-{p}", "zone": z, "pv_kwp": float(k), "battery_wh": int(b),
             "strategy": "truthful"}
            for p, z, k, b in homes
        ]  # fmt: skip
        summary = {
            "format": 1, "scenario": "made-week", "seed": self.made.seed, "pods": self.made.homes,
            "days": self.made.days, "journal_head": "5f" * 32, "entries": 12_345,
            "totals": {"refused_at_wire": {"bad signature": 2}}, "machine": {},
        }  # fmt: skip
        return {
            "scenario": scenario,
            "pods": pods,
            "tariffs": self._tariffs(since),
            "summary": summary,
        }

    def _tariffs(self, since: str) -> dict[str, object]:
        zones = ("north", "south")
        tariff = {
            "energy": ENERGY, "network_regional": REGIONAL,
            "network_local": {f"{a}>{b}": LOCAL for a in zones for b in zones},
            "levy": LEVY, "export": EXPORT, "service": 0, "standing_nano_per_day": 150_000_000,
            "tax": [{"since": since, "ppm": 50_000}],
        }  # fmt: skip
        facts = [
            {"since": since, "party": f"p-{p}", "zone": z, "supplier": "supplier-1",
             "brp": f"brp-{1 + i % 2}", "tariff": "flat"}
            for i, (p, z) in enumerate(zip(self.pods, self.zones, strict=True))
        ]  # fmt: skip
        settlement = {
            "deviations": "pooled", "pool_price": None, "single_price": None, "short_price": None,
            "long_price": None, "netting": "none", "price_tick": 10,
        }  # fmt: skip
        return {
            "format": 1, "currency": "GBP", "minor_digits": 2, "isp_minutes": 30,
            "settlement": settlement, "tariffs": {"flat": tariff},
            "pods": {p: [f] for p, f in zip(self.pods, facts, strict=True)},
        }  # fmt: skip


def _pool(deviation: Ints) -> Ints:
    longs, shorts = np.clip(deviation, 0, None), np.clip(-deviation, 0, None)
    pooled = min(int(longs.sum()), int(shorts.sum()))
    if not pooled:
        return np.zeros_like(deviation)
    long_parts = share(pooled, longs.tolist())
    short_parts = share(pooled, shorts.tolist())
    return np.array(long_parts, np.int64) - np.array(short_parts, np.int64)


def _uniform_price(orders: list[Order]) -> tuple[int | None, int]:
    """Cross the sorted sides; fill by limit, then arrival; the middle of the last pair's limits."""
    live = [order for order in orders if order.state != "rejected"]

    def limit(order: Order, default: int) -> int:
        return default if order.limit is None else order.limit

    buys = sorted((o for o in live if o.side == "buy"), key=lambda o: -limit(o, 10**9))
    sells = sorted((o for o in live if o.side == "sell"), key=lambda o: limit(o, -(10**9)))
    b = s = volume = 0
    price: int | None = None
    while b < len(buys) and s < len(sells):
        buy, sell = buys[b], sells[s]
        # A market order takes the other side's limit, two of them the pool's price.
        high = limit(buy, limit(sell, POOL_PRICE))
        low = limit(sell, high)
        if low > high:
            break
        step = min(buy.quantity - buy.filled, sell.quantity - sell.filled)
        buy.filled += step
        sell.filled += step
        volume, price = volume + step, (high + low) // 20 * 10
        b += buy.filled == buy.quantity
        s += sell.filled == sell.quantity
    return price, volume


def _pair(orders: list[Order], volume: int) -> list[tuple[int, int, int]]:
    """Pair buyers and sellers in order of arrival: buyer, seller, quantity."""
    buys = [[o.home, o.filled] for o in orders if o.side == "buy" and o.filled]
    sells = [[o.home, o.filled] for o in orders if o.side == "sell" and o.filled]
    trades = []
    while volume:
        step = min(buys[0][1], sells[0][1])
        trades.append((buys[0][0], sells[0][0], step))
        for queue in (buys, sells):
            queue[0][1] -= step
            if not queue[0][1]:
                queue.pop(0)
        volume -= step
    return trades
