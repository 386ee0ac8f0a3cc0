"""A resend under an idempotency key is a send: its lane lets it go and is charged, or it waits."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import text

from app.bootstrap import build_adapters
from app.domain.inquiry import Inquiry
from app.services.dispatch import Dispatcher, Result
from app.services.records import ProviderRecords
from app.services.resolver import Resolver
from app.services.submitting import DispatchConfig, Submitter
from app.store.engine import Engine
from app.transport import Transport
from tests.services.conftest import Accept
from tests.services.test_dispatch import UNKNOWN
from tests.support.gateway import SANDBOX, settings_for
from tests.support.lanes import execute

HOLDS = (
    "UPDATE lanes SET paused_at = now()",
    "UPDATE lanes SET not_before = now() + interval '1 minute'",
    "UPDATE lanes SET rate = 0.001, burst = 1, arrival_at = now() + interval '1 minute'",
    "UPDATE accounts SET paused_at = now()",
    "INSERT INTO provider_accounts (name, in_flight_cap) VALUES ('sandbox', 1)",
    "INSERT INTO circuits (provider, state, open_until) VALUES ('sandbox', 'open', now() + interval '1 minute')",
)


@pytest.fixture
def resolver(engine: Engine, transport: Transport, shared_database_url: str, config: DispatchConfig) -> Resolver:
    """A resolver that asks by resends."""
    adapters = build_adapters(settings_for(shared_database_url, sandbox={**SANDBOX, "evidence": "idempotency-key"}))
    return Resolver(
        engine, adapters, Submitter(adapters, transport, config), ProviderRecords(adapters, transport), config
    )


@pytest.fixture
async def doubtful(dispatcher: Dispatcher, accept: Accept, engine: Engine) -> UUID:
    """A message whose outcome is unknown, with another one in flight."""
    doubtful, _ = await accept(), await accept()
    for assignment in await dispatcher.claim(limit=2):
        if assignment.attempt.message_id == doubtful:
            await dispatcher.settle([Result(assignment=assignment, outcome=UNKNOWN)])
    await execute(engine, "UPDATE dispatch_queue SET due_at = now() WHERE work = 'resolve'")
    return doubtful


async def test_a_resend_is_charged_to_its_lane(resolver: Resolver, doubtful: UUID, engine: Engine) -> None:
    await execute(engine, "UPDATE lanes SET rate = 0.001, burst = 1, arrival_at = now()")
    [question] = await resolver.begin(limit=10)
    assert (question.inquiry, question.assignment.attempt.message_id) == (Inquiry.RESEND, doubtful)
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT max(arrival_at) > now() + interval '15 minutes' FROM lanes"))


@pytest.mark.parametrize("hold", HOLDS)
async def test_a_resend_that_may_not_go_waits_and_is_not_looked_at_for_a_second(
    resolver: Resolver, doubtful: UUID, engine: Engine, hold: str
) -> None:
    await execute(engine, hold)
    assert await resolver.begin(limit=10) == []
    async with engine.connect() as connection:
        kept = text("SELECT leased_until IS NULL AND due_at > now() FROM dispatch_queue WHERE message_id = :id")
        assert await connection.scalar(kept, {"id": doubtful})
