"""What one worker asks about unknown outcomes: each question a task, so many at once, or one by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from app.services.resolver import Question, Resolver
from app.telemetry import get_logger

_log = get_logger(__name__)

Keep = Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]
"""Does something, and again after each loss of the database."""


class Questions:
    """Questions under way, from what is due until what was answered is written."""

    def __init__(self, resolver: Resolver, *, most: int, keep: Keep, on_end: Callable[[], None]) -> None:
        """Take who asks, how many there may be at once, what outlasts the database, and whom to tell of an end."""
        self._resolver = resolver
        self._most = most
        self._keep = keep
        self._on_end = on_end
        self.tasks: set[asyncio.Task[None]] = set()
        """Those under way, and what is about to begin some."""

    @property
    def idle(self) -> bool:
        """Whether nothing is being asked, nor about to be."""
        return not self.tasks

    async def begin(self) -> None:
        """Ask about what is due, as far as there is room; raises `StoreUnavailable`.

        To cancel this breaks nothing off: what is written as asked and is asked by nobody looks as if its worker had
        died over it.
        """
        free = self._most - len(self.tasks)
        if not free:
            return
        beginning = asyncio.create_task(self._begin(free))
        self.tasks.add(beginning)
        beginning.add_done_callback(self._have_begun)
        await asyncio.shield(beginning)

    async def begin_alone(self) -> bool:
        """Ask about one that is to be asked about by itself; False if none is due. Raises `StoreUnavailable`."""
        question = await self._resolver.begin_alone()
        if question is None:
            return False
        self._start(question)
        return True

    async def _begin(self, limit: int) -> None:
        for question in await self._resolver.begin(limit=limit):
            self._start(question)

    def _have_begun(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled():
            task.exception()  # Whoever waits for it is told; after a stop nobody does, and asyncio would complain.

    def _start(self, question: Question) -> None:
        task = asyncio.create_task(self._inquire(question))
        self.tasks.add(task)
        task.add_done_callback(self._end)

    async def _inquire(self, question: Question) -> None:
        answer = await self._resolver.ask(question)

        async def conclude() -> None:
            await self._resolver.conclude(question, answer)

        try:
            await self._keep(conclude)
        except Exception:  # noqa: BLE001 - its lease ends and a rescue takes over; the log has the trace
            _log.exception("inquiry not concluded", message_id=str(question.assignment.attempt.message_id))

    def _end(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        self._on_end()
