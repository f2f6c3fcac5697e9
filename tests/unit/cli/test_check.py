"""What `wattbay verify` says of the sales in a journal."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count

import pytest
from msgspec import structs

from tests.builders import MIDNIGHT, a_kernel, a_product, a_sale, a_town, entries_of
from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.desk import request_of
from wattbay.adapters.etp.envelope import Identity, Scheme, Sealer, key_of
from wattbay.adapters.etp.messages import Message, encode
from wattbay.adapters.etp.proofs import signer_of
from wattbay.cli.check import verify_journal
from wattbay.core.commands import Command
from wattbay.core.devices import RegisterDevice, RevokeDevice, RotateKey
from wattbay.core.facts import Device, DeviceKind, Mechanism
from wattbay.core.sales import ConcludeSale
from wattbay.errors import JournalError
from wattbay.ids import PodId, RequestId
from wattbay.kernel.codec import Entry
from wattbay.kernel.codec import encode as entry_bytes
from wattbay.kernel.journal import MemoryJournal

BESS, BUYER = 101, 201
IDS = count(1)
UNSIGNED = "agreed without signatures: nobody but whoever kept this journal vouches for them."
WHY_LOST = "they came later, or were refused for another reason than their price."


def identity(device: int, seed: int | None = None) -> Identity:
    return Identity(device, Scheme.ED25519, bytes([seed or device]) * 32)


def the_keys() -> list[Command]:
    """Return what a market's founding says of who signs."""
    known = ((BESS, DeviceKind.BATTERY, "h01"), (BUYER, DeviceKind.AGGREGATOR, "h02"))
    return [
        RegisterDevice(
            device=Device(
                device=signer_of(device), kind=kind, key=key_of(identity(device)).key,
                pod=PodId(pod),
            )
        )
        for device, kind, pod in known
    ]  # fmt: skip


def a_signed_sale(*others: float, seed: int | None = None, is_plain: bool = False) -> ConcludeSale:
    """Return a sale of 300 Wh for 9 ¢/kWh, before other bids at some prices. [¢/kWh]"""
    number = next(IDS)
    sealer = Sealer(identity(BUYER, seed), lambda: MIDNIGHT + number)

    def raw(message: Message) -> bytes:
        return encode(message) if is_plain else sealer.seal(encode(message), BESS)

    messages = [m.bid(number, BUYER, 9.0, 0.3), m.bid_confirm(number, BUYER, 9.0, 0.3)]
    messages += [m.bid(number, BUYER, price, 0.3) for price in others]
    request = request_of(BESS, (BUYER, number))
    return a_sale(300, price=90_000, proof=[raw(one) for one in messages], request=request)


def a_journal(*commands: Command) -> MemoryJournal:
    journal = MemoryJournal()
    product = structs.replace(a_product(), mechanism=Mechanism.BILATERAL)
    a_kernel(*a_town(2, product=product), *the_keys(), *commands, journal=journal)
    return journal


def told(journal: MemoryJournal, capsys: pytest.CaptureFixture[str]) -> list[str]:
    verify_journal(journal, None, as_json=False)
    return [
        line for line in capsys.readouterr().out.splitlines() if "sale" in line or "bid" in line
    ]


def test_journal_without_sales_says_nothing_of_sales(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(a_journal(), capsys) == []


def test_sales_are_counted_by_what_their_proofs_show(capsys: pytest.CaptureFixture[str]) -> None:
    journal = a_journal(
        a_signed_sale(8.0), a_signed_sale(9.5, 9.5, 9.0), a_signed_sale(is_plain=True), a_sale(100)
    )
    assert told(journal, capsys) == [
        "2 sales: every signature holds and the bids say what the entries say.",
        f"2 sales were {UNSIGNED}",
        f"3 bids lost to a bid that was not higher, 1 of them equal to it: {WHY_LOST}",
    ]
    verify_journal(journal, None, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["readings"] == 0
    counted = {name: document[name] for name in document if "sale" in name or "bid" in name}
    assert counted == {
        "sales": 4, "sales_signed": 2, "losing_bids_higher": 2, "losing_bids_equal": 1
    }  # fmt: skip


def test_one_sale_is_told_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(a_journal(a_signed_sale(), a_sale(100)), capsys) == [
        "1 sale: every signature holds and the bids say what the entries say.",
        f"1 sale was {UNSIGNED}",
    ]


def test_sale_that_was_refused_is_none_whatever_it_bears(
    capsys: pytest.CaptureFixture[str],
) -> None:
    forged = structs.replace(a_signed_sale(seed=7), parts=a_sale(300, since=0).parts)
    assert told(a_journal(forged), capsys) == []


Change = Callable[[ConcludeSale], ConcludeSale]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda sale: structs.replace(sale, price=90_010), "other price: 90000 was bid"),
        (
            lambda sale: structs.replace(sale, proof=(sale.proof[0][:-1] + b"x", sale.proof[1])),
            "bad signature: the bid is not signed by the key of etp-201",
        ),
    ],
)
def test_sale_whose_proof_says_otherwise_is_told_with_its_entry(change: Change, words: str) -> None:
    journal = a_journal(a_signed_sale(), change(a_signed_sale()))
    with pytest.raises(JournalError) as caught:
        verify_journal(journal, None, as_json=False)
    assert f"entry {journal.last_seq}: the proof of its sale fails: {words}" in str(caught.value)


def test_proof_that_is_altered_in_a_rehashed_journal_is_told() -> None:
    entries = entries_of(a_journal(a_signed_sale()))
    for place, byte in ((0, 60), (0, 150), (1, 0), (1, 181)):
        last = entries[-1]
        assert isinstance(last.command, ConcludeSale)
        proof = [bytearray(one) for one in last.command.proof]
        proof[place][byte] ^= 1
        command = structs.replace(last.command, proof=tuple(map(bytes, proof)))
        rehashed = MemoryJournal()
        altered = Entry(last.seq, last.at, command, last.events)
        rehashed.append([entry_bytes(one) for one in [*entries[:-1], altered]])
        with pytest.raises(JournalError, match=f"entry {last.seq}: the proof of its sale fails"):
            verify_journal(rehashed, None, as_json=False)


def test_one_signed_bid_is_sold_once() -> None:
    sale = a_signed_sale()
    # The same numbers in other letters are another request to the exchange.
    assert sale.request is not None
    again = structs.replace(sale, request=RequestId(sale.request.replace("c9", "C9")))
    journal = a_journal(sale, again)
    words = f"entry {journal.last_seq}: .* repeated proof: its bid was sold before"
    with pytest.raises(JournalError, match=words):
        verify_journal(journal, None, as_json=True)


def test_key_is_that_of_the_time_of_the_sale(capsys: pytest.CaptureFixture[str]) -> None:
    new = key_of(identity(BUYER, 7)).key
    rotated = RotateKey(device=signer_of(BUYER), key=new)
    assert len(told(a_journal(a_signed_sale(), rotated, a_signed_sale(seed=7)), capsys)) == 1
    revoked = RevokeDevice(device=signer_of(BUYER), reason="stolen")
    with pytest.raises(JournalError, match="the journal has no key of etp-201"):
        verify_journal(a_journal(a_signed_sale(), revoked, a_signed_sale()), None, as_json=True)
