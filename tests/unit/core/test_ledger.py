"""Money moves one way and energy the other; what moves from one account moves to another."""

from __future__ import annotations

import pytest
from msgspec import structs

from tests.builders import (
    ISP_US,
    MIDNIGHT,
    a_deposit,
    a_party,
    a_product,
    a_tariff,
    a_town,
    an_order,
    pod_facts,
)
from tests.play import Play, of
from wattbay.core import commands as c
from wattbay.core import ledger as lg
from wattbay.core.events import (
    EnergyMetered,
    Event,
    OrderPlaced,
    ReceiptIssued,
    StatementIssued,
)
from wattbay.core.facts import (
    Funding,
    Pricing,
    Product,
    Quality,
    Receipt,
    Side,
    StandingCharge,
    StatementLine,
)
from wattbay.core.ledger import Ledger, postings
from wattbay.core.registry import Registry
from wattbay.errors import InvariantBroken
from wattbay.ids import PartyId, PodId, RunName, TariffId
from wattbay.periods import DAY, HOUR, Instant

H01 = PodId("h01")


def a_street(product: Product | None = None) -> Play:
    street = Play(a_town(2, product=product, deliveries=2))
    street.do(an_order("h01", limit=130_000))
    street.do(an_order("h02", side=Side.SELL, limit=100_000))
    street.until(MIDNIGHT - HOUR)
    return street


def metered(import_wh: int, export_wh: int = 0, *, before: tuple[int, int] = (0, 0)) -> Event:
    return EnergyMetered(
        pod=H01,
        delivery=MIDNIGHT,
        import_wh=import_wh,
        export_wh=export_wh,
        quality=Quality.MEASURED,
        before_import_wh=before[0],
        before_export_wh=before[1],
    )


def a_receipt(**changed: object) -> Receipt:
    zero = Receipt(
        delivery=MIDNIGHT,
        pod=H01,
        party=PartyId("p01"),
        run=RunName("initial"),
        version=1,
        bought_wh=0,
        sold_wh=0,
        delivered_in_wh=0,
        delivered_out_wh=0,
        import_wh=0,
        export_wh=0,
        activated_wh=0,
        pooled_wh=0,
        residual_wh=0,
        trades_nano=0,
        pool_nano=0,
        supplier_nano=0,
        network_nano=0,
        levy_nano=0,
        service_nano=0,
        same_meters_nano=0,
        taxable_nano=0,
        quality=Quality.MEASURED,
    )
    return structs.replace(zero, **changed)


FULL = a_receipt(
    pooled_wh=-3,
    residual_wh=-4,
    pool_nano=50,
    supplier_nano=60,
    network_nano=70,
    levy_nano=80,
    service_nano=90,
)


# --- postings --------------------------------------------------------------------------------


def test_a_trade_moves_energy_one_way_and_money_the_other() -> None:
    street = a_street()
    (trade,) = street.trades()
    assert postings(street.exchange.state.registry, trade) == [
        ("Wh", MIDNIGHT, "h01", "h02", 250, "trade"),
        ("GBP", MIDNIGHT, "h02/p02", "h01/p01", 250 * 115_000, "trade"),
    ]


def test_at_a_negative_price_the_seller_pays() -> None:
    street = a_street()
    trade = structs.replace(street.trades()[0], buy_price=-10, sell_price=-10)
    assert postings(street.exchange.state.registry, trade)[1] == (
        "GBP",
        MIDNIGHT,
        "h01/p01",
        "h02/p02",
        2_500,
        "trade",
    )


@pytest.mark.parametrize(
    ("changed", "gaps"),
    [
        ({}, []),
        ({"network_fee": 20_000}, [("network", 5_000_000)]),
        ({"pricing": Pricing.PAY_AS_BID}, [("market", 7_500_000)]),
        (
            {"pricing": Pricing.PAY_AS_BID, "network_fee": 20_000},
            [("network", 5_000_000), ("market", 2_500_000)],
        ),
    ],
)
def test_what_buyers_pay_and_sellers_do_not_get_has_an_owner(
    changed: dict[str, object], gaps: list[tuple[str, int]]
) -> None:
    street = a_street(structs.replace(a_product(), **changed))
    registry = street.exchange.state.registry
    moves = postings(registry, street.trades()[0])[2:]
    assert [(debit, amount) for _, _, debit, _, amount, _ in moves] == gaps
    assert [street.balance(name) for name, _ in gaps] == [amount for _, amount in gaps]


