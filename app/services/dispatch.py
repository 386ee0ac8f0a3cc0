"""Sending: claim (in `claiming`), send without holding a connection, settle in batches."""

from __future__ import annotations

import math
import random
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never

from app.domain.attempt_token import write_token
from app.domain.change import Change
from app.domain.delivery_errors import DeliveryError
from app.domain.foreign import storable_outcome
from app.domain.http import FailurePhase, TransportFailure
from app.domain.lifecycle import LifecyclePolicy, rescue, resolve, settle
from app.domain.provider import (
    Deferred,
    ProviderAdapter,
    ProviderFailure,
    SendContext,
    SendOutcome,
    SendRequest,
    Unknown,
)
from app.domain.references import AttemptRef
from app.services.claiming import Claimed, Claims
from app.services.webhooks import Adapters
from app.store.changes import apply_changes
from app.store.engine import Engine, StoreUnavailable, transaction
from app.store.queue import lock_attempts, lock_left_behind, lock_unresolved, next_fence
from app.telemetry import get_logger
from app.transport import TOO_LATE, Transport

_log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """One attempt that this worker has to make; its intent is already committed."""

    attempt: AttemptRef
    provider: str
    fence: int
    begin_before: float
    """On the monotonic clock: a worker that was stopped for longer must not begin any more."""

    worth_until: float
    """On the monotonic clock, and never later than `expires_at` is on the database's: after it the message is stale.

    The machine's wall clock has no part in it, so it may be wrong.
    """

    send: SendRequest = field(repr=False)
    """Its validity is as of the claim; the provider is told what is left at the send."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of an assignment."""

    assignment: Assignment
    outcome: SendOutcome


@dataclass(frozen=True, kw_only=True)
class DispatchConfig:
    """What a dispatcher is told at start-up."""

    public_url: str
    secret: bytes = field(repr=False)
    lease: timedelta
    send_deadline: timedelta
    policy: LifecyclePolicy


