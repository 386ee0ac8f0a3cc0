"""Listening says when its connection is gone, however it finds out, so that its loop can begin again."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from app.store.engine import Autocommit, StoreUnavailable, create_engine, transaction
from app.store.notifications import Notifier, listen


async def test_a_connection_that_died_in_the_pool_is_a_lost_database_and_no_bug(own_database_url: str) -> None:
    pooled = create_engine(own_database_url, application="tests", pool_size=1)
    async with transaction(pooled) as connection:
        backend = await connection.scalar(text("SELECT pg_backend_pid()"))
        driver = (await connection.get_raw_connection()).driver_connection
    other = create_engine(own_database_url, application="tests")
    async with transaction(other) as connection:
        await connection.execute(text("SELECT pg_terminate_backend(:backend, 10000)"), {"backend": backend})
    assert driver is not None
    async with asyncio.timeout(10):
        while not driver.is_closed():  # noqa: ASYNC110 - the driver tells nobody
            await asyncio.sleep(0.01)
        with pytest.raises(StoreUnavailable):
            await listen(pooled, ["gateway_dispatch"], lambda _channel: None)
    await other.dispose()
    await pooled.dispose()


async def test_a_notification_wakes_the_listener_with_its_channel(own_database_url: str) -> None:
    engine = create_engine(own_database_url, application="tests")
    heard: asyncio.Queue[str] = asyncio.Queue()
    listening = asyncio.create_task(listen(engine, ["gateway_dispatch", "gateway_receipts"], heard.put_nowait))
    async with asyncio.timeout(10):
        while heard.empty():  # until it listens, nobody hears a notification
            async with transaction(engine) as connection:
                await connection.execute(text("SELECT pg_notify('gateway_receipts', '')"))
            await asyncio.sleep(0.01)
    assert heard.get_nowait() == "gateway_receipts"
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await engine.dispose()


async def test_many_calls_are_told_at_once_and_then_once_more(own_database_url: str) -> None:
    engine = create_engine(own_database_url, application="tests")
    notifier = Notifier(Autocommit(engine), "gateway_dispatch")
    heard: list[float] = []
    clock = asyncio.get_running_loop().time
    listening = asyncio.create_task(listen(engine, ["gateway_dispatch"], lambda _channel: heard.append(clock())))
    async with asyncio.timeout(10):
        while not heard:  # until it listens, nobody hears a notification
            notifier.wake()
            await asyncio.sleep(0.01)
        await notifier.aclose()
        heard.clear()
        notifier.wake()
        for _ in range(100):
            await asyncio.sleep(0)
            notifier.wake()
        await notifier.aclose()
        await asyncio.sleep(0.05)
    assert len(heard) == 2
    assert heard[1] - heard[0] >= 0.04
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await engine.dispose()
