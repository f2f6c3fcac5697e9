"""The bytes of the Energy Trading Protocol, as another implementation makes and reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wattbay.adapters.etp.envelope import (
    Identity,
    Key,
    Opener,
    Scheme,
    Sealer,
    head_of,
    is_authentic,
    key_of,
)
from wattbay.adapters.etp.frames import Frames, framed
from wattbay.adapters.etp.messages import (
    Amiss,
    BadMessage,
    Message,
    decode,
    encode,
    from_text,
    to_text,
)

FOLDER = Path(__file__).parent / "etp"
MESSAGES, STREAMS, ENVELOPES = (
    json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    for name in ("messages", "frames", "envelopes")
)
KEYS = {
    one["device_id"]: Key(Scheme(one["scheme"]), bytes.fromhex(one["key"]))
    for one in ENVELOPES["keys"]
}
SECRETS = {one["device_id"]: bytes.fromhex(one["secret"]) for one in ENVELOPES["keys"]}

Vector = dict[str, Any]


def of(file: Vector, field: str) -> list[object]:
    """Return the vectors that have a field, by name."""
    return [pytest.param(one, id=one["name"]) for one in file["vectors"] if field in one]


@pytest.mark.parametrize("vector", of(MESSAGES, "message"))
def test_message_is_read_as_its_vector_says(vector: Vector) -> None:
    assert decode(bytes.fromhex(vector["bytes"])) == Message(**vector["message"])
    assert from_text(vector["text"].encode()) == Message(**vector["message"])


@pytest.mark.parametrize("vector", of(MESSAGES, "message"))
def test_message_is_written_as_its_vector_says(vector: Vector) -> None:
    message = Message(**vector["message"])
    assert encode(message).hex() == vector["bytes"]
    assert to_text(message).decode() == vector["text"]


@pytest.mark.parametrize("vector", of(MESSAGES, "refused"))
def test_what_is_no_message_is_refused_as_its_vector_says(vector: Vector) -> None:
    is_text = "text" in vector
    given = vector["text"].encode() if is_text else bytes.fromhex(vector["bytes"])
    read = from_text if is_text else decode
    with pytest.raises(BadMessage) as caught:
        read(given)
    assert caught.value.amiss == vector["refused"]


@pytest.mark.parametrize("vector", STREAMS["vectors"], ids=lambda vector: vector["name"])
def test_stream_is_cut_as_its_vector_says(vector: Vector) -> None:
    frames, found, refused = Frames(), list[str](), None
    try:
        for piece in vector["pieces"]:
            for payload in frames.feed(bytes.fromhex(piece)):
                found.append(payload.hex())
    except BadMessage as error:
        refused = error.amiss
    assert found == vector["payloads"]
    assert refused == vector.get("refused")
    if refused is None:
        assert frames.is_amid is vector["is_amid"]
        stream = "".join(vector["pieces"])
        assert stream.startswith("".join(framed(bytes.fromhex(one)).hex() for one in found))


def an_opener() -> Opener:
    clock = [int(ENVELOPES["begun"])]
    opener = Opener(ENVELOPES["device_id"], KEYS, lambda: clock[-1])
    clock.append(int(ENVELOPES["clock"]))
    return opener


@pytest.mark.parametrize("vector", of(ENVELOPES, "message"))
def test_envelope_is_opened_as_its_vector_says(vector: Vector) -> None:
    data, said = bytes.fromhex(vector["bytes"]), vector["envelope"]
    assert head_of(data)._asdict() == said
    found = an_opener().open(data, is_group=said["recipient"] == 0)
    assert found == (Message(**vector["message"]), said["sender"])
    assert is_authentic(data, KEYS[said["sender"]])


@pytest.mark.parametrize("vector", of(ENVELOPES, "message"))
def test_envelope_is_sealed_as_its_vector_says(vector: Vector) -> None:
    said = vector["envelope"]
    identity = Identity(said["sender"], Scheme(said["scheme"]), SECRETS[said["sender"]])
    assert key_of(identity) == KEYS[said["sender"]]
    # The first look at the clock is where the nonces begin, the second is the stamp.
    looks = iter((said["nonce"] - 1, said["stamp"]))
    sealer = Sealer(identity, lambda: next(looks))
    sealed = sealer.seal(encode(Message(**vector["message"])), said["recipient"])
    assert sealed.hex() == vector["bytes"]


@pytest.mark.parametrize("vector", of(ENVELOPES, "refused"))
def test_envelope_is_refused_as_its_vector_says(vector: Vector) -> None:
    opener = an_opener()
    for earlier in vector.get("after", ()):
        opener.open(bytes.fromhex(earlier))
    with pytest.raises(BadMessage) as caught:
        opener.open(bytes.fromhex(vector["bytes"]))
    assert caught.value.amiss == vector["refused"]


def test_every_kind_of_fault_has_its_vector() -> None:
    files = (MESSAGES, STREAMS, ENVELOPES)
    told = {one["refused"] for file in files for one in file["vectors"] if "refused" in one}
    # That a plain message is refused on a link of envelopes is the link's business.
    assert told == set(Amiss) - {Amiss.UNSIGNED}
