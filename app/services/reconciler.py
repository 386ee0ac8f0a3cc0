"""Asking providers what became of messages that they have had for long, and what they bill for them.

A few questions at a time, in connections of their own, so that no send waits for one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from app.domain.evidence import FetchAnswer, NoAnswer, ProviderMessage
from app.domain.foreign import storable_message
from app.domain.policy import LifecyclePolicy
from app.domain.reconciling import looked_up
from app.services.records import ProviderRecords
from app.services.sparing import all_or_each
from app.services.webhooks import Adapters, capabilities_of
from app.store.changes import apply_changes
from app.store.engine import Autocommit, Engine, transaction
from app.store.queue import lock_attempts
from app.store.reconciling import Look, take_looks
from app.telemetry import get_logger

_log = get_logger(__name__)
LOOKS: Final = 8
"""How many messages a worker looks up at once."""

_POLL_SECONDS: Final = 1.0

Answered = tuple[Look, FetchAnswer]


class Reconciler:
    """The use cases of reconciling. Any number of workers may do it at once."""

    def __init__(
        self, engine: Engine, adapters: Adapters, records: ProviderRecords, policy: LifecyclePolicy, *, lease: timedelta
    ) -> None:
        """Take the store, the providers, the way to ask them, and the times.

        After `lease` a look is taken for lost with its worker; it counts, and another one follows. For so long a
        provider is left alone that did not answer.
        """
        self._lease = lease
        self._engine = engine
        self._adapters = adapters
        self._records = records
        self._policy = policy
        self._silent: dict[str, float] = {}
        """Providers that did not answer, each with the moment on the monotonic clock until which it is left alone."""

    async def work(self) -> None:
        """Look up what falls due, until cancelled; what is cut short is looked up again. Raises `StoreUnavailable`."""
        while True:
            if await self.run() < LOOKS:
                await asyncio.sleep(_POLL_SECONDS)

    async def run(self) -> int:
        """Look up what is due, so many at once; return how many those were. Raises `StoreUnavailable`."""
        now = time.monotonic()
        self._silent = {provider: until for provider, until in self._silent.items() if until > now}
        async with Autocommit(self._engine).connect() as connection:
            looks = await take_looks(
                connection, limit=LOOKS, unless_concluded=self._lease, leaving_alone=self._silent.keys()
            )
        answered = list(zip(looks, await asyncio.gather(*map(self._ask, looks)), strict=True))
        self._note_silence(answered)
        await self._conclude(answered)
        return len(looks)

    def _note_silence(self, answered: Sequence[Answered]) -> None:
        """Leave a provider alone for a while that was asked and told nothing, so that it holds up nobody else."""
        until = time.monotonic() + self._lease.total_seconds()
        asked = {look.provider for look, _ in answered if self._can_be_asked(look)}
        told = {look.provider for look, answer in answered if not isinstance(answer, NoAnswer)}
        self._silent |= dict.fromkeys(asked - told, until)

    def _can_be_asked(self, look: Look) -> bool:
        return look.provider_message_id is not None and capabilities_of(self._adapters, look.provider).fetch

    async def _ask(self, look: Look) -> FetchAnswer:
        if look.provider_message_id is None or not self._can_be_asked(look):
            return NoAnswer(reason="cannot be asked")
        answer = await self._records.fetch(look.provider, look.provider_message_id)
        return storable_message(answer) if isinstance(answer, ProviderMessage) else answer

    async def _conclude(self, answered: Sequence[Answered]) -> None:
        """Write what the answers mean; one that cannot be written costs the others nothing."""
        # One that is left out is looked up again, as often as it may be.
        await all_or_each(self._write, answered, work="reconcile", message_id=lambda each: each[0].attempt.message_id)

    async def _write(self, answered: Sequence[Answered]) -> None:
        by_attempt = {(look.attempt.message_id, look.attempt.number): (look, answer) for look, answer in answered}
        if not by_attempt:
            return
        async with transaction(self._engine) as connection:
            changes = []
            for work in await lock_attempts(connection, list(by_attempt)):
                look, answer = by_attempt[work.state.id, work.attempt.number]
                changes.append(
                    looked_up(work.state, work.attempt, answer, looks=look.number, now=work.now, policy=self._policy)
                )
            await apply_changes(connection, changes)
        for change in changes:
            _log.info(
                "looked up",
                message_id=str(change.message_id),
                status=change.status.value,
                reason=change.event.reason,
            )
