"""The tables of what providers tell us: webhooks as they came, reports that wait for their attempt, audits."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.store.tables import metadata, moment

webhook_digests = Table(
    "webhook_digests",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    moment("expires_at"),
    Index(None, "expires_at"),
)

inbound_references = Table(
    "inbound_references",
    metadata,
    Column("provider", Text, nullable=False),
    Column("provider_message_id", Text, nullable=False),
    Column("message_id", Uuid, nullable=False),
    moment("received_at", default_now=True),
    PrimaryKeyConstraint("provider", "provider_message_id"),
    Index(None, "received_at"),
)

webhook_receipts = Table(
    "webhook_receipts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("message_id", Uuid, nullable=True),
    Column("attempt", SmallInteger, nullable=True),
    Column("state", Text, nullable=False, server_default=text("'pending'")),
    Column("note", Text, nullable=True),
    moment("received_at", default_now=True),
    moment("processed_at", nullable=True),
    CheckConstraint("state IN ('pending', 'processed', 'kept', 'unreadable')", name="state"),
    Index("webhook_receipts_pending_idx", "id", postgresql_where=text("state = 'pending'")),
    Index(None, "received_at"),
)

orphan_reports = Table(
    "orphan_reports",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("receipt_id", Uuid, nullable=False),
    Column("provider", Text, nullable=False),
    Column("provider_message_id", Text, nullable=False),
    Column("report", JSONB, nullable=False),
    moment("received_at", default_now=True),
    Index(None, "provider", "provider_message_id"),
    Index(None, "received_at"),
)

provider_audits = Table(
    "provider_audits",
    metadata,
    Column("provider", Text, nullable=False),
    Column("day", Date, nullable=False),
    moment("claimed_until"),
    moment("made_at", nullable=True),
    Column("result", JSONB, nullable=True),
    PrimaryKeyConstraint("provider", "day"),
)
