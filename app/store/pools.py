"""Sender pools and their members. Every pool belongs to an account, and so do all senders in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from app.domain.pools import Member, place_of_sender
from app.domain.sender import SenderType
from app.store.accounts import NotUnique
from app.store.engine import Connection
from app.store.sending_tables import pool_members, sender_pools
from app.store.tables import senders


@dataclass(frozen=True, kw_only=True)
class StoredPool:
    """A pool as it is kept, with its members by address."""

    id: UUID
    account_id: UUID
    name: str
    match_area: bool
    """Whether a member of the recipient's area code comes first."""

    created_at: datetime
    members: Sequence[Member]


@dataclass(frozen=True, kw_only=True)
class LockedPool:
    """A pool that nobody else changes until the end of the transaction."""

    id: UUID
    account_id: UUID
    name: str


_QUERY: Final[Any] = (
    select(
        *sender_pools.c,
        senders.c.id.label("sender_id"),
        senders.c.address,
        senders.c.number_type,
        senders.c.provider,
        senders.c.countries,
        pool_members.c.weight,
    )
    .select_from(
        sender_pools.outerjoin(pool_members, pool_members.c.pool_id == sender_pools.c.id).outerjoin(
            senders, senders.c.id == pool_members.c.sender_id
        )
    )
    .order_by(sender_pools.c.account_id, sender_pools.c.name, senders.c.address)
)


async def add_pool(connection: Connection, *, pool_id: UUID, account_id: UUID, name: str, match_area: bool) -> None:
    """Add a pool without members; raises `NotUnique` if the account has one of that name."""
    values = {"id": pool_id, "account_id": account_id, "name": name, "match_area": match_area}
    try:
        await connection.execute(insert(sender_pools).values(values))
    except IntegrityError as error:
        raise NotUnique from error


async def list_pools(connection: Connection, account_id: UUID | None = None) -> list[StoredPool]:
    """List the pools of one account, or all, by name."""
    return await _pools(connection, *_of(account_id))


async def find_pool(connection: Connection, pool_id: UUID, *, account_id: UUID | None = None) -> StoredPool | None:
    """Find a pool by its id; None if there is none, or it is another account's."""
    found = await _pools(connection, sender_pools.c.id == pool_id, *_of(account_id))
    return found[0] if found else None


async def find_pool_named(connection: Connection, account_id: UUID, name: str) -> StoredPool | None:
    """Find one of an account's pools by its name."""
    found = await _pools(connection, sender_pools.c.account_id == account_id, sender_pools.c.name == name)
    return found[0] if found else None


async def lock_pool(connection: Connection, pool_id: UUID, *, account_id: UUID | None = None) -> LockedPool | None:
    """Lock a pool to change or delete it; None if there is none, or it is another account's."""
    query = select(sender_pools).where(sender_pools.c.id == pool_id, *_of(account_id)).with_for_update()
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else LockedPool(id=row.id, account_id=row.account_id, name=row.name)


async def keep_pool(connection: Connection, account_id: UUID, name: str) -> bool:
    """Keep a pool from being deleted until the end of the transaction; False if there is none of that name."""
    query = select(sender_pools.c.id).where(sender_pools.c.account_id == account_id, sender_pools.c.name == name)
    return (await connection.execute(query.with_for_update(read=True))).one_or_none() is not None


async def change_pool(connection: Connection, pool_id: UUID, *, match_area: bool) -> None:
    """Change what may be changed of a pool."""
    await connection.execute(update(sender_pools).where(sender_pools.c.id == pool_id).values(match_area=match_area))


async def delete_pool(connection: Connection, pool_id: UUID) -> None:
    """Delete a pool with its memberships; its senders stay."""
    await connection.execute(delete(sender_pools).where(sender_pools.c.id == pool_id))


async def put_member(
    connection: Connection, pool_id: UUID, sender_id: UUID, *, account_id: UUID, weight: float
) -> bool:
    """Add a sender of the pool's account, or change its weight; False if the account has no such sender."""
    owned = select(senders.c.id).where(senders.c.id == sender_id, senders.c.account_id == account_id)
    if (await connection.execute(owned.with_for_update(read=True, key_share=True))).one_or_none() is None:
        return False
    statement = upsert(pool_members).values(pool_id=pool_id, sender_id=sender_id, weight=weight)
    both = [pool_members.c.pool_id, pool_members.c.sender_id]
    await connection.execute(statement.on_conflict_do_update(index_elements=both, set_={"weight": weight}))
    return True


async def remove_member(connection: Connection, pool_id: UUID, sender_id: UUID) -> bool:
    """Take a sender out of a pool; False if it was in none."""
    one = and_(pool_members.c.pool_id == pool_id, pool_members.c.sender_id == sender_id)
    return (await connection.execute(delete(pool_members).where(one))).rowcount == 1


async def _pools(connection: Connection, *conditions: ColumnElement[bool]) -> list[StoredPool]:
    rows = (await connection.execute(_QUERY.where(*conditions))).all()
    return [_pool(list(group)) for _, group in groupby(rows, key=lambda row: row.id)]


def _of(account_id: UUID | None) -> tuple[ColumnElement[bool], ...]:
    return () if account_id is None else (sender_pools.c.account_id == account_id,)


def _pool(rows: Sequence[Row[Any]]) -> StoredPool:
    """Read a pool from its rows: one for each member, or a single one without any."""
    return StoredPool(
        id=rows[0].id,
        account_id=rows[0].account_id,
        name=rows[0].name,
        match_area=rows[0].match_area,
        created_at=rows[0].created_at,
        members=[_member(row) for row in rows if row.sender_id is not None],
    )


def _member(row: Row[Any]) -> Member:
    number_type = SenderType(row.number_type)
    return Member(
        sender_id=row.sender_id,
        address=row.address,
        number_type=number_type,
        provider=row.provider,
        weight=row.weight,
        countries=None if row.countries is None else frozenset(row.countries),
        place=place_of_sender(row.address, number_type),
    )
