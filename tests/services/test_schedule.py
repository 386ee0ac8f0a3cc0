"""Scheduled messages and stale ones: sent at their time, never before, and never once they are worthless."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from sqlalchemy import text

from app.bootstrap import build_worker
from app.domain.delivery_errors import DeliveryError
from app.domain.provider import Deferred
from app.services.dispatch import Dispatcher
from app.services.submitting import Assignment, Submitter
from app.store.engine import Engine
from app.transport import Transport
from app.worker import Worker
from tests.services.conftest import Accept, State
from tests.services.test_dispatch import LostCommit
from tests.support.counting_provider import CountingProvider, counting_provider, dispatch_config, dispatcher_of
from tests.support.gateway import settings_for

SOON: Final = timedelta(hours=1)
EXPIRED_AT_THE_SEND: Final = [
    ("api", "queued", True, None),
    ("worker", "sending", True, None),
    ("worker", "expired", True, "gave-up"),
]


@pytest.fixture
async def provider() -> AsyncIterator[CountingProvider]:
    async with counting_provider() as running:
        yield running


@pytest.fixture
def sending(engine: Engine, transport: Transport, shared_database_url: str, provider: CountingProvider) -> Dispatcher:
    """A dispatcher whose provider takes everything and counts it."""
    return dispatcher_of(engine, provider.adapters(shared_database_url), transport)


async def run(engine: Engine, statement: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(statement))


async def make_due(engine: Engine) -> None:
    """Let the time of all that is scheduled come."""
    await run(engine, "UPDATE dispatch_queue SET due_at = now()")


async def test_a_scheduled_message_is_sent_at_its_time_and_not_before(
    sending: Dispatcher, accept: Accept, engine: Engine, state: State, provider: CountingProvider
) -> None:
    message_id = await accept(send_at=datetime.now(UTC) + SOON)
    assert (await state(message_id))["status"] == "scheduled"
    assert await sending.claim(limit=10) == []
    await make_due(engine)
    [assignment] = await sending.claim(limit=10)
    await sending.settle([await sending.send(assignment)])
    stored = await state(message_id)
    assert (stored["status"], stored["phases"], stored["queue"]) == ("sent", ["accepted"], [])
    assert stored["events"] == [
        ("api", "scheduled", True, None),
        ("worker", "queued", True, None),
        ("worker", "sending", True, None),
        ("worker", "sent", True, None),
    ]
    assert provider.taken() == {str(message_id): 1}


async def test_a_message_is_due_at_its_time_and_its_validity_is_counted_from_there(
    accept: Accept, engine: Engine
) -> None:
    send_at = datetime.now(UTC) + SOON
    message_id = await accept(send_at=send_at, validity_seconds=60)
    async with engine.connect() as connection:
        query = "SELECT q.due_at, m.expires_at FROM messages m JOIN dispatch_queue q ON q.message_id = m.id"
        [row] = await connection.execute(text(query))
    assert (row.due_at, row.expires_at) == (send_at, send_at + timedelta(seconds=60)), message_id


async def test_scheduled_and_queued_messages_are_claimed_together_by_many_at_once(
    sending: Dispatcher, accept: Accept, engine: Engine, state: State
) -> None:
    later = datetime.now(UTC) + SOON
    ids = [await accept(send_at=later if number % 2 else None) for number in range(20)]
    await make_due(engine)
    claims = await asyncio.gather(*(sending.claim(limit=7) for _ in range(6)))
    claims.append(await sending.claim(limit=20))
    claimed = [assignment.attempt.message_id for claim in claims for assignment in claim]
    assert sorted(claimed) == sorted(ids)
    assert {(await state(one))["status"] for one in ids} == {"sending"}


async def test_a_scheduled_message_that_is_stale_when_its_claim_comes_expires(
    sending: Dispatcher, accept: Accept, engine: Engine, state: State
) -> None:
    message_id = await accept(send_at=datetime.now(UTC) + SOON)
    await make_due(engine)
    await run(engine, "UPDATE messages SET expires_at = now()")
    assert await sending.claim(limit=10) == []
    stored = await state(message_id)
    assert (stored["status"], stored["error_code"], stored["queue"]) == ("expired", "expired", [])
    assert stored["events"] == [("api", "scheduled", True, None), ("worker", "expired", True, None)]


async def test_a_scheduled_message_whose_claim_was_not_answered_is_given_back_and_sent_once(
    sending: Dispatcher,
    accept: Accept,
    engine: Engine,
    state: State,
    provider: CountingProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    message_id = await accept(send_at=datetime.now(UTC) + SOON)
    await make_due(engine)
    LostCommit(monkeypatch)
    with pytest.raises(Exception, match="the commit's answer was lost"):
        await sending.claim(limit=1)
    [assignment] = await sending.claim(limit=1)
    await sending.settle([await sending.send(assignment)])
    assert ((await state(message_id))["status"], provider.taken()) == ("sent", {str(message_id): 1})


async def test_a_message_that_has_become_stale_since_its_claim_is_not_sent(
    sending: Dispatcher, accept: Accept, engine: Engine, state: State, provider: CountingProvider
) -> None:
    message_id = await accept()
    await run(engine, "UPDATE messages SET expires_at = now() + interval '1 second'")
    [assignment] = await sending.claim(limit=1)
    await asyncio.sleep(assignment.worth_until - time.monotonic())
    result = await sending.send(assignment)
    assert isinstance(result.outcome, Deferred)
    assert result.outcome.failure.error is DeliveryError.EXPIRED
    await sending.settle([result])
    stored = await state(message_id)
    assert (stored["status"], stored["error_code"], stored["phases"]) == ("expired", "expired", ["not_sent"])
    assert (stored["events"], stored["queue"]) == (EXPIRED_AT_THE_SEND, [])
    assert provider.taken() == {}


@pytest.mark.parametrize("hours", [-24, 24])
async def test_a_machine_whose_clock_is_wrong_judges_by_the_databases(
    sending: Dispatcher,
    accept: Accept,
    engine: Engine,
    provider: CountingProvider,
    monkeypatch: pytest.MonkeyPatch,
    hours: int,
) -> None:
    class Wrong(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]  # the tests ask for one zone alone
            assert tz is UTC
            return datetime.now(UTC) + timedelta(hours=hours)

    fresh, stale = await accept(), await accept()
    async with engine.begin() as connection:
        query = text("UPDATE messages SET expires_at = now() + interval '0.2 seconds' WHERE id = :id")
        await connection.execute(query, {"id": stale})
    monkeypatch.setattr("app.services.submitting.datetime", Wrong)
    assignments = await sending.claim(limit=2)
    await asyncio.sleep(0.21)
    for assignment in assignments:
        await sending.send(assignment)
    assert provider.taken() == {str(fresh): 1}


async def test_what_is_left_of_a_messages_validity_is_never_overestimated(
    sending: Dispatcher, accept: Accept, engine: Engine
) -> None:
    for _ in range(20):
        await accept(validity_seconds=60)
    for assignment in await sending.claim(limit=20):
        async with engine.connect() as connection:
            query = text("SELECT extract(epoch FROM expires_at - clock_timestamp()) FROM messages WHERE id = :id")
            left = float(await connection.scalar(query, {"id": assignment.attempt.message_id}) or 0)
        believed = assignment.worth_until - time.monotonic()
        assert left - 5 < believed <= left


class Stopped(Dispatcher):
    """Stops the whole process once between a claim and its sends, as SIGSTOP or a full swap would."""

    _stood_still = False

    async def claim(self, *, limit: int, others: int | None = None, alone: bool = False) -> list[Assignment]:
        claimed = await super().claim(limit=limit, others=others, alone=alone)
        if claimed and not self._stood_still:
            self._stood_still = True
            time.sleep(1.1)  # noqa: ASYNC251 - it is the loop that has to stand still
        return claimed


async def test_a_worker_that_was_stopped_between_claim_and_send_sends_nothing_stale(
    accept: Accept, engine: Engine, state: State, shared_database_url: str, provider: CountingProvider
) -> None:
    stale, fresh = await accept(), await accept()
    async with engine.begin() as connection:
        query = text("UPDATE messages SET expires_at = now() + interval '1 second' WHERE id = :id")
        await connection.execute(query, {"id": stale})
    settings = settings_for(shared_database_url, sandbox=provider.settings)
    context = build_worker(settings)
    adapters, times = provider.adapters(shared_database_url), dispatch_config()
    stopped = Stopped(context.engine, adapters, Submitter(adapters, context.transport, times), times)
    worker = Worker(replace(context, dispatcher=stopped), settings.dispatch)
    running = asyncio.create_task(worker.run())
    await _until_nothing_waits(engine)
    worker.stop()
    await running
    ended, sent = await state(stale), await state(fresh)
    # On a slow machine it is stale before the claim, and swept up.
    assert ended["events"] == EXPIRED_AT_THE_SEND or (ended["status"], ended["phases"]) == ("expired", [])
    assert sent["status"] == "sent"
    assert provider.taken() == {str(fresh): 1}


async def _until_nothing_waits(engine: Engine) -> None:
    waiting = text("SELECT count(*) FROM dispatch_queue")
    async with asyncio.timeout(20):
        async with engine.connect() as connection:
            while await connection.scalar(waiting):  # noqa: ASYNC110 - another connection empties it, so no event
                await asyncio.sleep(0.02)
