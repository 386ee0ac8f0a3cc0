"""Claiming, settling, rescuing and resolving on a real database, several at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from app.domain.delivery_errors import DeliveryError
from app.domain.foreign import storable_outcome
from app.domain.message import DeliveryGuarantee
from app.domain.provider import (
    Accepted,
    Deferred,
    ProviderFailure,
    Rejected,
    SendOutcome,
    Unknown,
)
from app.services.dispatch import Dispatcher, Result
from app.services.rescue import Rescue
from app.services.resolver import Resolver
from app.services.submitting import Assignment
from app.store.engine import Connection, Engine, StoreUnavailable, transaction
from tests.services.conftest import Accept, State

ACCEPTED = Accepted(provider_message_id="p-1", provider_status="queued")
REJECTED = Rejected(failure=ProviderFailure(error=DeliveryError.INVALID_RECIPIENT, provider_code="1001"))
DEFERRED = Deferred(
    failure=ProviderFailure(error=DeliveryError.PROVIDER_UNAVAILABLE, provider_code="refused"), retry_after_seconds=5
)
UNKNOWN = Unknown(failure=ProviderFailure(error=DeliveryError.OUTCOME_UNKNOWN, provider_code="cut"))


def result(assignment: Assignment, outcome: SendOutcome) -> Result:
    return Result(assignment=assignment, outcome=outcome)


async def end_leases(engine: Engine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE dispatch_queue SET leased_until = now() - interval '1 second'"))


async def test_dispatchers_at_once_never_claim_the_same_message(dispatcher: Dispatcher, accept: Accept) -> None:
    ids = {await accept() for _ in range(40)}
    claims = await asyncio.gather(*(dispatcher.claim(limit=10) for _ in range(8)))
    claimed = [assignment.attempt.message_id for claim in claims for assignment in claim]
    assert len(claimed) == len(set(claimed))
    rest = await dispatcher.claim(limit=100)
    assert {*claimed, *(assignment.attempt.message_id for assignment in rest)} == ids
    assert await dispatcher.claim(limit=100) == []


async def test_the_intent_is_committed_by_the_time_a_claim_is_given(
    dispatcher: Dispatcher, accept: Accept, state: State
) -> None:
    message_id = await accept()
    await dispatcher.claim(limit=1)
    stored = await state(message_id)
    assert (stored["status"], stored["phases"], stored["attempts"]) == ("sending", ["started"], 1)
    assert stored["queue"][0]["leased_until"] is not None


@pytest.mark.parametrize(
    ("outcome", "status", "phase", "error", "queued"),
    [
        (ACCEPTED, "sent", "accepted", None, []),
        (REJECTED, "failed", "rejected", "invalid-recipient", []),
        (DEFERRED, "queued", "not_sent", None, [{"work": "send", "tries": 1, "leased_until": None}]),
        (UNKNOWN, "sending", "unknown", None, [{"work": "resolve", "tries": 0, "leased_until": None}]),
    ],
)
async def test_each_outcome_is_settled(
    dispatcher: Dispatcher,
    accept: Accept,
    state: State,
    outcome: SendOutcome,
    status: str,
    phase: str,
    error: str | None,
    queued: list[object],
) -> None:
    message_id = await accept()
    [assignment] = await dispatcher.claim(limit=1)
    await dispatcher.settle([result(assignment, outcome)])
    stored = await state(message_id)
    assert (stored["status"], stored["phases"], stored["error_code"]) == (status, [phase], error)
    assert stored["queue"] == queued


async def test_a_deferred_message_is_not_due_before_its_time(
    dispatcher: Dispatcher, accept: Accept, engine: Engine, state: State
) -> None:
    message_id = await accept()
    [assignment] = await dispatcher.claim(limit=1)
    await dispatcher.settle([result(assignment, DEFERRED)])
    assert await dispatcher.claim(limit=1) == []
    async with engine.begin() as connection:
        waited = await connection.scalar(text("SELECT extract(epoch FROM due_at - now()) FROM dispatch_queue"))
        assert 3 < float(waited or 0) <= 5
        await connection.execute(text("UPDATE dispatch_queue SET due_at = now()"))
    [again] = await dispatcher.claim(limit=1)
    assert (again.attempt.message_id, again.attempt.number) == (message_id, 2)
    await dispatcher.settle([result(again, ACCEPTED)])
    assert (await state(message_id))["phases"] == ["not_sent", "accepted"]


async def test_a_batch_of_different_outcomes_is_settled_in_one_go(
    dispatcher: Dispatcher, accept: Accept, state: State
) -> None:
    ids = [await accept() for _ in range(4)]
    claimed = {a.attempt.message_id: a for a in await dispatcher.claim(limit=4)}
    outcomes: tuple[SendOutcome, ...] = (ACCEPTED, REJECTED, DEFERRED, UNKNOWN)
    await dispatcher.settle([result(claimed[i], outcome) for i, outcome in zip(ids, outcomes, strict=True)])
    assert [(await state(i))["status"] for i in ids] == ["sent", "failed", "queued", "sending"]


async def test_a_stale_message_expires_at_the_claim(
    dispatcher: Dispatcher, accept: Accept, engine: Engine, state: State
) -> None:
    message_id = await accept()
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE messages SET expires_at = now()"))
    assert await dispatcher.claim(limit=1) == []
    stored = await state(message_id)
    assert (stored["status"], stored["error_code"], stored["queue"]) == ("expired", "expired", [])


async def test_a_message_in_its_last_second_is_still_worth_a_whole_one(
    dispatcher: Dispatcher, accept: Accept, engine: Engine
) -> None:
    await accept()
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE messages SET expires_at = now() + interval '0.5 seconds'"))
    [assignment] = await dispatcher.claim(limit=1)
    assert assignment.send.validity_seconds == 1


async def test_a_lost_workers_message_is_rescued_and_ends_unconfirmed_without_evidence(
    dispatcher: Dispatcher, accept: Accept, engine: Engine, state: State, rescuer: Rescue, resolver: Resolver
) -> None:
    message_id = await accept()
    await dispatcher.claim(limit=1)
    assert await rescuer.take_over(limit=10) == 0
    await end_leases(engine)
    assert await rescuer.take_over(limit=10) == 1
    assert await resolver.begin(limit=10) == []
    stored = await state(message_id)
    assert (stored["status"], stored["phases"], stored["queue"]) == ("unconfirmed", ["abandoned"], [])
    assert stored["events"] == [
        ("api", "queued", True, None),
        ("worker", "sending", True, None),
        ("worker", "sending", False, "worker-lost"),
        ("worker", "unconfirmed", True, "no-evidence"),
    ]


@pytest.mark.parametrize(
    ("outcome", "status", "phase"),
    [(ACCEPTED, "sent", "accepted"), (REJECTED, "failed", "rejected"), (DEFERRED, "queued", "not_sent")],
)
async def test_a_zombies_outcome_is_evidence_of_its_own_attempt(
    dispatcher: Dispatcher,
    accept: Accept,
    engine: Engine,
    state: State,
    outcome: SendOutcome,
    status: str,
    phase: str,
    rescuer: Rescue,
) -> None:
    message_id = await accept()
    [assignment] = await dispatcher.claim(limit=1)
    await end_leases(engine)
    await rescuer.take_over(limit=1)
    await dispatcher.settle([result(assignment, outcome)])
    stored = await state(message_id)
    assert (stored["status"], stored["phases"]) == (status, [phase])


async def test_a_zombie_that_comes_after_the_end_raises_unconfirmed_to_the_truth(
    dispatcher: Dispatcher, accept: Accept, engine: Engine, state: State, rescuer: Rescue, resolver: Resolver
) -> None:
    message_id = await accept()
    [assignment] = await dispatcher.claim(limit=1)
    await end_leases(engine)
    await rescuer.take_over(limit=1)
    await resolver.begin(limit=1)
    assert (await state(message_id))["status"] == "unconfirmed"
    await dispatcher.settle([result(assignment, ACCEPTED)])
    stored = await state(message_id)
    assert (stored["status"], stored["error_code"]) == ("sent", None)


async def test_at_least_once_is_sent_once_more_and_flagged(
    dispatcher: Dispatcher, accept: Accept, state: State, resolver: Resolver
) -> None:
    message_id = await accept(delivery_guarantee=DeliveryGuarantee.AT_LEAST_ONCE)
    [first] = await dispatcher.claim(limit=1)
    await dispatcher.settle([result(first, UNKNOWN)])
    await resolver.begin(limit=1)
    assert (await state(message_id))["possible_duplicate"] is True
    [second] = await dispatcher.claim(limit=1)
    await dispatcher.settle([result(second, UNKNOWN)])
    await resolver.begin(limit=1)
    stored = await state(message_id)
    assert (stored["status"], stored["attempts"]) == ("unconfirmed", 2)
    assert await dispatcher.claim(limit=1) == []


async def test_settling_twice_changes_nothing_more(dispatcher: Dispatcher, accept: Accept, state: State) -> None:
    message_id = await accept()
    [assignment] = await dispatcher.claim(limit=1)
    await dispatcher.settle([result(assignment, ACCEPTED)])
    await dispatcher.settle([result(assignment, ACCEPTED)])
    stored = await state(message_id)
    assert (stored["status"], stored["events"][-1]) == ("sent", ("worker", "sent", False, "duplicate"))


async def test_a_second_open_attempt_is_impossible(dispatcher: Dispatcher, accept: Accept, engine: Engine) -> None:
    await accept()
    await dispatcher.claim(limit=1)
    with pytest.raises(Exception, match="duplicate key value violates unique constraint"):
        async with engine.begin() as connection:
            await connection.execute(
                text(
                    "INSERT INTO attempts (message_id, no, provider, phase, fence) "
                    "SELECT message_id, 2, provider, 'started', fence FROM attempts"
                )
            )


async def test_a_refused_connection_defers_the_message(dispatcher: Dispatcher, accept: Accept, state: State) -> None:
    message_id = await accept()
    [assignment] = await dispatcher.claim(limit=1)
    made = await dispatcher.send(assignment)
    assert isinstance(made.outcome, Deferred)
    await dispatcher.settle([made])
    assert (await state(message_id))["status"] == "queued"


class LostCommit:
    """Stands between a transaction and its caller: the commit happens, and nobody hears of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("app.services.claiming.transaction", self)
        self.lost = 1

    @asynccontextmanager
    async def __call__(self, engine: Engine) -> AsyncIterator[Connection]:
        async with transaction(engine) as connection:
            yield connection
        if self.lost:
            self.lost -= 1
            raise StoreUnavailable("the commit's answer was lost")


