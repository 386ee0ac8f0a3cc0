"""The sandbox's webhooks when the receiver is down, slow or refuses, and that they prove where they come from."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.http import WebhookRequest
from app.domain.provider import SignatureInvalid
from tests.sandbox.world import CONFIG, Receiver, a_receiver, a_world, bound_socket, until, url_of

QUICK = replace(CONFIG, webhook_retry_waits_seconds=(0.05, 0.05, 0.1, 0.2, 0.4))
USUAL = ["queued", "sent", "delivered"]


async def test_a_webhook_that_is_not_taken_comes_again_and_holds_the_later_ones_back() -> None:
    async with a_receiver(answers=[503, 302, 200, 500]) as receiver, a_world(QUICK, receiver=receiver) as world:
        sent = await world.send("+12025550123")
        await until(lambda: len(receiver.received) == 6)
        words = [report.provider_status for report in world.reports(sent)]
        assert words == ["queued", "queued", "queued", "sent", "sent", "delivered"]


async def test_webhooks_reach_a_receiver_that_was_down_at_first() -> None:
    listener = bound_socket()
    port, down = listener.getsockname()[1], Receiver(url=url_of(listener))
    listener.close()
    async with a_world(QUICK, receiver=down) as world:
        sent = await world.send("+12025550123")
        await asyncio.sleep(0.15)
        async with a_receiver(port=port) as receiver:
            await until(lambda: len(receiver.received) == 3)
            down.received = receiver.received
            assert [report.provider_status for report in world.reports(sent)] == USUAL


async def test_a_handset_does_not_wait_for_the_receiver() -> None:
    async with a_receiver(answers=[500] * 6) as receiver, a_world(QUICK, receiver=receiver) as world:
        await world.send("+12025550123")
        await asyncio.sleep(0.1)
        inbox = await world.look("/sandbox/inbox")
        assert len(inbox["messages"]) == 1
        assert len(receiver.received) < 6


async def test_a_webhook_is_given_up_after_the_last_wait_and_the_next_one_is_posted() -> None:
    once = replace(CONFIG, webhook_retry_waits_seconds=(0.01,))
    async with a_receiver(answers=[500, 500]) as receiver, a_world(once, receiver=receiver) as world:
        sent = await world.send("+12025550123")
        await until(lambda: len(receiver.received) == 4)
        words = [report.provider_status for report in world.reports(sent)]
        assert words == ["queued", "queued", "sent", "delivered"]


async def test_an_early_webhook_that_nobody_takes_delays_the_answer_only_so_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.sandbox.network.EARLY_SECONDS", 0.2)
    async with a_receiver(answers=[500] * 20) as receiver, a_world(receiver=receiver) as world:
        started = asyncio.get_running_loop().time()
        await world.send("+15005550054")
        assert 0.15 < asyncio.get_running_loop().time() - started < 2.0


@pytest.mark.parametrize(
    "forged",
    [
        lambda request: replace(request, body=request.body.replace(b"queued", b"failed")),
        lambda request: replace(request, url=request.url + "0"),
        lambda request: replace(request, headers={}),
    ],
    ids=["another body", "another URL", "no signature"],
)
async def test_a_webhook_that_was_changed_on_its_way_does_not_verify(forged: object) -> None:
    assert callable(forged)
    async with a_receiver() as receiver, a_world(receiver=receiver) as world:
        await world.send("+12025550123")
        await until(lambda: len(receiver.received) >= 1)
        request = receiver.received[0]
        now = datetime.now(UTC)
        world.adapter.verify_webhook(request, now=now, documents={})
        changed = forged(request)
        assert isinstance(changed, WebhookRequest)
        with pytest.raises(SignatureInvalid):
            world.adapter.verify_webhook(changed, now=now, documents={})
        with pytest.raises(SignatureInvalid):
            world.adapter.verify_webhook(request, now=now + timedelta(seconds=302), documents={})


async def test_webhooks_in_flight_are_bounded() -> None:
    narrow = replace(CONFIG, webhooks_in_flight=2)
    async with a_receiver(delay_seconds=0.03) as receiver, a_world(narrow, receiver=receiver) as world:
        await asyncio.gather(*(world.send("+12025550123") for _ in range(6)))
        await until(lambda: len(receiver.received) == 18)
        assert receiver.most_at_once == 2
