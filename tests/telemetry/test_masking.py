"""Masking as a whole: what holds for any text, whatever is in it."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.telemetry.masking import mask_fields, mask_text
from tests.telemetry.canaries import BARE_NUMBER, KEY, NUMBER


def test_masking_twice_changes_nothing() -> None:
    once = mask_text(f"{NUMBER} {KEY} Bearer abc postgresql://a:b@c/d password=x")
    assert mask_text(once) == once


@pytest.mark.parametrize(
    "unit", ["a", "1", "\u0661", "a.", "+1", "+1 ", "1-", "mgw_live_", "a://", "body='", 'body=\\"', "bearer ", "0700 "]
)
def test_no_text_takes_long_to_mask(unit: str) -> None:
    start = time.process_time()
    mask_text(unit * (20_000 // len(unit)))
    assert time.process_time() - start < 1


def test_a_text_is_cut_without_leaving_half_a_number() -> None:
    masked = mask_text("." * 19_995 + NUMBER + "." * 10_000)
    assert masked == "." * 19_995 + "+***0" + " [cut]"


@given(before=st.text(), after=st.text())
def test_a_number_with_its_plus_is_masked_in_any_surroundings(before: str, after: str) -> None:
    assert BARE_NUMBER not in mask_text(before + NUMBER + after)
    assert BARE_NUMBER not in json.dumps(mask_fields({"provider_message_id": before + NUMBER + after}))
