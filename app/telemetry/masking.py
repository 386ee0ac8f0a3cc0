"""What may stand in a log line: pure rules that take numbers, message bodies and secrets out of values.

A key's name decides first (`body` is hidden whatever it holds), then the text itself is searched, in
keys, nested values and tracebacks alike. Numbers keep their last two digits. Where a string of bare
digits could be either a number or something harmless, it is masked: only ids, timestamps, dates and
the like are let through, by their form or by the key that they stand under. Integers and floats are
counts, unless their key says that they are numbers to text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, time
from functools import lru_cache
from math import isfinite
from typing import Any, Final

HIDDEN: Final = "[hidden]"

Logged = None | bool | int | float | str | list["Logged"] | dict[str, "Logged"]
"""What is left after masking: what JSON can write, and nothing whose repr could tell more."""

_MAX_DEPTH: Final = 8
"""How deep values may be nested; whatever is below is left out."""

_MAX_CHARACTERS: Final = 20_000
"""How much of one text is kept: more than any traceback of ours has."""

_OVERLAP: Final = 300

_SECRET_WORD: Final = re.compile(
    "auth|authorization|bodies|(?:body|content|cookie|credential|key|mac|passphrase|passwd|password|pin|secret)s?"
    "|(?:sig|signature|text|token)s?"
)
"""A key whose last word is this holds message text or a secret."""

_NUMBER_WORD: Final = re.compile("from|to|(?:destination|mobile|msisdn|number|originator|phone|recipient|sender)s?")
"""A key whose last word is this may hold a number to text, even as an integer."""

_IDENTIFIER_WORD: Final = re.compile(
    "at|bytes|commit|count|digest|hash|ids?|microseconds|milliseconds|ms|nanoseconds|ns|pid|port|revision|seconds|sid"
    "|size|timestamp|version"
)
"""Under a key whose last word is this, digits without a plus are no number to text."""

_KEY_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

_PLAIN_WORD: Final = re.compile("[A-Za-z_]{0,16}")
"""What is too short and too plain to be anything that is searched for."""

_INVISIBLE: Final = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]")
"""Characters without width, which could split a number or turn a line around."""

_VALUE: Final = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\\".*?\\"|[^\s"'&,;<>(){}\[\]\\]+)"""
"""A value after its name: quoted, quoted within a quoted text, or bare."""

_SECRETS: Final = (
    # Postgres repeats the whole row that it refuses in the detail of its error.
    (re.compile(r"(\bDETAIL:[ \t]*)[^\r\n]+"), rf"\1{HIDDEN}"),
    # Credentials in a URL: scheme://user:password@host.
    (re.compile(r"(\b[a-z][a-z0-9+.-]{0,30}://)[^\s/?#]*@", re.IGNORECASE), rf"\1{HIDDEN}@"),
    # An Authorization header, whatever its scheme.
    (
        re.compile(
            r"""(\bauthorization(?:\\?["'])?\s*[:=]\s*(?:\\?["'])?)[^\s"'\\]+(?:[ \t]+[\w.~+/=:-]+)?""", re.IGNORECASE
        ),
        rf"\1{HIDDEN}",
    ),
    # The same without its name; "basic authentication" is prose.
    (re.compile(r"\b(bearer|basic)[ \t]+(?!auth|cred|and\b)[\w.~+/=:-]+", re.IGNORECASE), rf"\1 {HIDDEN}"),
    # Our own keys, with their secrets, and the signing secrets of callbacks.
    (re.compile(r"(?:mgw_(?:live|test)|whsec)_[\w+/=-]+(?::\w+)?"), HIDDEN),
    # The secret of one of our keys by itself: 38 characters of base62, longer than MD5 and shorter than SHA-1.
    (re.compile(r"(?<![0-9A-Za-z])(?=[0-9A-Za-z]{0,37}[g-zG-Z])[0-9A-Za-z]{38}(?![0-9A-Za-z])"), HIDDEN),
    # The MAC at the end of an attempt token; the message id and attempt number before it stay.
    (re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[0-9]{1,4}\.)[\w-]{22}(?![\w-])"), rf"\1{HIDDEN}"),
    # name=value, name='value' and "name": "value", as in queries, reprs, DSNs and JSON inside strings.
    (
        re.compile(
            r"""(?<![a-z])(api[_-]?key|body|cookie|mac|passwd|password|secret|sig|signature|text|token)"""
            rf"""((?:\\?["'])?\s*=\s*|\\?["']\s*:\s*)(?!None\b|null\b){_VALUE}""",
            re.IGNORECASE,
        ),
        rf"\1\2{HIDDEN}",
    ),
)

_SEPARATED: Final = r"\d(?:[ \t\u00a0().\u2010-\u2015-]{0,2}\d){6,14}"

_HARMLESS: Final = r"""
    (?<![0-9A-Za-z])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![0-9A-Za-z])   # a UUID
  | (?<!\d)(?:19|20)\d\d-[01]\d-[0-3]\d                                                   # a date, perhaps with a time
    (?:[T ][0-2]\d:[0-5]\d(?::[0-6]\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?(?!\d)
  | (?<![0-9A-Za-z+])(?:19|20)\d\d[01]\d[0-3]\d(?:[0-2]\d[0-5]\d[0-6]\d)?(?![0-9A-Za-z])   # the same without marks
  | (?<![0-9A-Za-z+])1[5-9]\d{8}(?:\d{3}|\d{6})?(?![0-9A-Za-z])                            # seconds since 1970, ms, µs
  | (?<![\w.])\d+\.\d{8,}(?![0-9A-Za-z])                                                    # a fraction
"""

