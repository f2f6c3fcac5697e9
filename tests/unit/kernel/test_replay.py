from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from tests.builders import (
    EVE,
    MIDNIGHT,
    Listener,
    a_deposit,
    a_kernel,
    a_reading,
    a_town,
    an_order,
    an_order_placed,
    entries_of,
)
from wattbay.core.commands import PlaceOrder, SubmitReading
from wattbay.core.facts import Side
from wattbay.errors import JournalError, WireError
from wattbay.ids import RequestId
from wattbay.kernel.codec import GENESIS, Entry, encode
from wattbay.kernel.journal import Journal, MemoryJournal, Row, SqliteJournal
from wattbay.kernel.kernel import Kernel
from wattbay.kernel.replay import (
    compare,
    rebuild,
    restore,
    snapshot,
    state_digest,
    verify,
)
from wattbay.periods import DAY, HOUR, Instant

TOWN = len(a_town())


def live(kernel: Kernel) -> Kernel:
    """Let a community trade, be metered and be settled."""
    kernel.submit_many(
        [
            an_order("h01", side=Side.BUY, quantity_wh=300, limit=150_000, request="r1"),
            an_order("h02", side=Side.SELL, quantity_wh=200, limit=50_000),
            an_order("h02", quantity_wh=0),
            a_deposit("h01", party="p01", request="r1"),
        ]
    )
    kernel.advance(Instant(MIDNIGHT + HOUR))
    kernel.submit_many(
        [
            a_reading("m-h01", seq=1, measured_at=MIDNIGHT),
            a_reading("m-h01", seq=2, measured_at=MIDNIGHT + HOUR, import_register=700),
            a_reading("m-h02", seq=1, measured_at=MIDNIGHT + HOUR, export_register=500),
        ]
    )
    kernel.advance(Instant(MIDNIGHT + 8 * DAY))
    return kernel


def a_history(journal: Journal | None = None) -> tuple[Journal, Kernel]:
    journal = MemoryJournal() if journal is None else journal
    return journal, live(a_kernel(*a_town(deliveries=4), journal=journal))


def rehashed(entries: list[Entry]) -> MemoryJournal:
    """Return a journal whose hashes are right, whatever its entries say."""
    journal = MemoryJournal()
    journal.append([encode(entry) for entry in entries])
    return journal


def altered(journal: Journal, seq: int, change: Callable[[Entry], Entry]) -> MemoryJournal:
    """Return a rehashed journal in which one entry is another."""
    entries = entries_of(journal)
    entries[seq - 1] = change(entries[seq - 1])
    return rehashed(entries)


def test_history_of_these_tests_holds_a_trade_and_its_settlement() -> None:
    kinds = {type(event).__name__ for entry in entries_of(a_history()[0]) for event in entry.events}
    assert kinds >= {"Rejected", "Traded", "ReadingAccepted", "ReceiptIssued", "DeliveryFinal"}


# --- rebuild ---------------------------------------------------------------------------------


def test_rebuilt_state_is_that_of_the_kernel() -> None:
    journal, kernel = a_history()
    assert state_digest(rebuild(journal)) == state_digest(kernel.exchange)


def test_readers_of_a_rebuilt_history_hear_every_entry() -> None:
    journal, _ = a_history()
    book = Listener()
    rebuild(journal, [book])
    assert book.entries == entries_of(journal)


def test_edited_history_is_not_rebuilt(tmp_path: Path) -> None:
    with closing(SqliteJournal(tmp_path / "journal.sqlite")) as journal:
        a_history(journal)
        journal._db.execute("UPDATE entries SET bytes = '[]' WHERE seq = 5")  # noqa: SLF001
        with pytest.raises(JournalError, match="entry 5: its hash"):
            rebuild(journal)


# --- snapshots -------------------------------------------------------------------------------


@pytest.mark.parametrize("seq", [1, TOWN, TOWN + 2])
def test_snapshot_and_tail_make_the_same_state_as_the_whole(seq: int) -> None:
    journal, kernel = a_history()
    rows = list(journal.rows())
    begin = MemoryJournal()
    begin.append([data for _, data, _ in rows[:seq]])
    taken = snapshot(rebuild(begin), seq, begin.head)
    assert restore(taken)[1:] == (seq, rows[seq - 1][2])
    book = Listener()
    assert state_digest(rebuild(journal, snapshot=taken)) == state_digest(kernel.exchange)
    assert state_digest(rebuild(journal, [book], taken)) == state_digest(kernel.exchange)
    assert book.entries == entries_of(journal)


def test_snapshot_of_the_end_is_the_whole_state() -> None:
    journal, kernel = a_history()
    taken = snapshot(kernel.exchange, journal.last_seq, journal.head)
    assert state_digest(rebuild(journal, snapshot=taken)) == state_digest(kernel.exchange)


