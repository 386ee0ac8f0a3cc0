"""Add what limits are kept by: lanes, rates, provider accounts and their circuits, sender pools and routes.

Columns are nullable or have a constant default, so no table is rewritten. The queue's rows are filled in and its index
is made anew under its lock: about a second for a million rows that wait.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_MESSAGES: Final = (
    "ALTER TABLE messages ADD COLUMN priority smallint NOT NULL DEFAULT 1, ADD COLUMN pool text",
    "ALTER TABLE status_events ADD COLUMN from_sender text, ADD COLUMN to_sender text",
    """
    ALTER TABLE dispatch_queue
        ADD COLUMN segments smallint NOT NULL DEFAULT 1,
        ADD COLUMN expires_at timestamptz,
        ALTER COLUMN priority SET DEFAULT 1
    """,
    """
    UPDATE dispatch_queue AS q SET priority = 1, segments = m.segments, expires_at = m.expires_at
    FROM messages AS m WHERE m.id = q.message_id
    """,
    "DROP INDEX dispatch_queue_due_idx",
    """
    CREATE INDEX dispatch_queue_lane_idx ON dispatch_queue (work, lane, priority, due_at, message_id)
        WHERE leased_until IS NULL AND work IN ('send', 'send_alone')
    """,
    """
    CREATE INDEX dispatch_queue_due_idx ON dispatch_queue (work, due_at, message_id)
        WHERE leased_until IS NULL AND work IN ('resolve', 'reconcile')
    """,
)

# What carriers and providers publish, as of the day given; AT&T gives each class of 10DLC campaigns its segments a
# minute. A number without a class may be unregistered, and carriers block what goes faster from one than people write.
_RATES: Final = (
    """
    CREATE TABLE sending_rates (
        number_type text NOT NULL,
        campaign_class text NOT NULL DEFAULT '',
        rate numeric NOT NULL CONSTRAINT sending_rates_rate_check CHECK (rate > 0),
        burst integer NOT NULL CONSTRAINT sending_rates_burst_check CHECK (burst > 0),
        daily_cap integer CONSTRAINT sending_rates_daily_cap_check CHECK (daily_cap > 0),
        source text NOT NULL,
        dated date NOT NULL,
        CONSTRAINT sending_rates_pkey PRIMARY KEY (number_type, campaign_class)
    )
    """,
    """
    INSERT INTO sending_rates (number_type, rate, burst, source, dated) VALUES
        ('10dlc', 1, 1, 'no class known: 60 a minute, as between persons and in the classes G and N', '2026-11-25'),
        ('toll_free', 3, 3, 'verified toll-free numbers: 3 a second by default (AWS)', '2026-11-25'),
        ('short_code', 100, 100, 'short codes of the US and Canada: 100 a second (AWS)', '2026-11-25'),
        ('long_code', 1, 1, 'no source: a cautious default for ordinary numbers elsewhere', '2026-11-25'),
        ('alphanumeric', 1, 1, 'no source: a cautious default for names', '2026-11-25'),
        ('test', 100000, 100000, 'test messages reach the sandbox only', '2026-11-25')
    """,
    """
    INSERT INTO sending_rates (number_type, campaign_class, rate, burst, source, dated)
    SELECT '10dlc', class, trim_scale(a_minute / 60.0), greatest(1, ceil(a_minute / 60.0)),
        'AT&T, ' || who || ': ' || a_minute || ' a minute (' || source || ')', dated::date
    FROM (VALUES
        ('A', 4500, 'dedicated, vetted 75 to 100', 'Telnyx, Bandwidth', '2026-04-10'),
        ('B', 4500, 'mixed or marketing, vetted 75 to 100', 'Telnyx, Bandwidth', '2026-04-10'),
        ('C', 2400, 'dedicated, vetted 50 to 74', 'Telnyx, Bandwidth', '2026-04-10'),
        ('D', 2400, 'mixed or marketing, vetted 50 to 74', 'Telnyx, Bandwidth', '2026-04-10'),
        ('E', 240, 'dedicated, vetted 1 to 49 or not at all', 'Telnyx, Bandwidth', '2026-04-10'),
        ('F', 240, 'mixed or marketing, vetted 1 to 49 or not at all', 'Telnyx, Bandwidth', '2026-04-10'),
        ('G', 60, 'proxy, for each number', 'Telnyx, Bandwidth', '2026-04-10'),
        ('K', 4500, 'political', 'Telnyx, Bandwidth', '2026-04-10'),
        ('N', 60, 'agents and franchises, for each number', 'Telnyx, Bandwidth', '2026-04-10'),
        ('P', 2400, 'charity', 'Telnyx, Bandwidth', '2026-04-10'),
        ('S', 9000, 'social', 'Telnyx, Bandwidth', '2026-04-10'),
        ('T', 75, 'low volume, mixed', 'Telnyx, Bandwidth', '2026-04-10'),
        ('W', 15, 'sole proprietor', 'Telnyx, Bandwidth', '2026-04-10'),
        ('X', 4500, 'emergency and public safety', 'Telnyx, Bandwidth', '2026-04-10'),
        ('Y', 720, 'schools, for each number', 'redoxygen, undated, not verified', '2026-11-25'),
        ('Z', 6, 'free trial of a platform, for each number', 'redoxygen, undated, not verified', '2026-11-25')
    ) AS classes (class, a_minute, who, source, dated)
    """,
)

_SENDERS: Final = (
    """
    ALTER TABLE accounts
        ADD COLUMN weight double precision NOT NULL DEFAULT 1,
        ADD COLUMN queued_cap integer,
        ADD COLUMN paused_at timestamptz,
        ADD CONSTRAINT accounts_weight_check CHECK (weight > 0)
    """,
    """
    ALTER TABLE senders
        ALTER COLUMN rate DROP NOT NULL,
        ADD COLUMN burst integer,
        ADD COLUMN daily_cap integer,
        ADD COLUMN priority smallint NOT NULL DEFAULT 1,
        ADD COLUMN weight double precision NOT NULL DEFAULT 1,
        ADD COLUMN campaign_class text NOT NULL DEFAULT '',
        ADD COLUMN countries text[],
        ADD CONSTRAINT senders_burst_check CHECK (burst > 0),
        ADD CONSTRAINT senders_daily_cap_check CHECK (daily_cap > 0),
        ADD CONSTRAINT senders_weight_check CHECK (weight > 0)
    """,
    """
    CREATE TABLE lanes (
        id uuid NOT NULL,
        account_id uuid NOT NULL,
        provider text NOT NULL,
        rate double precision NOT NULL CONSTRAINT lanes_rate_check CHECK (rate > 0),
        burst integer NOT NULL CONSTRAINT lanes_burst_check CHECK (burst > 0),
        daily_cap integer,
        weight double precision NOT NULL DEFAULT 1,
        paused_at timestamptz,
        arrival_at timestamptz NOT NULL DEFAULT now(),
        not_before timestamptz,
        slow_since timestamptz,
        day date,
        day_segments integer NOT NULL DEFAULT 0,
        CONSTRAINT lanes_pkey PRIMARY KEY (id)
    ) WITH (fillfactor = 50)
    """,
    """
    INSERT INTO lanes (id, account_id, provider, rate, burst)
    SELECT id, account_id, provider, rate, greatest(1, ceil(rate)) FROM senders
    """,
)

_PROVIDERS: Final = (
    """
    CREATE TABLE provider_accounts (
        name text NOT NULL,
        rate double precision CONSTRAINT provider_accounts_rate_check CHECK (rate > 0),
        burst integer CONSTRAINT provider_accounts_burst_check CHECK (burst > 0),
        in_flight_cap integer CONSTRAINT provider_accounts_in_flight_cap_check CHECK (in_flight_cap > 0),
        paused_at timestamptz,
        arrival_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT provider_accounts_pkey PRIMARY KEY (name)
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE circuits (
        provider text NOT NULL,
        state text NOT NULL DEFAULT 'closed'
            CONSTRAINT circuits_state_check CHECK (state IN ('closed', 'open', 'half_open')),
        failures_in_row integer NOT NULL DEFAULT 0,
        calls jsonb NOT NULL DEFAULT '[]'::jsonb,
        openings smallint NOT NULL DEFAULT 0,
        overdue boolean NOT NULL DEFAULT false,
        changed_at timestamptz,
        open_until timestamptz,
        trial_until timestamptz,
        slow_since timestamptz,
        health double precision NOT NULL DEFAULT 1,
        health_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT circuits_pkey PRIMARY KEY (provider)
    ) WITH (fillfactor = 50)
    """,
)

_POOLS: Final = (
    """
    CREATE TABLE sender_pools (
        id uuid NOT NULL,
        account_id uuid NOT NULL CONSTRAINT sender_pools_account_id_fkey REFERENCES accounts,
        name text NOT NULL,
        match_area boolean NOT NULL DEFAULT false,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT sender_pools_pkey PRIMARY KEY (id),
        CONSTRAINT sender_pools_account_id_name_key UNIQUE (account_id, name)
    )
    """,
    """
    CREATE TABLE pool_members (
        pool_id uuid NOT NULL CONSTRAINT pool_members_pool_id_fkey REFERENCES sender_pools ON DELETE CASCADE,
        sender_id uuid NOT NULL CONSTRAINT pool_members_sender_id_fkey REFERENCES senders,
        weight double precision NOT NULL DEFAULT 1 CONSTRAINT pool_members_weight_check CHECK (weight >= 0),
        CONSTRAINT pool_members_pkey PRIMARY KEY (pool_id, sender_id)
    )
    """,
    "CREATE INDEX pool_members_sender_id_idx ON pool_members (sender_id)",
    """
    CREATE TABLE routes (
        id uuid NOT NULL,
        account_id uuid NOT NULL CONSTRAINT routes_account_id_fkey REFERENCES accounts,
        prefix text NOT NULL,
        target text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT routes_pkey PRIMARY KEY (id),
        CONSTRAINT routes_account_id_prefix_key UNIQUE (account_id, prefix)
    )
    """,
)

UP: Final = (*_MESSAGES, *_RATES, *_SENDERS, *_PROVIDERS, *_POOLS)

DOWN: Final = (
    "DROP TABLE routes, pool_members, sender_pools, circuits, provider_accounts",
    """
    UPDATE senders AS s SET rate = l.rate FROM lanes AS l WHERE l.id = s.id AND s.rate IS NULL
    """,
    "DROP TABLE lanes, sending_rates",
    """
    ALTER TABLE senders
        ALTER COLUMN rate SET NOT NULL,
        DROP COLUMN burst, DROP COLUMN daily_cap, DROP COLUMN priority, DROP COLUMN weight,
        DROP COLUMN campaign_class, DROP COLUMN countries
    """,
    "ALTER TABLE accounts DROP COLUMN weight, DROP COLUMN queued_cap, DROP COLUMN paused_at",
    "DROP INDEX dispatch_queue_lane_idx",
    "DROP INDEX dispatch_queue_due_idx",
    "ALTER TABLE dispatch_queue DROP COLUMN segments, DROP COLUMN expires_at, ALTER COLUMN priority SET DEFAULT 0",
    "CREATE INDEX dispatch_queue_due_idx ON dispatch_queue (work, due_at, message_id) WHERE leased_until IS NULL",
    "ALTER TABLE status_events DROP COLUMN from_sender, DROP COLUMN to_sender",
    "ALTER TABLE messages DROP COLUMN priority, DROP COLUMN pool",
)


def upgrade() -> None:
    """Add them."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Remove them, and with them what is known by them."""
    for statement in DOWN:
        op.execute(statement)