class Dispatcher:
    """The use cases of sending. Any number of them may run at once, on any number of machines."""

    def __init__(self, engine: Engine, adapters: Adapters, transport: Transport, config: DispatchConfig) -> None:
        """Take the store, the providers, the way out and the times."""
        self._engine = engine
        self._adapters = adapters
        self._transport = transport
        self._config = config
        self._claims = Claims(engine, lease=config.lease)

    async def claim(self, *, limit: int) -> list[Assignment]:
        """Take up to `limit` due messages: write *sending* and the attempt, and commit before any byte leaves.

        Stale ones expire instead.

        Raises `StoreUnavailable`; a claim whose commit may have happened all the same is remembered, and
        given back by a later one, because nothing of it was begun. A message that cannot be claimed is
        logged and left alone for a while; it costs the others nothing.
        """
        return [self._assignment(claimed) for claimed in await self._claims.take(limit=limit)]

    async def send(self, assignment: Assignment) -> Result:
        """Make one attempt; every ending is an outcome, and every outcome can be stored."""
        outcome = storable_outcome(await self._attempt(assignment))
        _log.info(
            "attempt",
            message_id=str(assignment.attempt.message_id),
            attempt=assignment.attempt.number,
            provider=assignment.provider,
            outcome=type(outcome).__name__.lower(),
        )
        return Result(assignment=assignment, outcome=outcome)

    async def settle(self, results: Sequence[Result]) -> None:
        """Write what came of a batch of attempts, in one transaction.

        Where that fails for another reason than a lost database, each is settled by itself, so that one
        which cannot be written costs the others nothing.
        """
        try:
            await self._settle(results)
        except StoreUnavailable:
            raise
        except Exception:  # noqa: BLE001 - whatever one of them is, the others are to be written
            _log.exception("batch not settled", results=len(results))
            for result in results:
                await self._settle_alone(result)

    async def _settle(self, results: Sequence[Result]) -> None:
        by_attempt = {(r.assignment.attempt.message_id, r.assignment.attempt.number): r for r in results}
        async with transaction(self._engine) as connection:
            changes = []
            for work in await lock_attempts(connection, list(by_attempt)):
                result = by_attempt[work.state.id, work.attempt.number]
                changes.append(
                    settle(
                        work.state,
                        work.attempt,
                        result.outcome,
                        fence=result.assignment.fence,
                        tries=work.tries,
                        now=work.now,
                        jitter=random.random(),  # noqa: S311 - spreads retries, guards nothing
                        policy=self._config.policy,
                    )
                )
            await apply_changes(connection, changes)

    async def _settle_alone(self, result: Result) -> None:
        try:
            await self._settle([result])
        except StoreUnavailable:
            raise
        except Exception:  # noqa: BLE001 - its lease ends and a rescue takes over; the log has the trace
            _log.exception("result not settled", message_id=str(result.assignment.attempt.message_id))

    async def rescue(self, *, limit: int) -> int:
        """Take over what workers left behind beyond their lease; return how many messages."""
        async with transaction(self._engine) as connection:
            work = await lock_left_behind(connection, limit=limit)
            if not work:
                return 0
            fence = await next_fence(connection)
            policy = self._config.policy
            changes = [rescue(w.state, w.attempt, fence=fence, now=w.now, policy=policy) for w in work]
            await apply_changes(connection, changes)
        _warn("worker lost", changes)
        return len(changes)

    async def resolve(self, *, limit: int) -> int:
        """End the wait for evidence where it has lasted long enough; return for how many messages."""
        async with transaction(self._engine) as connection:
            work = await lock_unresolved(connection, limit=limit)
            changes = [resolve(w.state, w.attempt, now=w.now) for w in work]
            if changes:
                await apply_changes(connection, changes)
        _warn("no evidence", changes)
        return len(changes)

    async def _attempt(self, assignment: Assignment) -> SendOutcome:
        now = time.monotonic()
        if now >= assignment.worth_until:
            return Deferred(failure=ProviderFailure(error=DeliveryError.EXPIRED))
        if now > assignment.begin_before:
            late = ProviderFailure(error=DeliveryError.PROVIDER_UNAVAILABLE, provider_code="worker-was-stopped")
            return Deferred(failure=late)
        adapter = self._adapters.get(assignment.provider)
        if adapter is None:
            return Deferred(failure=ProviderFailure(error=DeliveryError.PROVIDER_MISSING))
        try:
            return await self._perform(adapter, assignment)
        except Exception:  # noqa: BLE001 - whatever has a bug here, the other messages go on, and nothing is guessed
            _log.exception("send failed", provider=assignment.provider, attempt=str(assignment.attempt))
            return Unknown(failure=ProviderFailure(error=DeliveryError.OUTCOME_UNKNOWN, provider_code="gateway-error"))

    async def _perform(self, adapter: ProviderAdapter[Any], assignment: Assignment) -> SendOutcome:
        context = SendContext(
            attempt=assignment.attempt,
            now=datetime.now(UTC),
            status_url=self._status_url(assignment),
            nonce=secrets.token_hex(16),
        )
        try:
            request = adapter.build_send(_as_of_now(assignment), context)
        except Exception:  # noqa: BLE001 - a provider's file has a bug; nothing was sent
            _log.exception("adapter error", step="build_send", provider=assignment.provider)
            return Deferred(failure=ProviderFailure(error=DeliveryError.UNKNOWN, provider_code="adapter-error"))
        response = await self._transport.perform(request, not_after=assignment.worth_until)
        return _failed(response) if isinstance(response, TransportFailure) else adapter.parse_send(response)

    def _assignment(self, claimed: Claimed) -> Assignment:
        due = claimed.due
        worth_seconds = (due.state.expires_at - due.now).total_seconds()
        return Assignment(
            attempt=AttemptRef(message_id=due.state.id, number=claimed.begun.attempts),
            provider=due.provider,
            fence=claimed.fence,
            begin_before=claimed.asked_at + (self._config.lease - self._config.send_deadline).total_seconds(),
            worth_until=claimed.asked_at + worth_seconds,
            send=SendRequest(
                sender=due.sender,
                recipient=due.recipient,
                body=due.body,
                segments=due.segments,
                validity_seconds=_whole_seconds(worth_seconds),
            ),
        )

    def _status_url(self, assignment: Assignment) -> str:
        provider = assignment.provider
        token = write_token(assignment.attempt, provider=provider, secret=self._config.secret)
        return f"{self._config.public_url}/v1/webhooks/{provider}/status/{token}"


def _as_of_now(assignment: Assignment) -> SendRequest:
    """Tell the provider what is left of the message's validity now: the assignment may have waited."""
    left = assignment.worth_until - time.monotonic()
    return replace(assignment.send, validity_seconds=_whole_seconds(left))


def _whole_seconds(seconds: float) -> int:
    """Round down, so that no provider goes on for longer than the message is worth; none takes less than 1."""
    return max(1, math.floor(seconds))


def _failed(failure: TransportFailure) -> SendOutcome:
    """Draw the line that everything rests on: without a connection nothing was sent; with one, who knows."""
    match failure.phase:
        case FailurePhase.NOT_CONNECTED if failure.reason == TOO_LATE:
            return Deferred(failure=ProviderFailure(error=DeliveryError.EXPIRED))
        case FailurePhase.NOT_CONNECTED:
            error = DeliveryError.PROVIDER_UNAVAILABLE
            return Deferred(failure=ProviderFailure(error=error, provider_code=failure.reason))
        case FailurePhase.CONNECTED:
            error = DeliveryError.OUTCOME_UNKNOWN
            return Unknown(failure=ProviderFailure(error=error, provider_code=failure.reason))
        case _:
            assert_never(failure.phase)


def _warn(what: str, changes: Sequence[Change]) -> None:
    for change in changes:
        _log.warning(what, message_id=str(change.message_id), status=change.status.value)
