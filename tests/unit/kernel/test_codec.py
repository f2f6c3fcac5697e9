from __future__ import annotations

from hashlib import sha256

import msgspec
import pytest

from tests.builders import EVE, MIDNIGHT, a_reading, a_town, an_entry, an_order
from wattbay.core.commands import Command
from wattbay.core.events import OrderPlaced
from wattbay.errors import JournalError, WireError
from wattbay.ids import RequestId
from wattbay.kernel.codec import GENESIS, chain, check, decode, encode, is_canonical

BYTES = (
    b"[7,1370736000000000,"
    b'["PlaceOrder","h01","halfhour",1370822400000000,"buy",250,120000,null,null],'
    b'[["OrderPlaced",1,"h01","halfhour",1370822400000000,"buy",250,120000,30000000,'
    b"null,null,false,null]]]"
)
"""As an entry is written today."""
OLDER = (
    b'[7,1370736000000000,["PlaceOrder","h01","halfhour",1370822400000000,"buy",250,120000,null],'
    b'[["OrderPlaced",1,"h01","halfhour",1370822400000000,"buy",250,120000,30000000]]]'
)
"""The same as it was written before orders had terms."""


def test_entry_is_json_with_names_first_and_fields_in_the_order_defined() -> None:
    assert encode(an_entry(7)) == BYTES
    assert decode(BYTES) == an_entry(7)


def test_hash_is_that_of_the_hash_before_and_the_bytes() -> None:
    assert chain(GENESIS, BYTES) == sha256(bytes(32) + BYTES).digest()


def test_entry_with_missing_optional_last_fields_is_read_with_their_defaults() -> None:
    for older in (OLDER, OLDER.replace(b",120000,null]", b",120000]")):
        assert decode(older) == an_entry(7)
        assert is_canonical(older, decode(older))


@pytest.mark.parametrize(
    "written",
    [
        BYTES.replace(b",", b", ", 1),
        BYTES.replace(b"h01", b"\\u00680\\u0031"),
        BYTES.replace(b"false,null]", b'false,null,"more"]'),
        BYTES + b" ",
    ],
    ids=["space", "escape", "unknown field", "space at the end"],
)
def test_another_way_to_write_an_entry_is_not_canonical(written: bytes) -> None:
    assert not is_canonical(written, decode(written))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xff",
        b"null",
        BYTES[:-1],
        BYTES.replace(b"PlaceOrder", b"ShoutOrder"),
        BYTES.replace(b"OrderPlaced", b"OrderShouted"),
        BYTES.replace(b"250", b'"250"'),
        BYTES.replace(b"250", b"250.0"),
        BYTES.replace(b"h01", b"h\xff1"),
        b"[" * 100_000,
    ],
)
def test_what_is_no_entry_is_refused_with_its_number(data: bytes) -> None:
    with pytest.raises(JournalError, match="entry 7: its bytes are not an entry") as caught:
        decode(data, seq=7)
    assert caught.value.seq == 7


def order_stood(fields: list[object]) -> list[object]:
    """Bring a made-up event of an earlier version up to date: it bore a price instead of a hold."""
    _, order, pod, product, delivery, side, quantity_wh, price = fields
    assert isinstance(quantity_wh, int)
    assert isinstance(price, int)
    hold_nano = quantity_wh * price
    return ["OrderPlaced", order, pod, product, delivery, side, quantity_wh, price, hold_nano]


def test_event_of_an_earlier_version_is_read_through_its_upcaster() -> None:
    old = OLDER.replace(b"OrderPlaced", b"OrderStood").replace(b",30000000]", b"]")
    upcasters = {"OrderStood": order_stood, "OrderRose": lambda old: ["OrderStood", *old[1:]]}
    assert decode(old, upcasters=upcasters) == an_entry(7)
    assert is_canonical(old, decode(old, upcasters=upcasters), upcasters=upcasters)
    older = old.replace(b"OrderStood", b"OrderRose")
    assert decode(older, upcasters=upcasters) == an_entry(7)
    with pytest.raises(JournalError, match="OrderStood"):
        decode(old)


def test_upcaster_that_makes_nothing_known_is_refused() -> None:
    old = BYTES.replace(b"OrderPlaced", b"OrderStood")
    with pytest.raises(JournalError, match="entry 7"):
        decode(old, seq=7, upcasters={"OrderStood": lambda _: []})


def test_command_from_outside_passes_as_it_is() -> None:
    for command in (*a_town(), an_order(request="r1", limit=None), a_reading(proof=bytes(64))):
        check(command)


@pytest.mark.parametrize(
    "wrong",
    [
        an_order(quantity_wh=2**53),
        an_order(limit=-(2**53)),
        an_order(quantity_wh=2**64),
        an_order(quantity_wh=2.5),  # type: ignore[arg-type]
        an_order(quantity_wh="250"),  # type: ignore[arg-type]
        an_order(quantity_wh=250.0),  # type: ignore[arg-type]
        an_order(side="hold"),  # type: ignore[arg-type]
        an_order(pod="h\ud800"),
        msgspec.structs.replace(an_order(), request=RequestId(object())),  # type: ignore[arg-type]
        msgspec.structs.replace(a_town()[0], runs=(("initial", 2**60),)),
    ],
    ids=[
        "beyond JSON",
        "below JSON",
        "beyond 64 bits",
        "fraction",
        "text",
        "float",
        "side",
        "half a character",
        "object",
        "inside",
    ],
)
def test_command_that_would_not_survive_the_journal_is_stopped(wrong: Command) -> None:
    with pytest.raises(WireError):
        check(wrong)


def test_event_keeps_its_name_on_the_wire() -> None:
    placed = decode(BYTES).events[0]
    assert isinstance(placed, OrderPlaced)
    assert (placed.delivery, decode(BYTES).at) == (MIDNIGHT, EVE)
