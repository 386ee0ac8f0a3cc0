"""A sender that is killed, or that stands still: its kernel does not go on to deliver what it holds."""

from __future__ import annotations

import signal
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.processes import ROOT
from tests.support.raw_server import RawServer
from tests.transport.calls import until
from tests.transport.stalled import IN_THE_KERNEL, read_on, stalled, unsent

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what the kernel holds of others")

SENDER = f"""
import asyncio, sys
from app.domain.http import HttpRequest
from app.transport import Transport

async def send():
    transport = Transport(deadline_seconds=float(sys.argv[2]))
    await transport.perform(HttpRequest(method="POST", url=sys.argv[1], body=b"." * {IN_THE_KERNEL}))

asyncio.run(send())
"""


@asynccontextmanager
async def sender(server: RawServer, *, deadline: float) -> AsyncIterator[Process]:
    """A process whose request is in its kernel's hands."""
    process = await create_subprocess_exec(sys.executable, "-c", SENDER, server.url, str(deadline), cwd=ROOT)
    try:
        await until(lambda: unsent(server) > IN_THE_KERNEL / 2)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_what_a_killed_process_had_not_sent_never_arrives() -> None:
    async with stalled() as server, sender(server, deadline=20) as process:
        process.kill()
        await process.wait()
        await read_on(server)
    assert (server.accepted, server.requests) == (1, [])


@pytest.mark.fault
async def test_what_a_process_that_stands_still_had_not_sent_is_dropped_after_a_deadline() -> None:
    async with stalled() as server, sender(server, deadline=1) as process:
        process.send_signal(signal.SIGSTOP)
        await until(lambda: unsent(server) == 0)
        await read_on(server)
    assert (server.accepted, server.requests) == (1, [])
