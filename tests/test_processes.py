"""What running processes show and no part alone can: that work begins when it comes, and what their logs say."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.store.engine import create_engine
from tests.support.databases import drop, empty_copy
from tests.support.gateway import SECRET_KEY, WEBHOOK_SECRET, Tenant, basic, tenant
from tests.support.processes import Fleet

CANARY = "canary text 7f3a"
NUMBER = "+15557654321"
OTHER_NUMBER = "+15551230077"
NO_POLLING = {"GATEWAY_DISPATCH__POLL_SECONDS": "600"}


@dataclass(frozen=True, kw_only=True)
class Ran:
    """One message's way through processes that never poll, and all that they have logged."""

    shop: Tenant
    status: str
    seconds: float
    logs: str


@pytest.fixture(scope="module")
async def ran(postgres_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ran]:
    url, name = await empty_copy(postgres_url, template)
    engine = create_engine(url, application="tests")
    shop = await tenant(engine)
    await engine.dispose()
    directory: Path = tmp_path_factory.mktemp("processes")
    with Fleet(url, directory, **NO_POLLING) as fleet:
        fleet.start("api", "worker", "sandbox")
        await asyncio.to_thread(fleet.wait_until_ready)
        async with httpx.AsyncClient(base_url=fleet.api_url, headers=basic(shop.test), trust_env=False) as client:
            status, seconds = await follow(client)
            await provoke(client)
        fleet.terminate("worker")
    yield Ran(shop=shop, status=status, seconds=seconds, logs=everything_in(directory))
    await drop(postgres_url, name)


def everything_in(directory: Path) -> str:
    return "".join(file.read_text() for file in directory.glob("*.log"))


def events(ran: Ran, name: str) -> list[dict[str, Any]]:
    """The lines of this event, in no order over processes."""
    return [event for line in ran.logs.splitlines() if (event := json.loads(line))["event"] == name]


async def follow(client: httpx.AsyncClient) -> tuple[str, float]:
    """Send a message once the worker listens, and wait until it is delivered."""
    await asyncio.sleep(2)
    message = {"from": OTHER_NUMBER, "to": NUMBER, "body": CANARY, "metadata": {"note": CANARY}}
    started = time.monotonic()
    sent = (await client.post("/v1/messages", json=message)).json()
    while time.monotonic() - started < 60:
        read = (await client.get(f"/v1/messages/{sent['id']}")).json()
        if read["status"] == "delivered":
            break
        await asyncio.sleep(0.05)
    return read["status"], time.monotonic() - started


async def provoke(client: httpx.AsyncClient) -> None:
    """Be refused in every way that could tempt a process to log what it was sent."""
    for document in ({"body": CANARY}, {"from": OTHER_NUMBER, "to": f"{NUMBER}0000", "body": CANARY}):
        assert (await client.post("/v1/messages", json=document)).status_code == 422
    broken = {"content": f'{{"body": "{CANARY}'.encode(), "headers": {"content-type": "application/json"}}
    assert (await client.post("/v1/messages", **broken)).status_code == 400  # type: ignore[arg-type]  # keyword arguments
    assert (await client.post("/v1/webhooks/sandbox", content=CANARY.encode())).status_code == 401
    assert (await client.get(f"/v1/messages?to={NUMBER}&client_reference={CANARY}")).status_code == 200


def test_a_message_is_sent_and_reported_at_once_by_processes_that_do_not_poll(ran: Ran) -> None:
    assert ran.status == "delivered"
    assert ran.seconds < 30


def test_no_log_holds_a_number_a_text_or_a_secret(ran: Ran) -> None:
    posts = [event["status"] for event in events(ran, "request") if event["method"] == "POST"]
    # The 200s are the sandbox's status webhooks, which come when they come.
    assert [status for status in posts if status != 200] == [202, 422, 422, 400, 401]
    hidden = (CANARY, NUMBER, NUMBER[1:], OTHER_NUMBER, ran.shop.test.secret, SECRET_KEY, WEBHOOK_SECRET)
    assert [secret for secret in hidden if secret in ran.logs] == []


def test_log_lines_name_the_request_and_the_message(ran: Ran) -> None:
    [accepted] = [event for event in events(ran, "request") if event["status"] == 202]
    assert accepted["request_id"]
    assert accepted["message_id"]
    attempts = events(ran, "attempt")
    assert attempts
    assert all(event["message_id"] == accepted["message_id"] for event in attempts)
