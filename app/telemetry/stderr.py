"""The one way to stderr: ordinary lines at once, request lines together once a turn of the event loop, in order.

Whatever stderr is at the moment is written to. A stderr that is closed or broken leaves nobody to tell, so
what cannot be written is dropped; it never breaks what was logged about.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import sys
from collections import deque
from contextlib import suppress
from typing import Final, TextIO

_MOST_WAITING: Final = 1_000
"""Lines of one turn after which no more are gathered."""


class Gatherer:
    """Keeps lines until the event loop's next turn, and writes them as one.

    A process that is killed loses the lines of one turn. Flushing is safe from any thread.
    """

    def __init__(self) -> None:
        """Begin with nothing to write; what is left when the process ends is written then."""
        self._waiting: deque[str] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        """The loop that will flush in its next turn."""
        atexit.register(self.flush)

    def add(self, line: str) -> None:
        """Write a line soon; at once where no event loop runs."""
        self._waiting.append(line)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        if loop is not self._loop:
            self._loop = loop
            loop.call_soon(self.flush)
        elif len(self._waiting) >= _MOST_WAITING:
            self.flush()

    def flush(self) -> None:
        """Write what waits; whoever writes an ordinary line calls this first."""
        self._loop = None
        lines = []
        # One by one: another thread may be flushing too, or a line be added meanwhile.
        with suppress(IndexError):
            while True:
                lines.append(self._waiting.popleft())
        if lines and sys.stderr is not None:
            with suppress(OSError, ValueError):
                sys.stderr.write("\n".join([*lines, ""]))


GATHERED: Final = Gatherer()
"""The lines of this process that wait for the loop's next turn."""


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes ordinary lines, and never shows a record that could not be masked."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, after the request lines that came before it."""
        GATHERED.flush()
        self.stream = sys.stderr
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # the standard library's name
        """Say that a line was lost, where the standard library would print its arguments."""
        kind = sys.exc_info()[0]
        name = "" if kind is None else kind.__name__
        # A closed or broken stderr leaves nobody to tell.
        with suppress(OSError, ValueError):
            sys.stderr.write(f'{{"level":"error","event":"log line lost","error":"{name}","line":{record.lineno}}}\n')
