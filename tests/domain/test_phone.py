"""Recipients: tables of what is accepted and refused, and agreement with phonenumbers."""

from __future__ import annotations

import re

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.numbering import NumberType
from app.domain.phone import NumberProblem, Recipient, RecipientRefused, check_recipient

VALID = [
    ("+12125550123", "US", "fixed-line-or-mobile"),
    ("+16045550123", "CA", "fixed-line-or-mobile"),
    ("+18765550123", "JM", "mobile"),
    ("+17875550123", "PR", "fixed-line-or-mobile"),
    ("+15005550001", "US", "personal"),
    ("+18005550199", "US", "toll-free"),
    ("+447400123456", "GB", "mobile"),
    ("+447911123456", "GG", "mobile"),
    ("+441212345678", "GB", "fixed-line"),
    ("+445612345678", "GB", "voip"),
    ("+8801812345678", "BD", "mobile"),
    ("+4915123456789", "DE", "mobile"),
    ("+390612345678", "IT", "fixed-line"),
    ("+917410410123", "IN", "fixed-line-or-mobile"),
]


@pytest.mark.parametrize("fictional_allowed", [False, True])
@pytest.mark.parametrize(("text", "region", "number_type"), VALID)
def test_a_valid_number_may_be_written_to_with_any_key(
    text: str, region: str, number_type: str, *, fictional_allowed: bool
) -> None:
    accepted = Recipient(e164=text, region=region, number_type=NumberType(number_type))
    assert check_recipient(text, fictional_allowed=fictional_allowed) == accepted


@pytest.mark.parametrize("text", ["+15559876543", "+15555550100", "+18001234567", "+39612345678"])
def test_a_possible_number_in_no_known_range_needs_a_test_key(text: str) -> None:
    fictional = Recipient(e164=text, region=None, number_type=NumberType.UNKNOWN)
    assert check_recipient(text, fictional_allowed=True) == fictional
    assert check_recipient(text, fictional_allowed=False) == RecipientRefused(problem=NumberProblem.NOT_VALID)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("+12125550", "not-possible"),
        ("+13101234", "not-possible"),
        ("+999123456789", "unknown-country-code"),
        ("+19005550123", "destination-not-allowed"),
        ("+870773111632", "destination-not-allowed"),
        ("911", "destination-not-allowed"),
    ],
)
def test_a_test_key_may_not_write_to_impossible_or_costly_numbers_either(text: str, problem: str) -> None:
    assert check_recipient(text, fictional_allowed=True) == RecipientRefused(problem=NumberProblem(problem))


REFUSED = [
    ("", "not-e164", None),
    ("+", "not-e164", None),
    ("+1", "not-e164", None),
    ("+12", "not-possible", None),
    ("+15555550100 OR 1=1", "not-e164", None),
    ("+12125550123 OR 1=1", "not-e164", None),
    ("+12125550123\x00", "not-e164", None),
    ("+" + "1" * 40, "not-e164", None),
    ("1" * 40, "not-e164", None),
    ("+1212555012345678", "not-e164", None),
    ("+02125550123", "not-e164", None),
    ("two one two", "not-e164", None),
    ("+1-800-FLOWERS", "not-e164", None),
    ("+12125550123 x5", "not-e164", None),
    ("+12125550123,+12125550124", "not-e164", None),
    ('["+12125550123"]', "not-e164", None),
    ("+\u0661\u0662\u0661\u0662\u0665\u0665\u0665\u0660\u0661\u0662\u0663", "not-e164", "+12125550123"),
    ("+1212555012\u0663", "not-e164", "+12125550123"),
    ("\uff0b12125550123", "not-e164", "+12125550123"),
    ("tel:+12125550123", "not-e164", "+12125550123"),
    (" +12125550123", "not-e164", "+12125550123"),
    ("+12125550123\n", "not-e164", "+12125550123"),
    ("+1 212 555 0123", "not-e164", "+12125550123"),
    ("+1\u00a0(212)\u00a0555\u20110123", "not-e164", "+12125550123"),
    ("212-555-0123", "not-e164", "+12125550123"),
    ("(212) 555-0123", "not-e164", "+12125550123"),
    ("12125550123", "not-e164", "+12125550123"),
    ("447400123456", "not-e164", "+447400123456"),
    ("00447400123456", "not-e164", "+447400123456"),
    ("00 44 7400 123456", "not-e164", "+447400123456"),
    ("011447400123456", "not-e164", "+447400123456"),
    ("011 44 7400 123456", "not-e164", "+447400123456"),
    ("8801812345678", "not-e164", "+8801812345678"),
    ("+4407400123456", "not-e164", "+447400123456"),
    ("+44 (0)7400 123456", "not-e164", "+447400123456"),
    ("+112125550123", "not-e164", "+12125550123"),
    ("900-555-0123", "not-e164", None),
    ("+999123456789", "unknown-country-code", None),
    ("+210123456789", "unknown-country-code", None),
    ("+13101234", "not-possible", None),
    ("+1212555012", "not-possible", None),
    ("+121255501234", "not-possible", None),
    ("+44740012345678", "not-possible", None),
    ("+19115550123", "not-valid", None),
    ("+19005550123", "destination-not-allowed", None),
    ("+449012345678", "destination-not-allowed", None),
    ("+4918012345", "destination-not-allowed", None),
    ("+447640123456", "destination-not-allowed", None),
    ("+445512345678", "destination-not-allowed", None),
    ("+49177991234567", "destination-not-allowed", None),
    ("+870773111632", "destination-not-allowed", None),
    ("+881612345678", "destination-not-allowed", None),
    ("+88216123456", "destination-not-allowed", None),
    ("+883510012345678", "destination-not-allowed", None),
    ("+979123456789", "destination-not-allowed", None),
    ("+80012345678", "destination-not-allowed", None),
    ("+80812345678", "destination-not-allowed", None),
    ("911", "destination-not-allowed", None),
    ("988", "destination-not-allowed", None),
    ("12345", "destination-not-allowed", None),
    ("262966", "destination-not-allowed", None),
]


