"""What is written to a connection in one turn of the event loop leaves as one, in order, and to nobody who has gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.api.joined_writes import JoinedWrites


class Recorded(asyncio.Protocol):
    """The end of a connection that notes what arrives."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.pieces.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.ended.set()


@asynccontextmanager
async def connection() -> AsyncIterator[tuple[JoinedWrites, asyncio.Transport, Recorded]]:
    """Give a transport with joined writes, the one under it, and who is at the other end."""
    loop = asyncio.get_running_loop()
    other = Recorded()
    server = await loop.create_server(lambda: other, "127.0.0.1", 0)
    transport, _ = await loop.create_connection(asyncio.Protocol, *server.sockets[0].getsockname()[:2])
    yield JoinedWrites(transport, loop), transport, other
    transport.close()
    server.close()
    await other.ended.wait()


async def test_head_and_body_arrive_in_one_piece() -> None:
    async with connection() as (joined, _, other):
        joined.write(b"head ")
        joined.write(b"body ")
        await asyncio.sleep(0.02)
        joined.write(b"next")
        await asyncio.sleep(0.02)
        assert other.pieces == [b"head body ", b"next"]


async def test_what_was_written_before_the_close_still_arrives() -> None:
    async with connection() as (joined, _, other):
        joined.write(b"all ")
        joined.write(b"of it")
        joined.close()
        await other.ended.wait()
        assert b"".join(other.pieces) == b"all of it"


async def test_writing_to_one_who_has_gone_is_no_error() -> None:
    async with connection() as (joined, transport, other):
        joined.write(b"for nobody")
        transport.abort()
        await other.ended.wait()
        joined.write(b"for nobody either")
        await asyncio.sleep(0)
        assert other.pieces == []


async def test_everything_else_is_the_transport_itself() -> None:
    async with connection() as (joined, transport, _):
        assert joined.is_closing() is False
        assert joined.get_extra_info("peername") == transport.get_extra_info("peername")
