"""The processes that `gateway dev` starts and stops: each logs to a file, none outlives its parent."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final, Self

from app.embedded import die_with_parent

_TAIL_LINES: Final = 15
_STOP_SECONDS: Final = 30
_LOG_BYTES: Final = 10_000_000


class Child:
    """One running `gateway` process."""

    def __init__(self, name: str, *, log: Path, environment: Mapping[str, str]) -> None:
        """Start it, in a session of its own so that Ctrl-C reaches only its parent."""
        self.name = name
        self.log = log
        with ExitStack() as stack:
            output = stack.enter_context(_appending(log))
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", "app", name],
                env={**environment, "GATEWAY_NO_BOOTSTRAP": "1"},
                cwd=Path(__file__).resolve().parents[2],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - this command has one thread
            )

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll()

    @property
    def ending(self) -> str:
        """How it ended, in words: `SIGKILL`, or `exit code 1`."""
        code = self.exit_code or 0
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    def ask_to_stop(self) -> None:
        """Let it drain."""
        if self.exit_code is None:
            self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def wait(self) -> None:
        """Wait until it has ended; one that does not drain in time is killed."""
        try:
            self._process.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()

    def last_lines(self) -> str:
        """Give the end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])


class Children:
    """A group of processes that starts together and stops in order."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        """Take where they log, and what they are told."""
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._environment = environment
        self._started: list[Child] = []

    def start(self, name: str) -> Child:
        """Start one process."""
        child = Child(name, log=self._directory / f"{name}.log", environment=self._environment)
        self._started.append(child)
        return child

    def ended(self) -> Child | None:
        """Give a process that has ended although nobody asked it to."""
        return next((child for child in self._started if child.exit_code is not None), None)

    def __enter__(self) -> Self:
        """Stop all of them at the end, whatever happens."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the newest first, each after the one that needs it."""
        for child in reversed(self._started):
            child.ask_to_stop()
            child.wait()


def _appending(log: Path) -> BinaryIO:
    """Open a log at its end: what the last run said may be what somebody looks for. A long one is put away first."""
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    return log.open("ab")
