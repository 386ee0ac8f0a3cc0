"""What a request looks like on the wire, and which requests are refused before anything is sent."""

from __future__ import annotations

import pytest

from app.domain.http import HttpResponse
from tests.support.raw_server import serve, written
from tests.transport.calls import NOT_CONNECTED, OK, failure, post, quick


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
