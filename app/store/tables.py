"""The schema as SQLAlchemy knows it; the migrations make it, and `alembic check` compares the two.

`messages`, `attempts` and `status_events` are range-partitioned by the message's id, monthly.
Uniqueness across partitions lives in the narrow tables `idempotency_keys` and `webhook_digests`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Sequence,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    }
)

fence = Sequence("fence", metadata=metadata)
"""Fencing tokens: each claim and each rescue takes a new one."""


workers = Sequence("workers", metadata=metadata, data_type=Integer, cycle=True)
"""Numbers of workers: each takes a new one at its start, and holds an advisory lock on it while it lives."""


def moment(name: str, *, nullable: bool = False, default_now: bool = False) -> Column[Any]:
    """Make a column that holds a moment, with its zone."""
    return Column(
        name,
        DateTime(timezone=True),
        nullable=nullable,
        server_default=text("now()") if default_now else None,
    )


accounts = Table(
    "accounts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    moment("created_at", default_now=True),
    Column("weight", Double, nullable=False, server_default=text("1")),
    Column("queued_cap", Integer, nullable=True),
    moment("paused_at", nullable=True),
    CheckConstraint("weight > 0", name="weight"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=True),
    Column("mode", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("name", Text, nullable=False, server_default=text("''")),
    moment("created_at", default_now=True),
    moment("expires_at", nullable=True),
    moment("revoked_at", nullable=True),
    moment("last_used_at", nullable=True),
    CheckConstraint("mode IN ('live', 'test')", name="mode"),
    Index(None, "account_id"),
)

senders = Table(
    "senders",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    Column("address", Text, nullable=False),
    Column("number_type", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("rate", Numeric, nullable=True),
    moment("created_at", default_now=True),
    Column("burst", Integer, nullable=True),
    Column("daily_cap", Integer, nullable=True),
    Column("priority", SmallInteger, nullable=False, server_default=text("1")),
    Column("weight", Double, nullable=False, server_default=text("1")),
    Column("campaign_class", Text, nullable=False, server_default=text("''")),
    Column("countries", ARRAY(Text), nullable=True),
    UniqueConstraint("account_id", "address"),
    # Numbers belong to one account; alphanumeric senders may be shared.
    Index(
        "senders_number_key",
        "address",
        unique=True,
        postgresql_where=text("number_type <> 'alphanumeric'"),
    ),
    CheckConstraint("rate > 0", name="rate"),
    CheckConstraint("burst > 0", name="burst"),
    CheckConstraint("daily_cap > 0", name="daily_cap"),
    CheckConstraint("weight > 0", name="weight"),
)

messages = Table(
    "messages",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("direction", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("event_sequence", Integer, nullable=False),
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    Column("sender", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("encoding", Text, nullable=False),
    Column("segments", SmallInteger, nullable=False),
    Column("client_reference", Text, nullable=True),
    Column("metadata", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("test", Boolean, nullable=False),
    Column("delivery_guarantee", Text, nullable=False),
    Column("possible_duplicate", Boolean, nullable=False, server_default=text("false")),
    Column("provider", Text, nullable=True),
    Column("error_code", Text, nullable=True),
    moment("send_at", nullable=True),
    moment("updated_at", default_now=True),
    moment("sent_at", nullable=True),
    moment("final_at", nullable=True),
    moment("expires_at", nullable=True),
    Column("price", Numeric, nullable=True),
    Column("price_currency", Text, nullable=True),
    Column("billed_segments", SmallInteger, nullable=True),
    Column("priority", SmallInteger, nullable=False, server_default=text("1")),
    Column("pool", Text, nullable=True),
    PrimaryKeyConstraint("id"),
    CheckConstraint("direction IN ('outbound', 'inbound')", name="direction"),
    Index("messages_account_id_idx", "account_id", "id"),
    Index("messages_account_recipient_idx", "account_id", "recipient", "id"),
    Index(
        "messages_account_reference_idx",
        "account_id",
        "client_reference",
        "id",
        postgresql_where=text("client_reference IS NOT NULL"),
    ),
    postgresql_partition_by="RANGE (id)",
)

attempts = Table(
    "attempts",
    metadata,
    Column("message_id", Uuid, nullable=False),
    Column("no", SmallInteger, nullable=False),
    Column("provider", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("provider_message_id", Text, nullable=True),
    moment("started_at", default_now=True),
    moment("updated_at", default_now=True),
    Column("inquiries", SmallInteger, nullable=False, server_default=text("0")),
    moment("resent_at", nullable=True),
    Column("resending", Boolean, nullable=False, server_default=text("false")),
    moment("absent_since", nullable=True),
    PrimaryKeyConstraint("message_id", "no"),
    CheckConstraint("phase IN ('started', 'unknown', 'accepted', 'rejected', 'not_sent', 'abandoned')", name="phase"),
    Index(
        "one_open_attempt",
        "message_id",
        unique=True,
        postgresql_where=text("phase IN ('started', 'unknown')"),
    ),
    Index(
        "attempts_provider_message_idx",
        "provider",
        "provider_message_id",
        postgresql_where=text("provider_message_id IS NOT NULL"),
    ),
    # Attempts lie in the order in which they began: this costs a send nothing, and finds those of a day.
    Index(
        "attempts_started_at_idx",
        "started_at",
        postgresql_using="brin",
        postgresql_with={"autosummarize": True},
    ),
    postgresql_partition_by="RANGE (message_id)",
)

status_events = Table(
    "status_events",
    metadata,
    Column("message_id", Uuid, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    Column("source", Text, nullable=False),
    Column("previous", Text, nullable=True),
    Column("status", Text, nullable=False),
    Column("applied", Boolean, nullable=False),
    Column("reason", Text, nullable=True),
    Column("attempt", SmallInteger, nullable=True),
    Column("error_code", Text, nullable=True),
    Column("provider_status", Text, nullable=True),
    Column("provider_code", Text, nullable=True),
    moment("reported_at", nullable=True),
    Column("from_sender", Text, nullable=True),
    Column("to_sender", Text, nullable=True),
    PrimaryKeyConstraint("message_id", "sequence"),
    postgresql_partition_by="RANGE (message_id)",
)

PARTITIONED = (messages, attempts, status_events)
"""Every table that is partitioned by the message's id."""

