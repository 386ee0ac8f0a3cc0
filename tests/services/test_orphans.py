"""Reports that wait for their attempt: each has its turn, and a sweep costs the same however many wait."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from sqlalchemy import text

from app.services.dispatch import Dispatcher, Result
from app.services.reports import Reports
from app.services.webhooks import WebhookIntake
from app.store.engine import Connection, Engine
from app.store.orphans import FROM_THE_FIRST, LOOKED_AT, OrphanReport, add_orphans, sweep_orphans
from tests.services.conftest import Accept, State
from tests.services.test_reports import ACCEPTED, claimed, status, webhook

# Ids that begin with zeros are older than any that is made, those that begin with f are newer.
FOREIGN = """
INSERT INTO orphan_reports (id, receipt_id, provider, provider_message_id, report)
SELECT cast(:age || lpad(to_hex(n), 31, '0') AS uuid), gen_random_uuid(), 'sandbox', :age || n, '{}'
FROM generate_series(1, :orphans) AS n
"""
ROWS_READ = """
SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables WHERE relname = 'orphan_reports'
"""


async def keep_foreign(connection: Connection, age: str, orphans: int) -> None:
    """Keep reports on messages that are none of ours."""
    await connection.execute(text(FOREIGN), {"age": age, "orphans": orphans})


async def test_a_report_has_its_turn_among_many_that_never_find_their_attempt(
    dispatcher: Dispatcher, accept: Accept, intake: WebhookIntake, reports: Reports, engine: Engine, state: State
) -> None:
    message_id, _, assignment = await claimed(dispatcher, accept)
    await webhook(intake, status("delivered"))
    await reports.process_receipts(limit=10)
    async with engine.begin() as connection:
        await keep_foreign(connection, "0", 2 * LOOKED_AT)
        await keep_foreign(connection, "f", 2 * LOOKED_AT)
    # Its turn passes while its attempt is not known, and comes again.
    assert [await reports.apply_orphans() for _ in range(3)] == [0, 0, 0]
    await dispatcher.settle([Result(assignment=assignment, outcome=ACCEPTED)])
    assert [await reports.apply_orphans() for _ in range(5)] == [0, 0, 0, 0, 1]
    assert (await state(message_id))["status"] == "delivered"


async def test_the_newest_reports_have_their_turn_at_once(
    dispatcher: Dispatcher, accept: Accept, intake: WebhookIntake, reports: Reports, engine: Engine, state: State
) -> None:
    message_id, _, assignment = await claimed(dispatcher, accept)
    async with engine.begin() as connection:
        await keep_foreign(connection, "0", 2 * LOOKED_AT)
    await webhook(intake, status("delivered"))
    await reports.process_receipts(limit=10)
    await dispatcher.settle([Result(assignment=assignment, outcome=ACCEPTED)])
    assert await reports.apply_orphans() == 1
    assert (await state(message_id))["status"] == "delivered"


async def test_a_report_that_was_read_just_before_its_attempt_became_known_is_applied(
    dispatcher: Dispatcher,
    accept: Accept,
    intake: WebhookIntake,
    reports: Reports,
    state: State,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    message_id, _, assignment = await claimed(dispatcher, accept)

    async def settle_meanwhile(connection: Connection, orphans: Sequence[OrphanReport]) -> None:
        await dispatcher.settle([Result(assignment=assignment, outcome=ACCEPTED)])
        await add_orphans(connection, orphans)

    monkeypatch.setattr("app.services.reports.add_orphans", settle_meanwhile)
    await webhook(intake, status("delivered"))
    await reports.process_receipts(limit=10)
    assert (await state(message_id))["status"] == "sent"
    assert await reports.apply_orphans() == 1
    assert (await state(message_id))["status"] == "delivered"


@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
async def test_a_sweep_reads_no_more_than_its_part_of_a_hundred_thousand(engine: Engine, plans: str) -> None:
    async with engine.connect() as connection:
        await keep_foreign(connection, "0", 100_000)
        await connection.execute(text(f"SET LOCAL plan_cache_mode = {plans}"))
        before = await connection.scalar(text(ROWS_READ))
        first = await sweep_orphans(connection, after=FROM_THE_FIRST, oldest=FROM_THE_FIRST)
        second = await sweep_orphans(connection, after=first.reached, oldest=FROM_THE_FIRST)
        assert await connection.scalar(text(ROWS_READ)) - before <= 4 * LOOKED_AT
        assert [first.reached.int, second.reached.int] == [LOOKED_AT, 2 * LOOKED_AT]
        await connection.rollback()
