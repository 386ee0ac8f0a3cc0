"""The first schema: accounts, messages in monthly partitions, the dispatch queue, webhook receipts."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ACCOUNTS = """
CREATE TABLE accounts (
    id uuid PRIMARY KEY,
    name text NOT NULL CONSTRAINT accounts_name_key UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_keys (
    id text PRIMARY KEY,
    account_id uuid CONSTRAINT api_keys_account_id_fkey REFERENCES accounts,
    mode text NOT NULL CONSTRAINT api_keys_mode_check CHECK (mode IN ('live', 'test')),
    secret_hash bytea NOT NULL,
    scopes text[] NOT NULL,
    name text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz
);
CREATE INDEX api_keys_account_id_idx ON api_keys (account_id);

CREATE TABLE senders (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL CONSTRAINT senders_account_id_fkey REFERENCES accounts,
    address text NOT NULL,
    number_type text NOT NULL,
    provider text NOT NULL,
    rate numeric NOT NULL CONSTRAINT senders_rate_check CHECK (rate > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT senders_account_id_address_key UNIQUE (account_id, address)
);
CREATE UNIQUE INDEX senders_number_key ON senders (address) WHERE number_type <> 'alphanumeric';

CREATE TABLE audit_events (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    key_id text NOT NULL,
    action text NOT NULL,
    detail jsonb NOT NULL
);
CREATE INDEX audit_events_at_idx ON audit_events (at);
"""

# Partitions are made by app.store.partitions, ahead of time; there is no DEFAULT partition, because
# one would have to be scanned whenever a new partition is attached.
MESSAGES = """
CREATE TABLE messages (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    direction text NOT NULL CONSTRAINT messages_direction_check CHECK (direction IN ('outbound', 'inbound')),
    status text NOT NULL,
    event_sequence integer NOT NULL,
    attempts smallint NOT NULL DEFAULT 0,
    sender text NOT NULL,
    recipient text NOT NULL,
    body text NOT NULL,
    encoding text NOT NULL,
    segments smallint NOT NULL,
    client_reference text,
    metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
    test boolean NOT NULL,
    delivery_guarantee text NOT NULL,
    possible_duplicate boolean NOT NULL DEFAULT false,
    provider text,
    error_code text,
    send_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    final_at timestamptz,
    expires_at timestamptz,
    CONSTRAINT messages_pkey PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX messages_account_id_idx ON messages (account_id, id);
CREATE INDEX messages_account_recipient_idx ON messages (account_id, recipient, id);
CREATE INDEX messages_account_reference_idx ON messages (account_id, client_reference, id)
    WHERE client_reference IS NOT NULL;

CREATE TABLE attempts (
    message_id uuid NOT NULL,
    no smallint NOT NULL,
    provider text NOT NULL,
    phase text NOT NULL CONSTRAINT attempts_phase_check
        CHECK (phase IN ('started', 'unknown', 'accepted', 'rejected', 'not_sent', 'abandoned')),
    fence bigint NOT NULL,
    provider_message_id text,
    started_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT attempts_pkey PRIMARY KEY (message_id, no)
) PARTITION BY RANGE (message_id);
-- Two open attempts of one message are impossible, whatever bug the code above may have.
CREATE UNIQUE INDEX one_open_attempt ON attempts (message_id) WHERE phase IN ('started', 'unknown');
CREATE INDEX attempts_provider_message_idx ON attempts (provider, provider_message_id)
    WHERE provider_message_id IS NOT NULL;
-- Audits read a day of attempts, which come nearly in the order of their time.
CREATE INDEX attempts_started_at_idx ON attempts USING brin (started_at) WITH (autosummarize = on);

CREATE TABLE status_events (
    message_id uuid NOT NULL,
    sequence integer NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    source text NOT NULL,
    previous text,
    status text NOT NULL,
    applied boolean NOT NULL,
    reason text,
    attempt smallint,
    error_code text,
    provider_status text,
    provider_code text,
    reported_at timestamptz,
    CONSTRAINT status_events_pkey PRIMARY KEY (message_id, sequence)
) PARTITION BY RANGE (message_id);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END
$$;
CREATE TRIGGER status_events_append_only BEFORE UPDATE OR DELETE ON status_events
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE idempotency_keys (
    account_id uuid NOT NULL,
    test boolean NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    message_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (account_id, test, key)
);
CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at);
"""

DISPATCH = """
CREATE SEQUENCE fence;

-- The queue is small and churns: vacuum it early, and leave room for updates in place.
CREATE TABLE dispatch_queue (
    message_id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    lane uuid NOT NULL,
    priority smallint NOT NULL DEFAULT 0,
    work text NOT NULL DEFAULT 'send' CONSTRAINT dispatch_queue_work_check CHECK (work IN ('send', 'resolve')),
    tries smallint NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    leased_until timestamptz
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
CREATE INDEX dispatch_queue_due_idx ON dispatch_queue (work, due_at, message_id) WHERE leased_until IS NULL;
CREATE INDEX dispatch_queue_leased_idx ON dispatch_queue (leased_until) WHERE leased_until IS NOT NULL;
"""

WEBHOOKS = """
CREATE TABLE webhook_digests (
    digest bytea PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE INDEX webhook_digests_expires_at_idx ON webhook_digests (expires_at);

CREATE TABLE inbound_references (
    provider text NOT NULL,
    provider_message_id text NOT NULL,
    message_id uuid NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT inbound_references_pkey PRIMARY KEY (provider, provider_message_id)
);
CREATE INDEX inbound_references_received_at_idx ON inbound_references (received_at);

CREATE TABLE webhook_receipts (
    id uuid PRIMARY KEY,
    provider text NOT NULL,
    method text NOT NULL,
    url text NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    message_id uuid,
    attempt smallint,
    state text NOT NULL DEFAULT 'pending' CONSTRAINT webhook_receipts_state_check
        CHECK (state IN ('pending', 'processed', 'kept', 'unreadable')),
    note text,
    received_at timestamptz NOT NULL DEFAULT now(),
    processed_at timestamptz
);
CREATE INDEX webhook_receipts_pending_idx ON webhook_receipts (id) WHERE state = 'pending';
CREATE INDEX webhook_receipts_received_at_idx ON webhook_receipts (received_at);

CREATE TABLE orphan_reports (
    id uuid PRIMARY KEY,
    receipt_id uuid NOT NULL,
    provider text NOT NULL,
    provider_message_id text NOT NULL,
    report jsonb NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX orphan_reports_provider_provider_message_id_idx ON orphan_reports (provider, provider_message_id);
CREATE INDEX orphan_reports_received_at_idx ON orphan_reports (received_at);
"""

REMOVE = """
DROP TABLE orphan_reports, webhook_receipts, inbound_references, webhook_digests;
DROP TABLE dispatch_queue;
DROP SEQUENCE fence;
DROP TABLE idempotency_keys, status_events, attempts, messages;
DROP TABLE audit_events, senders, api_keys, accounts;
DROP FUNCTION refuse_change();
"""


def upgrade() -> None:
    """Make the schema; an empty database has no traffic to wait for."""
    for script in (ACCOUNTS, MESSAGES, DISPATCH, WEBHOOKS):
        _execute(script)


def downgrade() -> None:
    """Remove everything, partitions with their parents."""
    _execute(REMOVE)


def _execute(script: str) -> None:
    """Run a script by statement: asyncpg prepares each, and a prepared statement is a single one."""
    body, separator, rest = script.partition("CREATE FUNCTION")
    statements = [*body.split(";\n")]
    if separator:
        function, tail = rest.split("$$;\n", 1)
        statements += [f"{separator}{function}$$", *tail.split(";\n")]
    for statement in statements:
        if statement.strip():
            op.execute(statement)
