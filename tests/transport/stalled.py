"""A server that stops reading, so that most of a request stays where it came from; and what a kernel still holds."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Final

from tests.support.raw_server import RawServer, pause_reading, serve, written
from tests.transport.calls import OK, until

IN_THE_KERNEL: Final = 30_000
"""Bytes that a send buffer takes whole, and a small receive buffer does not."""

IN_BOTH: Final = 5_000_000
"""Bytes of which the process has to keep some until the kernel takes them."""

stalled = partial(serve, written(OK), on_connection=pause_reading, receive_buffer=4096)
"""Serves without reading, until it is told to."""


async def read_on(server: RawServer) -> None:
    """Read whatever still comes, to the end of each connection."""
    for writer in server.open:
        assert isinstance(writer.transport, asyncio.Transport)
        writer.transport.resume_reading()
    await until(lambda: not server.open)


def unsent(server: RawServer) -> int:
    """Give how many bytes the kernel holds that this server has not taken; 0 if no connection is left (Linux)."""
    ports = {writer.get_extra_info("peername")[1] for writer in server.open}
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    queues = {int(local.rpartition(":")[2], 16): queue for _, local, _, _, queue, *_ in map(str.split, lines)}
    return sum(int(queues[port].partition(":")[0], 16) for port in ports & queues.keys())
