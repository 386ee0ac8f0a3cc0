"""Which sender a message goes from where its caller names a pool, or nothing: pools and routes, remembered for seconds.

A caller who names a sender does not come here, and pays nothing for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn
from uuid import UUID

from app.domain.errors import ErrorCode, FieldError, Refusal
from app.domain.pools import choose
from app.domain.routes import pool_of, target_for
from app.services.shared_lookups import SharedLookups
from app.store.engine import Engine, transaction
from app.store.pools import StoredPool, list_pools
from app.store.routes import list_routes
from app.store.standing import read_standing

_REMEMBERED_SECONDS: Final = 5.0
_REMEMBERED: Final = 1_000

_DETAILS: Final = {
    ErrorCode.SENDER_MISSING: "Send `from`: a sender of yours, or `pool:<name>`. It may be left out where a route "
    "leads to `to`; `gateway routes set` sets one.",
    ErrorCode.POOL_UNKNOWN: "Your account has no pool of this name. `gateway pools list` shows them, "
    "`gateway pools create` makes one.",
    ErrorCode.NO_SENDER_FOR_DESTINATION: "No member of this pool may send to the country of `to`. Add one to it that "
    "may, or use another pool.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What a message goes from."""

    address: str
    pool: str | None
    """The pool that it was chosen from; None where a route leads to a single sender."""


@dataclass(frozen=True, kw_only=True)
class _Ways:
    """The pools and routes of one account, and the health of all provider accounts."""

    pools: Mapping[str, StoredPool]
    routes: Mapping[str, str]
    health: Mapping[str, float]
    until: float
    """When the store has to be asked again, by the monotonic clock."""


class SenderChoice:
    """Chooses senders. A pool or route that was just added is found at once; a change, within five seconds."""

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the engine to read pools, routes and health from."""
        self._engine = engine
        self._clock = clock
        self._known: dict[UUID, _Ways] = {}
        self._lookups: SharedLookups[UUID, _Ways] = SharedLookups()

    async def choose(self, account_id: UUID, sender: str | None, recipient: str) -> Choice:
        """Choose for a recipient in E.164, from the pool that `sender` names, or by the account's routes.

        Raises `sender-missing`, `pool-unknown`, `no-sender-for-destination`, and `StoreUnavailable`.
        """
        known = self._known.get(account_id)
        if known is not None and known.until > self._clock():
            choice = _choose(known, sender, recipient)
            if choice is not None:
                return choice
        # What is not found may have been added a moment ago.
        ways = await self._lookups.get(account_id, lambda: self._look_up(account_id))
        return _choose(ways, sender, recipient) or _refuse(ways, sender, recipient)

    async def _look_up(self, account_id: UUID) -> _Ways:
        # Counted from before the question: a change between the answer and now is not missed for longer.
        until = self._clock() + _REMEMBERED_SECONDS
        async with transaction(self._engine) as connection:
            pools = await list_pools(connection, account_id)
            routes = await list_routes(connection, account_id)
            health = (await read_standing(connection)).health
        ways = _Ways(
            pools={pool.name: pool for pool in pools},
            routes={route.prefix: route.target for route in routes},
            health=health,
            until=until,
        )
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[account_id] = ways
        return ways


def _choose(ways: _Ways, sender: str | None, recipient: str) -> Choice | None:
    target = target_for(recipient, ways.routes) if sender is None else sender
    if target is None:
        return None
    name = pool_of(target)
    if name is None:
        return Choice(address=target, pool=None)
    pool = ways.pools.get(name)
    if pool is None:
        return None
    member = choose(pool.members, pool_id=pool.id, recipient=recipient, health=ways.health, match_area=pool.match_area)
    return None if member is None else Choice(address=member.address, pool=name)


def _refuse(ways: _Ways, sender: str | None, recipient: str) -> NoReturn:
    target = target_for(recipient, ways.routes) if sender is None else sender
    if target is None:
        code = ErrorCode.SENDER_MISSING
    elif pool_of(target) not in ways.pools:
        code = ErrorCode.POOL_UNKNOWN
    else:
        code = ErrorCode.NO_SENDER_FOR_DESTINATION
    raise Refusal(code, _DETAILS[code], errors=(FieldError(pointer="/from", code=code, detail=_DETAILS[code]),))
