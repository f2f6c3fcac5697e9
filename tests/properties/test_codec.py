from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests import strategies
from wattbay.core.commands import Command
from wattbay.errors import JournalError
from wattbay.kernel.codec import GENESIS, Entry, chain, check, decode, encode, is_canonical
from wattbay.kernel.differences import difference, difference_of_bytes


@given(strategies.entries)
def test_every_entry_is_read_as_it_was_written(entry: Entry) -> None:
    data = encode(entry)
    assert decode(data) == entry
    assert is_canonical(data, entry)


@given(strategies.entries)
def test_bytes_hold_nothing_but_what_every_reader_of_json_holds_exactly(entry: Entry) -> None:
    def numbers(value: object) -> list[int]:
        if isinstance(value, list):
            return [number for part in value for number in numbers(part)]
        assert not isinstance(value, float | dict)
        return [value] if isinstance(value, int) else []

    assert all(abs(n) < 2**53 for n in numbers(msgspec.json.decode(encode(entry))))


@given(strategies.entries, st.data())
def test_a_changed_byte_is_refused_or_seen(entry: Entry, data: st.DataObject) -> None:
    original = encode(entry)
    at = data.draw(st.integers(0, len(original) - 1))
    flip = data.draw(st.integers(1, 255))
    changed = original[:at] + bytes([original[at] ^ flip]) + original[at + 1 :]
    assert chain(GENESIS, changed) != chain(GENESIS, original)
    assert difference_of_bytes(original, changed).where
    try:
        read = decode(changed)
    except JournalError:
        return
    assert read != entry or not is_canonical(changed, read)


@given(st.binary(max_size=60))
def test_any_bytes_are_an_entry_or_a_journal_error(data: bytes) -> None:
    try:
        decode(data)
    except JournalError:
        return
    raise AssertionError(data)


@given(strategies.commands)
def test_every_command_passes_the_door(command: Command) -> None:
    check(command)


@given(strategies.entries, strategies.entries)
def test_difference_is_found_where_there_is_one(one: Entry, other: Entry) -> None:
    assert difference(one, one) is None
    assert (difference(one, other) is None) == (one == other)