def test_snapshot_of_another_history_is_refused() -> None:
    journal, kernel = a_history()
    for seq, head in ((journal.last_seq, GENESIS), (journal.last_seq + 1, journal.head)):
        taken = snapshot(kernel.exchange, seq, head)
        with pytest.raises(JournalError, match="not of this history") as caught:
            rebuild(journal, snapshot=taken)
        assert caught.value.seq == seq


@pytest.mark.parametrize("at", [0, 31, 32, 40, -1])
def test_damaged_snapshot_is_refused(at: int) -> None:
    journal, kernel = a_history()
    data = bytearray(snapshot(kernel.exchange, journal.last_seq, journal.head))
    data[at] ^= 1
    with pytest.raises(JournalError, match="damaged"):
        restore(bytes(data))


def test_snapshot_of_another_version_is_refused() -> None:
    def sealed(value: object) -> bytes:
        body = msgspec.msgpack.encode(value)
        return sha256(body).digest() + body

    with pytest.raises(JournalError, match="has format 99"):
        restore(sealed([99, 1, GENESIS, {}]))
    with pytest.raises(JournalError, match="of another version"):
        restore(sealed([1, 1, GENESIS, {"registry": 7}]))
    with pytest.raises(JournalError, match="of another version"):
        restore(sealed(b"?"))


# --- verify ----------------------------------------------------------------------------------


def test_sound_history_is_verified() -> None:
    journal, kernel = a_history()
    told: list[int] = []
    book = Listener()
    verified = verify(journal, head=journal.head, readers=[book], progress=told.append)
    assert verified[:3] == (journal.last_seq, 0, journal.head)
    assert state_digest(verified.exchange) == state_digest(kernel.exchange)
    assert book.entries == entries_of(journal)
    assert told[-1] == journal.last_seq


def test_empty_journal_is_sound() -> None:
    assert verify(MemoryJournal(), head=GENESIS).entries == 0


def test_progress_is_told_now_and_then() -> None:
    journal = MemoryJournal()
    kernel = a_kernel(*a_town(), journal=journal)
    kernel.submit_many([an_order(quantity_wh=0)] * 2_500)
    told: list[int] = []
    verify(journal, progress=told.append)
    assert told == [1_000, 2_000, TOWN + 2_500]


@pytest.mark.parametrize("column", [0, 1])
def test_one_changed_byte_of_any_entry_or_hash_fails_at_that_entry(column: int) -> None:
    class Edited(MemoryJournal):
        def rows(self, from_seq: int = 1) -> Iterator[Row]:
            for seq, *columns in super().rows(from_seq):
                if seq == edited:
                    changed = bytearray(columns[column])
                    changed[edited % len(changed)] ^= 1
                    columns[column] = bytes(changed)
                yield seq, columns[0], columns[1]

    journal, _ = a_history()
    for edited in range(1, journal.last_seq + 1):
        copy = Edited()
        copy.append([row[1] for row in journal.rows()])
        with pytest.raises(JournalError) as caught:
            verify(copy)
        assert caught.value.seq == edited


def test_journal_cut_short_is_seen_by_its_head() -> None:
    journal, _ = a_history()
    short = rehashed(entries_of(journal)[:-1])
    assert verify(short).entries == journal.last_seq - 1
    with pytest.raises(JournalError, match="missing at the end, or were written anew") as caught:
        verify(short, head=journal.head)
    assert caught.value.seq == journal.last_seq - 1


def test_missing_entry_is_named() -> None:
    class Gap(MemoryJournal):
        def rows(self, from_seq: int = 1) -> Iterator[Row]:
            return (row for row in super().rows(from_seq) if row[0] != 3)

    journal = Gap()
    a_kernel(*a_town(), journal=journal)
    with pytest.raises(JournalError, match="entry 3: the entry is missing"):
        verify(journal)


def test_altered_order_in_a_rehashed_chain_fails_naming_that_entry() -> None:
    journal, _ = a_history()

    def more(entry: Entry) -> Entry:
        assert isinstance(entry.command, PlaceOrder)
        return structs.replace(entry, command=structs.replace(entry.command, quantity_wh=301))

    with pytest.raises(
        JournalError,
        match=r"PlaceOrder: events\[0\] OrderPlaced\.quantity_wh is 300 in the journal; .* 301",
    ) as caught:
        verify(altered(journal, TOWN + 1, more))
    assert caught.value.seq == TOWN + 1


