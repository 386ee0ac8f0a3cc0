"""Senders: tables of what is accepted and refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.sender import SenderAddress, SenderProblem, SenderRefused, SenderType, check_sender

SENDERS = [
    ("+12125550123", "10dlc"),
    ("+16045550123", "10dlc"),
    ("+15559876543", "10dlc"),
    ("+15005550006", "10dlc"),
    ("+18765550123", "long_code"),
    ("+17875550123", "long_code"),
    ("+447400123456", "long_code"),
    ("+8801812345678", "long_code"),
    *((f"+1{area}5550123", "toll_free") for area in (800, 833, 844, 855, 866, 877, 888)),
    ("+18001234567", "toll_free"),
    ("+448001234567", "toll_free"),
    ("123", "short_code"),
    ("12345", "short_code"),
    ("262966", "short_code"),
    ("12345678", "short_code"),
    ("A", "alphanumeric"),
    ("ACME", "alphanumeric"),
    ("Acme Bank24", "alphanumeric"),
    ("A-_&.+1", "alphanumeric"),
    ("4ever", "alphanumeric"),
    ("Zürich", "alphanumeric"),
]


@pytest.mark.parametrize(("text", "number_type"), SENDERS)
def test_a_well_formed_sender_is_told_its_type(text: str, number_type: str) -> None:
    assert check_sender(text) == SenderAddress(address=text, number_type=SenderType(number_type))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no-letter"),
        (" ", "no-letter"),
        ("   ", "no-letter"),
        ("-&.", "no-letter"),
        ("ACME\r\n", "bad-character"),
        ("A\r\nBcc: x", "bad-character"),
        ("ACME\0", "bad-character"),
        ("ACME\n", "bad-character"),
        ("ACME\t1", "bad-character"),
        ("Acme!", "bad-character"),
        ("caf\u0435", "bad-character"),
        ("AC\u200bME", "bad-character"),
        ("A[B]", "bad-character"),
        ("a" * 12, "too-long"),
        ("Acme Bank 24", "too-long"),
        (" ACME", "outer-space"),
        ("ACME ", "outer-space"),
        ("12", "not-e164"),
        ("123456789", "not-e164"),
        ("12125550123", "not-e164"),
        ("447400123456", "not-e164"),
        ("\u0661\u0662\u0663\u0664\u0665", "not-e164"),
        ("+", "not-e164"),
        ("+ACME", "not-e164"),
        ("+1 212 555 0123", "not-e164"),
        ("+12125550123\n", "not-e164"),
        ("+1212555012\u0663", "not-e164"),
        ("+4407400123456", "not-e164"),
        ("+999123456789", "unknown-country-code"),
        ("+1212555", "not-possible"),
        ("+13101234", "not-possible"),
    ],
)
def test_a_malformed_sender_is_told_why(text: str, reason: str) -> None:
    assert check_sender(text) == SenderRefused(reason=SenderProblem(reason))


@settings(deadline=None)
@given(st.one_of(st.text(), st.text("+0123456789 -.()/\t\n\uff0b\u0661", max_size=24)))
def test_any_text_is_a_sender_or_is_refused_and_an_accepted_one_has_no_control_characters(text: str) -> None:
    verdict = check_sender(text)
    if isinstance(verdict, SenderAddress):
        assert verdict.address == text
        assert text.isprintable()
        assert text == text.strip()
