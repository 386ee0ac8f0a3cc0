"""The transport against real servers on loopback: what each way to fail is called, and how often it was sent."""

from __future__ import annotations

import asyncio
import gc
import gzip
import random
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import pytest
import trustme

from app.domain.http import FailurePhase, HttpRequest, HttpResponse, TransportFailure
from app.transport import Transport
from tests.support.raw_server import Behaviour, cut, dripped, hang, pause_reading, reset, reset_now, serve, written

OK = b'HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\n{"id":"SM1"}'
NOT_CONNECTED = FailurePhase.NOT_CONNECTED
CONNECTED = FailurePhase.CONNECTED
PUBLIC = ssl.create_default_context()
SHORT = 0.25
"""Seconds for requests that are meant to run out of time."""


def failure(phase: FailurePhase, reason: str) -> TransportFailure:
    return TransportFailure(phase=phase, reason=reason)


def post(url: str, *, method: str = "POST", headers: dict[str, str] | None = None) -> HttpRequest:
    return HttpRequest(method=method, url=url, headers=headers or {}, body=b"Body=hello")


@asynccontextmanager
async def quick(
    *, connections: int = 256, ssl_context: ssl.SSLContext | None = None, deadline: float = 10, connect: float = 5
) -> AsyncIterator[Transport]:
    async with Transport(
        deadline_seconds=deadline,
        connect_seconds=connect,
        max_response_bytes=1000,
        max_connections=connections,
        ssl_context=ssl_context or PUBLIC,
    ) as transport:
        yield transport


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way for an answer not to come, once a connection was obtained."""

    name: str
    reason: str
    behaviour: Behaviour
    seen: int = 1
    """How many requests the server may have read."""

    on_connection: Callable[[asyncio.StreamWriter], None] | None = field(default=None)


CONNECTED_ROWS = [
    Row(name="FIN after the request", reason="cut", behaviour=cut),
    Row(name="RST after the request", reason="cut", behaviour=reset),
    Row(
        name="FIN before the request was read", reason="cut", behaviour=hang, seen=0, on_connection=lambda w: w.close()
    ),
    Row(name="RST before the request was read", reason="cut", behaviour=hang, seen=0, on_connection=reset_now),
    Row(
        name="half a head",
        reason="cut",
        behaviour=written(b"HTTP/1.1 201 Created\r\ncontent-le", then_close=True),
    ),
    Row(
        name="half a body",
        reason="cut",
        behaviour=written(b'HTTP/1.1 201 Created\r\ncontent-length: 12\r\n\r\n{"id"', then_close=True),
    ),
    Row(
        name="half of a chunked body",
        reason="cut",
        behaviour=written(b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n{"id\r\n', then_close=True),
    ),
    Row(name="garbage", reason="garbage", behaviour=written(b"\x00\xff\x16 not HTTP at all\r\n\r\n")),
    Row(name="a garbled header", reason="garbage", behaviour=written(b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n")),
    Row(
        name="a garbled chunk size",
        reason="garbage",
        behaviour=written(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n"),
    ),
    Row(
        name="a head too long",
        reason="garbage",
        behaviour=written(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 9000 + b"\r\n\r\n"),
    ),
    Row(name="hang", reason="deadline", behaviour=hang),
    Row(name="hang after the head", reason="deadline", behaviour=written(OK[:-12])),
    Row(name="a dripping head", reason="deadline", behaviour=dripped(OK, seconds_each=0.05)),
    Row(
        name="a dripping body without end",
        reason="deadline",
        behaviour=dripped(b"HTTP/1.1 200 OK\r\n\r\n" + b"." * 900, seconds_each=0.005),
    ),
    Row(
        name="an oversized answer",
        reason="too-large",
        behaviour=written(b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n" + b"." * 1001),
    ),
    Row(
        name="an answer without end",
        reason="too-large",
        behaviour=written(b"HTTP/1.1 200 OK\r\n\r\n" + b"." * 200_000),
    ),
]


@pytest.mark.parametrize("row", CONNECTED_ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_once_connected_every_failure_may_have_been_sent_and_is_sent_once(row: Row, method: str) -> None:
    deadline = SHORT if row.reason == "deadline" else 10
    async with serve(row.behaviour, on_connection=row.on_connection) as server, quick(deadline=deadline) as transport:
        outcome = await transport.perform(post(server.url, method=method))
    assert outcome == failure(CONNECTED, row.reason)
    assert len(server.requests) == row.seen


async def test_a_refused_connection_is_certainly_not_sent() -> None:
    async with quick() as transport:
        assert await transport.perform(post(closed_port_url())) == failure(NOT_CONNECTED, "refused")


async def test_a_refusal_at_every_address_of_a_name_is_certainly_not_sent() -> None:
    url = closed_port_url().replace("127.0.0.1", "localhost")
    async with quick() as transport:
        assert await transport.perform(post(url)) == failure(NOT_CONNECTED, "refused")


async def test_a_name_that_does_not_resolve_is_certainly_not_sent() -> None:
    async with quick() as transport:
        outcome = await transport.perform(post("http://provider.invalid/messages"))
    assert outcome == failure(NOT_CONNECTED, "dns")


async def test_a_connection_that_is_never_answered_is_certainly_not_sent() -> None:
    async with quick(connect=0.2) as transport:
        with full_backlog() as url:
            start = time.monotonic()
            outcome = await transport.perform(post(url))
            seconds = time.monotonic() - start
    assert outcome == failure(NOT_CONNECTED, "connect-timeout")
    assert 0.2 <= seconds < 2


@contextmanager
def full_backlog() -> Iterator[str]:
    """A listener whose backlog is full, so that the kernel drops further connection requests."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for connection in waiting:
            connection.settimeout(0)
            connection.connect_ex(("127.0.0.1", port))
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            for connection in waiting:
                connection.close()


