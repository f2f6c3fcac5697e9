"""Laws of signed readings: what is written is read, and nothing else is."""

from base64 import urlsafe_b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_sign_seed_keypair

from wattbay.adapters.mqtt import cose, jws
from wattbay.adapters.mqtt.keys import Ed25519Signer, P256Signer, Signer
from wattbay.adapters.mqtt.readings import (
    MEASURED_AT_MIN,
    Form,
    check,
    decode,
    encode,
    read,
    sign,
    topic,
)
from wattbay.core.commands import SubmitReading
from wattbay.errors import WireError
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.evidence import Reading
from wattbay.periods import SECOND, Instant
from wattbay.units import SAFE_INTEGER_MAX

A_READING = Reading(
    CommunityId("london"), MeterId("m07"), 1, 1, Instant(1_370_865_600_000_000), 48_213, 9_120, 0,
    None, None, b"",
)  # fmt: skip
PUBLIC, SIGNING = crypto_sign_seed_keypair(bytes(32))

numbers = st.integers(0, SAFE_INTEGER_MAX) | st.integers(0, 70_000)
whole_seconds = st.integers(MEASURED_AT_MIN // SECOND, SAFE_INTEGER_MAX // SECOND)
moments = st.integers(MEASURED_AT_MIN, SAFE_INTEGER_MAX).map(Instant) | whole_seconds.map(
    lambda seconds: Instant(seconds * SECOND)
)
names = st.text("abcXYZ019_-", min_size=1, max_size=64)
readings = st.builds(
    SubmitReading,
    meter=names.map(MeterId),
    boot=numbers,
    seq=numbers,
    measured_at=moments,
    import_register=numbers,
    export_register=numbers,
    proof=st.just(b""),
)


def published(reading: SubmitReading, community: CommunityId) -> bytes:
    return encode(
        community=community,
        meter=reading.meter,
        boot=reading.boot,
        seq=reading.seq,
        measured_at=reading.measured_at,
        import_register=reading.import_register,
        export_register=reading.export_register,
        signing_key=SIGNING,
    )


@given(readings, names.map(CommunityId))
def test_what_is_written_is_read(reading: SubmitReading, community: CommunityId) -> None:
    payload = published(reading, community)
    command = decode(payload, topic(community, reading.meter), lambda _: PUBLIC)
    assert (command.meter, command.boot, command.seq) == (reading.meter, reading.boot, reading.seq)
    assert command.measured_at == reading.measured_at
    assert command.import_register == reading.import_register
    assert command.export_register == reading.export_register
    assert command.proof == payload
    check(command, community, PUBLIC)


@given(readings, st.data())
def test_any_flipped_bit_is_refused(reading: SubmitReading, data: st.DataObject) -> None:
    community = CommunityId("london")
    payload = bytearray(published(reading, community))
    bit = data.draw(st.integers(0, 8 * len(payload) - 1))
    payload[bit // 8] ^= 1 << bit % 8
    with pytest.raises(WireError):
        decode(bytes(payload), topic(community, reading.meter), lambda _: PUBLIC)


def test_every_flipped_bit_of_one_reading_is_refused() -> None:
    reading = SubmitReading(
        meter=MeterId("m07"),
        boot=1,
        seq=337,
        measured_at=Instant(1_370_865_600_000_000),
        import_register=48_213,
        export_register=9_120,
        proof=b"",
    )
    community = CommunityId("london")
    payload = published(reading, community)
    for bit in range(8 * len(payload)):
        flipped = bytearray(payload)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(WireError):
            decode(bytes(flipped), topic(community, reading.meter), lambda _: PUBLIC)


@given(st.binary(max_size=600), st.text(max_size=80))
def test_noise_is_refused_in_words(payload: bytes, received_topic: str) -> None:
    with pytest.raises(WireError):
        decode(payload, received_topic, lambda _: PUBLIC)
    with pytest.raises(WireError):
        decode(payload, "em/v1/london/m07/data", lambda _: PUBLIC)


signers: st.SearchStrategy[Signer] = st.sampled_from(
    (Ed25519Signer(bytes(32)), P256Signer(ec.derive_private_key(7, ec.SECP256R1())))
)
signed_numbers = st.integers(-SAFE_INTEGER_MAX, SAFE_INTEGER_MAX) | st.integers(-30, 300)
whole_readings = st.builds(
    Reading,
    community=names.map(CommunityId),
    device=names.filter(lambda name: name != "market").map(MeterId),
    boot=numbers,
    seq=numbers,
    measured_at=moments,
    import_register=numbers,
    export_register=numbers,
    flags=st.integers(0, 255),
    power_w=st.none() | signed_numbers,
    voltage_mv=st.none() | numbers,
    proof=st.just(b""),
)


@given(whole_readings, signers, st.sampled_from(Form))
def test_every_form_is_read_as_it_was_written(reading: Reading, signer: Signer, form: Form) -> None:
    payload = sign(reading, signer, form)
    where = topic(reading.community, reading.device)
    found = read(payload, where, lambda _: signer.public_key)
    assert found == reading._replace(proof=payload)


@given(whole_readings, signers, st.sampled_from(Form), st.data())
def test_any_flipped_bit_of_any_form_is_refused(
    reading: Reading, signer: Signer, form: Form, data: st.DataObject
) -> None:
    payload = bytearray(sign(reading, signer, form))
    bit = data.draw(st.integers(0, 8 * len(payload) - 1))
    payload[bit // 8] ^= 1 << bit % 8
    where = topic(reading.community, reading.device)
    with pytest.raises(WireError):
        read(bytes(payload), where, lambda _: signer.public_key)


@given(st.binary(max_size=400), signers, st.sampled_from((b"e", b"ey", b"e.", b"\xd2\x84")))
def test_noise_in_any_form_is_refused_in_words(
    payload: bytes, signer: Signer, start: bytes
) -> None:
    with pytest.raises(WireError):
        read(start + payload, "em/v1/london/m07/data", lambda _: signer.public_key)


@given(st.text(max_size=300), st.sampled_from(Form))
def test_authentic_noise_is_refused_in_words(text: str, form: Form) -> None:
    """Who has a key may sign anything: it becomes no reading all the same."""
    signer = Ed25519Signer(bytes(32))
    where = "em/v1/london/m07/data"
    if form is Form.JWS:
        whole = sign(A_READING, signer, form)
        body = urlsafe_b64encode(text.encode()).rstrip(b"=")
        signed = whole.partition(b".")[0] + b"." + body
        payload = jws.message(signed, signer.sign(signed))
    else:
        body = text.encode().ljust(24, b"\x00")[:255]
        whole = b"\x58" + bytes((len(body),)) + body
        signature = signer.sign(cose.to_sign(where, whole, 32))
        payload = cose.message(MeterId("m07"), whole, signature, 32)
    with pytest.raises(WireError):
        read(payload, where, lambda _: signer.public_key)
