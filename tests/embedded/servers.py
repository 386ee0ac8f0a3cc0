"""Embedded servers as the tests handle them: started, asked, killed, and owned by other processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.embedded import EmbeddedPostgres
from tests.support.repository import ROOT

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="rests on what only Linux has")
LINUX_ROOT = pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="is about root on Linux")

_OWNER = """
import sys, time
from pathlib import Path
from app.embedded import EmbeddedPostgres
server = EmbeddedPostgres(directory=Path(sys.argv[1]), durable=False)
server.start()
print(server.process_id, server.attached, flush=True)
time.sleep(60)
"""


def start(directory: Path, **settings: str) -> EmbeddedPostgres:
    """A server of this process."""
    server = EmbeddedPostgres(directory=directory, durable=False, settings=settings)
    server.start()
    return server


def run(server: EmbeddedPostgres, *statements: str, database: str = "postgres") -> list[tuple[Any, ...]]:
    """The rows of the last statement; each statement is committed and acknowledged by itself."""

    async def ask() -> list[tuple[Any, ...]]:
        engine = create_async_engine(server.url(database), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        rows: list[tuple[Any, ...]] = []
        async with engine.connect() as connection:
            for statement in statements:
                result = await connection.execute(text(statement))
                rows = [tuple(row) for row in result.all()] if result.returns_rows else []
        await engine.dispose()
        return rows

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(ask())


def serves(server: EmbeddedPostgres) -> bool:
    """Whether it answers a query."""
    return run(server, "SELECT 1") == [(1,)]


def kill(server: EmbeddedPostgres) -> None:
    """Kill the postmaster of an owner in this process, and have it dead, not reaped."""
    os.kill(server.process_id, signal.SIGKILL)
    os.waitid(os.P_PID, server.process_id, os.WEXITED | os.WNOWAIT)


def is_gone(number: int) -> bool:
    """Whether a process has ended, reaped or not (Linux)."""
    return not Path(f"/proc/{number}/cwd").exists()


def wait_until(condition: Callable[[], bool], *, seconds: float = 10.0) -> None:
    """Wait until something holds; fails when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


@contextmanager
def python(code: str, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Another process of our own interpreter, killed at the end of the block."""
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def next_line(process: subprocess.Popen[str]) -> str:
    """What another process says next; waits for it, and is empty once it has ended."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def owner_process(directory: Path) -> AbstractContextManager[subprocess.Popen[str]]:
    """Another process that starts a server, says so, and keeps it until it is killed."""
    return python(_OWNER, directory)


def announced(owner: subprocess.Popen[str]) -> tuple[int, bool]:
    """What an owner process says when its server is ready: the postmaster's id, and whether it attached."""
    number, attached = next_line(owner).split()
    return int(number), attached == "True"
