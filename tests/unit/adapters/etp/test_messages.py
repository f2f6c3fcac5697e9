"""The fourteen fields of a message: their bytes, their text, and what cannot be."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from wattbay.adapters.etp.messages import (
    CRITICAL,
    DEADLINES_MS,
    FIELDS,
    NAMES,
    OFFSETS,
    PRIORITIES,
    SIZE,
    Amiss,
    BadMessage,
    FailureCode,
    Health,
    Kind,
    Message,
    RejectCode,
    TerminateCode,
    bess_status,
    bid,
    bid_accept,
    bid_confirm,
    bid_reject,
    check,
    decode,
    device_failure,
    encode,
    from_text,
    hopped,
    query,
    query_response,
    register,
    terminate,
    to_text,
)

FULL = Message(9, 123, 456, 5, 15.5, 18.0, 20.0, 50.0, 10.0, 2, 18.5, 1, 12.6, 2.5)
"""A value in each of the fields."""


def amiss_in(read: Callable[[bytes], Message], given: bytes) -> Amiss:
    """Return what is amiss with bytes, once it is sure that it is told in short words."""
    with pytest.raises(BadMessage) as caught:
        read(given)
    assert 0 < len(str(caught.value)) < 200
    return caught.value.amiss


def packed(**fields: float) -> bytes:
    """Return the bytes of a bid with other fields, whatever they say."""
    return encode(bid(123, 7, 15.5, 10)._replace(**fields))  # type: ignore[arg-type] # any field


# --- what the first implementation's tests say of a message ----------------------------------


def test_bid_has_its_type_and_the_ttl_of_a_new_message() -> None:
    message = bid(123, 0, 15.5, 10)
    assert (message.message_type, message.message_id, message.device_id) == (3, 123, 0)
    assert (message.ttl, message.bid_price, message.required_energy_amount) == (5, 15.5, 10)


@pytest.mark.parametrize("message", [bid(123, 0, 15.5, 10), FULL], ids=["a bid", "every field"])
def test_message_is_read_as_it_was_written(message: Message) -> None:
    assert decode(encode(message)) == message


@pytest.mark.parametrize("kind", range(10))
def test_types_of_0_to_9_are_valid(kind: int) -> None:
    assert decode(packed(message_type=kind)).message_type == kind


@pytest.mark.parametrize("kind", [10, 42, 255])
def test_type_beyond_9_is_refused(kind: int) -> None:
    assert amiss_in(decode, packed(message_type=kind)) is Amiss.TYPE


def test_deadlines_are_those_of_the_protocol() -> None:
    assert DEADLINES_MS == (5_000, 1_000, 500, 1_000, 500, 500, 500, 1_000, 200, 2_000)
    assert (DEADLINES_MS[8], DEADLINES_MS[4], DEADLINES_MS[9]) == (200, 500, 2_000)


def test_priorities_are_those_of_the_protocol() -> None:
    assert PRIORITIES == (80, 50, 50, 50, 5, 5, 5, 50, 0, 60)
    assert PRIORITIES[8] < PRIORITIES[4] < PRIORITIES[2] < PRIORITIES[9] < PRIORITIES[0]


def test_a_thousand_messages_are_written_and_read() -> None:
    messages = [bid(number, 201, 15 + number / 100, 10) for number in range(1_000)]
    assert [decode(encode(message)) for message in messages] == messages


@pytest.mark.parametrize("kind", range(10))
def test_every_type_has_84_bytes(kind: int) -> None:
    data = packed(message_type=kind)
    assert 50 <= len(data) < 200
    assert len(data) == SIZE == 84


@pytest.mark.parametrize("given", [b"\x42" * 3, b""], ids=["three bytes", "nothing"])
def test_too_few_bytes_are_no_message(given: bytes) -> None:
    assert amiss_in(decode, given) is Amiss.SIZE


def test_ttl_falls_by_one_a_hop_and_never_below_zero() -> None:
    message = hopped(query(1, 2))
    assert message.ttl == 4
    for _ in range(5):
        message = hopped(message)
    assert message.ttl == 0
    assert amiss_in(decode, encode(message)) is Amiss.TTL


EVERY_TYPE: list[tuple[Message, dict[str, float]]] = [
    (register(1, 100), {"message_type": 0, "device_id": 100}),
    (query(1, 200), {"message_type": 1, "device_id": 200}),
    (
        query_response(1, 100, 20, 50),
        {"message_type": 2, "device_id": 100, "energy_total": 20, "percentage_for_sale": 50},
    ),
    (
        bid(1, 200, 15.5, 10),
        {"message_type": 3, "device_id": 200, "bid_price": 15.5, "required_energy_amount": 10},
    ),
    (
        bid_accept(1, 100, 18, 5),
        {"message_type": 4, "device_id": 100, "sale_price": 18, "required_energy_amount": 5},
    ),
    (
        bid_confirm(1, 200, 18, 5),
        {"message_type": 5, "device_id": 200, "sale_price": 18, "required_energy_amount": 5},
    ),
    (bid_reject(1, 100, 1), {"message_type": 6, "device_id": 100, "termination_code": 1}),
    (terminate(1, 100), {"message_type": 7, "device_id": 100, "termination_code": 0}),
    (device_failure(1, 100, 2), {"message_type": 8, "device_id": 100, "termination_code": 2}),
    (
        bess_status(1, 100, 18.5, 1, 12.6, 2.5),
        {
            "message_type": 9, "device_id": 100, "remaining_battery_energy": 18.5,
            "battery_health_status_code": 1, "battery_voltage": 12.6, "discharge_rate": 2.5,
        },
    ),
]  # fmt: skip


@pytest.mark.parametrize(("message", "said"), EVERY_TYPE, ids=list(NAMES.values()))
def test_each_type_sets_its_fields_and_no_other(message: Message, said: dict[str, float]) -> None:
    rest = dict.fromkeys(FIELDS, 0) | {"message_id": 1, "ttl": 5}
    assert message._asdict() == rest | said
    assert decode(encode(message)) == message


# --- bytes -----------------------------------------------------------------------------------


def test_fields_stand_where_the_protocol_has_them() -> None:
    assert OFFSETS == (0, 1, 9, 17, 18, 26, 34, 42, 50, 58, 59, 67, 68, 76)
    data = encode(FULL)
    assert data[0] == 9
    assert data[1:9] == (123).to_bytes(8, "little")
    assert data[9:17] == (456).to_bytes(8, "little")
    assert (data[17], data[58], data[67]) == (5, 2, 1)
    places = [(18, 15.5), (26, 18), (34, 20), (42, 50), (50, 10), (59, 18.5), (68, 12.6), (76, 2.5)]
    assert [struct.unpack_from("<d", data, at)[0] for at, _ in places] == [
        value for _, value in places
    ]


def test_names_are_those_of_the_protocol() -> None:
    assert list(NAMES.values()) == [
        "Register", "Query", "QueryResponse", "Bid", "BidAccept", "BidConfirm", "BidReject",
        "Terminate", "DeviceFailure", "BESSStatus",
    ]  # fmt: skip
    assert frozenset({4, 5, 6, 8}) == CRITICAL


def test_codes_keep_their_numbers() -> None:
    assert [code.value for code in RejectCode] == list(range(1, 10))
    assert [code.value for code in TerminateCode] == list(range(6))
    assert [code.value for code in FailureCode] == list(range(1, 7))
    assert [code.value for code in Health] == list(range(4))
    assert (RejectCode.PRICE_TOO_LOW, RejectCode.INSUFFICIENT_ENERGY, RejectCode.OFFLINE) == (
        1,
        2,
        3,
    )
    assert (FailureCode.BATTERY, Health.POOR) == (2, 3)


@pytest.mark.parametrize("size", [1, 83, 85, 88, 150, 1_024])
def test_any_other_size_is_refused(size: int) -> None:
    assert amiss_in(decode, encode(FULL).ljust(size, b"\0")[:size]) is Amiss.SIZE


def test_expired_message_is_refused() -> None:
    assert amiss_in(decode, packed(ttl=0)) is Amiss.TTL


AMOUNTS = (
    "energy_total", "percentage_for_sale", "required_energy_amount", "remaining_battery_energy"
)  # fmt: skip
NUMBERS = (*AMOUNTS, "bid_price", "sale_price", "battery_voltage", "discharge_rate")


@pytest.mark.parametrize("name", AMOUNTS)
def test_negative_amount_is_refused(name: str) -> None:
    assert amiss_in(decode, packed(**{name: -1e-300})) is Amiss.NEGATIVE
    assert decode(packed(**{name: -0.0})).ttl == 5


@pytest.mark.parametrize("name", ["bid_price", "sale_price", "battery_voltage", "discharge_rate"])
def test_negative_price_is_a_message(name: str) -> None:
    assert getattr(decode(packed(**{name: -7.5})), name) == -7.5


def test_percentage_ends_at_a_hundred() -> None:
    assert decode(packed(percentage_for_sale=100)).percentage_for_sale == 100
    assert amiss_in(decode, packed(percentage_for_sale=100.00000001)) is Amiss.PERCENTAGE


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")], ids=repr)
def test_number_that_is_none_is_refused(name: str, value: float) -> None:
    wanted = Amiss.NOT_FINITE
    if value < 0 and name in AMOUNTS:
        wanted = Amiss.NEGATIVE
    if value > 0 and name == "percentage_for_sale":
        wanted = Amiss.PERCENTAGE
    assert amiss_in(decode, packed(**{name: value})) is wanted


def test_infinities_that_cancel_are_refused() -> None:
    data = packed(bid_price=float("inf"), sale_price=float("-inf"))
    assert amiss_in(decode, data) is Amiss.NOT_FINITE


def test_finite_numbers_beyond_all_measure_are_a_message() -> None:
    message = FULL._replace(bid_price=1.7e308, sale_price=1.7e308)
    assert decode(encode(message)) == message


def test_faults_are_told_in_the_order_of_the_protocol() -> None:
    wrong: list[tuple[str, float, Amiss]] = [
        ("message_type", 10, Amiss.TYPE),
        ("ttl", 0, Amiss.TTL),
        ("energy_total", -1, Amiss.NEGATIVE),
        ("percentage_for_sale", 101, Amiss.PERCENTAGE),
        ("bid_price", float("nan"), Amiss.NOT_FINITE),
    ]
    while wrong:
        data = packed(**{name: value for name, value, _ in wrong})
        assert amiss_in(decode, data) is wrong.pop(0)[2]
    decode(packed())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("message_type", 256),
        ("message_type", -1),
        ("message_id", 1 << 64),
        ("device_id", -1),
        ("ttl", 3.0),
        ("termination_code", None),
        ("battery_health_status_code", "good"),
        ("bid_price", "15.5"),
        ("bid_price", None),
        ("bid_price", 10**400),
        ("message_id", 10**9_000),
        ("message_id", "x" * 9_000),
    ],
    ids=lambda value: str(value)[:10] if not isinstance(value, int) else "",
)
def test_field_that_does_not_fit_is_named(name: str, value: object) -> None:
    message = FULL._replace(**{name: value})  # type: ignore[arg-type] # on purpose
    for write in (encode, to_text):
        with pytest.raises(BadMessage, match=name) as caught:
            write(message)
        assert caught.value.amiss is Amiss.RANGE
        assert len(str(caught.value)) < 200


def test_message_with_too_few_fields_is_refused() -> None:
    with pytest.raises(BadMessage, match="14 fields"):
        encode(tuple.__new__(Message, (1, 2, 3)))


def test_largest_ids_fit() -> None:
    message = Message(1, (1 << 64) - 1, (1 << 64) - 1, 255)
    assert decode(encode(message)) == message


def test_views_of_bytes_are_read() -> None:
    data = encode(FULL)
    assert decode(bytearray(data)) == decode(memoryview(b"...." + data)[4:]) == FULL


def test_check_tells_what_would_be_right() -> None:
    with pytest.raises(BadMessage) as caught:
        check(FULL._replace(percentage_for_sale=120))
    assert str(caught.value) == "percentage_for_sale is 120, of 0 to 100"


# --- text ------------------------------------------------------------------------------------

TEXT = b"9 123 456 5 15.50 18.00 20.00 50.00 10.00 2 18.50 1 12.60 2.50"


def test_text_is_as_the_prototype_writes_it() -> None:
    assert to_text(FULL) == TEXT
    assert from_text(TEXT) == FULL
    assert to_text(query(12_345, 99)) == b"1 12345 99 5 0.00 0.00 0.00 0.00 0.00 0 0.00 0 0.00 0.00"


def test_text_of_a_query_with_default_ids_has_56_characters() -> None:
    assert len(to_text(query(10_000, 50))) == 56


def test_text_rounds_to_the_nearest_hundredth_of_the_double() -> None:
    text = to_text(Message(3, 1, 2, bid_price=2.675, sale_price=0.125, energy_total=0.375))
    assert text.split(b" ")[4:7] == [b"2.67", b"0.12", b"0.38"]


@pytest.mark.parametrize(
    ("text", "amiss"),
    [
        (b"", Amiss.TEXT),
        (b"inva", Amiss.TEXT),
        (TEXT + b" 0", Amiss.TEXT),
        (TEXT.rpartition(b" ")[0], Amiss.TEXT),
        (TEXT.replace(b" ", b"  ", 1), Amiss.TEXT),
        (TEXT.replace(b" ", b"\t"), Amiss.TEXT),
        (TEXT + b"\n", Amiss.TEXT),
        (b" " + TEXT, Amiss.TEXT),
        (TEXT.replace(b"123", b"1_23"), Amiss.TEXT),
        (TEXT.replace(b"123", b"12.3"), Amiss.TEXT),
        (TEXT.replace(b"123", b"0x7b"), Amiss.TEXT),
        (TEXT.replace(b"123", "१२३".encode()), Amiss.TEXT),
        (TEXT.replace(b"123", b"\xff"), Amiss.TEXT),
        (TEXT.replace(b"123", b"1" * 900), Amiss.RANGE),
        (TEXT.replace(b"123", b"-1"), Amiss.RANGE),
        (TEXT.replace(b"15.50", b"15,50"), Amiss.TEXT),
        (TEXT.replace(b"15.50", b"NaN"), Amiss.NOT_FINITE),
        (TEXT.replace(b"15.50", b"+Inf"), Amiss.NOT_FINITE),
        (TEXT.replace(b"15.50", b"-inf"), Amiss.NOT_FINITE),
        (TEXT.replace(b"15.50", b"1e999"), Amiss.NOT_FINITE),
        (TEXT.replace(b"15.50", b"9" * 900), Amiss.NOT_FINITE),
        (TEXT.replace(b"20.00", b"-20.00"), Amiss.NEGATIVE),
        (TEXT.replace(b"50.00", b"120.00"), Amiss.PERCENTAGE),
        (b"10" + TEXT[1:], Amiss.TYPE),
        (b"-1" + TEXT[1:], Amiss.TYPE),
        (b"9" * 900 + TEXT[1:], Amiss.TYPE),
        (TEXT.replace(b"456 5", b"456 0"), Amiss.TTL),
        (TEXT.replace(b"456 5", b"456 256"), Amiss.RANGE),
        (TEXT.replace(b"123", b"0" * 2_000), Amiss.SIZE),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_text_that_is_no_message_is_refused(text: bytes, amiss: Amiss) -> None:
    assert amiss_in(from_text, text) is amiss


def test_negative_price_is_text_too() -> None:
    assert from_text(TEXT.replace(b"15.50", b"-15.50")).bid_price == -15.5


def test_kinds_are_plain_numbers_on_the_wire() -> None:
    assert to_text(register(1, 2)).startswith(b"0 ")
    assert encode(Message(Kind.BESS_STATUS, 1, 2)) == encode(Message(9, 1, 2))
