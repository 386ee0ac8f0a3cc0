"""Log lines: how they are made, shaped and written to stderr, whoever logs.

Our own loggers are structlog's; what libraries say through `logging` takes the same way, so that every
line has one shape and passes the masking. Nothing that is logged can break its line.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import Final, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from app.telemetry.masking import Logged, mask_fields

_FIRST: Final = ("timestamp", "level", "component", "logger", "event")
"""The fields of every line, in their order; the line's own fields follow."""

_MULTILINE: Final = ("exception", "stack")
"""Fields of several lines, which the console shows below the event."""

_MARGIN: Final = "\n    | "
"""What the console puts before each further line of an event, so that none can pass for an event of its own."""

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_TAKEN_OVER: Final = ("uvicorn", "uvicorn.error", "uvicorn.access", "alembic", "asyncio", "sqlalchemy", "py.warnings")
"""Library loggers whose own handlers, if any, give way to ours."""


def configure(*, json: bool | None = None, level: str = "INFO", component: str) -> None:
    """Send every log line of this process to stderr; to be called once, when the process starts.

    Lines are JSON if `json` is true, or is None and stderr is no terminal; otherwise they are made to be
    read, in colour. `level` is a name of the standard library's; `component` is what the process is
    (`api`, `worker` …). uvicorn must be started with `log_config=None`, or it takes its loggers back.
    Uncaught exceptions are logged too, masked like the rest.

    Raises:
        ValueError: if `level` is no level's name.
    """
    as_json = not sys.stderr.isatty() if json is None else json
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.ExtraAdder(),
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    handler = _StderrHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _Shape(component),
                *_renderers(as_json=as_json),
            ],
        )
    )
    _install(handler, level=level.upper())
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level.lower()),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def get_logger(name: str) -> FilteringBoundLogger:
    """Give the logger of one module: `log.info("what happened", key=value)`."""
    logger: FilteringBoundLogger = structlog.get_logger(name)
    return logger


def bind(**fields: object) -> AbstractContextManager[None]:
    """Add fields (`request_id`, `message_id` …) to every line within the block, in tasks started there too."""
    return structlog.contextvars.bound_contextvars(**fields)


class _StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to whatever stderr is at the moment, and never shows a record that could not be masked."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # the standard library's name
        """Say that a line was lost, where the standard library would print its arguments."""
        kind = sys.exc_info()[0]
        name = "" if kind is None else kind.__name__
        # A closed or broken stderr leaves nobody to tell.
        with suppress(OSError, ValueError):
            sys.stderr.write(f'{{"level":"error","event":"log line lost","error":"{name}","line":{record.lineno}}}\n')


class _Shape:
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


def _renderers(*, as_json: bool) -> list[Processor]:
    if as_json:
        # ASCII alone: no control character, line separator or lone surrogate reaches the stream.
        return [structlog.processors.JSONRenderer(ensure_ascii=True)]
    return [
        _flatten,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback, pad_event_to=0),
    ]


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


def _install(handler: logging.Handler, *, level: str) -> None:
    root = logging.getLogger()
    root.setLevel(level)
    for old in list(root.handlers):
        # Handlers that something else has put there, such as a test runner's, are left alone.
        if type(old) in {logging.StreamHandler, _StderrHandler}:
            root.removeHandler(old)
    root.addHandler(handler)
    for name in _TAKEN_OVER:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("uvicorn.access").disabled = True
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Log what ends the process; an interrupt from the keyboard is no error."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    get_logger(__name__).critical("uncaught exception", exc_info=(kind, error, trace))
