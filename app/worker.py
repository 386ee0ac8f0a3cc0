"""The worker process: its loops, and a stop that loses nothing.

Dispatch claims what is due and sends it; settling writes what came of it; receipts are read and
applied; the watch rescues, resolves, reconciles and cleans up. Any number of workers may run, anywhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Final, assert_never

from app import telemetry
from app.bootstrap import QUESTIONS, WorkerContext, build_worker, spare_the_collector
from app.services.dispatch import Result
from app.services.isolation import LoneKind, LoneTurns
from app.services.questions import Questions
from app.services.sends import Sends
from app.services.submitting import NEVER_BEGUN, Assignment
from app.services.unstarted import give_back_unstarted
from app.settings import DispatchSettings, Settings
from app.store import acceptance, intake
from app.store.engine import StoreRefused, StoreUnavailable, transaction
from app.store.notifications import listen

_log = telemetry.get_logger(__name__)
_BATCH: Final = 256
_WATCH_SECONDS: Final = 0.5
_HOUSEKEEPING_SECONDS: Final = 600.0
_UNSOUND_SECONDS: Final = 5.0
"""How often a database is asked again that nothing should be entrusted to."""

_RETRY_SECONDS: Final = 1.0
"""The longest pause after the database did not answer, of which a random part is taken."""


class Worker:
    """One worker; `run` returns after `stop`."""

    def __init__(self, context: WorkerContext, settings: DispatchSettings) -> None:
        """Take the services and the limits."""
        self._context = context
        self._settings = settings
        self._running: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._cut_short = False
        self._wake_dispatch = asyncio.Event()
        self._wake_receipts = asyncio.Event()
        wake, spare = self._wake_dispatch.set, context.circuits.hanging
        self._sends = Sends(self._send, concurrency=settings.concurrency, on_room=wake, spare=spare)
        self._results: asyncio.Queue[Result] = asyncio.Queue()
        self._questions = Questions(context.resolver, most=QUESTIONS, keep=self._keep, on_end=wake)
        self._settling = False
        self._lone_turns = LoneTurns(send_seconds=settings.lease_seconds)

    def stop(self) -> None:
        """Claim nothing more, finish what was begun; a second call leaves that to the leases."""
        if self._stopping.is_set() and self._running is not None:
            self._cut_short = True
            self._running.cancel()
        self._stopping.set()
        self._sends.close()
        self._wake_dispatch.set()
        self._wake_receipts.set()

    async def run(self) -> None:
        """Work until told to stop, then drain.

        Any exception but a lost database is a bug: it ends the whole worker at once, loudly, and the
        leases let another one take over.
        """
        _log.info("worker started", concurrency=self._settings.concurrency)
        self._running = asyncio.current_task()
        try:
            await self._work()
        except asyncio.CancelledError:
            if not self._cut_short:
                raise
            _log.warning("drain cut short", sends=len(self._sends.tasks), unsettled=self._results.qsize())
        finally:
            for task in self._sends.tasks | self._questions.tasks:
                task.cancel()
            await self._context.transport.aclose()
            await self._context.engine.dispose()
        _log.info("worker stopped")

    async def _work(self) -> None:
        """Work, then drain; the lock is held until then, or others would take over what is still being sent."""
        async with asyncio.TaskGroup() as group:
            holding = group.create_task(self._keep(self._context.liveness.hold))
            try:
                await self._work_until_stopped()
            finally:
                if not self._cut_short:
                    await self._drain()
                holding.cancel()

    async def _work_until_stopped(self) -> None:
        own = (self._listen, self._settle_forever, self._read_receipts, self._watch, self._resolve, self._keep_house)
        async with asyncio.TaskGroup() as group:
            background = [group.create_task(self._keep(loop)) for loop in (*own, *self._context.loops)]
            await self._spread_out()
            await self._keep(self._wait_until_sound)
            await self._keep(self._dispatch)
            for task in background:
                task.cancel()

    async def _keep(self, loop: Callable[[], Awaitable[None]]) -> None:
        """Run one loop, and again after each loss of the database."""
        while True:
            try:
                await loop()
            except StoreUnavailable as error:
                if not isinstance(error, StoreRefused):
                    self._context.liveness.lost_database()
                _log.warning("database unavailable", loop=loop.__name__, reason=str(error))
                await asyncio.sleep(random.uniform(0, _RETRY_SECONDS))  # noqa: S311 - spreads reconnects
            else:
                return

    async def _spread_out(self) -> None:
        """Wait a moment, so that workers which are started together do not claim together."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(random.uniform(0, self._settings.start_spread_seconds)):  # noqa: S311 - spreads starts
                await self._stopping.wait()

    async def _wait_until_sound(self) -> None:
        """Claim nothing while the database may lose what it commits, or one of the two clocks is far off."""
        while not self._stopping.is_set():
            async with transaction(self._context.engine) as connection:
                verdict = await self._context.soundness.judge(connection)
            if not verdict.hindrances:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_UNSOUND_SECONDS):
                    await self._stopping.wait()

    async def _dispatch(self) -> None:
        while not self._stopping.is_set():
            claimed = await self._claim()
            self._sends.begin(claimed)
            if not claimed:
                await self._pause(self._wake_dispatch, at_most=self._context.dispatcher.ready_in())

    async def _claim(self) -> list[Assignment]:
        """Claim as much as there is room for, or in a lone turn one message once nothing else is under way."""
        if self._lone_turns.is_called:
            if not self._is_idle():
                return []
            lone = await self._begin_alone()
            if lone or self._lone_turns.is_called:
                return lone
        room = self._sends.room()
        claim = self._context.dispatcher.claim
        return await claim(limit=min(room.all, _BATCH), others=room.others) if room.all else []

    def _is_idle(self) -> bool:
        """Whether nothing is under way against which this worker's death would be counted."""
        settled = self._results.empty() and not self._settling
        return settled and self._sends.idle and self._questions.idle

    async def _begin_alone(self) -> list[Assignment]:
        """Resend one message or claim one; where there is none, or the turn is over, the others have theirs."""
        if self._lone_turns.goes_on(now=time.monotonic()):
            for kind in self._lone_turns.order:
                begun = await self._begin_one(kind)
                if begun is not None:
                    self._lone_turns.went_out(kind)
                    return begun
        self._lone_turns.end(now=time.monotonic())
        return []

    async def _begin_one(self, kind: LoneKind) -> list[Assignment] | None:
        """Begin one message of this kind, and give what is to be sent for it; None where none is due."""
        match kind:
            case LoneKind.RESEND:
                return [] if await self._questions.begin_alone() else None
            case LoneKind.SEND:
                return await self._context.dispatcher.claim(limit=1, alone=True) or None
            case _:
                assert_never(kind)

    async def _pause(self, wake: asyncio.Event, *, at_most: float = math.inf) -> None:
        """Wait to be woken, `at_most` so many seconds and until the next poll; polling is the truth."""
        if self._stopping.is_set():
            return
        try:
            async with asyncio.timeout(min(self._settings.poll_seconds, at_most)):
                await wake.wait()
        except TimeoutError:
            return
        wake.clear()

    async def _send(self, assignment: Assignment) -> None:
        self._results.put_nowait(await self._context.dispatcher.send(assignment))

    async def _settle_forever(self) -> None:
        while True:
            await self._settle_batch([await self._results.get()])

    async def _settle_batch(self, batch: list[Result]) -> None:
        """Settle these results and whatever else has come; if that cannot be, they are kept for another try."""
        while len(batch) < _BATCH and not self._results.empty():
            batch.append(self._results.get_nowait())
        self._settling = True
        settling = asyncio.create_task(self._context.dispatcher.settle(batch))
        try:
            await asyncio.shield(settling)
        finally:
            # A stop lets it come to its end, or nobody would know whether it was committed.
            await asyncio.wait({settling})
            if settling.cancelled() or settling.exception() is not None:
                # Beyond the lease a rescue owns them, and they are evidence still.
                for result in batch:
                    self._results.put_nowait(result)
            self._settling = False
            if self._lone_turns.is_called:
                self._wake_dispatch.set()

    async def _read_receipts(self) -> None:
        while not self._stopping.is_set():
            if not await self._context.reports.process_receipts(limit=_BATCH):
                await self._pause(self._wake_receipts)

    async def _watch(self) -> None:
        while not self._stopping.is_set():
            if await self._context.rescue.take_over(limit=_BATCH):
                self._wake_dispatch.set()
            if self._lone_turns.listens(now=time.monotonic()):
                due = await self._context.dispatcher.has_lone(besides=self._context.resolver.aside())
                self._lone_turns.hear(due=due, now=time.monotonic())
                if self._lone_turns.is_called:
                    self._wake_dispatch.set()
            for late in self._sends.take_unstarted(late=True):  # where a provider has fallen silent
                self._results.put_nowait(Result(assignment=late, outcome=NEVER_BEGUN))
            await self._context.reports.apply_orphans()
            await asyncio.sleep(_WATCH_SECONDS)

    async def _resolve(self) -> None:
        while not self._stopping.is_set():
            if not self._lone_turns.is_called:
                await self._questions.begin()
            await asyncio.sleep(_WATCH_SECONDS)

    async def _keep_house(self) -> None:
        while not self._stopping.is_set():
            await self._context.maintenance.make_partitions()
            await self._context.maintenance.prune()
            await asyncio.sleep(_HOUSEKEEPING_SECONDS)

    async def _listen(self) -> None:
        events = {acceptance.WAKE_CHANNEL: self._wake_dispatch, intake.WAKE_CHANNEL: self._wake_receipts}
        await listen(self._context.engine, list(events), lambda channel: events[channel].set())

    async def _drain(self) -> None:
        """Give back what was not begun, finish the rest and write what came of it; the lease covers what is left."""
        self._sends.close()
        _log.info("draining", sends=len(self._sends.tasks))
        try:
            async with asyncio.timeout(self._settings.drain_seconds):
                await self._keep(self._give_back)
                while under_way := self._sends.tasks | self._questions.tasks:
                    await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                    await self._keep(self._settle_rest)
                await self._keep(self._settle_rest)
        except TimeoutError:
            _log.warning("drain ended early", sends=len(self._sends.tasks), unsettled=self._results.qsize())

    async def _give_back(self) -> None:
        """Return what was claimed and not begun at the moment of the stop, or by claims that were never answered."""
        if unstarted := {each.attempt: each.fence for each in self._sends.unstarted}:
            await give_back_unstarted(self._context.engine, unstarted)
            self._sends.take_unstarted()
        await self._context.dispatcher.claim(limit=0)

    async def _settle_rest(self) -> None:
        while not self._results.empty():
            await self._settle_batch([])


async def work(settings: Settings) -> None:
    """Run one worker until SIGTERM or SIGINT."""
    worker = Worker(build_worker(settings), settings.dispatch)
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, worker.stop)
    await worker.run()


def serve(settings: Settings) -> None:
    """Run the worker process."""
    telemetry.configure(json=settings.log_json, level=settings.log_level, component="worker")
    spare_the_collector()
    asyncio.run(work(settings))
