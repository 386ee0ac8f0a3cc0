"""What is unsent when a request is given up never arrives, neither from the kernel's buffers nor from our own."""

from __future__ import annotations

import asyncio

import pytest

from app.domain.http import HttpRequest, HttpResponse
from tests.support.raw_server import serve, written
from tests.transport.authority import Authority
from tests.transport.calls import CONNECTED, OK, SHORT, failure, post, quick, until
from tests.transport.stalled import IN_BOTH, IN_THE_KERNEL, read_on, stalled

STALLED = pytest.mark.parametrize(
    ("scheme", "size"),
    [
        pytest.param("http", IN_THE_KERNEL, id="in the kernel"),
        pytest.param("http", IN_BOTH, id="in the process too"),
        pytest.param("https", IN_BOTH, id="TLS"),  # the server's own side of it takes a quarter of a megabyte unasked
    ],
)
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")


@STALLED
async def test_a_request_that_its_deadline_cut_never_arrives(scheme: str, size: int, authority: Authority) -> None:
    tls = authority.server if scheme == "https" else None
    async with stalled(tls=tls) as server, quick(deadline=SHORT, ssl_context=authority.trusting) as transport:
        outcome = await transport.perform(HttpRequest(method="POST", url=server.url, body=b"." * size))
        assert outcome == failure(CONNECTED, "deadline")
        await read_on(server)
    assert (server.accepted, server.requests) == (1, [])


@STALLED
async def test_a_request_that_was_cancelled_never_arrives(scheme: str, size: int, authority: Authority) -> None:
    tls = authority.server if scheme == "https" else None
    async with stalled(tls=tls) as server, quick(ssl_context=authority.trusting) as transport:
        task = asyncio.create_task(transport.perform(HttpRequest(method="POST", url=server.url, body=b"." * size)))
        await until(lambda: server.open)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await read_on(server)
    assert (server.accepted, server.requests) == (1, [])


async def test_a_stalled_server_that_reads_again_in_time_is_answered_for() -> None:
    async with stalled() as server, quick() as transport:
        task = asyncio.create_task(
            transport.perform(HttpRequest(method="POST", url=server.url, body=b"." * IN_THE_KERNEL))
        )
        await until(lambda: server.open)
        for writer in server.open:
            assert isinstance(writer.transport, asyncio.Transport)
            writer.transport.resume_reading()
        assert isinstance(await task, HttpResponse)


async def test_a_connection_that_went_back_to_the_pool_outlives_the_request() -> None:
    async with serve(written(OK)) as server, quick(connections=1) as transport:
        answers = await asyncio.gather(*(transport.perform(post(server.url)) for _ in range(5)))
    assert all(isinstance(answer, HttpResponse) for answer in answers)
    assert server.accepted == 1
