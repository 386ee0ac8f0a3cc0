"""The sandbox's records as the adapter asks for them: one message, searches, and lists page by page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import orjson
import pytest
import pytest_asyncio

from app.domain.delivery_errors import DeliveryError
from app.domain.evidence import (
    Absent,
    ByRecipient,
    ByReference,
    NoAnswer,
    Price,
    ProviderMessage,
    SearchPage,
    SearchQuery,
    TakenBetween,
)
from app.domain.http import HttpRequest
from app.domain.provider import Accepted, AskContext
from app.domain.status import MessageStatus
from app.providers.sandbox import Evidence
from app.sandbox.script import Word
from app.sandbox.submissions import Fate
from tests.sandbox.world import MESSAGE, Sent, World, a_receiver, a_world, attempt, until

CONTEXT = AskContext(now=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), nonce="nonce")
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
SOME_DAY = datetime(2100, 1, 1, tzinfo=UTC)
SENDER = "+12025550100"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared() -> AsyncIterator[World]:
    async with a_receiver() as receiver, a_world(receiver=receiver, deadline_seconds=0.3) as world:
        yield world.using(Evidence.REFERENCE_SEARCH)


@pytest_asyncio.fixture(loop_scope="session")
async def world(shared: World) -> World:
    await shared.call("DELETE", "/sandbox/state")
    return shared


async def fetched(world: World, sent: Sent) -> ProviderMessage:
    assert isinstance(sent.outcome, Accepted)
    assert sent.outcome.provider_message_id is not None
    request = world.adapter.build_fetch(sent.outcome.provider_message_id, CONTEXT)
    found = world.adapter.parse_fetch(await world.ask(request))
    assert isinstance(found, ProviderMessage)
    return found


async def page_of(world: World, query: SearchQuery, page: str | None = None) -> SearchPage:
    found = world.adapter.parse_search(await world.ask(world.adapter.build_search(query, page, CONTEXT)))
    assert isinstance(found, SearchPage)
    return found


async def bodies(world: World, query: SearchQuery) -> list[str | None]:
    return [message.body for message in (await page_of(world, query)).messages]


async def test_a_message_is_shown_with_all_that_is_known_of_it(world: World) -> None:
    before = datetime.now(UTC)
    sent = await world.send("+12025550123", body="x" * 161, attempt=attempt(2, MESSAGE))
    await asyncio.sleep(0.08)
    message = await fetched(world, sent)
    assert (message.sender, message.recipient, message.body) == (SENDER, "+12025550123", "x" * 161)
    assert (message.status, message.provider_status) == (MessageStatus.DELIVERED, "delivered")
    assert message.attempt == sent.attempt
    assert message.taken_at is not None
    assert before <= message.taken_at <= datetime.now(UTC)
    assert (message.segments, message.price) == (2, Price(amount=Decimal("0.0150"), currency="USD"))
    assert (message.error, message.provider_code) == (None, None)


@pytest.mark.parametrize(
    ("seconds", "word"), [(0.0, "queued"), (0.9, "queued"), (1.0, "sent"), (2.9, "sent"), (3.0, "undelivered")]
)
def test_the_status_follows_the_journey(seconds: float, word: str) -> None:
    taken_at = CONTEXT.now
    handed_over_at, ends_at = taken_at + timedelta(seconds=1), taken_at + timedelta(seconds=3)
    fate = Fate(handed_over_at=handed_over_at, ends_at=ends_at, end=Word.UNDELIVERED, error_code=3001)
    assert fate.word(taken_at + timedelta(seconds=seconds)) == word


async def test_a_message_that_is_never_reported_shows_what_became_of_it(world: World) -> None:
    silent, lost = await world.send("+15005550050"), await world.send("+15005550020")
    await asyncio.sleep(0.08)
    assert (await fetched(world, silent)).status == MessageStatus.DELIVERED
    message = await fetched(world, lost)
    assert (message.status, message.error, message.provider_code) == (
        MessageStatus.UNDELIVERED,
        DeliveryError.LANDLINE,
        "3001",
    )


async def test_an_unknown_or_refused_id_is_absent(world: World) -> None:
    await world.send("+15005550010")
    (refused,) = (await world.look("/sandbox/submissions"))["submissions"]
    for message_id in (refused["id"], "sbx_none", "a?b", "é"):
        answer = await world.ask(world.adapter.build_fetch(message_id, CONTEXT))
        assert (answer.status, orjson.loads(answer.body)["error"]["code"]) == (404, 4001)
        assert world.adapter.parse_fetch(answer) == Absent()


async def test_a_message_is_found_by_its_reference_however_its_submission_was_answered(world: World) -> None:
    for number, recipient in enumerate(("+15005550041", "+15005550044", "+15005550010", "+12025550123"), 1):
        await world.send(recipient, attempt=attempt(number, MESSAGE))
        found = (await page_of(world, ByReference(attempt=attempt(number, MESSAGE)))).messages
        assert [message.recipient for message in found] == ([] if recipient == "+15005550010" else [recipient])
    assert await page_of(world, ByReference(attempt=attempt(9, MESSAGE))) == SearchPage(messages=())


async def test_a_message_without_our_reference_is_found_by_its_sender_and_recipient(world: World) -> None:
    nameless = world.using(Evidence.RECIPIENT_SEARCH)
    await nameless.send("+15005550041", body="one")
    await nameless.send("+12025550123", body="two")
    query = ByRecipient(sender=SENDER, recipient="+15005550041", since=LONG_AGO, until=SOME_DAY)
    (message,) = (await page_of(nameless, query)).messages
    assert (message.body, message.attempt) == ("one", None)
    stranger = ByRecipient(sender="+12025550199", recipient="+15005550041", since=LONG_AGO, until=SOME_DAY)
    assert await bodies(nameless, stranger) == []


async def test_a_message_that_the_records_do_not_tell_of_is_no_absence_and_spoils_no_list(world: World) -> None:
    secret, searching_by_numbers = await world.send("+15005550046"), world.using(Evidence.RECIPIENT_SEARCH)
    await world.send("+12025550123")
    entries = (await world.look("/sandbox/submissions"))["submissions"]
    (message_id,) = (entry["id"] for entry in entries if entry["to"] == "+15005550046")
    told = world.adapter.parse_fetch(await world.ask(world.adapter.build_fetch(message_id, CONTEXT)))
    assert told == NoAnswer(reason="HTTP 500")
    by_recipient = ByRecipient(sender=SENDER, recipient="+15005550046", since=LONG_AGO, until=SOME_DAY)
    for asking, query in ((world, ByReference(attempt=secret.attempt)), (searching_by_numbers, by_recipient)):
        answer = await world.ask(asking.adapter.build_search(query, None, CONTEXT))
        assert asking.adapter.parse_search(answer) == NoAnswer(reason="HTTP 500")
    assert len(await bodies(world, TakenBetween(since=LONG_AGO, until=SOME_DAY))) == 2


async def test_a_message_that_was_lost_at_first_is_absent_until_it_comes_again(world: World) -> None:
    first, second = attempt(1, MESSAGE), attempt(2, MESSAGE)
    await world.send("+15005550047", attempt=first)
    assert await page_of(world, ByReference(attempt=first)) == SearchPage(messages=())
    await world.send("+15005550047", attempt=second)
    assert len((await page_of(world, ByReference(attempt=second))).messages) == 1


async def test_a_span_begins_with_its_first_moment_and_ends_before_its_last(world: World) -> None:
    for body in ("one", "two", "three"):
        await world.send("+12025550123", body=body)
    whole = TakenBetween(since=LONG_AGO, until=SOME_DAY)
    times = [message.taken_at for message in (await page_of(world, whole)).messages]
    first, second, third = (time for time in times if time is not None)
    assert await bodies(world, TakenBetween(since=first, until=third)) == ["one", "two"]
    assert await bodies(world, TakenBetween(since=second, until=third + timedelta(microseconds=1))) == ["two", "three"]
    assert await bodies(world, TakenBetween(since=LONG_AGO, until=first)) == []


async def test_long_texts_make_short_pages_and_no_message_is_left_out(world: World) -> None:
    texts = [f"{number:03}" + "✓" * 1500 for number in range(12)]
    for text in texts:
        await world.send("+12025550123", body=text)
    found: list[str | None] = []
    page, pages = None, 0
    while page is not None or pages == 0:
        one = await page_of(world, TakenBetween(since=LONG_AGO, until=SOME_DAY), page)
        found += [message.body for message in one.messages]
        page, pages = one.next_page, pages + 1
    assert (found, pages) == (texts, 2)


async def test_a_page_goes_on_where_the_one_before_ended(world: World) -> None:
    for number in range(5):
        await world.send("+12025550123", body=str(number))
    headers = world.adapter.build_fetch("x", CONTEXT).headers
    seen, page = [], ""
    while page is not None:
        query = f"limit=2&page={page}" if page else "limit=2"
        answer = await world.ask(HttpRequest(method="GET", url=f"{world.url}/v1/messages?{query}", headers=headers))
        document = orjson.loads(answer.body)
        seen.append([each["body"] for each in document["messages"]])
        page = document["next_page"]
    assert seen == [["0", "1"], ["2", "3"], ["4"]]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=x", "page=x", "since=yesterday", "since=2026-01-02T03:04:05", "a=b"]
)
async def test_an_unreadable_question_is_no_empty_page(world: World, query: str) -> None:
    headers = world.adapter.build_fetch("x", CONTEXT).headers
    answer = await world.ask(HttpRequest(method="GET", url=f"{world.url}/v1/messages?{query}", headers=headers))
    assert world.adapter.parse_search(answer) == NoAnswer(reason="HTTP 400")


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/sbx_1"])
async def test_the_records_are_shown_to_the_account_alone(world: World, path: str) -> None:
    assert (await world.call("GET", path)).status == 401


async def test_the_last_webhook_has_the_figures_of_the_bill(world: World) -> None:
    sent = await world.send("+12025550123", body="✓" * 71)
    await until(lambda: len(world.receiver.of(sent.status_url)) == 3)
    queued, handed_over, delivered = world.reports(sent)
    assert (queued.price, queued.segments, handed_over.price, handed_over.segments) == (None, None, None, None)
    assert (delivered.price, delivered.segments) == (Price(amount=Decimal("0.0150"), currency="USD"), 2)


async def test_without_evidence_our_reference_travels_and_no_webhook_comes(world: World) -> None:
    sent = await world.using(Evidence.NONE).send("+12025550123")
    (entry,) = (await world.look("/sandbox/submissions"))["submissions"]
    assert entry["reference"] == str(sent.attempt)
    await asyncio.sleep(0.1)
    assert world.reports(sent) == []
