"""What comes after a send that certainly did not happen: another try, and when, or the end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.delivery_errors import DeliveryError
from app.domain.provider import Deferred
from app.domain.status import MessageStatus


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often and how soon a deferred send is tried again."""

    delays_seconds: tuple[float, ...] = (1, 4, 15, 60, 300)
    """The longest wait after each try, of which a random part is taken (full jitter); for a throttled message that is
    told no time, after each attempt."""

    max_tries: int = 6
    max_attempts: int = 1_000
    """The end for a message that is throttled for ever: its attempts are numbered in a SMALLINT."""

    retry_after_floor_seconds: float = 1
    retry_after_ceiling_seconds: float = 900
    patient_after_attempts: int = 10
    """From the next attempt on, a throttled message waits at least as many seconds as it has had attempts..."""

    patience_seconds: float = 60
    """...but need not wait for longer than this, unless the provider asks for more."""


@dataclass(frozen=True, kw_only=True)
class RetryAt:
    """Try again then; `tries` is how many tries are used up by now."""

    due_at: datetime
    tries: int


@dataclass(frozen=True, kw_only=True)
class GiveUp:
    """No further try: the message ends in this status."""

    status: MessageStatus
    error: DeliveryError


def next_step(
    deferred: Deferred,
    *,
    tries: int,
    attempts: int,
    expires_at: datetime,
    now: datetime,
    jitter: float,
    policy: RetryPolicy,
) -> RetryAt | GiveUp:
    """Decide after a deferred send; `tries` counts earlier ones, `attempts` all that were started.

    `jitter` is random in [0, 1).

    A throttled send (429) costs no try: the provider said that it was not looked at; it waits longer
    from attempt to attempt instead, and fails after `max_attempts`. A wait beyond the message's
    validity ends it now, for the sooner its account knows, the better, and so does a send that found it stale.
    """
    error = deferred.failure.error
    if error is DeliveryError.EXPIRED:
        return GiveUp(status=MessageStatus.EXPIRED, error=error)
    used = tries if error is DeliveryError.RATE_LIMITED else tries + 1
    if used >= policy.max_tries or attempts >= policy.max_attempts:
        return GiveUp(status=MessageStatus.FAILED, error=error)
    due_at = now + timedelta(seconds=_wait(deferred, used, attempts, jitter, policy))
    if due_at >= expires_at:
        return GiveUp(status=MessageStatus.EXPIRED, error=DeliveryError.EXPIRED)
    return RetryAt(due_at=due_at, tries=used)


def lane_wait(throttled: Deferred, policy: RetryPolicy) -> float:
    """Say for how many seconds nothing is to go out from the lane of a send that was throttled (429).

    Its message waits as long, or longer where it was throttled often or no time was named: others have a try before it.
    """
    return _clamped(throttled.retry_after_seconds or 0.0, policy.retry_after_floor_seconds, policy)


def _wait(deferred: Deferred, tries: int, attempts: int, jitter: float, policy: RetryPolicy) -> float:
    asked, floor = deferred.retry_after_seconds, policy.retry_after_floor_seconds
    throttled = deferred.failure.error is DeliveryError.RATE_LIMITED
    if throttled and attempts > policy.patient_after_attempts:
        floor = max(floor, min(attempts, policy.patience_seconds))
    if asked is not None:
        return _clamped(asked, floor, policy)
    # Attempts that were throttled are no tries: they do not lengthen the wait after the first that failed.
    index = min(max(attempts if throttled else tries, 1), len(policy.delays_seconds)) - 1
    wait = jitter * policy.delays_seconds[index]
    # A throttling provider that names no time is not to be asked again at once, however the dice fall.
    return max(wait, _clamped(0.0, floor, policy)) if throttled else wait


def _clamped(seconds: float, floor: float, policy: RetryPolicy) -> float:
    return min(max(seconds, floor), policy.retry_after_ceiling_seconds)
