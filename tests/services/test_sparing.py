"""A row that cannot be worked on costs the others nothing, and ends no worker: it is left alone for a while."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import text

from app.services.dispatch import Dispatcher, Result
from app.services.reports import Reports
from app.services.rescue import Rescue
from app.services.resolver import Resolver
from app.services.webhooks import WebhookIntake
from app.store.engine import Engine
from tests.services.conftest import Accept, State
from tests.services.test_dispatch import end_leases
from tests.services.test_reports import ACCEPTED, status, webhook

UNKNOWN_WORD = "UPDATE messages SET error_code = 'of-a-later-version' WHERE id = :id"
NOT_LEGAL = "UPDATE messages SET status = 'canceled' WHERE id = :id"
REFUSED = "UPDATE messages SET event_sequence = 2147483647 WHERE id = :id"
LONE = "UPDATE dispatch_queue SET work = 'send_alone', crashes = 1 WHERE message_id = :id"
SPOILERS = (UNKNOWN_WORD, REFUSED)


async def spoil(engine: Engine, how: str, message_id: UUID) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(how), {"id": message_id})


async def statuses(engine: Engine) -> dict[UUID, str]:
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT id, status FROM messages"))
        return {row.id: row.status for row in rows}


async def events(engine: Engine, reason: str) -> set[UUID]:
    async with engine.connect() as connection:
        told = text("SELECT message_id FROM status_events WHERE reason = :reason")
        return set((await connection.execute(told, {"reason": reason})).scalars())


@pytest.mark.parametrize("how", SPOILERS)
async def test_one_that_cannot_be_claimed_is_left_alone(
    dispatcher: Dispatcher, accept: Accept, engine: Engine, how: str
) -> None:
    broken, *others = [await accept() for _ in range(3)]
    await spoil(engine, how, broken)
    claimed = await dispatcher.claim(limit=10)
    assert {each.attempt.message_id for each in claimed} == set(others)
    assert await dispatcher.claim(limit=10) == []


async def test_one_that_is_to_go_out_alone_and_cannot_calls_no_turn_while_it_is_left_alone(
    dispatcher: Dispatcher, accept: Accept, engine: Engine
) -> None:
    broken = await accept()
    await spoil(engine, UNKNOWN_WORD, broken)
    await spoil(engine, LONE, broken)
    assert await dispatcher.has_lone()
    assert await dispatcher.claim(limit=1, alone=True) == []
    assert not await dispatcher.has_lone()
    await spoil(engine, LONE, await accept())
    assert await dispatcher.has_lone()


@pytest.mark.parametrize("how", SPOILERS)
async def test_one_that_cannot_be_taken_over_is_left_alone(
    dispatcher: Dispatcher, rescuer: Rescue, accept: Accept, engine: Engine, how: str
) -> None:
    broken, *others = [await accept() for _ in range(3)]
    await dispatcher.claim(limit=10)
    await end_leases(engine)
    await spoil(engine, how, broken)
    assert [await rescuer.take_over(limit=10) for _ in range(2)] == [2, 0]
    assert await events(engine, "worker-lost") == set(others)


@pytest.mark.parametrize("how", [*SPOILERS, NOT_LEGAL])
async def test_one_that_cannot_be_resolved_is_left_alone(
    dispatcher: Dispatcher, rescuer: Rescue, resolver: Resolver, accept: Accept, engine: Engine, how: str
) -> None:
    broken, *others = [await accept() for _ in range(3)]
    await dispatcher.claim(limit=10)
    await end_leases(engine)
    assert await rescuer.take_over(limit=10) == 3
    await spoil(engine, how, broken)
    assert [await resolver.begin(limit=10) for _ in range(2)] == [[], []]
    assert await events(engine, "no-evidence") == set(others)


@pytest.mark.parametrize("how", [*SPOILERS, "UPDATE orphan_reports SET report = '{}' WHERE provider_message_id = 'a'"])
async def test_a_report_that_cannot_be_applied_once_its_attempt_is_known_is_left_alone(
    dispatcher: Dispatcher, intake: WebhookIntake, reports: Reports, accept: Accept, engine: Engine, how: str
) -> None:
    names = dict(zip([await accept() for _ in range(3)], "abc", strict=True))
    for name in names.values():
        await webhook(intake, status("delivered", provider_id=name))
    await reports.process_receipts(limit=10)
    for assignment in await dispatcher.claim(limit=10):
        name = names[assignment.attempt.message_id]
        await dispatcher.settle([Result(assignment=assignment, outcome=replace(ACCEPTED, provider_message_id=name))])
    broken, *others = names
    await spoil(engine, how, broken)
    assert [await reports.apply_orphans() for _ in range(2)] == [2, 0]
    assert {key for key, value in (await statuses(engine)).items() if value == "delivered"} == set(others)


async def test_what_was_left_alone_is_tried_again(
    dispatcher: Dispatcher,
    rescuer: Rescue,
    accept: Accept,
    engine: Engine,
    state: State,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.services.sparing._SET_ASIDE_SECONDS", 0)
    message_id = await accept()
    await dispatcher.claim(limit=1)
    await end_leases(engine)
    await spoil(engine, UNKNOWN_WORD, message_id)
    assert await rescuer.take_over(limit=10) == 0
    await spoil(engine, "UPDATE messages SET error_code = NULL WHERE id = :id", message_id)
    assert await rescuer.take_over(limit=10) == 1
    assert (await state(message_id))["phases"] == ["unknown"]
