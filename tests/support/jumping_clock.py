"""The gateway's command with a clock that jumps at each SIGUSR1, to the next of the seconds in CLOCK_JUMPS.

CLOCK_JUMPS=600,-600 python -m tests.support.jumping_clock worker
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Final

from app.cli import run
from tests.support.wrong_clock import replacements

_STDOUT: Final = 1


class JumpingClock:
    """Right until its first jump; says where each has led."""

    def __init__(self, jumps: list[float]) -> None:
        """Take by how many seconds it is ahead after each jump."""
        self._jumps = iter(jumps)
        self._ahead: float | None = None

    def jump(self, *_: object) -> None:
        """Jump on; whoever is to see that reads the line."""
        is_first = self._ahead is None
        self._ahead = next(self._jumps)
        if is_first:
            for module, name, value in replacements(lambda: self._ahead or 0.0):
                setattr(module, name, value)
        # The signal may have come in the middle of a line that is being printed.
        os.write(_STDOUT, f"{said(self._ahead)}\n".encode())


def said(ahead: float) -> str:
    """Give what a process says once its clock is ahead by so much."""
    return f"the clock is {ahead:+.0f} s ahead"


if __name__ == "__main__":
    clock = JumpingClock([float(jump) for jump in os.environ["CLOCK_JUMPS"].split(",")])
    signal.signal(signal.SIGUSR1, clock.jump)
    sys.exit(run())
