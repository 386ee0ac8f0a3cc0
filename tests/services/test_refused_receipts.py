"""Receipts that Postgres refuses for now, while they are read one by one, are not taken for unreadable ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from app.services.reports import Reports
from app.services.webhooks import WebhookIntake
from app.store.engine import Engine, StoreRefused
from tests.services.test_reports import receipt_states, status, webhook


@asynccontextmanager
async def refusing(engine: Engine, *codes: str) -> AsyncIterator[None]:
    """Have Postgres refuse to keep reports without attempt, each time for the next of these reasons, then no more."""
    fault = f"""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE code text := (string_to_array('{",".join(codes)}', ','))[nextval('refusals')];
        BEGIN IF code IS NOT NULL THEN RAISE EXCEPTION USING ERRCODE = code; END IF; RETURN NEW; END $$
    """
    made = (
        "CREATE SEQUENCE refusals",
        fault,
        "CREATE TRIGGER refuse BEFORE INSERT ON orphan_reports FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    removed = ("DROP TRIGGER refuse ON orphan_reports", "DROP FUNCTION refuse", "DROP SEQUENCE refusals")
    async with engine.begin() as connection:
        for statement in made:
            await connection.execute(text(statement))
    try:
        yield
    finally:
        async with engine.begin() as connection:
            for statement in removed:
                await connection.execute(text(statement))


@pytest.mark.parametrize("passing", ["55P03", "40P01", "57014", "40001"])
async def test_what_postgres_refuses_for_now_stays_to_be_read(
    intake: WebhookIntake, reports: Reports, engine: Engine, passing: str
) -> None:
    await webhook(intake, status("delivered"))
    async with refusing(engine, "23514", passing):
        with pytest.raises(StoreRefused, match=passing):
            await reports.process_receipts(limit=10)
        assert await receipt_states(engine) == [("pending", None)]
        assert await reports.process_receipts(limit=10) == 1
    assert await receipt_states(engine) == [("processed", None)]
