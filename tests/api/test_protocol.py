"""What is refused before there is a request: malformed lines, heads too large, two readings of one request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.types import Receive, Scope, Send

from app.main import create_app, wrap
from tests.support.gateway import settings_for
from tests.support.served import answer, connection, exchange, is_closed, served

HOST = b"Host: gateway\r\n"
GET = b"GET /livez HTTP/1.1\r\n" + HOST
POST = b"POST /livez HTTP/1.1\r\n" + HOST


@pytest.fixture(scope="module")
async def port(shared_database_url: str) -> AsyncIterator[int]:
    """The API on a socket."""
    app = create_app(settings_for(shared_database_url))
    async with served(wrap(app)) as given:
        yield given
    await app.state.context.aclose()


@pytest.mark.parametrize(
    "sent",
    [
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"FOO /livez HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /livez HTTP/3.0\r\n" + HOST + b"\r\n",
        b"GET /livez HTTP/1.1\nHost: gateway\n\n",
        b"GET /\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        GET + b"A : b\r\n\r\n",
        GET + b"A: b\r\n c\r\n\r\n",
        GET + b"A: b\x00c\r\n\r\n",
        GET + b": b\r\n\r\n",
        b"GET /livez HTTP/1.1\r\n\r\n",
        GET + HOST + b"\r\n",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: +1\r\n\r\nx",
        POST + b"Content-Length: 1, 1\r\n\r\nx",
        POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: identity\r\n\r\n",
    ],
)
async def test_what_is_not_one_clear_request_is_a_problem_document_and_closes(port: int, sent: bytes) -> None:
    given, closed = await exchange(port, sent)
    assert (given.status, given.headers["content-type"], closed) == (400, "application/problem+json", True)
    assert set(given.document) == {"type", "title", "status", "detail", "code", "errors", "request_id"}
    assert (given.document["code"], given.document["errors"]) == ("bad-request", [])
    assert given.document["request_id"] == given.headers["x-request-id"]


@pytest.mark.parametrize(
    "sent",
    [
        GET + b"A: %s\r\n\r\n" % (b"x" * 17_000),
        GET + b"".join(b"A%d: b\r\n" % number for number in range(100)) + b"\r\n",
        b"GET /livez?%s HTTP/1.1\r\n" % (b"x" * 8_200) + HOST + b"\r\n",
        b"GET /%s HTTP/1.1\r\n" % (b"x" * 8_200) + HOST + b"\r\n",
        b"GET /livez?%s HTTP/1.1\r\n" % (b"x" * 70_000) + HOST + b"\r\n",
        GET + b"A: %s" % (b"x" * 400_000),
        b"GET /" + b"x" * 400_000,
        GET + b"A: b\r\n" * 60_000,
    ],
)
async def test_a_head_that_is_too_large_is_refused_even_before_its_end(port: int, sent: bytes) -> None:
    given, closed = await exchange(port, sent)
    assert (given.status, given.document["code"], closed) == (431, "headers-too-large", True)


async def test_a_head_within_the_limits_passes(port: int) -> None:
    large = b"".join(b"A%02d: %s\r\n" % (number, b"x" * 150) for number in range(95))
    given, _ = await exchange(port, b"GET /livez?%s HTTP/1.1\r\n" % (b"x" * 8_000) + HOST + large + b"\r\n")
    assert given.status == 200


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"TRACE /v1/messages", 405),
        (b"PROPFIND /v1/messages", 405),
        (b"CONNECT gateway:443", 405),
        (b"CONNECT /v1/messages", 405),
        (b"M-SEARCH /v1/messages", 405),
        (b"OPTIONS *", 404),
    ],
)
async def test_methods_that_are_not_offered_are_told_which_are(port: int, line: bytes, status: int) -> None:
    given, _ = await exchange(port, line + b" HTTP/1.1\r\n" + HOST + b"\r\n")
    assert given.status == status
    assert given.headers.get("allow") == ("GET, HEAD, POST" if status == 405 else None)


async def test_http_1_0_needs_no_host(port: int) -> None:
    given, closed = await exchange(port, b"GET /livez HTTP/1.0\r\n\r\n")
    assert (given.status, closed) == (200, True)


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
async def test_an_upgrade_is_not_made_and_the_connection_goes_on(port: int, protocol: bytes) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: %s\r\nSec-WebSocket-Key: x\r\n\r\n" % protocol
    async with connection(port) as (reader, writer):
        for _ in range(2):
            writer.write(GET + upgrade)
            assert (await answer(reader)).status == 200


@pytest.mark.parametrize("garbage", [b"GARBAGE\r\n\r\n", b"GET /" + b"x" * 100_000, POST + b"Content-Length: x\r\n"])
async def test_garbage_after_a_request_does_not_take_its_answer(port: int, garbage: bytes) -> None:
    async with connection(port) as (reader, writer):
        writer.write(GET + b"\r\n" + GET + b"\r\n" + garbage)
        assert [(await answer(reader)).status for _ in range(2)] == [200, 200]
        assert await is_closed(reader)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the names of the headers, as they stand once the whole body has come."""
    while (await receive()).get("more_body"):
        pass
    body = b",".join(name for name, _ in scope["headers"])
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


CHUNKED = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"


async def test_trailers_do_not_become_headers() -> None:
    async with served(echo) as port:
        given, _ = await exchange(port, CHUNKED + b"0\r\nAuthorization: x\r\nX-Forwarded-For: y\r\n\r\n")
    assert given.body == b"host,transfer-encoding"


async def test_a_body_that_cannot_be_parsed_is_refused_while_it_is_waited_for() -> None:
    async with served(echo) as port, connection(port) as (reader, writer):
        writer.write(CHUNKED)
        await asyncio.sleep(0.05)
        writer.write(b"zz\r\n")
        assert (await answer(reader)).status == 400
        assert await is_closed(reader)


async def test_trailers_without_an_end_are_cut_off() -> None:
    async with served(echo) as port, connection(port) as (_, writer):
        writer.write(CHUNKED + b"0\r\nA: ")
        sent = 0
        while not writer.is_closing() and sent < 100_000_000:
            try:
                writer.write(b"x" * 65536)
                await writer.drain()
            except ConnectionError:
                break
            sent += 65536
    assert sent < 30_000_000
