"""Envelopes: what is authentic, fresh, to us and new is read; nothing else is."""

from __future__ import annotations

import hmac
from collections.abc import Callable

import pytest
from nacl.signing import SigningKey

from wattbay.adapters.etp.envelope import (
    BODY,
    EVERYBODY,
    HEAD,
    SIZES,
    STAMP_OFF_MAX_US,
    Head,
    Identity,
    Key,
    Opener,
    Scheme,
    Sealer,
    check_key,
    check_secret,
    head_of,
    inner,
    is_authentic,
    key_of,
)
from wattbay.adapters.etp.messages import Amiss, BadMessage, bid, encode, query
from wattbay.errors import ConfigError, InvariantBroken
from wattbay.periods import HOUR, SECOND, instant

NOON = instant("2026-05-01T12:00Z")
BATTERY, BUYER, STRANGER = 101, 201, 202
SHARED = bytes(range(32))
SEED = bytes(range(100, 132))
IDENTITIES = {
    Scheme.HMAC: Identity(BUYER, Scheme.HMAC, SHARED),
    Scheme.ED25519: Identity(BUYER, Scheme.ED25519, SEED),
}
BID = bid(7, BUYER, 15.5, 10)

both = pytest.mark.parametrize("scheme", Scheme, ids=lambda scheme: scheme.name)


class Clock:
    """A clock that moves when told."""

    def __init__(self, at: int = NOON) -> None:
        self.at = at

    def __call__(self) -> int:
        return self.at


def a_sealer(scheme: Scheme, clock: Callable[[], int] | None = None) -> Sealer:
    return Sealer(IDENTITIES[scheme], clock or Clock())


def an_opener(
    scheme: Scheme, clock: Callable[[], int] | None = None, *, device_id: int = BATTERY
) -> Opener:
    return Opener(device_id, {BUYER: key_of(IDENTITIES[scheme])}, clock or Clock())


def amiss_in(opener: Opener, data: bytes) -> Amiss:
    with pytest.raises(BadMessage) as caught:
        opener.open(data)
    assert 0 < len(str(caught.value)) < 200
    return caught.value.amiss


@both
def test_message_is_taken_out_as_it_was_put_in(scheme: Scheme) -> None:
    data = a_sealer(scheme).seal(encode(BID), BATTERY)
    assert len(data) == SIZES[scheme]
    assert an_opener(scheme).open(data) == (BID, BUYER)
    assert inner(data) == inner(encode(BID)) == encode(BID)


@both
def test_layout_is_as_written_down(scheme: Scheme) -> None:
    data = a_sealer(scheme, Clock(NOON)).seal(encode(BID), BATTERY)
    assert (BODY, HEAD.size, dict(SIZES)) == (118, 34, {1: 150, 2: 182})
    assert (data[0], data[1]) == (1, scheme)
    numbers = [int.from_bytes(data[at : at + 8], "little") for at in (2, 10, 18, 26)]
    assert numbers == [BUYER, BATTERY, NOON, NOON + 1]
    assert data[34:118] == encode(BID)
    assert head_of(data) == Head(scheme, BUYER, BATTERY, NOON, NOON + 1)


def test_tags_are_those_of_the_standards() -> None:
    data = a_sealer(Scheme.HMAC).seal(encode(BID), BATTERY)
    assert data[BODY:] == hmac.new(SHARED, data[:BODY], "sha256").digest()
    data = a_sealer(Scheme.ED25519).seal(encode(BID), BATTERY)
    assert data[BODY:] == SigningKey(SEED).sign(data[:BODY]).signature


@both
def test_every_flipped_byte_is_noticed(scheme: Scheme) -> None:
    data = a_sealer(scheme).seal(encode(BID), BATTERY)
    opener = an_opener(scheme)
    for at in range(len(data)):
        flipped = bytearray(data)
        flipped[at] ^= 0x01
        assert amiss_in(opener, bytes(flipped)) is Amiss.FORGED, at
    assert opener.open(data).message == BID


@both
def test_envelope_is_opened_once(scheme: Scheme) -> None:
    clock = Clock()
    sealer, opener = a_sealer(scheme, clock), an_opener(scheme, clock)
    first = sealer.seal(encode(BID), BATTERY)
    second = sealer.seal(encode(BID), BATTERY)
    opener.open(first)
    assert amiss_in(opener, first) is Amiss.REPLAYED
    opener.open(second)
    assert amiss_in(opener, first) is Amiss.REPLAYED
    assert amiss_in(opener, second) is Amiss.REPLAYED


@both
@pytest.mark.parametrize("sign", [-1, 1], ids=["ago", "ahead"])
def test_stale_envelope_is_refused(scheme: Scheme, sign: int) -> None:
    data = a_sealer(scheme).seal(encode(BID), BATTERY)
    clock = Clock(NOON - HOUR)
    opener = an_opener(scheme, clock)
    clock.at = NOON + sign * (STAMP_OFF_MAX_US + 1)
    assert amiss_in(opener, data) is Amiss.STALE
    clock.at = NOON + sign * STAMP_OFF_MAX_US
    assert opener.open(data).message == BID


