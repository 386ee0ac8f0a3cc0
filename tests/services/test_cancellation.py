"""Canceling on a real database: who may, when it is too late, and races that one side always wins."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from sqlalchemy import text

from app.domain.credentials import KeyMode, Scope
from app.domain.errors import ErrorCode, Refusal
from app.domain.ids import make_id
from app.domain.message import DeliveryGuarantee
from app.domain.provider import Accepted, SendOutcome
from app.domain.status import MessageStatus
from app.services.administration import SENDING_SCOPES, Administration
from app.services.authentication import Authenticator, Caller
from app.services.cancellation import Cancellation
from app.services.dispatch import Dispatcher, Result
from app.services.resolver import Resolver
from app.services.submitting import Assignment
from app.store.engine import Engine
from app.transport import Transport
from tests.services.conftest import Accept, State
from tests.services.test_dispatch import DEFERRED, UNKNOWN
from tests.support.counting_provider import CountingProvider, counting_provider, dispatcher_of
from tests.support.gateway import ops_key, tenant

ACCEPTED = Accepted(provider_message_id="p-1")


async def key_of(
    engine: Engine, account: str, *, mode: KeyMode = KeyMode.TEST, scopes: tuple[Scope, ...] = SENDING_SCOPES
) -> Caller:
    """A caller with a new key of an account."""
    made = await Administration(engine, ()).create_key(account=account, mode=mode, scopes=scopes)
    return await Authenticator(engine).authenticate(made.credentials)


@pytest.fixture
async def provider() -> AsyncIterator[CountingProvider]:
    async with counting_provider() as running:
        yield running


@pytest.fixture
def cancellation(engine: Engine) -> Cancellation:
    return Cancellation(engine)


@pytest.fixture
async def caller(engine: Engine, accept: Accept) -> Caller:
    """A key of the account whose messages `accept` accepts."""
    del accept
    return await key_of(engine, "shop")


async def refused(cancellation: Cancellation, caller: Caller, message_id: UUID) -> Refusal:
    with pytest.raises(Refusal) as raised:
        await cancellation.cancel(caller, message_id)
    return raised.value


async def settled(dispatcher: Dispatcher, outcome: SendOutcome) -> Assignment:
    [assignment] = await dispatcher.claim(limit=1)
    await dispatcher.settle([Result(assignment=assignment, outcome=outcome)])
    return assignment


async def test_a_queued_message_is_canceled_and_never_claimed(
    cancellation: Cancellation, caller: Caller, accept: Accept, dispatcher: Dispatcher, state: State
) -> None:
    message_id = await accept()
    message = await cancellation.cancel(caller, message_id)
    assert (message.id, message.status, message.error_code) == (message_id, "canceled", None)
    assert message.final_at is not None
    assert await dispatcher.claim(limit=10) == []
    stored = await state(message_id)
    assert (stored["status"], stored["queue"]) == ("canceled", [])
    assert stored["events"] == [("api", "queued", True, None), ("api", "canceled", True, None)]


async def test_a_message_that_waits_for_its_next_try_is_canceled(
    cancellation: Cancellation, caller: Caller, accept: Accept, dispatcher: Dispatcher
) -> None:
    message_id = await accept()
    await settled(dispatcher, DEFERRED)
    assert (await cancellation.cancel(caller, message_id)).status == "canceled"


async def test_a_withdrawn_second_copy_is_never_sent_and_leaves_the_message_unconfirmed(
    cancellation: Cancellation, caller: Caller, accept: Accept, dispatcher: Dispatcher, state: State, resolver: Resolver
) -> None:
    message_id = await accept(delivery_guarantee=DeliveryGuarantee.AT_LEAST_ONCE)
    first = await settled(dispatcher, UNKNOWN)
    await resolver.begin(limit=1)
    message = await cancellation.cancel(caller, message_id)
    assert (message.status, message.error_code, message.possible_duplicate) == ("unconfirmed", "outcome-unknown", False)
    assert await dispatcher.claim(limit=1) == []
    assert (await state(message_id))["events"][-1] == ("api", "unconfirmed", True, "withdrawn")
    await dispatcher.settle([Result(assignment=first, outcome=ACCEPTED)])
    assert (await state(message_id))["status"] == "sent"


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(None, MessageStatus.SENDING), (UNKNOWN, MessageStatus.SENDING), (ACCEPTED, MessageStatus.SENT)],
)
async def test_what_a_worker_has_taken_is_not_canceled_and_the_refusal_says_where_it_stands(
    cancellation: Cancellation,
    caller: Caller,
    accept: Accept,
    dispatcher: Dispatcher,
    state: State,
    outcome: SendOutcome | None,
    status: MessageStatus,
) -> None:
    message_id = await accept()
    if outcome is None:
        await dispatcher.claim(limit=1)
    else:
        await settled(dispatcher, outcome)
    before = await state(message_id)
    refusal = await refused(cancellation, caller, message_id)
    assert (refusal.code, refusal.message_status) == (ErrorCode.NOT_CANCELABLE, status)
    assert await state(message_id) == before


async def test_a_message_is_canceled_once(cancellation: Cancellation, caller: Caller, accept: Accept) -> None:
    message_id = await accept()
    done = await asyncio.gather(*(cancellation.cancel(caller, message_id) for _ in range(8)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == [*["Refusal"] * 7, "StoredMessage"]
    refusal = await refused(cancellation, caller, message_id)
    assert (refusal.code, refusal.message_status) == (ErrorCode.NOT_CANCELABLE, MessageStatus.CANCELED)


async def test_another_accounts_message_and_one_that_never_was_are_not_found(
    cancellation: Cancellation, accept: Accept, engine: Engine, state: State
) -> None:
    message_id = await accept()
    await tenant(engine, "stranger", sender=None)
    stranger = await key_of(engine, "stranger")
    for unknown in (message_id, make_id(unix_ms=1_800_000_000_000, placement=0, random_bits=1)):
        assert (await refused(cancellation, stranger, unknown)).code is ErrorCode.NOT_FOUND
    assert (await state(message_id))["status"] == "queued"


async def test_a_key_that_only_reads_cancels_nothing(
    cancellation: Cancellation, accept: Accept, engine: Engine, state: State
) -> None:
    message_id = await accept()
    reader = await key_of(engine, "shop", scopes=(Scope.MESSAGES_READ,))
    ops = await Authenticator(engine).authenticate(await ops_key(engine))
    for caller in (reader, ops):
        assert (await refused(cancellation, caller, message_id)).code is ErrorCode.FORBIDDEN
    assert (await state(message_id))["status"] == "queued"


async def test_200_cancels_race_with_claims_and_every_message_is_either_canceled_or_sent(
    cancellation: Cancellation,
    caller: Caller,
    accept: Accept,
    engine: Engine,
    transport: Transport,
    shared_database_url: str,
    provider: CountingProvider,
) -> None:
    ids = await asyncio.gather(*(accept() for _ in range(200)))
    adapters = provider.adapters(shared_database_url)
    dispatchers = [dispatcher_of(engine, adapters, transport) for _ in range(4)]
    answers: dict[UUID, str] = {}

    async def send(dispatcher: Dispatcher) -> None:
        while claimed := await dispatcher.claim(limit=5):
            results = await asyncio.gather(*(dispatcher.send(assignment) for assignment in claimed))
            await dispatcher.settle(results)

    async def cancel(mine: list[UUID]) -> None:
        for message_id in mine:
            try:
                answers[message_id] = (await cancellation.cancel(caller, message_id)).status
            except Refusal as refusal:
                answers[message_id] = f"{refusal.code} {refusal.message_status}"

    shuffled = random.Random(3).sample(ids, len(ids))  # noqa: S311 - an order, not a secret
    await asyncio.gather(*map(send, dispatchers), *(cancel(shuffled[lane::10]) for lane in range(10)))

    taken = provider.taken()
    async with engine.connect() as connection:
        statuses = {row.id: row.status for row in await connection.execute(text("SELECT id, status FROM messages"))}
    ends = Counter((answers[one], statuses[one], taken[str(one)]) for one in ids)
    assert set(ends) <= {
        ("canceled", "canceled", 0),
        ("not-cancelable sending", "sent", 1),
        ("not-cancelable sent", "sent", 1),
    }
    assert ends.total() == 200
    assert 0 < ends["canceled", "canceled", 0] < 200
