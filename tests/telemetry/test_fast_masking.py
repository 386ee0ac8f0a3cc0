"""What masking skips because it cannot be there: the result is that of a search for everything in every text."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.telemetry import patterns
from app.telemetry.masking import mask_fields
from tests.telemetry.canaries import HIDDEN, KEY, KEY_SECRET

FRAGMENTS = [
    *("bearer ", "BASIC ", "ba\u017fic ", "Authorization", "DETAIL: ", "body", "token", "text", "mgw_test_", "whsec_"),
    *("://", "user", "@", "=", ": ", "'", '"', "\\", " ", "-", ".", "_", "(", ")", "+", "%2B", "\n"),
    *("1", "555", "0100", "5550100", "07700", "+15555550100", "0" * 37, "a" * 38, "-_" * 11, "beef"),
    *("\u200b", "\u00a0", "\u0661", "0192f7c4-5b6a-7def-8123-456789abcdef", "d41d8cd98f00b204e9800998ecf8427e"),
    *("2026-11-03", "1793620800", "20261103123456"),
]
TEXTS = st.lists(st.sampled_from(FRAGMENTS), max_size=6).map("".join) | st.text(max_size=30)


def searched(text: str, numbers: re.Pattern[str]) -> str:
    """Search a text for everything, whatever it looks like."""
    masked = patterns.INVISIBLE.sub("", text)
    for pattern, replacement in patterns.SECRETS:
        masked = pattern.sub(replacement, masked)

    def shown(match: re.Match[str]) -> str:
        digits = "".join(filter(str.isdigit, match[0]))
        return match[0] if match["harmless"] is not None else f"{match['plus'] or ''}***{digits[-2:]}"

    return numbers.sub(shown, masked)


@pytest.mark.parametrize(
    ("key", "numbers"),
    [
        ("seen", patterns.ANY_NUMBER),
        ("message_id", patterns.INTERNATIONAL),
        ("request_id", patterns.GIVEN_ID_NUMBER),
    ],
    ids=["text", "identifier", "given id"],
)
@settings(max_examples=500)
@given(text=TEXTS)
@example(text="0192f7c4-5b6a-7def-8123-456789abcdef.1." + "-_" * 11)
@example(text="(555)  555-0100")
@example(text="(0700) 123 456")
@example(text=KEY_SECRET)
@example(text="a_mgw_test_b")
def test_no_text_is_let_through_that_a_search_would_change(key: str, numbers: re.Pattern[str], text: str) -> None:
    assert mask_fields({key: text}) == {key: searched(text, numbers)}


@pytest.mark.parametrize(
    "given_id",
    [
        "abc-1",
        "0192f7c4-5b6a-7def-8123-456789abcdef",
        "0192F7C4-5B6A-7DEF-8123-456789ABCDEF",
        "12345678-1234-7234-8234-123456789012",
        "req-12345678-1234-7234-8234-123456789012",
        "d41d8cd98f00b204e9800998ecf8427e",
        "12345678901234567890123456789abc",
        "00f067aa0ba902b7",
        "1234567890123abc",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f0671234567890-01",
        "SM01234567890123456789012345abcdef",
        "507f1f77bcf8612345678901",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "2026-11-03",
        "batch-20261103-17",
        "20261103123456",
        "1793620800123",
        "1234567890123456789",
        "order-123456",
        "12.34.56",
    ],
)
def test_the_usual_ids_of_requests_are_left_alone(given_id: str) -> None:
    assert mask_fields({"request_id": given_id}) == {"request_id": given_id}


@pytest.mark.parametrize(
    ("given_id", "masked"),
    [
        ("15555550100", "***00"),
        ("5550100", "***00"),
        ("sms-15555550100", "sms-***00"),
        ("otp15555550100", "otp***00"),
        ("decade15555550100", "decade***00"),
        ("15555550100x", "***00x"),
        ("1-555-555-0100", "***00"),
        ("1.5555550100", "***00"),
        ("1.555.555.0100", "***00"),
        ("44_7700_900123", "***23"),
        ("2026-11-03-15555550100", "2026-11-03-***00"),
        ("0015555550100", "***00"),
        (KEY, HIDDEN),
        (KEY_SECRET, HIDDEN),
        (f"a.{KEY}", f"a.{HIDDEN}"),
        ("a_mgw_test_b", f"a_{HIDDEN}"),
    ],
)
def test_an_id_of_a_request_that_may_hold_a_number_or_a_key_is_masked(given_id: str, masked: str) -> None:
    assert mask_fields({"request_id": given_id}) == {"request_id": masked}
    assert mask_fields({"x-request-id": [given_id]}) == {"x-request-id": [masked]}
