"""Claims that go wrong: messages that cannot be claimed or are stale, and commits that land late."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from app.services.claiming import Claims
from app.services.dispatch import Dispatcher
from app.store.engine import Connection, Engine, StoreUnavailable, transaction
from tests.services.conftest import Accept, State


async def exhaust(engine: Engine, message_id: UUID) -> None:
    """Leave no number for a further attempt of this message, and make it the longest due."""
    async with engine.begin() as connection:
        for statement in (
            "UPDATE messages SET attempts = 32767 WHERE id = :id",
            "UPDATE dispatch_queue SET due_at = now() - interval '1 minute' WHERE message_id = :id",
        ):
            await connection.execute(text(statement), {"id": message_id})


async def test_a_message_that_cannot_be_claimed_costs_the_others_nothing(
    dispatcher: Dispatcher, accept: Accept, engine: Engine, state: State
) -> None:
    ids = [await accept() for _ in range(4)]
    await exhaust(engine, ids[1])
    claimed = await dispatcher.claim(limit=10)
    assert {assignment.attempt.message_id for assignment in claimed} == {ids[0], ids[2], ids[3]}
    assert [(await state(one))["status"] for one in ids] == ["sending", "queued", "sending", "sending"]


async def test_a_message_that_cannot_be_claimed_does_not_stop_a_worker_with_one_free_place(
    dispatcher: Dispatcher, accept: Accept, engine: Engine
) -> None:
    broken, *others = [await accept() for _ in range(3)]
    await exhaust(engine, broken)
    claims = [await dispatcher.claim(limit=1) for _ in range(4)]
    claimed = [assignment.attempt.message_id for claim in claims for assignment in claim]
    assert sorted(claimed) == sorted(others)
    assert [len(claim) for claim in claims] == [0, 1, 1, 0]


async def test_a_claim_that_finds_stale_messages_alone_ends_them_and_takes_what_follows(
    dispatcher: Dispatcher, accept: Accept, engine: Engine, state: State
) -> None:
    *stale, fresh = [await accept() for _ in range(3)]
    async with engine.begin() as connection:
        for message_id in stale:
            statement = text("UPDATE messages SET expires_at = now() WHERE id = :id")
            await connection.execute(statement, {"id": message_id})
    [assignment] = await dispatcher.claim(limit=1)
    assert assignment.attempt.message_id == fresh
    assert {(await state(message_id))["status"] for message_id in stale} == {"expired"}


class LateCommit:
    """Stands between the first transaction and its caller: its commit is on its way when the answer is given up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("app.services.claiming.transaction", self)
        self._under_way: Connection | None = None

    @asynccontextmanager
    async def __call__(self, engine: Engine) -> AsyncIterator[Connection]:
        if self._under_way is not None:
            async with transaction(engine) as connection:
                yield connection
            return
        self._under_way = await engine.connect()
        await self._under_way.begin()
        yield self._under_way
        raise StoreUnavailable("the commit was not answered")

    async def land(self) -> None:
        """Let the commit happen."""
        assert self._under_way is not None
        await self._under_way.commit()
        await self._under_way.close()


async def test_a_claim_whose_commit_lands_late_is_given_back_all_the_same(
    dispatcher: Dispatcher, accept: Accept, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = await accept()
    late = LateCommit(monkeypatch)
    with pytest.raises(StoreUnavailable):
        await dispatcher.claim(limit=1)
    assert await dispatcher.claim(limit=1) == []
    await late.land()
    assert (await state(message_id))["status"] == "sending"
    [again] = await dispatcher.claim(limit=1)
    stored = await state(message_id)
    assert (again.attempt.number, stored["phases"]) == (2, ["not_sent", "started"])
    assert stored["events"][2] == ("worker", "queued", True, "given-back")


async def test_a_claim_whose_lease_is_over_is_left_to_the_rescue(
    accept: Accept, engine: Engine, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = await accept()
    claims = Claims(engine, lease=timedelta(0), poison_crashes=3, worker=lambda: None)
    late = LateCommit(monkeypatch)
    with pytest.raises(StoreUnavailable):
        await claims.take(limit=1)
    assert await claims.take(limit=1) == []
    await late.land()
    assert await claims.take(limit=1) == []
    assert (await state(message_id))["phases"] == ["started"]
