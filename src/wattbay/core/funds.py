"""Paying in, paying out, and naming what cannot be collected."""

from __future__ import annotations

from wattbay.core import commands as c
from wattbay.core import events as e
from wattbay.core.ledger import Ledger, account, available
from wattbay.core.reasons import Reason
from wattbay.core.registry import Registry, refuse
from wattbay.ids import PartyId, PodId
from wattbay.units import SAFE_INTEGER_MAX


def _known(ledger: Ledger, pod: PodId, party: PartyId, amount_nano: int) -> list[e.Event] | None:
    """Refuse an account that does not exist or an amount that cannot be; None where all is well."""
    if account(pod, party) not in ledger.accounts.get(party, ()):
        return refuse(Reason.UNKNOWN_POD, f"party {party} has no account at pod {pod}")
    if not 0 < amount_nano <= SAFE_INTEGER_MAX:
        return refuse(Reason.OUT_OF_RANGE, "an amount is 1 to 2^53 - 1 nano")
    return None


def deposit(ledger: Ledger, command: c.DepositMoney) -> list[e.Event]:
    """Book what came in."""
    fault = _known(ledger, command.pod, command.party, command.amount_nano)
    return fault or [
        e.MoneyDeposited(pod=command.pod, party=command.party, amount_nano=command.amount_nano)
    ]


def withdraw(registry: Registry, ledger: Ledger, command: c.WithdrawMoney) -> list[e.Event]:
    """Pay out what is the party's own: neither held nor credit."""
    fault = _known(ledger, command.pod, command.party, command.amount_nano)
    if fault is not None:
        return fault
    name = account(command.pod, command.party)
    own = ledger.money.get(name, 0) - ledger.held.get(name, 0)
    left = min(own, available(registry, ledger, command.party))
    if command.amount_nano > left:
        return refuse(Reason.NO_COLLATERAL, f"{max(0, left)} nano can be paid out")
    return [e.MoneyWithdrawn(pod=command.pod, party=command.party, amount_nano=command.amount_nano)]


def write_off(ledger: Ledger, command: c.WriteOff) -> list[e.Event]:
    """Let a debt that cannot be collected fall on the named account."""
    fault = _known(ledger, command.pod, command.party, command.amount_nano)
    if fault is not None:
        return fault
    debt = -ledger.money.get(account(command.pod, command.party), 0)
    if command.amount_nano > debt:
        return refuse(Reason.OUT_OF_RANGE, f"the account owes {max(0, debt)} nano")
    return [
        e.DebtWrittenOff(
            pod=command.pod,
            party=command.party,
            amount_nano=command.amount_nano,
            reason=command.reason,
        )
    ]