def test_metered_energy_moves_between_pod_and_grid() -> None:
    assert postings(Registry(), metered(300, 20)) == [
        ("Wh", MIDNIGHT, "grid", "h01", 300, "import"),
        ("Wh", MIDNIGHT, "h01", "grid", 20, "export"),
    ]
    assert postings(Registry(), metered(0)) == []


def test_a_better_known_energy_moves_the_difference() -> None:
    assert postings(Registry(), metered(250, 20, before=(300, 20))) == [
        ("Wh", MIDNIGHT, "h01", "grid", 50, "import")
    ]


def test_a_receipt_closes_the_deviation_and_charges_the_fees() -> None:
    registry = a_street().exchange.state.registry
    assert postings(registry, ReceiptIssued(receipt=FULL)) == [
        ("Wh", MIDNIGHT, "h01", "pool", 3, "pool"),
        ("Wh", MIDNIGHT, "h01", "supplier:supplier", 4, "residual"),
        ("GBP", MIDNIGHT, "pool", "h01/p01", 50, "pool"),
        ("GBP", MIDNIGHT, "supplier:supplier", "h01/p01", 60, "supplier"),
        ("GBP", MIDNIGHT, "network", "h01/p01", 70, "network"),
        ("GBP", MIDNIGHT, "levy", "h01/p01", 80, "levy"),
        ("GBP", MIDNIGHT, "service", "h01/p01", 90, "service"),
    ]
    assert postings(registry, ReceiptIssued(receipt=a_receipt())) == []


def test_a_later_version_of_a_receipt_posts_the_differences() -> None:
    registry = a_street().exchange.state.registry
    later = structs.replace(FULL, levy_nano=75, residual_wh=-2)
    assert postings(registry, ReceiptIssued(receipt=later, corrects=FULL)) == [
        ("Wh", MIDNIGHT, "supplier:supplier", "h01", 2, "residual"),
        ("GBP", MIDNIGHT, "h01/p01", "levy", 5, "levy"),
    ]


@pytest.mark.parametrize(
    ("receipt", "old"),
    [
        (FULL, None),
        (a_receipt(), None),
        (a_receipt(), FULL),
        (structs.replace(FULL, levy_nano=75, residual_wh=-2), FULL),
    ],
)
def test_charging_receipts_together_comes_to_the_same_as_their_postings(
    receipt: Receipt, old: Receipt | None
) -> None:
    street = a_street()
    event = ReceiptIssued(receipt=receipt, corrects=old)
    expected = Ledger()
    lg.post(expected, postings(street.exchange.state.registry, event))
    before = dict(street.exchange.state.ledger.money)
    street.exchange.apply(event)
    money = street.exchange.state.ledger.money
    changed = {name: money[name] - before.get(name, 0) for name in money}
    assert {name: amount for name, amount in changed.items() if amount} == {
        name: amount for name, amount in expected.money.items() if amount
    }


def test_what_does_not_move_anything_has_no_postings() -> None:
    placed = of(OrderPlaced, a_street().history)[0]
    assert postings(Registry(), placed) == []


def test_a_change_of_tenant_changes_the_account_from_its_date() -> None:
    street = a_street()
    street.do(c.RegisterParty(party=a_party("p09")))
    street.do(c.ChangePod(facts=pod_facts(party="p09", since=MIDNIGHT + DAY)))
    registry = street.exchange.state.registry
    assert lg.account_at(registry, H01, MIDNIGHT) == "h01/p01"
    assert lg.account_at(registry, H01, Instant(MIDNIGHT + DAY)) == "h01/p09"
    accounts = street.exchange.state.ledger.accounts
    assert (accounts[PartyId("p01")], accounts[PartyId("p09")]) == (["h01/p01"], ["h01/p09"])


def test_a_party_that_keeps_its_pod_keeps_its_account() -> None:
    street = a_street()
    street.do(c.DefineTariff(tariff=a_tariff("new")))
    facts = pod_facts(party="p01", since=MIDNIGHT + DAY)
    street.do(c.ChangePod(facts=structs.replace(facts, tariff=TariffId("new"))))
    assert street.exchange.state.ledger.accounts[PartyId("p01")] == ["h01/p01"]


# --- holds -----------------------------------------------------------------------------------


