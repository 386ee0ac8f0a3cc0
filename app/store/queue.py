"""The dispatch queue: claiming what is due, finding what was left behind, reading what is to be settled.

Every claim skips rows that somebody else has locked, of the queue and of the messages alike, so that
claims never wait for reports or for each other. The attempt is locked with its message wherever it is
read: a row that was not locked would be read as of the statement's start, before the wait for the lock.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Integer, Row, SmallInteger, Text, Uuid, bindparam, text

from app.domain.message import AttemptState, MessageState
from app.store.among import ALL_DUE, IS_AMONG, Among, DueStatement
from app.store.engine import Connection
from app.store.states import ATTEMPT, STATE, attempt_state, message_state

TEXT: Final = "m.sender, m.recipient, m.body, m.segments"
"""What is selected of a message `m` for whoever sends it, or asks about it."""

_WITH_NEWEST_ATTEMPT: Final = f"""
    SELECT {STATE}, {TEXT}, {ATTEMPT}, q.tries, q.crashes
    FROM dispatch_queue AS q
    JOIN messages AS m ON m.id = q.message_id
    JOIN attempts AS a ON a.message_id = m.id AND a.no = m.attempts
"""  # noqa: S608 - constants of this module

# To ask by a resend is to send once more, so nothing goes out beside it where a worker has died over the message. Which
# question is next is not known here, so a search waits, too, where its provider offers both.
IS_LONE: Final = "q.crashes > 0 AND a.provider = ANY(:resenders)"
"""Whether what is to be resolved has to wait for a lone turn."""

_UNRESOLVED: Final = DueStatement(
    f"""
    {_WITH_NEWEST_ATTEMPT}
    WHERE q.work = 'resolve' AND q.leased_until IS NULL AND q.due_at <= now() AND q.message_id {IS_AMONG}
    AND ({IS_LONE}) = :alone
    ORDER BY q.due_at, q.message_id LIMIT :limit
    FOR UPDATE OF q, m, a SKIP LOCKED
    """,
    resenders=ARRAY(Text),
)

_LEFT_BEHIND: Final = DueStatement(
    f"""
    {_WITH_NEWEST_ATTEMPT}
    WHERE q.leased_until IS NOT NULL AND (q.leased_until < now() OR q.worker = ANY(:dead))
    AND q.message_id {IS_AMONG}
    ORDER BY q.leased_until LIMIT :limit
    FOR UPDATE OF q, m, a SKIP LOCKED
    """,
    dead=ARRAY(Integer),
)

# This one waits, so it locks in the reports' order: the message first, the queue row when it is written.
_LEASED: Final = text(
    f"""
    {_WITH_NEWEST_ATTEMPT}
    WHERE q.leased_until IS NOT NULL AND a.phase = 'started' AND a.fence = ANY(:fences)
    ORDER BY m.id
    FOR UPDATE OF m, a
    """
).bindparams(bindparam("fences", type_=ARRAY(BigInteger)))

_SENT_OUT: Final = text(
    f"""
    SELECT {STATE}, {ATTEMPT}, coalesce(q.tries, 0) AS tries, coalesce(q.crashes, 0) AS crashes
    FROM unnest(:message_ids, :numbers) AS wanted (message_id, no)
    JOIN messages AS m ON m.id = wanted.message_id
    JOIN attempts AS a ON a.message_id = wanted.message_id AND a.no = wanted.no
    LEFT JOIN dispatch_queue AS q ON q.message_id = m.id
    ORDER BY m.id
    FOR UPDATE OF m, a
    """  # noqa: S608 - constants of this module
).bindparams(bindparam("message_ids", type_=ARRAY(Uuid)), bindparam("numbers", type_=ARRAY(SmallInteger)))


# Both wait, in the reports' order: the message first. Claims skip what is locked, so none waits for this in turn.
_OWN: Final = text(
    f"SELECT {STATE}, m.test FROM messages AS m WHERE m.id = :id AND m.account_id = :account_id FOR UPDATE"  # noqa: S608 - constants of this module
)
_ANY: Final = text(
    f"""
    SELECT {STATE} FROM messages AS m
    WHERE m.id = :id AND m.account_id = coalesce(:account_id, m.account_id) AND (m.test OR NOT :test_only)
    FOR UPDATE
    """  # noqa: S608 - constants of this module
).bindparams(bindparam("account_id", type_=Uuid))
_LEASE: Final = text("SELECT leased_until FROM dispatch_queue WHERE message_id = :id FOR UPDATE")


@dataclass(frozen=True, kw_only=True)
class OwnMessage:
    """A message as its account holds it, locked with its queue row."""

    state: MessageState
    test: bool
    leased: bool
    """Whether a worker has it."""


@dataclass(kw_only=True, slots=True)
class OpenWork:
    """A message and the attempt of it that something is to be decided about."""

    state: MessageState
    attempt: AttemptState
    tries: int
    crashes: int
    now: datetime


@dataclass(kw_only=True, slots=True)
class Unresolved(OpenWork):
    """Open work whose provider may have to be asked, with what such a question says."""

    sender: str = field(repr=False)
    recipient: str = field(repr=False)
    body: str = field(repr=False)
    segments: int


async def next_fence(connection: Connection) -> int:
    """Take a new fencing token, higher than all before."""
    token: int = await connection.scalar(text("SELECT nextval('fence')"))
    return token


async def lock_own(connection: Connection, message_id: UUID, *, account_id: UUID) -> OwnMessage | None:
    """Lock one message of an account, then its queue row; None if the account has none with this id."""
    row = (await connection.execute(_OWN, {"id": message_id, "account_id": account_id})).one_or_none()
    if row is None:
        return None
    # A statement of its own, for it must see the row as it is once the message is locked.
    leased_until = await connection.scalar(_LEASE, {"id": message_id})
    return OwnMessage(state=message_state(row), test=row.test, leased=leased_until is not None)


async def lock_message(
    connection: Connection, message_id: UUID, *, account_id: UUID | None = None, test_only: bool = False
) -> tuple[MessageState, datetime] | None:
    """Lock one message, of any account where none is named, and give the database's time with it; None for none."""
    wanted = {"id": message_id, "account_id": account_id, "test_only": test_only}
    row = (await connection.execute(_ANY, wanted)).one_or_none()
    return None if row is None else (message_state(row), row.now)


