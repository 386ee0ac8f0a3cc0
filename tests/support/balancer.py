"""A reverse proxy in front of several API processes: it asks for readiness, keeps connections, and repeats nothing.

A request goes to a replica that was ready when it was last asked. Where a connection is refused, nothing of the
request has left, and another replica has it; a request that was written and not answered is a 502 to the caller.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from urllib.parse import urlsplit

_GLANCE_SECONDS: Final = 0.05
_ANSWER_SECONDS: Final = 20
_READINESS: Final = b"GET /readyz HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n"
_BAD_GATEWAY: Final = b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(kw_only=True)
class Replica:
    """One API process as the proxy knows it."""

    host: str
    port: int
    ready: bool = False
    idle: list[Streams] = field(default_factory=list)

    async def connect(self) -> Streams:
        """Give a kept connection, or a new one; raises `OSError` where it is refused."""
        while self.idle:
            reader, writer = self.idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self.host, self.port)

    async def look(self) -> None:
        """Ask whether it is ready; kept connections to one that is not are let go."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                reader, writer = await asyncio.open_connection(self.host, self.port)
                with closing(writer):
                    writer.write(_READINESS)
                    self.ready = (await reader.readline()).split()[1:2] == [b"200"]
        except OSError:
            self.ready = False
        if not self.ready:
            self.let_go()

    def let_go(self) -> None:
        """Close the kept connections."""
        while self.idle:
            self.idle.pop()[1].close()


class Balancer:
    """The proxy; `lost` counts the requests that were written to a replica and never answered, `unserved` those that
    no replica took."""

    def __init__(self, urls: Sequence[str]) -> None:
        """Take the addresses of the replicas."""
        addresses = [urlsplit(url) for url in urls]
        self._replicas = [Replica(host=a.hostname or "", port=a.port or 0) for a in addresses]
        self._turns = itertools.count()
        self._callers: set[asyncio.Task[None]] = set()
        self.lost = 0
        self.unserved = 0

    @property
    def ready(self) -> int:
        """How many replicas are ready."""
        return sum(replica.ready for replica in self._replicas)

    @asynccontextmanager
    async def serving(self, port: int) -> AsyncIterator[None]:
        """Serve on a port of loopback."""
        try:
            async with asyncio.TaskGroup() as group:
                server = await asyncio.start_server(self._begin, "127.0.0.1", port)
                watches = [group.create_task(self._watch(replica)) for replica in self._replicas]
                try:
                    yield
                finally:
                    server.close()
                    for task in (*watches, *self._callers):
                        task.cancel()
        finally:
            await asyncio.gather(*self._callers, return_exceptions=True)
            for replica in self._replicas:
                replica.let_go()

    async def _watch(self, replica: Replica) -> None:
        while True:
            await replica.look()
            await asyncio.sleep(_GLANCE_SECONDS)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller = asyncio.create_task(self._serve(reader, writer))
        self._callers.add(caller)
        caller.add_done_callback(self._callers.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one caller until it goes."""
        try:
            while True:
                writer.write(await self._pass_on(await _read(reader)))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _pass_on(self, request: bytes) -> bytes:
        turn = next(self._turns)
        ready = [replica for replica in self._replicas if replica.ready] or self._replicas
        for number in range(len(ready)):
            replica = ready[(turn + number) % len(ready)]
            try:
                upstream = await replica.connect()
            except OSError:
                replica.ready = False
                continue
            return await self._exchange(replica, upstream, request)
        self.unserved += 1
        return _BAD_GATEWAY

    async def _exchange(self, replica: Replica, upstream: Streams, request: bytes) -> bytes:
        reader, writer = upstream
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                writer.write(request)
                answer = await _read(reader)
        except (asyncio.IncompleteReadError, OSError):
            self.lost += 1
            writer.close()
            return _BAD_GATEWAY
        except asyncio.CancelledError:
            writer.close()
            raise
        if b"\r\nconnection: close\r\n" in answer.partition(b"\r\n\r\n")[0].lower() + b"\r\n" or not replica.ready:
            writer.close()
        else:
            replica.idle.append(upstream)
        return _without_close(answer)


async def _read(reader: asyncio.StreamReader) -> bytes:
    """Read one request or answer, whose body has a length."""
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line.partition(b":")[2] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return head + await reader.readexactly(int(lengths[0]) if lengths else 0)


def _without_close(answer: bytes) -> bytes:
    """Leave out that the replica ends its connection: the caller's goes on."""
    head, end, body = answer.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if line.lower() != b"connection: close"]
    return b"\r\n".join(lines) + end + body