def closed_port_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/messages"


# TLS


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


# Kept-alive connections


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
    async with serve(written(OK, then_close=True)) as server, quick() as transport:
        for _ in range(3):
            assert isinstance(await transport.perform(post(server.url)), HttpResponse)
            await until(lambda: not server.open)
            await asyncio.sleep(0.05)  # for the client to see it too
    assert (server.accepted, len(server.requests)) == (3, 3)


# Time


@pytest.mark.parametrize("behaviour", [hang, dripped(OK * 9, seconds_each=0.02)], ids=["hang", "drip"])
async def test_the_deadline_is_kept_to_the_moment(behaviour: Behaviour) -> None:
    async with serve(behaviour) as server, quick(deadline=0.3) as transport:
        start = time.monotonic()
        await transport.perform(post(server.url))
        seconds = time.monotonic() - start
    assert 0.3 <= seconds < 0.8


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
    assert seconds < 1


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


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # the kernel and the event loop give no event for it
            await asyncio.sleep(0.005)


# What goes over the wire


async def test_nothing_is_added_but_the_host_the_length_and_the_refusal_of_compression() -> None:
    async with serve(written(OK)) as server, quick() as transport:
        await transport.perform(
            post(server.url + "?To=%2B15555550100&q=a+b", headers={"X-Reference": "a b", "Accept-Encoding": "gzip, br"})
        )
    host = server.url.removeprefix("http://").removesuffix("/messages")
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    first, *headers = head.decode().split("\r\n")
    assert first == "POST /messages?To=%2B15555550100&q=a+b HTTP/1.1"
    assert {line.lower() for line in headers} == {
        f"host: {host}",
        "content-length: 10",
        "x-reference: a b",
        "accept-encoding: identity",
    }
    assert body == b"Body=hello"


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


async def test_the_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(written(OK)) as proxy, serve(written(OK)) as server:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url.removesuffix("/messages"))
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        async with quick() as transport:
            assert isinstance(await transport.perform(post(server.url)), HttpResponse)
    assert (proxy.accepted, len(server.requests)) == (0, 1)


async def test_cookies_are_not_kept() -> None:
    answer = OK.replace(b"\r\n", b"\r\nset-cookie: session=1; path=/\r\n", 1)
    async with serve(written(answer)) as server, quick() as transport:
        for url in (server.url, server.url, server.url.replace("127.0.0.1", "localhost")):
            assert isinstance(await transport.perform(post(url)), HttpResponse)
    assert len(server.requests) == 3
    assert not any(b"cookie" in request.lower() for request in server.requests)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-reference": "a\r\nx-injected: b"},
        {"x-reference": "a\nb"},
        {"x-reference": "a\rb"},
        {"x-reference": "a\x00b"},
        {"x-reference": "caf\u00e9"},
        {"x-reference: b\r\nx": "a"},
        {"": "a"},
        {"Content-Length": "3"},
        {"transfer-encoding": "chunked"},
        {"expect": "100-continue"},
    ],
    ids=repr,
)
async def test_a_header_that_could_reframe_the_request_is_refused_before_anything_is_sent(
    headers: dict[str, str],
) -> None:
    async with serve(written(OK)) as server, quick() as transport:
        assert await transport.perform(post(server.url, headers=headers)) == failure(NOT_CONNECTED, "invalid-request")
    assert server.accepted == 0


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("POST", "messages"),
        ("POST", "http://"),
        ("POST", "http://[::1/"),
        ("POST", "http://127.0.0.1:99999/"),
        ("POST", "http://127.0.0.1:port/"),
        ("POST", "http://127.0.0.1/\r\nx-injected: b"),
        ("POST", "http://user:secret@127.0.0.1/"),
        ("POST", f"http://{'a' * 64}.invalid/"),
        ("POST", "http://a..invalid/"),
        ("POST", "http://two words.invalid/"),
        ("POST", "ftp://127.0.0.1/"),
        ("CONNECT", "http://127.0.0.1/"),
        ("POST /x HTTP/1.1\r\nx: y\r\n\r\nPOST", "http://127.0.0.1/"),
    ],
)
async def test_a_request_line_that_cannot_be_written_is_refused(method: str, url: str) -> None:
    async with quick() as transport:
        assert await transport.perform(post(url, method=method)) == failure(NOT_CONNECTED, "invalid-request")


# Many


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


async def test_no_answer_however_mangled_raises() -> None:
    chance = random.Random(20)  # noqa: S311  # the same mangled answers in every run
    originals = [
        OK,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nset-cookie: a=b\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\ncontent-encoding: gzip\r\n\r\nnot gzip",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    ]

    async def mangled(_request: bytes, writer: asyncio.StreamWriter) -> None:
        answer = bytearray(chance.choice(originals))
        for _ in range(chance.randrange(4)):
            place = chance.randrange(len(answer))
            answer[place : place + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
        writer.write(bytes(answer))
        writer.close()

    async with serve(mangled) as server, quick() as transport:
        outcomes = [await transport.perform(post(server.url)) for _ in range(300)]
    assert any(isinstance(outcome, HttpResponse) for outcome in outcomes)
    failures = {outcome for outcome in outcomes if isinstance(outcome, TransportFailure)}
    assert {outcome.phase for outcome in failures} == {CONNECTED}
    assert {outcome.reason for outcome in failures} == {"cut", "garbage"}
