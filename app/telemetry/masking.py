"""What may stand in a log line: pure rules that take numbers, message bodies and secrets out of values.

A key's name decides first (`body` is hidden whatever it holds), then the text itself is searched, in
keys, nested values and tracebacks alike. Numbers keep their last two digits. Where a string of bare
digits could be either a number or something harmless, it is masked: only ids, timestamps, dates and
the like are let through, by their form or by the key that they stand under. Integers and floats are
counts, unless their key says that they are numbers to text. What is searched for stands in `patterns`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, time
from enum import Enum, auto
from functools import lru_cache
from math import isfinite
from typing import Any, Final, assert_never

from app.telemetry import patterns
from app.telemetry.patterns import HIDDEN

Logged = None | bool | int | float | str | list["Logged"] | dict[str, "Logged"]
"""What is left after masking: what JSON can write, and nothing whose repr could tell more."""

_MAX_DEPTH: Final = 8
"""How deep values may be nested; whatever is below is left out."""

_MAX_CHARACTERS: Final = 20_000
"""How much of one text is kept: more than any traceback of ours has."""

_OVERLAP: Final = 300

_KEY_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

_UUID: Final = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_PLAIN: Final = re.compile(rf"[0-9a-f]{{32}}|{_UUID}|(?!\w*(?:mgw|whsec)_)[A-Za-z_]{{0,16}}")
"""Words too short to be anything that is searched for, and the two forms of our ids: no search would change them."""

_PLAIN_IDENTIFIER: Final = re.compile(f"[0-9A-Za-z]{{0,37}}|{_UUID}")
"""The same under a key that holds an identifier: shorter than a secret, and without the plus of a number."""

_DIGITS: Final = re.compile(r"\d{8,}")


class _Rule(Enum):
    """What a key says about its value."""

    SECRET = auto()
    """Message text or a secret: nothing of it is shown."""

    NUMBER = auto()
    """Perhaps a number to text, even as an integer."""

    IDENTIFIER = auto()
    """An identifier or a quantity of ours: digits without a plus are no number."""

    GIVEN_ID = auto()
    """An identifier that a stranger may have chosen."""

    TEXT = auto()
    """Anything."""


def mask_text(text: str) -> str:
    """Hide the secrets and mask the numbers in a text of any kind."""
    return text if _PLAIN.fullmatch(text) else _search(text, numbers=patterns.ANY_NUMBER)


def mask_fields(fields: Mapping[str, object]) -> dict[str, Logged]:
    """Mask a log line's fields; the result holds plain values only."""
    return _mask_mapping(fields, depth=0)


def _mask_mapping(fields: Mapping[Any, object], *, depth: int) -> dict[str, Logged]:
    masked: dict[str, Logged] = {}
    for key, value in fields.items():
        name, rule, plain = _read_key(str(key))
        kind = type(value)
        # Most values are let through here, which is what makes lines cheap; `_mask_value` would give the same.
        if plain is not None and (kind is int or kind is bool or (kind is str and plain.fullmatch(str(value)))):
            masked[name] = value  # type: ignore[assignment]  # one of the three kinds, which mypy cannot see
        else:
            masked[name] = _mask_value(value, rule=rule, depth=depth)
    return masked


@lru_cache(maxsize=1024)
def _read_key(key: str) -> tuple[str, _Rule, re.Pattern[str] | None]:
    """Give a key's masked name, what it says about its value, and which texts need no search under it, if any."""
    rule = _rule([word.lower() for word in _KEY_WORDS.findall(key)])
    return mask_text(key), rule, _plain(rule)


def _plain(rule: _Rule) -> re.Pattern[str] | None:
    match rule:
        case _Rule.SECRET | _Rule.NUMBER:
            return None
        case _Rule.IDENTIFIER:
            return _PLAIN_IDENTIFIER
        case _Rule.GIVEN_ID | _Rule.TEXT:
            return _PLAIN
        case _:
            assert_never(rule)


def _rule(words: list[str]) -> _Rule:
    """Read the words of a key, of which the last one decides."""
    last = words[-1] if words else ""
    if patterns.SECRET_WORD.fullmatch(last):
        return _Rule.SECRET
    if words[-2:] == ["request", "id"]:
        return _Rule.GIVEN_ID
    if patterns.IDENTIFIER_WORD.fullmatch(last):
        return _Rule.IDENTIFIER
    return _Rule.NUMBER if patterns.NUMBER_WORD.fullmatch(last) else _Rule.TEXT


def _mask_value(value: object, *, rule: _Rule, depth: int) -> Logged:
    """Mask one value that stands under a key of this rule."""
    if rule is _Rule.SECRET:
        return None if value is None else HIDDEN
    match value:
        case str():
            return _mask_spelled(value, rule=rule)
        case None | bool():
            return value
        case int() | float():
            return _mask_quantity(value, rule=rule)
        case Mapping() | list() | tuple() | AbstractSet():
            return _mask_nested(value, rule=rule, depth=depth + 1)
        case _:
            return _mask_spelled(_spell(value), rule=rule)


def _mask_nested(value: Mapping[Any, object] | Collection[object], *, rule: _Rule, depth: int) -> Logged:
    if depth > _MAX_DEPTH:
        return HIDDEN
    if isinstance(value, Mapping):
        return _mask_mapping(value, depth=depth)
    return [_mask_value(item, rule=rule, depth=depth) for item in value]


def _mask_quantity(value: float, *, rule: _Rule) -> Logged:
    if rule is _Rule.NUMBER and _DIGITS.search(spelled := str(value)):
        return _DIGITS.sub(_keep_last_two, spelled)
    return value if isfinite(value) else str(value)


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


def _mask_spelled(text: str, *, rule: _Rule) -> str:
    match rule:
        case _Rule.SECRET:
            return HIDDEN
        case _Rule.NUMBER:
            # Before anything is let through by its form: it may be a number all the same.
            return mask_text(_DIGITS.sub(_keep_last_two, patterns.INVISIBLE.sub("", text)))
        case _Rule.TEXT:
            return mask_text(text)
        case _Rule.IDENTIFIER:
            return _search(text, numbers=patterns.INTERNATIONAL)
        case _Rule.GIVEN_ID:
            return text if _PLAIN.fullmatch(text) else _search(text, numbers=patterns.GIVEN_ID_NUMBER)
        case _:
            assert_never(rule)


def _search(text: str, *, numbers: re.Pattern[str]) -> str:
    # What lies across the cut is still seen whole, so that no part of a number or secret is left of it.
    masked = text[: _MAX_CHARACTERS + _OVERLAP]
    if not masked.isascii():
        masked = patterns.INVISIBLE.sub("", masked)
    if patterns.MAY_HOLD_SECRET.search(masked):
        for pattern, replacement in patterns.SECRETS:
            masked = pattern.sub(replacement, masked)
    if patterns.MAY_HOLD_NUMBER.search(masked):
        masked = numbers.sub(_mask_number, masked)
    return masked if len(text) <= _MAX_CHARACTERS else f"{masked[:_MAX_CHARACTERS]} [cut]"


def _mask_number(match: re.Match[str]) -> str:
    return match[0] if match["harmless"] is not None else f"{match['plus'] or ''}{_keep_last_two(match)}"


def _keep_last_two(match: re.Match[str]) -> str:
    return "***" + "".join(filter(str.isdigit, match[0]))[-2:]
