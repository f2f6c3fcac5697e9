"""Paying in, paying out, and naming what cannot be collected."""

from __future__ import annotations

from typing import Protocol

import pytest

from tests.builders import MIDNIGHT, a_deposit, a_party, a_town, an_order
from tests.play import Play, lines, of, reason, statements
from wattbay.core import commands as c
from wattbay.core.commands import Command
from wattbay.core.events import DebtWrittenOff, MoneyDeposited, MoneyWithdrawn, Rejected
from wattbay.core.facts import Funding, Side
from wattbay.core.reasons import Reason
from wattbay.ids import PartyId, PodId
from wattbay.periods import DAY
from wattbay.units import SAFE_INTEGER_MAX


class Payment(Protocol):
    """A deposit, a withdrawal or a write-off."""

    def __call__(self, amount_nano: int, pod: str = ..., party: str = ...) -> Command: ...


def a_street() -> Play:
    return Play(a_town(2, deliveries=1))


def deposit(amount_nano: int, pod: str = "h01", party: str = "p01") -> c.DepositMoney:
    return a_deposit(pod, party=party, amount_nano=amount_nano)


def withdrawal(amount_nano: int, pod: str = "h01", party: str = "p01") -> c.WithdrawMoney:
    return c.WithdrawMoney(pod=PodId(pod), party=PartyId(party), amount_nano=amount_nano)


def write_off(amount_nano: int, pod: str = "h01", party: str = "p01") -> c.WriteOff:
    return c.WriteOff(
        pod=PodId(pod), party=PartyId(party), amount_nano=amount_nano, reason="moved abroad"
    )


def indebted(street: Play) -> int:
    """Let h01 buy what it does not use; return what it owes."""
    street.do(an_order("h01"))
    street.do(an_order("h02", side=Side.SELL, limit=100_000))
    street.until(MIDNIGHT)
    return -street.balance("h01/p01")


def test_money_comes_in_and_goes_out_through_the_bank() -> None:
    street = a_street()
    assert of(MoneyDeposited, street.do(deposit(1_000)))
    assert (street.balance("h01/p01"), street.balance("bank")) == (1_000, -1_000)
    assert of(MoneyWithdrawn, street.do(withdrawal(400)))
    assert (street.balance("h01/p01"), street.balance("bank")) == (600, -600)


@pytest.mark.parametrize("command", [deposit, withdrawal, write_off])
def test_there_is_no_account_for_who_has_no_pod(command: Payment) -> None:
    street = a_street()
    assert reason(street.submit(command(5, "h02", "p01"))) is Reason.UNKNOWN_POD
    assert reason(street.submit(command(5, "h01", "nobody"))) is Reason.UNKNOWN_POD
    assert reason(street.submit(command(5, "h99", "p01"))) is Reason.UNKNOWN_POD


@pytest.mark.parametrize("amount", [0, -1, SAFE_INTEGER_MAX + 1])
@pytest.mark.parametrize("command", [deposit, withdrawal, write_off])
def test_amounts_are_positive_and_fit_every_reader(command: Payment, amount: int) -> None:
    assert reason(a_street().submit(command(amount))) is Reason.OUT_OF_RANGE


def test_nobody_is_paid_out_what_is_credit() -> None:
    street = a_street()
    assert reason(street.submit(withdrawal(1))) is Reason.NO_COLLATERAL
    street.do(deposit(1_000))
    assert reason(street.submit(withdrawal(1_001))) is Reason.NO_COLLATERAL
    street.do(withdrawal(1_000))


def test_nobody_is_paid_out_what_is_held() -> None:
    street = a_street()
    street.do(deposit(250 * 120_000 + 5))
    street.do(an_order("h01"))
    assert reason(street.submit(withdrawal(6))) is Reason.NO_COLLATERAL
    street.do(withdrawal(5))


def test_a_prepaid_party_with_debts_elsewhere_is_paid_out_what_is_left() -> None:
    street = a_street()
    prepaid = a_party("p01", funding=Funding.PREPAID)
    street.do(deposit(1_000))
    owes = indebted(street)
    street.do(c.RegisterParty(party=prepaid))
    assert reason(street.submit(withdrawal(1))) is Reason.NO_COLLATERAL
    street.do(deposit(owes + 1_000))
    street.do(withdrawal(1_000))


def test_what_cannot_be_collected_stands_on_its_own_account() -> None:
    street = a_street()
    owes = indebted(street)
    assert owes == 250 * 110_000
    refused = street.submit(write_off(owes + 1))
    assert refused == [Rejected(reason=Reason.OUT_OF_RANGE, detail=f"the account owes {owes} nano")]
    (told,) = of(DebtWrittenOff, street.do(write_off(owes)))
    assert told.reason == "moved abroad"
    assert street.balance("h01/p01") == 0
    assert street.balance("uncollected") == -owes
    assert reason(street.submit(write_off(1))) is Reason.OUT_OF_RANGE


def test_payments_stand_on_the_next_statement() -> None:
    street = a_street()
    street.do(deposit(1_000))
    street.do(withdrawal(300))
    street.until(MIDNIGHT + 7 * DAY)
    owes = -street.balance("h01/p01")
    assert owes > 0
    street.do(write_off(owes))
    told = statements(street.do(c.IssueStatements(month="2013-06")))["h01/p01"]
    assert lines(told)["payments"] == -(700 + owes)
    assert "closing" not in lines(told)
