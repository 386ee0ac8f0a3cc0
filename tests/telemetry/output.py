"""What was written to stderr, as the tests read it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeAlias

from app.telemetry.masking import Logged

Lines: TypeAlias = Callable[[], list[str]]
"""The lines written since the last call."""


def the_event(lines: Lines) -> dict[str, Logged]:
    """The one line written, read as JSON."""
    (line,) = lines()
    event: dict[str, Logged] = json.loads(line)
    return event