@pytest.mark.parametrize(("text", "problem", "suggestion"), REFUSED, ids=[ascii(text) for text, _, _ in REFUSED])
def test_a_live_key_is_told_why_a_recipient_is_refused_and_what_was_probably_meant(
    text: str, problem: str, suggestion: str | None
) -> None:
    refused = RecipientRefused(problem=NumberProblem(problem), suggestion=suggestion)
    assert check_recipient(text, fictional_allowed=False) == refused


def test_a_national_number_is_read_in_the_default_region() -> None:
    assert check_recipient("07400 123456", fictional_allowed=False, default_region="GB") == RecipientRefused(
        problem=NumberProblem.NOT_E164, suggestion="+447400123456"
    )
    assert check_recipient("07400 123456", fictional_allowed=False) == RecipientRefused(problem=NumberProblem.NOT_E164)


@pytest.mark.parametrize("text", ["00 44 7400 123456", "011 44 7400 123456", "447400123456"])
@pytest.mark.parametrize("region", ["US", "GB", "FR", "BD"])
def test_international_prefixes_and_a_missing_plus_are_understood_in_any_region(text: str, region: str) -> None:
    refused = RecipientRefused(problem=NumberProblem.NOT_E164, suggestion="+447400123456")
    assert check_recipient(text, fictional_allowed=False, default_region=region) == refused


@pytest.mark.parametrize("fictional_allowed", [False, True])
def test_a_valid_reading_is_suggested_before_one_that_is_only_possible(*, fictional_allowed: bool) -> None:
    refused = RecipientRefused(problem=NumberProblem.NOT_E164, suggestion="+4532123456")
    assert check_recipient("4532123456", fictional_allowed=fictional_allowed) == refused


@pytest.mark.parametrize("region", ["", "XX", "us", "001"])
def test_a_default_region_that_does_not_exist_only_costs_the_suggestion(region: str) -> None:
    refused = check_recipient("(212) 555-0123", fictional_allowed=False, default_region=region)
    assert refused == RecipientRefused(problem=NumberProblem.NOT_E164)


def test_only_a_test_key_is_offered_a_fictional_number() -> None:
    offered = RecipientRefused(problem=NumberProblem.NOT_E164, suggestion="+15559876543")
    assert check_recipient("(555) 987-6543", fictional_allowed=True) == offered
    assert check_recipient("(555) 987-6543", fictional_allowed=False) == RecipientRefused(
        problem=NumberProblem.NOT_E164
    )


def test_numbers_stay_out_of_the_repr() -> None:
    assert "2125550123" not in repr(check_recipient("+12125550123", fictional_allowed=False))
    assert "2125550123" not in repr(check_recipient("212-555-0123", fictional_allowed=False))


