"""Who may do what, since when; and what is refused at the door."""

from __future__ import annotations

import pytest
from msgspec import structs

from tests.builders import (
    EVE,
    ISP_US,
    MIDNIGHT,
    a_meter,
    a_party,
    a_product,
    a_tariff,
    a_town,
    open_community,
    pod_facts,
)
from tests.play import Play, reason
from wattbay.core import commands as c
from wattbay.core import registry as rg
from wattbay.core.events import GateClosed
from wattbay.core.facts import PodFacts, Role, SettlementRun, Tariff, TaxRate
from wattbay.core.reasons import Reason
from wattbay.core.registry import Registry, facts_at, facts_then, has_role, pool_price, tax_ppm
from wattbay.errors import InvariantBroken
from wattbay.ids import CommunityId, PartyId, PodId, ProductId, ProfileId, RunName
from wattbay.periods import DAY, HOUR, Instant
from wattbay.units import SAFE_INTEGER_MAX

POD = PodId("h01")


def runs(*delays: int) -> tuple[SettlementRun, ...]:
    return tuple(
        SettlementRun(name=RunName(f"r{i}"), after_us=after) for i, after in enumerate(delays)
    )


@pytest.fixture
def town() -> Play:
    return Play(a_town(1))


# --- the community ---------------------------------------------------------------------------


def test_nothing_is_decided_before_the_community_is_open() -> None:
    refused = Play().submit(c.RegisterParty(party=a_party()))
    assert reason(refused) is Reason.COMMUNITY_NOT_OPEN
    assert Registry().isp_us == 0


def test_a_community_is_opened_once(town: Play) -> None:
    assert reason(town.submit(open_community())) is Reason.COMMUNITY_OPEN


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"community": CommunityId("a b")}, Reason.BAD_ID),
        ({"currency": "gbp"}, Reason.BAD_VALUE),
        ({"currency": "Wh"}, Reason.BAD_VALUE),
        ({"currency": "G1P"}, Reason.BAD_VALUE),
        ({"isp_us": 0}, Reason.BAD_VALUE),
        ({"minor_digits": 10}, Reason.BAD_VALUE),
        ({"runs": ()}, Reason.BAD_VALUE),
        ({"runs": runs(*range(11))}, Reason.BAD_VALUE),
        ({"runs": (runs(1)[0], runs(2)[0])}, Reason.BAD_VALUE),
        ({"runs": runs(2, 1)}, Reason.BAD_VALUE),
        ({"runs": runs(-1)}, Reason.BAD_VALUE),
    ],
)
def test_a_community_that_cannot_be_is_refused(changed: dict[str, object], why: Reason) -> None:
    assert reason(Play().submit(structs.replace(open_community(), **changed))) is why


# --- parties, tariffs, profiles, products ----------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"party": PartyId("a/b")}, Reason.BAD_ID),
        ({"credit_limit_nano": -1}, Reason.OUT_OF_RANGE),
        ({"credit_limit_nano": SAFE_INTEGER_MAX + 1}, Reason.OUT_OF_RANGE),
    ],
)
def test_a_party_that_cannot_be_is_refused(
    town: Play, changed: dict[str, object], why: Reason
) -> None:
    party = structs.replace(a_party(), **changed)
    assert reason(town.submit(c.RegisterParty(party=party))) is why


def test_a_party_gains_and_loses_roles(town: Play) -> None:
    registry = town.exchange.state.registry
    dso = PartyId("dso")
    assert not has_role(registry, dso, Role.GRID_OPERATOR)
    town.do(c.RegisterParty(party=a_party("dso", roles=(Role.GRID_OPERATOR,))))
    town.do(c.RegisterParty(party=a_party("dso", roles=(Role.GRID_OPERATOR, Role.SUPPLIER))))
    assert has_role(registry, dso, Role.GRID_OPERATOR)
    assert registry.grid_operators == 1
    town.do(c.RegisterParty(party=a_party("dso", roles=(Role.SUPPLIER,))))
    assert not has_role(registry, dso, Role.GRID_OPERATOR)
    assert registry.grid_operators == 0


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (None, MIDNIGHT, None),
        (MIDNIGHT + 1, MIDNIGHT, None),
        (MIDNIGHT, None, None),
        (MIDNIGHT - 1, MIDNIGHT - 1, None),
        (None, MIDNIGHT - 1, Reason.NOT_IN_SEQUENCE),
        (MIDNIGHT - 1, MIDNIGHT + 1, Reason.NOT_IN_SEQUENCE),
        (MIDNIGHT - 1, None, Reason.NOT_IN_SEQUENCE),
    ],
)
def test_the_tax_status_of_sales_changes_from_now_on_or_later(
    before: int | None, after: int | None, why: Reason | None
) -> None:
    town = Play(a_town(1)[:-1])
    first = structs.replace(a_party("p09"), tax_from=before)
    town.do(c.RegisterParty(party=first))
    changed = structs.replace(first, tax_from=after)
    assert reason(town.submit(c.RegisterParty(party=changed), MIDNIGHT)) is why


