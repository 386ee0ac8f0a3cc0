"""The sandbox's routes: who may submit, what is refused, what the tester sees, its bounds and its stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import orjson
import pytest
import pytest_asyncio

from app.domain.http import HttpRequest, HttpResponse, TransportFailure
from app.domain.provider import Accepted, Deferred, Rejected, Unknown
from app.providers.sandbox import Adapter, Config
from app.sandbox.magic import MAGIC_NUMBERS
from tests.sandbox.world import CONFIG, MESSAGE, World, a_receiver, a_world, attempt, until

AUTHORIZATION = "Basic a2V5OnNlY3JldA=="
"""`key:secret`"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared() -> AsyncIterator[World]:
    async with a_receiver() as receiver, a_world(receiver=receiver) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="session")
async def world(shared: World) -> World:
    await shared.call("DELETE", "/sandbox/state")
    return shared


async def post(world: World, body: object, *, authorization: str = AUTHORIZATION) -> HttpResponse:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    headers = {"authorization": authorization, "content-type": "application/json"}
    answer = await world.client.perform(
        HttpRequest(method="POST", url=f"{world.url}/v1/messages", headers=headers, body=content)
    )
    assert isinstance(answer, HttpResponse)
    return answer


async def test_a_message_needs_no_more_than_from_to_and_body(world: World) -> None:
    answer = await post(world, {"from": "+12025550100", "to": "+12025550123", "body": "hello"})
    assert answer.status == 202
    body = orjson.loads(answer.body)
    assert body["id"].startswith("sbx_")
    assert {key: body[key] for key in ("status", "from", "to", "reference", "carrier")} == {
        "status": "queued",
        "from": "+12025550100",
        "to": "+12025550123",
        "reference": None,
        "carrier": "Verizon",
    }


@pytest.mark.parametrize(
    "authorization", ["", "Basic", "Basic !!!", "Basic a2V5Ondyb25n", "Bearer a2V5OnNlY3JldA==", "Basic \x7e"]
)
async def test_a_submission_without_the_right_credentials_is_401(world: World, authorization: str) -> None:
    answer = await post(world, {"from": "1", "to": "+12025550123", "body": "x"}, authorization=authorization)
    assert (answer.status, orjson.loads(answer.body)["error"]["code"]) == (401, 2001)
    assert (await world.look("/sandbox/submissions"))["submissions"] == []


async def test_the_adapter_reads_the_refused_credentials(world: World) -> None:
    settings = {"url": world.url, "api_key": "key", "api_secret": "wrong", "webhook_secret": "whsec"}
    stranger = replace(world, adapter=Adapter(Config.model_validate(settings)))
    outcome = (await stranger.send("+12025550123")).outcome
    assert isinstance(outcome, Rejected)
    assert outcome.failure.error == "provider-credentials"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", 1005),
        (b"{", 1005),
        (b"[]", 1005),
        ({"from": "1", "to": "+12025550123"}, 1005),
        ({"from": "1", "to": "+12025550123", "body": ""}, 1005),
        ({"from": "1", "to": "+12025550123", "body": "x" * 1601}, 1005),
        ({"from": "1", "to": "+12025550123", "body": 5}, 1005),
        ({"from": "1", "to": "+12025550123", "body": "x", "surprise": 1}, 1005),
        ({"from": "1", "to": "+12025550123", "body": "x", "status_callback_url": "file:///etc/passwd"}, 1005),
        ({"from": "1", "to": "+12025550123", "body": "x", "validity_seconds": 0}, 1005),
        ({"from": "1", "to": "12025550123", "body": "x"}, 1001),
        ({"from": "1", "to": "+1202555O123", "body": "x"}, 1001),
        ({"from": "1", "to": "+1202", "body": "x"}, 1001),
    ],
)
async def test_an_unreadable_submission_is_refused_with_the_error_document(
    world: World, body: object, code: int
) -> None:
    answer = await post(world, body)
    assert (answer.status, orjson.loads(answer.body)["error"]["code"]) == (400, code)


async def test_a_huge_submission_is_not_read(world: World) -> None:
    assert (await post(world, b'"' + b"x" * 70_000 + b'"')).status == 413


async def test_submissions_are_found_by_attempt_by_message_and_by_recipient(world: World) -> None:
    await world.send("+15005550031", attempt=attempt(1, MESSAGE))
    await world.send("+15005550031", attempt=attempt(2, MESSAGE), body="again")
    await world.send("+12025550123")

    async def found(query: str) -> list[tuple[Any, ...]]:
        entries = (await world.look(f"/sandbox/submissions?{query}"))["submissions"]
        return [(entry["reference"], entry["body"], entry["taken"], entry["answer"]) for entry in entries]

    first = (f"{MESSAGE}.1", "hello", False, "503")
    second = (f"{MESSAGE}.2", "again", True, "202 with an id")
    assert await found(f"reference={MESSAGE}") == [first, second]
    assert await found(f"reference={MESSAGE}.2") == [second]
    assert await found("to=%2B15005550031") == [first, second]
    assert await found("to=+15005550031") == [first, second]
    assert await found(f"to=%2B12025550123&reference={MESSAGE}") == []