def test_holds_come_and_go_to_the_nano() -> None:
    ledger = Ledger()
    lg.hold(ledger, "h01/p01", 0)
    assert ledger.held == {}
    lg.hold(ledger, "h01/p01", 7)
    lg.hold(ledger, "h01/p01", -2)
    assert ledger.held == {"h01/p01": 5}
    lg.hold(ledger, "h01/p01", -5)
    assert ledger.held == {}


def test_what_a_party_can_put_at_risk_is_its_credit_its_money_and_not_what_is_held() -> None:
    street = Play(a_town(2))
    ledger, registry = street.exchange.state.ledger, street.exchange.state.registry
    party = PartyId("p01")
    assert lg.available(registry, ledger, party) == 10**12
    street.do(a_deposit(party="p01", amount_nano=7))
    street.do(an_order("h01", quantity_wh=1, limit=10))
    assert lg.available(registry, ledger, party) == 10**12 + 7 - 10
    prepaid = a_party("p01", funding=Funding.PREPAID)
    street.do(c.RegisterParty(party=prepaid))
    assert lg.available(registry, ledger, party) == -3
    assert lg.available(registry, ledger, PartyId("supplier")) == 10**12


def test_after_the_auction_only_what_the_seller_may_lose_is_held() -> None:
    street = a_street()
    assert street.exchange.state.ledger.held == {"h02/p02": 250 * 140_000}


# --- the end of a delivery -------------------------------------------------------------------


def energy(**balances: int) -> Ledger:
    return Ledger(energy={MIDNIGHT: balances})


def test_a_delivery_ends_with_what_went_over_the_network() -> None:
    ledger = energy(h01=0, grid=5, activated=2, pool=0)
    ledger.energy[MIDNIGHT]["supplier:a"] = -7
    lg.close_energy(ledger, MIDNIGHT)
    assert ledger.energy == {}
    lg.close_energy(ledger, MIDNIGHT)


@pytest.mark.parametrize(
    ("ledger", "claim"),
    [
        (energy(h01=1, grid=0), "sums to zero"),
        (energy(h01=1, grid=-1), "energy of h01 .* ends at zero"),
        (energy(pool=1, grid=-1), "energy of pool .* ends at zero"),
    ],
)
def test_a_delivery_that_does_not_balance_is_a_bug(ledger: Ledger, claim: str) -> None:
    with pytest.raises(InvariantBroken, match=claim):
        lg.close_energy(ledger, MIDNIGHT)


def test_the_balance_of_a_pod_is_its_deviation_until_it_is_settled() -> None:
    street = a_street()
    for meter in ("m-h01", "m-h02"):
        street.read(meter, MIDNIGHT, 0)
    street.read("m-h01", MIDNIGHT + ISP_US, 280)
    street.read("m-h02", MIDNIGHT + ISP_US, 0, 240)
    balances = street.exchange.state.ledger.energy[MIDNIGHT]
    assert balances == {"h01": -30, "h02": -10, "grid": 40}
    street.settle(MIDNIGHT, "initial")
    assert balances["h01"] == balances["h02"] == balances.get("pool", 0) == 0
    assert balances["supplier:supplier"] == -40
    assert sum(street.exchange.state.ledger.money.values()) == 0


def test_a_statement_posts_what_it_adds_to_the_receipts() -> None:
    street = a_street()
    street.settle(MIDNIGHT + ISP_US, "initial")
    told = of(StatementIssued, street.do(c.IssueStatements(month="2013-06")))[0].statement
    charged = (
        StatementLine(component="levy", amount_nano=5),
        StatementLine(component="standing", amount_nano=7),
        StatementLine(component="tax", amount_nano=-3),
    )
    standing = (StandingCharge(supplier=PartyId("supplier"), amount_nano=7),)
    event = StatementIssued(statement=structs.replace(told, lines=charged, standing=standing))
    registry = street.exchange.state.registry
    assert postings(registry, event) == [
        ("GBP", None, "supplier:supplier", "h01/p01", 7, "standing"),
        ("GBP", None, "h01/p01", "tax", 3, "tax"),
    ]
    nothing = StatementLine(component="tax", amount_nano=0)
    assert (
        postings(registry, StatementIssued(statement=structs.replace(told, lines=(nothing,)))) == []
    )
    before = dict(street.exchange.state.ledger.money)
    street.exchange.apply(event)
    after = street.exchange.state.ledger.money
    assert {name: after[name] - before.get(name, 0) for name in ("h01/p01", "tax")} == {
        "h01/p01": -4,
        "tax": -3,
    }
