"""Signed readings at the wire."""

import pytest
from msgspec.structs import replace
from nacl.bindings import crypto_sign_seed_keypair

from wattbay.adapters.mqtt.keys import Ed25519Signer
from wattbay.adapters.mqtt.readings import (
    MEASURED_AT_MIN,
    check,
    decode,
    encode,
    kind,
    read,
    sign,
    topic,
)
from wattbay.core.facts import FormerKey
from wattbay.errors import WireError
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.evidence import Reading
from wattbay.periods import MINUTE, Instant, instant
from wattbay.units import SAFE_INTEGER_MAX

LONDON = CommunityId("london")
PUBLIC, SIGNING = crypto_sign_seed_keypair(bytes(32))
NOON = instant("2013-06-10T12:00Z")


def a_payload(
    *, meter: str = "m07", boot: int = 1, seq: int = 337, at: int = NOON, register: int = 48_213
) -> bytes:
    return encode(
        community=LONDON,
        meter=MeterId(meter),
        boot=boot,
        seq=seq,
        measured_at=Instant(at),
        import_register=register,
        export_register=9_120,
        signing_key=SIGNING,
    )


def test_topic_names_community_and_meter() -> None:
    assert topic(LONDON, MeterId("m07")) == "em/v1/london/m07/data"


def test_reading_of_an_unknown_meter_is_refused() -> None:
    with pytest.raises(WireError, match=r"^unknown meter: no key is known of m07$"):
        decode(a_payload(), "em/v1/london/m07/data", lambda _: None)


def test_key_is_asked_for_the_meter_of_the_topic() -> None:
    asked: list[str] = []

    def key_of(meter: MeterId) -> bytes:
        asked.append(meter)
        return PUBLIC

    decode(a_payload(), "em/v1/london/m07/data", key_of)
    assert asked == ["m07"]


@pytest.mark.parametrize(
    "payload",
    [
        {"boot": -1},
        {"seq": SAFE_INTEGER_MAX + 1},
        {"register": -1},
        {"at": MEASURED_AT_MIN - 1},
        {"at": SAFE_INTEGER_MAX + 1},
    ],
    ids=lambda named: next(iter(named)),
)
def test_number_that_does_not_fit_is_not_written(payload: dict[str, int]) -> None:
    with pytest.raises(WireError) as caught:
        a_payload(
            at=payload.get("at", NOON),
            boot=payload.get("boot", 1),
            seq=payload.get("seq", 1),
            register=payload.get("register", 1),
        )
    assert kind(caught.value) == "out of range"


def test_command_that_says_otherwise_than_its_proof_is_found() -> None:
    command = decode(a_payload(), topic(LONDON, MeterId("m07")), lambda _: PUBLIC)
    check(command, LONDON, PUBLIC)
    with pytest.raises(WireError, match=r"^altered command: "):
        check(replace(command, import_register=48_214), LONDON, PUBLIC)


def test_proof_of_another_community_or_key_is_found() -> None:
    command = decode(a_payload(), topic(LONDON, MeterId("m07")), lambda _: PUBLIC)
    other, _ = crypto_sign_seed_keypair(bytes(31) + b"\1")
    with pytest.raises(WireError, match=r"^bad signature: "):
        check(command, CommunityId("paris"), PUBLIC)
    with pytest.raises(WireError, match=r"^bad signature: "):
        check(command, LONDON, other)


def test_former_key_counts_for_what_was_measured_before_the_rotation_and_no_more() -> None:
    old, new = Ed25519Signer(bytes(32)), Ed25519Signer(bytes(31) + b"\1")
    before = Reading(LONDON, MeterId("m07"), 1, 1, NOON, 7, 0, 0, None, None, b"")
    after = before._replace(seq=2, measured_at=Instant(NOON + MINUTE))
    rotated = FormerKey(key=old.public_key, until=after.measured_at)
    where = topic(before.community, before.device)

    def taken(payload: bytes) -> Reading:
        return read(payload, where, lambda _: new.public_key, lambda _: rotated)

    assert taken(sign(before, old)).seq == 1
    assert taken(sign(after, new)).seq == 2
    with pytest.raises(WireError, match="bad signature"):
        taken(sign(after, old))
