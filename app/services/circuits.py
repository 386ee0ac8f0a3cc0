"""What the workers make of calls that fail: each counts its own, and all write them into one circuit per provider.

While all goes well nothing is written. Each quarter of a second a worker looks at what it saw; it writes that down
where a call failed, or where the circuit is in such a state that it matters which calls went well.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Collection
from datetime import datetime, timedelta
from typing import Final

from app.domain.call_watch import CallWatch, Seen
from app.domain.circuit_breaker import Circuit, CircuitState, Observation, Verdict, listens, observed, verdict_of
from app.domain.provider import SendOutcome
from app.store.circuits import lay_circuits, lock_circuits, read_circuits, write_circuit
from app.store.engine import Autocommit, Engine, transaction
from app.telemetry import get_logger

_log = get_logger(__name__)
_FLUSH_SECONDS: Final = 0.25


class Circuits:
    """One worker's side of the circuits; times are on the monotonic clock until they are written."""

    def __init__(self, engine: Engine) -> None:
        """Take the store; nothing was seen yet."""
        self._engine = engine
        self._autocommit = Autocommit(engine)
        self._watches: defaultdict[str, CallWatch] = defaultdict(CallWatch)
        self._left: set[str] = set()
        """Providers whose circuits were not closed when this worker last wrote into them."""

    async def watch(self, provider: str, attempt: Awaitable[SendOutcome]) -> SendOutcome:
        """Make one attempt at a provider, and count what became of it."""
        watch = self._watches[provider]
        call = watch.begin(now=time.monotonic())
        verdict: Verdict | None = None
        try:
            outcome = await attempt
            verdict = verdict_of(outcome)
        finally:
            watch.end(call, verdict, now=time.monotonic())
        return outcome

    def hanging(self) -> int:
        """Count the calls that hang at providers which are left alone: they need not take places from others."""
        return sum(self._watches[provider].overdue for provider in self._left)

    async def work(self) -> None:
        """Write what was seen whenever it matters, for ever; what could not be written is kept.

        Raises `StoreUnavailable`.
        """
        while True:
            await self.flush()
            await asyncio.sleep(_FLUSH_SECONDS)

    async def flush(self) -> None:
        """Look at all calls, and write down what matters of them. Raises `StoreUnavailable`."""
        now = time.monotonic()
        for watch in self._watches.values():
            watch.look(now=now)
        troubled = {provider for provider, watch in self._watches.items() if watch.has_trouble}
        others = {provider for provider, watch in self._watches.items() if watch.has_seen} - troubled
        if others:
            async with self._autocommit.connect() as connection:
                found, at = await read_circuits(connection, others)
            troubled |= {provider for provider, circuit in found.items() if listens(circuit, now=at)}
        if troubled:
            await self._write(troubled)

    async def _write(self, providers: Collection[str]) -> None:
        taken: dict[str, list[Seen]] = {provider: self._watches[provider].take() for provider in providers}
        try:
            folded = await self._fold(taken)
        except BaseException:
            for provider, seen in taken.items():
                self._watches[provider].put_back(seen)
            raise
        for provider, (before, after) in folded.items():
            (self._left.discard if after.state is CircuitState.CLOSED else self._left.add)(provider)
            _tell(provider, before, after)

    async def _fold(self, taken: dict[str, list[Seen]]) -> dict[str, tuple[Circuit, Circuit]]:
        """Fold it into the circuits, and give each as it was and as it is."""
        folded: dict[str, tuple[Circuit, Circuit]] = {}
        async with transaction(self._engine) as connection:
            # Right before the database takes its own time, so that what is reckoned from both is a trifle late at most.
            asked = time.monotonic()
            await lay_circuits(connection, taken)
            circuits, now = await lock_circuits(connection, taken)
            for provider, before in circuits.items():
                seen = [_observation(each, asked=asked, now=now) for each in taken[provider]]
                after = observed(before, seen, now=now, jitter=random.random())  # noqa: S311 - spreads trials
                if after != before:
                    await write_circuit(connection, provider, after)
                folded[provider] = (before, after)
        return folded


def _observation(seen: Seen, *, asked: float, now: datetime) -> Observation:
    """Reckon the database's times from a moment that is known on both clocks."""
    return Observation(
        verdict=seen.verdict,
        count=seen.count,
        begun_at=now - timedelta(seconds=asked - seen.begun),
        ended_at=now - timedelta(seconds=asked - seen.last_ended),
    )


def _tell(provider: str, before: Circuit, after: Circuit) -> None:
    """Log a change of state, which one worker makes and so one tells."""
    if after.state is before.state:
        return
    if after.state is CircuitState.OPEN and after.open_until is not None and after.changed_at is not None:
        seconds = round((after.open_until - after.changed_at).total_seconds(), 1)
        _log.warning("circuit opened", provider=provider, seconds=seconds, openings=after.openings)
    elif after.state is CircuitState.CLOSED:
        _log.info("circuit closed", provider=provider)
