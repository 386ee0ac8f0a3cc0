"""Making an attempt: what is late by the worker's own clock is not begun, for another one may take over."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from app.domain.http import HttpRequest
from app.domain.provider import Deferred, SendContext, SendRequest
from app.services.dispatch import Dispatcher
from app.services.webhooks import Adapters
from tests.services.conftest import Accept, State


async def test_an_adapter_that_takes_longer_than_the_lease_sends_nothing(
    dispatcher: Dispatcher, adapters: Adapters, accept: Accept, monkeypatch: pytest.MonkeyPatch
) -> None:
    await accept()
    [assignment] = await dispatcher.claim(limit=1)
    begin_before = time.monotonic() + 0.05

    def slow(send: SendRequest, context: SendContext) -> HttpRequest:
        del send, context
        time.sleep(0.06)
        return HttpRequest(method="POST", url="http://127.0.0.1:1/")

    monkeypatch.setattr(adapters["sandbox"], "build_send", slow)
    made = await dispatcher.send(replace(assignment, begin_before=begin_before))
    assert isinstance(made.outcome, Deferred)
    assert made.outcome.failure.provider_code == "worker-was-stopped"


async def test_a_worker_that_was_stopped_for_longer_than_its_lease_begins_nothing(
    dispatcher: Dispatcher, accept: Accept, state: State
) -> None:
    message_id = await accept()
    [assignment] = await dispatcher.claim(limit=1)
    made = await dispatcher.send(replace(assignment, begin_before=time.monotonic() - 1))
    assert isinstance(made.outcome, Deferred)
    assert made.outcome.failure.provider_code == "worker-was-stopped"
    await dispatcher.settle([made])
    assert (await state(message_id))["status"] == "queued"
