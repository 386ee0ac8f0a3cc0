"""Add what the resolver, the watch over workers, the reconciler and the audits keep.

Every column is nullable or has a constant default, so no table is rewritten. The queue's check is replaced: it is
looked through under its lock once, which takes some 100 ms for a million rows.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UP: Final = (
    "CREATE SEQUENCE workers AS integer CYCLE",
    "ALTER TABLE dispatch_queue ADD COLUMN worker integer, ADD COLUMN crashes smallint NOT NULL DEFAULT 0",
    "ALTER TABLE dispatch_queue DROP CONSTRAINT dispatch_queue_work_check",
    """
    ALTER TABLE dispatch_queue ADD CONSTRAINT dispatch_queue_work_check
        CHECK (work IN ('send', 'send_alone', 'resolve', 'reconcile'))
    """,
    """
    ALTER TABLE attempts
        ADD COLUMN inquiries smallint NOT NULL DEFAULT 0,
        ADD COLUMN resent_at timestamptz,
        ADD COLUMN resending boolean NOT NULL DEFAULT false,
        ADD COLUMN absent_since timestamptz
    """,
    """
    ALTER TABLE messages
        ADD COLUMN price numeric,
        ADD COLUMN price_currency text,
        ADD COLUMN billed_segments smallint
    """,
    """
    CREATE TABLE provider_audits (
        provider text NOT NULL,
        day date NOT NULL,
        claimed_until timestamptz NOT NULL,
        made_at timestamptz,
        result jsonb,
        CONSTRAINT provider_audits_pkey PRIMARY KEY (provider, day)
    )
    """,
)

# Work that the older code does not know goes back to what it does know: it resolves as its guarantee says.
DOWN: Final = (
    "DROP TABLE provider_audits",
    "ALTER TABLE messages DROP COLUMN price, DROP COLUMN price_currency, DROP COLUMN billed_segments",
    """
    ALTER TABLE attempts
        DROP COLUMN inquiries, DROP COLUMN resent_at, DROP COLUMN resending, DROP COLUMN absent_since
    """,
    "ALTER TABLE dispatch_queue DROP CONSTRAINT dispatch_queue_work_check",
    "DELETE FROM dispatch_queue WHERE work = 'reconcile'",
    "UPDATE dispatch_queue SET work = 'send' WHERE work = 'send_alone'",
    """
    ALTER TABLE dispatch_queue ADD CONSTRAINT dispatch_queue_work_check CHECK (work IN ('send', 'resolve'))
    """,
    "ALTER TABLE dispatch_queue DROP COLUMN worker, DROP COLUMN crashes",
    "DROP SEQUENCE workers",
)


def upgrade() -> None:
    """Add them."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Remove them, and with them what is known by them."""
    for statement in DOWN:
        op.execute(statement)
