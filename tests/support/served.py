"""An application behind the gateway's own HTTP protocol on a free port of loopback, and raw bytes sent to it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import uvicorn
from starlette.types import ASGIApp

from app.api.protocol import GatewayProtocol
from app.api.server import GatewayServer, Notice

_ANSWER_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One HTTP answer, read from the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        """The body as JSON."""
        document: dict[str, Any] = orjson.loads(self.body)
        return document


@asynccontextmanager
async def served(app: ASGIApp, *, notice: Notice | None = None) -> AsyncIterator[int]:
    """Serve an application as `gateway api` does, but within this process and its loop; gives the port."""
    config = uvicorn.Config(
        app, http=GatewayProtocol, ws="none", lifespan="off", log_config=None, access_log=False, server_header=False
    )
    config.load()
    server = GatewayServer(config, notice=notice or Notice(), notice_seconds=0)
    server.lifespan = config.lifespan_class(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        await server.startup(sockets=[listener])
        try:
            yield port
        finally:
            server.force_exit = True
            await server.shutdown(sockets=[listener])


@asynccontextmanager
async def connection(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect; the connection is cut at the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def answer(reader: asyncio.StreamReader) -> Answer:
    """Read one answer that says how long it is."""
    async with asyncio.timeout(_ANSWER_SECONDS):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = head.rstrip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
    return Answer(status=int(status.split()[1]), headers=headers, body=body)


async def is_closed(reader: asyncio.StreamReader) -> bool:
    """Whether the other side ends the connection, saying no more."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await reader.read() == b""
    except ConnectionResetError:
        return True


async def exchange(port: int, sent: bytes) -> tuple[Answer, bool]:
    """Send bytes on a new connection; gives the answer, and whether the connection is closed after it."""
    async with connection(port) as (reader, writer):
        writer.write(sent)
        given = await answer(reader)
        return given, given.headers.get("connection") == "close" and await is_closed(reader)