@both
def test_what_was_opened_before_a_restart_is_not_opened_again(scheme: Scheme) -> None:
    """Nonces are not written down: the stamp tells what is older than the reader."""
    clock = Clock()
    sealer = a_sealer(scheme, clock)
    data = sealer.seal(encode(BID), BATTERY)
    an_opener(scheme, clock).open(data)
    clock.at += 1
    opener = an_opener(scheme, clock)
    assert amiss_in(opener, data) is Amiss.STALE
    assert opener.open(sealer.seal(encode(BID), BATTERY)).message == BID


@both
def test_envelope_to_somebody_else_is_refused(scheme: Scheme) -> None:
    data = a_sealer(scheme).seal(encode(BID), BATTERY + 1)
    assert amiss_in(an_opener(scheme), data) is Amiss.FORGED


@both
def test_envelope_to_everybody_is_read_by_each(scheme: Scheme) -> None:
    data = a_sealer(scheme).seal(encode(query(1, BUYER)), EVERYBODY)
    for device_id in (BATTERY, BATTERY + 1):
        opener = an_opener(scheme, device_id=device_id)
        assert opener.open(data, is_group=True).sender == BUYER


@both
def test_envelope_to_everybody_opens_no_link(scheme: Scheme) -> None:
    data = a_sealer(scheme).seal(encode(query(1, BUYER)), EVERYBODY)
    assert amiss_in(an_opener(scheme), data) is Amiss.FORGED


@both
def test_nobody_speaks_for_another(scheme: Scheme) -> None:
    data = a_sealer(scheme).seal(encode(BID._replace(device_id=STRANGER)), BATTERY)
    assert amiss_in(an_opener(scheme), data) is Amiss.FORGED


@both
def test_sender_without_a_key_is_refused(scheme: Scheme) -> None:
    identity = IDENTITIES[scheme]._replace(device_id=STRANGER)
    data = Sealer(identity, Clock()).seal(encode(BID._replace(device_id=STRANGER)), BATTERY)
    assert amiss_in(an_opener(scheme), data) is Amiss.FORGED


@both
def test_key_of_somebody_else_is_refused(scheme: Scheme) -> None:
    identity = IDENTITIES[scheme]._replace(secret=bytes(32))
    data = Sealer(identity, Clock()).seal(encode(BID), BATTERY)
    assert amiss_in(an_opener(scheme), data) is Amiss.FORGED


@both
def test_scheme_is_that_of_the_key_not_of_the_envelope(scheme: Scheme) -> None:
    """A public key is public: as a shared secret it would let anybody sign."""
    other = Scheme.ED25519 if scheme is Scheme.HMAC else Scheme.HMAC
    data = a_sealer(other).seal(encode(BID), BATTERY)
    assert amiss_in(an_opener(scheme), data) is Amiss.FORGED
    public = key_of(IDENTITIES[Scheme.ED25519]).key
    forged = Sealer(Identity(BUYER, Scheme.HMAC, public), Clock()).seal(encode(BID), BATTERY)
    assert amiss_in(an_opener(Scheme.ED25519), forged) is Amiss.FORGED


@both
def test_plain_message_is_no_envelope(scheme: Scheme) -> None:
    assert amiss_in(an_opener(scheme), encode(BID)) is Amiss.SIZE
    data = a_sealer(scheme).seal(encode(BID), BATTERY)
    for wrong in (b"", data[:-1], data + b"\0", bytes(SIZES[scheme])):
        with pytest.raises(BadMessage):
            an_opener(scheme).open(wrong)


@both
def test_authentic_nonsense_is_no_message_and_can_be_mended(scheme: Scheme) -> None:
    clock = Clock()
    sealer, opener = a_sealer(scheme, clock), an_opener(scheme, clock)
    wrong = sealer.seal(encode(BID._replace(ttl=0)), BATTERY)
    assert amiss_in(opener, wrong) is Amiss.TTL
    assert opener.open(sealer.seal(encode(BID), BATTERY)).message == BID


@both
def test_nonce_rises_from_message_to_message(scheme: Scheme) -> None:
    sealer = a_sealer(scheme)
    nonces = [head_of(sealer.seal(encode(BID), BATTERY)).nonce for _ in range(100)]
    assert nonces == sorted(set(nonces))


@both
def test_nonce_rises_over_a_restart(scheme: Scheme) -> None:
    clock = Clock()
    opener = an_opener(scheme, clock)
    for _ in range(3):
        sealer = a_sealer(scheme, clock)
        for _ in range(20):
            opener.open(sealer.seal(encode(BID), BATTERY))
        clock.at += SECOND


