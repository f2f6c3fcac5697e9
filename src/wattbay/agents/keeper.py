"""The keeper of the calendar: lists each local day in time, and has months stated.

What the market operator does every day without thinking. The core knows days only from what is
listed, so somebody has to list them; this agent sees the state and returns the commands.
"""

from __future__ import annotations

from datetime import date, timedelta

from wattbay.core.commands import Command, IssueStatements, ListDeliveries
from wattbay.core.exchange import State
from wattbay.core.facts import Product
from wattbay.core.market.product import gate_closes
from wattbay.core.statements import close_month, month_of
from wattbay.ids import ProductId
from wattbay.periods import HOUR, Calendar, Instant

LISTED_BEFORE_US = HOUR
"""How long before the first gate of a day opens its deliveries are listed. [µs]"""
DAYS_AHEAD_MAX = 60


class Keeper:
    """Lists days and closes months of one community."""

    def __init__(self, calendar: Calendar) -> None:
        """Keep the calendar of a place."""
        self._calendar = calendar
        self._listed: dict[ProductId, date] = {}
        self._empty: set[str] = set()
        """Months that are over and in which nobody had a pod."""

    def act(self, state: State, now: Instant) -> list[Command]:
        """Return what is to be listed and stated by now, in the order in which it can be decided.

        Parameters
        ----------
        state
            Of a community that is open.
        """
        registry = state.registry
        if registry.community is None or not registry.pods:
            return []
        found: list[Command] = []
        for name in sorted(registry.products):
            found += self._listings(state, registry.products[name], now)
        return found + self._statements(state, now)

    def _listings(self, state: State, product: Product, now: Instant) -> list[Command]:
        """Return the listings of a product's days whose gates open soon, or are open."""
        isp_us = state.registry.isp_us
        day = self._calendar.local(now).date()
        last = self._listed.get(product.product)
        found: list[Command] = []
        for offset in range(DAYS_AHEAD_MAX):
            local = day + timedelta(days=offset)
            if last is not None and local <= last:
                continue
            period = self._calendar.day(local)
            if period.start - product.opens_before_us - LISTED_BEFORE_US > now:
                break
            self._listed[product.product] = local
            start = period.start
            while start < period.end and (
                gate_closes(product, start) <= now or product.product in _products(state, start)
            ):
                start = Instant(start + isp_us)
            if start < period.end:
                count = (period.end - start) // isp_us
                found.append(
                    ListDeliveries(
                        product=product.product, day=local.isoformat(), start=start, count=count
                    )
                )
        return found

    def _statements(self, state: State, now: Instant) -> list[Command]:
        """Return the months that are over and whose deliveries have had their first run."""
        present = f"{self._calendar.local(now):%Y-%m}"
        waiting = {
            month_of(one.day) for one in state.deliveries.open.values() if one.runs_done == 0
        }
        for month in sorted(state.statements.days):
            if month >= present or month in waiting:
                break
            if month > state.statements.closed and month not in self._empty:
                if close_month(state.statements, state.registry, month):
                    return [IssueStatements(month=month)]
                self._empty.add(month)
        return []


def _products(state: State, delivery: Instant) -> list[ProductId]:
    """Return by which products a delivery is listed."""
    known = state.deliveries.open.get(delivery)
    return [] if known is None else known.products
