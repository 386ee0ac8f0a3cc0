"""Answers go to the requests that they are about: a refusal waits its turn, and so may a caller who is done sending."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Receive, Scope, Send

from tests.support.served import answer, connection, is_closed, served

HOST = b"Host: gateway\r\n"
FIRST = b"POST /first HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\n{}"
WHOLE = b"POST /second HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\n{}"
CHUNKED = b"POST /second HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = b"0\r\nA: " + b"x" * (4 * 1024 * 1024 + 512 * 1024)


class Slow:
    """Answers with the path; a request is under way until it is let go, and has its body read only late."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(scope["path"])
        await asyncio.sleep(0.02)
        while (await receive()).get("more_body"):
            pass
        await self.go.wait()
        body = scope["path"].encode()
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"ZZ\r\n", 400, "bad-request"),
        (b"2\r\n{}\r\nZZ\r\n", 400, "bad-request"),
        (b"2\r\n{}ZZ", 400, "bad-request"),
        (ENDLESS, 413, "payload-too-large"),
    ],
    ids=["no-size", "second-chunk", "no-end-of-chunk", "endless"],
)
@pytest.mark.parametrize("between", [b"", b"GET /between HTTP/1.1\r\n" + HOST + b"\r\n"], ids=["next", "third"])
async def test_a_refused_body_does_not_take_the_answer_of_an_earlier_request(
    between: bytes, body: bytes, status: int, code: str
) -> None:
    app = Slow()
    async with served(app) as port, connection(port) as (reader, writer):
        writer.write(FIRST + between + CHUNKED + body)
        await asyncio.sleep(0.1)
        app.go.set()
        for path in [b"/first", *([b"/between"] if between else [])]:
            given = await answer(reader)
            assert (given.status, given.body) == (200, path)
        refused = await answer(reader)
        assert (refused.status, refused.document["code"], refused.headers["connection"]) == (status, code, "close")
        assert refused.document["request_id"] == refused.headers["x-request-id"]
        assert await is_closed(reader)
    assert app.asked == ["/first", *(["/between"] if between else [])]


async def test_a_caller_who_is_done_sending_has_its_answers_and_then_the_end() -> None:
    app = Slow()
    async with served(app) as port, connection(port) as (reader, writer):
        writer.write(FIRST + WHOLE)
        writer.write_eof()
        await asyncio.sleep(0.1)
        app.go.set()
        assert [(await answer(reader)).body for _ in range(2)] == [b"/first", b"/second"]
        assert await is_closed(reader)


async def test_the_one_answer_to_a_caller_who_is_done_sending_says_that_it_is_the_last() -> None:
    app = Slow()
    async with served(app) as port, connection(port) as (reader, writer):
        writer.write(FIRST)
        writer.write_eof()
        await asyncio.sleep(0.1)
        app.go.set()
        given = await answer(reader)
        assert (given.status, given.headers["connection"]) == (200, "close")
        assert await is_closed(reader)


async def test_a_request_that_the_caller_ended_too_soon_is_refused_after_the_earlier_ones_are_answered() -> None:
    app = Slow()
    async with served(app) as port, connection(port) as (reader, writer):
        writer.write(FIRST + CHUNKED + b"2\r\n{")
        writer.write_eof()
        await asyncio.sleep(0.1)
        app.go.set()
        assert (await answer(reader)).body == b"/first"
        refused = await answer(reader)
        assert (refused.status, refused.document["detail"]) == (400, "The request ended before its body did.")
        assert await is_closed(reader)
    assert app.asked == ["/first"]


@pytest.mark.parametrize("sent", [b"", b"POST /first HT", CHUNKED, CHUNKED + b"2\r\n{"])
async def test_a_caller_who_is_done_before_a_whole_request_gets_the_end_at_once(sent: bytes) -> None:
    app = Slow()
    app.go.set()
    async with served(app) as port, connection(port) as (reader, writer):
        writer.write(sent)
        writer.write_eof()
        assert await is_closed(reader)
        await asyncio.sleep(0.05)


async def test_an_answer_that_is_written_while_the_caller_ends_still_arrives() -> None:
    async def hasty(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    async with served(hasty) as port:
        for _ in range(20):
            async with connection(port) as (reader, writer):
                writer.write(FIRST)
                writer.write_eof()
                assert (await answer(reader)).body == b"ok"
                assert await is_closed(reader)
