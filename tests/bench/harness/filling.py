"""Messages that wait and messages long delivered, written in bulk as an accept and a worker would have left them."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import asyncpg

from tests.bench.harness.pgbench import Rows

_STEP: Final = 200_000
"""Messages of one statement: its rows are kept until its end."""

_QUEUED: Final = """
WITH message AS (
    INSERT INTO messages (id, account_id, direction, status, event_sequence, sender, recipient, body, encoding,
                          segments, metadata, test, delivery_guarantee, provider, expires_at)
    SELECT uuidv7(), $1, 'outbound', 'queued', 1, ($2::text[])[1 + place % cardinality($2::text[])],
           '+49151' || number,
           'Your code is ' || number || '. It is valid for ten minutes.', 'gsm-7', 1, '{}', false,
           'at_most_once', 'sandbox', now() + make_interval(secs => 36000)
    FROM (
        SELECT place, cast(10000000 + 89999999 * random() AS int) AS number
        FROM generate_series(0, $4::int - 1) AS place
    ) AS numbers
    RETURNING id, sender, expires_at
), event AS (
    INSERT INTO status_events (message_id, sequence, source, status, applied)
    SELECT id, 1, 'api', 'queued', true FROM message
)
INSERT INTO dispatch_queue (message_id, account_id, lane, segments, expires_at)
SELECT id, $1, lane, 1, expires_at
FROM message JOIN unnest($2::text[], $3::uuid[]) AS place (sender, lane) USING (sender)
"""

_MORE_SENDERS: Final = """
INSERT INTO senders (id, account_id, address, number_type, provider, rate)
SELECT uuidv7(), account_id, '+1202556' || lpad(number::text, 4, '0'), number_type, provider, rate
FROM senders CROSS JOIN generate_series(1, $2::int) AS number WHERE id = $1
ON CONFLICT DO NOTHING
"""
_MORE_LANES: Final = """
INSERT INTO lanes (id, account_id, provider, rate, burst)
SELECT s.id, s.account_id, s.provider, l.rate, l.burst
FROM lanes AS l JOIN senders AS s USING (account_id) WHERE l.id = $1
ON CONFLICT DO NOTHING
"""
_SENDERS: Final = "SELECT address, id FROM senders WHERE account_id = $1 ORDER BY address LIMIT $2"

# Ids in the order of their time, from the month's first moment to this one: they lie in this month's partitions,
# where the new ones go, and indexes are written from left to right.
_DONE: Final = """
WITH done AS (
    SELECT uuidv7(-(1 - number / $4::float8) * (now() - date_trunc('month', now()))) AS id, number
    FROM generate_series($3::bigint + 1, $3::bigint + $5::bigint) AS number
), message AS (
    INSERT INTO messages (id, account_id, direction, status, event_sequence, attempts, sender, recipient, body,
                          encoding, segments, metadata, test, delivery_guarantee, provider, sent_at, final_at,
                          expires_at)
    SELECT id, $1, 'outbound', 'delivered', 4, 1, $2, '+49151' || cast(10000000 + 89999999 * random() AS int),
           'Your code is 12345678. It is valid for ten minutes.', 'gsm-7', 1, '{}', false, 'at_most_once', 'sandbox',
           now(), now(), now()
    FROM done
), attempt AS (
    INSERT INTO attempts (message_id, no, provider, phase, fence, provider_message_id)
    SELECT id, 1, 'sandbox', 'accepted', 1, 'done_' || lpad(number::text, 24, '0') FROM done
)
INSERT INTO status_events (message_id, sequence, source, previous, status, applied, attempt)
SELECT id, sequence, source, previous, status, true, attempt
FROM done CROSS JOIN (VALUES
    (1, 'api', NULL, 'queued', NULL::smallint), (2, 'worker', 'queued', 'sending', 1::smallint),
    (3, 'worker', 'sending', 'sent', 1::smallint), (4, 'provider', 'sent', 'delivered', 1::smallint)
) AS event (sequence, source, previous, status, attempt)
"""


async def fill(connection: asyncpg.Connection[Any], rows: Rows, *, messages: int, lanes: int = 1) -> None:
    """Queue so many messages, as accepts do, from so many senders in turn, and write out all pages."""
    found = await _lanes(connection, rows, lanes)
    for done in range(0, messages, _STEP):
        step = min(_STEP, messages - done)
        await connection.execute(_QUEUED, rows.account, list(found), list(found.values()), step)
    await _settle_down(connection)


async def add_history(connection: asyncpg.Connection[Any], rows: Rows, *, messages: int) -> None:
    """Add so many messages of this month that were delivered, each with its attempt and its four events."""
    for done in range(0, messages, _STEP):
        step = min(_STEP, messages - done)
        await connection.execute(_DONE, rows.account, rows.sender, done, messages, step)
    await _settle_down(connection)


async def _lanes(connection: asyncpg.Connection[Any], rows: Rows, count: int) -> dict[str, UUID]:
    """Give the lanes of so many senders by address, all like the first; those that are missing are added."""
    if count == 1:
        return {rows.sender: rows.lane}
    await connection.execute(_MORE_SENDERS, rows.lane, count - 1)
    await connection.execute(_MORE_LANES, rows.lane)
    return {row["address"]: row["id"] for row in await connection.fetch(_SENDERS, rows.account, count)}


async def _settle_down(connection: asyncpg.Connection[Any]) -> None:
    """Do what the server would do of its own accord a little later, but not in the middle of a round."""
    await connection.execute("VACUUM (ANALYZE)")
    await connection.execute("CHECKPOINT")