@pytest.mark.parametrize(
    ("tariff", "why"),
    [
        (a_tariff("a b"), Reason.BAD_ID),
        (a_tariff("flat"), Reason.ALREADY_KNOWN),
        (
            structs.replace(
                a_tariff("t"),
                tax=(TaxRate(since=Instant(5), ppm=0), TaxRate(since=Instant(5), ppm=1)),
            ),
            Reason.BAD_VALUE,
        ),
        (
            structs.replace(a_tariff("t"), tax=(TaxRate(since=Instant(5), ppm=1_000_001),)),
            Reason.OUT_OF_RANGE,
        ),
    ],
)
def test_a_tariff_that_cannot_be_is_refused(town: Play, tariff: Tariff, why: Reason) -> None:
    assert reason(town.submit(c.DefineTariff(tariff=tariff))) is why


def test_tax_may_be_nothing_or_all(town: Play) -> None:
    steps = (TaxRate(since=Instant(5), ppm=0), TaxRate(since=Instant(6), ppm=1_000_000))
    town.do(c.DefineTariff(tariff=structs.replace(a_tariff("t"), tax=steps)))


def test_tax_is_that_of_its_date() -> None:
    steps = (TaxRate(since=Instant(10), ppm=50_000), TaxRate(since=Instant(20), ppm=200_000))
    tariff = structs.replace(a_tariff(), tax=steps)
    assert [tax_ppm(tariff, Instant(at)) for at in (9, 10, 19, 20)] == [0, 50_000, 50_000, 200_000]


@pytest.mark.parametrize(
    ("profile", "weights", "why"),
    [
        ("a b", (1,), Reason.BAD_ID),
        ("known", (1,), Reason.ALREADY_KNOWN),
        ("p", (), Reason.BAD_VALUE),
        ("p", (1, -1), Reason.BAD_VALUE),
        ("p", (0, 0), Reason.BAD_VALUE),
    ],
)
def test_a_profile_that_cannot_be_is_refused(
    town: Play, profile: str, weights: tuple[int, ...], why: Reason
) -> None:
    town.do(c.DefineProfile(profile=ProfileId("known"), weights=(1, 2)))
    refused = town.submit(c.DefineProfile(profile=ProfileId(profile), weights=weights))
    assert reason(refused) is why


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"product": ProductId("a b")}, Reason.BAD_ID),
        ({"product": ProductId("halfhour")}, Reason.ALREADY_KNOWN),
        ({"price_tick": 0}, Reason.BAD_VALUE),
        ({"energy_tick": 0}, Reason.BAD_VALUE),
        ({"orders_per_pod_max": 0}, Reason.BAD_VALUE),
        ({"price_min": 1, "price_max": 0}, Reason.BAD_VALUE),
        ({"quantity_max_wh": 0}, Reason.BAD_VALUE),
        ({"opens_before_us": HOUR, "closes_before_us": HOUR}, Reason.BAD_VALUE),
        ({"network_check_us": -1}, Reason.BAD_VALUE),
        ({"reference": 5}, Reason.OFF_TICK),
        ({"reference": 500_010}, Reason.PRICE_LIMIT),
        ({"network_fee": SAFE_INTEGER_MAX - 1}, Reason.OUT_OF_RANGE),
        ({"network_fee": 5}, Reason.OFF_TICK),
        ({"network_fee": -10}, Reason.BAD_VALUE),
        ({"closes_before_us": -DAY, "network_check_us": ISP_US + 1}, Reason.BAD_VALUE),
        ({"price_max": SAFE_INTEGER_MAX}, Reason.OUT_OF_RANGE),
    ],
)
def test_a_product_that_cannot_be_is_refused(
    town: Play, changed: dict[str, object], why: Reason
) -> None:
    product = structs.replace(a_product("new"), **changed)
    assert reason(town.submit(c.DefineProduct(product=product))) is why


