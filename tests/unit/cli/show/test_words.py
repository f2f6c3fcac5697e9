from __future__ import annotations

import pytest

from wattbay.cli.show.words import COMPONENTS, ORDER_STATES, QUALITIES, REFUSALS, refusal
from wattbay.core.facts import Quality
from wattbay.core.reasons import Reason
from wattbay.core.statements import COMPONENTS as RECEIPT_COMPONENTS


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_for_refusal_has_plain_words_and_a_remedy(reason: Reason) -> None:
    words = REFUSALS[reason]
    assert words.why
    assert words.remedy
    assert "_" not in words.why
    assert not words.why.endswith(".")


def test_no_two_reasons_are_told_alike() -> None:
    assert len({words.why for words in REFUSALS.values()}) == len(Reason)


def test_a_reason_of_a_later_version_is_shown_as_it_is() -> None:
    assert refusal("too_cold").why == "too cold"


def test_every_quality_has_words() -> None:
    assert set(QUALITIES) == set(Quality)


def test_every_state_of_an_order_has_words() -> None:
    states = "filled partly_filled expired cancelled curtailed rejected open"
    assert set(ORDER_STATES) == set(states.split())


def test_every_component_of_a_receipt_has_words() -> None:
    assert set(RECEIPT_COMPONENTS) <= set(COMPONENTS)
