"""Datagrams of discovery, without a socket: what is heard, what is answered, who is found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import count
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattbay.adapters.etp import messages as m
from wattbay.adapters.etp.auctions import Rules, Stage
from wattbay.adapters.etp.bess import Bess
from wattbay.adapters.etp.datagrams import (
    GROUP,
    HEARD_AT_ONCE,
    Allowance,
    Datagrams,
    Group,
    check_group,
)
from wattbay.adapters.etp.discovery import DEVICES_MAX, Beacon, Finder, Offer, offer_of
from wattbay.adapters.etp.envelope import Identity, Key, Opener, Scheme, Sealer, key_of
from wattbay.adapters.etp.link import Guard
from wattbay.adapters.etp.messages import Amiss, Kind, Message, decode, encode
from wattbay.adapters.etp.node import Address
from wattbay.adapters.etp.seller import Seller
from wattbay.errors import ConfigError
from wattbay.periods import MINUTE, SECOND, instant

NOON = instant("2026-05-01T12:00Z")
BATTERY, BUYER = 101, 201
HERE, THERE = Address("192.0.2.1", 4_001), Address("192.0.2.2", 4_002)
PLAIN = Guard(allows_plain=True)


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.at: int = NOON

    def __call__(self) -> int:
        return self.at


def an_identity(device: int, scheme: Scheme = Scheme.ED25519) -> Identity:
    return Identity(device, scheme, device.to_bytes(32, "big"))


def a_guard(
    device: int,
    *known: int,
    scheme: Scheme = Scheme.ED25519,
    clock: Callable[[], int] | None = None,
    allows_plain: bool = False,
) -> Guard:
    clock = clock or Clock()
    keys: dict[int, Key] = {one: key_of(an_identity(one, scheme)) for one in known}
    sealer = Sealer(an_identity(device, scheme), clock)
    return Guard(Opener(device, keys, clock), sealer, allows_plain)


def a_seller(*, level_wh: float = 10_000, percentage: float = 50, is_online: bool = True) -> Seller:
    bess = Bess(
        device_id=BATTERY, capacity_wh=20_000, reserve_price=100_000, level_wh=level_wh,
        percentage_for_sale=percentage, is_online=is_online,
    )  # fmt: skip
    return Seller(bess, Rules(), Random(1), count(1).__next__)


def a_beacon(seller: Seller | None = None, guard: Guard = PLAIN) -> Beacon:
    return Beacon(seller or a_seller(), guard, count(1_000).__next__)


class Looking:
    """An aggregator that looks, and what it was told."""

    def __init__(self, guard: Guard = PLAIN) -> None:
        self.found: list[tuple[int, Address]] = []
        self.finder = Finder(
            BUYER, guard, count(1).__next__, lambda *one: self.found.append(one)
        )  # fmt: skip

    def hears(self, message: Message, source: Address = HERE) -> None:
        self.finder.heard(encode(message), source)


def the_answer(beacon: Beacon, question: Message) -> Message | None:
    answer = beacon.answer(encode(question))
    return None if answer is None else decode(answer)


# --- groups ----------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [GROUP, "224.0.0.1", "239.255.255.255"])
def test_group_is_a_multicast_address(address: str) -> None:
    check_group(Group(address))


@pytest.mark.parametrize("address", ["127.0.0.1", "240.0.0.0", "ff02::1", "", "group", "239.1.1"])
def test_what_is_no_multicast_address_is_no_group(address: str) -> None:
    with pytest.raises(ConfigError, match="is no multicast address") as caught:
        Finder(BUYER, PLAIN, count().__next__, print, group=Group(address))
    assert len(caught.value.faults) == 1


def test_all_faults_of_a_group_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        check_group(Group("10.0.0.1", 65_536, "", 256))
    assert [fault.where for fault in caught.value.faults] == ["group", "port", "ttl"]


# --- a battery -------------------------------------------------------------------------------


def test_question_is_answered_under_a_new_id() -> None:
    answer = the_answer(a_beacon(), m.query(7, BUYER))
    assert answer == m.query_response(1_000, BATTERY, 10.0, 50.0)


def test_what_is_promised_is_not_told_as_for_sale() -> None:
    seller = a_seller()
    seller.hear(m.query(1, BUYER), b"", 0)
    seller.hear(m.bid(2, BUYER, 20.0, 2.0), b"", 1)
    assert seller.reserved_wh == 2_000
    assert the_answer(a_beacon(seller), m.query(7, BUYER)) == m.query_response(
        1_000, BATTERY, 10.0, 30.0
    )


def test_look_at_an_offer_changes_nothing() -> None:
    seller = a_seller()
    assert offer_of(seller) == Offer(10.0, 50.0)
    the_answer(a_beacon(seller), m.query(7, BUYER))
    assert seller.stage is Stage.IDLE
    assert not seller.counts
    assert seller.due() is None


@pytest.mark.parametrize(
    "seller",
    [a_seller(is_online=False), a_seller(percentage=0), a_seller(level_wh=0)],
    ids=["offline", "not-for-sale", "empty"],
)
def test_battery_with_nothing_for_sale_does_not_answer(seller: Seller) -> None:
    beacon = a_beacon(seller)
    assert the_answer(beacon, m.query(7, BUYER)) is None
    assert beacon.counts == {"heard": 1, "nothing for sale": 1}


@pytest.mark.parametrize("kind", sorted(set(Kind) - {Kind.QUERY}), ids=lambda kind: kind.name)
def test_battery_answers_nothing_but_questions(kind: Kind) -> None:
    beacon = a_beacon()
    assert the_answer(beacon, Message(kind, 7, BUYER)) is None
    assert beacon.seller.stage is Stage.IDLE


def test_battery_does_not_answer_itself() -> None:
    assert the_answer(a_beacon(), m.query(7, BATTERY)) is None


# --- what is no message ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("datagram", "amiss"),
    [
        (b"", Amiss.SIZE),
        (encode(m.query(7, BUYER))[:-1], Amiss.SIZE),
        (encode(m.query(7, BUYER)) + b"\0", Amiss.SIZE),
        (b"T\0\0\0" + encode(m.query(7, BUYER)), Amiss.SIZE),
        (bytes(150), Amiss.SIZE),
        (b"\x0a" + encode(m.query(7, BUYER))[1:], Amiss.TYPE),
        (encode(m.query(7, BUYER)._replace(ttl=0)), Amiss.TTL),
    ],
    ids=["empty", "short", "long", "framed", "envelope", "type", "expired"],
)
def test_bad_datagram_is_counted_and_not_answered(datagram: bytes, amiss: Amiss) -> None:
    beacon = a_beacon()
    assert beacon.answer(datagram) is None
    assert beacon.counts == {amiss.value: 1}


@given(st.binary(max_size=256))
def test_no_bytes_upset_those_who_listen(datagram: bytes) -> None:
    beacon, looking = a_beacon(guard=a_guard(BATTERY, BUYER)), Looking()
    beacon.heard(datagram, HERE)
    looking.finder.heard(datagram, HERE)
    assert beacon.counts.total() == looking.finder.counts.total() == 1


# --- who may be heard ------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", Scheme, ids=lambda scheme: scheme.name)
def test_sealed_question_has_a_sealed_answer(scheme: Scheme) -> None:
    battery = a_guard(BATTERY, BUYER, scheme=scheme)
    buyer = Datagrams(a_guard(BUYER, BATTERY, scheme=scheme), Counter())
    answer = a_beacon(guard=battery).answer(buyer.write(m.query(7, BUYER)))
    assert answer is not None
    heard = buyer.read(answer)
    assert heard == (m.query_response(1_000, BATTERY, 10.0, 50.0), True)


def test_envelope_of_a_link_is_no_datagram() -> None:
    sealer = a_guard(BATTERY).sealer
    assert sealer is not None
    looking = Looking(a_guard(BUYER, BATTERY))
    # What was said on a link, and is said again from somewhere else.
    on_a_link = sealer.seal(encode(m.query_response(7, BATTERY, 10.0, 50.0)), BUYER)
    looking.finder.heard(on_a_link, THERE)
    assert looking.finder.counts == {Amiss.FORGED.value: 1}
    assert not looking.found


def test_plain_datagram_is_refused_where_keys_are_known() -> None:
    beacon, looking = a_beacon(guard=a_guard(BATTERY, BUYER)), Looking(a_guard(BUYER, BATTERY))
    assert beacon.answer(encode(m.query(7, BUYER))) is None
    looking.hears(m.register(1, BATTERY))
    assert beacon.counts == looking.finder.counts == {Amiss.UNSIGNED.value: 1}
    assert not looking.found


def test_stranger_is_not_found_and_not_answered() -> None:
    beacon, looking = a_beacon(guard=a_guard(BATTERY, BUYER)), Looking(a_guard(BUYER, BATTERY))
    stranger = Datagrams(a_guard(666), Counter())
    assert beacon.answer(stranger.write(m.query(7, 666))) is None
    looking.finder.heard(stranger.write(m.register(1, 666)), THERE)
    # Whoever has a key speaks for himself alone.
    looking.finder.heard(stranger.write(m.register(1, BATTERY)), THERE)
    assert beacon.counts == {Amiss.FORGED.value: 1}
    assert looking.finder.counts == {Amiss.FORGED.value: 2}
    assert not looking.found


def test_what_was_sealed_and_heard_does_not_count_again_from_elsewhere() -> None:
    battery = Datagrams(a_guard(BATTERY, BUYER), Counter())
    looking = Looking(a_guard(BUYER, BATTERY))
    register = battery.write(m.register(1, BATTERY))
    looking.finder.heard(register, HERE)
    looking.finder.heard(register, THERE)
    assert looking.found == [(BATTERY, HERE)]
    assert looking.finder.counts[Amiss.REPLAYED.value] == 1


def test_old_datagram_does_not_count() -> None:
    clock = Clock()
    battery = Datagrams(a_guard(BATTERY, BUYER), Counter())
    register = battery.write(m.register(1, BATTERY))
    looking = Looking(a_guard(BUYER, BATTERY, clock=clock))
    clock.at += MINUTE
    looking.finder.heard(register, HERE)
    assert looking.finder.counts == {Amiss.STALE.value: 1}


def test_plain_question_has_a_plain_answer_where_both_are_allowed() -> None:
    beacon = a_beacon(guard=a_guard(BATTERY, BUYER, allows_plain=True))
    assert the_answer(beacon, m.query(7, BUYER + 1)) is not None
    # Who has a key is not believed without it.
    assert the_answer(beacon, m.query(8, BUYER)) is None
    assert beacon.counts[Amiss.UNSIGNED.value] == 1


# --- an aggregator ---------------------------------------------------------------------------


def test_battery_that_comes_is_found_where_it_speaks_from() -> None:
    looking = Looking()
    looking.hears(m.register(1, BATTERY))
    assert looking.found == [(BATTERY, HERE)]
    assert looking.finder.seen[BATTERY] == (HERE, None)


def test_battery_that_answers_is_found_with_its_offer() -> None:
    looking, response = Looking(), m.query_response(5, BATTERY, 10.0, 50.0)
    looking.hears(response)
    looking.hears(m.register(6, BATTERY))
    assert looking.found == [(BATTERY, HERE)]
    assert looking.finder.seen[BATTERY] == (HERE, response)


def test_battery_that_moved_is_followed() -> None:
    looking = Looking()
    for source in (HERE, HERE, THERE, THERE, HERE):
        looking.hears(m.register(1, BATTERY), source)
    assert looking.found == [(BATTERY, HERE), (BATTERY, THERE), (BATTERY, HERE)]
    assert looking.finder.counts == {"heard": 5, "found": 1, "moved": 2}


@pytest.mark.parametrize(
    "kind", sorted(set(Kind) - {Kind.REGISTER, Kind.QUERY_RESPONSE}), ids=lambda kind: kind.name
)
def test_nobody_is_found_by_anything_else(kind: Kind) -> None:
    looking = Looking()
    looking.hears(Message(kind, 1, BATTERY))
    assert not looking.found


def test_aggregator_does_not_find_itself() -> None:
    looking = Looking()
    looking.hears(m.register(1, BUYER))
    assert not looking.found


def test_no_more_batteries_are_kept_in_mind_than_may_be() -> None:
    looking = Looking()
    for device in range(1_000, 1_000 + DEVICES_MAX + 5):
        looking.hears(m.register(1, device))
    assert len(looking.found) == len(looking.finder.seen) == DEVICES_MAX
    assert looking.finder.counts["too many devices"] == 5
    looking.hears(m.register(1, 1_000), THERE)
    assert looking.found[-1] == (1_000, THERE)


# --- floods ----------------------------------------------------------------------------------


def test_so_much_is_taken_in_a_second_and_no_more() -> None:
    allowance = Allowance(per_second=10, at_once=20)
    assert sum(allowance.take(NOON) for _ in range(100)) == 20
    assert sum(allowance.take(NOON + SECOND) for _ in range(100)) == 10
    assert sum(allowance.take(NOON + SECOND + at * SECOND // 100) for at in range(100)) == 9
    # What is saved up in silence is bounded, and a clock that goes back gives nothing.
    assert sum(allowance.take(NOON + MINUTE) for _ in range(100)) == 20
    assert not allowance.take(NOON)


def test_burst_is_taken_at_once() -> None:
    allowance = Allowance()
    assert sum(allowance.take(NOON) for _ in range(2 * HEARD_AT_ONCE)) == HEARD_AT_ONCE
