"""Bodies that no adapter understands, and damaged copies of those that it does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

GARBAGE: Final[Mapping[str, bytes]] = {
    "nothing": b"",
    "an HTML page": b"<!doctype html><html><body><h1>502 Bad Gateway</h1></body></html>",
    "truncated JSON": b'{"id": "abc", "status": "que',
    "an empty object": b"{}",
    "an empty array": b"[]",
    "an array of nothing": b"[null]",
    "null": b"null",
    "a number": b"17",
    "a string": b'"accepted"',
    "true": b"true",
    "not a number": b"NaN",
    "a huge number": b"1" + b"0" * 400,
    "invalid UTF-8": b'{"id": "\xff\xfe"}',
    "a lone surrogate": b'{"id": "\\ud800"}',
    "zero bytes": b"\x00" * 16,
    "deep nesting": b"[" * 5_000 + b"]" * 5_000,
    "a form": b"a=b&a=c&%zz=%ff&=&&",
    "XML": b'<?xml version="1.0"?><response><id>1</id></response>',
}
"""Every one of them is nobody's answer and nobody's webhook."""

WRONG_VALUES: Final[Sequence[Any]] = (None, True, -1, 10**15, "", "\u0000", [], {}, [[]], {"": None})


def truncated(body: bytes) -> bytes | None:
    """Cut a JSON body in two; None for any other body, half of which may well be readable."""
    return body[: len(body) // 2] if isinstance(_loaded(body), dict | list) else None


def of_wrong_types(body: bytes) -> bytes | None:
    """Replace each leaf of a JSON body by an empty object; None for any other body."""
    value = _loaded(body)
    return orjson.dumps(_emptied(value)) if isinstance(value, dict | list) else None


def mutilated(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Damage a JSON body at one place at a time: a key left out, a value of another type."""
    value = _loaded(body)
    if not isinstance(value, dict):
        return
    for key in value:
        yield f"without {key}", orjson.dumps({name: each for name, each in value.items() if name != key})
        for replacement in WRONG_VALUES:
            yield f"{key} = {replacement!r}", orjson.dumps(value | {key: replacement})


def damaged_inside(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Damage the first object of each list of a JSON body, one place at a time: as `mutilated`, or no object at all."""
    value = _loaded(body)
    lists = {"": value} if isinstance(value, list) else value if isinstance(value, dict) else {}
    for name, items in lists.items():
        if isinstance(items, list) and items and isinstance(items[0], dict):
            broken = [("null", b"null"), ("{}", b"{}"), *mutilated(orjson.dumps(items[0]))]
            for how, first in broken:
                damaged = [orjson.loads(first), *items[1:]]
                yield f"{name}[0] {how}", orjson.dumps(damaged if value is items else value | {name: damaged})


def _loaded(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _emptied(value: Any) -> Any:
    match value:
        case dict():
            return {key: _emptied(each) for key, each in value.items()}
        case list():
            return [_emptied(each) for each in value]
        case _:
            return {}
