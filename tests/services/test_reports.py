"""Status reports on a real database: early, late, twice, shuffled, and for attempts that nobody knows yet."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import text

from app.domain.attempt_token import write_token
from app.domain.http import WebhookRequest
from app.domain.provider import Accepted
from app.domain.references import AttemptRef
from app.providers.sandbox import SIGNATURE_HEADER, sign
from app.services.dispatch import Dispatcher, Result
from app.services.reports import Reports
from app.services.rescue import Rescue
from app.services.resolver import Resolver
from app.services.webhooks import WebhookIntake
from app.store.engine import Engine
from tests.services.conftest import Accept, State
from tests.support.gateway import PUBLIC_URL, SECRET_KEY, WEBHOOK_SECRET

ACCEPTED = Accepted(provider_message_id="sbx-1", provider_status="queued")


async def webhook(
    intake: WebhookIntake,
    document: dict[str, Any] | bytes,
    attempt: AttemptRef | None = None,
    provider: str = "sandbox",
) -> None:
    """Post a signed webhook, to the attempt's own URL if one is given."""
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    token = write_token(attempt, provider=provider, secret=SECRET_KEY.encode()) if attempt else None
    url = f"{PUBLIC_URL}/v1/webhooks/{provider}" + (f"/status/{token}" if token else "")
    headers = {SIGNATURE_HEADER: sign(WEBHOOK_SECRET, now=datetime.now(UTC), url=url, body=body)}
    request = WebhookRequest(method="POST", url=url, headers=headers, body=body)
    await intake.receive(intake.recognise(provider, "POST", token), request)


def status(word: str, *, provider_id: str = "sbx-1", code: int | None = None) -> dict[str, Any]:
    return {
        "type": "message.status",
        "id": provider_id,
        "reference": None,
        "status": word,
        "error_code": code,
        "timestamp": "2026-11-22T12:00:00Z",
    }


async def receipt_states(engine: Engine) -> list[tuple[str, str | None]]:
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT state, note FROM webhook_receipts ORDER BY id"))
        return [tuple(row) for row in rows]


async def claimed(dispatcher: Dispatcher, accept: Accept) -> tuple[UUID, AttemptRef, Any]:
    message_id = await accept()
    [assignment] = await dispatcher.claim(limit=1)
    return message_id, assignment.attempt, assignment


async def test_a_report_before_the_send_is_recorded_applies_at_once(
    dispatcher: Dispatcher, accept: Accept, intake: WebhookIntake, reports: Reports, state: State
) -> None:
    message_id, attempt, assignment = await claimed(dispatcher, accept)
    await webhook(intake, status("delivered"), attempt)
    assert await reports.process_receipts(limit=10) == 1
    assert (await state(message_id))["status"] == "delivered"
    await dispatcher.settle([Result(assignment=assignment, outcome=ACCEPTED)])
    stored = await state(message_id)
    assert (stored["status"], stored["phases"], stored["queue"]) == ("delivered", ["accepted"], [])
    assert stored["events"][-1] == ("worker", "sent", False, "outranked")


@pytest.mark.parametrize("order", list(permutations(["queued", "sent", "delivered"])))
async def test_reports_in_any_order_end_delivered(
    dispatcher: Dispatcher,
    accept: Accept,
    intake: WebhookIntake,
    reports: Reports,
    state: State,
    order: tuple[str, ...],
) -> None:
    message_id, attempt, assignment = await claimed(dispatcher, accept)
    await dispatcher.settle([Result(assignment=assignment, outcome=ACCEPTED)])
    for word in order:
        await webhook(intake, status(word), attempt)
    assert await reports.process_receipts(limit=10) == 3
    stored = await state(message_id)
    assert stored["status"] == "delivered"
    assert len(stored["events"]) == 6


async def test_a_negative_report_carries_its_error_and_the_providers_code(
    dispatcher: Dispatcher, accept: Accept, intake: WebhookIntake, reports: Reports, engine: Engine, state: State
) -> None:
    message_id, attempt, assignment = await claimed(dispatcher, accept)
    await dispatcher.settle([Result(assignment=assignment, outcome=ACCEPTED)])
    await webhook(intake, status("undelivered", code=3001), attempt)
    await reports.process_receipts(limit=10)
    stored = await state(message_id)
    assert (stored["status"], stored["error_code"]) == ("undelivered", "landline")
    async with engine.connect() as connection:
        last = (
            await connection.execute(
                text("SELECT provider_status, provider_code, reported_at FROM status_events ORDER BY sequence DESC")
            )
        ).first()
    assert last is not None
    assert tuple(last) == ("undelivered", "3001", datetime(2026, 11, 22, 12, tzinfo=UTC))


async def test_a_report_without_our_id_finds_its_attempt_by_the_providers(
    dispatcher: Dispatcher, accept: Accept, intake: WebhookIntake, reports: Reports, state: State
) -> None:
    message_id, _, assignment = await claimed(dispatcher, accept)
    await dispatcher.settle([Result(assignment=assignment, outcome=ACCEPTED)])
    await webhook(intake, status("delivered"))
    await reports.process_receipts(limit=10)
    assert (await state(message_id))["status"] == "delivered"


async def test_a_report_for_an_unknown_id_waits_until_its_attempt_is_known(
    dispatcher: Dispatcher, accept: Accept, intake: WebhookIntake, reports: Reports, engine: Engine, state: State
) -> None:
    message_id, _, assignment = await claimed(dispatcher, accept)
    await webhook(intake, status("delivered"))
    await reports.process_receipts(limit=10)
    assert (await state(message_id))["status"] == "sending"
    assert await reports.apply_orphans() == 0
    await dispatcher.settle([Result(assignment=assignment, outcome=ACCEPTED)])
    assert await reports.apply_orphans() == 1
    assert (await state(message_id))["status"] == "delivered"
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM orphan_reports")) == 0


