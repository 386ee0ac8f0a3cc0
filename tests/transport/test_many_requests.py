"""Many requests at once: all are answered, each by its own verdict, over no more connections than allowed."""

from __future__ import annotations

import asyncio

from app.domain.http import HttpResponse
from tests.support.raw_server import cut, serve, written
from tests.transport.calls import CONNECTED, NOT_CONNECTED, OK, closed_port_url, failure, post, quick


async def test_sixty_four_requests_at_once_all_succeed() -> None:
    async with serve(written(OK)) as server, quick() as transport:
        outcomes = await asyncio.gather(*(transport.perform(post(server.url)) for _ in range(64)))
    assert [outcome.status for outcome in outcomes if isinstance(outcome, HttpResponse)] == [201] * 64
    assert len(server.requests) == 64


async def test_no_more_connections_are_opened_than_allowed() -> None:
    async with serve(written(OK)) as server, quick(connections=3) as transport:
        outcomes = await asyncio.gather(*(transport.perform(post(server.url)) for _ in range(30)))
    assert all(isinstance(outcome, HttpResponse) for outcome in outcomes)
    assert (server.accepted, len(server.requests)) == (3, 30)


async def test_each_of_many_requests_at_once_gets_its_own_verdict() -> None:
    refused = closed_port_url()
    async with serve(cut) as cutting, serve(written(OK)) as answering, quick() as transport:
        urls = [refused, cutting.url, answering.url] * 20
        outcomes = await asyncio.gather(*(transport.perform(post(url)) for url in urls))
    assert outcomes[0::3] == [failure(NOT_CONNECTED, "refused")] * 20
    assert outcomes[1::3] == [failure(CONNECTED, "cut")] * 20
    assert [outcome.status for outcome in outcomes[2::3] if isinstance(outcome, HttpResponse)] == [201] * 20
