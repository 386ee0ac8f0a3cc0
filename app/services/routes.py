"""Setting and removing routes: where an account's messages go that name no sender."""

from __future__ import annotations

from uuid import UUID

from app.domain.errors import ErrorCode, FieldError, Refusal
from app.domain.routes import may_be_prefix, pool_of
from app.domain.sender import SenderRefused, check_sender
from app.services.editing import Editor, account_of, note
from app.services.identity import new_id
from app.store.engine import Connection, Engine, transaction
from app.store.pools import keep_pool
from app.store.routes import StoredRoute, remove_route, set_route
from app.store.senders import find_sender

UNKNOWN_ROUTE = "There is no route with this id that this key may use."


class Routes:
    """The use cases of whoever sets routes. The accepting processes follow within five seconds."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine."""
        self._engine = engine

    async def set(self, editor: Editor, *, account: UUID | None, prefix: str, target: str) -> StoredRoute:
        """Lead recipients of a prefix to a sender or a pool of the account; there is one route for each prefix.

        Raises `validation-failed`, `pool-unknown` and `sender-not-owned` for what is no target of this account.
        """
        if not may_be_prefix(prefix):
            detail = "A prefix is a plus and one to seven digits, such as +1 or +4420."
            raise _refused(ErrorCode.VALIDATION_FAILED, detail, "not-a-prefix", pointer="/prefix")
        async with transaction(self._engine) as connection:
            owner = await account_of(connection, editor, account)
            await _require_target(connection, owner, target)
            route = await set_route(connection, route_id=new_id(owner), account_id=owner, prefix=prefix, target=target)
            told = {"route_id": str(route.id), "prefix": prefix, "target": target}
            await note(connection, editor, "routes.set", told)
        return route

    async def remove(self, editor: Editor, route_id: UUID) -> StoredRoute:
        """Remove a route and give it as it was; raises `not-found`."""
        async with transaction(self._engine) as connection:
            route = await remove_route(connection, route_id, account_id=editor.account_id)
            if route is None:
                raise Refusal(ErrorCode.NOT_FOUND, UNKNOWN_ROUTE)
            await note(connection, editor, "routes.remove", {"route_id": str(route_id), "prefix": route.prefix})
        return route


async def _require_target(connection: Connection, account_id: UUID, target: str) -> None:
    name = pool_of(target)
    if name is not None:
        # Kept until the route is there: who deletes the pool finds one or the other.
        if not await keep_pool(connection, account_id, name):
            detail = "The account has no pool of this name. `gateway pools list` shows them."
            raise _refused(ErrorCode.POOL_UNKNOWN, detail, "pool-unknown")
        return
    checked = check_sender(target)
    if isinstance(checked, SenderRefused):
        detail = "`target` must be a sender of the account, or `pool:` and the name of one of its pools."
        raise _refused(ErrorCode.VALIDATION_FAILED, detail, "not-a-target")
    if await find_sender(connection, account_id, checked.address) is None:
        detail = "The account does not own this sender. `gateway senders list` shows those that it owns."
        raise _refused(ErrorCode.SENDER_NOT_OWNED, detail, "sender-not-owned")


def _refused(code: ErrorCode, detail: str, why: str, *, pointer: str = "/target") -> Refusal:
    return Refusal(code, detail, errors=(FieldError(pointer=pointer, code=why, detail=detail),))