_PLUS_NUMBER: Final = rf"""
    (?P<plus>\+|\uff0b|%2[Bb]|\\u002[Bb]|&\#43;)[ (]{{0,2}}(?!0)(?:\d{{7,}}|{_SEPARATED})
"""

_BARE_NUMBER: Final = r"""
    (?:(?<![0-9A-Za-z])|(?<=\\[nrt])|(?<=\\x[0-9a-f]{2})|(?<=\\u[0-9a-f]{4}))          # also after an escape
    (?:
        (?:00)?\d{8,15}(?![0-9A-Za-z])                                                   # 15555550100
      | (?:1[ .-])?\(?[2-9]\d\d\)?[ .-]{0,2}\d{3}[ .-]\d{4}(?![0-9A-Za-z])                 # (555) 555-0100
      | \(?0\d{2,4}\)?[ -]\d{3,4}[ -]?\d{3,4}(?![0-9A-Za-z])                              # 07700 900123
    )
"""

_ANY_NUMBER: Final = re.compile(rf"(?P<harmless>{_HARMLESS})|{_PLUS_NUMBER}|{_BARE_NUMBER}", re.VERBOSE)
_INTERNATIONAL: Final = re.compile(rf"(?P<harmless>{_HARMLESS})|{_PLUS_NUMBER}", re.VERBOSE)
"""What is masked under a key that holds an identifier or a quantity."""

_DIGITS: Final = re.compile(r"\d{8,}")


def mask_text(text: str) -> str:
    """Hide the secrets and mask the numbers in a text of any kind."""
    return _mask(text, numbers=_ANY_NUMBER)


def mask_fields(fields: Mapping[str, object]) -> dict[str, Logged]:
    """Mask a log line's fields; the result holds plain values only."""
    return _mask_mapping(fields, depth=0)


def _mask_mapping(fields: Mapping[Any, object], *, depth: int) -> dict[str, Logged]:
    masked: dict[str, Logged] = {}
    for key, value in fields.items():
        name, word = _read_key(str(key))
        masked[name] = _mask_value(value, word=word, depth=depth)
    return masked


@lru_cache(maxsize=1024)
def _read_key(key: str) -> tuple[str, str]:
    """Give a key's masked name and its last word, which says what the value is."""
    words = _KEY_WORDS.findall(key)
    return mask_text(key), str(words[-1]).lower() if words else ""


def _mask_value(value: object, *, word: str, depth: int) -> Logged:
    """Mask one value that stands under a key ending in `word`."""
    if value is not None and _SECRET_WORD.fullmatch(word):
        return HIDDEN
    match value:
        case None | bool():
            return value
        case int() | float():
            return _mask_quantity(value, word=word)
        case Mapping() | list() | tuple() | AbstractSet():
            return _mask_nested(value, word=word, depth=depth + 1)
        case _:
            return _mask_spelled(_spell(value), word=word)


def _mask_nested(value: Mapping[Any, object] | Collection[object], *, word: str, depth: int) -> Logged:
    if depth > _MAX_DEPTH:
        return HIDDEN
    if isinstance(value, Mapping):
        return _mask_mapping(value, depth=depth)
    return [_mask_value(item, word=word, depth=depth) for item in value]


def _mask_quantity(value: float, *, word: str) -> Logged:
    spelled = str(value)
    if _NUMBER_WORD.fullmatch(word) and _DIGITS.search(spelled):
        return _DIGITS.sub(_keep_last_two, spelled)
    return value if isfinite(value) else spelled


def _spell(value: object) -> str:
    match value:
        case bytes() | bytearray():
            return bytes(value).decode(errors="backslashreplace")
        case BaseException():
            return f"{type(value).__name__}: {value}"
        case date() | time():
            return value.isoformat()
        case _:
            return str(value)


def _mask_spelled(text: str, *, word: str) -> str:
    if _IDENTIFIER_WORD.fullmatch(word):
        return _mask(text, numbers=_INTERNATIONAL)
    if _NUMBER_WORD.fullmatch(word):
        text = _DIGITS.sub(_keep_last_two, _INVISIBLE.sub("", text))
    return mask_text(text)


def _mask(text: str, *, numbers: re.Pattern[str]) -> str:
    if _PLAIN_WORD.fullmatch(text):
        return text
    # What lies across the cut is still seen whole, so that no part of a number or secret is left of it.
    masked = _INVISIBLE.sub("", text[: _MAX_CHARACTERS + _OVERLAP])
    for pattern, replacement in _SECRETS:
        masked = pattern.sub(replacement, masked)
    masked = numbers.sub(_mask_number, masked)
    return masked if len(text) <= _MAX_CHARACTERS else f"{masked[:_MAX_CHARACTERS]} [cut]"


def _mask_number(match: re.Match[str]) -> str:
    return match[0] if match["harmless"] is not None else f"{match['plus'] or ''}{_keep_last_two(match)}"


def _keep_last_two(match: re.Match[str]) -> str:
    return "***" + "".join(filter(str.isdigit, match[0]))[-2:]
