"""An API process that is asked to stop: it says so, serves on, and only then refuses connections."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn

from app.api.protocol import GatewayProtocol
from app.api.server import GatewayServer, Notice
from app.main import create_app, wrap
from tests.support.gateway import settings_for
from tests.support.served import Answer, answer, connection, is_closed

LIVEZ = b"GET /livez HTTP/1.1\r\nHost: gateway\r\n\r\n"
READYZ = b"GET /readyz HTTP/1.1\r\nHost: gateway\r\n\r\n"
CLOSED = -1
MALFORMED = b"GET /livez\r\n\r\n"


@asynccontextmanager
async def serving(database_url: str, *, notice_seconds: float) -> AsyncIterator[tuple[GatewayServer, int]]:
    """Serve the API as `gateway api` does, but within this process; gives the server and its port."""
    app = create_app(settings_for(database_url))
    config = uvicorn.Config(
        wrap(app), http=GatewayProtocol, ws="none", log_config=None, access_log=False, timeout_graceful_shutdown=5
    )
    server = GatewayServer(config, notice=app.state.context.notice, notice_seconds=notice_seconds)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        running = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110 - uvicorn gives no event for it
            await asyncio.sleep(0.01)
        try:
            yield server, port
        finally:
            if listener.fileno() != CLOSED:
                server.handle_exit(signal.SIGINT, None)
            await running


async def ask(port: int, request: bytes) -> Answer:
    async with connection(port) as (reader, writer):
        writer.write(request)
        return await answer(reader)


async def refuses(port: int) -> bool:
    """Whether connections are refused, soon."""
    for _ in range(100):
        try:
            async with connection(port):
                await asyncio.sleep(0.05)
        except ConnectionRefusedError:
            return True
    return False


async def test_a_stopping_api_is_not_ready_serves_on_and_ends_each_connection_with_its_answer(
    shared_database_url: str,
) -> None:
    async with serving(shared_database_url, notice_seconds=60) as (server, port), connection(port) as (reader, writer):
        writer.write(LIVEZ)
        before = await answer(reader)
        ready = await ask(port, READYZ)
        server.handle_exit(signal.SIGTERM, None)
        writer.write(LIVEZ)
        after = await answer(reader)
        assert await is_closed(reader)
        unready = await ask(port, READYZ)
        malformed = await ask(port, MALFORMED)
    assert (ready.status, before.status, after.status) == (200, 200, 200)
    assert ["connection" in given.headers for given in (before, ready)] == [False, False]
    assert [given.headers["connection"] for given in (after, unready, malformed)] == ["close"] * 3
    assert (unready.status, unready.headers["content-type"]) == (503, "application/problem+json")
    assert (unready.document["code"], unready.headers["retry-after"]) == ("temporarily-unavailable", "5")
    assert unready.document["detail"] == "Not ready: the process is stopping, others go on."


async def test_the_notice_ends_by_itself_and_connections_are_refused_then(shared_database_url: str) -> None:
    async with serving(shared_database_url, notice_seconds=0.2) as (server, port):
        server.handle_exit(signal.SIGTERM, None)
        assert (await ask(port, LIVEZ)).status == 200
        assert await refuses(port)


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_the_notice(shared_database_url: str, second: signal.Signals) -> None:
    async with serving(shared_database_url, notice_seconds=60) as (server, port):
        server.handle_exit(signal.SIGTERM, None)
        assert (await ask(port, LIVEZ)).status == 200
        server.handle_exit(second, None)
        assert await refuses(port)


async def test_who_interrupts_by_hand_waits_for_no_notice(shared_database_url: str) -> None:
    async with serving(shared_database_url, notice_seconds=60) as (server, port):
        server.handle_exit(signal.SIGINT, None)
        assert await refuses(port)


async def test_a_request_under_way_at_the_signal_is_answered_after_the_notice_as_the_last_of_its_connection(
    shared_database_url: str,
) -> None:
    async with serving(shared_database_url, notice_seconds=0) as (server, port), connection(port) as (reader, writer):
        writer.write(b"POST /v1/webhooks/sandbox HTTP/1.1\r\nHost: gateway\r\nContent-Length: 2\r\n\r\n{")
        assert (await ask(port, LIVEZ)).status == 200
        server.handle_exit(signal.SIGTERM, None)
        assert await refuses(port)
        writer.write(b"}")
        last = await answer(reader)
        assert await is_closed(reader)
    assert (last.status, last.headers["connection"]) == (401, "close")


def test_a_process_begins_without_a_notice() -> None:
    assert Notice().given is False
