"""Passwords: which are taken, and what is kept of them."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher, extract_parameters

from tests.people import PASSWORD, quick_passwords
from wattbay.access.denial import AccessDenied, Denial
from wattbay.access.passwords import (
    CHARACTERS_MAX,
    GUESSED_FIRST,
    Passwords,
    check_strength,
    the_hasher,
)


def test_password_is_kept_as_argon2id_with_a_salt() -> None:
    passwords = quick_passwords()
    first, second = passwords.hash(PASSWORD), passwords.hash(PASSWORD)
    assert first != second
    assert first.startswith("$argon2id$")
    assert passwords.is_right(PASSWORD, first)
    assert not passwords.is_right(PASSWORD + "!", first)
    assert not passwords.is_right(PASSWORD, "no hash")


def test_new_hashes_cost_what_is_advised() -> None:
    hasher = the_hasher()
    assert (hasher.memory_cost, hasher.time_cost) == (65_536, 3)


def test_stranger_costs_as_much_as_a_member() -> None:
    hasher = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)
    passwords = Passwords(hasher)
    kept = passwords._nobodys  # noqa: SLF001 - what strangers are compared with
    assert extract_parameters(kept) == extract_parameters(passwords.hash(PASSWORD))
    assert not passwords.is_right(PASSWORD, None)
    assert not passwords.is_right("", None)


def test_hash_of_older_parameters_is_outdated() -> None:
    cheap = quick_passwords()
    dearer = Passwords(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))
    assert dearer.is_outdated(cheap.hash(PASSWORD))
    assert not cheap.is_outdated(cheap.hash(PASSWORD))


def test_same_password_from_another_keyboard_is_right() -> None:
    passwords = quick_passwords()
    kept = passwords.hash("un été à la plage")
    assert passwords.is_right("un e\u0301te\u0301 a\u0300 la plage", kept)


def test_password_of_odd_characters_is_only_wrong() -> None:
    passwords = quick_passwords()
    kept = passwords.hash(PASSWORD)
    for odd in ("", "\ud800", "\x00" * 20, "x" * 1_000_000, PASSWORD + "\x00"):
        assert not passwords.is_right(odd, kept)


@pytest.mark.parametrize(
    "weak",
    [
        "", "short", "elevenchars", "x" * 20, "ababababababab", "Password1234", "wattbaywattbay",
        "house-keeper", "house-keeper1", "HOUSE-KEEPERhouse-keeper", "x1y2z3" * 50,
        *sorted(GUESSED_FIRST),
    ],
)  # fmt: skip
def test_password_that_would_be_guessed_is_refused(weak: str) -> None:
    with pytest.raises(AccessDenied) as caught:
        check_strength(weak, "house-keeper")
    assert caught.value.reason is Denial.WEAK_PASSWORD


@pytest.mark.parametrize(
    "strong", [PASSWORD, "rain on tin roofs", "a1!b2?c3.d4;" * 3, "ßß家é油 " * 4, "x1y2z3" * 40]
)
def test_long_password_of_any_characters_is_taken(strong: str) -> None:
    assert len(strong) <= CHARACTERS_MAX
    check_strength(strong, "anna")
