"""What a line looks like: its fields in order, masked, as one line of JSON or as text to be read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from app.telemetry.masking import Logged, mask_fields

_FIRST: Final = ("timestamp", "level", "component", "logger", "event")
"""The fields of every line, in their order; the line's own fields follow."""

_MULTILINE: Final = ("exception", "stack")
"""Fields of several lines, which the console shows below the event."""

_MARGIN: Final = "\n    | "
"""What the console puts before each further line of an event, so that none can pass for an event of its own."""

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Shape:
    """Masks an event, names its component and puts its fields in order."""

    def __init__(self, component: str) -> None:
        """Take the name of the process."""
        self._component = component

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> dict[str, Logged]:
        """Give the event as plain, masked values."""
        event.pop("color_message", None)  # uvicorn's event once more, with colours in it
        plain = {name: event[name] for name in ("timestamp", "level", "logger") if name in event}
        masked = mask_fields({name: value for name, value in event.items() if name not in plain})
        shaped: dict[str, Logged] = {**masked, **plain, "component": self._component}
        first: dict[str, Logged] = {name: shaped.pop(name) for name in _FIRST if name in shaped}
        return first | shaped


def renderers(*, as_json: bool) -> list[Processor]:
    """Give the last steps of a line, from shaped event to text."""
    if as_json:
        return [_render_json]
    return [
        _flatten,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback, pad_event_to=0),
    ]


def to_json(event: Mapping[str, Any]) -> str:
    """Write a masked event as one line of JSON, without its end.

    ASCII alone: no control character, line separator or lone surrogate reaches the stream. A `datetime`
    of UTC is written as RFC 3339 writes it.
    """
    try:
        line = orjson.dumps(event, option=orjson.OPT_UTC_Z)
    except orjson.JSONEncodeError:  # a lone surrogate, or an integer of more than 64 bits
        return json.dumps(event, default=str)
    return line.decode("ascii") if line.isascii() else json.dumps(orjson.loads(line))


def _render_json(_logger: WrappedLogger, _method: str, event: Mapping[str, Any]) -> str:
    return to_json(event)


def _flatten(_logger: WrappedLogger, _method: str, event: Mapping[str, Logged]) -> dict[str, Logged]:
    """Escape whatever could break or colour a line of the console."""
    flat = {_escape(name): _flatten_value(value) for name, value in event.items() if name not in _MULTILINE}
    for name in _MULTILINE:
        if isinstance(text := event.get(name), str):
            flat[name] = _MARGIN.lstrip("\n") + _MARGIN.join(_escape(line) for line in text.split("\n"))
    return flat


def _flatten_value(value: Logged) -> Logged:
    match value:
        case str():
            return _escape(value)
        case list():
            return [_flatten_value(item) for item in value]
        case dict():
            return {_escape(name): _flatten_value(item) for name, item in value.items()}
        case _:
            return value


def _escape(text: str) -> str:
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)
