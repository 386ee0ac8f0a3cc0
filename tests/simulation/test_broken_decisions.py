"""What the simulation is worth: each of these mistakes in a decision is found within some hundred seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any, Final

import pytest

from app.domain.change import LEAVE_QUEUE, Change, Requeue, Work
from app.domain.evidence import NoAnswer, ProviderMessage
from app.domain.inquiry import Inquiry, Sighting
from app.domain.message import DeliveryGuarantee, MessageState
from app.domain.provider import Capabilities, Deferred, SendOutcome, Unknown
from app.domain.status import MessageStatus
from tests.simulation.decisions import REAL, Decisions
from tests.simulation.faults import Fault
from tests.simulation.scenario import scenario
from tests.simulation.simulation import simulate

SEEDS: Final = 1_000


def absent_at_the_first_look(
    message: MessageState, attempt: Any, sighting: Sighting, *, now: Any, **told: Any
) -> Change:
    seen = replace(attempt, started_at=now - timedelta(days=1), resent_at=None, absent_since=now - timedelta(hours=1))
    change = REAL.not_found(message, seen, sighting, now=now, **told)
    return replace(change, attempt=change.attempt and replace(change.attempt, started_at=attempt.started_at))


def absent_while_the_records_lag(
    message: MessageState, attempt: Any, sighting: Sighting, *, capabilities: Any, **told: Any
) -> Change:
    prompt = replace(capabilities, search_lag=timedelta(0))
    return REAL.not_found(message, attempt, sighting, capabilities=prompt, **told)


def settled_by_whoever_comes(message: MessageState, attempt: Any, outcome: SendOutcome, **told: Any) -> Change:
    return REAL.settle(message, attempt, outcome, **{**told, "fence": attempt.fence})


def retried_although_unknown(message: MessageState, attempt: Any, outcome: SendOutcome, **told: Any) -> Change:
    known = Deferred(failure=outcome.failure) if isinstance(outcome, Unknown) else outcome
    return REAL.settle(message, attempt, known, **told)


def resent_under_any_guarantee(message: MessageState, attempt: Any, **told: Any) -> Change:
    lenient = replace(message, delivery_guarantee=DeliveryGuarantee.AT_LEAST_ONCE)
    return replace(REAL.resolve(lenient, attempt, **told), possible_duplicate=False)


def resent_again_and_again(message: MessageState, attempt: Any, **told: Any) -> Change:
    return REAL.resolve(replace(message, possible_duplicate=False), attempt, **told)


def resent_without_a_flag(message: MessageState, attempt: Any, **told: Any) -> Change:
    return replace(REAL.resolve(message, attempt, **told), possible_duplicate=message.possible_duplicate)


def resent_because_nobody_answered(message: MessageState, attempt: Any, **told: Any) -> Change:
    return REAL.resolve(message, attempt, **{**told, "capabilities": Capabilities()})


def given_up_without_waiting_for_reports(message: MessageState, attempt: Any, *, policy: Any, **told: Any) -> Change:
    return REAL.resolve(message, attempt, policy=replace(policy, evidence_wait=timedelta(0)), **told)


def unclear_is_nothing(*given: Any, **told: Any) -> ProviderMessage | Sighting:
    seen = REAL.judge(*given, **told)
    return Sighting.NOTHING if isinstance(seen, Sighting) else seen


def asked_beyond_the_key(message: Any, attempt: Any, capabilities: Any, **told: Any) -> Inquiry | None:
    lasting = replace(capabilities, idempotency_window=capabilities.idempotency_window and timedelta(days=365))
    return REAL.next_inquiry(message, attempt, lasting, **told)


def asked_beyond_its_validity(message: Any, *given: Any, now: Any, **told: Any) -> Inquiry | None:
    return REAL.next_inquiry(replace(message, expires_at=now + timedelta(hours=1)), *given, now=now, **told)


def asked_a_few_times_only(message: MessageState, *given: Any, **told: Any) -> Inquiry | None:
    modest = replace(message, delivery_guarantee=DeliveryGuarantee.AT_MOST_ONCE)
    return REAL.next_inquiry(modest, *given, **told)


def deferred_resend_means_not_sent(message: MessageState, attempt: Any, outcome: SendOutcome, **told: Any) -> Change:
    if isinstance(outcome, Deferred) and attempt.phase.is_open and told["fence"] == attempt.fence:
        kept = {name: told[name] for name in ("fence", "now", "policy")}
        return REAL.settle(message, attempt, outcome, tries=0, jitter=0.5, crashes=0, **kept)
    return REAL.resent(message, attempt, outcome, **told)


def rescued_under_the_old_fence(message: MessageState, attempt: Any, **told: Any) -> Change:
    return REAL.rescue(message, attempt, **{**told, "fence": attempt.fence})


def asked_under_the_old_fence(message: MessageState, attempt: Any, inquiry: Inquiry, **told: Any) -> Change:
    return REAL.ask(message, attempt, inquiry, **{**told, "fence": attempt.fence})


def rescued_for_another_try(message: MessageState, attempt: Any, **told: Any) -> Change:
    if attempt.inquiries:
        return REAL.rescue(message, attempt, **told)
    return REAL.give_back(message, attempt, now=told["now"], crashes=0)


def forgiven_whatever_came_back(message: MessageState, attempt: Any, outcome: SendOutcome, **told: Any) -> Change:
    change = REAL.settle(message, attempt, outcome, **told)
    if isinstance(change.queue, Requeue) and change.queue.work is Work.SEND_ALONE:
        return replace(change, queue=replace(change.queue, work=Work.SEND, crashes=0))
    return change


def deaths_not_counted(message: MessageState, attempt: Any, **told: Any) -> Change:
    return REAL.rescue(message, attempt, **{**told, "crashes": 0})


def canceled_although_the_first_copy_may_have_left(message: MessageState, **told: Any) -> Change | None:
    return REAL.cancel(replace(message, possible_duplicate=False), **told)


def stale_ones_claimed(message: MessageState, *, now: Any, **told: Any) -> tuple[Change, ...]:
    return REAL.claim(replace(message, expires_at=now + timedelta(hours=1)), now=now, **told)


def reports_of_any_attempt_count(message: MessageState, attempt: Any, said: Any, **told: Any) -> Change:
    change = REAL.report(message, replace(attempt, number=message.attempts), said, **told)
    return replace(change, attempt=change.attempt and replace(change.attempt, number=attempt.number))


def reports_leave_it_to_the_queue(message: MessageState, attempt: Any, said: Any, **told: Any) -> Change:
    return replace(REAL.report(message, attempt, said, **told), queue=None)


def unanswered_and_forgotten(message: MessageState, attempt: Any, answer: Any, **told: Any) -> Change:
    return replace(REAL.unanswered(message, attempt, answer, **told), queue=LEAVE_QUEUE)


def looked_up_once(message: MessageState, attempt: Any, answer: Any, **told: Any) -> Change:
    return replace(REAL.looked_up(message, attempt, answer, **told), queue=LEAVE_QUEUE)


def looked_up_in_vain(message: MessageState, attempt: Any, _answer: Any, **told: Any) -> Change:
    return REAL.looked_up(message, attempt, NoAnswer(reason="not read"), **told)


def sent_on_although_unknown(message: Any, outcome: SendOutcome, change: Change) -> Any:
    if isinstance(outcome, Unknown):
        return outcome.failure.error
    return REAL.seeks_another(message, outcome, change)


def sent_on_once_it_is_over(message: Any, outcome: SendOutcome, change: Change) -> Any:
    still = replace(message, status=MessageStatus.SENDING)
    return REAL.seeks_another(still, outcome, replace(change, event=replace(change.event, applied=True)))


BROKEN: Final[dict[str, list[Callable[..., Any]]]] = {
    "not_found": [absent_at_the_first_look, absent_while_the_records_lag],
    "settle": [settled_by_whoever_comes, retried_although_unknown, forgiven_whatever_came_back],
    "resolve": [
        resent_under_any_guarantee,
        resent_again_and_again,
        resent_without_a_flag,
        resent_because_nobody_answered,
        given_up_without_waiting_for_reports,
    ],
    "judge": [unclear_is_nothing],
    "next_inquiry": [asked_beyond_the_key, asked_beyond_its_validity, asked_a_few_times_only],
    "resent": [deferred_resend_means_not_sent],
    "rescue": [rescued_for_another_try, deaths_not_counted],
    "cancel": [canceled_although_the_first_copy_may_have_left],
    "claim": [stale_ones_claimed],
    "report": [reports_of_any_attempt_count, reports_leave_it_to_the_queue],
    "unanswered": [unanswered_and_forgotten],
    "seeks_another": [sent_on_although_unknown, sent_on_once_it_is_over],
    "looked_up": [looked_up_once, looked_up_in_vain],
}


@pytest.mark.parametrize(
    ("name", "broken"),
    [(name, each) for name, broken in BROKEN.items() for each in broken],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_broken_decision_is_found(name: str, broken: Callable[..., Any]) -> None:
    assert any(found(seed, replace(REAL, **{name: broken})) for seed in range(SEEDS))


def test_fences_that_never_change_are_found() -> None:
    # Each of the two guards against the other's missing.
    decisions = replace(REAL, rescue=rescued_under_the_old_fence, ask=asked_under_the_old_fence)
    assert any(found(seed, decisions) for seed in range(5 * SEEDS) if resends_late(seed))


def resends_late(seed: int) -> bool:
    """Whether this is a run in which a worker may come back after another one has resent its message."""
    drawn = scenario(Random(seed))  # noqa: S311 - as the simulation draws it
    may_come_late = not {Fault.FROZEN, Fault.BUSY_WORKER}.isdisjoint(drawn.rates)
    return drawn.capabilities.idempotency_window is not None and may_come_late


def found(seed: int, decisions: Decisions) -> bool:
    return simulate(seed, decisions=decisions).findings != ()
