"""Estimates beside what happens: when a message is said to be sent, its provider sees it."""

from __future__ import annotations

import asyncio
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from app.providers.sandbox import Evidence
from app.services.administration import Administration
from app.store.engine import Engine
from tests.support.fake_provider.server import FakeProvider
from tests.support.gateway import Tenant, basic
from tests.support.processes import Fleet

pytestmark = pytest.mark.fault

SENDER: Final = "+12025550120"
WAITING: Final = 20
OFF_SECONDS: Final = 2.0
"""A look at the queue is up to a second old, and a claim comes some time after what it grants."""


async def send(client: httpx.AsyncClient, priority: str) -> dict[str, Any]:
    message = {"from": SENDER, "to": "+13125550143", "body": "Your order has shipped.", "priority": priority}
    answer = await client.post("/v1/messages", json=message)
    assert answer.status_code == 202, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def test_a_message_reaches_its_provider_when_it_was_said_to(
    own_database_url: str, engine: Engine, shop: Tenant, tmp_path: Path
) -> None:
    await Administration(engine, {"a"}).add_sender(account=shop.name, address=SENDER, provider="a", rate=Decimal(5))
    with (
        FakeProvider() as provider,
        Fleet(own_database_url, tmp_path, **provider.account_settings("a", Evidence.WEBHOOK)) as fleet,
    ):
        fleet.start("api", "worker")
        await asyncio.to_thread(fleet.wait_until_ready)
        async with httpx.AsyncClient(base_url=fleet.api_url, headers=basic(shop.live), trust_env=False) as client:
            await send(client, "transactional")
            while not provider.log.sent:  # noqa: ASYNC110 - the worker waits a moment before its first claim
                await asyncio.sleep(0.05)
            told = [await send(client, "transactional") for _ in range(WAITING)]
            told += [await send(client, "bulk"), await send(client, "otp")]
            async with asyncio.timeout(60):
                while len(provider.log.sent) < len(told) + 1:  # noqa: ASYNC110 - nobody is told
                    await asyncio.sleep(0.05)
    seen = {str(entry.message): entry.at for entry in provider.log.sent}
    off = [(seen[each["id"]] - datetime.fromisoformat(each["estimated_send_at"])).total_seconds() for each in told]
    assert [seconds for seconds in off if abs(seconds) > OFF_SECONDS] == []