async def test_a_claim_whose_commit_was_not_answered_is_given_back_for_nothing_was_sent(
    dispatcher: Dispatcher, accept: Accept, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = await accept()
    LostCommit(monkeypatch)
    with pytest.raises(StoreUnavailable):
        await dispatcher.claim(limit=1)
    assert (await state(message_id))["status"] == "sending"
    [again] = await dispatcher.claim(limit=1)
    stored = await state(message_id)
    assert (again.attempt.number, stored["phases"]) == (2, ["not_sent", "started"])
    assert stored["events"][2] == ("worker", "queued", True, "given-back")


async def test_an_answer_with_words_that_cannot_be_stored_costs_the_others_nothing(
    dispatcher: Dispatcher, accept: Accept, state: State
) -> None:
    ids = [await accept() for _ in range(3)]
    claimed = {a.attempt.message_id: a for a in await dispatcher.claim(limit=3)}
    odd = Accepted(provider_message_id="x" * 20_000 + "\x00", provider_status="\x00\ud800" + "y" * 9_000)
    answers = (odd, ACCEPTED, ACCEPTED)
    # Also where the words were not bounded before: each is then settled by itself.
    await dispatcher.settle([result(claimed[i], answer) for i, answer in zip(ids, answers, strict=True)])
    assert [(await state(i))["status"] for i in ids[1:]] == ["sent", "sent"]
    await dispatcher.settle([result(claimed[ids[0]], storable_outcome(odd))])
    assert (await state(ids[0]))["status"] == "sent"
