"""What a recipient may look like.

Numbers are judged by the numbering plans in phonenumbers (libphonenumber's data), which know nothing of
porting or of service: whether a number is a mobile in use takes a lookup. No text makes these functions raise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final

from phonenumbers import (
    NumberParseException,
    PhoneMetadata,
    PhoneNumber,
    PhoneNumberFormat,
    PhoneNumberType,
    ValidationResult,
    format_number,
    is_possible_number_with_reason,
    normalize_digits_only,
    number_type,
    parse,
    region_code_for_number,
)


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


class NumberType(StrEnum):
    """What the numbering plan says of a recipient's number."""

    MOBILE = "mobile"
    FIXED_LINE = "fixed-line"
    FIXED_LINE_OR_MOBILE = "fixed-line-or-mobile"
    """The plan does not tell them apart: every geographic number of North America."""

    TOLL_FREE = "toll-free"
    VOIP = "voip"
    PERSONAL = "personal"
    UNKNOWN = "unknown"
    """A possible number in no known range, which only a test key may write to."""


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

_NANP_LENGTH: Final = len("+12125550123")

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

_US_TYPES: Final = {"toll_free": NumberType.TOLL_FREE, "fixed_line": NumberType.FIXED_LINE_OR_MOBILE}
_US_EARLIER: Final = (
    "premium_rate",
    "toll_free",
    "shared_cost",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
)
"""The types for which phonenumbers looks before `fixed_line`, in its order."""


def check_recipient(text: str, *, fictional_allowed: bool, default_region: str = "US") -> Recipient | RecipientRefused:
    """Judge a recipient, which has to be E.164 exactly.

    A live key writes to valid numbers only; a test key (`fictional_allowed`) to any possible number.
    `default_region` is where a suggestion is looked for when the text has no country code.
    """
    if _SERVICE_CODE.fullmatch(text):
        return RecipientRefused(problem=NumberProblem.DESTINATION_NOT_ALLOWED)
    judged = _judge(text, fictional_allowed) if E164.fullmatch(text) else NumberProblem.NOT_E164
    if isinstance(judged, Recipient):
        return judged
    if judged is not NumberProblem.NOT_E164:
        return RecipientRefused(problem=judged)
    suggestion = _suggest(text, default_region, fictional_allowed=fictional_allowed)
    return RecipientRefused(problem=NumberProblem.NOT_E164, suggestion=suggestion)


@lru_cache(maxsize=16_384)
def _judge(e164: str, fictional_allowed: bool) -> Recipient | NumberProblem:
    """Judge a text of E.164's shape; cached because recipients recur and a miss outside the US costs 25 to 60 µs."""
    if _OF_NO_COUNTRY.fullmatch(e164):
        return NumberProblem.DESTINATION_NOT_ALLOWED
    if us_type := _us_type(e164):
        return Recipient(e164=e164, region="US", number_type=us_type)
    number = read_e164(e164)
    if isinstance(number, NumberProblem):
        return number
    plan_type = number_type(number)
    if plan_type not in _TYPES:
        return NumberProblem.DESTINATION_NOT_ALLOWED
    if plan_type == PhoneNumberType.UNKNOWN:
        fictional = Recipient(e164=e164, region=None, number_type=NumberType.UNKNOWN)
        return fictional if fictional_allowed else NumberProblem.NOT_VALID
    return Recipient(e164=e164, region=region_code_for_number(number), number_type=_TYPES[plan_type])


def _us_type(e164: str) -> NumberType | None:
    """Recognise the most frequent numbers at a tenth of the cost; None says nothing about the number."""
    if len(e164) != _NANP_LENGTH or not e164.startswith("+1"):
        return None
    match = _us_plan().fullmatch(e164, len("+1"))
    return _US_TYPES.get(match.lastgroup or "") if match else None


@lru_cache(maxsize=1)
def _us_plan() -> re.Pattern[str]:
    """The numbering plan of the US as one pattern; its first alternative that fits is the number's type."""
    plan = PhoneMetadata.metadata_for_region("US")
    described = ((name, getattr(plan, name)) for name in (*_US_EARLIER, "fixed_line"))
    return re.compile("|".join(f"(?P<{name}>{kind.national_number_pattern})" for name, kind in described if kind))


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
    readings = [reading for reading in _readings(text, region) if E164.fullmatch(reading)]
    for fictional in (False, True) if fictional_allowed else (False,):
        for reading in readings:
            if isinstance(_judge(reading, fictional), Recipient):
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
