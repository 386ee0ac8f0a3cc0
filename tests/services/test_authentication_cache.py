"""What the authenticator remembers: for how long, of whom, how much, and never a secret."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import event, text

from app.domain.credentials import Credentials, KeyMode, new_credentials
from app.services.administration import Administration
from app.services.authentication import Authenticator
from app.store.engine import Engine, StoreUnavailable, create_engine
from tests.support.gateway import Tenant, basic, tenant


@dataclass
class Clock:
    """A monotonic clock that goes when told to."""

    now: float = 1000

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def shop(engine: Engine) -> Tenant:
    return await tenant(engine)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authenticator(engine: Engine, clock: Clock) -> Authenticator:
    return Authenticator(engine, clock=clock)


def header(credentials: Credentials) -> bytes:
    return basic(credentials)["authorization"].encode()


async def verify(authenticator: Authenticator, credentials: Credentials) -> bool:
    return await authenticator.verify(header(credentials), credentials) is not None


@contextmanager
def look_ups(engine: Engine) -> Iterator[list[str]]:
    """The statements that read keys meanwhile."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "api_keys" in statement:
            seen.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", note)


async def test_a_verified_header_is_remembered_for_less_than_five_seconds(
    authenticator: Authenticator, clock: Clock, shop: Tenant
) -> None:
    known = header(shop.test)
    assert authenticator.remembered(known) is None
    caller = await authenticator.verify(known, shop.test)
    assert caller is not None
    clock.now += 4.99
    assert authenticator.remembered(known) is caller
    clock.now += 0.01
    assert authenticator.remembered(known) is None
    assert authenticator.knows(known)


async def test_every_byte_of_the_header_counts(authenticator: Authenticator, shop: Tenant) -> None:
    assert await verify(authenticator, shop.test)
    known = header(shop.test)
    for other in (
        known + b" ",
        known.lower(),
        known[:-1],
        b"",
        header(shop.live),
        f"Bearer {shop.test.bearer}".encode(),
    ):
        assert authenticator.remembered(other) is None
        assert not authenticator.knows(other)


async def test_a_wrong_key_is_not_remembered(authenticator: Authenticator, shop: Tenant) -> None:
    assert shop
    stranger = new_credentials(KeyMode.TEST, id_bytes=bytes(12), secret_bytes=bytes(32))
    assert not await verify(authenticator, stranger)
    assert authenticator.remembered(header(stranger)) is None
    assert not authenticator.knows(header(stranger))


async def test_a_revoked_key_is_forgotten_when_the_store_is_asked_again(
    authenticator: Authenticator, clock: Clock, shop: Tenant, engine: Engine
) -> None:
    assert await verify(authenticator, shop.test)
    await Administration(engine, ()).revoke_key(shop.test.user)
    clock.now += 5
    assert authenticator.remembered(header(shop.test)) is None
    assert authenticator.knows(header(shop.test))
    assert not await verify(authenticator, shop.test)
    assert not authenticator.knows(header(shop.test))


async def test_a_key_that_expires_sooner_is_remembered_until_then(
    authenticator: Authenticator, clock: Clock, shop: Tenant, engine: Engine
) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE api_keys SET expires_at = now() + interval '2 s'"))
    assert await verify(authenticator, shop.test)
    assert authenticator.remembered(header(shop.test)) is not None
    clock.now += 2
    assert authenticator.remembered(header(shop.test)) is None


async def test_the_time_counts_from_the_question_not_from_the_answer(
    authenticator: Authenticator, clock: Clock, shop: Tenant, engine: Engine
) -> None:
    async with locked_keys(engine):
        asking = asyncio.create_task(verify(authenticator, shop.test))
        await asyncio.sleep(0.05)
        clock.now += 4
    assert await asking
    assert authenticator.remembered(header(shop.test)) is not None
    clock.now += 1
    assert authenticator.remembered(header(shop.test)) is None


async def test_without_a_cache_the_store_is_asked_each_time(engine: Engine, clock: Clock, shop: Tenant) -> None:
    authenticator = Authenticator(engine, remember_seconds=0, clock=clock)
    assert await verify(authenticator, shop.test)
    assert authenticator.remembered(header(shop.test)) is None
    assert authenticator.knows(header(shop.test))


async def test_many_who_present_one_header_at_once_share_one_look_up(
    authenticator: Authenticator, shop: Tenant, engine: Engine
) -> None:
    with look_ups(engine) as seen:
        callers = await asyncio.gather(*(verify(authenticator, shop.test) for _ in range(50)))
        assert (callers, len(seen)) == ([True] * 50, 1)
        assert await verify(authenticator, shop.live)
        assert len(seen) == 2


async def test_one_who_gives_up_does_not_take_the_answer_from_the_others(
    authenticator: Authenticator, shop: Tenant, engine: Engine
) -> None:
    async with locked_keys(engine):
        first, second = [asyncio.create_task(verify(authenticator, shop.test)) for _ in range(2)]
        await asyncio.sleep(0.05)
        first.cancel()
    assert await second
    assert first.cancelled()


async def test_a_store_that_cannot_answer_fails_all_who_wait_and_nothing_is_remembered(clock: Clock) -> None:
    nowhere = create_engine("postgresql+asyncpg://nobody@127.0.0.1:1/none", application="tests")
    authenticator = Authenticator(nowhere, clock=clock)
    stranger = new_credentials(KeyMode.TEST, id_bytes=bytes(12), secret_bytes=bytes(32))
    outcomes = await asyncio.gather(*(verify(authenticator, stranger) for _ in range(3)), return_exceptions=True)
    await nowhere.dispose()
    assert [isinstance(outcome, StoreUnavailable) for outcome in outcomes] == [True] * 3
    assert not authenticator.knows(header(stranger))


async def test_the_header_that_was_used_longest_ago_is_forgotten_first(engine: Engine, shop: Tenant) -> None:
    authenticator = Authenticator(engine, size=2)
    third = f"Bearer {shop.live.bearer}".encode()
    assert await verify(authenticator, shop.test)
    assert await verify(authenticator, shop.live)
    assert authenticator.remembered(header(shop.test)) is not None
    assert await authenticator.verify(third, shop.live) is not None
    known: Callable[[bytes], bool] = authenticator.knows
    assert (known(header(shop.test)), known(header(shop.live)), known(third)) == (True, False, True)


async def test_no_secret_is_kept(authenticator: Authenticator, shop: Tenant) -> None:
    assert await verify(authenticator, shop.test)
    kept = repr(vars(authenticator))
    assert shop.test.key_id in kept
    assert shop.test.secret not in kept
    assert header(shop.test).decode().split()[1] not in kept


@asynccontextmanager
async def locked_keys(engine: Engine) -> AsyncIterator[None]:
    """Let nobody read or change keys until the end of the block."""
    async with engine.begin() as connection:
        await connection.execute(text("LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE"))
        yield
