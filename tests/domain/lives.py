"""Messages at each point of their lives, without a database: the values that the decisions are tried on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from app.domain.change import Change
from app.domain.conclusions import NOTHING_OFFERED
from app.domain.delivery_errors import DeliveryError
from app.domain.lifecycle import begin, settle
from app.domain.message import AttemptState, DeliveryGuarantee, MessageState
from app.domain.policy import LifecyclePolicy
from app.domain.provider import (
    Accepted,
    Capabilities,
    Deferred,
    ProviderFailure,
    Rejected,
    SendOutcome,
    StatusReport,
    Unknown,
)
from app.domain.resolving import resolve
from app.domain.status import MessageStatus

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
POLICY = LifecyclePolicy()
LATER = NOW + POLICY.evidence_wait
"""When no report of what left at `NOW` is waited for any more."""

QUEUED = MessageState(
    id=UUID(int=1),
    status=MessageStatus.QUEUED,
    sequence=1,
    attempts=0,
    delivery_guarantee=DeliveryGuarantee.AT_MOST_ONCE,
    possible_duplicate=False,
    expires_at=NOW + timedelta(hours=1),
)
FAILURE = ProviderFailure(error=DeliveryError.PROVIDER_UNAVAILABLE, provider_code="refused")
THROTTLED = ProviderFailure(error=DeliveryError.RATE_LIMITED)
ACCEPTED = Accepted(provider_message_id="p-1", provider_status="queued")
REJECTED = Rejected(failure=ProviderFailure(error=DeliveryError.LANDLINE, provider_code="30006"))
DEFERRED = Deferred(failure=FAILURE)
UNKNOWN = Unknown(failure=ProviderFailure(error=DeliveryError.OUTCOME_UNKNOWN, provider_code="cut"))


def sending(message: MessageState = QUEUED, *, fence: int = 7) -> tuple[MessageState, AttemptState]:
    """A message that is being sent, and its attempt."""
    return after(begin(message, provider="acme", fence=fence, now=NOW, lease=timedelta(seconds=45)), message)


def settled(
    message: MessageState, attempt: AttemptState, outcome: SendOutcome, *, fence: int = 7, tries: int = 0
) -> Change:
    """What the outcome of an attempt changes, told by the worker that holds `fence`."""
    return settle(message, attempt, outcome, fence=fence, tries=tries, now=NOW, jitter=0.5, policy=POLICY, crashes=0)


def given_up(
    message: MessageState,
    attempt: AttemptState,
    *,
    now: datetime = LATER,
    capabilities: Capabilities = NOTHING_OFFERED,
    crashes: int = 0,
) -> Change:
    """What the guarantee makes of an attempt that nothing more can be learnt about."""
    return resolve(message, attempt, now=now, capabilities=capabilities, policy=POLICY, crashes=crashes)


def said(status: MessageStatus, error: DeliveryError | None = None) -> StatusReport:
    """A provider's report."""
    return StatusReport(status=status, provider_status=f"word for {status}", provider_message_id="p-1", error=error)


def after(change: Change, message: MessageState) -> tuple[MessageState, AttemptState]:
    """The message and its attempt once a change is applied."""
    assert change.attempt is not None
    return change.apply_to(message), change.attempt
