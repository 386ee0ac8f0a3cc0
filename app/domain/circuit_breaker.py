"""When a provider that fails is left alone, and how it is tried again: one breaker for each provider account.

A closed circuit opens on 5 failures in a row, or when half of at least 20 calls of the last 30 s failed. Once it has
been open for a while, one message is let through; what becomes of it closes the circuit, or opens it for twice as long.
A call that began before the circuit last changed says nothing about it any more: of a hanging provider, the last
answers come long after it was left.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, assert_never

from app.domain.delivery_errors import DeliveryError
from app.domain.provider import Accepted, Deferred, Rejected, SendOutcome, Unknown
from app.domain.provider_health import halved, health_now

NOT_BEGUN: Final = "worker-was-stopped"
"""The code of a send that its worker did not begin, for which the provider is not to blame."""

_FAILURES_IN_ROW: Final = 5
_FEWEST_CALLS: Final = 20
"""Below so many calls a share of failures tells nothing."""

_WINDOW_SECONDS: Final = 30
_BUCKET_SECONDS: Final = 5
_FIRST_OPEN: Final = timedelta(seconds=10)
_LONGEST_OPEN: Final = timedelta(minutes=5)
_JITTER: Final = 0.1
"""The part by which an opening may be longer, so that circuits which opened together are not tried together."""

_MOST_DOUBLINGS: Final = 5
_STEADY: Final = timedelta(seconds=60)
"""A circuit that stays closed for so long opens as if for the first time."""


class CircuitState(StrEnum):
    """What may pass."""

    CLOSED = "closed"
    """Everything, though gently at first where it was open before (`slow_since`)."""

    OPEN = "open"
    """Nothing until `open_until`, then one message."""

    HALF_OPEN = "half_open"
    """Nothing: the one message is on its way, until `trial_until` at the latest."""


class Verdict(StrEnum):
    """What one call says of its provider."""

    WELL = "well"
    """It took the message, or refused it honestly."""

    THROTTLED = "throttled"
    """429: it works, and wants less. Counts neither as a success nor as a failure, but ends a trial well."""

    FAILED = "failed"
    """No connection, a documented 503, or an end of which nobody knows whether the message was taken."""

    OVERDUE = "overdue"
    """Not ended, but unanswered for 5 s in which nothing else was answered either: a failure in advance."""

    NOT_CALLED = "not-called"
    """It never left, so it says nothing; only a trial has to be made anew."""


_GOOD: Final = frozenset({Verdict.WELL, Verdict.THROTTLED})


@dataclass(frozen=True, kw_only=True)
class Observation:
    """Calls of one provider that ended alike, one after the other and within moments."""

    verdict: Verdict
    begun_at: datetime
    """When the last of them began."""

    ended_at: datetime
    """When the last of them ended, or was found overdue."""

    count: int = 1


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """The calls of 5 seconds."""

    second: int
    """When they begin: Unix time, a multiple of 5."""

    calls: int
    failures: int


@dataclass(frozen=True, kw_only=True)
class Circuit:
    """The state of one provider account's breaker, which all workers share; times are the database's."""

    state: CircuitState = CircuitState.CLOSED
    failures_in_row: int = 0
    buckets: tuple[Bucket, ...] = ()
    """The calls of the last 30 s as far as they are known, the oldest first; only while it is closed."""

    openings: int = 0
    """How often it opened since it was last steady: each time for twice as long."""

    overdue: bool = False
    """Whether it is open because calls were overdue: an answer to any of them closes it."""

    changed_at: datetime | None = None
    """When it last opened, closed or let a message through; None where it never did."""

    open_until: datetime | None = None
    """Set while it is open or half-open."""

    trial_until: datetime | None = None
    """When another message may try though nothing was heard of the last one, as when its worker died."""

    slow_since: datetime | None = None
    """When it last closed; None while it is open, and where it was never open."""

    health: float = 1.0
    """What it was at `health_at`, in (0, 1]: halved at each opening, and it comes back while the circuit is closed."""

    health_at: datetime | None = None
    """When it last opened or closed; None where it was never open, and is whole."""


def verdict_of(outcome: SendOutcome) -> Verdict:
    """Say what the outcome of a call says of its provider."""
    match outcome:
        case Accepted() | Rejected():
            return Verdict.WELL
        case Unknown():
            return Verdict.FAILED
        case Deferred(failure=failure):
            match failure.error:
                case DeliveryError.RATE_LIMITED:
                    return Verdict.THROTTLED
                case DeliveryError.PROVIDER_UNAVAILABLE if failure.provider_code != NOT_BEGUN:
                    return Verdict.FAILED
                case _:
                    return Verdict.NOT_CALLED
        case _:
            assert_never(outcome)


def allowance(circuit: Circuit, *, now: datetime) -> int | None:
    """Say how many messages may be claimed for the provider: None for any number, 0 for none, 1 for a trial."""
    match circuit.state:
        case CircuitState.CLOSED:
            return None
        case CircuitState.OPEN:
            ends = circuit.open_until
        case CircuitState.HALF_OPEN:
            ends = circuit.trial_until
        case _:
            assert_never(circuit.state)
    return 0 if ends is not None and now < ends else 1


def begin_trial(circuit: Circuit, *, now: datetime, lasts: timedelta) -> Circuit:
    """Let the one message through; `lasts` is how long its worker has for it.

    Only for a circuit whose allowance is 1, with its row locked.
    """
    return replace(circuit, state=CircuitState.HALF_OPEN, changed_at=now, trial_until=now + lasts)


def observed(circuit: Circuit, observations: Iterable[Observation], *, now: datetime, jitter: float) -> Circuit:
    """Fold in what became of calls, in the order in which they ended; `jitter` is random in [0, 1)."""
    for each in observations:
        circuit = _after(circuit, each, now=now, jitter=jitter)
    return circuit


def listens(circuit: Circuit, *, now: datetime) -> bool:
    """Whether it matters that calls go well: of a circuit at rest nobody writes it down."""
    if circuit.state is not CircuitState.CLOSED:
        return circuit.state is CircuitState.HALF_OPEN or circuit.overdue
    return circuit.failures_in_row > 0 or any(bucket.failures for bucket in _recent(circuit.buckets, now))


def _after(circuit: Circuit, seen: Observation, *, now: datetime, jitter: float) -> Circuit:
    if circuit.changed_at is not None and seen.begun_at < circuit.changed_at:
        answers = circuit.overdue and seen.verdict in _GOOD
        return _closed(circuit, now=now) if answers else circuit
    match circuit.state:
        case CircuitState.CLOSED:
            return _counted(circuit, seen, now=now, jitter=jitter)
        case CircuitState.OPEN:
            return circuit
        case CircuitState.HALF_OPEN:
            return _tried(circuit, seen.verdict, now=now, jitter=jitter)
        case _:
            assert_never(circuit.state)


def _counted(circuit: Circuit, seen: Observation, *, now: datetime, jitter: float) -> Circuit:
    match seen.verdict:
        case Verdict.WELL:
            return replace(circuit, failures_in_row=0, buckets=_with(circuit.buckets, seen, failures=0, now=now))
        case Verdict.THROTTLED | Verdict.NOT_CALLED:
            return circuit
        case Verdict.FAILED | Verdict.OVERDUE:
            in_row = circuit.failures_in_row + seen.count
            buckets = _with(circuit.buckets, seen, failures=seen.count, now=now)
            if in_row >= _FAILURES_IN_ROW or _mostly_failed(buckets):
                return _opened(circuit, overdue=seen.verdict is Verdict.OVERDUE, now=now, jitter=jitter)
            return replace(circuit, failures_in_row=in_row, buckets=buckets)
        case _:
            assert_never(seen.verdict)


def _tried(circuit: Circuit, verdict: Verdict, *, now: datetime, jitter: float) -> Circuit:
    match verdict:
        case Verdict.WELL | Verdict.THROTTLED:
            return _closed(circuit, now=now)
        case Verdict.FAILED | Verdict.OVERDUE:
            return _opened(circuit, overdue=verdict is Verdict.OVERDUE, now=now, jitter=jitter)
        case Verdict.NOT_CALLED:
            return replace(circuit, trial_until=None)
        case _:
            assert_never(verdict)


def _opened(circuit: Circuit, *, overdue: bool, now: datetime, jitter: float) -> Circuit:
    steady = circuit.slow_since is not None and now - circuit.slow_since >= _STEADY
    before = 0 if steady else circuit.openings
    lasts = _FIRST_OPEN * (1 + _JITTER * jitter) * (1 << before)
    return Circuit(
        state=CircuitState.OPEN,
        openings=min(before + 1, _MOST_DOUBLINGS),
        overdue=overdue,
        changed_at=now,
        open_until=now + min(lasts, _LONGEST_OPEN),
        health=halved(_health(circuit, now=now)),
        health_at=now,
    )


def _closed(circuit: Circuit, *, now: datetime) -> Circuit:
    return Circuit(
        openings=circuit.openings,
        changed_at=now,
        slow_since=now,
        health=circuit.health,
        health_at=now,
    )


def _health(circuit: Circuit, *, now: datetime) -> float:
    """Give what an opening halves: what has come back by now, of which nothing does before the circuit closes."""
    if circuit.health_at is None or circuit.state is not CircuitState.CLOSED:
        return circuit.health
    return health_now(circuit.health, circuit.health_at, now)


def _with(buckets: tuple[Bucket, ...], seen: Observation, *, failures: int, now: datetime) -> tuple[Bucket, ...]:
    second = int(seen.ended_at.timestamp()) // _BUCKET_SECONDS * _BUCKET_SECONDS
    found = next((each for each in buckets if each.second == second), Bucket(second=second, calls=0, failures=0))
    grown = replace(found, calls=found.calls + seen.count, failures=found.failures + failures)
    others = (each for each in buckets if each.second != second)
    return _recent(tuple(sorted((*others, grown), key=lambda each: each.second)), now)


def _recent(buckets: tuple[Bucket, ...], now: datetime) -> tuple[Bucket, ...]:
    oldest = now.timestamp() - _WINDOW_SECONDS
    return tuple(each for each in buckets if each.second > oldest)


def _mostly_failed(buckets: tuple[Bucket, ...]) -> bool:
    """Tell it after a failure only, so that it does not matter how observations are cut into batches."""
    calls, failures = sum(each.calls for each in buckets), sum(each.failures for each in buckets)
    return calls >= _FEWEST_CALLS and 2 * failures >= calls
