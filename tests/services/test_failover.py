"""What certainly was not sent leaves a failing provider for another member of its pool, and nothing else does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import text

from app.domain.delivery_errors import DeliveryError
from app.domain.provider import Accepted, Deferred, ProviderFailure, Rejected, SendOutcome, Unknown
from app.services.administration import Administration
from app.services.authentication import Authenticator
from app.services.dispatch import Dispatcher, Result
from app.services.identity import new_id
from app.services.messages import Messages
from app.services.moving import Moving
from app.store.engine import Engine
from app.store.pools import add_pool, put_member
from tests.services.conftest import Asked, State, plenty_of_room
from tests.support.gateway import tenant

SENDERS: Final = {"a": "+12025550101", "b": "+12025550102", "c": "+12025550103"}
"""One for each provider account."""

BALANCE: Final = Rejected(failure=ProviderFailure(error=DeliveryError.PROVIDER_BALANCE))
NO_CONNECTION: Final = Deferred(failure=ProviderFailure(error=DeliveryError.PROVIDER_UNAVAILABLE))
NOBODY_KNOWS: Final = Unknown(failure=ProviderFailure(error=DeliveryError.OUTCOME_UNKNOWN))

Send = Callable[..., Awaitable[UUID]]


@pytest.fixture
async def send(engine: Engine) -> AsyncIterator[Send]:
    """Accept a message that a pool of the three senders has given to the first; `name` is the pool's."""
    account = await tenant(engine)
    admin = Administration(engine, set(SENDERS))
    senders = {
        name: await admin.add_sender(account=account.name, address=address, provider=name, rate=None)
        for name, address in SENDERS.items()
    }
    pool_id, account_id = new_id(), senders["a"].account_id
    async with engine.begin() as connection:
        await add_pool(connection, pool_id=pool_id, account_id=account_id, name="alerts", match_area=False)
        for sender in senders.values():
            await put_member(connection, pool_id, sender.id, account_id=account_id, weight=1)
        await connection.execute(text("UPDATE lanes SET rate = 100, burst = 100"))
    caller = await Authenticator(engine).authenticate(account.live)
    messages = Messages(engine, engine, validity_seconds=3600, caps=plenty_of_room(engine))

    async def sent(*, pool: str | None = "alerts", **change: Any) -> UUID:
        asked = Asked(sender=SENDERS["a"], **{"recipient": "+12025550143", **change})
        message_id = (await messages.accept(caller, asked, None)).message.id
        await told(engine, "UPDATE messages SET pool = :pool WHERE id = :id", pool=pool, id=message_id)
        return message_id

    yield sent
    await messages.aclose()


async def told(engine: Engine, statement: str, **values: Any) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(statement), values)


async def opened(engine: Engine, *providers: str, state: str = "open", seconds: float = 60) -> None:
    """Let these circuits be open for so long, or half-open with a trial under way."""
    statement = """
        INSERT INTO circuits (provider, state, open_until, trial_until, health)
        SELECT name, :state, now() + :seconds * interval '1 second', now() + :seconds * interval '1 second', 0.5
        FROM unnest(CAST(:providers AS text[])) AS name
    """
    await told(engine, statement, providers=list(providers), state=state, seconds=seconds)


async def ways(engine: Engine, message_id: UUID) -> list[tuple[Any, ...]]:
    """Give where a message is to go from now, then each of its moves."""
    query = """
        SELECT m.sender, m.provider, (SELECT address FROM senders WHERE id = q.lane) FROM messages AS m
        JOIN dispatch_queue AS q ON q.message_id = m.id WHERE m.id = :id
    """
    moves = """
        SELECT from_sender, to_sender, attempt, applied FROM status_events
        WHERE message_id = :id AND reason = 'failed-over' ORDER BY sequence
    """
    async with engine.connect() as connection:
        now = [tuple(row) for row in await connection.execute(text(query), {"id": message_id})]
        return now + [tuple(row) for row in await connection.execute(text(moves), {"id": message_id})]


async def tried(dispatcher: Dispatcher, *outcomes: SendOutcome) -> None:
    """Claim one message after the other and let its send come to this."""
    for outcome in outcomes:
        [assignment] = await dispatcher.claim(limit=1)
        await dispatcher.settle([Result(assignment=assignment, outcome=outcome)])


UNMOVED: Final = [(SENDERS["a"], "a", SENDERS["a"])]


def at(name: str) -> tuple[str, str, str]:
    return SENDERS[name], name, SENDERS[name]


async def test_what_waits_for_a_failing_provider_goes_out_from_another_member(
    send: Send, engine: Engine, dispatcher: Dispatcher, state: State
) -> None:
    message_id = await send()
    await opened(engine, "a", "c")
    moving = Moving(engine)
    assert (await moving.sweep()).moved == 1
    assert await ways(engine, message_id) == [at("b"), (SENDERS["a"], SENDERS["b"], None, False)]
    assert (await moving.sweep()).moved == 0
    [assignment] = await dispatcher.claim(limit=10)
    assert (assignment.provider, assignment.send.sender) == ("b", SENDERS["b"])
    await dispatcher.settle([Result(assignment=assignment, outcome=Accepted(provider_message_id="b-1"))])
    assert (await state(message_id))["status"] == "sent"


async def test_a_message_moves_once_from_each_sender_and_never_back(send: Send, engine: Engine) -> None:
    message_id = await send()
    moving = Moving(engine)
    for failing, place in ((("a", "c"), "b"), (("b", "c"), "c"), (("b", "c"), "c")):
        await told(engine, "DELETE FROM circuits")
        await opened(engine, *failing)
        await moving.sweep()
        if place == "c":
            continue
        assert (await ways(engine, message_id))[0] == at(place)
    assert (await ways(engine, message_id))[0] == at("b")
    assert len(await ways(engine, message_id)) == 2


