"""The file of a node's keys: what is in it, all that may be wrong with it, and who may read it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from wattbay.adapters.etp.envelope import Identity, Key, Scheme, key_of
from wattbay.adapters.etp.key_file import (
    DEVICE_MAX,
    FILE_BYTES_MAX,
    draw_keys,
    peer_text,
    read_keys,
)
from wattbay.adapters.etp.messages import Amiss, BadMessage, encode, query
from wattbay.errors import ConfigError
from wattbay.kernel.clock import SimulatedClock
from wattbay.periods import instant

NOON = instant("2026-05-01T12:00Z")
SEED, SHARED = bytes(range(32)), bytes(range(100, 120))
PUBLIC = key_of(Identity(201, Scheme.ED25519, bytes(32)))
ME = f'[me]\ndevice = 101\nscheme = "ed25519"\nsecret = "{SEED.hex()}"\n'
PEER = f'[[peers]]\ndevice = 201\nscheme = "ed25519"\nkey = "{PUBLIC.key.hex()}"\n'
SHARER = f'[[peers]]\ndevice = 202\nscheme = "hmac"\nkey = "{SHARED.hex()}"\n'


def a_file(folder: Path, text: str, *, mode: int = 0o600) -> Path:
    path = folder / "keys.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def faults_of(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_keys(path)
    return [str(fault).removeprefix(str(path)).removeprefix(", ") for fault in caught.value.faults]


def test_file_tells_who_we_are_and_whom_we_know(tmp_path: Path) -> None:
    keys = read_keys(a_file(tmp_path, ME + PEER + SHARER))
    assert keys.me == Identity(101, Scheme.ED25519, SEED)
    assert keys.peers == {201: PUBLIC, 202: Key(Scheme.HMAC, SHARED)}


def test_secret_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "seed").write_text(SEED.hex() + "\n", encoding="utf-8")
    (tmp_path / "seed").chmod(0o600)
    me = '[me]\ndevice = 101\nscheme = "ed25519"\nsecret_file = "seed"\n'
    # The rest is no secret.
    keys = read_keys(a_file(tmp_path, me + PEER, mode=0o644))
    assert keys.me.secret == SEED
    (tmp_path / "seed").chmod(0o640)
    assert faults_of(tmp_path / "keys.toml") == [
        f"{tmp_path / 'seed'}: others than its owner may read it (chmod 600 {tmp_path / 'seed'})"
    ]
    (tmp_path / "seed").unlink()
    (fault,) = faults_of(tmp_path / "keys.toml")
    assert fault == f"{tmp_path / 'seed'}: cannot be read: No such file or directory"


@pytest.mark.parametrize("text", [ME, ME + PEER], ids=["alone", "with-peers"])
def test_secret_that_others_can_read_is_refused(tmp_path: Path, text: str) -> None:
    path = a_file(tmp_path, text, mode=0o644)
    assert faults_of(path) == [f": others than its owner may read it (chmod 600 {path})"]


def test_shared_secret_of_a_peer_is_a_secret(tmp_path: Path) -> None:
    (tmp_path / "seed").write_text(SEED.hex(), encoding="utf-8")
    (tmp_path / "seed").chmod(0o600)
    me = '[me]\ndevice = 101\nscheme = "ed25519"\nsecret_file = "seed"\n'
    assert len(faults_of(a_file(tmp_path, me + SHARER, mode=0o604))) == 1


def test_all_faults_are_told_at_once_and_no_secret_is(tmp_path: Path) -> None:
    text = (
        '[me]\ndevice = true\nscheme = "rsa"\nsecret = "0g"\nname = "x"\n'
        '[[peers]]\nscheme = "hmac"\nkey = "00"\n'
        '[[peers]]\ndevice = 0\nscheme = "ed25519"\n'
        f"{PEER}{PEER}[[peers]]\ndevice = 9\nscheme = 3\nkey = 5\n[other]\n"
    )
    faults = faults_of(a_file(tmp_path, text))
    assert faults == [
        "other: is not known (me and peers are)",
        "me.name: is not known (device, scheme, secret, secret_file are)",
        "me.device: is no whole number (the id of a device)",
        "me.scheme: is not known (ed25519 or hmac)",
        "me.secret: is not written in hexadecimal digits (two for each byte)",
        "peers 1.device: is missing (the id of a device)",
        "peers 1.key: 1 bytes are too short for a shared secret (at least 16)",
        "peers 2.device: 0 is no device (1 to 2^64 - 1)",
        "peers 2.key: is missing",
        "peers 4: device 201 was there before",
        "peers 5.scheme: is not known (ed25519 or hmac)",
        "peers 5.key: is not written in hexadecimal digits (two for each byte)",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "me: who is this node?"),
        ("me = 3\n", "me: who is this node?"),
        ("peers = 3\n" + ME, "peers: is no list of tables"),
        ("[me\n", ": is no TOML: "),
        (ME.replace("secret =", "#"), "me.secret: is missing"),
        (ME + 'secret_file = "seed"\n', "me.secret and me.secret_file: are both there"),
        (ME.replace(SEED.hex(), "00" * 31), "me.secret: 31 bytes are no Ed25519 seed"),
        (ME.replace("secret =", "secret_file = 3 #"), "me.secret_file: is no path"),
        (ME + PEER.replace(PUBLIC.key.hex(), "00" * 33), "peers 1.key: 33 bytes are no Ed25519"),
        ("#" * FILE_BYTES_MAX + "\n", ": has more than 4,000,000 bytes"),
    ],
    ids=lambda value: str(value)[:24],
)  # fmt: skip
def test_fault_is_told_in_words(tmp_path: Path, text: str, fault: str) -> None:
    (told,) = faults_of(a_file(tmp_path, text))
    assert told.startswith(fault)


def test_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert faults_of(tmp_path / "none") == [": cannot be read: No such file or directory"]
    (tmp_path / "bytes").write_bytes(b"\xff")
    assert faults_of(tmp_path / "bytes") == [": is no text in UTF-8"]


def test_drawn_keys_are_read_and_known_by_what_is_handed_on(tmp_path: Path) -> None:
    for device in (101, 201):
        identity = draw_keys(tmp_path / f"{device}.toml", device)
        assert stat.S_IMODE((tmp_path / f"{device}.toml").stat().st_mode) == 0o600
        assert read_keys(tmp_path / f"{device}.toml").me == identity
        assert identity.secret.hex() not in peer_text(identity)
    battery, buyer = (read_keys(tmp_path / f"{device}.toml").me for device in (101, 201))
    with (tmp_path / "101.toml").open("a", encoding="utf-8") as file:
        file.write(peer_text(buyer))
    with (tmp_path / "201.toml").open("a", encoding="utf-8") as file:
        file.write(peer_text(battery))
    clock = SimulatedClock(NOON)
    ours = read_keys(tmp_path / "101.toml").guard(clock)
    theirs = read_keys(tmp_path / "201.toml").guard(clock)
    assert ours.opener is not None
    assert theirs.sealer is not None
    assert not ours.allows_plain
    sealed = theirs.sealer.seal(encode(query(1, 201)), 101)
    assert ours.opener.open(sealed) == (query(1, 201), 201)


def test_each_guard_remembers_for_itself(tmp_path: Path) -> None:
    clock, identity = SimulatedClock(NOON), draw_keys(tmp_path / "a", 101)
    with (tmp_path / "a").open("a", encoding="utf-8") as file:
        file.write(peer_text(identity))
    keys = read_keys(tmp_path / "a")
    links, datagrams = keys.guard(clock).opener, keys.guard(clock, allows_plain=True).opener
    sealer = keys.guard(clock).sealer
    assert links is not None
    assert datagrams is not None
    assert sealer is not None
    sealed = sealer.seal(encode(query(1, 101)), 101)
    links.open(sealed)
    datagrams.open(sealed)
    with pytest.raises(BadMessage) as caught:
        links.open(sealed)
    assert caught.value.amiss is Amiss.REPLAYED


def test_key_is_never_overwritten(tmp_path: Path) -> None:
    identity = draw_keys(tmp_path / "a", 101)
    with pytest.raises(ConfigError, match="a key is not overwritten"):
        draw_keys(tmp_path / "a", 102)
    assert read_keys(tmp_path / "a").me == identity
    with pytest.raises(ConfigError, match="cannot be made"):
        draw_keys(tmp_path / "none" / "a", 102)


@pytest.mark.parametrize("device", [0, -1, DEVICE_MAX + 1])
def test_no_keys_are_drawn_for_what_is_no_device(tmp_path: Path, device: int) -> None:
    with pytest.raises(ConfigError, match="is no device"):
        draw_keys(tmp_path / "a", device)
    assert not list(tmp_path.iterdir())
