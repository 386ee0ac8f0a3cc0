"""Log lines: how they are made, shaped and written to stderr, whoever logs.

Our own loggers are structlog's; what libraries say through `logging` takes the same way, so that every
line has one shape and passes the masking. Nothing that is logged can break its line.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from app.telemetry.fast_lines import FAST_LINES
from app.telemetry.shape import Shape, renderers
from app.telemetry.stderr import StderrHandler

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
    handler = StderrHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                Shape(component),
                *renderers(as_json=as_json),
            ],
        )
    )
    _install(handler, level=level.upper())
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level.lower()),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    FAST_LINES.configure(as_json=as_json, level=level.upper(), component=component)


def get_logger(name: str) -> FilteringBoundLogger:
    """Give the logger of one module: `log.info("what happened", key=value)`."""
    logger: FilteringBoundLogger = structlog.get_logger(name)
    return logger


def bind(**fields: object) -> AbstractContextManager[None]:
    """Add fields (`request_id`, `message_id` …) to every line within the block, in tasks started there too."""
    return _Bound(fields)


def request_id() -> str | None:
    """Give the id of the request that is being answered."""
    found: str | None = structlog.contextvars.get_contextvars().get("request_id")
    return found


class _Bound:
    """Fields of a block; structlog's own block copies the whole context twice, which costs four times as much."""

    def __init__(self, fields: Mapping[str, object]) -> None:
        self._fields = fields

    def __enter__(self) -> None:
        self._tokens = structlog.contextvars.bind_contextvars(**self._fields)

    def __exit__(self, *_: object) -> None:
        structlog.contextvars.reset_contextvars(**self._tokens)


def _install(handler: logging.Handler, *, level: str) -> None:
    root = logging.getLogger()
    root.setLevel(level)
    for old in list(root.handlers):
        # Handlers that something else has put there, such as a test runner's, are left alone.
        if type(old) in {logging.StreamHandler, StderrHandler}:
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
