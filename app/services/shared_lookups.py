"""Look-ups that are made once for all who ask at the same time."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

_KeyT = TypeVar("_KeyT", bound=Hashable)
_ValueT = TypeVar("_ValueT")


class SharedLookups(Generic[_KeyT, _ValueT]):
    """The look-ups under way, so that what has just run out is not asked for a hundred times at once."""

    def __init__(self) -> None:
        """Begin with none."""
        self._under_way: dict[_KeyT, asyncio.Task[_ValueT]] = {}

    def __contains__(self, key: _KeyT) -> bool:
        """Whether this is being looked up now."""
        return key in self._under_way

    async def get(self, key: _KeyT, look_up: Callable[[], Coroutine[Any, Any, _ValueT]]) -> _ValueT:
        """Wait for the look-up of `key` that is under way, or begin it; raises what it raises."""
        task = self._under_way.get(key)
        if task is None:
            # In a context of its own: it is not the work of the one who happens to ask first.
            task = asyncio.create_task(look_up(), context=contextvars.Context())
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._settled(key, done))
        # One who gives up must not take the answer from the others.
        return await asyncio.shield(task)

    def _settled(self, key: _KeyT, task: asyncio.Task[_ValueT]) -> None:
        del self._under_way[key]
        if not task.cancelled():
            task.exception()  # read here too, for nobody may be waiting any more
