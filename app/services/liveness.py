"""Who of the workers lives: this one shows that it does, and sees soon that another does not."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from app.store.engine import Autocommit, Engine, StoreRefused, StoreUnavailable
from app.store.workers import Server, hold_lock, new_worker, server_of, suspects
from app.telemetry import get_logger

_log = get_logger(__name__)

_SWEEPS_APART: Final = 0.5
"""How many seconds a lock must have been seen free before its worker counts as dead."""

_QUIET_SECONDS: Final = 10.0
"""So long after Postgres began, or another one took its place, only leases decide: all locks were freed at once."""

_RECONNECT_SECONDS: Final = 3.0
"""So long after this worker lost its connection to a Postgres that went on: others may have lost theirs with it."""


class Liveness:
    """One worker's number and lock, and its eye on the others.

    Behind a pooler that does not keep sessions, locks say nothing: `enabled` is then to be false, and leases decide.
    """

    def __init__(self, engine: Engine, *, enabled: bool = True) -> None:
        """Take the store."""
        self._engine = engine
        self._autocommit = Autocommit(engine)
        self._enabled = enabled
        self._worker: int | None = None
        self._is_held = False
        self._doubt = asyncio.Event()
        """Set when the lock may be lost, which is then looked at without delay."""

        self._seen_free: dict[int, float] = {}
        self._quiet_until = 0.0
        self._server: Server | None = None
        self._is_doubtful = True
        """Whether the server may be another one than it was."""

    @property
    def worker(self) -> int | None:
        """This worker's number; None while it does not hold its lock, so that nobody takes it for dead."""
        return self._worker if self._is_held else None

    async def hold(self) -> None:
        """Hold this worker's lock until cancelled; raises `StoreUnavailable` when it cannot, to be called again.

        One that is lost is taken again at once, for others look twice in half a second.
        """
        while self._enabled:
            try:
                if self._worker is None:
                    self._worker = await new_worker(self._engine)
                await hold_lock(self._engine, self._worker, self._held, doubt=self._doubt)
            except StoreUnavailable as error:
                was_held, self._is_held = self._is_held, False
                if not isinstance(error, StoreRefused):
                    self.lost_database()
                elif not was_held:
                    # Whatever holds the lock of this number does not let go of it.
                    self._worker = None
                if not was_held:
                    raise
            finally:
                self._is_held = False

    def lost_database(self) -> None:
        """Note that a connection was lost, or all of Postgres: for a while only leases decide."""
        self._is_doubtful = True
        self._doubt.set()
        self._be_quiet(_RECONNECT_SECONDS)

    def _be_quiet(self, seconds: float) -> None:
        self._quiet_until = max(self._quiet_until, time.monotonic() + seconds)
        self._seen_free = {}

    async def dead(self) -> frozenset[int]:
        """Name the workers whose lock was free in two looks; to be called about twice a second.

        Raises `StoreUnavailable`. One that is named wrongly is only fenced: what it sends is settled as evidence.
        """
        if not self._enabled:
            return frozenset()
        async with self._autocommit.connect() as connection:
            free = await suspects(connection)
            if free or self._is_doubtful:
                self._meet(await server_of(connection))
        now = time.monotonic()
        if now < self._quiet_until:
            return frozenset()
        self._seen_free = {worker: self._seen_free.get(worker, now) for worker in free}
        return frozenset(worker for worker, since in self._seen_free.items() if now - since >= _SWEEPS_APART)

    def _meet(self, server: Server) -> None:
        """Be quiet while what this server says of locks proves nothing."""
        if self._server is None:
            self._be_quiet(_QUIET_SECONDS - server.age_seconds)
        elif server != self._server or (self._is_doubtful and server.recovered_at is None):
            self._be_quiet(_QUIET_SECONDS)
        self._server, self._is_doubtful = server, False

    async def _held(self) -> None:
        self._is_held = True
        _log.info("lock held", worker=self._worker)
