"""Rows 11 and 13 of the attack plan: guessing keys is slowed by address, and no header moves an address."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

import pytest
from starlette.types import ASGIApp

from app.domain.credentials import KeyMode, new_credentials
from tests.attack.asgi import MESSAGES, Answer, Asked, Headers, application, ask
from tests.attack.gate import MESSAGE, Gate, check_problem, post
from tests.attack.test_authentication import NOWHERE, of
from tests.support.gateway import Tenant, api_client

PER_MINUTE = 20
BAD: Headers = (("authorization", "Bearer mgw_test_guessguessgu_guessguessguessguessguessguessguessguess"),)


@pytest.fixture(scope="module")
async def guarded(shared_database_url: str) -> AsyncIterator[ASGIApp]:
    """The API with the limits that it has by default; each test comes from addresses of its own."""
    async with api_client(shared_database_url) as client:
        yield application(client)


async def status(app: ASGIApp, key: Headers, peer: str, *more: tuple[str, str]) -> int:
    asked = Asked(method="GET", headers=(*key, *more), peer=peer)
    return (await ask(app, asked)).status


async def guesses(app: ASGIApp, number: int, peer: str, *more: tuple[str, str]) -> list[int]:
    return [await status(app, BAD, peer, *more) for _ in range(number)]


async def test_row_11_the_twenty_first_bad_key_of_a_minute_is_told_to_wait(guarded: ASGIApp, gate: Gate) -> None:
    gate = replace(gate, ask=partial(ask, guarded))
    assert await guesses(guarded, PER_MINUTE, "192.0.2.1") == [401] * PER_MINUTE
    answer = await gate.refuses(post(MESSAGE, key=BAD), 429, "rate-limited")
    assert 1 <= int(answer.header("retry-after") or 0) <= 60


async def test_row_11_a_good_key_elsewhere_and_one_known_before_still_work(guarded: ASGIApp, shop: Tenant) -> None:
    assert await status(guarded, of(shop.test), "192.0.2.10") == 200
    assert await guesses(guarded, PER_MINUTE + 5, "192.0.2.10") == [401] * PER_MINUTE + [429] * 5
    assert await status(guarded, of(shop.test), "192.0.2.10") == 200
    assert await status(guarded, of(shop.live), "192.0.2.11") == 200
    assert await status(guarded, (), "192.0.2.10") == 401


async def test_row_11_a_request_without_a_key_is_no_guess(guarded: ASGIApp) -> None:
    assert [await status(guarded, (), "192.0.2.3") for _ in range(PER_MINUTE + 5)] == [401] * (PER_MINUTE + 5)
    assert await status(guarded, BAD, "192.0.2.3") == 401


async def test_row_11_who_is_told_to_wait_costs_the_database_nothing() -> None:
    async with api_client(NOWHERE) as client:
        app = application(client)
        await guesses(app, PER_MINUTE, "192.0.2.4")
        well_formed = new_credentials(KeyMode.TEST, id_bytes=bytes(12), secret_bytes=bytes(32))
        assert await status(app, of(well_formed), "192.0.2.4") == 429
        assert await status(app, of(well_formed), "192.0.2.5") == 503


async def test_row_11_a_network_of_ipv6_is_one_address(guarded: ASGIApp) -> None:
    for number in range(PER_MINUTE):
        assert await status(guarded, BAD, f"2001:db8:1:1::{number:x}") == 401
    assert await status(guarded, BAD, "2001:db8:1:1:ffff:ffff:ffff:ffff") == 429
    assert await status(guarded, BAD, "2001:db8:1:2::1") == 401


FORGED = [
    ("x-forwarded-for", "198.51.100.{}"),
    ("x-forwarded-for", "198.51.100.{}, 203.0.113.{}"),
    ("x-forwarded-for", "2001:db8:{}::1"),
    ("x-real-ip", "198.51.100.{}"),
    ("forwarded", "for=198.51.100.{}"),
    ("true-client-ip", "198.51.100.{}"),
    ("cf-connecting-ip", "198.51.100.{}"),
    ("client-ip", "198.51.100.{}"),
    ("x-client-ip", "198.51.100.{}"),
]


@pytest.mark.parametrize(("name", "value"), FORGED)
async def test_row_13_a_forged_address_dodges_nothing(guarded: ASGIApp, name: str, value: str) -> None:
    peer = f"192.0.2.{100 + FORGED.index((name, value))}"
    seen = [await status(guarded, BAD, peer, (name, value.format(n, n))) for n in range(PER_MINUTE + 1)]
    assert seen == [401] * PER_MINUTE + [429]


@pytest.fixture(scope="module")
async def proxied(shared_database_url: str) -> AsyncIterator[ASGIApp]:
    """The API behind proxies that are trusted."""
    async with api_client(shared_database_url, api={"trusted_proxies": ["10.0.0.0/8", "fd00::/8"]}) as client:
        yield application(client)


async def test_row_13_behind_a_trusted_proxy_the_callers_own_address_counts(proxied: ASGIApp) -> None:
    forwarded = ("x-forwarded-for", "198.51.100.1")
    assert await guesses(proxied, PER_MINUTE + 1, "10.0.0.1", forwarded) == [401] * PER_MINUTE + [429]
    assert await status(proxied, BAD, "10.0.0.2", forwarded) == 429
    assert await status(proxied, BAD, "10.0.0.1", ("x-forwarded-for", "198.51.100.2")) == 401
    assert await status(proxied, BAD, "10.0.0.1", ("x-forwarded-for", "198.51.100.1, 10.9.9.9")) == 429


async def test_row_13_behind_a_trusted_proxy_only_what_the_proxy_wrote_counts(proxied: ASGIApp) -> None:
    for number in range(PER_MINUTE):
        forged = ("x-forwarded-for", f"203.0.113.{number}, 198.51.100.3")
        assert await status(proxied, BAD, "10.0.0.1", forged) == 401
    assert await status(proxied, BAD, "10.0.0.1", ("x-forwarded-for", "203.0.113.99,198.51.100.3")) == 429
    assert await status(proxied, BAD, "192.0.2.7", ("x-forwarded-for", "198.51.100.3")) == 401


GARBAGE = ["", "unknown", "_hidden", "198.51.100.{}.9", "a" * 4_000, ",,,", "1.2.3.4:99999x", "\x00{}", "::ffff:{}"]


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_row_13_garbage_from_a_trusted_proxy_is_counted_as_the_proxy(proxied: ASGIApp, garbage: str) -> None:
    peer = f"10.0.1.{GARBAGE.index(garbage)}"
    written = [("x-forwarded-for", garbage.format(number)) for number in range(PER_MINUTE + 1)]
    seen = [await status(proxied, BAD, peer, each) for each in written]
    assert seen == [401] * PER_MINUTE + [429]


async def test_row_13_the_answer_to_a_forger_is_a_problem_like_any_other(guarded: ASGIApp) -> None:
    await guesses(guarded, PER_MINUTE, "192.0.2.8")
    asked = Asked(method="GET", target=MESSAGES, headers=(*BAD, ("x-forwarded-for", "127.0.0.1")), peer="192.0.2.8")
    answer: Answer = await ask(guarded, asked)
    check_problem(answer, 429, "rate-limited")
