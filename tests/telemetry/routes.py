"""Every way by which a loaded text can get into a log line."""

from __future__ import annotations

import logging
import sys
import warnings

from app import telemetry
from tests.telemetry.canaries import BODY, LOADED


def refuse(message: str = LOADED) -> None:
    """Fail with a text in the exception, in its cause and in a note."""
    cause = KeyError(message)
    cause.add_note(message)
    raise ValueError(message) from cause


def log_structured() -> None:
    telemetry.get_logger("app").info("value", seen=LOADED, body=BODY, bodies=[BODY])


def log_event() -> None:
    telemetry.get_logger("app").info(LOADED)


def log_event_with_arguments() -> None:
    telemetry.get_logger("app").info("seen %s", LOADED)


def log_nested() -> None:
    telemetry.get_logger("app").info("nested", seen=[{"a": ({LOADED: LOADED, "text": {"x": BODY}},)}])


def log_bound() -> None:
    with telemetry.bind(seen=LOADED):
        telemetry.get_logger("app").info("bound")


def log_exception() -> None:
    try:
        refuse()
    except ValueError:
        telemetry.get_logger("app").exception("failed")


def log_exception_value() -> None:
    telemetry.get_logger("app").error("failed", error=ValueError(LOADED), cause=[ValueError(LOADED)])


def log_stack() -> None:
    telemetry.get_logger("app").info("stack", stack_info=True, seen=LOADED)


def log_library() -> None:
    logging.getLogger("sqlalchemy.engine").error("%s %r", LOADED, {"to": LOADED})


def log_library_exception() -> None:
    try:
        refuse()
    except ValueError:
        logging.getLogger("asyncio").exception("Task exception was never retrieved: %s", LOADED)


def log_library_object() -> None:
    logging.getLogger("uvicorn.error").error(ValueError(LOADED), extra={"seen": {"a": LOADED}})


def log_broken_arguments() -> None:
    root = logging.getLogger()
    # The test runner's own handlers would raise.
    root.handlers[:] = [handler for handler in root.handlers if type(handler).__module__.startswith("app.")]
    logging.getLogger("alembic").error("%d", LOADED)


def log_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn(LOADED, stacklevel=1)


def log_uncaught() -> None:
    try:
        refuse()
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)


def log_unicode() -> None:
    telemetry.get_logger("app").info("h\u00e9llo \U0001f600 \ud800", seen="\u202e\u200b+1555\u200b5550100")


ROUTES = [
    log_structured,
    log_event,
    log_event_with_arguments,
    log_nested,
    log_bound,
    log_exception,
    log_exception_value,
    log_stack,
    log_library,
    log_library_exception,
    log_library_object,
    log_broken_arguments,
    log_warning,
    log_uncaught,
    log_unicode,
]
