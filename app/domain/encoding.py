"""How a text is encoded for the air and how many billed segments it takes; it never changes the text.

Sources: 3GPP TS 23.038 (alphabets) and TS 23.040 (concatenation with a 6-byte user data header). The
national shift tables of TS 23.038 are not used: no provider of this gateway offers them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

GSM_BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅå"  # 0x00
    "Δ_ΦΓΛΩΠΨΣΘΞÆæßÉ"  # 0x10, without 0x1B: the escape to the extension table is no character
    " !\"#¤%&'()*+,-./"  # 0x20
    "0123456789:;<=>?"  # 0x30
    "¡ABCDEFGHIJKLMNO"  # 0x40
    "PQRSTUVWXYZÄÖÑÜ§"  # 0x50
    "¿abcdefghijklmno"  # 0x60
    "pqrstuvwxyzäöñüà"  # 0x70
)
"""The 127 characters of the GSM 7-bit default alphabet (TS 23.038 section 6.2.1), in code order; one septet each."""

GSM_EXTENSION: Final = "\f^{}\\[~]|€"
"""The 10 characters of its extension table (TS 23.038 section 6.2.1.1): an escape and a code, two septets each."""

_SEPTETS_ALONE: Final = 160
_SEPTETS_JOINED: Final = 153
_CODE_UNITS_ALONE: Final = 70
_CODE_UNITS_JOINED: Final = 67

_BASIC_TEXT: Final = re.compile(f"[{re.escape(GSM_BASIC)}]+")
_GSM_TEXT: Final = re.compile(f"[{re.escape(GSM_BASIC + GSM_EXTENSION)}]+")
_TWO_SEPTETS: Final = re.compile(f"[{re.escape(GSM_EXTENSION)}]")
_TWO_CODE_UNITS: Final = re.compile("[\U00010000-\U0010ffff]")


class Encoding(StrEnum):
    """How the characters of a text travel."""

    GSM_7 = "gsm-7"
    """Seven bits a character, counted in septets: 160 in a lone segment, 153 in each of several."""

    UCS_2 = "ucs-2"
    """Sixteen bits, counted in UTF-16 code units: 70 in a lone segment, 67 in each of several."""


@dataclass(frozen=True, kw_only=True)
class Segmentation:
    """What a text costs on the air."""

    encoding: Encoding
    segments: int
    """Billed parts, at least 1."""

    units: int
    """Septets (GSM-7) or UTF-16 code units (UCS-2) of the text itself, without headers and without units left empty."""


def segment(body: str) -> Segmentation:
    """Count the segments of a text as handsets and carriers do: greedily, never splitting a two-unit character.

    One character outside the GSM alphabet makes the whole text UCS-2. CR LF is two characters. A lone
    surrogate, which the API refuses, counts as one code unit. Raises ValueError for an empty text.
    """
    if not body:
        raise ValueError("an empty text has no segments")
    if _BASIC_TEXT.fullmatch(body):
        units = len(body)
        segments = 1 if units <= _SEPTETS_ALONE else -(-units // _SEPTETS_JOINED)
        return Segmentation(encoding=Encoding.GSM_7, segments=segments, units=units)
    if _GSM_TEXT.fullmatch(body):
        return _with_wide(Encoding.GSM_7, body, _TWO_SEPTETS, alone=_SEPTETS_ALONE, joined=_SEPTETS_JOINED)
    return _with_wide(Encoding.UCS_2, body, _TWO_CODE_UNITS, alone=_CODE_UNITS_ALONE, joined=_CODE_UNITS_JOINED)


def _with_wide(encoding: Encoding, body: str, wide: re.Pattern[str], *, alone: int, joined: int) -> Segmentation:
    """Count a text in which the characters that `wide` finds take two units each."""
    units = len(body) + len(wide.findall(body))
    if units <= alone:
        return Segmentation(encoding=encoding, segments=1, units=units)
    room = units if units == len(body) else units + _left_empty(body, wide, joined)
    return Segmentation(encoding=encoding, segments=-(-room // joined), units=units)


def _left_empty(body: str, wide: re.Pattern[str], joined: int) -> int:
    """Units left empty at the ends of segments because the next character needs two and moves on whole."""
    empty = 0
    for wide_before, character in enumerate(wide.finditer(body)):
        if (character.start() + wide_before + empty) % joined == joined - 1:
            empty += 1
    return empty
