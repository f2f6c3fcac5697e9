"""`replay`, `verify` and `diff`: whether history is what it was."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import Progress

from wattbay.adapters.etp.proofs import SaleProofs, Tally
from wattbay.adapters.files.run_folder import JOURNAL, SUMMARY, read_json
from wattbay.adapters.mqtt import readings
from wattbay.core.commands import SubmitReading
from wattbay.errors import AdapterError, WireError
from wattbay.kernel import replay
from wattbay.kernel.journal import Journal, SqliteJournal
from wattbay.views.meters import MeterKeys

HEAD_FORM = re.compile(r"[0-9a-fA-F]{64}")


def open_journal(run: Path) -> SqliteJournal:
    """Open the journal of a run.

    Raises
    ------
    AdapterError
        If the run kept none.
    """
    path = run / JOURNAL
    if not path.exists():
        msg = f"{path} is missing; a run with --journal memory keeps no journal"
        raise AdapterError(msg)
    # To look at history is not to write it: a torn file stays as it is, and is read so far.
    return SqliteJournal(path, read_only=True)


def _known_head(run: Path, head: str | None) -> bytes | None:
    """Return the head that a journal must have; None where nobody says."""
    source = "--head"
    if head is None and (run / SUMMARY).exists():
        source = f"journal_head of {run / SUMMARY}"
        head = str(read_json(run / SUMMARY).get("journal_head"))
    if head is None:
        return None
    if HEAD_FORM.fullmatch(head) is None:
        msg = f"{source} has 64 hex digits; got {head!r}"
        raise AdapterError(msg)
    return bytes.fromhex(head)


def verify_run(run: Path, head: str | None, *, as_json: bool) -> None:
    """Verify a run and tell what was checked."""
    wanted = _known_head(run, head)
    journal = open_journal(run)
    try:
        verify_journal(journal, wanted, as_json=as_json)
    finally:
        journal.close()


def verify_journal(journal: Journal, wanted: bytes | None, *, as_json: bool) -> None:
    """Verify a journal, signatures and all, and tell what was checked.

    Parameters
    ----------
    wanted
        What the last hash must be; None where nobody says.
    """
    keys = MeterKeys()
    sales = SaleProofs(keys)

    def check(command: SubmitReading) -> None:
        key = keys.key_of(command.meter)
        if key is None or keys.community is None:
            msg = f"meter {command.meter} has no key in this journal"
            raise WireError(msg)
        readings.check(command, keys.community, key, keys.former_key_of(command.meter))

    console = Console(stderr=True)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("verifying", total=journal.last_seq)
        found = replay.verify(
            journal,
            head=wanted,
            check_reading=check,
            check_sale=sales.check,
            readers=[keys, sales],
            progress=lambda seq: bar.update(task, completed=seq),
        )
    if as_json:
        document = {
            "entries": found.entries,
            "readings": found.readings,
            "sales": found.sales,
            "sales_signed": sales.tally.signed,
            "losing_bids_higher": sales.tally.higher,
            "losing_bids_equal": sales.tally.equal,
            "journal_head": found.head.hex(),
            "head_compared": wanted is not None,
            "state": replay.state_digest(found.exchange),
        }
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
        return
    out = Console()
    out.print(
        f"{found.entries:,} entries: every hash, instant and decision is as the rules make it.",
        soft_wrap=True,
    )
    out.print(
        f"{found.readings:,} readings: every signature holds and says what its entry says.",
        soft_wrap=True,
    )
    for line in _sales_told(sales.tally):
        out.print(line, soft_wrap=True)
    out.print(f"head {found.head.hex()}", soft_wrap=True)
    if wanted is None:
        out.print(
            "No head to compare with: a journal that was cut short would not be noticed. "
            "Keep the head elsewhere and pass it as --head."
        )


def _sales_told(tally: Tally) -> Iterator[str]:
    """Yield what is to be said of sales that were agreed elsewhere; nothing where there are none.

    That they were agreed without signatures, or below another bid, is no fault of a journal.
    """
    if tally.signed:
        yield (
            f"{tally.signed:,} sale{_s(tally.signed)}: every signature holds and the bids say what"
            " the entries say."
        )
    if tally.unsigned:
        verb = "was" if tally.unsigned == 1 else "were"
        yield (
            f"{tally.unsigned:,} sale{_s(tally.unsigned)} {verb} agreed without signatures:"
            " nobody but whoever kept this journal vouches for them."
        )
    if tally.higher or tally.equal:
        lost = tally.higher + tally.equal
        yield (
            f"{lost:,} bid{_s(lost)} lost to a bid that was not higher, {tally.equal:,} of them"
            " equal to it: they came later, or were refused for another reason than their price."
        )


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def replay_run(run: Path, *, as_json: bool) -> None:
    """Rebuild a run and tell what state it ends in."""
    journal = open_journal(run)
    try:
        exchange = replay.rebuild(journal)
        entries, head = journal.last_seq, journal.head.hex()
    finally:
        journal.close()
    state = exchange.state
    document = {
        "entries": entries,
        "journal_head": head,
        "state": replay.state_digest(exchange),
        "parties": len(state.registry.parties),
        "pods": len(state.registry.pods),
        "deliveries_open": len(state.deliveries.open),
        "deliveries_final": len(state.deliveries.final),
        "money_sum_nano": sum(state.ledger.money.values()),
        "held_nano": sum(state.ledger.held.values()),
    }
    if as_json:
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
        return
    for name, value in document.items():
        shown = f"{value:,}" if isinstance(value, int) else value
        Console().print(f"{name.replace('_', ' '):18} {shown}", soft_wrap=True)


def diff_runs(first: Path, second: Path, *, as_json: bool) -> None:
    """Tell where two journals part; exit status 1 where they do."""
    one, other = open_journal(first), open_journal(second)
    try:
        found = replay.compare(one, other)
    finally:
        one.close()
        other.close()
    if as_json:
        document = {
            "same": found is None,
            "entry": None if found is None else found.seq,
            "what": None if found is None else found.what,
        }
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
    elif found is None:
        Console().print("The journals are the same.")
    else:
        Console().print(f"They part at entry {found.seq}: {found.what}", soft_wrap=True)
    if found is not None:
        sys.exit(1)