def test_altered_order_with_its_event_fails_where_its_consequences_do() -> None:
    journal, _ = a_history()

    def more(entry: Entry) -> Entry:
        command = an_order("h01", quantity_wh=100, limit=150_000, request="r1")
        return structs.replace(entry, command=command, events=(an_order_placed(command),))

    with pytest.raises(JournalError, match=r"CloseGate: events") as caught:
        verify(altered(journal, TOWN + 1, more))
    assert caught.value.seq == TOWN + 5


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda entry: structs.replace(entry, seq=99), "its bytes say that it is entry 99"),
        (lambda entry: structs.replace(entry, at=EVE - 1), "its instant .* is before"),
        (
            lambda entry: structs.replace(entry, at=MIDNIGHT),
            "CloseGate fell due at 2013-06-09T23:00Z and was not done first",
        ),
        (lambda entry: structs.replace(entry, events=()), r"events\[0\] is nothing in the journal"),
    ],
)
def test_altered_entry_in_a_rehashed_chain_fails(
    change: Callable[[Entry], Entry], what: str
) -> None:
    journal, _ = a_history()
    with pytest.raises(JournalError, match=what) as caught:
        verify(altered(journal, TOWN + 2, change))
    assert caught.value.seq == TOWN + 2


def test_what_fell_due_must_be_done_at_its_instant() -> None:
    journal, _ = a_history()
    late = altered(journal, TOWN + 5, lambda entry: structs.replace(entry, at=entry.at + 1))
    with pytest.raises(JournalError, match="was not done first"):
        verify(late)


def test_entry_left_out_of_a_rehashed_chain_fails() -> None:
    journal, _ = a_history()
    entries = entries_of(journal)
    kept = [entry for entry in entries if entry.seq != TOWN + 5]
    again = [structs.replace(entry, seq=seq) for seq, entry in enumerate(kept, 1)]
    with pytest.raises(JournalError, match="was not done first") as caught:
        verify(rehashed(again))
    assert caught.value.seq == TOWN + 5


def test_bytes_that_are_not_canonical_fail() -> None:
    journal = MemoryJournal()
    journal.append([encode(Entry(1, EVE, a_town()[0], ())).replace(b",", b", ", 1)])
    with pytest.raises(JournalError, match="entry 1: its bytes are not the canonical ones"):
        verify(journal)


def test_repeated_request_in_history_fails() -> None:
    journal = MemoryJournal()
    kernel = a_kernel(*a_town(), journal=journal)
    kernel.submit_many([an_order(request="r1"), an_order(request="r2")])

    def same(entry: Entry) -> Entry:
        assert isinstance(entry.command, PlaceOrder)
        command = structs.replace(entry.command, request=RequestId("r1"))
        return structs.replace(entry, command=command)

    with pytest.raises(JournalError, match=f"it repeats the request of entry {TOWN + 1}"):
        verify(altered(journal, TOWN + 2, same))


def test_proof_of_every_reading_is_checked() -> None:
    journal, _ = a_history()
    seen: list[int] = []

    def check(reading: SubmitReading) -> None:
        seen.append(reading.seq)

    assert verify(journal, check_reading=check).readings == 3
    assert seen == [1, 2, 1]


def test_reading_whose_proof_fails_is_named() -> None:
    journal, _ = a_history()
    entry = next(e for e in entries_of(journal) if isinstance(e.command, SubmitReading))

    def check(_reading: SubmitReading) -> None:
        raise WireError("the signature is not that of the meter")

    with pytest.raises(JournalError, match="proof of its reading fails: the signature") as caught:
        verify(journal, check_reading=check)
    assert caught.value.seq == entry.seq


# --- compare ---------------------------------------------------------------------------------


def test_equal_journals_do_not_diverge() -> None:
    assert compare(a_history()[0], a_history()[0]) is None


def test_journals_diverge_at_the_first_entry_that_differs() -> None:
    one, other = MemoryJournal(), MemoryJournal()
    for journal, quantity_wh in ((one, 250), (other, 260)):
        a_kernel(*a_town(), an_order(quantity_wh=quantity_wh), an_order(), journal=journal)
    assert compare(one, other) == (
        TOWN + 1,
        "command PlaceOrder.quantity_wh is 250 in the first, 260 in the second",
    )


def test_journal_that_ends_early_diverges_there() -> None:
    one, other = MemoryJournal(), MemoryJournal()
    a_kernel(*a_town(), journal=one)
    a_kernel(*a_town(), an_order(), journal=other)
    assert compare(one, other) == (TOWN + 1, "the first journal ends before it")
    assert compare(other, one) == (TOWN + 1, "the second journal ends before it")


def test_hashes_that_differ_over_equal_bytes_diverge(tmp_path: Path) -> None:
    with closing(SqliteJournal(tmp_path / "journal.sqlite")) as one:
        other = MemoryJournal()
        for journal in (one, other):
            a_kernel(*a_town(), journal=journal)
        one._db.execute("UPDATE entries SET hash = zeroblob(32) WHERE seq = 2")  # noqa: SLF001
        assert compare(one, other) == (2, "its bytes are the same and its hashes differ")
