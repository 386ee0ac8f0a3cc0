"""A TCP server on loopback that understands just enough HTTP to count requests, and misbehaves as told."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Behaviour = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
"""What to do after one complete request, given its bytes; closing the writer ends the connection."""


@dataclass(kw_only=True)
class RawServer:
    """A running server and what it has seen."""

    url: str
    requests: list[bytes] = field(default_factory=list)
    """Each complete request, head and body, in the order in which they came."""

    accepted: int = 0
    """Connections accepted so far."""

    open: set[asyncio.StreamWriter] = field(default_factory=set)
    """Connections that neither side has closed."""


@asynccontextmanager
async def serve(
    behaviour: Behaviour,
    *,
    tls: ssl.SSLContext | None = None,
    on_connection: Callable[[asyncio.StreamWriter], None] | None = None,
    receive_buffer: int | None = None,
) -> AsyncIterator[RawServer]:
    """Serve on a free port of 127.0.0.1 until the block ends; `on_connection` acts before anything is read.

    With a small `receive_buffer` (in bytes) most of what it has not read stays in the sender's kernel.
    """
    handlers: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.accepted += 1
        server.open.add(writer)
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        try:
            if on_connection is not None:
                on_connection(writer)
            while not writer.is_closing():
                request = await _read_request(reader)
                server.requests.append(request)
                await behaviour(request, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the other side has gone, or the block has ended
        finally:
            handlers.discard(task)
            server.open.discard(writer)
            writer.transport.abort()

    bound = socket.create_server(("127.0.0.1", 0))
    if receive_buffer is not None:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    listener = await asyncio.start_server(handle, sock=bound, ssl=tls)
    port = listener.sockets[0].getsockname()[1]
    server = RawServer(url=f"{'https' if tls else 'http'}://127.0.0.1:{port}/messages")
    try:
        yield server
    finally:
        listener.close()
        remaining = list(handlers)
        for task in remaining:
            task.cancel()
        await asyncio.gather(*remaining)
        await listener.wait_closed()


async def _read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return head + await reader.readexactly(length)


def written(answer: bytes, *, then_close: bool = False) -> Behaviour:
    """Answer with these bytes as they are."""

    async def behave(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        if then_close:
            writer.close()

    return behave


async def cut(_request: bytes, writer: asyncio.StreamWriter) -> None:
    """Close the connection in the ordinary way (FIN)."""
    writer.close()


async def reset(_request: bytes, writer: asyncio.StreamWriter) -> None:
    """Close the connection with a reset (RST)."""
    reset_now(writer)


async def hang(_request: bytes, _writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


def reset_now(writer: asyncio.StreamWriter) -> None:
    """Reset the connection at once."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def pause_reading(writer: asyncio.StreamWriter) -> None:
    """Leave what comes in the kernel's buffers, until they are full."""
    transport = writer.transport
    assert isinstance(transport, asyncio.Transport)
    transport.pause_reading()


def dripped(answer: bytes, *, seconds_each: float) -> Behaviour:
    """Answer with these bytes one at a time."""

    async def behave(_request: bytes, writer: asyncio.StreamWriter) -> None:
        for byte in answer:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(seconds_each)

    return behave
