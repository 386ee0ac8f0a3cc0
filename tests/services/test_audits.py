"""Audits against the real sandbox: what it lists of today beside what was sent to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import text

from app.domain.auditing import DifferenceKind
from app.domain.policy import LifecyclePolicy
from app.domain.references import AttemptRef
from app.providers.sandbox import Evidence, records
from app.services import audits
from app.services.audits import AuditNotMade, Auditor
from app.services.dispatch import Dispatcher
from app.services.records import ProviderRecords
from app.services.submitting import Submitter
from app.services.webhooks import Adapters
from app.store.audits import DayRange, claim_audit, list_audits
from app.store.engine import Engine, transaction
from app.transport import Transport
from tests.sandbox.world import CONFIG, World, a_receiver, a_world
from tests.services.conftest import Accept, State
from tests.support.counting_provider import dispatch_config


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count what was sent a moment ago, too."""
    monkeypatch.setattr(audits, "_UNSETTLED", timedelta(0))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared() -> AsyncIterator[World]:
    async with a_receiver() as receiver, a_world(replace(CONFIG, pace=0), receiver=receiver) as world:
        yield world.using(Evidence.NONE)


@pytest_asyncio.fixture(loop_scope="session")
async def world(shared: World) -> World:
    await shared.call("DELETE", "/sandbox/state")
    return shared


@pytest.fixture
def auditor(engine: Engine, transport: Transport, world: World) -> Auditor:
    """An auditor whose lag makes today due."""
    adapters: Adapters = {"sandbox": world.adapter}
    return Auditor(engine, adapters, ProviderRecords(adapters, transport), LifecyclePolicy(), lag=timedelta(days=-1))


@pytest.fixture
async def sent(engine: Engine, transport: Transport, accept: Accept, world: World) -> list[UUID]:
    """Five messages that the sandbox has taken."""
    ids = [await accept(body=f"Parcel {number}") for number in range(5)]
    adapters: Adapters = {"sandbox": world.adapter}
    dispatcher = Dispatcher(engine, adapters, Submitter(adapters, transport, dispatch_config()), dispatch_config())
    claimed = await dispatcher.claim(limit=10)
    await dispatcher.settle(await asyncio.gather(*map(dispatcher.send, claimed)))
    return ids


def today() -> date:
    return datetime.now(UTC).date()


async def change(engine: Engine, statement: str, **values: Any) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(statement), values)


async def test_what_both_sides_know_alike_agrees_but_for_what_no_webhook_has_told(
    auditor: Auditor, sent: list[UUID]
) -> None:
    result = (await auditor.make("sandbox", today())).result
    assert (result.ours.messages, result.theirs.messages, result.matched) == (len(sent), 5, 5)
    assert (result.differences, result.agrees) == ({DifferenceKind.LAG: 5}, True)
    assert (result.ours.segments, result.theirs.segments) == (5, 5)
    assert (result.ours.prices, result.theirs.prices) == ({}, {"USD": Decimal("0.0375")})


async def test_every_kind_of_difference_is_found(
    auditor: Auditor, sent: list[UUID], engine: Engine, world: World
) -> None:
    failed, priced, counted, gone, _ = sent
    await change(engine, "UPDATE messages SET status = 'delivered'")
    await change(engine, "UPDATE messages SET status = 'failed' WHERE id = :id", id=failed)
    await change(engine, "UPDATE messages SET price = 1, price_currency = 'USD' WHERE id = :id", id=priced)
    await change(engine, "UPDATE messages SET billed_segments = 3 WHERE id = :id", id=counted)
    await change(engine, "UPDATE attempts SET provider_message_id = 'sbx_unheard' WHERE message_id = :id", id=gone)
    await world.send("+12025550123")
    result = (await auditor.make("sandbox", today())).result
    assert (result.ours.messages, result.theirs.messages, result.matched) == (5, 6, 4)
    assert result.differences == {
        DifferenceKind.STATUS: 1,
        DifferenceKind.PRICE: 1,
        DifferenceKind.SEGMENTS: 1,
        DifferenceKind.UNKNOWN_TO_US: 2,
        DifferenceKind.UNKNOWN_TO_THEM: 1,
    }
    named = {(each.kind, each.message_id) for each in result.listed}
    assert named == {
        (DifferenceKind.STATUS, failed),
        (DifferenceKind.PRICE, priced),
        (DifferenceKind.SEGMENTS, counted),
        (DifferenceKind.UNKNOWN_TO_US, gone),
        (DifferenceKind.UNKNOWN_TO_US, None),
        (DifferenceKind.UNKNOWN_TO_THEM, gone),
    }
    assert not result.agrees


async def test_what_may_have_been_taken_by_a_resend_on_another_day_is_not_called_unknown_to_them(
    auditor: Auditor, sent: list[UUID], engine: Engine
) -> None:
    told = {}
    for resent in ("now()", "now() + interval '1 day'"):
        await change(
            engine,
            f"UPDATE attempts SET provider_message_id = 'sbx_unheard', resent_at = {resent} WHERE message_id = :id",
            id=sent[0],
        )
        told[resent] = (await auditor.make("sandbox", today())).result.differences
    assert [DifferenceKind.UNKNOWN_TO_THEM in each for each in told.values()] == [True, False]


