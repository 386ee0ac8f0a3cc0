"""What pruning removes and what it leaves, in each table that it knows."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from app.store.engine import Engine, transaction
from app.store.pruning import prune

DAY = timedelta(days=1)
OLD, NEW = "now() - interval '25 hours'", "now() - interval '23 hours'"

ROWS = {
    "idempotency_keys": """
        INSERT INTO idempotency_keys (account_id, test, key, fingerprint, message_id, created_at)
        VALUES (gen_random_uuid(), true, :name, '', gen_random_uuid(), {at})
    """,
    "webhook_digests": "INSERT INTO webhook_digests (digest, expires_at) VALUES (convert_to(:name, 'UTF8'), {at})",
    "inbound_references": """
        INSERT INTO inbound_references (provider, provider_message_id, message_id, received_at)
        VALUES ('acme', :name, gen_random_uuid(), {at})
    """,
    "orphan_reports": """
        INSERT INTO orphan_reports (id, receipt_id, provider, provider_message_id, report, received_at)
        VALUES (gen_random_uuid(), gen_random_uuid(), 'acme', :name, '{{}}', {at})
    """,
    "webhook_receipts": """
        INSERT INTO webhook_receipts (id, provider, method, url, headers, body, state, received_at)
        VALUES (gen_random_uuid(), 'acme', 'POST', :name, '{{}}', '', 'processed', {at})
    """,
}


@pytest.mark.parametrize("table", ROWS)
async def test_a_row_goes_once_it_is_older_than_its_age(engine: Engine, table: str) -> None:
    async with transaction(engine) as connection:
        for name, at in (("old", OLD), ("new", NEW)):
            await connection.execute(text(ROWS[table].format(at=at)), {"name": name})
        assert await prune(connection, table, age=DAY) == 1
        assert await prune(connection, table, age=DAY) == 0
        assert await connection.scalar(text(f"SELECT count(*) FROM {table}")) == 1


@pytest.mark.parametrize("state", ["pending", "kept", "unreadable"])
async def test_a_receipt_that_was_not_processed_stays_however_old(engine: Engine, state: str) -> None:
    async with transaction(engine) as connection:
        await connection.execute(text(ROWS["webhook_receipts"].format(at=OLD)), {"name": "old"})
        await connection.execute(text("UPDATE webhook_receipts SET state = :state"), {"state": state})
        assert await prune(connection, "webhook_receipts", age=DAY) == 0
