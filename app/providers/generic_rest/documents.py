"""Foreign documents: values found by path, and documents written by path. Nothing that is read raises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs

import orjson

_MOST_DIGITS: Final = 18
_FIRST_MILLISECONDS: Final = 10**11
"""As seconds this would be the year 5138."""


class PathsCollide(ValueError):
    """Two paths cannot stand in one document, such as `a` and `a.b`."""


def load_json(body: bytes) -> Any:
    """Read JSON; None for what is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def load_form(text: str) -> dict[str, Any]:
    """Read a form or a query: lists where a name comes more than once; empty for what is none."""
    try:
        found = parse_qs(text, keep_blank_values=True, max_num_fields=200, errors="strict")
    except ValueError:
        return {}
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def find(document: Any, path: str) -> Any:
    """Give what stands at a path such as `messages.0.id`; None where nothing does.

    A name that holds dots itself goes first, for forms have such. A list of one is entered by itself.
    """
    if isinstance(document, dict) and path in document:
        return _only(document[path])
    value = document
    for step in path.split("."):
        if isinstance(value, list) and step.isascii() and step.isdigit():
            value = value[int(step)] if len(step) < _MOST_DIGITS and int(step) < len(value) else None
            continue
        inside = _only(value)
        value = inside.get(step) if isinstance(inside, dict) else None
    return _only(value)


def first_word(document: Any, paths: Iterable[str]) -> str | None:
    """Give the first text or whole number at any of the paths, as text: ids are numbers here and there."""
    return next((word for path in paths if (word := _word(find(document, path))) is not None), None)


def first_text(document: Any, paths: Iterable[str]) -> str | None:
    """As `first_word`, as it was written and even if empty: a person's words are not ours to trim."""
    found = (find(document, path) for path in paths)
    return next((value if isinstance(value, str) else str(value) for value in found if _is_text(value)), None)


def first_flag(document: Any, paths: Iterable[str]) -> str | None:
    """As `first_word`, with truth written as `true` or `false`."""
    for path in paths:
        value = find(document, path)
        word = str(value).lower() if isinstance(value, bool) else _word(value)
        if word is not None:
            return word
    return None


def first_time(document: Any, paths: Iterable[str]) -> datetime | None:
    """Read ISO 8601 (UTC where it names no zone) or a Unix time in seconds or milliseconds; None for anything else."""
    word = first_word(document, paths)
    if word is None:
        return None
    try:
        if word.isascii() and word.isdigit():
            number = int(word[: _MOST_DIGITS + 1])
            return datetime.fromtimestamp(number / 1000 if number >= _FIRST_MILLISECONDS else number, UTC)
        moment = datetime.fromisoformat(word)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def written(values: Mapping[str, Any]) -> dict[str, Any]:
    """Write each value at its path; `a.0.b` is a list in `a`. Raises `PathsCollide`."""
    tree: dict[str, Any] = {}
    for path, value in values.items():
        *steps, last = path.split(".")
        node = tree
        for step in steps:
            node = node.setdefault(step, {})
            if not isinstance(node, dict):
                raise PathsCollide(f"{path} lies in a field that has a value already")
        if last in node:
            raise PathsCollide(f"{path} is written twice")
        node[last] = value
    return {name: _with_lists(value) for name, value in tree.items()}


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inside = {step: _with_lists(each) for step, each in value.items()}
    places = [str(place) for place in range(len(inside))]
    return [inside[place] for place in places] if set(places) == set(inside) else inside


def _only(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _word(value: Any) -> str | None:
    return (str(value).strip() or None) if _is_text(value) else None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))
