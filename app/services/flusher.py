"""Group commit: what concurrent requests want written shares one statement and one commit.

There is no timer. A lone item is written at once; while a batch is on its way, whatever comes in the
meantime gathers and is the next batch, so batches grow by themselves under load.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from app.store.engine import CommitUnconfirmed, StoreSilent, StoreUnavailable
from app.telemetry import get_logger

_log = get_logger(__name__)
_ItemT = TypeVar("_ItemT")
_OutcomeT = TypeVar("_OutcomeT")

BATCH: Final = 500
"""The most items of one statement."""

WAITING: Final = 2_000
"""How many items may wait; more than that are refused at once, for they would only time out later and fill memory."""


class Flusher(Generic[_ItemT, _OutcomeT]):
    """Writes items in batches, one after the other, and gives each item its own outcome.

    One batch on its way is enough: with a second one both would be half as large, and each costs the same
    whatever its size.

    `write` gets a batch and returns an outcome for each of its items, in their order, after its commit.
    It may be called again with an item whose first write failed or was not answered, and must then not
    write that item twice.
    """

    def __init__(self, write: Callable[[Sequence[_ItemT]], Awaitable[Sequence[_OutcomeT]]]) -> None:
        """Take what writes a batch."""
        self._write = write
        self._waiting: deque[tuple[_ItemT, asyncio.Future[_OutcomeT]]] = deque()
        self._task: asyncio.Task[None] | None = None
        """Writes what waits; None while nothing does."""

    async def submit(self, item: _ItemT) -> _OutcomeT:
        """Have an item written and give its outcome, after the commit that holds it.

        Raises `StoreUnavailable` where the database cannot be reached or too many items wait for it, and
        whatever else `write` raises for this item alone. A caller that is cancelled meanwhile takes
        nothing back: the item may have been written.
        """
        if len(self._waiting) >= WAITING:
            raise StoreUnavailable("too many writes are waiting")
        # The running task knows the loop; to ask which one runs costs a system call.
        loop = asyncio.get_running_loop() if self._task is None else self._task.get_loop()
        outcome: asyncio.Future[_OutcomeT] = loop.create_future()
        self._waiting.append((item, outcome))
        if self._task is None:
            # In a context of its own: it is not the work of the request that happens to begin it.
            self._task = asyncio.create_task(self._flush(), context=contextvars.Context())
        return await outcome

    async def aclose(self) -> None:
        """Wait until nothing waits."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _flush(self) -> None:
        """Write batches until nothing waits."""
        try:
            while self._waiting:
                await self._flush_batch()
        finally:
            self._task = None

    async def _flush_batch(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH))]
        try:
            outcomes = await self._write([item for item, _ in batch])
            for (_, waiter), outcome in zip(batch, outcomes, strict=True):
                _resolve(waiter, outcome)
        except CommitUnconfirmed as error:
            # It is written already. Writing it again would find it here, and not on the standby.
            for _, waiter in batch:
                _refuse(waiter, CommitUnconfirmed(*error.args))
        except StoreSilent as error:
            self._refuse_all(batch, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, each item is to have its own answer
            await self._write_singly(batch, error)
        finally:
            # Whoever is left was cut off with this task, and must not wait for ever.
            for _, waiter in batch:
                _refuse(waiter, StoreUnavailable("the write was cut off"))

    def _refuse_all(self, batch: Sequence[tuple[_ItemT, asyncio.Future[_OutcomeT]]], reason: StoreSilent) -> None:
        """Refuse a batch that was not answered in time, and what has gathered behind it.

        A second try would take as long again, and so would the next batch for those who wait already.
        """
        _log.warning("database silent", items=len(batch), waiting=len(self._waiting))
        for _, waiter in (*batch, *self._waiting):
            _refuse(waiter, StoreSilent(*reason.args))
        self._waiting.clear()

    async def _write_singly(self, batch: Sequence[tuple[_ItemT, asyncio.Future[_OutcomeT]]], reason: Exception) -> None:
        """Write a failed batch one by one, so that an item which cannot be written refuses only itself.

        A database that is away, or that a lock keeps waiting, ends it for all that are left: each further try
        would wait as long, and whoever comes meanwhile waits behind them.
        """
        _log.warning("batch written singly", items=len(batch), reason=type(reason).__name__)
        away: StoreUnavailable | None = None
        for item, waiter in batch:
            if away is not None:
                _refuse(waiter, StoreUnavailable(*away.args))
                continue
            try:
                _resolve(waiter, (await self._write([item]))[0])
            except StoreUnavailable as error:
                away = error
                _refuse(waiter, error)
            except Exception as error:  # noqa: BLE001 - it is the caller's, who waits for it
                _refuse(waiter, error)


def _resolve(waiter: asyncio.Future[_OutcomeT], outcome: _OutcomeT) -> None:
    if not waiter.done():
        waiter.set_result(outcome)


def _refuse(waiter: asyncio.Future[_OutcomeT], error: Exception) -> None:
    if not waiter.done():
        waiter.set_exception(error)
