"""Reading messages and their histories. Every read is bound to an account, or names that it is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, select

from app.domain.ids import created_at, lowest_id
from app.store.engine import Connection
from app.store.tables import messages, status_events

_HIDDEN: Final = frozenset({"event_sequence"})


@dataclass(kw_only=True, slots=True)
class StoredMessage:
    """A message as it is kept.

    Nobody changes it; it is not frozen because one is made for each message, and freezing triples what that costs.
    """

    id: UUID
    account_id: UUID
    direction: str
    status: str
    sender: str = field(repr=False)
    recipient: str = field(repr=False)
    body: str = field(repr=False)
    encoding: str
    segments: int
    client_reference: str | None
    metadata: dict[str, str]
    test: bool
    priority: int
    """Its rank: 0 goes first."""

    pool: str | None
    """The sender pool that its sender was chosen from; None where a sender was named."""

    delivery_guarantee: str
    possible_duplicate: bool
    attempts: int
    provider: str | None
    error_code: str | None
    send_at: datetime | None
    updated_at: datetime
    sent_at: datetime | None
    final_at: datetime | None
    expires_at: datetime | None
    price: Decimal | None = None
    """What the provider asks for the whole message, in `price_currency`; None until it says so."""

    price_currency: str | None = None
    billed_segments: int | None = None
    """How many parts the provider bills; None until it says so."""

    @property
    def created_at(self) -> datetime:
        """When it was accepted: its id's own time."""
        return created_at(self.id)


@dataclass(frozen=True, kw_only=True)
class StoredEvent:
    """One line of a message's history."""

    sequence: int
    at: datetime
    source: str
    previous: str | None
    status: str
    applied: bool
    reason: str | None
    attempt: int | None
    error_code: str | None
    provider_status: str | None
    provider_code: str | None
    reported_at: datetime | None
    from_sender: str | None
    to_sender: str | None


@dataclass(frozen=True, kw_only=True)
class MessageFilter:
    """What a list is narrowed to; None leaves a property free."""

    account_id: UUID | None = None
    """None reads all accounts, which only an ops key may."""

    test: bool | None = None
    """True for what a test key may read: test messages. None reads live ones too."""

    recipient: str | None = None
    sender: str | None = None
    status: str | None = None
    direction: str | None = None
    client_reference: str | None = None
    provider: str | None = None
    priority: int | None = None
    error_code: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


async def list_messages(
    connection: Connection, wanted: MessageFilter, *, before: UUID | None, limit: int
) -> list[StoredMessage]:
    """Read the newest messages that match, older than the message `before`."""
    conditions = [*_conditions(wanted)]
    if before is not None:
        conditions.append(messages.c.id < before)
    query = _select().where(and_(True, *conditions)).order_by(messages.c.id.desc()).limit(limit)  # noqa: FBT003 - SQL's true
    return [_stored(row) for row in (await connection.execute(query)).all()]


async def get_message(
    connection: Connection, message_id: UUID, *, account_id: UUID | None, test: bool | None = None
) -> StoredMessage | None:
    """Read one message; None if there is none, another account owns it, or it is not of the `test` asked for."""
    query = _select().where(messages.c.id == message_id)
    if account_id is not None:
        query = query.where(messages.c.account_id == account_id)
    if test is not None:
        query = query.where(messages.c.test == test)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _stored(row)


async def get_messages(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, StoredMessage]:
    """Read messages by their ids; whose they are has been checked by the caller."""
    rows = (await connection.execute(_select().where(messages.c.id.in_(ids)))).all()
    return {row.id: _stored(row) for row in rows}


async def list_events(connection: Connection, message_id: UUID) -> Sequence[StoredEvent]:
    """Read a message's whole history in order; whose it is has been checked by the caller."""
    query = (
        select(*(column for column in status_events.c if column.name != "message_id"))
        .where(status_events.c.message_id == message_id)
        .order_by(status_events.c.sequence)
    )
    return [StoredEvent(**row._mapping) for row in (await connection.execute(query)).all()]  # noqa: SLF001 - SQLAlchemy's documented name


def _select() -> Any:
    return select(*(column for column in messages.c if column.name not in _HIDDEN))


def _stored(row: Row[Any]) -> StoredMessage:
    return StoredMessage(**row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name


def _conditions(wanted: MessageFilter) -> list[ColumnElement[bool]]:
    equal = {
        messages.c.account_id: wanted.account_id,
        messages.c.test: wanted.test,
        messages.c.recipient: wanted.recipient,
        messages.c.sender: wanted.sender,
        messages.c.status: wanted.status,
        messages.c.direction: wanted.direction,
        messages.c.client_reference: wanted.client_reference,
        messages.c.provider: wanted.provider,
        messages.c.priority: wanted.priority,
        messages.c.error_code: wanted.error_code,
    }
    conditions = [column == value for column, value in equal.items() if value is not None]
    if wanted.created_after is not None:
        conditions.append(messages.c.id >= lowest_id(wanted.created_after))
    if wanted.created_before is not None:
        conditions.append(messages.c.id < lowest_id(wanted.created_before))
    return conditions