async def lock_unresolved(
    connection: Connection, *, limit: int, resenders: Collection[str], alone: bool, among: Among
) -> list[Unresolved]:
    """Lock messages about whose attempt something is to be found out, or whose wait for evidence is over.

    `alone` gives those that a worker died over and that may be resent, as these providers are; else all others.
    """
    rows = await _UNRESOLVED.rows(connection, among, limit=limit, resenders=sorted(resenders), alone=alone)
    return [
        Unresolved(
            state=message_state(row),
            attempt=attempt_state(row),
            tries=row.tries,
            crashes=row.crashes,
            now=row.now,
            sender=row.sender,
            recipient=row.recipient,
            body=row.body,
            segments=row.segments,
        )
        for row in rows
    ]


async def unresolved_ids(
    connection: Connection, *, limit: int, resenders: Collection[str], alone: bool, among: Among
) -> list[UUID]:
    """Name the messages that `lock_unresolved` would lock, whatever is stored of them."""
    rows = await _UNRESOLVED.rows(connection, among, limit=limit, resenders=sorted(resenders), alone=alone)
    return [row.id for row in rows]


async def lock_left_behind(
    connection: Connection, *, limit: int, dead: Collection[int] = (), among: Among = ALL_DUE
) -> list[OpenWork]:
    """Lock messages whose worker has not come back within its lease, or is one of the dead."""
    return _open_work(await _LEFT_BEHIND.rows(connection, among, limit=limit, dead=sorted(dead)))


async def left_behind_ids(connection: Connection, *, limit: int, dead: Collection[int], among: Among) -> list[UUID]:
    """Name the messages that `lock_left_behind` would lock, whatever is stored of them."""
    return [row.id for row in await _LEFT_BEHIND.rows(connection, among, limit=limit, dead=sorted(dead))]


async def lock_leased(connection: Connection, fences: Sequence[int]) -> list[OpenWork]:
    """Lock messages that were claimed under these fences and not settled since."""
    return _open_work((await connection.execute(_LEASED, {"fences": list(fences)})).all())


async def lock_attempts(connection: Connection, wanted: Sequence[tuple[UUID, int]]) -> list[OpenWork]:
    """Lock messages in the order of their ids, each with the attempt named; unknown ones are left out."""
    parameters = {"message_ids": [key[0] for key in wanted], "numbers": [key[1] for key in wanted]}
    return _open_work((await connection.execute(_SENT_OUT, parameters)).all())


def _open_work(rows: Sequence[Row[Any]]) -> list[OpenWork]:
    return [
        OpenWork(
            state=message_state(row), attempt=attempt_state(row), tries=row.tries, crashes=row.crashes, now=row.now
        )
        for row in rows
    ]
