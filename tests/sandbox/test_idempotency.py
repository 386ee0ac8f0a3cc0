"""The sandbox's idempotency keys: what comes twice under one key is taken once, whatever the first was answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import orjson
import pytest
import pytest_asyncio

from app.domain.http import FailurePhase, HttpResponse, TransportFailure
from app.domain.provider import Accepted, Deferred, Unknown
from app.providers.sandbox import Evidence
from tests.sandbox.world import CONFIG, MESSAGE, Sent, World, a_receiver, a_world, attempt


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared() -> AsyncIterator[World]:
    async with a_receiver() as receiver, a_world(receiver=receiver, deadline_seconds=0.3) as world:
        yield world.using(Evidence.IDEMPOTENCY_KEY)


@pytest_asyncio.fixture(loop_scope="session")
async def world(shared: World) -> World:
    await shared.call("DELETE", "/sandbox/state")
    return shared


async def taken(world: World) -> list[str]:
    entries = (await world.look("/sandbox/submissions"))["submissions"]
    return [entry["id"] for entry in entries if entry["taken"]]


def id_of(sent: Sent) -> str | None:
    assert isinstance(sent.outcome, Accepted)
    return sent.outcome.provider_message_id


@pytest.mark.parametrize("recipient", ["+12025550123", "+15005550041", "+15005550042", "+15005550044", "+15005550045"])
async def test_a_second_send_is_answered_with_the_first_ones_id_even_after_a_fault(
    world: World, recipient: str
) -> None:
    ref = attempt(1, MESSAGE)
    await world.send(recipient, attempt=ref)
    second = await world.send(recipient, attempt=ref, validity_seconds=599)
    assert [id_of(second)] == await taken(world)


async def test_a_key_counts_while_its_first_answer_is_still_held(world: World) -> None:
    ref = attempt(1, MESSAGE)
    held = asyncio.create_task(world.send("+15005550044", attempt=ref))
    async with asyncio.timeout(2):
        while not await taken(world):  # noqa: ASYNC110 - what is waited for lies behind HTTP
            await asyncio.sleep(0.005)
    assert [id_of(await world.send("+15005550044", attempt=ref))] == await taken(world)
    assert (await held).answer == TransportFailure(phase=FailurePhase.CONNECTED, reason="deadline")


async def test_another_attempt_is_another_key(world: World) -> None:
    first = await world.send("+12025550123", attempt=attempt(1, MESSAGE))
    second = await world.send("+12025550123", attempt=attempt(2, MESSAGE))
    assert [id_of(first), id_of(second)] == await taken(world)


async def test_a_key_with_another_message_is_422_and_says_nothing_of_the_first(world: World) -> None:
    ref = attempt(1, MESSAGE)
    await world.send("+12025550123", attempt=ref)
    other = await world.send("+12025550123", attempt=ref, body="something else")
    assert isinstance(other.answer, HttpResponse)
    assert (other.answer.status, orjson.loads(other.answer.body)["error"]["code"]) == (422, 1006)
    assert isinstance(other.outcome, Unknown)
    assert len(await taken(world)) == 1


async def test_a_refusal_is_not_kept_under_the_key(world: World) -> None:
    ref = attempt(1, MESSAGE)
    assert isinstance((await world.send("+15005550031", attempt=ref)).outcome, Deferred)
    assert isinstance((await world.send("+15005550031", attempt=ref)).outcome, Accepted)


async def test_a_message_that_was_lost_is_taken_when_it_comes_again(world: World) -> None:
    ref = attempt(1, MESSAGE)
    assert isinstance((await world.send("+15005550047", attempt=ref)).outcome, Unknown)
    assert [id_of(await world.send("+15005550047", attempt=ref))] == await taken(world)


async def test_a_message_that_the_sandbox_does_not_tell_of_is_taken_once_and_never_acknowledged(world: World) -> None:
    for _ in range(2):
        assert isinstance((await world.send("+15005550046", attempt=attempt(1, MESSAGE))).outcome, Unknown)
    assert len(await taken(world)) == 1


async def test_a_key_is_kept_as_long_as_its_submission() -> None:
    config = replace(CONFIG, max_submissions=1)
    async with a_receiver() as receiver, a_world(config, receiver=receiver) as plain:
        world = plain.using(Evidence.IDEMPOTENCY_KEY)
        first = await world.send("+12025550123", attempt=attempt(1, MESSAGE))
        await world.send("+12025550123", attempt=attempt(2, MESSAGE))
        again = await world.send("+12025550123", attempt=attempt(1, MESSAGE))
        assert [id_of(again)] == await taken(world)
        assert id_of(again) != id_of(first)
