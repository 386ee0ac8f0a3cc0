"""Choosing when accepting: what is remembered and for how long, and what a provider's health does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, text

from app.domain.errors import ErrorCode, Refusal
from app.services.administration import Administration
from app.services.authentication import Authenticator, Caller
from app.services.messages import Messages
from app.services.named_ways import NamedWays
from app.services.sender_choice import SenderChoice
from app.store.engine import Engine
from tests.services.conftest import Asked, plenty_of_room
from tests.support.gateway import tenant

RECIPIENT = "+12125550123"
NUMBERS = [f"+1212555{number:04}" for number in range(300)]


@dataclass
class Clock:
    """A monotonic clock that stands still."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Shop:
    """An account with a pool `us` of two senders, through two provider accounts."""

    account_id: UUID
    caller: Caller
    ways: NamedWays


@pytest.fixture
async def shop(engine: Engine) -> Shop:
    made = await tenant(engine, sender=None)
    admin = Administration(engine, {"one", "two"})
    ways = NamedWays(engine)
    await ways.create_pool("shop", "us", match_area=False)
    for address, provider in (("+12135550101", "one"), ("+12135550102", "two")):
        await admin.add_sender(account="shop", address=address, provider=provider, rate=None)
        await ways.put_member("shop", "us", address, weight=1)
    caller = await Authenticator(engine).authenticate(made.live)
    assert caller.account_id is not None
    return Shop(account_id=caller.account_id, caller=caller, ways=ways)


@pytest.fixture
async def messages(engine: Engine) -> AsyncIterator[Messages]:
    made = Messages(engine, engine, validity_seconds=3600, caps=plenty_of_room(engine))
    yield made
    await made.aclose()


@pytest.fixture
async def circuits(engine: Engine) -> AsyncIterator[None]:
    """No circuit is left behind."""
    yield
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM circuits"))


async def set_health(engine: Engine, provider: str, health: float, state: str = "closed") -> None:
    async with engine.begin() as connection:
        statement = text(
            "INSERT INTO circuits (provider, state, health, open_until) "
            "VALUES (:provider, :state, :health, now() + interval '1 minute') "
            "ON CONFLICT (provider) DO UPDATE SET state = :state, health = :health, health_at = now()"
        )
        await connection.execute(statement, {"provider": provider, "state": state, "health": health})


async def chosen(choice: SenderChoice, shop: Shop) -> dict[str, str]:
    return {number: (await choice.choose(shop.account_id, "pool:us", number)).address for number in NUMBERS}


async def test_a_recipient_of_a_pool_keeps_its_sender_and_its_message_says_which(
    messages: Messages, shop: Shop, engine: Engine
) -> None:
    asked = Asked(sender="pool:us", recipient=RECIPIENT)
    accepted = [(await messages.accept(shop.caller, asked, None)).message for _ in range(5)]
    assert len({(message.sender, message.provider) for message in accepted}) == 1
    assert {message.pool for message in accepted} == {"us"}
    async with engine.connect() as connection:
        rows = await connection.execute(
            text(
                "SELECT DISTINCT s.address, s.provider, m.sender, m.provider, m.pool FROM messages AS m "
                "JOIN dispatch_queue AS q ON q.message_id = m.id JOIN senders AS s ON s.id = q.lane"
            )
        )
        [row] = rows.all()
    first = accepted[0]
    assert tuple(row) == (first.sender, first.provider, first.sender, first.provider, "us")


async def test_a_repeat_under_a_key_is_the_first_answer_though_another_sender_would_be_chosen(
    messages: Messages, shop: Shop
) -> None:
    asked = Asked(sender="pool:us", recipient=RECIPIENT)
    first = await messages.accept(shop.caller, asked, "order-1042")
    await shop.ways.remove_member("shop", "us", first.message.sender)
    await shop.ways.delete_pool("shop", "us")
    again = await messages.accept(shop.caller, asked, "order-1042")
    assert (again.replayed, again.message) == (True, first.message)


async def test_a_caller_who_names_a_sender_asks_for_no_pool(messages: Messages, shop: Shop, engine: Engine) -> None:
    asked = Asked(sender="+12135550101", recipient=RECIPIENT)
    await messages.accept(shop.caller, asked, None)
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        await messages.accept(shop.caller, asked, None)
        await messages.accept(shop.caller, Asked(sender="pool:us", recipient=RECIPIENT), None)
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", note)
    about_pools = [statement for statement in statements if "sender_pools" in statement]
    assert len(about_pools) == 1


async def test_a_change_is_known_within_five_seconds_and_what_is_new_at_once(shop: Shop, engine: Engine) -> None:
    clock = Clock()
    choice = SenderChoice(engine, clock=clock)
    before = await chosen(choice, shop)
    await shop.ways.put_member("shop", "us", "+12135550101", weight=0)
    assert await chosen(choice, shop) == before
    await shop.ways.create_pool("shop", "new", match_area=False)
    await shop.ways.put_member("shop", "new", "+12135550101", weight=1)
    assert (await choice.choose(shop.account_id, "pool:new", RECIPIENT)).address == "+12135550101"
    await shop.ways.set_route("shop", "+1", "pool:new")
    assert (await choice.choose(shop.account_id, None, RECIPIENT)).pool == "new"
    await shop.ways.put_member("shop", "us", "+12135550101", weight=1)
    clock.now += 5
    await shop.ways.put_member("shop", "us", "+12135550102", weight=0)
    assert set((await chosen(choice, shop)).values()) == {"+12135550101"}


@pytest.mark.usefixtures("circuits")
async def test_new_messages_leave_a_provider_whose_circuit_is_open_and_come_back_as_it_recovers(
    shop: Shop, engine: Engine
) -> None:
    clock = Clock()
    choice = SenderChoice(engine, clock=clock)
    before = await chosen(choice, shop)
    of_one = {number for number, address in before.items() if address == "+12135550101"}
    assert 100 < len(of_one) < 200
    await set_health(engine, "one", 0.5, state="open")
    clock.now += 5
    assert set((await chosen(choice, shop)).values()) == {"+12135550102"}
    await set_health(engine, "one", 0.25)
    clock.now += 5
    back = {number for number, address in (await chosen(choice, shop)).items() if address == "+12135550101"}
    assert back < of_one
    assert 20 < len(back) < 100
    await set_health(engine, "one", 1.0)
    clock.now += 5
    assert await chosen(choice, shop) == before


@pytest.mark.parametrize(
    ("sender", "recipient", "code"),
    [
        (None, RECIPIENT, ErrorCode.SENDER_MISSING),
        ("pool:nothing", RECIPIENT, ErrorCode.POOL_UNKNOWN),
        ("pool:us", "+447400123456", ErrorCode.NO_SENDER_FOR_DESTINATION),
    ],
)
async def test_what_cannot_be_chosen_is_refused_and_nothing_is_stored(
    messages: Messages, shop: Shop, engine: Engine, sender: str | None, recipient: str, code: ErrorCode
) -> None:
    with pytest.raises(Refusal) as refused:
        await messages.accept(shop.caller, Asked(sender=sender, recipient=recipient), "order-1042")
    assert refused.value.code is code
    async with engine.connect() as connection:
        counts = await connection.execute(
            text("SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM idempotency_keys)")
        )
        assert tuple(counts.one()) == (0, 0)
