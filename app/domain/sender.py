"""What a sender may look like, and of which kind it is; whether it is ours to use is not known here. Never raises."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from phonenumbers import PhoneNumberType, number_type, region_code_for_number

from app.domain.encoding import GSM_BASIC
from app.domain.phone import E164, NumberProblem, read_e164


class SenderType(StrEnum):
    """What kind of address a message is sent from; registration and throttling depend on it."""

    TEN_DLC = "10dlc"
    """An ordinary ten-digit number of the US or Canada."""

    TOLL_FREE = "toll_free"
    SHORT_CODE = "short_code"
    LONG_CODE = "long_code"
    """An ordinary number of any other country, those of the Caribbean and the Pacific under +1 among them."""

    ALPHANUMERIC = "alphanumeric"
    """A name instead of a number; nobody can reply to it, and it reaches no handset in the US or Canada."""


class SenderProblem(StrEnum):
    """Why a sender is refused."""

    NOT_E164 = "not-e164"
    """Begins with a plus, or is all digits, but is neither E.164 nor a short code of 3 to 8 digits."""

    UNKNOWN_COUNTRY_CODE = "unknown-country-code"
    NOT_POSSIBLE = "not-possible"
    TOO_LONG = "too-long"
    """An alphanumeric sender of more than 11 characters."""

    BAD_CHARACTER = "bad-character"
    """Something else than GSM letters, digits, space and `-_&.+`."""

    NO_LETTER = "no-letter"
    OUTER_SPACE = "outer-space"
    """A space at either end, which would make two senders look the same."""


@dataclass(frozen=True, kw_only=True)
class SenderAddress:
    """A well-formed sender; whether it is ours to use is not known here."""

    address: str
    number_type: SenderType


@dataclass(frozen=True, kw_only=True)
class SenderRefused:
    """A text that is no sender."""

    reason: SenderProblem


_SHORT_CODE: Final = re.compile(r"[0-9]{3,8}")
_ALPHANUMERIC: Final = re.compile("[" + "".join(filter(str.isalpha, GSM_BASIC)) + r"0-9 \-_&.+]*")
_ALPHANUMERIC_LENGTH: Final = 11  # 3GPP TS 23.040 section 9.1.2.5: an address has room for 11 septets
_NANP_TOLL_FREE: Final = re.compile(r"\+1(?:800|833|844|855|866|877|888)[0-9]{7}")
_TEN_DLC_REGIONS: Final = frozenset({"US", "CA", None})  # None is a fictional number such as +1 555 987 6543


def check_sender(text: str) -> SenderAddress | SenderRefused:
    """Judge the shape of a sender: E.164 (any possible number), a short code, or an alphanumeric name."""
    if _SHORT_CODE.fullmatch(text):
        return SenderAddress(address=text, number_type=SenderType.SHORT_CODE)
    if text.startswith("+") or text.isdecimal():
        kind = _number_sender(text) if E164.fullmatch(text) else SenderProblem.NOT_E164
    else:
        kind = _alphanumeric_sender(text)
    if isinstance(kind, SenderProblem):
        return SenderRefused(reason=kind)
    return SenderAddress(address=text, number_type=kind)


@lru_cache(maxsize=1_024)
def _number_sender(e164: str) -> SenderType | SenderProblem:
    number = read_e164(e164)
    if isinstance(number, NumberProblem):
        return SenderProblem(number)
    if _NANP_TOLL_FREE.fullmatch(e164) or number_type(number) == PhoneNumberType.TOLL_FREE:
        return SenderType.TOLL_FREE
    if e164.startswith("+1") and region_code_for_number(number) in _TEN_DLC_REGIONS:
        return SenderType.TEN_DLC
    return SenderType.LONG_CODE


def _alphanumeric_sender(text: str) -> SenderType | SenderProblem:
    if len(text) > _ALPHANUMERIC_LENGTH:
        return SenderProblem.TOO_LONG
    if not _ALPHANUMERIC.fullmatch(text):
        return SenderProblem.BAD_CHARACTER
    if not any(map(str.isalpha, text)):
        return SenderProblem.NO_LETTER
    if text != text.strip(" "):
        return SenderProblem.OUTER_SPACE
    return SenderType.ALPHANUMERIC
