"""Routes: where messages go whose sender is left out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from app.store.engine import Connection
from app.store.sending_tables import routes


@dataclass(frozen=True, kw_only=True)
class StoredRoute:
    """A route as it is kept."""

    id: UUID
    account_id: UUID
    prefix: str
    """How a recipient's number begins, the plus included."""

    target: str
    """A sender's address, or `pool:` and a pool's name."""

    created_at: datetime


async def set_route(
    connection: Connection, *, route_id: UUID, account_id: UUID, prefix: str, target: str
) -> StoredRoute:
    """Set the account's route of a prefix, in place of one that there may be, which keeps its id."""
    statement = insert(routes).values(id=route_id, account_id=account_id, prefix=prefix, target=target)
    one_of_each = [routes.c.account_id, routes.c.prefix]
    setting = statement.on_conflict_do_update(index_elements=one_of_each, set_={"target": target})
    return StoredRoute(**(await connection.execute(setting.returning(*routes.c))).one()._asdict())


async def list_routes(connection: Connection, account_id: UUID | None = None) -> list[StoredRoute]:
    """List the routes of one account, or all, by prefix."""
    query = select(routes).order_by(routes.c.account_id, routes.c.prefix)
    if account_id is not None:
        query = query.where(routes.c.account_id == account_id)
    return [StoredRoute(**row._asdict()) for row in await connection.execute(query)]


async def prefixes_to(connection: Connection, account_id: UUID, target: str) -> list[str]:
    """List the prefixes whose route names this target."""
    query = select(routes.c.prefix).where(routes.c.account_id == account_id, routes.c.target == target)
    return list((await connection.execute(query.order_by(routes.c.prefix))).scalars())


async def remove_route(connection: Connection, route_id: UUID, *, account_id: UUID | None = None) -> StoredRoute | None:
    """Remove a route and give it; None if there is none, or it is another account's."""
    statement = delete(routes).where(routes.c.id == route_id)
    if account_id is not None:
        statement = statement.where(routes.c.account_id == account_id)
    row = (await connection.execute(statement.returning(*routes.c))).one_or_none()
    return None if row is None else StoredRoute(**row._asdict())
