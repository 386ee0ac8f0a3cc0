"""Pausing: whose messages are not sent for now. They are accepted and kept all the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import TextClause, Uuid, bindparam, text

from app.store.engine import Connection


@dataclass(frozen=True, kw_only=True)
class Paused:
    """Whether something is paused."""

    since: datetime | None
    """Since when it is; None where it is not."""


def _statement(table: str, mine: str) -> TextClause:
    return text(
        f"""
        UPDATE {table} SET paused_at = CASE WHEN :paused THEN coalesce(paused_at, now()) END
        WHERE {table}.id = :id AND {mine} = coalesce(:account_id, {mine})
        RETURNING paused_at
        """  # noqa: S608 - constants of this module
    ).bindparams(bindparam("account_id", type_=Uuid))


_SENDER: Final = _statement("lanes", "account_id")
_ACCOUNT: Final = _statement("accounts", "id")
_PROVIDER: Final = text(
    """
    INSERT INTO provider_accounts AS p (name, paused_at) VALUES (:name, CASE WHEN :paused THEN now() END)
    ON CONFLICT (name) DO UPDATE SET paused_at = CASE WHEN :paused THEN coalesce(p.paused_at, now()) END
    RETURNING paused_at
    """
)


async def set_sender_paused(
    connection: Connection, sender_id: UUID, *, account_id: UUID | None, paused: bool
) -> Paused | None:
    """Pause the lane of a sender, or let it go on; None where the account has none with this id, or nobody has."""
    return await _set(connection, _SENDER, sender_id, account_id=account_id, paused=paused)


async def set_account_paused(
    connection: Connection, account: UUID, *, account_id: UUID | None, paused: bool
) -> Paused | None:
    """Pause all lanes of an account, its test messages too, or let them go on; None as above."""
    return await _set(connection, _ACCOUNT, account, account_id=account_id, paused=paused)


async def set_provider_paused(connection: Connection, name: str, *, paused: bool) -> Paused:
    """Pause all lanes of a provider account, or let them go on; whether it is configured is for the caller to know."""
    row = (await connection.execute(_PROVIDER, {"name": name, "paused": paused})).one()
    return Paused(since=row.paused_at)


async def _set(
    connection: Connection, statement: TextClause, key: UUID, *, account_id: UUID | None, paused: bool
) -> Paused | None:
    row = (await connection.execute(statement, {"id": key, "account_id": account_id, "paused": paused})).one_or_none()
    return None if row is None else Paused(since=row.paused_at)
