"""One that cannot be worked on costs the others nothing: a batch that fails is done one by one.

Whatever is wrong with one (a word that nobody here knows, a decision that is not legal, a row that Postgres refuses)
would otherwise end every worker in turn, for it stays the first that is due.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar
from uuid import UUID

from app.store.among import Among
from app.store.engine import StoreUnavailable
from app.telemetry import get_logger

_log = get_logger(__name__)
_SET_ASIDE_SECONDS: Final = 60.0
"""How long a worker leaves alone what it could not work on."""

Item = TypeVar("Item")
Done = TypeVar("Done")


async def all_or_each(
    do: Callable[[Sequence[Item]], Awaitable[None]],
    items: Sequence[Item],
    *,
    work: str,
    message_id: Callable[[Item], UUID],
) -> None:
    """Do a batch, or each item by itself; one that cannot be done is logged. Raises `StoreUnavailable`."""
    try:
        await do(items)
    except StoreUnavailable:
        raise
    except Exception:  # noqa: BLE001 - whatever one of them is, the others are to be done
        _log.exception("batch failed", work=work, items=len(items))
        for item in items:
            await _alone(do, item, work=work, message_id=message_id(item))


async def _alone(do: Callable[[Sequence[Item]], Awaitable[None]], item: Item, *, work: str, message_id: UUID) -> None:
    try:
        await do([item])
    except StoreUnavailable:
        raise
    except Exception:  # noqa: BLE001 - its lease or its turn comes again; the log has the trace
        _log.exception("not done", work=work, message_id=str(message_id))


class Sparing:
    """One kind of work on what is due in the database, with the memory of what could not be worked on."""

    def __init__(self, work: str) -> None:
        """Take what the log calls this work."""
        self._work = work
        self._aside: dict[UUID, float] = {}
        """What could not be done, each with the moment on the monotonic clock at which it is tried again."""

    def aside(self) -> tuple[UUID, ...]:
        """Give what is left alone now."""
        now = time.monotonic()
        self._aside = {key: until for key, until in self._aside.items() if until > now}
        return tuple(self._aside)

    async def do(
        self,
        take: Callable[[Among], Awaitable[list[Done]]],
        find: Callable[[Among], Awaitable[list[UUID]]],
    ) -> list[Done]:
        """Do what is due in one transaction, or, where one spoils that, each that `find` names in one of its own.

        One that cannot be done is logged with its id and left alone for a while. Raises `StoreUnavailable`, but not
        once something is done: that is committed, and its caller has to know of it.
        """
        others = Among(ids=self.aside())
        try:
            return await take(others)
        except StoreUnavailable:
            raise
        except Exception:  # noqa: BLE001 - whatever one of them is, the others are to be done
            _log.exception("batch failed", work=self._work)
        return await self._each(take, await find(others))

    async def _each(self, take: Callable[[Among], Awaitable[list[Done]]], keys: Sequence[UUID]) -> list[Done]:
        done: list[Done] = []
        for key in keys:
            try:
                done += await take(Among(ids=(key,), only=True))
            except StoreUnavailable:
                if not done:
                    raise
                break
            except Exception:  # noqa: BLE001 - it is tried again after a while; the log has the trace
                _log.exception("set aside", work=self._work, id=str(key))
                self._aside[key] = time.monotonic() + _SET_ASIDE_SECONDS
        return done
