"""A worker that is asked to stop: what it has not begun is another's at once, and whoever asks twice does not wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text

from app.bootstrap import WorkerContext, build_worker
from app.services.dispatch import Dispatcher, Result
from app.services.resolver import Question
from app.services.submitting import Assignment
from app.store.engine import Connection, Engine, StoreUnavailable, transaction
from app.store.workers import suspects
from app.worker import Worker
from tests.services.conftest import Accept, State
from tests.services.test_dispatch import UNKNOWN
from tests.services.test_lone_resends import put_off, worker_with
from tests.support.counting_provider import TAKEN, counting_provider
from tests.support.gateway import SANDBOX, settings_for
from tests.support.postgres_proxy import PostgresProxy
from tests.support.raw_server import hang, serve, written
from tests.transport.calls import until


def worker_of(database_url: str, *, sandbox_url: str = SANDBOX["url"], **dispatch: Any) -> tuple[Worker, WorkerContext]:
    """Make a worker as the process does."""
    settings = settings_for(database_url, sandbox={**SANDBOX, "url": sandbox_url}, dispatch=dispatch)
    context = build_worker(settings)
    return Worker(context, settings.dispatch), context


async def test_what_is_claimed_at_the_moment_of_the_stop_is_given_back(
    accept: Accept, state: State, shared_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [await accept() for _ in range(3)]
    worker, context = worker_of(shared_database_url)
    claim = context.dispatcher.claim

    async def claim_and_stop(*, limit: int, others: int | None = None) -> list[Assignment]:
        claimed = await claim(limit=limit, others=others)
        if claimed:
            worker.stop()
        return claimed

    monkeypatch.setattr(context.dispatcher, "claim", claim_and_stop)
    await worker.run()
    for message_id in ids:
        stored = await state(message_id)
        assert (stored["status"], stored["phases"]) == ("queued", ["not_sent"])
        assert stored["queue"][0]["leased_until"] is None


async def test_what_waits_for_a_place_is_given_back_and_what_was_begun_under_the_same_claim_is_finished(
    accept: Accept, state: State, shared_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [await accept() for _ in range(3)]
    monkeypatch.setattr("app.services.pacing.Pace.ahead", lambda _pace: 2)
    answer = asyncio.Event()

    async def answer_in_the_end(request: bytes, writer: asyncio.StreamWriter) -> None:
        await answer.wait()
        await written(TAKEN)(request, writer)

    async with serve(answer_in_the_end) as provider:
        worker, _ = worker_of(shared_database_url, sandbox_url=provider.url, concurrency=1)
        running = asyncio.create_task(worker.run())
        await until(lambda: provider.requests)
        assert [(await state(message_id))["phases"] for message_id in ids] == [["started"]] * 3
        worker.stop()
        answer.set()
        async with asyncio.timeout(5):
            await running
        assert len(provider.requests) == 1
    ends = [await state(message_id) for message_id in ids]
    assert sorted((end["status"], *end["phases"]) for end in ends) == [
        ("queued", "not_sent"),
        ("queued", "not_sent"),
        ("sent", "accepted"),
    ]


async def test_a_worker_that_still_waits_for_an_answer_after_the_stop_is_not_taken_for_dead(
    accept: Accept, state: State, shared_database_url: str, engine: Engine
) -> None:
    message_id = await accept()
    answer = asyncio.Event()

    async def answer_in_the_end(request: bytes, writer: asyncio.StreamWriter) -> None:
        await answer.wait()
        await written(TAKEN)(request, writer)

    async with serve(answer_in_the_end) as provider:
        worker, context = worker_of(shared_database_url, sandbox_url=provider.url)
        running = asyncio.create_task(worker.run())
        await until(lambda: provider.requests and context.liveness.worker is not None)
        number = context.liveness.worker
        async with engine.begin() as connection:
            # The claim may have come before the lock.
            claim = text("UPDATE dispatch_queue SET worker = :worker WHERE message_id = :id")
            await connection.execute(claim, {"worker": number, "id": message_id})
        worker.stop()
        for _ in range(10):
            await asyncio.sleep(0.03)
            async with engine.connect() as connection:
                assert number not in await suspects(connection)
        answer.set()
        async with asyncio.timeout(5):
            await running
    assert (await state(message_id))["status"] == "sent"


async def test_a_batch_that_is_being_settled_at_the_stop_is_settled_once(
    accept: Accept, state: State, shared_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = await accept()
    async with serve(written(TAKEN)) as provider:
        worker, context = worker_of(shared_database_url, sandbox_url=provider.url)
        settle, settled = context.dispatcher.settle, []

        async def settle_and_stop(results: Sequence[Result]) -> None:
            await settle(results)
            settled.append(len(results))
            worker.stop()
            await asyncio.sleep(0.05)

        monkeypatch.setattr(context.dispatcher, "settle", settle_and_stop)
        async with asyncio.timeout(5):
            await worker.run()
    assert settled == [1]
    assert (await state(message_id))["status"] == "sent"


async def test_what_is_to_be_asked_at_the_moment_of_the_stop_is_asked_and_written(
    dispatcher: Dispatcher,
    accept: Accept,
    state: State,
    engine: Engine,
    shared_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    message_id = await accept()
    [assignment] = await dispatcher.claim(limit=1)
    await dispatcher.settle([Result(assignment=assignment, outcome=UNKNOWN)])
    await put_off(engine, message_id, seconds=0)
    async with counting_provider() as provider:
        worker, context = worker_with(shared_database_url, provider.settings)
        begin = context.resolver.begin

        async def begin_and_stop(*, limit: int) -> list[Question]:
            questions = await begin(limit=limit)
            worker.stop()
            await asyncio.sleep(0.05)
            return questions

        monkeypatch.setattr(context.resolver, "begin", begin_and_stop)
        async with asyncio.timeout(5):
            await worker.run()
        assert provider.taken() == {str(message_id): 1}
    stored = await state(message_id)
    assert (stored["status"], stored["phases"]) == ("sent", ["accepted"])


async def test_what_an_unanswered_claim_took_before_the_stop_is_given_back(
    accept: Accept, state: State, shared_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = await accept()
    worker, _ = worker_of(shared_database_url)
    lost = 0

    @asynccontextmanager
    async def unanswered_once(engine: Engine) -> AsyncIterator[Connection]:
        nonlocal lost
        async with transaction(engine) as connection:
            yield connection
        lost += 1
        if lost == 1:
            worker.stop()
            raise StoreUnavailable("the commit was not answered")

    monkeypatch.setattr("app.services.claiming.transaction", unanswered_once)
    await worker.run()
    stored = await state(message_id)
    assert (stored["status"], stored["phases"]) == ("queued", ["not_sent"])


async def test_a_worker_that_is_asked_twice_ends_at_once_and_leaves_its_send_to_the_lease(
    accept: Accept, state: State, shared_database_url: str
) -> None:
    message_id = await accept()
    async with serve(hang) as silent:
        worker, _ = worker_of(shared_database_url, sandbox_url=silent.url)
        running = asyncio.create_task(worker.run())
        await until(lambda: silent.requests)
        worker.stop()
        await asyncio.sleep(0.1)
        assert not running.done()
        worker.stop()
        async with asyncio.timeout(2):
            await running
    stored = await state(message_id)
    assert (stored["status"], stored["phases"]) == ("sending", ["started"])
    assert stored["queue"][0]["leased_until"] is not None


async def test_a_worker_with_nothing_in_hand_does_not_wait_for_a_postgres_that_is_gone(
    shared_database_url: str,
) -> None:
    with PostgresProxy(shared_database_url) as proxy:
        worker, context = worker_of(proxy.url)
        running = asyncio.create_task(worker.run())
        await until(lambda: context.liveness.worker is not None)
    worker.stop()
    async with asyncio.timeout(10):
        await running
