"""The keys of an installation: made once, the owner's alone, and rotated."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.people import SECRETS
from wattbay.access.secret_keys import (
    KEPT_MAX,
    PEPPER_VARIABLE,
    SIGNING_VARIABLE,
    Secrets,
    rotate,
    secrets_from,
    secrets_in,
)
from wattbay.errors import ConfigError

HEX = "ab" * 32


def test_file_is_made_at_the_first_start_and_read_at_the_next(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    drawn = secrets_in(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert secrets_in(path) == drawn
    assert secrets_in(tmp_path / "others.json") != drawn


def test_rotation_keeps_the_keys_before_and_the_oldest_goes(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    first = secrets_in(path)
    second = rotate(path)
    assert second.signing[1:] == first.signing
    assert second.peppers[1:] == first.peppers
    assert secrets_in(path) == second
    for _ in range(KEPT_MAX):
        last = rotate(path)
    assert len(last.signing) == len(last.peppers) == KEPT_MAX
    assert first.signing[0] not in last.signing
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["secrets.json"]


def test_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    secrets_in(path)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        secrets_in(path)


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "{}", '{"signing": [], "peppers": []}', '{"signing": ["ab"], "peppers": ["ab"]}',
        '{"signing": "x", "peppers": "y"}', f'{{"signing": ["{HEX}"], "peppers": [7]}}',
        f'{{"signing": {[HEX] * 4}, "peppers": ["{HEX}"]}}'.replace("'", '"'), "\x00\xff",
    ],
)  # fmt: skip
def test_file_that_is_something_else_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "secrets.json"
    path.write_bytes(content.encode("latin-1"))
    path.chmod(0o600)
    with pytest.raises(ConfigError):
        secrets_in(path)
    assert path.read_bytes() == content.encode("latin-1")


def test_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be made"):
        secrets_in(tmp_path / "no" / "secrets.json")


def test_keys_come_from_the_environment_where_it_bears_them() -> None:
    assert secrets_from({}) is None
    both = {SIGNING_VARIABLE: f"{HEX}, {'cd' * 32}", PEPPER_VARIABLE: HEX}
    found = secrets_from(both)
    assert found == Secrets((b"\xab" * 32, b"\xcd" * 32), (b"\xab" * 32,))
    with pytest.raises(ConfigError) as caught:
        secrets_from({SIGNING_VARIABLE: "ab"})
    assert [fault.where for fault in caught.value.faults] == [SIGNING_VARIABLE, PEPPER_VARIABLE]


def test_keys_for_each_purpose_differ_and_none_is_shown() -> None:
    kept = (*SECRETS.signing, *SECRETS.token_keys, *SECRETS.cursor_keys)
    assert len(set(kept)) == len(kept)
    assert repr(SECRETS) == "Secrets()"
    assert str(SECRETS.signing[0]) not in str(SECRETS)
