"""TLS: a handshake that fails sends nothing, and one that succeeds changes nothing."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import trustme

from app.domain.http import HttpResponse
from tests.support.raw_server import hang, reset, reset_now, serve, written
from tests.transport.calls import CONNECTED, NOT_CONNECTED, OK, SHORT, failure, post, quick


@dataclass(frozen=True, kw_only=True)
class Authority:
    """A certificate authority with a server certificate for 127.0.0.1 and one for somebody else."""

    trusting: ssl.SSLContext
    server: ssl.SSLContext
    wrong_name: ssl.SSLContext


@pytest.fixture(scope="module")
def authority() -> Authority:
    issuer = trustme.CA()
    trusting = ssl.create_default_context()
    issuer.configure_trust(trusting)
    contexts = [ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) for _ in range(2)]
    for context, name in zip(contexts, ["127.0.0.1", "provider.example"], strict=True):
        issuer.issue_cert(name).configure_cert(context)
    return Authority(trusting=trusting, server=contexts[0], wrong_name=contexts[1])


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
