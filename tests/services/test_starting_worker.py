"""A worker that starts, or that finds its database again: at another moment than all the others."""

from __future__ import annotations

import asyncio

import pytest

from app.store.engine import StoreUnavailable
from tests.services.conftest import Accept, State
from tests.services.test_stopping_worker import worker_of
from tests.transport.calls import until


def from_nothing(asked: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Leave out the pauses of what a worker does daily, which are spread about a length of their own."""
    return [lot for lot in asked if lot[0] == 0]


async def test_workers_that_start_together_do_not_claim_together(
    accept: Accept, state: State, shared_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = await accept()
    asked: list[tuple[float, float]] = []

    def longest(low: float, high: float) -> float:
        asked.append((low, high))
        return high

    monkeypatch.setattr("app.worker.random.uniform", longest)
    worker, _ = worker_of(shared_database_url, start_spread_seconds=60)
    running = asyncio.create_task(worker.run())
    await until(lambda: asked)
    await asyncio.sleep(0.2)
    worker.stop()
    async with asyncio.timeout(2):
        await running
    assert from_nothing(asked) == [(0, 60)]
    assert (await state(message_id))["status"] == "queued"


async def test_a_loop_that_lost_the_database_comes_back_after_a_random_part_of_a_second(
    accept: Accept, state: State, shared_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = await accept()
    asked: list[tuple[float, float]] = []

    def shortest(low: float, high: float) -> float:
        asked.append((low, high))
        return low

    monkeypatch.setattr("app.worker.random.uniform", shortest)
    worker, context = worker_of(shared_database_url, start_spread_seconds=3)
    claim = context.dispatcher.claim
    claims = 0

    async def lost_once(*, limit: int, others: int | None = None) -> object:
        nonlocal claims
        claims += 1
        if claims == 1:
            raise StoreUnavailable("gone")
        worker.stop()
        return await claim(limit=limit, others=others)

    monkeypatch.setattr(context.dispatcher, "claim", lost_once)
    async with asyncio.timeout(5):
        await worker.run()
    assert from_nothing(asked)[:2] == [(0, 3), (0, 1.0)]
    assert (await state(message_id))["status"] == "queued"
