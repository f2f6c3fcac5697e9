"""The bytes of readings, as any other implementation would make and read them."""

import json
from pathlib import Path
from typing import TypedDict

import cbor2
import pytest
from nacl.bindings import crypto_sign_seed_keypair

from wattbay.adapters.mqtt.readings import check, decode, encode, kind
from wattbay.core.commands import SubmitReading
from wattbay.errors import WireError
from wattbay.ids import CommunityId, MeterId
from wattbay.periods import Instant


class Good(TypedDict):
    name: str
    topic: str
    seed: str
    public_key: str
    bytes: str
    reading: dict[str, int | str]


class Bad(TypedDict):
    name: str
    topic: str
    public_key: str
    bytes: str
    refused: str


VECTORS = json.loads((Path(__file__).parent / "readings" / "readings.json").read_text())["vectors"]
GOOD: list[Good] = [vector for vector in VECTORS if "reading" in vector]
BAD: list[Bad] = [vector for vector in VECTORS if "refused" in vector]


def told(vector: Good) -> SubmitReading:
    reading = vector["reading"]
    return SubmitReading(
        meter=MeterId(str(reading["meter"])),
        boot=int(reading["boot"]),
        seq=int(reading["seq"]),
        measured_at=Instant(int(reading["measured_at"])),
        import_register=int(reading["import_register"]),
        export_register=int(reading["export_register"]),
        proof=bytes.fromhex(vector["bytes"]),
    )


@pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector["name"])
def test_reading_is_read_as_its_vector_says(vector: Good) -> None:
    key = bytes.fromhex(vector["public_key"])
    command = decode(bytes.fromhex(vector["bytes"]), vector["topic"], lambda _: key)
    assert command == told(vector)
    check(command, CommunityId("london"), key)


@pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector["name"])
def test_reading_is_written_as_its_vector_says(vector: Good) -> None:
    command = told(vector)
    _, signing_key = crypto_sign_seed_keypair(bytes.fromhex(vector["seed"]))
    payload = encode(
        community=CommunityId("london"),
        meter=command.meter,
        boot=command.boot,
        seq=command.seq,
        measured_at=command.measured_at,
        import_register=command.import_register,
        export_register=command.export_register,
        signing_key=signing_key,
    )
    assert payload.hex() == vector["bytes"]


@pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector["name"])
def test_reading_is_cose_and_senml_to_another_reader(vector: Good) -> None:
    message = cbor2.loads(bytes.fromhex(vector["bytes"]))
    protected, unprotected, body, signature = message.value
    assert message.tag == 18
    assert cbor2.loads(protected) == {1: -8}
    assert dict(unprotected) == {4: str(vector["reading"]["meter"]).encode()}
    assert len(signature) == 64
    records = cbor2.loads(body)
    assert [record[0] for record in records] == ["1-0:1.8.0", "1-0:2.8.0", "boot", "seq"]
    assert records[0][-2] == f"{vector['reading']['meter']}/"
    assert int(records[0][-3] * 1_000_000) == vector["reading"]["measured_at"]
    values = [record[2] for record in records]
    names = ("import_register", "export_register", "boot", "seq")
    assert values == [vector["reading"][name] for name in names]


@pytest.mark.parametrize("vector", BAD, ids=lambda vector: vector["name"])
def test_anything_else_is_refused_in_words(vector: Bad) -> None:
    key = bytes.fromhex(vector["public_key"])
    with pytest.raises(WireError) as caught:
        decode(bytes.fromhex(vector["bytes"]), vector["topic"], lambda _: key)
    assert kind(caught.value) == vector["refused"]
