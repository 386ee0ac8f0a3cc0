"""The tables of what sending is limited and routed by: rates, lanes, provider accounts, circuits, pools and routes."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Double,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.store.tables import metadata, moment

sending_rates = Table(
    "sending_rates",
    metadata,
    Column("number_type", Text, nullable=False),
    Column("campaign_class", Text, nullable=False, server_default=text("''")),
    Column("rate", Numeric, nullable=False),
    Column("burst", Integer, nullable=False),
    Column("daily_cap", Integer, nullable=True),
    Column("source", Text, nullable=False),
    Column("dated", Date, nullable=False),
    PrimaryKeyConstraint("number_type", "campaign_class"),
    CheckConstraint("rate > 0", name="rate"),
    CheckConstraint("burst > 0", name="burst"),
    CheckConstraint("daily_cap > 0", name="daily_cap"),
)
"""What a sender may send where nothing else is said of it: by number type, and by campaign class where there is one."""

lanes = Table(
    "lanes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("account_id", Uuid, nullable=False),
    Column("provider", Text, nullable=False),
    Column("rate", Double, nullable=False),
    Column("burst", Integer, nullable=False),
    Column("daily_cap", Integer, nullable=True),
    Column("weight", Double, nullable=False, server_default=text("1")),
    moment("paused_at", nullable=True),
    moment("arrival_at", default_now=True),
    moment("not_before", nullable=True),
    moment("slow_since", nullable=True),
    Column("day", Date, nullable=True),
    Column("day_segments", Integer, nullable=False, server_default=text("0")),
    CheckConstraint("rate > 0", name="rate"),
    CheckConstraint("burst > 0", name="burst"),
)
"""One for each sender, by its id, and one for the test messages of each account, by the account's.

The limits are those in force; whoever changes a sender or a default writes them here, too. `arrival_at` is the
theoretical arrival time of GCRA: when the bucket is, or was, full.
"""

provider_accounts = Table(
    "provider_accounts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("rate", Double, nullable=True),
    Column("burst", Integer, nullable=True),
    Column("in_flight_cap", Integer, nullable=True),
    moment("paused_at", nullable=True),
    moment("arrival_at", default_now=True),
    CheckConstraint("rate > 0", name="rate"),
    CheckConstraint("burst > 0", name="burst"),
    CheckConstraint("in_flight_cap > 0", name="in_flight_cap"),
)
"""Limits of whole provider accounts; one that has no row has none."""

circuits = Table(
    "circuits",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("state", Text, nullable=False, server_default=text("'closed'")),
    Column("failures_in_row", Integer, nullable=False, server_default=text("0")),
    Column("calls", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    Column("openings", SmallInteger, nullable=False, server_default=text("0")),
    Column("overdue", Boolean, nullable=False, server_default=text("false")),
    moment("changed_at", nullable=True),
    moment("open_until", nullable=True),
    moment("trial_until", nullable=True),
    moment("slow_since", nullable=True),
    Column("health", Double, nullable=False, server_default=text("1")),
    moment("health_at", default_now=True),
    CheckConstraint("state IN ('closed', 'open', 'half_open')", name="state"),
)
"""The circuit breaker of each provider account, which all workers share; one that has no row is closed."""

sender_pools = Table(
    "sender_pools",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("match_area", Boolean, nullable=False, server_default=text("false")),
    moment("created_at", default_now=True),
    UniqueConstraint("account_id", "name"),
)

pool_members = Table(
    "pool_members",
    metadata,
    Column("pool_id", Uuid, ForeignKey("sender_pools.id", ondelete="CASCADE"), nullable=False),
    Column("sender_id", Uuid, ForeignKey("senders.id"), nullable=False),
    Column("weight", Double, nullable=False, server_default=text("1")),
    PrimaryKeyConstraint("pool_id", "sender_id"),
    CheckConstraint("weight >= 0", name="weight"),
    Index(None, "sender_id"),
)

routes = Table(
    "routes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    Column("prefix", Text, nullable=False),
    Column("target", Text, nullable=False),
    moment("created_at", default_now=True),
    UniqueConstraint("account_id", "prefix"),
)
"""Where a message goes whose `from` is left out: the longest prefix of its recipient names a sender or a pool."""
