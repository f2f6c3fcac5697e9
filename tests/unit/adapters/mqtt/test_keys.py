"""Keys of devices: in files, of two curves."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from wattbay.adapters.mqtt.keys import (
    Algorithm,
    Ed25519Signer,
    P256Signer,
    algorithm_of,
    is_signed,
    read_key,
    read_public_key,
    write_key,
)
from wattbay.errors import AdapterError, WireError


@pytest.mark.parametrize("algorithm", Algorithm)
def test_key_that_is_written_signs_the_same_when_read(tmp_path: Path, algorithm: Algorithm) -> None:
    path = tmp_path / "key.pem"
    made, again = write_key(path, algorithm), read_key(path)
    assert made.public_key == again.public_key
    assert made.sign(b"a reading") == again.sign(b"a reading")
    assert made.algorithm is again.algorithm is algorithm is algorithm_of(made.public_key)
    assert is_signed(b"a reading", again.sign(b"a reading"), made.public_key)
    assert not is_signed(b"a readinG", again.sign(b"a reading"), made.public_key)
    assert path.stat().st_mode & 0o777 == 0o600


def test_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    write_key(path, Algorithm.ED25519)
    before = path.read_bytes()
    with pytest.raises(AdapterError, match="is there already"):
        write_key(path, Algorithm.P256)
    assert path.read_bytes() == before


def test_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    write_key(path, Algorithm.ED25519)
    path.chmod(0o640)
    with pytest.raises(AdapterError, match="can be read by others; chmod 600"):
        read_key(path)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "no unencrypted private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no unencrypted"),
        (
            rsa.generate_private_key(65_537, 2_048).private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            ),
            "another kind of key",
        ),
        (
            ec.generate_private_key(ec.SECP384R1()).private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            ),
            "another kind of key",
        ),
    ],
    ids=["empty", "torn", "RSA", "P-384"],
)
def test_file_without_a_key_of_ours_is_refused(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "key.pem"
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(AdapterError, match=what):
        read_key(path)


def test_missing_key_is_told(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="No such file"):
        read_key(tmp_path / "key.pem")


@pytest.mark.parametrize("algorithm", ["ed25519", "EC"])
def test_key_of_openssl_is_read(tmp_path: Path, algorithm: str) -> None:
    path = tmp_path / "key.pem"
    options = ["-pkeyopt", "ec_paramgen_curve:P-256"] if algorithm == "EC" else []
    command = ["openssl", "genpkey", "-algorithm", algorithm, "-out", str(path), *options]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    path.chmod(0o600)
    signer = read_key(path)
    assert is_signed(b"a reading", signer.sign(b"a reading"), signer.public_key)


P256 = P256Signer(ec.derive_private_key(7, ec.SECP256R1()))
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(64), b"\xff" * 64, bytes(65)])
@pytest.mark.parametrize("signer", [P256, Ed25519Signer(bytes(32))], ids=["P-256", "Ed25519"])
def test_what_is_no_signature_is_refused(
    signer: P256Signer | Ed25519Signer, signature: bytes
) -> None:
    assert not is_signed(b"a reading", signature, signer.public_key)


def test_of_two_signatures_of_p256_one_is_taken() -> None:
    signature = P256.sign(b"a reading")
    other = ORDER - int.from_bytes(signature[32:], "big")
    assert is_signed(b"a reading", signature, P256.public_key)
    assert not is_signed(b"a reading", signature[:32] + other.to_bytes(32, "big"), P256.public_key)


def test_public_key_off_the_curve_verifies_nothing() -> None:
    assert not is_signed(b"a reading", P256.sign(b"a reading"), b"\x02" + b"\xff" * 32)


def test_public_key_is_read_from_hex() -> None:
    assert read_public_key(P256.public_key.hex() + "\n") == P256.public_key
    assert read_public_key("00" * 32) == bytes(32)


@pytest.mark.parametrize("text", ["", "zz", "00" * 31, "02" + "ff" * 32])
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(WireError, match="a public key has 64 hex digits"):
        read_public_key(text)
