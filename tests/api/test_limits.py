"""The limits of keys and addresses: what is counted, what is told, and that memory is bounded."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.api.limits import Buckets, Limits
from app.domain.credentials import Credentials, KeyMode, Scope, new_credentials
from app.domain.errors import ErrorCode, Refusal
from app.domain.token_bucket import SECOND, TokenBucket
from app.services.administration import Administration
from app.store.engine import Engine
from tests.support.gateway import Tenant, api_client, basic


@dataclass
class Clock:
    """A clock that goes when told to."""

    now: int = 5 * SECOND
    scope: dict[str, Any] = field(default_factory=lambda: {"client": ("192.0.2.1", 1), "headers": []})

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(clock: Clock) -> Limits:
    return Limits(requests_per_second=2, request_burst=4, bad_credentials_per_minute=20, clock=clock)


def told(scope: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    """What was added to the answer since the last look."""
    headers: list[tuple[bytes, bytes]] = scope.pop("gateway.headers")
    return headers


def test_each_request_of_a_key_is_told_what_is_left(limits: Limits, clock: Clock) -> None:
    policy = (b"ratelimit-policy", b'"key";q=4;w=2')
    for left, seconds in ((3, 1), (2, 1), (1, 2), (0, 2)):
        limits.admit(clock.scope, "a")
        assert told(clock.scope) == [policy, (b"ratelimit", b'"key";r=%d;t=%d' % (left, seconds))]
    with pytest.raises(Refusal) as refused:
        limits.admit(clock.scope, "a")
    assert (refused.value.code, refused.value.retry_after_seconds) == (ErrorCode.RATE_LIMITED, 1)
    assert told(clock.scope) == [policy, (b"ratelimit", b'"key";r=0;t=2')]


def test_keys_do_not_use_up_each_others_requests_and_get_theirs_back(limits: Limits, clock: Clock) -> None:
    for _ in range(4):
        limits.admit(clock.scope, "a")
    with pytest.raises(Refusal):
        limits.admit(clock.scope, "a")
    limits.admit(clock.scope, "b")
    clock.now += SECOND // 2
    limits.admit(clock.scope, "a")
    with pytest.raises(Refusal):
        limits.admit(clock.scope, "a")


def test_a_bad_key_is_refused_when_twenty_were_and_again_one_every_three_seconds(limits: Limits, clock: Clock) -> None:
    for _ in range(20):
        limits.charge(clock.scope)
    with pytest.raises(Refusal) as refused:
        limits.charge(clock.scope)
    assert (refused.value.code, refused.value.retry_after_seconds) == (ErrorCode.RATE_LIMITED, 3)
    clock.now += 3 * SECOND
    limits.charge(clock.scope)
    with pytest.raises(Refusal):
        limits.charge(clock.scope)


def test_asking_whether_an_address_may_guess_uses_nothing_up(limits: Limits, clock: Clock) -> None:
    for _ in range(100):
        limits.require_guess(clock.scope)
    for _ in range(20):
        limits.require_guess(clock.scope)
        limits.charge(clock.scope)
    with pytest.raises(Refusal) as refused:
        limits.require_guess(clock.scope)
    assert (refused.value.code, refused.value.retry_after_seconds) == (ErrorCode.RATE_LIMITED, 3)
    clock.now += 3 * SECOND
    limits.require_guess(clock.scope)


def test_what_is_noted_afterwards_counts_too_and_never_raises(limits: Limits, clock: Clock) -> None:
    for _ in range(50):
        limits.note(clock.scope)
    with pytest.raises(Refusal):
        limits.charge(clock.scope)


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
    ],
)
def test_an_address_is_a_whole_one_or_a_network_of_ipv6(
    limits: Limits, first: str, second: str, together: bool
) -> None:
    for _ in range(20):
        limits.charge({"client": (first, 1), "headers": []})
    other = {"client": (second, 1), "headers": []}
    if together:
        with pytest.raises(Refusal):
            limits.charge(other)
    else:
        limits.charge(other)


def test_the_bucket_that_was_used_longest_ago_is_forgotten_first() -> None:
    buckets = Buckets(TokenBucket.refilled(times=1, per_seconds=60, burst=1), size=2)
    for name in ("a", "b", "a", "c"):
        buckets.take(name, 0)
    assert len(buckets) == 2
    assert buckets.take("a", 0) is None
    assert buckets.take("b", 0) is not None


def test_of_a_hundred_thousand_keys_and_addresses_ten_thousand_each_are_kept(limits: Limits) -> None:
    for number in range(100_000):
        limits.admit({"headers": []}, f"key-{number}")
        limits.note({"client": (f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1", 1), "headers": []})
    assert limits.kept == 20_000


async def test_the_api_tells_every_authenticated_answer_and_refuses_what_is_too_much(
    shared_database_url: str, shop: Tenant
) -> None:
    limits = {"requests_per_second": 1, "request_burst": 3}
    async with api_client(shared_database_url, api=limits) as client:
        seen = [await client.get("/v1/messages", headers=basic(shop.test)) for _ in range(4)]
        other = await client.get("/v1/messages", headers=basic(shop.live))
        nobody = await client.get("/v1/messages")
    assert [answer.status_code for answer in seen] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit-policy"] for answer in seen] == ['"key";q=3;w=3'] * 4
    left = [answer.headers["ratelimit"].split(";")[1] for answer in seen]
    assert left == ["r=2", "r=1", "r=0", "r=0"]
    assert (seen[3].json()["code"], seen[3].headers["retry-after"]) == ("rate-limited", "1")
    assert (other.status_code, other.headers["ratelimit"]) == (200, '"key";r=2;t=1')
    assert (nobody.status_code, "ratelimit" in nobody.headers) == (401, False)


async def test_a_key_that_was_good_before_is_not_throttled_with_the_bad_ones_of_its_address(
    shared_database_url: str, shop: Tenant
) -> None:
    limits = {"bad_credentials_per_minute": 2, "key_cache_seconds": 0}
    bad = new_credentials(KeyMode.TEST, id_bytes=bytes(12), secret_bytes=bytes(32))

    async with api_client(shared_database_url, api=limits) as client:
        assert await status(client, basic(shop.test)) == 200
        assert [await status(client, basic(bad)) for _ in range(3)] == [401, 401, 429]
        assert await status(client, {"authorization": "Bearer nonsense"}) == 429
        assert await status(client, {}) == 401
        assert [await status(client, basic(shop.test)) for _ in range(3)] == [200, 200, 200]
        assert await status(client, basic(shop.live)) == 429


async def status(client: httpx.AsyncClient, headers: dict[str, str]) -> int:
    return (await client.get("/v1/messages", headers=headers)).status_code


async def keys_of(engine: Engine, shop: Tenant, count: int) -> list[Credentials]:
    admin = Administration(engine, ())
    made = [
        await admin.create_key(account=shop.name, mode=KeyMode.TEST, scopes=[Scope.MESSAGES_READ]) for _ in range(count)
    ]
    return [each.credentials for each in made]


def strangers(count: int) -> list[Credentials]:
    return [
        new_credentials(KeyMode.TEST, id_bytes=bytes(12), secret_bytes=bytes([number]) * 32) for number in range(count)
    ]


async def test_any_number_of_right_keys_at_once_pass_a_process_that_has_seen_none_of_them(
    shared_database_url: str, engine: Engine, shop: Tenant
) -> None:
    keys = await keys_of(engine, shop, 8)
    async with api_client(shared_database_url, api={"bad_credentials_per_minute": 2}) as client:
        assert await asyncio.gather(*(status(client, basic(key)) for key in keys)) == [200] * 8
        assert [await status(client, basic(key)) for key in strangers(3)] == [401, 401, 429]


async def test_guesses_at_once_are_all_counted_when_they_have_failed(
    shared_database_url: str, engine: Engine, shop: Tenant
) -> None:
    *others, late = await keys_of(engine, shop, 3)
    async with api_client(shared_database_url, api={"bad_credentials_per_minute": 2}) as client:
        assert await status(client, basic(others[0])) == 200
        assert await asyncio.gather(*(status(client, basic(key)) for key in strangers(6))) == [401] * 6
        assert await status(client, basic(strangers(7)[6])) == 429
        assert await status(client, basic(late)) == 429
        assert await status(client, basic(others[0])) == 200


async def test_while_the_database_is_slow_a_key_that_waits_for_it_uses_nothing_up(
    shared_database_url: str, engine: Engine, shop: Tenant
) -> None:
    async with api_client(shared_database_url, api={"bad_credentials_per_minute": 1}) as client:
        async with engine.begin() as connection:
            await connection.execute(text("LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE"))
            waiting = [asyncio.create_task(status(client, basic(key))) for key in (shop.test, shop.live)]
            await asyncio.sleep(0.2)
            assert [task.done() for task in waiting] == [False, False]
            assert await status(client, {"authorization": "Bearer nonsense"}) == 401
        assert await asyncio.gather(*waiting) == [200, 200]


async def test_without_a_database_no_key_is_taken_for_a_bad_one() -> None:
    key = new_credentials(KeyMode.TEST, id_bytes=bytes(12), secret_bytes=bytes(32))
    nowhere = "postgresql+asyncpg://nobody@127.0.0.1:1/none"
    async with api_client(nowhere, api={"bad_credentials_per_minute": 1}) as client:
        seen = [await client.get("/v1/messages", headers=basic(key)) for _ in range(3)]
    assert [answer.status_code for answer in seen] == [503, 503, 503]
