"""Sending: claim with a written intent, send without holding a connection, settle in batches."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, assert_never

from app.domain.attempt_token import write_token
from app.domain.change import Change
from app.domain.delivery_errors import DeliveryError
from app.domain.http import FailurePhase, HttpResponse, TransportFailure
from app.domain.lifecycle import LifecyclePolicy, begin, rescue, resolve, settle
from app.domain.provider import (
    AttemptRef,
    Deferred,
    ProviderAdapter,
    ProviderFailure,
    SendContext,
    SendOutcome,
    SendRequest,
    Unknown,
)
from app.domain.status import MessageStatus
from app.services.webhooks import Adapters
from app.store.changes import apply_changes
from app.store.engine import Engine, transaction
from app.store.queue import (
    DueMessage,
    lock_attempts,
    lock_due,
    lock_left_behind,
    lock_unresolved,
    next_fence,
    seconds_until_due,
)
from app.telemetry import get_logger
from app.transport import Transport

_log = get_logger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """One attempt that this worker has to make; its intent is already committed."""

    attempt: AttemptRef
    provider: str
    fence: int
    send: SendRequest = field(repr=False)


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
    policy: LifecyclePolicy


class Dispatcher:
    """The use cases of sending. Any number of them may run at once, on any number of machines."""

    def __init__(self, engine: Engine, adapters: Adapters, transport: Transport, config: DispatchConfig) -> None:
        """Take the store, the providers, the way out and the times."""
        self._engine = engine
        self._adapters = adapters
        self._transport = transport
        self._config = config

    async def claim(self, *, limit: int) -> list[Assignment]:
        """Take up to `limit` due messages: write *sending* and the attempt, and commit before any byte leaves."""
        async with transaction(self._engine) as connection:
            due = await lock_due(connection, limit=limit)
            if not due:
                return []
            fence = await next_fence(connection)
            changes = [
                begin(item.state, provider=item.provider, fence=fence, now=item.now, lease=self._config.lease)
                for item in due
            ]
            await apply_changes(connection, changes)
        return [
            _assignment(item, change, fence)
            for item, change in zip(due, changes, strict=True)
            if change.status is MessageStatus.SENDING
        ]

    async def send(self, assignment: Assignment) -> Result:
        """Make one attempt; every ending is an outcome."""
        adapter = self._adapters.get(assignment.provider)
        if adapter is None:
            missing = ProviderFailure(error=DeliveryError.PROVIDER_MISSING)
            outcome: SendOutcome = Deferred(failure=missing)
        else:
            outcome = await self._perform(adapter, assignment)
        _log.info(
            "attempt",
            message_id=str(assignment.attempt.message_id),
            attempt=assignment.attempt.number,
            provider=assignment.provider,
            outcome=type(outcome).__name__.lower(),
        )
        return Result(assignment=assignment, outcome=outcome)

    async def settle(self, results: Sequence[Result]) -> None:
        """Write what came of a batch of attempts, in one transaction."""
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

    async def seconds_until_due(self) -> float | None:
        """Tell how long until anything in the queue falls due; None for an empty queue."""
        async with transaction(self._engine) as connection:
            return await seconds_until_due(connection)

    async def _perform(self, adapter: ProviderAdapter[Any], assignment: Assignment) -> SendOutcome:
        context = SendContext(
            attempt=assignment.attempt,
            now=datetime.now(UTC),
            status_url=self._status_url(assignment),
            nonce=secrets.token_hex(16),
        )
        request = _guarded(lambda: adapter.build_send(assignment.send, context), "build_send", assignment)
        if request is None:
            return Deferred(failure=ProviderFailure(error=DeliveryError.UNKNOWN, provider_code="adapter-error"))
        response = await self._transport.perform(request)
        if isinstance(response, TransportFailure):
            return _failed(response)
        answered: HttpResponse = response
        outcome = _guarded(lambda: adapter.parse_send(answered), "parse_send", assignment)
        return outcome or Unknown(
            failure=ProviderFailure(error=DeliveryError.OUTCOME_UNKNOWN, provider_code="adapter-error")
        )

    def _status_url(self, assignment: Assignment) -> str:
        provider = assignment.provider
        token = write_token(assignment.attempt, provider=provider, secret=self._config.secret)
        return f"{self._config.public_url}/v1/webhooks/{provider}/status/{token}"


def _guarded(call: Callable[[], _T], step: str, assignment: Assignment) -> _T | None:
    """Keep an adapter's bug to its own message; None stands for it."""
    try:
        return call()
    except Exception:  # noqa: BLE001 - whatever a provider's file does wrong, the other messages go on
        _log.exception("adapter error", step=step, provider=assignment.provider, attempt=str(assignment.attempt))
        return None


def _failed(failure: TransportFailure) -> SendOutcome:
    """Draw the line that everything rests on: without a connection nothing was sent; with one, who knows."""
    match failure.phase:
        case FailurePhase.NOT_CONNECTED:
            error = DeliveryError.PROVIDER_UNAVAILABLE
            return Deferred(failure=ProviderFailure(error=error, provider_code=failure.reason))
        case FailurePhase.CONNECTED:
            error = DeliveryError.OUTCOME_UNKNOWN
            return Unknown(failure=ProviderFailure(error=error, provider_code=failure.reason))
        case _:
            assert_never(failure.phase)


def _assignment(due: DueMessage, change: Change, fence: int) -> Assignment:
    return Assignment(
        attempt=AttemptRef(message_id=due.state.id, number=change.attempts),
        provider=due.provider,
        fence=fence,
        send=SendRequest(
            sender=due.sender,
            recipient=due.recipient,
            body=due.body,
            segments=due.segments,
            validity_seconds=int((due.state.expires_at - due.now).total_seconds()),
        ),
    )


def _warn(what: str, changes: Sequence[Change]) -> None:
    for change in changes:
        _log.warning(what, message_id=str(change.message_id), status=change.status.value)
