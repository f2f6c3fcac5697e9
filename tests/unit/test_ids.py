"""Identifiers go unescaped into topics, subjects and addresses."""

from __future__ import annotations

import pytest

from wattbay.ids import is_id


@pytest.mark.parametrize("text", ["h01", "London-Week_7", "x" * 64])
def test_letters_digits_dash_and_underscore_make_an_identifier(text: str) -> None:
    assert is_id(text)


@pytest.mark.parametrize("text", ["", "x" * 65, "a b", "a/b", "a.b", "é", "a+", "#"])
def test_anything_else_does_not(text: str) -> None:
    assert not is_id(text)
