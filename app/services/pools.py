"""Making and changing sender pools. What waits is not touched: a message keeps the sender that was chosen for it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.domain.errors import ErrorCode, FieldError, Refusal
from app.domain.routes import MOST_WEIGHT, POOL, may_be_called, may_weigh
from app.services.editing import Editor, account_of, note
from app.services.identity import new_id
from app.store.accounts import NotUnique
from app.store.engine import Connection, Engine, transaction
from app.store.pools import (
    LockedPool,
    StoredPool,
    add_pool,
    change_pool,
    delete_pool,
    find_pool,
    lock_pool,
    put_member,
    remove_member,
)
from app.store.routes import prefixes_to

UNKNOWN_POOL = "There is no pool with this id that this key may use."


class Pools:
    """The use cases of whoever runs pools. All raise `not-found` for a pool that the editor may not change.

    The accepting processes follow within five seconds.
    """

    def __init__(self, engine: Engine) -> None:
        """Take the engine."""
        self._engine = engine

    async def create(self, editor: Editor, *, account: UUID | None, name: str, match_area: bool) -> StoredPool:
        """Make a pool without members; raises `pool-exists`, and `validation-failed` for what no pool may be called."""
        if not may_be_called(name):
            detail = "A pool's name has 1 to 32 small letters, digits and hyphens, and begins with no hyphen."
            raise _refused(ErrorCode.VALIDATION_FAILED, detail, "not-a-name")
        try:
            async with transaction(self._engine) as connection:
                owner = await account_of(connection, editor, account)
                pool_id = new_id(owner)
                await add_pool(connection, pool_id=pool_id, account_id=owner, name=name, match_area=match_area)
                return await _changed(connection, editor, "pools.create", pool_id, {"name": name})
        except NotUnique as error:
            detail = "Use another name, or change the pool that has it."
            raise _refused(ErrorCode.POOL_EXISTS, detail, "pool-exists") from error

    async def change(self, editor: Editor, pool_id: UUID, *, match_area: bool) -> StoredPool:
        """Change how members are chosen. The name stays: callers, routes and messages know the pool by it."""
        async with transaction(self._engine) as connection:
            await _locked(connection, editor, pool_id)
            await change_pool(connection, pool_id, match_area=match_area)
            return await _changed(connection, editor, "pools.change", pool_id, {"match_area": match_area})

    async def delete(self, editor: Editor, pool_id: UUID) -> StoredPool:
        """Delete a pool and give it as it was; raises `pool-in-use` while a route leads to it.

        Messages of it that wait go out from the senders that were chosen, and fail over to no other any more.
        """
        async with transaction(self._engine) as connection:
            pool = await _locked(connection, editor, pool_id)
            prefixes = await prefixes_to(connection, pool.account_id, POOL + pool.name)
            if prefixes:
                detail = (
                    f"Routes lead to this pool: {', '.join(prefixes)}. Set them to another target or remove them first."
                )
                raise Refusal(ErrorCode.POOL_IN_USE, detail)
            deleted = await _changed(connection, editor, "pools.delete", pool_id, {"name": pool.name})
            await delete_pool(connection, pool_id)
            return deleted

    async def put_member(self, editor: Editor, pool_id: UUID, sender_id: UUID, *, weight: float) -> StoredPool:
        """Add a sender of the pool's account, or change its weight; raises `not-found` for another's sender.

        With weight 0 it is given no message any more; those that were given to it go out from it. Raises
        `validation-failed` for what is no weight.
        """
        if not may_weigh(weight):
            detail = f"A weight is a number from 0 to {MOST_WEIGHT}."
            raise _refused(ErrorCode.VALIDATION_FAILED, detail, "not-a-weight", pointer="/weight")
        async with transaction(self._engine) as connection:
            pool = await _locked(connection, editor, pool_id)
            if not await put_member(connection, pool_id, sender_id, account_id=pool.account_id, weight=weight):
                raise Refusal(ErrorCode.NOT_FOUND, "The pool's account has no sender with this id.")
            told = {"sender_id": str(sender_id), "weight": weight}
            return await _changed(connection, editor, "pools.put_member", pool_id, told)

    async def remove_member(self, editor: Editor, pool_id: UUID, sender_id: UUID) -> StoredPool:
        """Take a sender out of a pool; raises `not-found` where it is in none. What waits goes out from it."""
        async with transaction(self._engine) as connection:
            await _locked(connection, editor, pool_id)
            if not await remove_member(connection, pool_id, sender_id):
                raise Refusal(ErrorCode.NOT_FOUND, "The pool has no member with this id.")
            return await _changed(connection, editor, "pools.remove_member", pool_id, {"sender_id": str(sender_id)})


async def _locked(connection: Connection, editor: Editor, pool_id: UUID) -> LockedPool:
    pool = await lock_pool(connection, pool_id, account_id=editor.account_id)
    if pool is None:
        raise Refusal(ErrorCode.NOT_FOUND, UNKNOWN_POOL)
    return pool


async def _changed(
    connection: Connection, editor: Editor, action: str, pool_id: UUID, detail: dict[str, Any]
) -> StoredPool:
    """Write the change down, and give the pool as it stands."""
    await note(connection, editor, action, {"pool_id": str(pool_id), **detail})
    pool = await find_pool(connection, pool_id)
    if pool is None:
        raise Refusal(ErrorCode.NOT_FOUND, UNKNOWN_POOL)
    return pool


def _refused(code: ErrorCode, detail: str, why: str, *, pointer: str = "/name") -> Refusal:
    return Refusal(code, detail, errors=(FieldError(pointer=pointer, code=why, detail=detail),))
