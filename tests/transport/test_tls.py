"""TLS: a handshake that fails sends nothing, and one that succeeds changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from app.domain.http import HttpResponse
from tests.support.raw_server import hang, reset, reset_now, serve, written
from tests.transport.authority import Authority
from tests.transport.calls import CONNECTED, NOT_CONNECTED, OK, SHORT, failure, post, quick


async def test_a_trusted_certificate_is_answered(authority: Authority) -> None:
    async with serve(written(OK), tls=authority.server) as server, quick(ssl_context=authority.trusting) as transport:
        outcome = await transport.perform(post(server.url))
    assert isinstance(outcome, HttpResponse)
    assert outcome.body == b'{"id":"SM1"}'


async def test_a_certificate_for_another_name_is_certainly_not_sent(authority: Authority) -> None:
    async with (
        serve(written(OK), tls=authority.wrong_name) as server,
        quick(ssl_context=authority.trusting) as transport,
    ):
        assert await transport.perform(post(server.url)) == failure(NOT_CONNECTED, "tls")
    assert server.requests == []


async def test_a_certificate_of_an_unknown_authority_is_certainly_not_sent(authority: Authority) -> None:
    async with serve(written(OK), tls=authority.server) as server, quick() as transport:
        assert await transport.perform(post(server.url)) == failure(NOT_CONNECTED, "tls")
    assert server.requests == []


@pytest.mark.parametrize(
    ("on_connection", "reason"),
    [
        pytest.param(lambda writer: writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "tls", id="speaks no TLS"),
        pytest.param(lambda writer: writer.close(), "tls", id="closes"),
        pytest.param(reset_now, "tls", id="resets"),
        pytest.param(lambda _writer: None, "connect-timeout", id="is silent"),
    ],
)
async def test_a_handshake_that_fails_is_certainly_not_sent(
    on_connection: Callable[[asyncio.StreamWriter], None], reason: str, authority: Authority
) -> None:
    async with (
        serve(hang, on_connection=on_connection) as server,
        quick(ssl_context=authority.trusting, connect=SHORT) as transport,
    ):
        async with asyncio.timeout(5):
            outcome = await transport.perform(post(server.url.replace("http:", "https:")))
    assert outcome == failure(NOT_CONNECTED, reason)


async def test_a_reset_after_the_request_over_tls_may_have_been_sent(authority: Authority) -> None:
    async with serve(reset, tls=authority.server) as server, quick(ssl_context=authority.trusting) as transport:
        assert await transport.perform(post(server.url)) == failure(CONNECTED, "cut")
    assert len(server.requests) == 1
