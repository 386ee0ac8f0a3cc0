"""Making one attempt at a provider: build, perform, parse; every ending is an outcome, and nothing is guessed."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, assert_never

from app.domain.attempt_token import write_token
from app.domain.circuit_breaker import NOT_BEGUN
from app.domain.delivery_errors import DeliveryError
from app.domain.foreign import storable_outcome
from app.domain.http import FailurePhase, TransportFailure
from app.domain.policy import LifecyclePolicy
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
from app.services.webhooks import Adapters
from app.store.queue import OpenWork
from app.telemetry import FAST_LINES, get_logger
from app.transport import TOO_LATE, Transport

_log = get_logger(__name__)


NEVER_BEGUN: Final = Deferred(
    failure=ProviderFailure(error=DeliveryError.PROVIDER_UNAVAILABLE, provider_code=NOT_BEGUN)
)
"""The moment passed before it was begun, and nothing may leave any more: its lane counts on that, and so does another
worker that may be about to take over. It is told by its identity."""

_TIMERS_ARE_EARLY_SECONDS: Final = 0.01
_BEGIN_WITHIN: Final = timedelta(seconds=1)
"""A grant that is older is not used: what comes to the wire in any second was granted in it or the one before."""


@dataclass(kw_only=True, slots=True)
class Assignment:
    """One attempt that this worker has to make; its intent is already committed."""

    attempt: AttemptRef
    provider: str
    fence: int
    begin_before: float
    """On the monotonic clock: a second after the claim was asked for, or earlier where another worker may take over."""

    worth_until: float
    """On the monotonic clock, and never later than `expires_at` is on the database's: after it the message is stale.

    The machine's wall clock has no part in it, so it may be wrong.
    """

    send: SendRequest = field(repr=False)
    """Its validity is as of the claim; the provider is told what is left at the send."""

    begun: OpenWork | None = field(default=None, repr=False)
    """The message as its claim has left it; None where it has been asked about meanwhile."""

    urgent: bool = False
    """Whether it may take the places that are kept free for one-time codes."""


@dataclass(frozen=True, kw_only=True)
class DispatchConfig:
    """What a dispatcher is told at start-up."""

    public_url: str
    secret: bytes = field(repr=False)
    lease: timedelta
    send_deadline: timedelta
    policy: LifecyclePolicy

    def begin_before(self, asked_at: float) -> float:
        """Give until when what is granted now may be begun; both on the monotonic clock."""
        return asked_at + min(_BEGIN_WITHIN, self.lease - self.send_deadline).total_seconds()


Watch = Callable[[str, Awaitable[SendOutcome]], Awaitable[SendOutcome]]
"""Makes an attempt at the provider that is named, and sees what becomes of it."""


async def _unwatched(_provider: str, attempt: Awaitable[SendOutcome]) -> SendOutcome:
    return await attempt


class Submitter:
    """Submits messages to their providers; holds no connection to Postgres."""

    def __init__(
        self, adapters: Adapters, transport: Transport, config: DispatchConfig, *, watch: Watch = _unwatched
    ) -> None:
        """Take the providers, the way out, the times, and who watches the attempts."""
        self._adapters = adapters
        self._transport = transport
        self._config = config
        self._watch = watch

    async def submit(self, assignment: Assignment) -> SendOutcome:
        """Make one attempt; every ending is an outcome, and every outcome can be stored.

        One that comes too late is not begun, and ends as `NEVER_BEGUN`.
        """
        ended = await self._watch(assignment.provider, self._attempt(assignment))
        outcome = ended if ended is NEVER_BEGUN else storable_outcome(ended)
        FAST_LINES.write(
            __name__,
            "attempt",
            message_id=str(assignment.attempt.message_id),
            attempt=assignment.attempt.number,
            provider=assignment.provider,
            outcome=type(outcome).__name__.lower(),
        )
        return outcome

    async def _attempt(self, assignment: Assignment) -> SendOutcome:
        now = time.monotonic()
        if now >= assignment.worth_until:
            return Deferred(failure=ProviderFailure(error=DeliveryError.EXPIRED))
        if now > assignment.begin_before:
            return NEVER_BEGUN
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
            _log.exception(
                "adapter error", step="build_send", provider=assignment.provider, attempt=str(assignment.attempt)
            )
            return Deferred(failure=ProviderFailure(error=DeliveryError.UNKNOWN, provider_code="adapter-error"))
        if time.monotonic() > assignment.begin_before:
            return NEVER_BEGUN  # an adapter that takes so long stands in for a worker that stood still
        latest = min(assignment.worth_until, assignment.begin_before)
        response = await self._transport.perform(request, not_after=latest)
        if isinstance(response, TransportFailure):
            return _failed(response, stale=time.monotonic() >= assignment.worth_until - _TIMERS_ARE_EARLY_SECONDS)
        return adapter.parse_send(response)

    def _status_url(self, assignment: Assignment) -> str:
        provider = assignment.provider
        token = write_token(assignment.attempt, provider=provider, secret=self._config.secret)
        return f"{self._config.public_url}/v1/webhooks/{provider}/status/{token}"


def whole_seconds(seconds: float) -> int:
    """Round down, so that no provider goes on for longer than the message is worth; none takes less than 1."""
    return max(1, math.floor(seconds))


def _as_of_now(assignment: Assignment) -> SendRequest:
    """Tell the provider what is left of the message's validity now: the assignment may have waited."""
    send, left = assignment.send, whole_seconds(assignment.worth_until - time.monotonic())
    return send if left == send.validity_seconds else replace(send, validity_seconds=left)


def _failed(failure: TransportFailure, *, stale: bool) -> SendOutcome:
    """Draw the line that everything rests on: without a connection nothing was sent; with one, who knows."""
    match failure.phase:
        case FailurePhase.NOT_CONNECTED if stale:
            return Deferred(failure=ProviderFailure(error=DeliveryError.EXPIRED))
        case FailurePhase.NOT_CONNECTED if failure.reason == TOO_LATE:
            return NEVER_BEGUN
        case FailurePhase.NOT_CONNECTED:
            error = DeliveryError.PROVIDER_UNAVAILABLE
            return Deferred(failure=ProviderFailure(error=error, provider_code=failure.reason))
        case FailurePhase.CONNECTED:
            error = DeliveryError.OUTCOME_UNKNOWN
            return Unknown(failure=ProviderFailure(error=error, provider_code=failure.reason))
        case _:
            assert_never(failure.phase)
