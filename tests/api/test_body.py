"""Bodies: what is read at all, in which time, how much of it, and what counts as JSON."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from app.api.body import parse_json, parse_model, require_json
from app.domain.errors import ErrorCode, Refusal
from app.main import create_app, wrap
from tests.support.gateway import Tenant, basic, settings_for
from tests.support.served import answer, connection, exchange, is_closed, served


class Thing(BaseModel):
    """Stands for any model."""

    model_config = ConfigDict(strict=True, extra="forbid")

    count: int = 0
    name: str = ""
    tags: dict[str, str] = {}


def refusal_of(body: bytes) -> Refusal:
    with pytest.raises(Refusal) as refused:
        parse_model(body, Thing)
    return refused.value


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", ErrorCode.INVALID_JSON),
        (b"{", ErrorCode.INVALID_JSON),
        (b'{"count":1}x', ErrorCode.INVALID_JSON),
        (b'{"count":1,}', ErrorCode.INVALID_JSON),
        (b"{'count':1}", ErrorCode.INVALID_JSON),
        (b'{"count":1} // no', ErrorCode.INVALID_JSON),
        (b'{"count":NaN}', ErrorCode.INVALID_JSON),
        (b'{"count":Infinity}', ErrorCode.INVALID_JSON),
        (b'{"count":-Infinity}', ErrorCode.INVALID_JSON),
        (b'{"count":1e400}', ErrorCode.INVALID_JSON),
        (b'{"count":01}', ErrorCode.INVALID_JSON),
        (b'{"count":+1}', ErrorCode.INVALID_JSON),
        (b'{"count":' + b"9" * 5_000 + b"}", ErrorCode.INVALID_JSON),
        (b'{"count":' + b"9" * 30 + b"}", ErrorCode.VALIDATION_FAILED),
        (b'{"count":1.0}', ErrorCode.VALIDATION_FAILED),
        (b'{"count":true}', ErrorCode.VALIDATION_FAILED),
        (b'{"count":"1"}', ErrorCode.VALIDATION_FAILED),
        (b'{"name":"\\ud800"}', ErrorCode.INVALID_JSON),
        (b'{"name":"\\udc00\\ud800"}', ErrorCode.INVALID_JSON),
        (b'{"name":"\xed\xa0\x80"}', ErrorCode.INVALID_JSON),
        (b'{"name":"\xc0\xaf"}', ErrorCode.INVALID_JSON),
        (b'{"name":"\xff"}', ErrorCode.INVALID_JSON),
        (b'{"name":"\n"}', ErrorCode.INVALID_JSON),
        (b'\xef\xbb\xbf{"count":1}', ErrorCode.INVALID_JSON),
        ('{"count":1}'.encode("utf-16"), ErrorCode.INVALID_JSON),
        ('{"count":1}'.encode("utf-16-le"), ErrorCode.INVALID_JSON),
        ('{"count":1}'.encode("utf-32"), ErrorCode.INVALID_JSON),
        (b'{"count":1,"count":1}', ErrorCode.INVALID_JSON),
        (b'{"count":1,"c\\u006funt":2}', ErrorCode.INVALID_JSON),
        (b'{"count":1, "count" : 2, "name":"a:b"}', ErrorCode.INVALID_JSON),
        (b'{"tags":{"a":"1","b":"2","a":"3"}}', ErrorCode.INVALID_JSON),
        (b'{"other":[{"a":{"b":1,"b":1}}]}', ErrorCode.INVALID_JSON),
        (b"[" * 100_000, ErrorCode.INVALID_JSON),
        (b"[" * 17 + b"]" * 17, ErrorCode.VALIDATION_FAILED),
        (b'{"a":' * 17 + b"1" + b"}" * 17, ErrorCode.VALIDATION_FAILED),
        (b"[]", ErrorCode.VALIDATION_FAILED),
        (b"null", ErrorCode.VALIDATION_FAILED),
        (b'""', ErrorCode.VALIDATION_FAILED),
        (b"1", ErrorCode.VALIDATION_FAILED),
        (b'{"mine":1}', ErrorCode.VALIDATION_FAILED),
    ],
)
def test_what_is_not_strict_json_for_the_model_is_refused(body: bytes, code: ErrorCode) -> None:
    assert refusal_of(body).code is code


@pytest.mark.parametrize(
    ("body", "count", "name", "tags"),
    [
        (b"{}", 0, "", {}),
        (b' {\n"count" :\t1\r} ', 1, "", {}),
        (b'{"count":1,"name":"a: {b}, [c], \\"d\\":"}', 1, 'a: {b}, [c], "d":', {}),
        (b'{"name":"\\ud83d\\ude00 \xf0\x9f\x98\x80"}', 0, "\U0001f600 \U0001f600", {}),
        (b'{"name":"x","tags":{"name":"y","count":"z"}}', 0, "x", {"name": "y", "count": "z"}),
    ],
)
def test_strict_json_is_taken_as_it_stands(body: bytes, count: int, name: str, tags: dict[str, str]) -> None:
    assert parse_model(body, Thing) == Thing(count=count, name=name, tags=tags)


def test_sixteen_levels_may_stand_in_each_other() -> None:
    assert parse_json(b"[" * 16 + b"]" * 16) == orjson.loads(b"[" * 16 + b"]" * 16)


def test_many_unknown_fields_are_one_error_and_no_name_of_them_comes_back() -> None:
    refused = refusal_of(orjson.dumps({f"canary-{number}": 1 for number in range(5_000)}))
    assert [error.code for error in refused.errors] == ["extra-forbidden"]
    assert "canary" not in f"{refused.detail}{refused.errors}"


names = st.one_of(st.sampled_from(["a", "b", 'c"', "d:", "\\", "é"]), st.text(max_size=4))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text(st.characters(codec="utf-8"))),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=8,
)


@given(value=values)
def test_whatever_can_be_written_is_read_back(value: Any) -> None:
    try:
        written = orjson.dumps(value)
    except orjson.JSONEncodeError:
        return  # a lone surrogate in a name
    assert parse_json(written) == value


@given(value=st.dictionaries(names, values, min_size=1, max_size=4), data=st.data())
def test_a_name_that_stands_twice_anywhere_is_found(value: dict[str, Any], data: st.DataObject) -> None:
    repeated = data.draw(st.sampled_from(sorted(value)))
    try:
        flat = orjson.dumps(value)[:-1] + b"," + orjson.dumps({repeated: value[repeated]})[1:]
    except orjson.JSONEncodeError:
        return  # a lone surrogate in a name
    for body in (flat, b"[1," + flat + b"]", b'{"x":' + flat + b"}"):
        with pytest.raises(Refusal) as refused:
            parse_json(body)
        assert refused.value.code is ErrorCode.INVALID_JSON


@pytest.mark.parametrize(
    "headers",
    [
        [(b"content-type", b"application/json")],
        [(b"content-type", b"application/json; charset=utf-8")],
        [(b"content-type", b'Application/JSON;charset="UTF-8"')],
        [(b"content-type", b"application/json;")],
        [(b"content-type", b"application/json; profile=x")],
    ],
)
def test_json_in_utf_8_is_read(headers: list[tuple[bytes, bytes]]) -> None:
    require_json({"headers": headers})


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"content-type", b"")],
        [(b"content-type", b"text/plain")],
        [(b"content-type", b"application/jsonx")],
        [(b"content-type", b"application/problem+json")],
        [(b"content-type", b"application/x-www-form-urlencoded")],
        [(b"content-type", b"multipart/form-data; boundary=x")],
        [(b"content-type", b"application/json; charset=utf-16")],
        [(b"content-type", b"application/json; charset=iso-8859-1")],
        [(b"content-type", b"application/json; charset=utf-8; charset=utf-16")],
        [(b"content-type", b"application/json; charset")],
        [(b"content-type", b"application/json\xff")],
        [(b"content-type", b"application/json\xa0")],
        [(b"content-type", b"application/json"), (b"content-type", b"text/plain")],
        [(b"content-type", b"application/json"), (b"content-encoding", b"gzip")],
        [(b"content-type", b"application/json"), (b"content-encoding", b"identity")],
        [(b"content-encoding", b"application/json")],
    ],
)
def test_everything_else_is_another_media_type(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(Refusal) as refused:
        require_json({"headers": headers})
    assert refused.value.code is ErrorCode.UNSUPPORTED_MEDIA_TYPE


BODY_SECONDS = 0.4


@pytest.fixture(scope="module")
async def port(shared_database_url: str) -> AsyncIterator[int]:
    """The API on a socket, with little patience."""
    app = create_app(settings_for(shared_database_url, api={"body_seconds": BODY_SECONDS}))
    async with served(wrap(app)) as given:
        yield given
    await app.state.context.aclose()


def head(shop: Tenant, *lines: str) -> bytes:
    own = (f"Authorization: {basic(shop.test)['authorization']}", "Content-Type: application/json", *lines)
    return "\r\n".join(("POST /v1/messages HTTP/1.1", "Host: gateway", *own, "", "")).encode()


MESSAGE = b'{"from":"+15551234567","to":"+15559876543","body":"Hello"}'


async def test_a_body_may_come_in_pieces_and_in_chunks(port: int, shop: Tenant) -> None:
    async with connection(port) as (reader, writer):
        writer.write(head(shop, f"Content-Length: {len(MESSAGE)}") + MESSAGE[:9])
        await asyncio.sleep(0.05)
        writer.write(MESSAGE[9:])
        assert (await answer(reader)).status == 202
        writer.write(head(shop, "Transfer-Encoding: chunked") + b"%x\r\n%s\r\n" % (len(MESSAGE), MESSAGE))
        await asyncio.sleep(0.05)
        writer.write(b"0\r\n\r\n")
        assert (await answer(reader)).status == 202


@pytest.mark.parametrize("begun", [b"", b"{"])
async def test_a_body_that_does_not_come_is_given_up_and_the_connection_closed(
    port: int, shop: Tenant, begun: bytes
) -> None:
    started = time.monotonic()
    given, closed = await exchange(port, head(shop, "Content-Length: 10") + begun)
    assert (given.status, given.document["code"], closed) == (408, "request-timeout", True)
    assert BODY_SECONDS <= time.monotonic() - started < BODY_SECONDS + 2


async def test_a_body_that_drips_is_given_up_at_the_same_time(port: int, shop: Tenant) -> None:
    async with connection(port) as (reader, writer):
        writer.write(head(shop, "Content-Length: 1000"))
        answering = asyncio.create_task(answer(reader))
        for _ in range(20):
            if not answering.done():
                writer.write(b" ")
                await asyncio.sleep(0.05)
        assert (await answering).status == 408
        assert await is_closed(reader)


@pytest.mark.parametrize("size", [64 * 1024 + 1, 300_000])
async def test_a_body_that_is_too_large_is_refused_and_the_connection_closed(
    port: int, shop: Tenant, size: int
) -> None:
    body = MESSAGE + b" " * (size - len(MESSAGE))
    announced = head(shop, f"Content-Length: {size}") + body
    chunked = head(shop, "Transfer-Encoding: chunked") + b"%x\r\n%s\r\n0\r\n\r\n" % (size, body)
    for sent in (announced, chunked):
        given, closed = await exchange(port, sent)
        assert (given.status, given.document["code"], closed) == (413, "payload-too-large", True)


async def test_a_body_of_exactly_the_limit_is_read(port: int, shop: Tenant) -> None:
    body = MESSAGE + b" " * (64 * 1024 - len(MESSAGE))
    given, _ = await exchange(port, head(shop, f"Content-Length: {len(body)}") + body)
    assert given.status == 202


@pytest.mark.parametrize("lines", [("Content-Length: 70000", "Expect: 100-continue"), ("Content-Length: 99999999999",)])
async def test_what_is_announced_too_large_is_refused_unread(port: int, shop: Tenant, lines: tuple[str, ...]) -> None:
    given, closed = await exchange(port, head(shop, *lines))
    assert (given.status, closed) == (413, True)


def resident() -> int:
    """This process's memory, in bytes."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


async def test_an_endless_body_is_cut_off_without_being_kept(port: int, shop: Tenant) -> None:
    before, sent = resident(), 0
    chunk = b"%x\r\n%s\r\n" % (65536, b"x" * 65536)
    async with connection(port) as (reader, writer):
        writer.write(head(shop, "Transfer-Encoding: chunked"))
        answering = asyncio.create_task(answer(reader))
        while not writer.is_closing() and sent < 1_000_000_000:
            try:
                writer.write(chunk)
                await writer.drain()
            except ConnectionError:
                break
            sent += len(chunk)
        assert (await answering).status == 413
    assert sent < 30_000_000
    assert resident() - before < 60_000_000


async def test_one_who_leaves_before_the_end_of_the_body_is_no_error(port: int, shop: Tenant) -> None:
    async with connection(port) as (_, writer):
        writer.write(head(shop, "Content-Length: 10") + b"{")
        await writer.drain()
        await asyncio.sleep(0.05)
    given, _ = await exchange(port, b"GET /livez HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n")
    assert given.status == 200
