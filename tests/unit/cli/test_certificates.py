"""Certificates by command: an authority, whom it vouches for, and whom no more."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from wattbay.cli.certificates_work import issue_certificate, make_authority, revoke_certificates
from wattbay.errors import ConfigError


@pytest.fixture
def pki(tmp_path: Path) -> Path:
    folder = tmp_path / "pki"
    make_authority(folder, "Elm Street")
    return folder


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_clients_and_servers_get_certificates_of_the_authority(pki: Path) -> None:
    issue_certificate(pki, "m07", [])
    issue_certificate(pki, "server", ["broker.example", "127.0.0.1"])
    authority = read(pki / "authority.pem")
    for name, use in (
        ("m07", ExtendedKeyUsageOID.CLIENT_AUTH), ("server", ExtendedKeyUsageOID.SERVER_AUTH)
    ):  # fmt: skip
        certificate = read(pki / f"{name}.pem")
        certificate.verify_directly_issued_by(authority)
        found = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert list(found) == [use]
        assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
        assert stat.S_IMODE((pki / f"{name}.key").stat().st_mode) == 0o600


def test_revoked_certificates_stay_on_the_list_and_a_name_may_be_issued_again(pki: Path) -> None:
    revoked = []
    for _ in range(2):
        issue_certificate(pki, "m07", [])
        revoked.append(read(pki / "m07.pem").serial_number)
        revoke_certificates(pki, ["m07"])
        assert not (pki / "m07.key").exists()
    revoke_certificates(pki, [])
    listed = x509.load_pem_x509_crl((pki / "revoked.pem").read_bytes())
    assert sorted(one.serial_number for one in listed) == sorted(revoked)


def test_nothing_is_overwritten_and_what_is_missing_is_told(pki: Path, tmp_path: Path) -> None:
    issue_certificate(pki, "m07", [])
    with pytest.raises(ConfigError, match="is not overwritten"):
        issue_certificate(pki, "m07", [])
    with pytest.raises(ConfigError, match="is not overwritten"):
        make_authority(pki, "another")
    with pytest.raises(ConfigError, match="there is no such certificate"):
        revoke_certificates(pki, ["m08"])
    with pytest.raises(ConfigError, match="is no authority"):
        issue_certificate(tmp_path, "m07", [])
