"""Senders, and the lanes that their messages are counted by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Row, Uuid, bindparam, insert, select, text
from sqlalchemy.exc import IntegrityError

from app.store.accounts import NotUnique
from app.store.engine import Connection
from app.store.tables import senders


@dataclass(frozen=True, kw_only=True)
class Sender:
    """What an account sends from. A limit that is None is its number type's, or its campaign class's."""

    id: UUID
    account_id: UUID
    address: str
    number_type: str
    provider: str
    """The configured provider account that its messages go through."""

    rate: Decimal | None
    """Segments per second."""

    burst: int | None
    """Segments that may go at once after a pause."""

    daily_cap: int | None
    """Segments in a day, UTC."""

    priority: int
    """Of its messages that name none, as a rank."""

    weight: float
    """Its share beside the other senders of its account, where they cannot all go."""

    campaign_class: str
    """AT&T's class of its 10DLC campaign; empty where none is set."""

    countries: Sequence[str] | None
    """Where it may send to, ISO 3166; None where its number type alone decides."""

    created_at: datetime


_LIMITS: Final = """
    FROM senders AS s JOIN LATERAL (
        SELECT * FROM sending_rates AS r
        WHERE r.number_type = s.number_type AND r.campaign_class IN (s.campaign_class, '')
        ORDER BY r.campaign_class DESC LIMIT 1
    ) AS usual ON true
"""
# What a lane has sent ahead of its rate is paid off at the new one: the time that it still takes is stretched with it.
_RERATE: Final = text(
    f"""
    INSERT INTO lanes AS lane (id, account_id, provider, rate, burst, daily_cap, weight)
    SELECT s.id, s.account_id, s.provider, coalesce(s.rate, usual.rate)::float8,
           coalesce(s.burst, CASE WHEN s.rate IS NULL THEN usual.burst ELSE greatest(1, ceil(s.rate))::integer END),
           coalesce(s.daily_cap, usual.daily_cap), s.weight
    {_LIMITS}
    WHERE s.id = ANY(:ids)
    ORDER BY s.id
    ON CONFLICT (id) DO UPDATE SET
        provider = excluded.provider, rate = excluded.rate, burst = excluded.burst, daily_cap = excluded.daily_cap,
        weight = excluded.weight,
        arrival_at = now() + greatest(lane.arrival_at - now(), interval '0') * (lane.rate / excluded.rate)
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))


async def add_sender(
    connection: Connection,
    *,
    sender_id: UUID,
    account_id: UUID,
    address: str,
    number_type: str,
    provider: str,
    rate: Decimal | None,
) -> Sender:
    """Add a sender and its lane; raises `NotUnique` if the account has it, or another account has the number."""
    statement = (
        insert(senders)
        .values(
            id=sender_id,
            account_id=account_id,
            address=address,
            number_type=number_type,
            provider=provider,
            rate=rate,
        )
        .returning(*senders.c)
    )
    try:
        sender = _sender((await connection.execute(statement)).one())
    except IntegrityError as error:
        raise NotUnique from error
    await rerate(connection, [sender_id])
    return sender


async def rerate(connection: Connection, ids: Sequence[UUID]) -> None:
    """Write the limits that are in force for these senders into their lanes, which are made where there are none."""
    await connection.execute(_RERATE, {"ids": list(ids)})


async def list_senders(connection: Connection, account_id: UUID | None = None) -> list[Sender]:
    """List the senders of one account, or all."""
    query = select(senders).order_by(senders.c.account_id, senders.c.address)
    if account_id is not None:
        query = query.where(senders.c.account_id == account_id)
    return [_sender(row) for row in await connection.execute(query)]


async def find_sender(connection: Connection, account_id: UUID, address: str) -> Sender | None:
    """Find one of an account's senders."""
    query = select(senders).where(senders.c.account_id == account_id, senders.c.address == address)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _sender(row)


def _sender(row: Row[Any]) -> Sender:
    return Sender(**dict(row._mapping))  # noqa: SLF001 - SQLAlchemy's documented name
