"""Connections kept for the next request: reused, replaced once closed, never written to twice, closed at the end."""

from __future__ import annotations

import asyncio
import gc
import socket

import pytest

from app.domain.http import HttpResponse
from app.transport import Transport
from tests.support.raw_server import Behaviour, cut, reset, serve, written
from tests.transport.calls import CONNECTED, OK, failure, post, quick, until


async def test_a_connection_is_kept_for_the_next_request() -> None:
    async with serve(written(OK)) as server, quick() as transport:
        for _ in range(3):
            assert isinstance(await transport.perform(post(server.url)), HttpResponse)
    assert (server.accepted, len(server.requests)) == (1, 3)


@pytest.mark.parametrize("method", ["POST", "GET", "PUT", "DELETE"])
async def test_a_kept_connection_that_the_server_has_just_closed_may_have_been_sent(method: str) -> None:
    async with serve(written(OK)) as server, quick() as transport:
        assert isinstance(await transport.perform(post(server.url)), HttpResponse)
        (writer,) = server.open
        writer.get_extra_info("socket").shutdown(socket.SHUT_WR)  # the event loop has had no turn to notice it
        outcome = await transport.perform(post(server.url, method=method))
    assert outcome == failure(CONNECTED, "cut")
    assert server.accepted == 1


@pytest.mark.parametrize("method", ["POST", "GET", "PUT", "DELETE"])
@pytest.mark.parametrize("ending", [cut, reset], ids=["FIN", "RST"])
async def test_a_request_that_was_read_on_a_kept_connection_is_never_written_again(
    ending: Behaviour, method: str
) -> None:
    async def second_is_cut(request: bytes, writer: asyncio.StreamWriter) -> None:
        await (written(OK) if len(server.requests) == 1 else ending)(request, writer)

    async with serve(second_is_cut) as server, quick() as transport:
        assert isinstance(await transport.perform(post(server.url)), HttpResponse)
        outcome = await transport.perform(post(server.url, method=method))
    assert outcome == failure(CONNECTED, "cut")
    assert (server.accepted, len(server.requests)) == (1, 2)


async def test_a_kept_connection_that_is_known_to_be_closed_is_replaced() -> None:
    async def half_closed(request: bytes, writer: asyncio.StreamWriter) -> None:
        await written(OK)(request, writer)
        writer.write_eof()  # and wait for the client to close its half, which tells that it knows

    async with serve(half_closed) as server, quick() as transport:
        for _ in range(3):
            assert isinstance(await transport.perform(post(server.url)), HttpResponse)
            await until(lambda: not server.open)
    assert (server.accepted, len(server.requests)) == (3, 3)


async def test_closing_closes_every_connection_and_leaves_nothing_to_the_garbage_collector() -> None:
    async with serve(written(OK)) as server:
        transport = Transport()
        await asyncio.gather(*(transport.perform(post(server.url)) for _ in range(8)))
        assert server.open
        await transport.aclose()
        await until(lambda: not server.open)
    del transport
    gc.collect()


async def test_closing_an_unused_transport_is_allowed() -> None:
    await Transport().aclose()
