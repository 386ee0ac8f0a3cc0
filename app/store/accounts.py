"""Accounts, their API keys, and the audit of what ops keys read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql import func

from app.domain.credentials import KeyMode, Scope
from app.store.engine import Connection
from app.store.tables import accounts, api_keys, audit_events


class NotUnique(Exception):
    """Something of that name or address is there already."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """A tenant: an internal service or team."""

    id: UUID
    name: str
    created_at: datetime
    weight: float
    """Its share beside the other accounts, where they cannot all send."""

    queued_cap: int | None
    """How many of its messages may wait; None where the setting for all accounts holds."""

    paused_at: datetime | None
    """Since when none of its messages is sent; None while they are."""


@dataclass(frozen=True, kw_only=True)
class AccountFilter:
    """Which accounts are wanted; None does not matter."""

    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """An API key without its secret."""

    id: str
    account_id: UUID | None
    """None for an ops key, which reads all accounts."""

    mode: KeyMode
    secret_hash: bytes = field(repr=False)
    scopes: frozenset[Scope]
    name: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


_USABLE: Final = text(
    """
    WITH key AS (
        SELECT *, (revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())) AS usable
        FROM api_keys WHERE id = :id
    ), used AS (
        -- At most once a minute, so that a busy key does not write on each request.
        UPDATE api_keys SET last_used_at = now() FROM key
        WHERE api_keys.id = key.id AND key.usable AND key.secret_hash = :secret_hash
            AND (key.last_used_at IS NULL OR key.last_used_at < now() - interval '1 minute')
    )
    SELECT id, account_id, mode, secret_hash, scopes, name, created_at, expires_at, revoked_at, last_used_at
    FROM key WHERE usable
    """
)


async def add_account(connection: Connection, *, account_id: UUID, name: str) -> Account:
    """Add an account; raises `NotUnique` if the name is taken."""
    statement = insert(accounts).values(id=account_id, name=name).returning(*accounts.c)
    return Account(**(await _one(connection, statement)))


async def list_accounts(connection: Connection) -> list[Account]:
    """List all accounts by name."""
    rows = await connection.execute(select(accounts).order_by(accounts.c.name))
    return [Account(**_values(row)) for row in rows]


async def find_account(connection: Connection, name: str) -> Account | None:
    """Find an account by its name."""
    row = (await connection.execute(select(accounts).where(accounts.c.name == name))).one_or_none()
    return None if row is None else Account(**_values(row))


async def account_exists(connection: Connection, account_id: UUID) -> bool:
    """Whether there is an account with this id."""
    return (
        await connection.execute(select(accounts.c.id).where(accounts.c.id == account_id))
    ).one_or_none() is not None


async def get_account(connection: Connection, account_id: UUID) -> Account | None:
    """Read an account by its id."""
    row = (await connection.execute(select(accounts).where(accounts.c.id == account_id))).one_or_none()
    return None if row is None else Account(**_values(row))


async def page_of_accounts(
    connection: Connection, wanted: AccountFilter, *, before: UUID | None, limit: int
) -> list[Account]:
    """Read the accounts that match and were created before the account `before`, the newest first."""
    query = select(accounts).order_by(accounts.c.id.desc()).limit(limit)
    if wanted.name is not None:
        query = query.where(accounts.c.name == wanted.name)
    if before is not None:
        query = query.where(accounts.c.id < before)
    return [Account(**_values(row)) for row in await connection.execute(query)]


async def change_account(connection: Connection, account_id: UUID, changes: Mapping[str, Any]) -> Account | None:
    """Change columns of an account, and give it as it stands then; None if there is none."""
    if not changes:
        return await get_account(connection, account_id)
    statement = update(accounts).where(accounts.c.id == account_id).values(**changes).returning(*accounts.c)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else Account(**_values(row))


async def add_key(
    connection: Connection,
    *,
    key_id: str,
    account_id: UUID | None,
    mode: KeyMode,
    secret_hash: bytes,
    scopes: Sequence[Scope],
    name: str,
    expires_at: datetime | None,
) -> ApiKey:
    """Add an API key."""
    statement = (
        insert(api_keys)
        .values(
            id=key_id,
            account_id=account_id,
            mode=mode.value,
            secret_hash=secret_hash,
            scopes=[scope.value for scope in scopes],
            name=name,
            expires_at=expires_at,
        )
        .returning(*api_keys.c)
    )
    return _key((await connection.execute(statement)).one())


async def list_keys(connection: Connection, account_id: UUID | None = None) -> list[ApiKey]:
    """List the keys of one account, or all."""
    query = select(api_keys).order_by(api_keys.c.created_at)
    if account_id is not None:
        query = query.where(api_keys.c.account_id == account_id)
    return [_key(row) for row in await connection.execute(query)]


async def revoke_key(connection: Connection, key_id: str) -> bool:
    """Revoke a key from now on; False if there is none."""
    statement = (
        update(api_keys)
        .where(api_keys.c.id == key_id)
        .values(revoked_at=func.coalesce(api_keys.c.revoked_at, func.now()))
    )
    return (await connection.execute(statement)).rowcount == 1


async def find_usable_key(connection: Connection, key_id: str, secret_hash: bytes) -> ApiKey | None:
    """Read a key that is neither revoked nor expired, and note its use if the hash is right.

    The caller still has to compare the hash, in constant time.
    """
    row = (await connection.execute(_USABLE, {"id": key_id, "secret_hash": secret_hash})).one_or_none()
    return None if row is None else _key(row)


async def add_audit_event(
    connection: Connection, *, event_id: UUID, key_id: str, action: str, detail: dict[str, Any]
) -> None:
    """Write down what an ops key did; append-only."""
    await connection.execute(insert(audit_events).values(id=event_id, key_id=key_id, action=action, detail=detail))


async def _one(connection: Connection, statement: Any) -> dict[str, Any]:
    try:
        return _values((await connection.execute(statement)).one())
    except IntegrityError as error:
        raise NotUnique from error


def _values(row: Row[Any]) -> dict[str, Any]:
    return dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name


def _key(row: Row[Any]) -> ApiKey:
    values = _values(row)
    scopes = frozenset(Scope(scope) for scope in values.pop("scopes"))
    return ApiKey(**values | {"mode": KeyMode(values["mode"]), "scopes": scopes})