def test_a_gate_may_close_up_to_the_first_settlement_run(town: Play) -> None:
    late = a_product("ex-post", closes_before_us=-DAY)
    town.do(c.DefineProduct(product=structs.replace(late, network_check_us=ISP_US)))


# --- pods ------------------------------------------------------------------------------------


def new_pod(**changed: object) -> c.RegisterPod:
    facts = structs.replace(pod_facts("h09", party="p01"), **changed)
    return c.RegisterPod(facts=facts, meter=a_meter("m-h09"))


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (new_pod(pod="a b"), Reason.BAD_ID),
        (new_pod(pod="grid"), Reason.BAD_ID),
        (new_pod(pod="pool"), Reason.BAD_ID),
        (new_pod(pod="activated"), Reason.BAD_ID),
        (new_pod(pod="h01"), Reason.ALREADY_KNOWN),
        (new_pod(since=EVE - ISP_US), Reason.NOT_IN_SEQUENCE),
        (new_pod(since=MIDNIGHT + 1), Reason.BAD_VALUE),
        (new_pod(party="nobody"), Reason.UNKNOWN_PARTY),
        (new_pod(supplier="nobody"), Reason.UNKNOWN_PARTY),
        (new_pod(brp="nobody"), Reason.UNKNOWN_PARTY),
        (new_pod(zone="a b"), Reason.BAD_ID),
        (new_pod(tariff="none"), Reason.UNKNOWN_TARIFF),
        (new_pod(import_profile="none"), Reason.UNKNOWN_PROFILE),
        (new_pod(export_profile="none"), Reason.UNKNOWN_PROFILE),
        (new_pod(yearly_import_wh=-1), Reason.OUT_OF_RANGE),
        (new_pod(yearly_export_wh=-1), Reason.OUT_OF_RANGE),
    ],
)
def test_a_pod_that_cannot_be_is_refused(town: Play, command: c.RegisterPod, why: Reason) -> None:
    assert reason(town.submit(command)) is why


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"meter": "m-h01"}, Reason.ALREADY_KNOWN),
        ({"meter": "a b"}, Reason.BAD_ID),
        ({"key": b"short"}, Reason.BAD_VALUE),
        ({"digits": 0}, Reason.BAD_VALUE),
        ({"digits": 16}, Reason.BAD_VALUE),
        ({"unit_wh": 0}, Reason.BAD_VALUE),
        ({"power_max_w": 0}, Reason.BAD_VALUE),
        ({"import_register": 10**9}, Reason.OUT_OF_RANGE),
        ({"export_register": -1}, Reason.OUT_OF_RANGE),
    ],
)
def test_a_meter_that_cannot_be_is_refused(
    town: Play, changed: dict[str, object], why: Reason
) -> None:
    command = structs.replace(new_pod(), meter=structs.replace(a_meter("m-h09"), **changed))
    assert reason(town.submit(command)) is why


def test_facts_hold_from_their_date_until_the_next(town: Play) -> None:
    tomorrow = MIDNIGHT + DAY
    town.do(c.RegisterParty(party=a_party("p02")))
    town.do(c.ChangePod(facts=pod_facts(party="p02", since=tomorrow)))
    registry = town.exchange.state.registry
    told = [facts_at(registry, POD, Instant(at)) for at in (EVE - 1, EVE, tomorrow)]
    assert [facts and facts.party for facts in told] == [None, "p01", "p02"]
    assert facts_at(registry, PodId("nobody"), MIDNIGHT) is None


def test_before_its_first_facts_a_pod_with_several_has_none(town: Play) -> None:
    town.do(c.ChangePod(facts=pod_facts(party="p01", since=MIDNIGHT + DAY)))
    assert facts_at(town.exchange.state.registry, POD, Instant(EVE - 1)) is None


def test_who_must_be_connected_and_is_not_is_a_bug(town: Play) -> None:
    with pytest.raises(InvariantBroken, match="h01 is connected"):
        facts_then(town.exchange.state.registry, POD, Instant(EVE - 1))


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (pod_facts("nobody"), Reason.UNKNOWN_POD),
        (pod_facts(party="p01", since=EVE), Reason.NOT_IN_SEQUENCE),
        (pod_facts(party="p01", since=MIDNIGHT + DAY - ISP_US), Reason.NOT_IN_SEQUENCE),
        (pod_facts(party="nobody", since=MIDNIGHT + DAY), Reason.UNKNOWN_PARTY),
    ],
)
def test_facts_change_only_where_nothing_is_listed_yet(
    town: Play, facts: PodFacts, why: Reason
) -> None:
    assert reason(town.submit(c.ChangePod(facts=facts))) is why


