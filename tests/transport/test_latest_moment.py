"""The latest moment of obtaining a connection: after it nothing is sent, and before it nothing changes."""

from __future__ import annotations

import asyncio
import time

import pytest

from app.domain.http import HttpResponse
from app.transport.flight import Flight, Stage
from tests.support.raw_server import hang, serve, written
from tests.transport.calls import NOT_CONNECTED, OK, SHORT, SOON, failure, post, quick, until
from tests.transport.test_failures import full_backlog

TOO_LATE = failure(NOT_CONNECTED, "too-late")


async def test_a_request_whose_moment_has_passed_opens_no_connection() -> None:
    async with serve(written(OK)) as server, quick() as transport:
        assert await transport.perform(post(server.url), not_after=time.monotonic()) == TOO_LATE
    assert server.accepted == 0


async def test_a_wait_for_a_free_connection_ends_at_the_latest_moment_and_nothing_is_sent() -> None:
    async with serve(hang) as server, quick(connections=1) as transport:
        first = asyncio.create_task(transport.perform(post(server.url)))
        await until(lambda: server.requests)
        start = time.monotonic()
        assert await transport.perform(post(server.url), not_after=start + SHORT) == TOO_LATE
        assert SHORT - 0.01 <= time.monotonic() - start < SOON
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
    assert len(server.requests) == 1


async def test_opening_a_connection_ends_at_the_latest_moment() -> None:
    async with quick() as transport:
        with full_backlog() as url:
            start = time.monotonic()
            assert await transport.perform(post(url), not_after=start + SHORT) == TOO_LATE
            assert time.monotonic() - start < SOON


async def test_the_connect_limit_is_kept_where_it_comes_first() -> None:
    async with quick(connect=0.1) as transport:
        with full_backlog() as url:
            outcome = await transport.perform(post(url), not_after=time.monotonic() + 5)
    assert outcome == failure(NOT_CONNECTED, "connect-timeout")


async def test_a_connection_that_is_open_only_after_the_latest_moment_is_not_written_to() -> None:
    async def stands_still() -> None:
        time.sleep(SHORT)  # noqa: ASYNC251 - it is the loop that has to stand still while the kernel connects

    async with serve(written(OK)) as server, quick() as transport:
        request = asyncio.create_task(transport.perform(post(server.url), not_after=time.monotonic() + SHORT / 2))
        for _ in range(3):
            await asyncio.sleep(0)
        await stands_still()
        assert await request == TOO_LATE
    assert server.requests == []


async def test_connections_that_are_obtained_too_late_stay_within_their_limit_and_serve_the_next_requests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serve(written(OK)) as server, quick(connections=2) as transport:
        with monkeypatch.context() as late:
            late.setattr(Flight, "is_too_late", lambda flight: flight.stage is not Stage.NEW)
            assert await asyncio.gather(*(transport.perform(post(server.url)) for _ in range(6))) == [TOO_LATE] * 6
        assert server.requests == []
        assert isinstance(await transport.perform(post(server.url)), HttpResponse)
        await until(lambda: len(server.open) == 2)
    assert (server.accepted, len(server.requests)) == (2, 1)


async def test_an_answer_may_come_after_the_latest_moment_of_connecting() -> None:
    async def slowly(request: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2 * SHORT)
        await written(OK)(request, writer)

    async with serve(slowly) as server, quick() as transport:
        for _ in range(2):  # on a new connection, and on a kept one
            outcome = await transport.perform(post(server.url), not_after=time.monotonic() + SHORT)
            assert isinstance(outcome, HttpResponse)
    assert server.accepted == 1
