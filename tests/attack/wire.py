"""A client of sockets: any bytes out, one HTTP answer in, and whether the server closed the connection after it.

It speaks to the socket itself: a client that stops reading because its writing failed would miss the answers
of a server that has heard enough.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from tests.attack.asgi import Answer

_PATIENCE_SECONDS: Final = 15
_COMMON: Final = (("host", b"gateway.example"), ("content-type", b"application/json"))


@dataclass(kw_only=True)
class Wire:
    """One connection to a server on loopback."""

    socket: socket.socket
    unread: bytes = b""
    opened: float = field(default_factory=time.monotonic)

    @property
    def age_seconds(self) -> float:
        """How long it has been open."""
        return time.monotonic() - self.opened

    async def send(self, data: bytes) -> None:
        """Write, and wait until the system has taken it; raises `ConnectionError` once the server has hung up."""
        await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def answer(self) -> Answer:
        """Read one answer; raises `TimeoutError`, or `EOFError` where the server says no more."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while b"\r\n\r\n" not in self.unread:
                await self._receive()
            head, _, self.unread = self.unread.partition(b"\r\n\r\n")
            status, *lines = head.decode("latin-1").split("\r\n")
            headers = tuple((name.lower(), value.strip()) for name, _, value in (x.partition(":") for x in lines))
            length = next((int(value) for name, value in headers if name == "content-length"), 0)
            while len(self.unread) < length:
                await self._receive()
        body, self.unread = self.unread[:length], self.unread[length:]
        return Answer(status=int(status.split()[1]), headers=headers, body=body)

    async def ask(self, data: bytes) -> Answer:
        """Send and read one answer; the server may have heard enough before it has taken everything."""
        sending = asyncio.create_task(self.send(data))
        try:
            return await self.answer()
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def is_closed(self) -> bool:
        """Whether the server hangs up within a second, having said no more."""
        try:
            async with asyncio.timeout(1):
                await self._receive()
        except TimeoutError:
            return False
        except (EOFError, ConnectionError):
            return True
        return False

    async def has_more(self) -> bool:
        """Whether the server says anything more within a tenth of a second."""
        with suppress(TimeoutError, EOFError, ConnectionError):
            async with asyncio.timeout(0.1):
                await self._receive()
        return self.unread != b""

    async def _receive(self) -> None:
        data = await asyncio.get_running_loop().sock_recv(self.socket, 65_536)
        if not data:
            raise EOFError
        self.unread += data


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Wire]:
    """Open a connection, and close it at the end."""
    with socket.socket() as connection:
        connection.setblocking(False)  # noqa: FBT003 - its only parameter
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        yield Wire(socket=connection)


async def exchange(port: int, data: bytes) -> Answer:
    """Send these bytes on a connection of their own and give the answer."""
    async with connected(port) as wire:
        return await wire.ask(data)


def request(method: str, target: str, *headers: tuple[str, str | bytes], body: bytes = b"") -> bytes:
    """Write a request for JSON; a Content-Length stands in it where there is a body."""
    given = [(name, value if isinstance(value, bytes) else value.encode("latin-1")) for name, value in headers]
    size = [("content-length", b"%d" % len(body))] if body else []
    lines = [b"%s: %s\r\n" % (name.encode(), value) for name, value in (*_COMMON, *given, *size)]
    return b"".join([f"{method} {target} HTTP/1.1\r\n".encode("latin-1"), *lines, b"\r\n", body])
