"""Numbers as the provider writes them, and back. What is no such number (a short code, a name) stays as it is."""

from __future__ import annotations

import re
from typing import Final

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_DIGITS: Final = re.compile(r"[1-9][0-9]{6,14}", re.ASCII)
_NANP: Final = re.compile(r"\+?1?([2-9][0-9]{9})", re.ASCII)


def as_theirs(number: str, form: str) -> str:
    """Write a number as the provider wants it; only a NANP number loses its country code by `nanp10`."""
    if not _E164.fullmatch(number):
        return number
    nanp = _NANP.fullmatch(number) if number.startswith("+1") else None
    match form:
        case "digits":
            return number[1:]
        case "nanp10" if nanp:
            return nanp[1]
        case _:
            return number


def as_ours(number: str, form: str) -> str:
    """Write a number of the provider's as E.164."""
    if form == "nanp10" and (nanp := _NANP.fullmatch(number)):
        return f"+1{nanp[1]}"
    return f"+{number}" if _DIGITS.fullmatch(number) else number
