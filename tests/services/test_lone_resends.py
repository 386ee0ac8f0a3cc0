"""A resend of a message over which a worker died is a send like its first: nothing else goes out beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.bootstrap import WorkerContext, build_adapters, build_worker
from app.domain.inquiry import Inquiry
from app.services.dispatch import Dispatcher, Result
from app.services.records import ProviderRecords
from app.services.rescue import Rescue
from app.services.resolver import Resolver
from app.services.submitting import DispatchConfig, Submitter
from app.store.engine import Engine
from app.transport import Transport
from app.worker import Worker
from tests.services.conftest import Accept, State
from tests.services.test_dispatch import end_leases
from tests.services.test_sparing import LONE, spoil
from tests.support.counting_provider import TAKEN, CountingProvider, counting_provider
from tests.support.gateway import SANDBOX, settings_for
from tests.support.raw_server import serve
from tests.transport.calls import until


@pytest.fixture
async def suspect(dispatcher: Dispatcher, rescuer: Rescue, accept: Accept, engine: Engine) -> UUID:
    """A message whose worker died while it sent it."""
    message_id = await accept()
    await die_over_all(dispatcher, rescuer, engine, messages=1)
    return message_id


async def die_over_all(dispatcher: Dispatcher, rescuer: Rescue, engine: Engine, *, messages: int) -> None:
    assert len(await dispatcher.claim(limit=messages)) == messages
    await end_leases(engine)
    assert await rescuer.take_over(limit=messages) == messages


async def put_off(engine: Engine, message_id: UUID, *, seconds: float) -> None:
    statement = text("UPDATE dispatch_queue SET due_at = now() + :seconds * interval '1 second' WHERE message_id = :id")
    async with engine.begin() as connection:
        await connection.execute(statement, {"seconds": seconds, "id": message_id})


@pytest.mark.parametrize(
    ("evidence", "inquiry", "alone"),
    [("idempotency-key", Inquiry.RESEND, True), ("reference-search", Inquiry.REFERENCE, False)],
)
async def test_what_a_worker_died_over_is_resent_alone_which_counts_and_searched_for_in_company_which_does_not(
    suspect: UUID,
    rescuer: Rescue,
    state: State,
    engine: Engine,
    transport: Transport,
    shared_database_url: str,
    config: DispatchConfig,
    evidence: str,
    inquiry: Inquiry,
    alone: bool,
) -> None:
    adapters = build_adapters(settings_for(shared_database_url, sandbox={**SANDBOX, "evidence": evidence}))
    submitter, records = Submitter(adapters, transport, config), ProviderRecords(adapters, transport)
    resolver = Resolver(engine, adapters, submitter, records, config)
    assert await Dispatcher(engine, adapters, submitter, config).has_lone() is alone
    in_company, by_itself = await resolver.begin(limit=10), await resolver.begin_alone()
    assert [each.inquiry for each in in_company] == ([] if alone else [inquiry])
    assert (by_itself and by_itself.inquiry) == (inquiry if alone else None)
    assert (await state(suspect))["queue"][0]["leased_until"] is not None
    assert await resolver.begin_alone() is None

    await end_leases(engine)
    assert await rescuer.take_over(limit=1) == 1
    async with engine.connect() as connection:
        crashes = await connection.scalar(text("SELECT crashes FROM dispatch_queue"))
    assert crashes == (2 if alone else 1)


async def test_a_resend_that_cannot_be_begun_calls_no_turn_while_it_is_left_alone(
    suspect: UUID, engine: Engine, shared_database_url: str
) -> None:
    async with engine.begin() as connection:
        unknown_word = text("UPDATE messages SET error_code = 'of-a-later-version' WHERE id = :id")
        await connection.execute(unknown_word, {"id": suspect})
    _, context = worker_with(shared_database_url, SANDBOX)
    assert await context.dispatcher.has_lone(besides=context.resolver.aside())
    assert await context.resolver.begin_alone() is None
    assert not await context.dispatcher.has_lone(besides=context.resolver.aside())
    await context.engine.dispose()


@pytest.mark.usefixtures("suspect")
@pytest.mark.parametrize(
    "hold",
    [
        "UPDATE lanes SET paused_at = now()",
        "UPDATE accounts SET paused_at = now()",
        "INSERT INTO circuits (provider, state, open_until) VALUES ('sandbox', 'open', now() + interval '1 minute')",
    ],
)
async def test_a_resend_that_may_not_go_calls_no_turn_that_would_stop_the_others_for_nothing(
    engine: Engine, shared_database_url: str, hold: str
) -> None:
    _, context = worker_with(shared_database_url, SANDBOX)
    assert await context.dispatcher.has_lone()
    async with engine.begin() as connection:
        await connection.execute(text(hold))
    assert not await context.dispatcher.has_lone()
    await context.engine.dispose()


def worker_with(database_url: str, sandbox: dict[str, Any]) -> tuple[Worker, WorkerContext]:
    """Make a worker as the process does, whose provider is asked by resends."""
    settings = settings_for(database_url, sandbox={**sandbox, "evidence": "idempotency-key"})
    context = build_worker(settings)
    return Worker(context, settings.dispatch), context


class SlowProvider:
    """Takes each message after a while, the first one more slowly, and notes which others came in the meantime."""

    def __init__(self) -> None:
        self.beside: dict[str, set[str]] = {}
        self._under_way: set[str] = set()
        self.counting: CountingProvider

    @asynccontextmanager
    async def running(self) -> AsyncIterator[SlowProvider]:
        async def take(request: bytes, writer: asyncio.StreamWriter) -> None:
            [name] = CountingProvider(server=replace(self.counting.server, requests=[request])).taken()
            self._under_way.add(name)
            for each in self._under_way:
                self.beside.setdefault(each, set()).update(self._under_way - {each})
            # The first one longer than it takes a worker to see what is due.
            await asyncio.sleep(0.7 if len(self.beside) == 1 else 0.2)
            self._under_way.discard(name)
            writer.write(TAKEN)
            await writer.drain()

        async with serve(take) as server:
            self.counting = CountingProvider(server=server)
            yield self


async def test_a_resend_waits_until_nothing_else_is_sent_and_nothing_else_begins_beside_it(
    suspect: UUID, accept: Accept, engine: Engine, state: State, shared_database_url: str
) -> None:
    await put_off(engine, suspect, seconds=3_600)
    before = await accept()
    async with SlowProvider().running() as provider:
        worker, _ = worker_with(shared_database_url, provider.counting.settings)
        running = asyncio.create_task(worker.run())
        await until(lambda: str(before) in provider.beside)
        await put_off(engine, suspect, seconds=0)
        await until(lambda: str(suspect) in provider.beside)
        after = await accept()
        await until(lambda: str(after) in provider.beside)
        worker.stop()
        async with asyncio.timeout(5):
            await running
    assert provider.beside == {str(each): set() for each in (before, suspect, after)}
    assert {(await state(each))["status"] for each in (before, suspect, after)} == {"sent"}


async def test_a_resend_waits_until_what_was_sent_before_is_written(
    suspect: UUID, accept: Accept, engine: Engine, shared_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put_off(engine, suspect, seconds=3_600)
    before = await accept()
    async with counting_provider() as provider:
        worker, context = worker_with(shared_database_url, provider.settings)
        settle, written = context.dispatcher.settle, asyncio.Event()

        async def settle_slowly(results: Sequence[Result]) -> None:
            await put_off(engine, suspect, seconds=0)
            await asyncio.sleep(0.7)  # longer than it takes a worker to see what is due
            assert provider.taken() == {str(before): 1}
            await settle(results)
            written.set()

        monkeypatch.setattr(context.dispatcher, "settle", settle_slowly)
        running = asyncio.create_task(worker.run())
        await until(lambda: len(provider.taken()) == 2)
        assert written.is_set()
        worker.stop()
        async with asyncio.timeout(5):
            await running


async def test_lone_resends_and_lone_sends_take_turns(
    dispatcher: Dispatcher, rescuer: Rescue, accept: Accept, engine: Engine, shared_database_url: str
) -> None:
    suspects = {str(await accept()) for _ in range(2)}
    await die_over_all(dispatcher, rescuer, engine, messages=2)
    lone = await accept()
    await spoil(engine, LONE, lone)
    async with counting_provider() as provider:
        worker, _ = worker_with(shared_database_url, provider.settings)
        running = asyncio.create_task(worker.run())
        await until(lambda: len(provider.taken()) == 3)
        worker.stop()
        async with asyncio.timeout(5):
            await running
    first, second, third = provider.taken()
    assert (second, {first, third}) == (str(lone), suspects)
