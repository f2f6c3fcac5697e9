"""Everything that the interface offers, in the order of its document."""

from __future__ import annotations

from wattbay.adapters.api import elecbay, energynet
from wattbay.adapters.api.aggregates import aggregates
from wattbay.adapters.api.alerts import alerts
from wattbay.adapters.api.backups import backups
from wattbay.adapters.api.device_answers import device_answers
from wattbay.adapters.api.device_life import device_life
from wattbay.adapters.api.devices import devices
from wattbay.adapters.api.entrance import entrance
from wattbay.adapters.api.entries import entries
from wattbay.adapters.api.logins import logins
from wattbay.adapters.api.market import market
from wattbay.adapters.api.metering import metering
from wattbay.adapters.api.money import money
from wattbay.adapters.api.operator_sheets import operator_sheets
from wattbay.adapters.api.order_lists import order_lists
from wattbay.adapters.api.orders import orders
from wattbay.adapters.api.parties import parties
from wattbay.adapters.api.pods import pods
from wattbay.adapters.api.products import products
from wattbay.adapters.api.receipts import receipts
from wattbay.adapters.api.running import running
from wattbay.adapters.api.sales import sales
from wattbay.adapters.api.sections import Section
from wattbay.adapters.api.statements import statements
from wattbay.adapters.api.stream.route import stream
from wattbay.adapters.api.tariffs import tariffs


def sections() -> tuple[Section, ...]:
    """Return every section; orders first, for paths are tried one after the other."""
    return (
        orders,
        order_lists,
        sales,
        market,
        products,
        receipts,
        statements,
        metering,
        devices,
        device_life,
        device_answers,
        alerts,
        money,
        pods,
        parties,
        tariffs,
        aggregates,
        operator_sheets,
        entries,
        entrance,
        logins,
        backups,
        stream,
        *energynet.sections,
        elecbay.section,
        running,
    )
