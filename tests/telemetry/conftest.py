"""What logging changes in a process, put back after each test; and what was written."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from app.telemetry import FAST_LINES
from tests.telemetry.output import Lines


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, hook = list(root.handlers), root.level, sys.excepthook
    configured, requests = structlog.get_config(), dict(vars(FAST_LINES))
    yield
    vars(FAST_LINES).update(requests)
    root.handlers[:] = handlers
    root.setLevel(level)
    sys.excepthook = hook
    logging.captureWarnings(capture=False)
    logging.getLogger("uvicorn.access").disabled = False
    structlog.configure(**configured)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    return lambda: capsys.readouterr().err.splitlines()  # noqa: PLW0108  # what is read must be what comes later