async def test_a_listed_message_resolves_what_nobody_could_tell(
    auditor: Auditor, sent: list[UUID], engine: Engine, state: State
) -> None:
    lost, waiting = sent[:2]
    await change(
        engine,
        "UPDATE attempts SET phase = 'abandoned', provider_message_id = NULL WHERE message_id = :id",
        id=lost,
    )
    await change(
        engine, "UPDATE messages SET status = 'unconfirmed', error_code = 'outcome-unknown' WHERE id = :id", id=lost
    )
    await change(
        engine, "UPDATE attempts SET phase = 'unknown', provider_message_id = NULL WHERE message_id = :id", id=waiting
    )
    await change(engine, "UPDATE messages SET status = 'sending' WHERE id = :id", id=waiting)
    result = (await auditor.make("sandbox", today())).result
    assert result.differences == {DifferenceKind.LAG: 3, DifferenceKind.FOUND: 2}
    assert (result.ours.messages, result.matched, result.agrees) == (5, 5, True)
    for each in (lost, waiting):
        stored = await state(each)
        assert (stored["status"], stored["phases"], stored["error_code"]) == ("delivered", ["accepted"], None)
        assert stored["events"][-1] == ("provider", "delivered", True, "found")


async def test_both_copies_of_a_doubled_message_can_be_listed(
    auditor: Auditor, sent: list[UUID], engine: Engine, state: State, world: World
) -> None:
    doubled = sent[0]
    await world.send("+15559876543", attempt=AttemptRef(message_id=doubled, number=2))
    for statement in (
        "UPDATE attempts SET phase = 'abandoned', provider_message_id = NULL WHERE message_id = :id",
        "INSERT INTO attempts (message_id, no, provider, phase, fence) VALUES (:id, 2, 'sandbox', 'abandoned', 0)",
        "UPDATE messages SET status = 'unconfirmed', attempts = 2 WHERE id = :id",
    ):
        await change(engine, statement, id=doubled)
    result = (await auditor.make("sandbox", today())).result
    assert (result.matched, result.differences) == (6, {DifferenceKind.LAG: 4, DifferenceKind.FOUND: 2})
    stored = await state(doubled)
    assert (stored["status"], stored["phases"]) == ("delivered", ["accepted", "accepted"])


async def test_a_list_that_is_too_long_is_read_in_parts_that_add_up(
    auditor: Auditor, sent: list[UUID], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await asyncio.sleep(0.02)
        await world.send("+12025550123")
    monkeypatch.setattr(records, "PAGE_SIZE", 2)
    monkeypatch.setattr(audits, "_MOST_PAGES", 2)
    monkeypatch.setattr(audits, "_SHORTEST", timedelta(microseconds=1))
    result = (await auditor.make("sandbox", today())).result
    assert (result.ours.messages, result.theirs.messages, result.matched) == (len(sent), 8, 5)
    assert result.differences == {DifferenceKind.LAG: 5, DifferenceKind.UNKNOWN_TO_US: 3}


async def test_of_all_workers_one_makes_a_due_audit_and_nobody_makes_it_again(
    auditor: Auditor, sent: list[UUID], engine: Engine
) -> None:
    made = await asyncio.gather(*(auditor.make_due() for _ in range(4)))
    assert sorted(len(each) for each in made) == [0, 0, 0, 1]
    assert await auditor.make_due() == []
    async with transaction(engine) as connection:
        [kept] = await list_audits(connection, DayRange(provider="sandbox"), before=None, limit=10)
    assert (kept.day, kept.result["matched"]) == (today(), len(sent))


async def test_days_that_were_missed_are_audited_later_but_none_before_the_first(
    auditor: Auditor, sent: list[UUID], engine: Engine
) -> None:
    assert sent
    async with transaction(engine) as connection:
        assert await claim_audit(connection, "sandbox", today() - timedelta(days=3), claim=timedelta(minutes=1))
    made = [audit.day for audit in await auditor.make_due()]
    assert made == [today() - timedelta(days=2), today() - timedelta(days=1), today()]


async def test_an_audit_whose_worker_died_is_made_by_another_one_after_its_claim(
    auditor: Auditor, sent: list[UUID], engine: Engine
) -> None:
    async with transaction(engine) as connection:
        assert await claim_audit(connection, "sandbox", today(), claim=timedelta(minutes=1))
    assert await auditor.make_due() == []
    await change(engine, "UPDATE provider_audits SET claimed_until = now() - interval '1 second'")
    [made] = await auditor.make_due()
    assert made.result.matched == len(sent)


async def test_an_audit_can_be_repeated_and_the_last_one_counts(
    auditor: Auditor, sent: list[UUID], world: World, engine: Engine
) -> None:
    await auditor.make("sandbox", today())
    await world.send("+12025550123")
    again = await auditor.make("sandbox", today())
    assert (again.result.theirs.messages, again.result.matched) == (6, len(sent))
    async with transaction(engine) as connection:
        [kept] = await list_audits(connection, DayRange(provider="sandbox"), before=None, limit=10)
    assert kept.result["theirs"]["messages"] == 6


@pytest.mark.parametrize(
    ("provider", "day", "told"),
    [
        ("nobody", date(2026, 1, 1), "No provider account 'nobody' is configured."),
        ("mute", date(2026, 1, 1), "mute offers no list"),
        ("sandbox", date(2100, 1, 1), "Nothing of 2100-01-01 has settled yet"),
        ("wrong", date(2026, 1, 1), "wrong did not list its messages: HTTP 401"),
    ],
)
async def test_an_audit_that_cannot_be_made_says_why(
    engine: Engine,
    transport: Transport,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    provider: str,
    day: date,
    told: str,
) -> None:
    monkeypatch.setattr(audits, "_PAUSES_SECONDS", (0.0,))
    config = world.adapter.config
    kind = type(world.adapter)
    adapters: Adapters = {
        "sandbox": world.adapter,
        "mute": kind(config.model_copy(update={"records": False})),
        "wrong": kind(config.model_copy(update={"api_key": "wrong"})),
    }
    auditor = Auditor(engine, adapters, ProviderRecords(adapters, transport), LifecyclePolicy())
    assert auditor.providers == ["sandbox", "wrong"]
    with pytest.raises(AuditNotMade, match=told):
        await auditor.make(provider, day)
