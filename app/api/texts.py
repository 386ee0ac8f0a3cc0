"""Texts as callers may send them: of visible characters, and free of control characters."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field

_CONTROL: Final = {*map(chr, range(0x20)), "\x7f"} - {"\n", "\r", "\t"}

# White space, Unicode's Default_Ignorable_Code_Point, and interlinear annotation marks.
_NOTHING_VISIBLE: Final = re.compile(
    r"[\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]*"
)


def _clean(value: str) -> str:
    if not _CONTROL.isdisjoint(value):
        raise ValueError("must hold no control characters but line feed, carriage return and tab")
    return value


def _one_line(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must hold printable characters only")
    return value


def _visible(value: str) -> str:
    if _NOTHING_VISIBLE.fullmatch(value):
        raise ValueError("must hold at least one visible character")
    return value


CleanText = Annotated[str, AfterValidator(_clean)]
Line = Annotated[str, AfterValidator(_one_line)]
Reference = Annotated[Line, Field(min_length=1, max_length=128)]
MetadataKey = Annotated[CleanText, Field(min_length=1, max_length=64)]
MetadataValue = Annotated[CleanText, Field(max_length=512)]
VisibleText = Annotated[CleanText, AfterValidator(_visible)]