def test_facts_change_once_at_an_instant(town: Play) -> None:
    tomorrow = c.ChangePod(facts=pod_facts(party="p01", since=MIDNIGHT + DAY))
    town.do(tomorrow)
    assert reason(town.submit(tomorrow)) is Reason.NOT_IN_SEQUENCE


def test_facts_do_not_change_in_the_past() -> None:
    town = Play(a_town(1)[:-1])
    town.until(MIDNIGHT)
    past = pod_facts(party="p01", since=MIDNIGHT - ISP_US)
    assert reason(town.submit(c.ChangePod(facts=past))) is Reason.NOT_IN_SEQUENCE


# --- the pool price --------------------------------------------------------------------------


def test_the_pool_price_is_the_middle_of_lowest_energy_and_highest_export_down_to_the_tick(
    town: Play,
) -> None:
    town.do(c.DefineTariff(tariff=a_tariff("green", energy=120_030, export=50_000)))
    town.do(c.DefineTariff(tariff=a_tariff("unused", energy=1, export=1_000_000)))
    facts = pod_facts("h09", party="p01", tariff="green")
    town.do(c.RegisterPod(facts=facts, meter=a_meter("m-h09")))
    later = pod_facts("h10", party="p01", tariff="unused", since=MIDNIGHT)
    town.do(c.RegisterPod(facts=later, meter=a_meter("m-h10")))
    registry = town.exchange.state.registry
    assert pool_price(registry, a_product(), Instant(EVE)) == 85_010  # of 85,015
    assert pool_price(registry, a_product(), MIDNIGHT) == 500_000  # of 1 and 1,000,000


def test_a_product_may_name_its_pool_price_even_zero(town: Play) -> None:
    product = structs.replace(a_product(), pool_price=0)
    assert pool_price(town.exchange.state.registry, product, MIDNIGHT) == 0


def test_where_nobody_is_connected_there_is_no_pool_price() -> None:
    assert pool_price(Registry(), a_product(), MIDNIGHT) == 0


# --- bounds ----------------------------------------------------------------------------------


def full(**tables: object) -> Registry:
    """Return a registry in which a table is full."""
    registry = Play(a_town(1)).exchange.state.registry
    for name, table in tables.items():
        setattr(registry, name, table)
    return registry


def test_every_table_of_the_registry_is_bounded() -> None:
    party = a_party("new")
    parties = full(parties=dict.fromkeys(range(rg.PARTIES_MAX), party))
    tariffs = full(tariffs=dict.fromkeys(range(rg.TARIFFS_MAX), a_tariff()))
    profiles = full(profiles=dict.fromkeys(range(rg.PROFILES_MAX), (1,)))
    products = full(products=dict.fromkeys(range(rg.PRODUCTS_MAX), a_product()))
    pods = full(pods={number: [pod_facts()] for number in range(rg.PODS_MAX)})
    history = full(pods={POD: [pod_facts()] * rg.FACTS_PER_POD_MAX})
    tomorrow = pod_facts(since=MIDNIGHT + DAY)
    profile = c.DefineProfile(profile=ProfileId("new"), weights=(1,))
    refused = [
        rg.register_party(parties, c.RegisterParty(party=party), EVE),
        rg.define_tariff(tariffs, c.DefineTariff(tariff=a_tariff("new"))),
        rg.define_profile(profiles, profile),
        rg.define_product(products, c.DefineProduct(product=a_product("new"))),
        rg.register_pod(pods, new_pod()),
        rg.change_pod(history, c.ChangePod(facts=tomorrow), EVE, MIDNIGHT),
    ]
    assert [reason(events) for events in refused] == [Reason.TOO_MANY] * 6


def test_a_known_party_changes_even_where_parties_are_at_their_most() -> None:
    known: dict[object, object] = dict.fromkeys(range(rg.PARTIES_MAX - 1), a_party())
    registry = full(parties={**known, PartyId("alice"): a_party()})
    assert reason(rg.register_party(registry, c.RegisterParty(party=a_party()), EVE)) is None


def test_other_events_pass_the_registry_by() -> None:
    registry = full()
    before = structs.asdict(registry)
    rg.apply(registry, GateClosed(product=ProductId("halfhour"), delivery=MIDNIGHT, clears_at=None))
    assert structs.asdict(registry) == before