async def test_a_provider_id_that_two_attempts_share_is_no_evidence(
    dispatcher: Dispatcher, accept: Accept, intake: WebhookIntake, reports: Reports, state: State
) -> None:
    ids = []
    for _ in range(2):
        message_id, _, assignment = await claimed(dispatcher, accept)
        await dispatcher.settle([Result(assignment=assignment, outcome=ACCEPTED)])
        ids.append(message_id)
    await webhook(intake, status("delivered"))
    await reports.process_receipts(limit=10)
    await reports.apply_orphans()
    assert [(await state(i))["status"] for i in ids] == ["sent", "sent"]


async def test_an_unreadable_webhook_is_kept_and_does_not_hold_up_the_others(
    dispatcher: Dispatcher, accept: Accept, intake: WebhookIntake, reports: Reports, engine: Engine, state: State
) -> None:
    message_id, attempt, _ = await claimed(dispatcher, accept)
    await webhook(intake, b"<html>", attempt)
    await webhook(intake, status("delivered"), attempt)
    await reports.process_receipts(limit=10)
    assert (await state(message_id))["status"] == "delivered"
    states = await receipt_states(engine)
    assert [row[0] for row in states] == ["unreadable", "processed"]
    assert states[0][1]


async def test_a_report_that_cannot_be_stored_is_marked_and_the_others_apply(
    dispatcher: Dispatcher, accept: Accept, intake: WebhookIntake, reports: Reports, engine: Engine, state: State
) -> None:
    message_id, attempt, _ = await claimed(dispatcher, accept)
    async with engine.begin() as connection:
        # A rule that the code does not know of stands for whatever Postgres may refuse one day.
        await connection.execute(
            text("ALTER TABLE orphan_reports ADD CONSTRAINT no CHECK (provider_message_id <> 'no')")
        )
    try:
        await webhook(intake, status("delivered", provider_id="no"))
        await webhook(intake, status("delivered"), attempt)
        await reports.process_receipts(limit=10)
    finally:
        async with engine.begin() as connection:
            await connection.execute(text("ALTER TABLE orphan_reports DROP CONSTRAINT no"))
    assert (await state(message_id))["status"] == "delivered"
    assert [row[0] for row in await receipt_states(engine)] == ["unreadable", "processed"]


@pytest.mark.parametrize(
    "change",
    [
        {"id": "x\x00y"},
        {"id": "x" * 20_000},
        {"timestamp": "0001-01-01T00:00:00+14:00"},
        {"timestamp": "9999-12-31T23:59:59-14:00"},
    ],
)
async def test_foreign_words_and_times_are_bounded_before_they_are_stored(
    dispatcher: Dispatcher,
    accept: Accept,
    intake: WebhookIntake,
    reports: Reports,
    engine: Engine,
    state: State,
    change: dict[str, str],
) -> None:
    message_id, attempt, _ = await claimed(dispatcher, accept)
    await webhook(intake, {**status("delivered"), **change}, attempt)
    await reports.process_receipts(limit=10)
    assert (await state(message_id))["status"] == "delivered"
    assert [row[0] for row in await receipt_states(engine)] == ["processed"]


async def test_a_reference_in_a_body_is_not_believed_against_the_providers_own_id(
    dispatcher: Dispatcher, accept: Accept, intake: WebhookIntake, reports: Reports, state: State
) -> None:
    message_id, attempt, assignment = await claimed(dispatcher, accept)
    await dispatcher.settle([Result(assignment=assignment, outcome=ACCEPTED)])
    await webhook(intake, {**status("delivered", provider_id="sbx-2"), "reference": str(attempt)})
    await reports.process_receipts(limit=10)
    assert (await state(message_id))["status"] == "sent"
    await webhook(intake, {**status("delivered"), "reference": str(attempt)})
    await reports.process_receipts(limit=10)
    assert (await state(message_id))["status"] == "delivered"


async def test_what_nothing_here_handles_yet_is_kept(intake: WebhookIntake, reports: Reports, engine: Engine) -> None:
    inbound = {
        "type": "message.inbound",
        "id": "in-1",
        "from": "+15559876543",
        "to": "+15551234567",
        "body": "STOP",
        "timestamp": "2026-11-22T12:00:00Z",
    }
    await webhook(intake, inbound)
    await webhook(intake, {"type": "something.else"})
    await reports.process_receipts(limit=10)
    assert await receipt_states(engine) == [
        ("kept", "not handled yet: InboundSms"),
        ("processed", "no event that is known"),
    ]


async def test_a_report_on_an_attempt_that_never_was_changes_nothing(
    accept: Accept, intake: WebhookIntake, reports: Reports, state: State
) -> None:
    message_id = await accept()
    await webhook(intake, status("delivered"), AttemptRef(message_id=message_id, number=3))
    await reports.process_receipts(limit=10)
    assert (await state(message_id))["status"] == "queued"


async def test_a_report_ends_the_wait_of_an_unknown_outcome(
    dispatcher: Dispatcher,
    accept: Accept,
    intake: WebhookIntake,
    reports: Reports,
    engine: Engine,
    state: State,
    rescuer: Rescue,
    resolver: Resolver,
) -> None:
    message_id, attempt, _ = await claimed(dispatcher, accept)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE dispatch_queue SET leased_until = now() - interval '1 second'"))
    await rescuer.take_over(limit=1)
    await webhook(intake, status("queued"), attempt)
    await reports.process_receipts(limit=10)
    assert await resolver.begin(limit=1) == []
    stored = await state(message_id)
    assert (stored["status"], stored["phases"], stored["queue"]) == ("sent", ["accepted"], [])
