"""What comes after a send that did not happen: how long a throttled message waits, and when it is given up."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.delivery_errors import DeliveryError
from app.domain.provider import Deferred, ProviderFailure
from app.domain.routing import GiveUp, RetryAt, RetryPolicy, lane_wait, next_step
from app.domain.status import MessageStatus
from tests.domain.lives import NOW, THROTTLED

LONG_VALID = NOW + timedelta(days=14)


def after_throttling(
    *, attempts: int, asked: float | None = 1, jitter: float = 0, policy: RetryPolicy | None = None
) -> RetryAt | GiveUp:
    return next_step(
        Deferred(failure=THROTTLED, retry_after_seconds=asked),
        tries=0,
        attempts=attempts,
        expires_at=LONG_VALID,
        now=NOW,
        jitter=jitter,
        policy=policy or RetryPolicy(),
    )


@pytest.mark.parametrize("attempts", [1_000, 1_001, 32_767])
def test_a_message_that_is_throttled_for_ever_fails_before_its_attempts_run_out_of_numbers(attempts: int) -> None:
    expected = GiveUp(status=MessageStatus.FAILED, error=DeliveryError.RATE_LIMITED)
    assert after_throttling(attempts=attempts) == expected


def test_the_attempt_before_the_last_is_still_followed_by_another() -> None:
    assert after_throttling(attempts=999) == RetryAt(due_at=NOW + timedelta(seconds=60), tries=0)


def test_the_error_of_the_last_attempt_is_what_a_message_given_up_ends_with() -> None:
    failure = ProviderFailure(error=DeliveryError.PROVIDER_UNAVAILABLE, provider_code="refused")
    step = next_step(
        Deferred(failure=failure),
        tries=0,
        attempts=3,
        expires_at=LONG_VALID,
        now=NOW,
        jitter=0,
        policy=RetryPolicy(max_attempts=3),
    )
    assert step == GiveUp(status=MessageStatus.FAILED, error=DeliveryError.PROVIDER_UNAVAILABLE)


@pytest.mark.parametrize(("tries", "longest"), [(0, 1), (1, 4), (3, 60)])
def test_attempts_that_were_throttled_do_not_lengthen_the_wait_after_a_try(tries: int, longest: float) -> None:
    failure = ProviderFailure(error=DeliveryError.PROVIDER_UNAVAILABLE, provider_code="refused")
    step = next_step(
        Deferred(failure=failure),
        tries=tries,
        attempts=tries + 6,
        expires_at=LONG_VALID,
        now=NOW,
        jitter=0.5,
        policy=RetryPolicy(delays_seconds=(1, 4, 15, 60, 300)),
    )
    assert step == RetryAt(due_at=NOW + timedelta(seconds=longest / 2), tries=tries + 1)


@pytest.mark.parametrize(
    ("attempts", "asked", "waited"),
    [
        (1, 1, 1),
        (10, 1, 1),
        (11, 1, 11),
        (11, 30, 30),
        (59, 1, 59),
        (60, 1, 60),
        (500, 1, 60),
        (500, 300, 300),
        (500, 86_400, 900),
        (1, None, 1),
        (11, None, 11),
        (500, None, 60),
    ],
)
def test_the_wait_of_a_message_that_is_throttled_again_and_again_grows(
    attempts: int, asked: float | None, waited: float
) -> None:
    expected = RetryAt(due_at=NOW + timedelta(seconds=waited), tries=0)
    assert after_throttling(attempts=attempts, asked=asked) == expected


def test_patience_never_waits_beyond_the_ceiling() -> None:
    policy = RetryPolicy(retry_after_ceiling_seconds=20)
    expected = RetryAt(due_at=NOW + timedelta(seconds=20), tries=0)
    assert after_throttling(attempts=500, asked=1, policy=policy) == expected
    assert after_throttling(attempts=500, asked=None, policy=policy) == expected


@pytest.mark.parametrize(("asked", "waited"), [(None, 1), (0, 1), (2, 2), (899, 899), (1e9, 900)])
def test_a_lane_waits_as_long_as_was_asked_within_bounds_and_its_message_with_it(
    asked: float | None, waited: float
) -> None:
    assert lane_wait(Deferred(failure=THROTTLED, retry_after_seconds=asked), RetryPolicy()) == waited
    step = after_throttling(attempts=1, asked=asked, jitter=0)
    assert step == RetryAt(due_at=NOW + timedelta(seconds=waited), tries=0)
