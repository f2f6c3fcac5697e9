"""The other forms of a reading, as any other implementation would make and read them."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from wattbay.adapters.mqtt.keys import Ed25519Signer, P256Signer, Signer
from wattbay.adapters.mqtt.readings import Form, check, kind, read, sign, to_command
from wattbay.errors import WireError
from wattbay.ids import CommunityId, MeterId
from wattbay.kernel.evidence import Reading
from wattbay.periods import Instant

FILE = json.loads((Path(__file__).parent / "readings" / "forms.json").read_text())
SEED = bytes.fromhex(FILE["private_key"])
GOOD = [vector for vector in FILE["vectors"] if "reading" in vector]
BAD = [vector for vector in FILE["vectors"] if "refused" in vector]
SIGNERS: dict[str, Signer] = {
    "ed25519": Ed25519Signer(SEED),
    "p256": P256Signer(ec.derive_private_key(int.from_bytes(SEED, "big"), ec.SECP256R1())),
}


def told(vector: dict[str, Any]) -> Reading:
    said = vector["reading"]
    return Reading(
        CommunityId("london"), MeterId(said["meter"]), said["boot"], said["seq"],
        Instant(said["measured_at"]), said["import_register"], said["export_register"],
        said["flags"], said["power_w"], said["voltage_mv"], bytes.fromhex(vector["bytes"]),
    )  # fmt: skip


@pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector["name"])
def test_reading_is_read_as_its_vector_says(vector: dict[str, Any]) -> None:
    key = bytes.fromhex(vector["public_key"])
    found = read(bytes.fromhex(vector["bytes"]), vector["topic"], lambda _: key)
    assert found == told(vector)
    check(to_command(found), CommunityId("london"), key)


@pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector["name"])
def test_reading_is_written_as_its_vector_says(vector: dict[str, Any]) -> None:
    signer = SIGNERS[vector["algorithm"]]
    assert signer.public_key.hex() == vector["public_key"]
    assert sign(told(vector), signer, Form(vector["form"])).hex() == vector["bytes"]


@pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector["name"])
def test_body_is_senml_to_another_reader(vector: dict[str, Any]) -> None:
    payload = bytes.fromhex(vector["bytes"])
    if vector["form"] == "cose":
        records = cbor2.loads(cbor2.loads(payload).value[2])
        found = {record[0]: record[2] for record in records}
    else:
        part = payload.split(b".")[1]
        records = json.loads(urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
        found = {record["n"]: record["v"] for record in records}
    said = vector["reading"]
    assert found["1-0:1.8.0"] == said["import_register"]
    assert found.get("flags", 0) == said["flags"]
    assert found.get("1-0:16.7.0") == (None if said["power_w"] is None else -said["power_w"])
    assert found.get("1-0:32.7.0") == said["voltage_mv"]


@pytest.mark.parametrize("vector", BAD, ids=lambda vector: vector["name"])
def test_anything_else_is_refused_in_words(vector: dict[str, Any]) -> None:
    key = bytes.fromhex(vector["public_key"])
    with pytest.raises(WireError) as caught:
        read(bytes.fromhex(vector["bytes"]), vector["topic"], lambda _: key)
    assert kind(caught.value) == vector["refused"]
