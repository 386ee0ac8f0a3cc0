"""What a recipient may look like.

Numbers are judged by the numbering plans in phonenumbers (libphonenumber's data), which know nothing of
porting or of service: whether a number is a mobile in use takes a lookup. No text makes these functions raise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from phonenumbers import (
    NumberParseException,
    PhoneNumber,
    PhoneNumberFormat,
    PhoneNumberType,
    ValidationResult,
    enable_pattern_cache,
    format_number,
    is_possible_number_with_reason,
    normalize_digits_only,
    number_type,
    parse,
    region_code_for_number,
)

from app.domain.numbering import Assignment, NumberType, assignment

# Without it the library compiles its patterns again and again: re keeps 512, the world's plans have more. Ten times
# the cost of a number for which we have to ask it, and a cheap way to keep a process busy.
enable_pattern_cache()


class NumberProblem(StrEnum):
    """Why a recipient is refused."""

    NOT_E164 = "not-e164"
    """Not written as a plus, the country code and the number, in ASCII digits alone and without a trunk prefix."""

    UNKNOWN_COUNTRY_CODE = "unknown-country-code"
    NOT_POSSIBLE = "not-possible"
    """Too short or too long for its country, or dialable there only locally."""

    NOT_VALID = "not-valid"
    """Of a possible length, but in no range that its country has given out; a test key may write to it."""

    DESTINATION_NOT_ALLOWED = "destination-not-allowed"
    """A number that costs extra or is nobody's handset: premium rate, satellite, service code, pager …"""


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """A number that may be written to."""

    e164: str = field(repr=False)
    region: str | None
    """ISO 3166-1 alpha-2; None exactly where the number's type is unknown."""

    number_type: NumberType


@dataclass(frozen=True, kw_only=True)
class RecipientRefused:
    """A text that is no recipient, and what was probably meant."""

    problem: NumberProblem
    suggestion: str | None = field(default=None, repr=False)
    """A number that the same check accepts; None where nothing of the kind can be read from the text."""


E164: Final = re.compile(r"\+[1-9][0-9]{1,14}")
"""The shape of E.164, whatever its country makes of it."""

_SERVICE_CODE: Final = re.compile(r"[0-9]{3,6}")
_WRITTEN_BY_HAND: Final = re.compile(r"(?:tel:)?[+\uFF0B\d\s().\-/\u2010-\u2015\u2212]{3,40}")

# ITU-T E.164 gives these codes to services, not to countries: freephone, shared cost, satellite and other
# global networks, premium rate. phonenumbers lists them under the region 001.
_OF_NO_COUNTRY: Final = re.compile(r"\+(?:800|808|870|878|881|882|883|888|979)[0-9]*")

_TYPES: Final = {
    PhoneNumberType.MOBILE: NumberType.MOBILE,
    PhoneNumberType.FIXED_LINE: NumberType.FIXED_LINE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE: NumberType.FIXED_LINE_OR_MOBILE,
    PhoneNumberType.TOLL_FREE: NumberType.TOLL_FREE,
    PhoneNumberType.VOIP: NumberType.VOIP,
    PhoneNumberType.PERSONAL_NUMBER: NumberType.PERSONAL,
    PhoneNumberType.UNKNOWN: NumberType.UNKNOWN,
}
"""The types that may be written to. The rest are refused: premium rate, shared cost, pager, UAN, voicemail."""


def check_recipient(text: str, *, fictional_allowed: bool, default_region: str = "US") -> Recipient | RecipientRefused:
    """Judge a recipient, which has to be E.164 exactly.

    A live key writes to valid numbers only; a test key (`fictional_allowed`) to any possible number.
    `default_region` is where a suggestion is looked for when the text has no country code.
    """
    judged = _judge(text, fictional_allowed=fictional_allowed)
    if isinstance(judged, Recipient):
        return judged
    if judged is not NumberProblem.NOT_E164:
        return RecipientRefused(problem=judged)
    if _SERVICE_CODE.fullmatch(text):
        return RecipientRefused(problem=NumberProblem.DESTINATION_NOT_ALLOWED)
    suggestion = _suggest(text, default_region, fictional_allowed=fictional_allowed)
    return RecipientRefused(problem=NumberProblem.NOT_E164, suggestion=suggestion)


def _judge(text: str, *, fictional_allowed: bool) -> Recipient | NumberProblem:
    """Judge any text, and ask phonenumbers itself only where the numbering plan's patterns are not certain.

    Not cached: a hit would save two microseconds, and a cache would keep recipients in memory.
    """
    known = assignment(text) or _ask_phonenumbers(text)
    if isinstance(known, NumberProblem):
        return known
    if known.number_type is None:
        return NumberProblem.DESTINATION_NOT_ALLOWED
    if known.number_type is NumberType.UNKNOWN and not fictional_allowed:
        return NumberProblem.NOT_VALID
    return Recipient(e164=text, region=known.region, number_type=known.number_type)


def _ask_phonenumbers(e164: str) -> Assignment | NumberProblem:
    """Find what a number was given out for by the library alone, with which `assignment` has to agree."""
    if not E164.fullmatch(e164):
        return NumberProblem.NOT_E164
    if _OF_NO_COUNTRY.fullmatch(e164):
        return NumberProblem.DESTINATION_NOT_ALLOWED
    number = read_e164(e164)
    if isinstance(number, NumberProblem):
        return number
    plan_type = number_type(number)
    region = None if plan_type == PhoneNumberType.UNKNOWN else region_code_for_number(number)
    return Assignment(region=region, number_type=_TYPES.get(plan_type))


def read_e164(e164: str) -> PhoneNumber | NumberProblem:
    """Read a text of E.164's shape; a trunk prefix after the country code (+44 07400 …) is not E.164."""
    number = _parse(e164, None)
    if isinstance(number, NumberProblem):
        return number
    if format_number(number, PhoneNumberFormat.E164) != e164:
        return NumberProblem.NOT_E164
    possible = is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE
    return number if possible else NumberProblem.NOT_POSSIBLE


def _parse(text: str, region: str | None) -> PhoneNumber | NumberProblem:
    try:
        return parse(text, region)
    except NumberParseException as refusal:
        if refusal.error_type == NumberParseException.INVALID_COUNTRY_CODE:
            return NumberProblem.UNKNOWN_COUNTRY_CODE
        return NumberProblem.NOT_POSSIBLE


def _suggest(text: str, region: str, *, fictional_allowed: bool) -> str | None:
    """Find the number that was probably meant: a valid one before one that is only possible."""
    if not _WRITTEN_BY_HAND.fullmatch(text):
        return None
    readings = list(_readings(text, region))
    for fictional in (False, True) if fictional_allowed else (False,):
        for reading in readings:
            if isinstance(_judge(reading, fictional_allowed=fictional), Recipient):
                return reading
    return None


def _readings(text: str, region: str) -> Iterator[str]:
    """What the text means as dialled in `region`, and with its plus missing or written as 00 or 011."""
    number = _parse(text, region)
    if isinstance(number, PhoneNumber):
        yield format_number(number, PhoneNumberFormat.E164)
    digits = normalize_digits_only(text)
    for prefix in ("", "00", "011"):
        if digits.startswith(prefix):
            yield f"+{digits.removeprefix(prefix)}"
