"""Deadlines, the connect limit, the wait for a free connection, and cancellation."""

from __future__ import annotations

import asyncio
import time

import pytest

from app.domain.http import HttpRequest, HttpResponse
from tests.support.raw_server import Behaviour, dripped, hang, pause_reading, serve, written
from tests.transport.calls import CONNECTED, NOT_CONNECTED, OK, SHORT, SOON, failure, post, quick, until


@pytest.mark.parametrize("behaviour", [hang, dripped(OK, seconds_each=0.05)], ids=["hang", "drip"])
async def test_the_deadline_ends_a_request_neither_early_nor_late(behaviour: Behaviour) -> None:
    async with serve(behaviour) as server, quick(deadline=0.3) as transport:
        start = time.monotonic()
        outcome = await transport.perform(post(server.url))
        seconds = time.monotonic() - start
    assert outcome == failure(CONNECTED, "deadline")
    assert 0.3 <= seconds < SOON


async def test_an_answer_slower_than_the_connect_limit_is_still_awaited() -> None:
    async def slowly(request: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        await written(OK)(request, writer)

    async with serve(slowly) as server, quick(connect=0.1) as transport:
        assert isinstance(await transport.perform(post(server.url)), HttpResponse)


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_a_large_body_that_nobody_reads_ends_at_the_deadline() -> None:
    async with serve(hang, on_connection=pause_reading) as server, quick(deadline=SHORT) as transport:
        start = time.monotonic()
        outcome = await transport.perform(HttpRequest(method="POST", url=server.url, body=b"." * 20_000_000))
        seconds = time.monotonic() - start
    assert outcome == failure(CONNECTED, "deadline")
    assert seconds < SOON


async def test_without_a_free_connection_by_the_deadline_it_is_certainly_not_sent() -> None:
    async with serve(hang) as server, quick(connections=1) as transport:
        first = asyncio.create_task(transport.perform(post(server.url)))
        await until(lambda: server.requests)
        transport._deadline_seconds = 0.2  # noqa: SLF001  # the first request is to outlast the second's deadline
        assert await transport.perform(post(server.url)) == failure(NOT_CONNECTED, "pool-timeout")
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
    assert len(server.requests) == 1


async def test_a_cancellation_propagates_and_frees_the_connection() -> None:
    async def first_hangs(request: bytes, writer: asyncio.StreamWriter) -> None:
        await (hang if len(server.requests) == 1 else written(OK))(request, writer)

    async with serve(first_hangs) as server, quick(connections=1) as transport:
        task = asyncio.create_task(transport.perform(post(server.url)))
        await until(lambda: server.requests)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert isinstance(await transport.perform(post(server.url)), HttpResponse)
    assert server.accepted == 2
