"""What each way to fail is called, against real servers: whether it was certainly not sent, and how often it was."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from app.domain.http import HttpResponse, TransportFailure
from tests.support.raw_server import Behaviour, cut, dripped, hang, reset, reset_now, serve, written
from tests.transport.calls import CONNECTED, NOT_CONNECTED, OK, SHORT, SOON, closed_port_url, failure, post, quick


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way for an answer not to come, once a connection was obtained."""

    name: str
    reason: str
    behaviour: Behaviour
    seen: int = 1
    """How many requests the server may have read."""

    on_connection: Callable[[asyncio.StreamWriter], None] | None = field(default=None)


CONNECTED_ROWS = [
    Row(name="FIN after the request", reason="cut", behaviour=cut),
    Row(name="RST after the request", reason="cut", behaviour=reset),
    Row(
        name="FIN before the request was read", reason="cut", behaviour=hang, seen=0, on_connection=lambda w: w.close()
    ),
    Row(name="RST before the request was read", reason="cut", behaviour=hang, seen=0, on_connection=reset_now),
    Row(
        name="half a head",
        reason="cut",
        behaviour=written(b"HTTP/1.1 201 Created\r\ncontent-le", then_close=True),
    ),
    Row(
        name="half a body",
        reason="cut",
        behaviour=written(b'HTTP/1.1 201 Created\r\ncontent-length: 12\r\n\r\n{"id"', then_close=True),
    ),
    Row(
        name="half of a chunked body",
        reason="cut",
        behaviour=written(b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n{"id\r\n', then_close=True),
    ),
    Row(name="garbage", reason="garbage", behaviour=written(b"\x00\xff\x16 not HTTP at all\r\n\r\n")),
    Row(name="a garbled header", reason="garbage", behaviour=written(b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n")),
    Row(
        name="a garbled chunk size",
        reason="garbage",
        behaviour=written(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n"),
    ),
    Row(
        name="a head too long",
        reason="garbage",
        behaviour=written(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 9000 + b"\r\n\r\n"),
    ),
    Row(name="hang", reason="deadline", behaviour=hang),
    Row(name="hang after the head", reason="deadline", behaviour=written(OK[:-12])),
    Row(name="a dripping head", reason="deadline", behaviour=dripped(OK, seconds_each=0.05)),
    Row(
        name="a dripping body without end",
        reason="deadline",
        behaviour=dripped(b"HTTP/1.1 200 OK\r\n\r\n" + b"." * 900, seconds_each=0.005),
    ),
    Row(
        name="an oversized answer",
        reason="too-large",
        behaviour=written(b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n" + b"." * 1001),
    ),
    Row(
        name="an answer without end",
        reason="too-large",
        behaviour=written(b"HTTP/1.1 200 OK\r\n\r\n" + b"." * 200_000),
    ),
]


@pytest.mark.parametrize("row", CONNECTED_ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_once_connected_every_failure_may_have_been_sent_and_is_sent_once(row: Row, method: str) -> None:
    deadline = SHORT if row.reason == "deadline" else 10
    async with serve(row.behaviour, on_connection=row.on_connection) as server, quick(deadline=deadline) as transport:
        outcome = await transport.perform(post(server.url, method=method))
    assert outcome == failure(CONNECTED, row.reason)
    assert len(server.requests) == row.seen


async def test_a_refused_connection_is_certainly_not_sent() -> None:
    async with quick() as transport:
        assert await transport.perform(post(closed_port_url())) == failure(NOT_CONNECTED, "refused")


async def test_a_refusal_at_every_address_of_a_name_is_certainly_not_sent() -> None:
    url = closed_port_url().replace("127.0.0.1", "localhost")
    async with quick() as transport:
        assert await transport.perform(post(url)) == failure(NOT_CONNECTED, "refused")


async def test_a_name_that_does_not_resolve_is_certainly_not_sent() -> None:
    async with quick() as transport:
        outcome = await transport.perform(post("http://provider.invalid/messages"))
    assert outcome == failure(NOT_CONNECTED, "dns")


async def test_a_connection_that_is_never_answered_is_certainly_not_sent() -> None:
    async with quick(connect=0.2) as transport:
        with full_backlog() as url:
            start = time.monotonic()
            outcome = await transport.perform(post(url))
            seconds = time.monotonic() - start
    assert outcome == failure(NOT_CONNECTED, "connect-timeout")
    assert 0.2 <= seconds < SOON


@contextmanager
def full_backlog() -> Iterator[str]:
    """A listener whose backlog is full, so that the kernel drops further connection requests."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for connection in waiting:
            connection.settimeout(0)
            connection.connect_ex(("127.0.0.1", port))
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            for connection in waiting:
                connection.close()


async def test_no_answer_however_mangled_raises() -> None:
    chance = random.Random(20)  # noqa: S311  # the same mangled answers in every run
    originals = [
        OK,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nset-cookie: a=b\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\ncontent-encoding: gzip\r\n\r\nnot gzip",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    ]

    async def mangled(_request: bytes, writer: asyncio.StreamWriter) -> None:
        answer = bytearray(chance.choice(originals))
        for _ in range(chance.randrange(4)):
            place = chance.randrange(len(answer))
            answer[place : place + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
        writer.write(bytes(answer))
        writer.close()

    async with serve(mangled) as server, quick() as transport:
        outcomes = [await transport.perform(post(server.url)) for _ in range(300)]
    assert any(isinstance(outcome, HttpResponse) for outcome in outcomes)
    failures = {outcome for outcome in outcomes if isinstance(outcome, TransportFailure)}
    assert {outcome.phase for outcome in failures} == {CONNECTED}
    assert {outcome.reason for outcome in failures} == {"cut", "garbage"}
