"""Changing pools and routes at the same time, and what waits while they change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from app.domain.errors import ErrorCode, Refusal
from app.services.administration import Administration
from app.services.authentication import Authenticator
from app.services.messages import Messages
from app.services.named_ways import NamedWays
from app.store.engine import Engine
from tests.services.conftest import Asked, plenty_of_room
from tests.support.gateway import Tenant, tenant


@pytest.fixture
async def shop(engine: Engine) -> Tenant:
    """An account with a sender."""
    return await tenant(engine)


@pytest.fixture
async def ways(engine: Engine, shop: Tenant) -> NamedWays:
    assert shop
    return NamedWays(engine)


@pytest.fixture
async def messages(engine: Engine) -> AsyncIterator[Messages]:
    made = Messages(engine, engine, validity_seconds=3600, caps=plenty_of_room(engine))
    yield made
    await made.aclose()


async def test_no_route_leads_to_a_pool_that_was_deleted_while_it_was_set(ways: NamedWays) -> None:
    for _ in range(20):
        await ways.create_pool("shop", "support", match_area=False)
        outcomes = await asyncio.gather(
            ways.set_route("shop", "+1", "pool:support"),
            ways.delete_pool("shop", "support"),
            return_exceptions=True,
        )
        [refusal] = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        assert isinstance(refusal, Refusal)
        assert refusal.code in {ErrorCode.POOL_IN_USE, ErrorCode.POOL_UNKNOWN}
        pools, routes = await ways.list_pools(None), await ways.list_routes(None)
        assert len(pools) == len(routes)
        if routes:
            await ways.remove_route("shop", "+1")
            await ways.delete_pool("shop", "support")


async def test_of_two_pools_made_at_once_under_one_name_there_is_one(ways: NamedWays) -> None:
    outcomes = await asyncio.gather(
        *[ways.create_pool("shop", "support", match_area=False) for _ in range(4)], return_exceptions=True
    )
    refusals = [outcome.code for outcome in outcomes if isinstance(outcome, Refusal)]
    assert refusals == [ErrorCode.POOL_EXISTS] * 3
    assert len(await ways.list_pools("shop")) == 1


async def test_a_sender_that_is_put_twice_at_once_is_a_member_once(ways: NamedWays) -> None:
    await ways.create_pool("shop", "support", match_area=False)
    weights = [1.0, 2.0, 3.0, 4.0]
    await asyncio.gather(*[ways.put_member("shop", "support", "+12025550100", weight=each) for each in weights])
    [(_, pool)] = await ways.list_pools("shop")
    [member] = pool.members
    assert member.weight in weights


async def test_what_waits_keeps_its_sender_when_its_pool_changes_and_goes(
    ways: NamedWays, shop: Tenant, messages: Messages, engine: Engine
) -> None:
    await ways.create_pool("shop", "support", match_area=False)
    await ways.put_member("shop", "support", "+12025550100", weight=1)
    caller = await Authenticator(engine).authenticate(shop.live)
    await messages.accept(caller, Asked(sender="pool:support", recipient="+12125550123"), None)
    await Administration(engine, {"sandbox"}).add_sender(
        account="shop", address="+13105550100", provider="sandbox", rate=None
    )
    await ways.put_member("shop", "support", "+13105550100", weight=1_000)
    await ways.put_member("shop", "support", "+12025550100", weight=0)
    await ways.remove_member("shop", "support", "+12025550100")
    await ways.delete_pool("shop", "support")
    async with engine.connect() as connection:
        rows = await connection.execute(
            text(
                "SELECT m.sender, m.pool, s.address FROM messages AS m "
                "JOIN dispatch_queue AS q ON q.message_id = m.id JOIN senders AS s ON s.id = q.lane"
            )
        )
        assert [tuple(row) for row in rows] == [("+12025550100", "support", "+12025550100")]