@pytest.mark.parametrize(
    ("state", "seconds", "moved"),
    [("closed", 60, 0), ("open", 60, 1), ("open", -1, 0), ("half_open", 60, 1), ("half_open", -1, 0)],
)
async def test_messages_move_while_nothing_may_pass_and_stay_where_a_trial_is_due(
    send: Send, engine: Engine, state: str, seconds: float, moved: int
) -> None:
    await send()
    await opened(engine, "a", state=state, seconds=seconds)
    assert (await Moving(engine).sweep()).moved == moved


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE messages SET pool = NULL",
        "UPDATE messages SET test = true",
        "UPDATE messages SET status = 'scheduled'; UPDATE dispatch_queue SET due_at = now() + interval '1 minute'",
        "UPDATE lanes SET paused_at = now()",
        "UPDATE dispatch_queue SET leased_until = now() + interval '1 minute'",
        "UPDATE dispatch_queue SET work = 'resolve'",
        "UPDATE messages SET recipient = '+447700900123'",
        "UPDATE pool_members SET weight = 0",
        "INSERT INTO circuits (provider, state) VALUES ('b', 'open'), ('c', 'half_open')",
        "INSERT INTO provider_accounts (name, paused_at) VALUES ('b', now()), ('c', now())",
        "DELETE FROM sender_pools",
    ],
)
async def test_what_may_not_move_or_has_nowhere_to_go_waits(send: Send, engine: Engine, statement: str) -> None:
    message_id = await send()
    await opened(engine, "a")
    for each in statement.split("; "):
        await told(engine, each)
    assert (await Moving(engine).sweep()).moved == 0
    assert await ways(engine, message_id) == UNMOVED
    await told(engine, "DELETE FROM provider_accounts")


async def test_a_lane_is_given_no_more_than_it_can_send(send: Send, engine: Engine) -> None:
    for _ in range(8):
        await send()
    await told(engine, "UPDATE lanes SET rate = 1, burst = 1")
    await opened(engine, "a", "c")
    now = 100.0
    moving = Moving(engine, clock=lambda: now)
    assert (await moving.sweep()).moved == 3, "its burst and a second"
    assert (await moving.sweep()).moved == 0
    now += 1
    assert (await moving.sweep()).moved == 2
    now += 60
    assert (await moving.sweep()).moved == 3


async def test_a_look_goes_on_behind_what_cannot_move(
    send: Send, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.services.moving._BATCH", 2)
    for _ in range(5):
        await send(pool=None)
    last = await send()
    await opened(engine, "a")
    moving = Moving(engine)
    assert [(await moving.sweep()).moved for _ in range(4)] == [0, 0, 1, 0]
    assert (await ways(engine, last))[0] != at("a")


async def test_a_refusal_of_the_account_is_the_end_only_once_every_member_has_refused(
    send: Send, engine: Engine, dispatcher: Dispatcher, state: State
) -> None:
    message_id = await send()
    for _ in range(2):
        await tried(dispatcher, BALANCE)
        assert (await state(message_id))["status"] == "queued"
    await tried(dispatcher, BALANCE)
    end = await state(message_id)
    assert (end["status"], end["error_code"], end["phases"]) == ("failed", "provider-balance", ["rejected"] * 3)
    moves = await ways(engine, message_id)
    assert [move[2] for move in moves] == [1, 2]
    assert {address for move in moves for address in move[:2]} == set(SENDERS.values())


async def test_a_send_without_a_connection_is_tried_again_until_the_circuit_opens_and_then_goes_on_at_once(
    send: Send, engine: Engine, dispatcher: Dispatcher
) -> None:
    message_id = await send()
    await tried(dispatcher, NO_CONNECTION)
    assert await ways(engine, message_id) == UNMOVED
    await told(engine, "UPDATE dispatch_queue SET due_at = now()")
    [assignment] = await dispatcher.claim(limit=1)
    await opened(engine, "a", "c")
    await dispatcher.settle([Result(assignment=assignment, outcome=NO_CONNECTION)])
    assert await ways(engine, message_id) == [at("b"), (SENDERS["a"], SENDERS["b"], 2, True)]
    [assignment] = await dispatcher.claim(limit=1)
    assert assignment.send.sender == SENDERS["b"]


async def test_a_retry_that_waits_moves_before_it_is_due(send: Send, engine: Engine, dispatcher: Dispatcher) -> None:
    message_id = await send()
    await tried(dispatcher, NO_CONNECTION)
    await told(engine, "UPDATE dispatch_queue SET due_at = now() + interval '1 minute'")
    await opened(engine, "a", "c")
    await Moving(engine).sweep()
    assert (await ways(engine, message_id))[0] == at("b")
    assert len(await dispatcher.claim(limit=1)) == 1


async def test_an_unknown_outcome_never_moves(send: Send, engine: Engine, dispatcher: Dispatcher, state: State) -> None:
    message_id = await send()
    [assignment] = await dispatcher.claim(limit=1)
    await opened(engine, "a")
    assert (await Moving(engine).sweep()).moved == 0
    await dispatcher.settle([Result(assignment=assignment, outcome=NOBODY_KNOWS)])
    assert (await Moving(engine).sweep()).moved == 0
    assert await ways(engine, message_id) == UNMOVED
    assert (await state(message_id))["phases"] == ["unknown"]
