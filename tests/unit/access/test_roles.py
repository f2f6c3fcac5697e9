"""Roles: the table that is printed is the one that holds; an identity may what its roles say."""

from __future__ import annotations

import re
from itertools import chain

import pytest

from tests.house.tree import ROOT
from tests.people import an_identity
from wattbay.access.roles import TABLE, AccessRole, Permission, permissions
from wattbay.ids import PartyId

HOUSE, OTHER = PartyId("house-1"), PartyId("house-2")


def printed() -> dict[tuple[str, str], bool]:
    """Return which role is said to allow what, as the reference prints it."""
    page = (ROOT / "docs" / "reference" / "roles.md").read_text(encoding="utf-8")
    table = page[page.index("| | `") :].partition("\n\n")[0].splitlines()
    roles = re.findall(r"`(\w+)`", table[0])
    found: dict[tuple[str, str], bool] = {}
    for line in table[2:]:
        permission, *marks = (cell.strip() for cell in line.strip("|").split("|"))
        assert set(marks[:-1]) <= {"yes", ""}, line
        assert len(marks) == len(roles) + 1, line
        found |= {
            (role, permission.strip("`")): mark == "yes"
            for role, mark in zip(roles, marks, strict=False)
        }
    return found


def test_reference_prints_the_table_that_holds() -> None:
    holds = {
        (role.value, permission.value): permission in TABLE[role]
        for role in AccessRole
        for permission in Permission
    }
    assert printed() == holds


def test_roles_allow_together_what_each_allows() -> None:
    both = permissions(frozenset({AccessRole.ANALYST, AccessRole.PROSUMER}))
    assert both == TABLE[AccessRole.ANALYST] | TABLE[AccessRole.PROSUMER]
    assert permissions(frozenset()) == frozenset()


def test_everybody_reads_the_market_and_every_permission_is_somebodys() -> None:
    assert all(Permission.READ_MARKET in allowed for allowed in TABLE.values())
    assert set(chain.from_iterable(TABLE.values())) == set(Permission)


def test_administrator_neither_trades_nor_brings_readings() -> None:
    allowed = TABLE[AccessRole.ADMINISTRATOR]
    assert set(Permission) - allowed == {Permission.TRADE_OWN, Permission.SUBMIT_READINGS}


@pytest.mark.parametrize("role", [AccessRole.CONSUMER, AccessRole.PROSUMER, AccessRole.AGGREGATOR])
def test_member_reads_and_trades_for_its_own_parties_only(role: AccessRole) -> None:
    anna = an_identity(role=role)
    assert anna.may_read(HOUSE)
    assert anna.may_trade_for(HOUSE)
    assert not anna.may_read(OTHER)
    assert not anna.may_trade_for(OTHER)


def test_aggregator_stands_for_several_parties() -> None:
    fleet = an_identity(role=AccessRole.AGGREGATOR, parties=("house-1", "house-2"))
    assert fleet.owns(HOUSE)
    assert fleet.may_trade_for(OTHER)


def test_analyst_sees_no_single_party_and_administrator_every_one() -> None:
    analyst = an_identity(role=AccessRole.ANALYST)
    assert analyst.may(Permission.READ_AGGREGATES)
    assert not analyst.may_read(HOUSE)
    root = an_identity(role=AccessRole.ADMINISTRATOR, parties=())
    assert root.may_read(HOUSE)
    assert not root.may_trade_for(HOUSE)


def test_scopes_limit_and_never_add() -> None:
    scopes = frozenset({Permission.READ_OWN, Permission.READ_ALL})
    assert an_identity(scopes=scopes).granted == {Permission.READ_OWN}
    assert an_identity(scopes=frozenset()).granted == frozenset()


def test_nothing_is_allowed_until_the_password_is_changed() -> None:
    root = an_identity(role=AccessRole.ADMINISTRATOR, must_change=True)
    assert root.granted == frozenset()
    assert not root.may_read(HOUSE)