dispatch_queue = Table(
    "dispatch_queue",
    metadata,
    Column("message_id", Uuid, primary_key=True),
    Column("account_id", Uuid, nullable=False),
    Column("lane", Uuid, nullable=False),
    Column("priority", SmallInteger, nullable=False, server_default=text("1")),
    Column("work", Text, nullable=False, server_default=text("'send'")),
    Column("tries", SmallInteger, nullable=False, server_default=text("0")),
    moment("due_at", default_now=True),
    moment("leased_until", nullable=True),
    Column("worker", Integer, nullable=True),
    Column("crashes", SmallInteger, nullable=False, server_default=text("0")),
    Column("segments", SmallInteger, nullable=False, server_default=text("1")),
    moment("expires_at", nullable=True),
    CheckConstraint("work IN ('send', 'send_alone', 'resolve', 'reconcile')", name="work"),
    # A claim leaps from lane to lane in the one; all else that falls due is found in the other.
    Index(
        "dispatch_queue_lane_idx",
        "work",
        "lane",
        "priority",
        "due_at",
        "message_id",
        postgresql_where=text("leased_until IS NULL AND work IN ('send', 'send_alone')"),
    ),
    Index(
        "dispatch_queue_due_idx",
        "work",
        "due_at",
        "message_id",
        postgresql_where=text("leased_until IS NULL AND work IN ('resolve', 'reconcile')"),
    ),
    Index(
        "dispatch_queue_leased_idx",
        "leased_until",
        postgresql_where=text("leased_until IS NOT NULL"),
    ),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("account_id", Uuid, nullable=False),
    Column("test", Boolean, nullable=False),
    Column("key", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("message_id", Uuid, nullable=False),
    moment("created_at", default_now=True),
    PrimaryKeyConstraint("account_id", "test", "key"),
    Index(None, "created_at"),
)

audit_events = Table(
    "audit_events",
    metadata,
    Column("id", Uuid, primary_key=True),
    moment("at", default_now=True),
    Column("key_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
    Index(None, "at"),
)
