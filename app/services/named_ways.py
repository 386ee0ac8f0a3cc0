"""Pools and routes by the names that operators know them by, instead of ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from app.services.administration import AdministrationError
from app.services.editing import OPERATOR
from app.services.pools import Pools
from app.services.routes import Routes
from app.store.accounts import find_account, list_accounts
from app.store.engine import Connection, Engine, transaction
from app.store.pools import StoredPool, find_pool_named, list_pools
from app.store.routes import StoredRoute, list_routes
from app.store.senders import find_sender

_NO_POOL: Final = "The account has no pool {0!r}. `gateway pools list` shows them."


class NamedWays:
    """The use cases of operators at a terminal. All raise `AdministrationError` for names that are not there.

    What the pools and routes themselves refuse is a `Refusal`.
    """

    def __init__(self, engine: Engine) -> None:
        """Take the engine."""
        self._engine = engine
        self._pools = Pools(engine)
        self._routes = Routes(engine)

    async def create_pool(self, account: str, name: str, *, match_area: bool) -> StoredPool:
        """Make a pool without members."""
        return await self._pools.create(
            OPERATOR, account=await self._account(account), name=name, match_area=match_area
        )

    async def list_pools(self, account: str | None) -> Sequence[tuple[str, StoredPool]]:
        """List the pools of one account, or of all, each with its account's name."""
        owner = None if account is None else await self._account(account)
        async with transaction(self._engine) as connection:
            names = await _names(connection)
            return [(names[pool.account_id], pool) for pool in await list_pools(connection, owner)]

    async def put_member(self, account: str, pool: str, address: str, *, weight: float) -> StoredPool:
        """Add a sender of the account to a pool, or change its weight."""
        pool_id, sender_id = await self._pool_and_sender(account, pool, address)
        return await self._pools.put_member(OPERATOR, pool_id, sender_id, weight=weight)

    async def remove_member(self, account: str, pool: str, address: str) -> StoredPool:
        """Take a sender out of a pool."""
        pool_id, sender_id = await self._pool_and_sender(account, pool, address)
        return await self._pools.remove_member(OPERATOR, pool_id, sender_id)

    async def delete_pool(self, account: str, name: str) -> StoredPool:
        """Delete a pool that no route leads to."""
        owner = await self._account(account)
        async with transaction(self._engine) as connection:
            pool = await find_pool_named(connection, owner, name)
        if pool is None:
            raise AdministrationError(_NO_POOL.format(name))
        return await self._pools.delete(OPERATOR, pool.id)

    async def set_route(self, account: str, prefix: str, target: str) -> StoredRoute:
        """Lead recipients of a prefix to a sender or a pool."""
        return await self._routes.set(OPERATOR, account=await self._account(account), prefix=prefix, target=target)

    async def list_routes(self, account: str | None) -> Sequence[tuple[str, StoredRoute]]:
        """List the routes of one account, or of all, each with its account's name."""
        owner = None if account is None else await self._account(account)
        async with transaction(self._engine) as connection:
            names = await _names(connection)
            return [(names[route.account_id], route) for route in await list_routes(connection, owner)]

    async def remove_route(self, account: str, prefix: str) -> StoredRoute:
        """Remove the route of a prefix."""
        owner = await self._account(account)
        async with transaction(self._engine) as connection:
            ids = [route.id for route in await list_routes(connection, owner) if route.prefix == prefix]
        if not ids:
            raise AdministrationError(f"The account has no route for {prefix!r}. `gateway routes list` shows them.")
        return await self._routes.remove(OPERATOR, ids[0])

    async def _account(self, name: str) -> UUID:
        async with transaction(self._engine) as connection:
            account = await find_account(connection, name)
        if account is None:
            raise AdministrationError(f"There is no account {name!r}. `gateway accounts list` shows them.")
        return account.id

    async def _pool_and_sender(self, account: str, pool: str, address: str) -> tuple[UUID, UUID]:
        owner = await self._account(account)
        async with transaction(self._engine) as connection:
            found, sender = (
                await find_pool_named(connection, owner, pool),
                await find_sender(connection, owner, address),
            )
        if found is None:
            raise AdministrationError(_NO_POOL.format(pool))
        if sender is None:
            raise AdministrationError(f"The account has no sender {address!r}. `gateway senders list` shows them.")
        return found.id, sender.id


async def _names(connection: Connection) -> dict[UUID, str]:
    return {account.id: account.name for account in await list_accounts(connection)}