def test_every_code_that_belongs_to_no_country_is_refused() -> None:
    global_codes = sorted(
        code for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items() if "001" in regions
    )
    assert global_codes == [800, 808, 870, 878, 881, 882, 883, 888, 979]
    for code in global_codes:
        number = phonenumbers.example_number_for_non_geo_entity(code)
        assert number is not None
        text = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        refused = RecipientRefused(problem=NumberProblem.DESTINATION_NOT_ALLOWED)
        assert check_recipient(text, fictional_allowed=True) == refused
        assert check_recipient(f"+{code}000", fictional_allowed=True) == refused


T = phonenumbers.PhoneNumberType
COSTLY = {T.PREMIUM_RATE, T.SHARED_COST, T.PAGER, T.UAN, T.VOICEMAIL}
TYPES = {
    T.MOBILE: NumberType.MOBILE,
    T.FIXED_LINE: NumberType.FIXED_LINE,
    T.FIXED_LINE_OR_MOBILE: NumberType.FIXED_LINE_OR_MOBILE,
    T.TOLL_FREE: NumberType.TOLL_FREE,
    T.VOIP: NumberType.VOIP,
    T.PERSONAL_NUMBER: NumberType.PERSONAL,
}


def judged_by_phonenumbers(text: str) -> Recipient | RecipientRefused:
    """The live judgement of a number in E.164, in the words of phonenumbers' public functions alone."""
    number = phonenumbers.parse(text)
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return RecipientRefused(problem=NumberProblem.NOT_POSSIBLE)
    kind = phonenumbers.number_type(number)
    if kind in COSTLY:
        return RecipientRefused(problem=NumberProblem.DESTINATION_NOT_ALLOWED)
    if not phonenumbers.is_valid_number(number):
        return RecipientRefused(problem=NumberProblem.NOT_VALID)
    region = phonenumbers.region_code_for_number(number)
    return Recipient(e164=text, region=region, number_type=TYPES[kind])


def test_every_type_of_phonenumbers_is_either_accepted_or_refused() -> None:
    assert COSTLY | set(TYPES) | {T.UNKNOWN} == set(T.values())


def test_every_area_code_of_north_america_is_judged_as_by_phonenumbers() -> None:
    for area in range(200, 1000):
        for rest in ("2000000", "5550123", "9999999", "1234567"):
            text = f"+1{area}{rest}"
            assert check_recipient(text, fictional_allowed=False) == judged_by_phonenumbers(text), text


@settings(deadline=None)  # a busy machine is no defect
@given(st.from_regex(r"\+1(5[0-9]{2}|[2-9][0-9]{2})[0-9]{7}", fullmatch=True))
def test_random_numbers_of_north_america_are_judged_as_by_phonenumbers(text: str) -> None:
    assert check_recipient(text, fictional_allowed=False) == judged_by_phonenumbers(text)


def test_the_example_numbers_of_every_country_and_type_are_judged_as_by_phonenumbers() -> None:
    checked = 0
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in sorted(T.values()):
            number = phonenumbers.example_number_for_type(region, kind)
            if number is not None:
                text = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
                assert check_recipient(text, fictional_allowed=False) == judged_by_phonenumbers(text), (region, kind)
                checked += 1
    assert checked > 1000


NUMBER_LIKE = st.one_of(
    st.text(),
    st.text("+0123456789 -.()/\t\n\uff0b\u0661", max_size=24),
    st.from_regex(r"\+[1-9][0-9]{1,14}", fullmatch=True),
    st.integers(0, 10**16).map(lambda number: f"00{number}"),
)


@settings(deadline=None, max_examples=500)
@given(NUMBER_LIKE, st.booleans(), st.sampled_from(["US", "GB", "IT", "AR", "BD", "XX"]))
def test_any_text_gets_a_verdict_and_a_suggestion_is_accepted_as_it_stands(
    text: str, fictional_allowed: bool, region: str
) -> None:
    verdict = check_recipient(text, fictional_allowed=fictional_allowed, default_region=region)
    if isinstance(verdict, Recipient):
        assert re.fullmatch(r"\+[1-9][0-9]{1,14}", text, re.ASCII)
        assert verdict.e164 == text
        assert (verdict.region is None) == (verdict.number_type is NumberType.UNKNOWN)
        assert fictional_allowed or phonenumbers.is_valid_number(phonenumbers.parse(text))
    elif verdict.suggestion is not None:
        assert verdict.problem is NumberProblem.NOT_E164
        assert verdict.suggestion != text
        again = check_recipient(verdict.suggestion, fictional_allowed=fictional_allowed)
        assert isinstance(again, Recipient)
