"""An event loop in a thread of its own: clients and proxies go on there while the main thread waits for processes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, Final, Self, TypeVar

_T = TypeVar("_T")
_LONGEST_CALL_SECONDS: Final = 300.0
_END_SECONDS: Final = 20.0
_ROUNDS: Final = 3
"""Of the loop, in which connections that were closed do close."""


class Backstage:
    """The running loop, until the block ends."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="backstage", daemon=True)

    def start(self, work: Coroutine[Any, Any, _T]) -> Future[_T]:
        """Begin something there."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call(self, work: Coroutine[Any, Any, _T], *, within_seconds: float = _LONGEST_CALL_SECONDS) -> _T:
        """Do something there and wait for it; raises `TimeoutError`."""
        future = self.start(work)
        try:
            return future.result(within_seconds)
        finally:
            future.cancel()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.call(_end_all(), within_seconds=_END_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_END_SECONDS)
        self._loop.close()


async def _end_all() -> None:
    """End whatever is left there."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    for _ in range(_ROUNDS):
        await asyncio.sleep(0)