@both
def test_nonce_rises_while_the_clock_is_set_back(scheme: Scheme) -> None:
    clock = Clock()
    sealer, opener = a_sealer(scheme, clock), an_opener(scheme, clock)
    clock.at += HOUR
    opener.open(sealer.seal(encode(BID), BATTERY))
    clock.at -= HOUR
    opener.open(sealer.seal(encode(BID), BATTERY))


@both
def test_restart_with_a_clock_set_back_is_refused_until_it_has_caught_up(scheme: Scheme) -> None:
    """The nonce is not written down: what cannot be told from a replay is refused."""
    clock = Clock()
    opener = an_opener(scheme, clock)
    clock.at += 20 * SECOND
    opener.open(a_sealer(scheme, clock).seal(encode(BID), BATTERY))
    clock.at -= 10 * SECOND
    assert amiss_in(opener, a_sealer(scheme, clock).seal(encode(BID), BATTERY)) is Amiss.REPLAYED
    clock.at += 11 * SECOND
    opener.open(a_sealer(scheme, clock).seal(encode(BID), BATTERY))


def test_key_that_comes_later_is_known() -> None:
    keys: dict[int, Key] = {}
    opener = Opener(BATTERY, keys, Clock())
    data = a_sealer(Scheme.HMAC).seal(encode(BID), BATTERY)
    assert amiss_in(opener, data) is Amiss.FORGED
    keys[BUYER] = key_of(IDENTITIES[Scheme.HMAC])
    assert opener.open(data).sender == BUYER


def test_senders_count_each_for_themselves() -> None:
    clock = Clock()
    other = Identity(STRANGER, Scheme.HMAC, bytes(16))
    keys = {BUYER: key_of(IDENTITIES[Scheme.HMAC]), STRANGER: key_of(other)}
    opener = Opener(BATTERY, keys, clock)
    late = a_sealer(Scheme.HMAC, clock).seal(encode(BID), BATTERY)
    clock.at += SECOND
    opener.open(Sealer(other, clock).seal(encode(query(1, STRANGER)), BATTERY))
    assert opener.open(late).sender == BUYER


@both
def test_tag_can_be_checked_long_after(scheme: Scheme) -> None:
    data = a_sealer(scheme, Clock(NOON - 1_000 * HOUR)).seal(encode(BID), BATTERY)
    assert is_authentic(data, key_of(IDENTITIES[scheme]))
    assert not is_authentic(data[:-1] + b"\0\0", key_of(IDENTITIES[scheme]))
    assert not is_authentic(data[:-1], key_of(IDENTITIES[scheme]))


@pytest.mark.parametrize("size", [0, 8, 31, 33])
def test_key_of_another_size_checks_nothing(size: int) -> None:
    data = a_sealer(Scheme.ED25519).seal(encode(BID), BATTERY)
    public = key_of(IDENTITIES[Scheme.ED25519]).key
    key = Key(Scheme.ED25519, public.ljust(size, b"\0")[:size])
    assert not is_authentic(data, key)
    assert amiss_in(Opener(BATTERY, {BUYER: key}, Clock()), data) is Amiss.FORGED
    with pytest.raises(ConfigError, match="32 bytes"):
        check_key("peer", key)


def test_empty_secret_lets_nobody_in() -> None:
    body = a_sealer(Scheme.HMAC).seal(encode(BID), BATTERY)[:BODY]
    data = body + hmac.digest(b"", body, "sha256")
    key = Key(Scheme.HMAC, b"")
    assert not is_authentic(data, key)
    with pytest.raises(ConfigError, match="at least 16"):
        check_key("peer", key)


@both
def test_whole_keys_are_right(scheme: Scheme) -> None:
    check_key("peer", key_of(IDENTITIES[scheme]))
    check_secret("own", scheme, IDENTITIES[scheme].secret)


@pytest.mark.parametrize(
    ("scheme", "size"), [(Scheme.HMAC, 15), (Scheme.ED25519, 31), (Scheme.ED25519, 33)]
)
def test_secret_of_a_wrong_size_is_a_fault_of_set_up(scheme: Scheme, size: int) -> None:
    with pytest.raises(ConfigError, match="secret of device 201"):
        Sealer(Identity(BUYER, scheme, bytes(size)), Clock())


def test_what_is_no_message_is_not_sealed() -> None:
    with pytest.raises(InvariantBroken):
        a_sealer(Scheme.HMAC).seal(b"", BATTERY)


@pytest.mark.parametrize("version", [0, 2, 255])
def test_other_version_is_refused(version: int) -> None:
    data = a_sealer(Scheme.HMAC).seal(encode(BID), BATTERY)
    with pytest.raises(BadMessage, match=f"version {version}"):
        head_of(bytes([version]) + data[1:])


@pytest.mark.parametrize("scheme", [0, 2, 3, 255])
def test_other_scheme_for_that_size_is_refused(scheme: int) -> None:
    data = a_sealer(Scheme.HMAC).seal(encode(BID), BATTERY)
    with pytest.raises(BadMessage, match=f"scheme {scheme}"):
        head_of(data[:1] + bytes([scheme]) + data[2:])
