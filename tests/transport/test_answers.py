"""What is made of an answer: its headers, its size, its compression, its redirects."""

from __future__ import annotations

import gzip

import pytest

from app.domain.http import HttpResponse
from tests.support.raw_server import serve, written
from tests.transport.calls import OK, post, quick


async def test_an_answer_is_handed_over_with_lower_cased_headers() -> None:
    answer = b"HTTP/1.1 429 Slow Down\r\nRetry-After: 3\r\nX-Two: a\r\nX-Two: b\r\nContent-Length: 4\r\n\r\nbusy"
    async with serve(written(answer)) as server, quick() as transport:
        outcome = await transport.perform(post(server.url))
    assert outcome == HttpResponse(
        status=429, headers={"retry-after": "3", "x-two": "a, b", "content-length": "4"}, body=b"busy"
    )


@pytest.mark.parametrize("length", [0, 999, 1000])
async def test_an_answer_up_to_the_cap_is_complete(length: int) -> None:
    answer = f"HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{'.' * length}".encode()
    async with serve(written(answer)) as server, quick() as transport:
        outcome = await transport.perform(post(server.url))
    assert isinstance(outcome, HttpResponse)
    assert outcome.body == b"." * length


async def test_a_compressed_answer_is_never_unpacked() -> None:
    bomb = gzip.compress(b"." * 500_000)
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(bomb)}\r\n\r\n"
    async with serve(written(head.encode() + bomb)) as server, quick() as transport:
        outcome = await transport.perform(post(server.url))
    assert isinstance(outcome, HttpResponse)
    assert outcome.body == bomb


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_returned_and_not_followed(status: int) -> None:
    async with serve(written(OK)) as elsewhere, quick() as transport:
        answer = f"HTTP/1.1 {status} Elsewhere\r\nlocation: {elsewhere.url}\r\ncontent-length: 0\r\n\r\n"
        async with serve(written(answer.encode())) as server:
            outcome = await transport.perform(post(server.url))
    assert outcome == HttpResponse(status=status, headers={"location": elsewhere.url, "content-length": "0"}, body=b"")
    assert (len(server.requests), elsewhere.requests) == (1, [])
