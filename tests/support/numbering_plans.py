"""Numbers of every region, and what phonenumbers' public functions say of a number: the oracle of ours."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Final

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumberType, ValidationResult

from app.domain.numbering import Assignment, NumberType

TYPES: Final = {
    PhoneNumberType.MOBILE: NumberType.MOBILE,
    PhoneNumberType.FIXED_LINE: NumberType.FIXED_LINE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE: NumberType.FIXED_LINE_OR_MOBILE,
    PhoneNumberType.TOLL_FREE: NumberType.TOLL_FREE,
    PhoneNumberType.VOIP: NumberType.VOIP,
    PhoneNumberType.PERSONAL_NUMBER: NumberType.PERSONAL,
    PhoneNumberType.UNKNOWN: NumberType.UNKNOWN,
    PhoneNumberType.PREMIUM_RATE: None,
    PhoneNumberType.SHARED_COST: None,
    PhoneNumberType.PAGER: None,
    PhoneNumberType.UAN: None,
    PhoneNumberType.VOICEMAIL: None,
}
REGIONS: Final = sorted(phonenumbers.SUPPORTED_REGIONS)
CALLING_CODES: Final = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
SHARED_CODES: Final = [code for code in CALLING_CODES if len(phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]) > 1]


def said_by_phonenumbers(text: str) -> Assignment | None:
    """What the library makes of a text; None where it does not read it as the possible number that it spells."""
    if not re.fullmatch(r"\+[1-9][0-9]{1,14}", text):
        return None
    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) != text:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        return None
    if not phonenumbers.is_valid_number(number):
        return Assignment(region=None, number_type=NumberType.UNKNOWN)
    region = phonenumbers.region_code_for_number(number)
    return Assignment(region=region, number_type=TYPES[phonenumbers.number_type(number)])


def plan(region: str) -> PhoneMetadata:
    """The metadata of a region that the library names."""
    metadata = PhoneMetadata.metadata_for_region(region)
    assert metadata is not None, region
    return metadata


def example(region: str, number_type: int) -> str | None:
    """The library's example of a type in E.164; None where the region has none."""
    number = phonenumbers.example_number_for_type(region, number_type)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if number else None


def examples(region: str) -> list[str]:
    """The library's examples of every type that a region has."""
    return [text for kind in sorted(TYPES) if (text := example(region, kind))]


def numbers_around(texts: list[str], count: int, seed: str) -> Iterator[str]:
    """Numbers that begin like the texts and go on by chance, the same ones for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - a seeded generator, so that a run can be repeated
    for _ in range(count):
        text = chance.choice(texts)
        kept = chance.randint(4, len(text) - 1)
        length = len(text) + chance.choice((0, 0, 0, 0, -1, 1))
        yield text[:kept] + "".join(chance.choices("0123456789", k=length - kept))
