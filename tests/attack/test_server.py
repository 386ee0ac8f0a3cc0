"""The attacks that need a real server: what a socket can do to it, and what two processes agree on."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Final

import pytest

from app.domain.credentials import KeyMode, Scope
from app.services.administration import Administration
from app.store.engine import Engine
from tests.attack.asgi import MESSAGES, Answer, Headers
from tests.attack.conftest import BODY_SECONDS, CACHE_SECONDS
from tests.attack.gate import MESSAGE, Judge, check_problem, near
from tests.attack.malformed import NO_CHUNKS, NO_HTTP, NOT_OFFERED, TOO_LARGE
from tests.attack.wire import Wire, connected, exchange, request
from tests.support.gateway import Tenant, basic, settings_for
from tests.support.processes import Fleet

MIB: Final = 1024 * 1024


def memory(fleet: Fleet) -> int:
    """Measure the resident bytes of a process."""
    pages = Path(f"/proc/{fleet.process('api').pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * 4096


def bearer(shop: Tenant) -> bytes:
    return b"Bearer " + shop.test.bearer.encode()


async def test_row_05_a_revoked_key_stops_in_every_process(
    ports: tuple[int, int], shop: Tenant, database: Engine
) -> None:
    admin = Administration(database, ())
    made = await admin.create_key(account=shop.name, mode=KeyMode.TEST, scopes=[Scope.MESSAGES_READ])
    asked = request("GET", MESSAGES, *basic(made.credentials).items())
    assert [(await exchange(port, asked)).status for port in ports] == [200, 200]
    await admin.revoke_key(made.credentials.user)
    revoked = time.monotonic()
    while [(await exchange(port, asked)).status for port in ports] != [401, 401]:
        assert time.monotonic() < revoked + CACHE_SECONDS + 1
        await asyncio.sleep(0.05)


async def test_row_06_a_key_in_the_query_opens_nothing_and_is_in_no_log(server: Judge, port: int, shop: Tenant) -> None:
    for name in ("api_key", "access_token", "key", shop.test.secret):
        asked = request("GET", f"{MESSAGES}?{name}={shop.test.bearer}", ("referer", f"https://x/?k={shop.test.bearer}"))
        await server.refusal(exchange(port, asked), 401, "unauthenticated", [shop.test.secret, shop.test.key_id])


async def test_row_07_two_authorization_headers_are_malformed(server: Judge, port: int, test_key: Headers) -> None:
    for second in (test_key, (("AUTHORIZATION", test_key[0][1]),), (("authorization", ""),)):
        asked = request("POST", MESSAGES, *test_key, *second, body=near())
        await server.refusal(exchange(port, asked), 400, "bad-request")


async def test_row_08_the_scheme_is_read_in_any_case_and_nothing_else_is_forgiven(
    server: Judge, port: int, shop: Tenant
) -> None:
    key = bearer(shop)
    for good in (key, key.replace(b"Bearer", b"bEARER"), b"  " + key, b"\t" + key):
        assert (await exchange(port, request("GET", MESSAGES, ("authorization", good)))).status == 200
    for bad in (
        key + b" ",
        key + b"\t",
        key.replace(b" ", b"\t"),
        key.replace(b" ", b"  "),
        key.replace(b" ", b""),
        key + b" x",
    ):
        asked = request("GET", MESSAGES, ("authorization", bad))
        await server.refusal(exchange(port, asked), 401, "unauthenticated", [shop.test.secret])


async def test_row_09_an_authorization_header_of_64_kilobytes_is_too_large(server: Judge, port: int) -> None:
    for size in (16_384, 60_000, 65_536, 300_000):
        asked = request("POST", MESSAGES, ("authorization", "Bearer " + "a" * size), body=near())
        async with connected(port) as wire:
            await server.refusal(wire.ask(asked), 431, "headers-too-large", ["a" * 20])
            assert await wire.is_closed()


async def test_row_10_strange_bytes_in_a_key_are_no_key_or_no_http(server: Judge, port: int, shop: Tenant) -> None:
    key = bearer(shop)
    for bad in (key + b"\xe9", key + "\u00e9".encode(), b"Bearer \xff\xfe", key[:-1] + b"\x80"):
        asked = request("GET", MESSAGES, ("authorization", bad))
        await server.refusal(exchange(port, asked), 401, "unauthenticated", [shop.test.secret])
    for worse in (key + b"\x00", b"\x00", b"Bearer \x01", key + b"\x7f", key + b"\x1b[0m"):
        asked = request("GET", MESSAGES, ("authorization", worse))
        await server.refusal(exchange(port, asked), 400, "bad-request", [shop.test.secret])


@pytest.mark.parametrize("head", [b"POST", b"PUT"])
async def test_rows_15_to_19_raw_bytes_reach_the_same_parser(
    server: Judge, port: int, test_key: Headers, head: bytes
) -> None:
    bodies = [
        near(body=b'"\xed\xa0\x80"'),
        near(body=b'"\xc0\x80"'),
        near().decode().encode("utf-16"),
        near()[:-1] + b',"to":1}',
    ]
    for body in (*bodies, near(max_segments="NaN"), near(max_segments="1e400"), b"\x00" * 100):
        asked = request(head.decode(), MESSAGES, *test_key, body=body)
        status, code = (400, "invalid-json") if head == b"POST" else (405, "method-not-allowed")
        await server.refusal(exchange(port, asked), status, code)


async def test_row_22_a_size_announced_as_too_large_is_refused_before_it_comes(
    server: Judge, port: int, test_key: Headers
) -> None:
    for size in ("1048577", "1073741824", "9" * 18):
        async with connected(port) as wire:
            asked = request("POST", MESSAGES, *test_key, ("content-length", size))
            answer = await server.refusal(wire.ask(asked), 413, "payload-too-large")
            assert answer.header("connection") == "close"
            assert await wire.is_closed()


async def push(wire: Wire, piece: bytes, most: int) -> int:
    """Send a piece again and again until the server hangs up, and give how many bytes it took."""
    sent = 0
    try:
        async with asyncio.timeout(10):
            while sent < most:
                await wire.send(piece)
                sent += len(piece)
    except (ConnectionError, TimeoutError):
        return sent
    return sent


@pytest.mark.parametrize(
    "piece", [b"10000\r\n" + b" " * 65_536 + b"\r\n", b"1\r\n \r\n" * 10_000], ids=["large", "tiny"]
)
async def test_row_22_an_endless_body_is_cut_off_and_costs_no_memory(
    server: Judge, fleets: tuple[Fleet, Fleet], port: int, test_key: Headers, piece: bytes
) -> None:
    before = memory(fleets[0])
    async with connected(port) as wire:
        await wire.send(request("POST", MESSAGES, *test_key, ("transfer-encoding", "chunked")))
        pushing = asyncio.create_task(push(wire, piece, 1024 * MIB))
        answer = await server.refusal(wire.answer(), 413, "payload-too-large")
        assert answer.header("connection") == "close"
        assert await pushing < 64 * MIB
    assert memory(fleets[0]) - before < 16 * MIB


async def test_row_23_a_body_that_does_not_come_is_waited_for_once_however_it_drips(
    server: Judge, port: int, test_key: Headers
) -> None:
    head = request("POST", MESSAGES, *test_key, ("content-length", "1000"))
    chunked = request("POST", MESSAGES, *test_key, ("transfer-encoding", "chunked"))

    async def drip(wire: Wire, piece: bytes) -> None:
        for _ in range(40):
            await asyncio.sleep(0.1)
            await wire.send(piece)

    async def timed_out(start: bytes, piece: bytes) -> Answer:
        async with connected(port) as wire:
            await wire.send(start)
            dripping = asyncio.create_task(drip(wire, piece))
            answer = await wire.answer()
            assert BODY_SECONDS - 0.1 < wire.age_seconds < BODY_SECONDS + 2
            dripping.cancel()
            await asyncio.gather(dripping, return_exceptions=True)
            assert await wire.is_closed()
            return answer

    before = await server.stored()
    answers = await asyncio.gather(
        timed_out(head, b""),
        timed_out(head + b"{", b""),
        timed_out(head, b" "),
        timed_out(chunked, b""),
        timed_out(chunked, b"1\r\n \r\n"),
        timed_out(chunked + b"100\r\n", b" "),
    )
    for answer in answers:
        check_problem(answer, 408, "request-timeout")
        assert answer.header("connection") == "close"
    assert await server.stored() == before


async def test_row_23_ten_seconds_is_what_a_body_has_by_default(shared_database_url: str) -> None:
    assert settings_for(shared_database_url).api.body_seconds == 10


async def test_row_36_a_hundred_equal_requests_to_two_processes_make_one_message(
    ports: tuple[int, int], test_key: Headers, database: Engine
) -> None:
    body = near(client_reference='"one-and-the-same"')
    asked = request("POST", MESSAGES, *test_key, ("idempotency-key", "one-and-the-same"), body=body)
    answers = await asyncio.gather(*(exchange(ports[number % 2], asked) for number in range(100)))
    assert [answer.status for answer in answers] == [202] * 100
    assert all(answer.lasting == answers[0].lasting for answer in answers)
    assert sum(answer.header("idempotent-replayed") is None for answer in answers) == 1
    async with database.connect() as connection:
        stored = "SELECT id FROM messages WHERE client_reference = 'one-and-the-same'"
        kept = (await connection.exec_driver_sql(stored)).scalars().all()
    assert [str(each) for each in kept] == [answers[0].document["id"]]


async def test_row_36_the_loser_of_each_pair_over_two_processes_gets_the_winners_answer(
    ports: tuple[int, int], test_key: Headers
) -> None:
    for number in range(25):
        asked = request("POST", MESSAGES, *test_key, ("idempotency-key", f"pair-{number}"), body=near())
        first, second = await asyncio.gather(*(exchange(port, asked) for port in ports))
        assert (first.status, first.lasting) == (202, second.lasting)
        replays = [answer.header("idempotent-replayed") for answer in (first, second)]
        assert sorted(map(str, replays)) == ["None", "true"]
        assert MESSAGE["to"] == first.document["to"]


@pytest.mark.parametrize("data", NO_HTTP)
async def test_row_42_what_is_no_http_is_told_so_and_the_connection_closed(
    server: Judge, port: int, data: bytes
) -> None:
    async with connected(port) as wire:
        answer = await server.refusal(wire.ask(data), 400, "bad-request")
        assert answer.header("connection") == "close"
        assert await wire.is_closed()


@pytest.mark.parametrize("body", NO_CHUNKS)
async def test_row_42_a_body_in_broken_chunks_is_no_request(
    server: Judge, port: int, test_key: Headers, body: bytes
) -> None:
    async with connected(port) as wire:
        asked = request("POST", MESSAGES, *test_key, ("transfer-encoding", "chunked")) + body
        await server.refusal(wire.ask(asked), 400, "bad-request")
        assert await wire.is_closed()


@pytest.mark.parametrize("data", TOO_LARGE)
async def test_rows_09_and_41_a_head_that_is_too_large_is_refused_whatever_it_says(
    server: Judge, port: int, data: bytes
) -> None:
    async with connected(port) as wire:
        await server.refusal(wire.ask(data), 431, "headers-too-large")
        assert await wire.is_closed()


@pytest.mark.parametrize("method", NOT_OFFERED)
async def test_row_42_a_method_that_is_not_offered_is_refused(
    server: Judge, port: int, test_key: Headers, method: str
) -> None:
    answer = await server.refusal(
        exchange(port, request(method, MESSAGES, *test_key, body=near())), 405, "method-not-allowed"
    )
    assert answer.header("allow") == "GET, HEAD, POST"
    assert str(test_key[0][1]) not in answer.body.decode()


async def test_row_42_no_tunnel_and_no_other_protocol_is_opened(server: Judge, port: int) -> None:
    tunnel = b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\nSSH-2.0-x\r\n"
    await server.refusal(exchange(port, tunnel), 405, "method-not-allowed")
    for protocol in ("websocket", "h2c", "TLS/1.0"):
        upgrade = (("connection", "Upgrade"), ("upgrade", protocol), ("sec-websocket-version", "13"))
        await server.refusal(exchange(port, request("GET", MESSAGES, *upgrade)), 401, "unauthenticated")


async def test_row_42_the_body_of_a_refused_request_is_never_read_as_the_next_request(
    port: int, test_key: Headers
) -> None:
    inside = request("GET", "/livez") * 3
    after = request("GET", MESSAGES, *test_key)
    refusals: list[tuple[str, str, Headers, int]] = [
        ("POST", MESSAGES, (), 401),
        ("POST", MESSAGES, test_key, 400),
        ("POST", MESSAGES, (*test_key, ("idempotency-key", "")), 400),
        ("POST", MESSAGES, (*test_key, ("content-encoding", "gzip")), 415),
        ("PUT", MESSAGES, test_key, 405),
        ("POST", "/nowhere", test_key, 404),
        ("POST", f"{MESSAGES}/x/cancel", test_key, 404),
        ("GET", MESSAGES, (), 401),
    ]
    for method, target, headers, status in refusals:
        async with connected(port) as wire:
            refused = await wire.ask(request(method, target, *headers, body=inside) + after)
            assert refused.status == status
            if refused.header("connection") == "close":
                assert await wire.is_closed()
            else:
                answer = await wire.answer()
                assert (answer.status, sorted(answer.document)) == (200, ["data", "has_more", "next_cursor"])
                assert not await wire.has_more()