async def test_the_inbox_shows_the_newest_first_and_stops_at_its_limit(world: World) -> None:
    for body in ("one", "two", "three"):
        await world.send("+12025550123", body=body)
        await asyncio.sleep(0.06)
    await asyncio.sleep(0.05)
    inbox = (await world.look("/sandbox/inbox?to=%2B12025550123&limit=2"))["messages"]
    assert len(inbox) == 2
    times = [text["received_at"] for text in inbox]
    assert times == sorted(times, reverse=True)
    everything = (await world.look("/sandbox/inbox"))["messages"]
    assert {text["body"] for text in everything} == {"one", "two", "three"}
    assert {(text["from"], text["to"]) for text in everything} == {("+12025550100", "+12025550123")}


async def test_only_a_message_that_was_taken_twice_is_a_duplicate(world: World) -> None:
    await world.send("+12025550123")
    for number in (1, 2):
        await world.send("+15005550031", attempt=attempt(number, uuid4()))
    assert await world.look("/sandbox/submissions/duplicates") == {"duplicates": []}
    for number in (1, 2, 3):
        await world.send("+15005550031", attempt=attempt(number, MESSAGE))
    assert await world.look("/sandbox/submissions/duplicates") == {
        "duplicates": [{"message": str(MESSAGE), "taken": 2}]
    }


async def test_clearing_forgets_submissions_refusals_and_pending_reports(world: World) -> None:
    pending = await world.send("+15005550051")
    throttled = await world.send("+15005550031", attempt=attempt(1, MESSAGE))
    assert isinstance(throttled.outcome, Deferred)
    assert (await world.call("DELETE", "/sandbox/state")).status == 204
    assert await world.look("/sandbox/submissions") == {"submissions": []}
    assert isinstance((await world.send("+15005550031", attempt=attempt(2, MESSAGE))).outcome, Deferred)
    await asyncio.sleep(0.7)
    assert "delivered" not in [report.provider_status for report in world.reports(pending)]


async def test_the_page_for_people_lists_every_magic_number_and_loads_nothing(world: World) -> None:
    answer = await world.call("GET", "/")
    text = answer.body.decode()
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert [magic.number for magic in MAGIC_NUMBERS if f"<td>{magic.number}</td>" not in text] == []
    assert "src=" not in text
    assert "http" not in text


async def test_the_oldest_submissions_are_forgotten_beyond_the_limit() -> None:
    config = replace(CONFIG, max_submissions=2)
    async with a_receiver() as receiver, a_world(config, receiver=receiver) as world:
        for body in ("one", "two", "three"):
            await world.send("+12025550123", body=body)
        entries = (await world.look("/sandbox/submissions"))["submissions"]
        assert [entry["body"] for entry in entries] == ["two", "three"]


async def test_more_unreported_messages_than_the_limit_are_refused_as_too_fast() -> None:
    config = replace(CONFIG, max_unreported=1)
    async with a_receiver(delay_seconds=0.2) as receiver, a_world(config, receiver=receiver) as world:
        assert isinstance((await world.send("+12025550123")).outcome, Accepted)
        refused = (await world.send("+12025550123")).outcome
        assert isinstance(refused, Deferred)
        assert refused.retry_after_seconds == 1.0


async def test_a_held_answer_ends_with_a_504_once_its_time_is_over() -> None:
    async with a_receiver() as receiver, a_world(replace(CONFIG, hold_seconds=0.1), receiver=receiver) as world:
        sent = await world.send("+15005550044")
        assert isinstance(sent.outcome, Unknown)
        assert sent.outcome.failure.provider_status == "HTTP 504"


async def test_a_stop_ends_held_answers_and_pending_reports_at_once() -> None:
    async with a_receiver() as receiver, a_world(replace(CONFIG, pace=100.0), receiver=receiver) as world:
        held = asyncio.create_task(world.send("+15005550043"))
        await until(lambda: len(receiver.received) == 1)
        started = asyncio.get_running_loop().time()
        world.server.should_exit = True
        sent = await held
        stopped = asyncio.get_running_loop().time() - started
    assert stopped < 2.0
    assert not isinstance(sent.answer, TransportFailure)
    assert isinstance(sent.outcome, Unknown)
    assert len(receiver.received) == 1


async def test_secrets_stay_out_of_the_repr() -> None:
    assert "whsec" not in repr(CONFIG)
    assert "'secret'" not in repr(CONFIG)
