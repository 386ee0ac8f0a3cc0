"""Finding out what became of unknown sends, over real HTTP from a provider that misbehaves and can be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from pydantic import HttpUrl, SecretStr
from sqlalchemy import text

from app.domain.inquiry import InquiryPolicy
from app.domain.message import DeliveryGuarantee
from app.domain.policy import LifecyclePolicy
from app.providers.sandbox import Adapter, Config, Evidence
from app.services.dispatch import Dispatcher
from app.services.records import ProviderRecords
from app.services.resolver import Resolver
from app.services.submitting import Submitter
from app.store.changes import apply_changes
from app.store.engine import Engine
from app.transport import Transport
from tests.services.conftest import Accept, State
from tests.support.asking import ask_all
from tests.support.counting_provider import dispatch_config
from tests.support.fake_provider.conduct import Conduct, always, at_first, in_turn
from tests.support.fake_provider.server import API_SECRET, FakeProvider
from tests.support.gateway import WEBHOOK_SECRET

SOON: Final = timedelta(seconds=0)
ALL: Final = (Evidence.IDEMPOTENCY_KEY, Evidence.REFERENCE_SEARCH, Evidence.RECIPIENT_SEARCH)

Pair = tuple[Dispatcher, Resolver]
Make = Callable[[Evidence], Pair]


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as running:
        yield running


@pytest.fixture
def make(engine: Engine, transport: Transport, provider: FakeProvider) -> Make:
    """Make a dispatcher and a resolver whose provider offers these ways to be asked, without waits."""
    inquiry = InquiryPolicy(delays_seconds=(0,) * 6, on_its_way=SOON, sightings_apart=SOON)
    policy = LifecyclePolicy(evidence_wait=SOON, inquiry=inquiry)
    config = replace(dispatch_config(), policy=policy)

    def made(evidence: Evidence) -> Pair:
        account = Config(
            url=HttpUrl(provider.url),
            api_key="sandbox",
            api_secret=SecretStr(API_SECRET),
            webhook_secret=SecretStr(WEBHOOK_SECRET),
            evidence=evidence,
        )
        adapters = {"sandbox": Adapter(account)}
        submitter, records = Submitter(adapters, transport, config), ProviderRecords(adapters, transport)
        dispatcher = Dispatcher(engine, adapters, submitter, config)
        return dispatcher, Resolver(engine, adapters, submitter, records, config)

    return made


async def send(dispatcher: Dispatcher) -> None:
    """Send everything that is due, once."""
    claimed = await dispatcher.claim(limit=10)
    await dispatcher.settle(await asyncio.gather(*map(dispatcher.send, claimed)))


@pytest.mark.parametrize("evidence", ALL)
async def test_a_message_that_was_taken_without_a_word_is_found_and_not_sent_again(
    make: Make, provider: FakeProvider, accept: Accept, state: State, evidence: Evidence
) -> None:
    dispatcher, resolver = make(evidence)
    provider.script = at_first(Conduct.CUT)
    message_id = await accept(delivery_guarantee=DeliveryGuarantee.AT_LEAST_ONCE)
    await send(dispatcher)
    assert (await state(message_id))["status"] == "sending"
    assert await ask_all(resolver) == 1
    stored = await state(message_id)
    assert (stored["status"], stored["phases"], stored["queue"]) == ("sent", ["accepted"], [])
    assert provider.log.taken() == {str(message_id): 1}


@pytest.mark.parametrize("evidence", ALL)
async def test_a_message_that_was_never_taken_is_sent_once_whatever_its_guarantee(
    make: Make, provider: FakeProvider, accept: Accept, state: State, evidence: Evidence
) -> None:
    dispatcher, resolver = make(evidence)
    provider.script = at_first(Conduct.LOST)
    message_id = await accept(delivery_guarantee=DeliveryGuarantee.AT_MOST_ONCE)
    await send(dispatcher)
    async with asyncio.timeout(10):
        while (await state(message_id))["status"] != "sent":
            await ask_all(resolver)
            await send(dispatcher)
    stored = await state(message_id)
    assert stored["possible_duplicate"] is False
    assert provider.log.taken() == {str(message_id): 1}


@pytest.mark.parametrize("evidence", ALL)
async def test_a_provider_that_never_answers_leaves_it_to_the_guarantee(
    make: Make, provider: FakeProvider, accept: Accept, state: State, evidence: Evidence
) -> None:
    dispatcher, resolver = make(evidence)
    provider.script = provider.questions = always(Conduct.ERROR_500)
    message_id = await accept()
    await send(dispatcher)
    async with asyncio.timeout(10):
        while (await state(message_id))["status"] == "sending":
            await ask_all(resolver)
    stored = await state(message_id)
    assert (stored["status"], stored["phases"]) == ("unconfirmed", ["abandoned"])
    assert [reason for *_, reason in stored["events"]].count("no-answer") == 6
    assert provider.log.taken() == {str(message_id): 1}


async def test_two_equal_texts_at_one_time_prove_nothing_by_their_numbers(
    make: Make, provider: FakeProvider, accept: Accept, state: State
) -> None:
    dispatcher, resolver = make(Evidence.RECIPIENT_SEARCH)
    provider.script = at_first(Conduct.CUT)
    twins = [await accept(), await accept()]
    await send(dispatcher)
    async with asyncio.timeout(10):
        while "sending" in [(await state(twin))["status"] for twin in twins]:
            await ask_all(resolver)
    assert [(await state(twin))["status"] for twin in twins] == ["unconfirmed", "unconfirmed"]
    assert provider.log.taken() == {str(twin): 1 for twin in twins}


async def test_of_two_equal_texts_of_different_accounts_only_one_adopts_what_was_taken_once(
    make: Make,
    provider: FakeProvider,
    accept: Accept,
    engine: Engine,
    state: State,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def write_slowly(*wanted: Any) -> None:
        await asyncio.sleep(0.3)
        await apply_changes(*wanted)

    dispatcher, resolver = make(Evidence.RECIPIENT_SEARCH)
    provider.script = in_turn(Conduct.CUT, Conduct.LOST)
    twins = [await accept(), await accept()]
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE messages SET account_id = id"))
    await send(dispatcher)
    questions = await resolver.begin(limit=10)
    answers = await asyncio.gather(*map(resolver.ask, questions))
    monkeypatch.setattr("app.services.resolver.apply_changes", write_slowly)
    await asyncio.gather(*map(resolver.conclude, questions, answers))
    assert sorted([(await state(twin))["status"] for twin in twins]) == ["sending", "sent"]


async def test_what_an_equal_text_that_is_still_being_sent_may_own_is_not_adopted(
    make: Make, provider: FakeProvider, accept: Accept, state: State
) -> None:
    dispatcher, resolver = make(Evidence.RECIPIENT_SEARCH)
    provider.script = in_turn(Conduct.LOST, Conduct.PROPER)
    lost = await accept()
    await send(dispatcher)
    being_sent = await accept()
    [assignment] = await dispatcher.claim(limit=10)
    result = await dispatcher.send(assignment)
    assert await ask_all(resolver) == 1
    stored = await state(lost)
    assert (stored["status"], stored["phases"], stored["events"][-1][-1]) == ("sending", ["unknown"], "no-answer")

    await dispatcher.settle([result])
    assert (await state(being_sent))["status"] == "sent"
    async with asyncio.timeout(10):
        while (await state(lost))["status"] != "sent":
            await ask_all(resolver)
            await send(dispatcher)
    assert provider.log.taken() == {str(lost): 1, str(being_sent): 1}
