"""Finding out what became of unknown sends at the real sandbox over HTTP, in each way that an account can be set to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest
import pytest_asyncio

from app.domain.http import WebhookRequest
from app.domain.inquiry import InquiryPolicy
from app.domain.message import DeliveryGuarantee
from app.domain.policy import LifecyclePolicy
from app.domain.routing import RetryPolicy
from app.providers.sandbox import Evidence
from app.services.dispatch import Dispatcher
from app.services.records import ProviderRecords
from app.services.reports import Reports
from app.services.resolver import Resolver
from app.services.submitting import Submitter
from app.services.webhooks import WebhookIntake
from app.store.engine import Engine
from app.transport import Transport
from tests.sandbox.world import CONFIG, World, a_receiver, a_world, until
from tests.services.conftest import Accept, State
from tests.support.asking import ask_all
from tests.support.counting_provider import dispatch_config

CUT: Final = "+15005550045"
SECRET: Final = "+15005550046"
LOST: Final = "+15005550047"

ASKED: Final = (Evidence.IDEMPOTENCY_KEY, Evidence.REFERENCE_SEARCH, Evidence.RECIPIENT_SEARCH)
UNASKED: Final = (Evidence.WEBHOOK, Evidence.NONE)

FOUND_AS: Final = {
    Evidence.IDEMPOTENCY_KEY: "sent",  # a resend is acknowledged, and says no more
    Evidence.REFERENCE_SEARCH: "delivered",
    Evidence.RECIPIENT_SEARCH: "delivered",
}


@dataclass(frozen=True, kw_only=True)
class Rig:
    """What works on messages at one sandbox, without any waits but for webhooks."""

    world: World
    dispatcher: Dispatcher
    resolver: Resolver
    intake: WebhookIntake
    reports: Reports

    async def send(self) -> None:
        """Send everything that is due, once."""
        claimed = await self.dispatcher.claim(limit=10)
        await self.dispatcher.settle(await asyncio.gather(*map(self.dispatcher.send, claimed)))

    async def work_until_settled(self, state: State, message_id: UUID) -> dict[str, Any]:
        """Ask and send until nothing is open, and give what is stored then."""
        async with asyncio.timeout(10):
            while (stored := await state(message_id))["status"] in {"queued", "sending"}:
                await self.send()
                await ask_all(self.resolver)
        return stored

    async def hear(self, message_id: UUID) -> None:
        """Take in the three webhooks of a message that the sandbox has posted, or is about to."""

        def posted() -> list[WebhookRequest]:
            return [each for each in self.world.receiver.received if str(message_id).encode() in each.body]

        await until(lambda: len(posted()) == 3)
        for request in posted():
            await self.intake.receive(self.intake.recognise("sandbox", "POST", request.path.split("/")[-1]), request)
        assert await self.reports.process_receipts(limit=10) == 3

    async def taken(self, recipient: str) -> int:
        """Count how often the sandbox took a message for a recipient."""
        seen = await self.world.look(f"/sandbox/submissions?to=%2B{recipient[1:]}")
        return sum(submission["taken"] for submission in seen["submissions"])


Make = Callable[..., Rig]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared() -> AsyncIterator[World]:
    async with a_receiver() as receiver, a_world(replace(CONFIG, pace=0), receiver=receiver) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="session")
async def world(shared: World) -> World:
    await shared.call("DELETE", "/sandbox/state")
    shared.receiver.received.clear()
    return shared


@pytest.fixture
def make(engine: Engine, transport: Transport, world: World) -> Make:
    """Make what works at a sandbox account with this kind of evidence."""
    none = timedelta(0)
    inquiry = InquiryPolicy(delays_seconds=(0,) * 6, on_its_way=none, sightings_apart=none)

    def made(evidence: Evidence, *, evidence_wait: timedelta = none) -> Rig:
        retry = RetryPolicy(delays_seconds=(0,))
        policy = LifecyclePolicy(evidence_wait=evidence_wait, inquiry=inquiry, retry=retry)
        config = replace(dispatch_config(), policy=policy, public_url=world.receiver.url)
        adapters = {"sandbox": world.using(evidence).adapter}
        submitter, records = Submitter(adapters, transport, config), ProviderRecords(adapters, transport)
        return Rig(
            world=world,
            dispatcher=Dispatcher(engine, adapters, submitter, config),
            resolver=Resolver(engine, adapters, submitter, records, config),
            intake=WebhookIntake(engine, adapters, secret=config.secret, unique_for=timedelta(days=1)),
            reports=Reports(engine, adapters, policy),
        )

    return made


@pytest.mark.parametrize("guarantee", DeliveryGuarantee)
@pytest.mark.parametrize("evidence", ASKED)
async def test_what_was_taken_and_cut_is_found_and_not_sent_again(
    make: Make, accept: Accept, state: State, evidence: Evidence, guarantee: DeliveryGuarantee
) -> None:
    rig = make(evidence)
    message_id = await accept(recipient=CUT, delivery_guarantee=guarantee)
    await rig.send()
    assert (await state(message_id))["status"] == "sending"
    assert await ask_all(rig.resolver) == 1
    stored = await state(message_id)
    assert (stored["status"], stored["error_code"], stored["phases"]) == (FOUND_AS[evidence], None, ["accepted"])
    assert (stored["possible_duplicate"], await rig.taken(CUT)) == (False, 1)


@pytest.mark.parametrize("guarantee", DeliveryGuarantee)
@pytest.mark.parametrize("evidence", ASKED)
async def test_what_was_never_taken_is_sent_once_whatever_its_guarantee(
    make: Make, accept: Accept, state: State, evidence: Evidence, guarantee: DeliveryGuarantee
) -> None:
    rig = make(evidence)
    message_id = await accept(recipient=LOST, delivery_guarantee=guarantee)
    stored = await rig.work_until_settled(state, message_id)
    # Under a key it is the same attempt; else the first is proven absent, and a second one follows.
    attempts = ["accepted"] if evidence is Evidence.IDEMPOTENCY_KEY else ["not_sent", "accepted"]
    assert (stored["status"], stored["error_code"], stored["phases"]) == ("sent", None, attempts)
    assert (stored["possible_duplicate"], await rig.taken(LOST)) == (False, 1)


@pytest.mark.parametrize("evidence", ASKED)
async def test_what_the_sandbox_does_not_tell_of_is_left_to_the_guarantee(
    make: Make, accept: Accept, state: State, evidence: Evidence
) -> None:
    rig = make(evidence)
    stored = await rig.work_until_settled(state, message_id := await accept(recipient=SECRET))
    assert (stored["status"], stored["error_code"], stored["phases"]) == (
        "unconfirmed",
        "outcome-unknown",
        ["abandoned"],
    )
    assert [reason for *_, reason in (await state(message_id))["events"]].count("no-answer") == 6
    assert await rig.taken(SECRET) == 1


async def test_with_webhooks_alone_what_was_taken_and_cut_waits_for_its_webhook(
    make: Make, accept: Accept, state: State
) -> None:
    rig = make(Evidence.WEBHOOK, evidence_wait=timedelta(minutes=1))
    message_id = await accept(recipient=CUT)
    await rig.send()
    assert await ask_all(rig.resolver) == 0
    assert (await state(message_id))["status"] == "sending"
    await rig.hear(message_id)
    stored = await state(message_id)
    assert (stored["status"], stored["phases"], stored["queue"]) == ("delivered", ["accepted"], [])
    assert await rig.taken(CUT) == 1


@pytest.mark.parametrize("evidence", UNASKED)
@pytest.mark.parametrize(("recipient", "taken"), [(CUT, 1), (LOST, 0)])
async def test_where_nobody_tells_what_became_of_it_at_most_once_leaves_it_unconfirmed(
    make: Make, accept: Accept, state: State, evidence: Evidence, recipient: str, taken: int
) -> None:
    rig = make(evidence)
    stored = await rig.work_until_settled(state, await accept(recipient=recipient))
    assert (stored["status"], stored["phases"]) == ("unconfirmed", ["abandoned"])
    assert (stored["possible_duplicate"], await rig.taken(recipient)) == (False, taken)


@pytest.mark.parametrize("evidence", UNASKED)
@pytest.mark.parametrize(("recipient", "end", "taken"), [(CUT, "unconfirmed", 2), (LOST, "sent", 1)])
async def test_where_nobody_tells_what_became_of_it_at_least_once_sends_it_once_more_and_says_so(
    make: Make, accept: Accept, state: State, evidence: Evidence, recipient: str, end: str, taken: int
) -> None:
    rig = make(evidence)
    message_id = await accept(recipient=recipient, delivery_guarantee=DeliveryGuarantee.AT_LEAST_ONCE)
    stored = await rig.work_until_settled(state, message_id)
    assert (stored["status"], len(stored["phases"])) == (end, 2)
    assert (stored["possible_duplicate"], await rig.taken(recipient)) == (True, taken)
